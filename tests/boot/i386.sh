#!/usr/bin/env bash
# i386.sh - TAP: Debian's 32-bit kernels under the interpreter, to a shell of
# their initrd.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. ONLY=PATTERN runs
# those rows that it matches.
# shellcheck disable=SC2317 # claims are called through check
set -u

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")/i386
minivmm=$(realpath "${MINIVMM:-build/minivmm}")
only=${ONLY:-}
scratch=$(mktemp -d)
trap 'end_all; rm -rf "$scratch"' EXIT

# What guest-lib.sh asks for here; images are a row's.
accel=interp images=$guest patience=120 vm_pid=
blank_disk=$scratch/blank.img

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"

# kernel, CPUs, memory. Two levels of page tables, and PAE's three; with PAE
# also RAM above the hole.
rows=(
	'686 1 256M'
	'686 2 256M'
	'686-pae 1 256M'
	'686-pae 2 5G'
)

# The tests of its ciphers are most of a 32-bit boot.
cmdline="$CONSOLE cryptomgr.notests"

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
}

# fetched KERNEL
fetched() {
	[ -s "$guest/$1/bzImage" ] && [ -s "$guest/$1/initrd.gz" ]
}

# has_machine KERNEL CPUS MEMORY
has_machine() {
	local least=200000

	[ "$3" = 256M ] || least=4700000
	# shellcheck disable=SC2016 # for the guest's shell
	vm_do 'echo "is=$(uname -m) $(uname -r) $(nproc)"' &&
		vm_is is= "i686 $(cat "$guest/$1/release") $2" &&
		vm_do "awk '/^MemTotal/ { print \"kib=\" \$2 }' /proc/meminfo" &&
		[ "$(vm_value kib=)" -ge $least ]
}

# Processes, signals, and a disk written through virtio.
does_work() {
	vm_do "sh -c 'trap \"exit 7\" TERM; kill \$\$; sleep 5'; test \$? = 7" &&
		vm_do 'dd if=/bin/busybox of=/dev/vda bs=4k count=64 conv=fsync' &&
		vm_do 'head -c 262144 /bin/busybox | cmp -n 262144 - /dev/vda'
}

# row KERNEL CPUS MEMORY
row() {
	local name="$1 kernel, $2 CPU(s), $3" start=$SECONDS

	truncate -s 1M "$blank_disk"
	vm_start "$1-$2" --kernel "$guest/$1/bzImage" \
		--initrd "$guest/$1/initrd.gz" --disk "$blank_disk" \
		--cmdline "$cmdline" --cpus "$2" --memory "$3"
	check "$name: it boots to a shell" vm_prompt
	check "$name: it has these" has_machine "$1" "$2" "$3"
	check "$name: processes, signals and a disk work" does_work
	vm_type exit
	vm_end
	check "$name: it powers off with status 0" vm_ended_with 0
	echo "# $name took $((SECONDS - start)) s"
}

for r in "${rows[@]}"; do
	[[ $r == *"$only"* ]] || continue
	if fetched "${r%% *}"; then
		# shellcheck disable=SC2086 # a row is a list of words
		row $r
	else
		# Not there when the mirrors did not have it.
		check "i386 packages were fetched (make boot-images says why \
not): $guest/${r%% *} is complete" fetched "${r%% *}"
	fi
done
if [ $checks -eq 0 ]; then
	echo "nothing here matches ONLY=$only"
	exit 77
fi
echo "1..$checks"
