#!/usr/bin/env bash
# files.sh - what check says about files that do not fit.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

cd "$scratch" || exit 1
echo k >kernel
truncate -s 1M disk.img
: >empty
truncate -s 1000 odd.img
mkdir folder
mkfifo pipe
ln disk.img hard.img
ln -s disk.img soft.img
k='--kernel kernel'

# word splitting of $k is meant
# shellcheck disable=SC2086
{
	check "files that fit are accepted" "$minivmm" check $k \
		--disk disk.img --initrd kernel --log-file log \
		--serial file:out
	check "check makes no file" test ! -e log -a ! -e out
	refuses "a missing kernel is refused" \
		"kernel: none: No such file or directory" check --kernel none
	refuses "run checks the same" \
		"kernel: none: No such file or directory" --kernel none
	refuses "a folder is no kernel" \
		"kernel: folder is a directory; expected a file" \
		check --kernel folder
	refuses "a pipe is no kernel, and is not waited for" \
		"kernel: pipe is a pipe; expected a file" check --kernel pipe
	refuses "an empty kernel is refused" "kernel: empty is empty" \
		check --kernel empty
	refuses "an empty initrd is refused" "initrd: empty is empty" \
		check $k --initrd empty
	refuses "a missing disk is refused" \
		"disk disk0: none: No such file or directory" \
		check $k --disk none
	refuses "a folder is no disk" "disk disk0: folder is a directory; \
expected a file or a block device" check $k --disk folder
	refuses "a character device is no disk" "disk disk0: /dev/null is a \
character device; expected a file or a block device" \
		check $k --disk /dev/null
	refuses "an empty disk is refused" "disk disk0: empty has 0 bytes; \
expected a multiple of 512, and not 0" check $k --disk empty
	refuses "half a sector is refused" "disk disk0: odd.img has 1000 \
bytes; expected a multiple of 512, and not 0" check $k --disk odd.img
	for name in ./disk.img hard.img soft.img; do
		refuses "disk.img beside $name is one file twice" \
			"disk disk0 and disk disk1: both are $name; expected \
readonly=on for both, or two files" \
			check $k --disk disk.img --disk "$name"
	done
	check "one file twice is fine when nobody writes" "$minivmm" check \
		$k --disk disk.img,readonly=on --disk hard.img,readonly=on
	refuses "the console does not go over a disk" \
		"serial: soft.img is disk disk0" \
		check $k --disk disk.img --serial file:soft.img
	refuses "a log in no folder is refused" "log-file: none/log: cannot \
make it: No such file or directory" check $k --log-file none/log
	refuses "a folder is no log" \
		"log-file: folder is a directory; expected a file" \
		check $k --log-file folder
}

# Root may write everything, unless that capability is gone.
chmod 0444 disk.img
if [ "$(id -u)" -eq 0 ]; then
	real=$minivmm minivmm=$scratch/without-capabilities
	printf '#!/bin/sh\nexec setpriv --bounding-set=-all %s "$@"\n' \
		"$real" >"$minivmm"
	chmod +x "$minivmm"
fi
refuses "a disk without write permission is refused" "disk disk0: disk.img: \
Permission denied; expected a writable disk, or readonly=on" \
	check --kernel kernel --disk disk.img
check "a disk without write permission is fine for reading" "$minivmm" \
	check --kernel kernel --disk disk.img,readonly=on
finish
