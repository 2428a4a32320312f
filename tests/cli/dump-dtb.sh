#!/usr/bin/env bash
# dump-dtb.sh - `minivmm check --dump-dtb` writes the machine's device tree.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

cd "$scratch" || exit 1
echo k >kernel
truncate -s 1M a.img b.img
set -- check --kernel kernel --disk a.img --disk b.img --cpus 3 --memory 4G

# magic FILE - a flattened device tree of the size that it says it has
magic() {
	test "$(od -An -N4 -tx1 "$1" | tr -d ' ')" = d00dfeed &&
		test "$((0x$(od -An -j4 -N4 -tx1 "$1" | tr -d ' ')))" -eq \
			"$(stat -c %s "$1")"
}

# count WORD FILE
count() {
	grep -ao -- "$1" "$2" | wc -l
}

"$minivmm" "$@" --dump-dtb vm.dtb >vm.ini
check "the settings are printed too" grep -q '^\[vm\]' vm.ini
check "the file is a device tree" magic vm.dtb
check "it has a window per disk and one for the entropy device" \
	test "$(count 'virtio@' vm.dtb)" -eq 3
check "the windows are the first ones" grep -aq 'virtio@d0002000' vm.dtb
check "it has the CPUs" test "$(count 'cpu@' vm.dtb)" -eq 3
check "it has the command line" grep -aq 'root=/dev/vda rw' vm.dtb
"$minivmm" "$@" --rng off --dump-dtb - >stdout.dtb
check "- is standard output, and the tree is alone there" magic stdout.dtb
check "without entropy device there is one window less" \
	test "$(count 'virtio@' stdout.dtb)" -eq 2
"$minivmm" "$@" --net user --net user --dump-dtb net.dtb >vm.ini
check "with two networks there are two windows more" \
	test "$(count 'virtio@' net.dtb)" -eq 5
refuses "a folder that is not there is an error" \
	"--dump-dtb: none/x: No such file or directory" "$@" --dump-dtb none/x
status=0
"$minivmm" "$@" --dump-dtb - >/dev/full 2>.err || status=$?
check "a full device has status 125" test $status -eq 125
finish
