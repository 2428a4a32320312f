#!/usr/bin/env bash
# check-man.sh - the manual pages say what the program does: options of --help
# and of minivmm.1, keys and defaults of the setter table and of minivmm.ini.5,
# addresses of layout_x86.h and of minivmm-guest.7; and mandoc likes them.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

same() { # file from the program, file from the page
	diff -u --label program --label page "$1" "$2"
}

# One option a line, "m memory" or "- kernel".
"$minivmm" --help |
	sed -n 's/^  -\(.\), --\([a-z-]*\).*/\1 \2/p
		s/^      --\([a-z-]*\).*/- \1/p' | sort >"$scratch/options"
sed -n 's/^\.It Fl \([a-z]\) .*, Fl -\([a-z-]*\).*/\1 \2/p
	s/^\.It Fl \([a-z]\) , Fl -\([a-z-]*\)$/\1 \2/p
	s/^\.It Fl -\([a-z-]*\).*/- \1/p' man/minivmm.1 |
	sort >"$scratch/options.1"
check "--help prints options" test -s "$scratch/options"
check "minivmm.1 has the options of --help" \
	same "$scratch/options" "$scratch/options.1"

# The same of `minivmm switch`, without the letters.
"$minivmm" switch --help | sed -n 's/^  [- ].[, ] --\([a-z-]*\).*/\1/p' |
	sort >"$scratch/options"
sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p
	s/^\.It Fl [a-z] , Fl -\([a-z-]*\)$/\1/p' man/minivmm-switch.1 |
	sort >"$scratch/options.1"
check "minivmm-switch.1 has the options of minivmm switch --help" \
	same "$scratch/options" "$scratch/options.1"

# "section key default" of each row of the table.
grep -o '\.pub = {\|\.\(section\|key\|fallback\) = "[^"]*"' config/set.c |
	awk -F'"' '
	function row() {
		if (key) print section, key, fallback
		section = key = fallback = ""
	}
	/pub/ { row() }
	/section/ { section = $2 }
	/key/ { key = $2 }
	/fallback/ { fallback = $2 }
	END { row() }' | sort >"$scratch/keys"
awk '
	function item() {
		if (key) print section, key, fallback
		key = fallback = ""
	}
	/^\.Ss \[/ { item(); section = $2; gsub(/[][]/, "", section) }
	/^\.Sh/ { item(); section = "" }
	/^\.It Cm / && section { item(); key = $3 }
	/^\.Li / && after_default { fallback = $2 }
	{ after_default = /^Default:$/ }
	END { item() }' man/minivmm.ini.5 | sort >"$scratch/keys.5"
check "the table has keys" test -s "$scratch/keys"
check "minivmm.ini.5 has the keys and defaults of the table" \
	same "$scratch/keys" "$scratch/keys.5"

# Ports and addresses that are a line of their own in the header.
missing=
# shellcheck disable=SC2013 # a number is one word
for n in $(sed -n 's/^#define LAYOUT_\(PORT_[A-Z0-9_]*\|IOAPIC\|LAPIC\|'\
'VIRTIO_BASE\|HIGH_BASE\|EBDA\|ACPI\|KERNEL\|BOOT_GDT\|BOOT_STACK\|'\
'ZERO_PAGE\|PVH_INFO\|PAGE_TABLES\|SETUP_DATA\|FLAT_IMAGE\|CMDLINE\)[[:space:]]*'\
'\(0x[0-9a-f]*\).*/\2/p' memory/layout_x86.h); do
	grep -qw -- "$n" man/minivmm-guest.7 || missing="$missing $n"
done
none_missing() {
	echo "missing:$missing"
	test -z "$missing"
}
check "minivmm-guest.7 has the addresses of layout_x86.h" none_missing

check "mandoc has nothing to complain about" \
	mandoc -Tlint -W warning man/*.[1-9]
finish
