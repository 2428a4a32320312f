#!/usr/bin/env bash
# lab.sh - run a program in the KVM lab: a Debian kernel with a working
# /dev/kvm, inside QEMU's emulator, which emulates AMD's SVM. Correct, slow.
#
#   lab.sh [-t SECONDS] [-d DISK]... [-f FILE]... [-p PROGRAM]...
#          [-l LIBRARY]... COMMAND
#
# COMMAND is a line for the lab's shell. Files and programs appear in /lab
# under their own names, programs with their libraries; a LIBRARY is one that a
# program opens by itself, libslirp.so.0 for example. Disks are /dev/vda,
# /dev/vdb ... and may be written. Prints what COMMAND prints; ends with its
# status, 124 when the time is over, 125 when the lab itself failed.
# GUEST=DIR has bzImage and lab.cpio (see tests/boot/images.mk);
# LAB_LOG=FILE receives the lab's own console; LAB_CPUS=N is how many CPUs the
# lab has (default 2).
set -eu
PATH=$PATH:/usr/sbin:/sbin

guest=${GUEST:-build/guest}
seconds=300
disks=() files=() programs=() opened=()

# shellcheck source=tests/tools/ldd-lib.sh
. "$(dirname "$0")/../tools/ldd-lib.sh"

usage() {
	sed -n '5,6s/^# *//p' "$0" >&2
	exit 125
}

# path_of LIBRARY - where the loader would find it.
path_of() {
	local path

	path=$(ldconfig -p | awk -v name="$1" \
		'$1 == name && /x86-64/ { print $NF; exit }')
	[ -n "$path" ] || {
		echo "lab.sh: $1: no such library here" >&2
		exit 125
	}
	echo "$path"
}

# The lab's own part of the initramfs: appended to lab.cpio, the kernel
# unpacks both.
pack_lab() {
	local lab=$tmp/tree/lab f

	mkdir -p "$lab/lib"
	for f in "${files[@]}" "${programs[@]}"; do
		cp -L "$f" "$lab/"
	done
	for f in "${opened[@]}" $(libraries "${programs[@]}" "${opened[@]}"); do
		cp -L "$f" "$lab/lib/"
		case $f in
		# The one library that is found by its absolute name.
		*/ld-linux*) install -D "$f" "$tmp/tree/$f" ;;
		esac
	done
	printf '%s\n' "$command" >"$lab/run"
	(cd "$tmp/tree" && find . | cpio --quiet -o -H newc -R 0:0)
}

# Without XSAVE: QEMU 7.2 does not intercept XSETBV, so KVM never learns of the
# guest's XCR0, and kernels find their XSAVE area inconsistent.
#
# By its source, QEMU 7.2 keeps the vector of an injection at VMRUN as a pending
# exception, and delivers it again when another CPU stops this one; and it notes
# virtual interrupts without the lock, which may lose a request. With two CPUs
# labs and their guests panicked, with one CPU labs stood still.
boot_lab() {
	local args=() d

	for d in "${disks[@]}"; do
		args+=(-drive "file=$d,format=raw,if=virtio,discard=unmap")
	done
	# Not interactive: a terminal of the caller stays as it is.
	timeout -k 5 "$seconds" qemu-system-x86_64 \
		-accel tcg,thread=multi -M q35 -cpu max,-xsave \
		-smp "${LAB_CPUS:-2}" -m 2048 \
		-nodefaults -no-user-config -no-reboot -display none \
		-device isa-debug-exit,iobase=0xf4,iosize=1 \
		-serial "file:$log" -serial stdio \
		-kernel "$guest/bzImage" -initrd "$tmp/initrd" \
		-append 'console=ttyS0 panic=-1 quiet' "${args[@]}" </dev/null
}

# The debug-exit device makes 2 * N + 1 of a status N; 0 means that the lab
# went down without one.
lab_status() {
	case $1 in
	124 | 137) echo 124 ;;
	*[13579]) echo $(($1 / 2)) ;;
	*) echo 125 ;;
	esac
}

while getopts t:d:f:p:l: opt; do
	case $opt in
	t) seconds=$OPTARG ;;
	d) disks+=("$OPTARG") ;;
	f) files+=("$OPTARG") ;;
	p) programs+=("$OPTARG") ;;
	l) opened+=("$(path_of "$OPTARG")") ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage
command=$1

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
log=${LAB_LOG:-$tmp/console.log}
{ cat "$guest/lab.cpio" && pack_lab; } >"$tmp/initrd"

status=0
boot_lab || status=$?
status=$(lab_status "$status")
if [ "$status" -eq 125 ]; then
	echo "lab.sh: the lab went down by itself; its console says:" >&2
	tail -n 20 "$log" >&2
fi
exit "$status"
