#!/usr/bin/env bash
# config-files.sh - each tests/cli/config/*.ini is refused with exactly the
# line in its .err, status 125 and nothing on stdout.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

cd tests/cli/config || exit 1
for ini in *.ini; do
	expected=$(cat "${ini%.ini}.err")
	refuses "${ini%.ini}" "${expected#minivmm: }" check -f "$ini"
done
refuses "a missing file is named" \
	"none.ini: cannot read: No such file or directory; expected an ini file" \
	-f none.ini
refuses "a folder is no ini file" \
	".: cannot read: Is a directory; expected an ini file" -f .
finish
