#!/usr/bin/env bash
# disk-kill.sh - minivmm disk, killed at each of its writes, leaves the old
# table or the new one, and the bytes of all partitions; and the same command
# works afterwards.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
PATH=$PATH:/usr/sbin:/sbin

preload=$(dirname "$minivmm")/tests/cli/die-at.so
command -v sfdisk >/dev/null || {
	echo "1..0 # SKIP no sfdisk here"
	exit 77
}
cd "$scratch" || exit 1
export ASAN_OPTIONS=verify_asan_link_order=0
MiB=1048576

# Partitions of an image as "name start size", by our reader and by libfdisk's.
ours() {
	"$minivmm" disk list "$1" 2>/dev/null |
		awk '$5 != "NAME" && NF == 5 { print $5, $1, $2 }' | sort
}

theirs() {
	sfdisk -d "$1" 2>/dev/null | tr -d ',"' |
		sed -n 's/.*start= *\([0-9]*\) size= *\([0-9]*\) .*name=\(.*\)/\3 \1 \2/p' |
		awk '{ print $1, $2 / 2048 "M", $3 / 2048 "M" }' | sort
}

# same_bytes IMAGE - what base.img has in partitions that nobody changes.
same_bytes() {
	cmp -n $((2 * MiB)) -i $MiB base.img "$1" &&
		cmp -n $((2 * MiB)) -i $((4 * MiB)) base.img "$1"
}

# kill_each ARG... - "disk ARG" at each call, with the image for IMG.
kill_each() {
	local n=0 status=99 half state

	cp --sparse=always base.img new.img
	"$minivmm" disk "${@/IMG/new.img}" 2>err || return 1
	ours new.img >new
	ours base.img >old
	while [ $status -eq 99 ]; do
		n=$((n + 1))
		for half in "" 1; do
			cp --sparse=always base.img p.img
			rm -f made.img
			status=0
			env DIE_AT=$n ${half:+DIE_HALF=1} LD_PRELOAD="$preload" \
				"$minivmm" disk "${@/IMG/p.img}" 2>err ||
				status=$?
			[ $status -eq 99 ] || [ $status -eq 0 ] || {
				echo "call $n: status $status"
				cat err
				return 1
			}
			ours p.img >is
			state=
			cmp -s is old && state=old
			cmp -s is new && state=new
			theirs p.img >their
			if [ -z "$state" ] || ! cmp -s is their ||
				! same_bytes p.img; then
				echo "call $n${half:+, half}: $state"
				diff is their
				return 1
			fi
			[ $state = new ] ||
				"$minivmm" disk "${@/IMG/p.img}" 2>err || return 1
			# What libfdisk says of a table that is whole again.
			"$minivmm" disk create p.img after 512 2>err &&
				sfdisk -V p.img 2>&1 | grep -q 'No errors' ||
				return 1
		done
	done
	echo "$n" >calls
	[ "$n" -gt 8 ]
}

"$minivmm" disk create base.img 20M
"$minivmm" disk create base.img a 2M
"$minivmm" disk create base.img gone 1M
"$minivmm" disk create base.img b 2M
dd if=/dev/urandom of=base.img bs=64K seek=16 count=96 conv=notrunc 2>/dev/null
head -c 2M /dev/urandom >file

check "create, killed at each call" kill_each create IMG new 3M
check "delete, killed at each call" kill_each delete IMG gone
check "resize in place, killed at each call" kill_each resize IMG b 5M
check "resize to another place, killed at each call" \
	kill_each resize IMG gone 3M
check "resize of the pool, killed at each call" kill_each resize IMG 30M
check "clone, killed at each call" kill_each clone IMG a copy
check "import, killed at each call" kill_each import IMG new file

# The first table is damaged: the copy is the last thing to be written.
cp --sparse=always base.img whole.img
printf '?' | dd of=base.img bs=1 seek=520 conv=notrunc 2>/dev/null
check "with a damaged first table, killed at each call" \
	kill_each delete IMG gone
cp --sparse=always whole.img base.img

# A file that is made has its name when it is complete, and not before.
making_a_pool() {
	local n=0 status=99

	while [ $status -eq 99 ]; do
		n=$((n + 1))
		rm -f made.img
		status=0
		env DIE_AT=$n LD_PRELOAD="$preload" \
			"$minivmm" disk create made.img 4M || status=$?
		[ ! -e made.img ] || sfdisk -V made.img >/dev/null 2>&1 ||
			return 1
	done
	[ $n -gt 5 ] && [ $status -eq 0 ] && [ -e made.img ]
}
exporting() {
	local n=0 status=99

	while [ $status -eq 99 ]; do
		n=$((n + 1))
		rm -f out.img
		status=0
		env DIE_AT=$n LD_PRELOAD="$preload" \
			"$minivmm" disk export base.img a out.img || status=$?
		[ ! -e out.img ] ||
			cmp -i $MiB:0 -n $((2 * MiB)) base.img out.img || return 1
	done
	[ $n -gt 2 ] && [ $status -eq 0 ] && [ -e out.img ]
}
check "making a pool, killed at each call" making_a_pool
check "export, killed at each call" exporting
finish
