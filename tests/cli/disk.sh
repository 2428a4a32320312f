#!/usr/bin/env bash
# disk.sh - minivmm disk: what it makes others read, what it does to bytes, and
# what it refuses.
# shellcheck disable=SC2016 # for eval
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
PATH=$PATH:/usr/sbin:/sbin

command -v sfdisk parted >/dev/null || {
	echo "1..0 # SKIP no sfdisk or parted here"
	exit 77
}
cd "$scratch" || exit 1
disk() {
	"$minivmm" disk "$@"
}

# blocks FILE - KiB that it takes.
blocks() {
	du -k "$1" | cut -f1
}

# has NAME START SIZE - as list says.
has() {
	disk list pool.img >lines
	grep -q "^ *$2 *$3 .* $1\$" lines || ! cat lines
}

check "a pool is made" disk create pool.img 64M
check "it is a hole" test "$(blocks pool.img)" -lt 100
check "a partition is made" disk create pool.img a 8M
check "and one of one sector" disk create pool.img b 512
check "and one with a name of its own" disk create pool.img 'é €' 3M
check "list shows the first" has a 1M 8M
check "list shows the second" has b 9M 512
check "list shows the third" has 'é €' 10M 3M
check "sfdisk finds no errors" sh -c \
	'sfdisk -V pool.img 2>&1 | grep -q "No errors"'
check "parted reads the names" sh -c \
	'parted -sm pool.img unit B print 2>/dev/null | grep -q "^3:10485760B:.*:é €:"'

head -c 3000000 /dev/urandom >in.img
truncate -s 3M in.img
truncate -s 20M sparse.img
dd if=in.img of=sparse.img bs=1M seek=10 conv=notrunc 2>/dev/null
check "a file is imported" disk import pool.img in in.img
check "and exported again" disk export pool.img in out.img
check "with the same bytes" cmp in.img out.img
before=$(blocks pool.img)
check "a sparse file is imported" disk import pool.img sparse sparse.img
check "without its holes" \
	test "$(($(blocks pool.img) - before))" -lt 3500
check "a clone has the same bytes" eval \
	'disk clone pool.img sparse copy &&
	disk export pool.img copy copy.img && cmp sparse.img copy.img'
check "an exported file has the holes" test "$(blocks copy.img)" -lt 3500

check "a pool becomes larger" disk resize pool.img 100M
check "sfdisk finds no errors in it" sh -c \
	'sfdisk -V pool.img 2>&1 | grep -q "No errors"'
check "a partition becomes larger at its place" disk resize pool.img b 1M
check "it is there" has b 9M 1M
check "one without room moves" disk resize pool.img in 5M
check "with its bytes, and zeroes behind them" eval \
	'rm -f out.img; disk export pool.img in out.img;
	truncate -s 5M in.img; cmp in.img out.img'
check "one without data at its end becomes smaller" \
	disk resize pool.img sparse 15M
before=$(blocks pool.img)
check "a partition is deleted" disk delete pool.img copy
check "its space comes back" test "$((before - $(blocks pool.img)))" -gt 2500
check "what is made in its place is zeroes" eval \
	'disk create pool.img new 20M && rm -f out.img &&
	disk export pool.img new out.img && cmp -n 20M out.img /dev/zero'
check "sfdisk finds no errors after all that" sh -c \
	'sfdisk -V pool.img 2>&1 | grep -q "No errors"'

# What parted and sfdisk made.
truncate -s 32M other.img
parted -s other.img mklabel gpt mkpart one 1MiB 3MiB mkpart two 4MiB 5MiB \
	2>/dev/null
check "a pool of parted's is one" eval \
	'disk list other.img | grep -q "2M .*one$" &&
	disk delete other.img one && disk create other.img three 1M'
check "parted agrees" eval \
	'parted -sm other.img unit MiB print 2>/dev/null | grep -q ":1.00MiB:2.00MiB:.*three"'

# What is in use
exec 5<>pool.img
flock -s 5
check "another's flock on the file is no reason" disk create pool.img z 512
flock -x 5
refuses_busy() {
	! disk "$@" 2>err && grep -q 'in use by another' err
}
check "an exclusive one is" refuses_busy create pool.img y 512
exec 5>&-

refuses "a pool that exists is not made again" \
	"pool.img: exists already" disk create pool.img 10M
refuses "a name is taken once" "pool.img: has a partition 'a' already" \
	disk create pool.img a 1M
refuses "a partition has to be there" "pool.img: has no partition 'none'" \
	disk delete pool.img none
refuses "a name has 36 characters" "pool.img: expected a name of 1 to 36 \
characters, none of them a control character" \
	disk create pool.img "$(printf 'a%.0s' {1..37})" 1M
refuses "a name is not empty" "pool.img: expected a name of 1 to 36 \
characters, none of them a control character" disk create pool.img '' 1M
refuses "a name has no control characters" "pool.img: expected a name of 1 \
to 36 characters, none of them a control character" \
	disk create pool.img $'a\nb' 1M
refuses "a name is UTF-8" "pool.img: expected a name of 1 to 36 characters, \
none of them a control character" disk create pool.img $'\xc3(' 1M
refuses "a size is in sectors" \
	"'1000': expected a size in steps of 512, such as 10G" \
	disk create pool.img c 1000
refuses "a partition needs room" \
	"pool.img: no room for 1T; the largest gap has $(disk list pool.img |
		sed -n 's/.*largest gap //p')" disk create pool.img c 1T
refuses "data is not cut off" "pool.img: partition 'in' has data behind that \
size; expected none, as after a discard" disk resize pool.img in 1M
refuses "a pool does not become smaller" "pool.img: pools do not become \
smaller; it has 104857600 bytes" disk resize pool.img 10M
refuses "a file without a table is no pool" "in.img: has no partition table \
(GPT)" disk list in.img
refuses "a pool is a file or a device" \
	"/dev/null: expected an image file or a block device" \
	disk list /dev/null
refuses "export makes a new file" "in.img: exists already" \
	disk export pool.img in in.img
refuses "what is imported is there" "none: No such file or directory" \
	disk import pool.img c none
refuses "verbs have names" "disk crate: unknown; did you mean 'create'?" \
	disk crate
refuses "verbs have arguments" "expected minivmm disk clone POOL NAME NEW" \
	disk clone pool.img
check "none of that changed the table" sh -c \
	'sfdisk -V pool.img 2>&1 | grep -q "No errors"'

# A device, as root.
if [ "$(id -u)" -eq 0 ] && truncate -s 16M dev.img &&
	dev=$(losetup -f --show dev.img 2>/dev/null); then
	trap 'losetup -d "$dev"; rm -rf "$scratch"' EXIT
	check "a block device becomes a pool" disk create "$dev"
	check "it takes partitions" eval \
		'disk create "$dev" one 2M && disk import "$dev" two in.img'
	check "with the bytes" eval 'rm -f out.img
		disk export "$dev" two out.img && cmp in.img out.img'
	check "and gives them back" disk delete "$dev" two
	check "sfdisk finds no errors on it" sh -c \
		"sfdisk -V $dev 2>&1 | grep -q 'No errors'"
	refuses "it is not made a pool twice" "$dev: is a pool already" \
		disk create "$dev"
fi
finish
