#!/usr/bin/env bash
# assist.sh - TAP: real kernels with --accel kvm where this host's KVM has no
# VMX or SVM behind it and gives up at their instructions.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots.
# shellcheck disable=SC2016,SC2317 # claims are called, and guests have shells
set -u
PATH=$PATH:/usr/sbin:/sbin

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")
minivmm=$(realpath "${MINIVMM:-build/minivmm}")
if [ ! -w /dev/kvm ] || grep -qwE 'vmx|svm' /proc/cpuinfo; then
	echo "no KVM that emulates guest kernels here"
	exit 77
fi
scratch=$(mktemp -d -p "$guest")
trap 'end_all; rm -rf "$scratch"' EXIT

# What guest-lib.sh and image-lib.sh ask for here.
accel=kvm images=$guest patience=120 vm_pid=
root_image=$scratch/root.img

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"
# shellcheck source=tests/boot/image-lib.sh
. "$here/image-lib.sh"

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
}

# logs PATTERN - what minivmm says with -v.
logs() {
	grep -q "$1" "$vm_err"
}

# Monotonic time in the guest around ten seconds of this host, in ms. Typing
# takes a while, and both ends the same.
ten_seconds() {
	local before after

	vm_do 'echo "up=$(cut -d" " -f1 /proc/uptime)"' || return 1
	before=$(vm_value up=)
	sleep 10
	vm_do 'echo "up=$(cut -d" " -f1 /proc/uptime)"' || return 1
	after=$(vm_value up=)
	awk -v a="$before" -v b="$after" \
		'BEGIN { d = b - a; print d; exit !(d > 9.7 && d < 12) }'
}

# The guest's date and ours, two seconds apart at most.
same_date() {
	local theirs ours

	vm_do 'echo "date=$(date +%s)"' || return 1
	theirs=$(vm_value date=) ours=$(date +%s)
	[ $((ours - theirs)) -le 2 ] && [ $((theirs - ours)) -le 2 ]
}

cp --sparse=always "$guest/root.img" "$root_image"

# shellcheck disable=SC2086 # a list of words
vm_start initrd $LINUX --cmdline "$CONSOLE minivmm.once" -v
check "a stock kernel gets to user space" \
	vm_wait '^Hello from user space: .* 1 CPU'
vm_end
check "and powers off with status 0" vm_ended_with 0
check "minivmm says that it went on without KVM" \
	logs 'kvm: this KVM emulates guest kernels'
check "and in the end how much was run in its stead" \
	logs 'vCPU 0: .* run in KVM.s stead'

# shellcheck disable=SC2086 # a list of words
vm_start disk $LINUX --disk "$root_image" --cmdline "$ROOT" --cpus 2
check "two CPUs boot to a login from a virtio disk" vm_login
check "both are there" vm_do '[ "$(nproc)" = 2 ]'
check "their clock runs as fast as the host's" ten_seconds
check "and shows the host's date" same_date
check "processes that share data agree on it" \
	vm_do 'for i in 1 2 3 4; do gzip -1 </bin/bash | gunzip | md5sum & done \
| sort -u | wc -l | grep -qx 1'
check "a file is written" vm_do 'md5sum /bin/* >/root/sums && sync'
check "and reads back the same" vm_do 'md5sum --quiet -c /root/sums'
vm_type poweroff
vm_end
check "they power off with status 0" vm_ended_with 0
check "fsck finds the disk clean" is_clean
echo "1..$checks"
