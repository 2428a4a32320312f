#!/usr/bin/env bash
# install.sh - `make install` brings these files, `make uninstall` takes them
# away again.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

# As if called by hand: not with the flags of the make that runs the tests.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
stage=$scratch/stage
mk() {
	make -s O="$(dirname "$minivmm")" DESTDIR="$stage" PREFIX=/usr "$@" \
		2>&1
}

cat >"$scratch/expected" <<-EOF
	usr/bin/minivmm
	$(printf 'usr/share/doc/minivmm/%s\n' examples/*.ini)
	usr/share/man/man1/minivmm-disk.1
	usr/share/man/man1/minivmm-switch.1
	usr/share/man/man1/minivmm.1
	usr/share/man/man5/minivmm.ini.5
	usr/share/man/man7/minivmm-guest.7
EOF
list() {
	(cd "$stage" && find . -type f -o -type l) | sed 's|^\./||' | sort
}

check "make install succeeds" mk install
list >"$scratch/found"
check "it brings the files of the list and no other" \
	diff -u "$scratch/expected" "$scratch/found"
check "the installed program runs" "$stage/usr/bin/minivmm" --version
check "manual pages are not executable" \
	test ! -x "$stage/usr/share/man/man1/minivmm.1"
touch "$stage/usr/bin/other"
check "make uninstall succeeds" mk uninstall
check "it takes all of them away, and nothing else" \
	test "$(list)" = usr/bin/other
check "no folder of ours stays" test ! -e "$stage/usr/share/doc/minivmm"
check "make uninstall again is no error" mk uninstall
finish
