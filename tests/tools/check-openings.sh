#!/usr/bin/env bash
# check-openings.sh - every file opens the same way: its licence, then its
# name and one sentence; a header's guard is its path; a virtio device says
# which section of the specification it follows.
set -u
cd "$(dirname "$0")/../.." || exit 1

bad=0
complain() {
	echo "$1: $2"
	bad=1
}

sources() { # find arguments
	find base cmd config memory tests vcpu virtio -type f "$@" | sort
}

licence_of() {
	case $1 in
	*.c) echo '// SPDX-License-Identifier: MIT' ;;
	*) echo '/* SPDX-License-Identifier: MIT */' ;;
	esac
}

# "name - sentence" or "name ARGUMENT... - sentence" in the first comment;
# without a C file's ending when it is the name of a program.
names_itself() {
	local name

	name=$(basename "$1")
	head -n 4 "$1" | grep -qE \
		"^(/\*| \*|#) (${name//./\\.}|${name%.*}) ([^-].*[])A-Za-z.] )?- "
}

while read -r f; do
	[ "$(head -n 1 "$f")" = "$(licence_of "$f")" ] ||
		complain "$f" "line 1 is not its licence"
	names_itself "$f" || complain "$f" "does not say \"name - what it is\""
done < <(sources -name '*.[chS]')

# What the lab's guests do is one script in parts.
while read -r f; do
	names_itself "$f" || complain "$f" "does not say \"name - what it is\""
done < <(sources \( -name '*.sh' -o -name '*.lds' \) ! -path '*/guests/*')

while read -r f; do
	guard=MINIVMM_$(echo "$f" | tr 'a-z/.' 'A-Z__')
	grep -qx "#ifndef $guard" "$f" || complain "$f" "no guard $guard"
done < <(sources -name '*.h')

while read -r f; do
	grep -q 'virtio 1\.2 §' "$f" || complain "$f" "cites no specification"
done < <(find virtio -maxdepth 1 -name '*.c' ! -name 'loop*.c')
exit $bad
