#!/usr/bin/env bash
# disk-reflink.sh - minivmm disk on a file system that shares blocks: clones
# and exports take no room, and what is written to one stays out of the other.
#
# The file system is Btrfs in a file of its own, which takes root and a loop
# device.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
PATH=$PATH:/usr/sbin:/sbin

skip() {
	echo "1..0 # SKIP $*"
	exit 77
}

[ "$(id -u)" -eq 0 ] || skip "only root mounts a file system"
command -v mkfs.btrfs >/dev/null || skip "no mkfs.btrfs here"
truncate -s 256M "$scratch/btrfs.img"
mkfs.btrfs -q "$scratch/btrfs.img" >"$scratch/mkfs" 2>&1
mkdir "$scratch/fs"
mount -o loop "$scratch/btrfs.img" "$scratch/fs" 2>/dev/null ||
	skip "no Btrfs or no loop device to be had here"
trap 'cd / && umount "$scratch/fs"; rm -rf "$scratch"' EXIT
cd "$scratch/fs" || exit 1

disk() {
	"$minivmm" disk "$@"
}

# used - MiB of the file system.
used() {
	sync -f .
	df -k --output=used . | awk 'NR == 2 { printf "%d\n", $1 / 1024 }'
}

# takes_less_than MIB COMMAND... - of the file system.
takes_less_than() {
	local before after most=$1

	shift
	before=$(used)
	"$@" || return 1
	after=$(used)
	echo "$before MiB, then $after MiB"
	[ $((after - before)) -lt "$most" ]
}

same_as() { # file, partition
	rm -f out.img
	disk export pool.img "$2" out.img && cmp "$1" out.img
}

overwrite() { # partition
	head -c 1M /dev/zero >zero.img
	dd if=zero.img of=pool.img bs=1M conv=notrunc status=none \
		seek="$(disk list pool.img | awk -v n="$1" '$NF == n { print $1 + 0 }')"
}

head -c 48M /dev/urandom >"$scratch/in.img"
disk create pool.img 200M
check "a partition of 48 MiB is imported" \
	disk import pool.img one "$scratch/in.img"
check "its clone takes no room" \
	takes_less_than 4 disk clone pool.img one two
check "it has the same bytes" same_as "$scratch/in.img" two
check "an export beside the pool takes no room, too" \
	takes_less_than 4 disk export pool.img one one.img
check "it has the same bytes" cmp "$scratch/in.img" one.img
check "an import from beside the pool takes no room, too" \
	takes_less_than 4 disk import pool.img three one.img
{ head -c 1M /dev/zero && tail -c +1048577 "$scratch/in.img"; } >"$scratch/new.img"
check "the first MiB of the clone is overwritten" overwrite two
check "it is in the clone" same_as "$scratch/new.img" two
check "and in nothing else" same_as "$scratch/in.img" one
finish
