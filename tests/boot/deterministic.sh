#!/usr/bin/env bash
# deterministic.sh - a deterministic machine: two runs of the same boot are the
# same to the last byte, and another seed is another run.
#
# MINIVMM: the program; GUEST: the folder with the guests of images.mk.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

guest=${GUEST:-build/guest}
cmdline='console=ttyS0 reboot=k panic=-1 minivmm.once'

# boot NAME ARG... - to power-off; output, hash and status are NAME's files.
boot() {
	local name=$1

	shift
	"$minivmm" --kernel "$guest/bzImage" --initrd "$guest/initrd.gz" \
		--deterministic --state-hash --timeout 300 "$@" \
		>"$scratch/$name.out" 2>"$scratch/$name.err" </dev/null
	echo $? >"$scratch/$name.status"
	grep -o 'state hash [0-9a-f]\{32\}$' "$scratch/$name.err" \
		>"$scratch/$name.hash"
}

boot_from_disk() { # NAME
	cp --sparse=always "$guest/root.img" "$scratch/$1.img"
	boot "$1" --disk "$scratch/$1.img" --cmdline "$cmdline root=/dev/vda rw"
}

powered_off() { # NAME
	cat "$scratch/$1.out" "$scratch/$1.err"
	grep -q 'Hello from user space' "$scratch/$1.out" &&
		[ "$(cat "$scratch/$1.status")" = 0 ]
}

same() { # NAME NAME ENDING
	diff "$scratch/$1.$3" "$scratch/$2.$3" && test -s "$scratch/$1.$3"
}

other() { # NAME NAME ENDING
	! cmp -s "$scratch/$1.$3" "$scratch/$2.$3" && test -s "$scratch/$2.$3"
}

refuses "KVM cannot be deterministic" \
	"--accel kvm: cannot count instructions; a deterministic machine \
needs --accel auto or interp" \
	--kernel "$guest/bzImage" --accel kvm --deterministic

boot_from_disk first
boot_from_disk second
check "Debian boots from a disk to power-off" powered_off first
check "the same again prints the same" same first second out
check "... ends with the same registers and RAM" same first second hash
check "... leaves the same disk" cmp "$scratch/first.img" "$scratch/second.img"

boot zero --cmdline "$cmdline"
boot one --cmdline "$cmdline" --seed 1
check "an initrd boots to power-off" powered_off zero
check "... and with another seed" powered_off one
check "another seed ends with other registers and RAM" other zero one hash
finish
