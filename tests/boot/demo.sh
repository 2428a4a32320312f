#!/usr/bin/env bash
# demo.sh - boot Debian from a virtio disk to a greeting, and say how it went.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. Where this machine has
# no KVM that can run a kernel (a CPU without VMX and SVM, or minivmm ends with
# 125 and says why), the same command runs in the KVM lab. The disk is a copy: every demo is alike.
set -eu

minivmm=${MINIVMM:-build/minivmm}
guest=${GUEST:-build/guest}
here=$(dirname "$0")
greeting='Hello from user space'
cmdline='console=ttyS0 root=/dev/vda rw reboot=k panic=-1 loglevel=6'
# The greeting is all: no login, so that the demo ends by itself.
cmdline="$cmdline minivmm.once"

say() {
	printf '  %-7s %s\n' "$1" "$2"
}

# The guest's console as it comes, marked as the guest's.
console() {
	sed -u 's/\r//g; s/^/  | /' | tee "$tmp/console"
}

# status COMMAND... - run it with its output on the console; its status.
shown() {
	local status

	set +e
	"$@" </dev/null 2>"$tmp/stderr" | console
	status=${PIPESTATUS[0]}
	set -e
	return "$status"
}

on_this_machine() {
	shown "$minivmm" --kernel "$guest/bzImage" \
		--initrd "$guest/initrd.gz" --disk "$tmp/root.img" \
		--cmdline "$cmdline" --timeout 60
}

in_the_lab() {
	shown env GUEST="$guest" "$here/../lab/lab.sh" -t 180 -d "$tmp/root.img" \
		-p "$minivmm" -f "$guest/bzImage" -f "$guest/initrd.gz" \
		"minivmm --kernel /lab/bzImage --initrd /lab/initrd.gz \
		--disk /dev/vda --cmdline '$cmdline'"
}

# A KVM without hardware behind it emulates the kernel: not worth the wait.
has_hardware() {
	grep -qwE 'vmx|svm' /proc/cpuinfo
}

boot() {
	where="Log in yourself:"
	say BOOT "Debian's kernel and user space, from a virtio disk, with KVM"
	status=125
	echo "this CPU offers neither VMX nor SVM" >"$tmp/stderr"
	if has_hardware; then
		status=0
		on_this_machine || status=$?
	fi
	[ "$status" -eq 125 ] || return 0

	say KVM "this machine's own KVM cannot run it:"
	sed 's/^/          /' "$tmp/stderr"
	where="On a machine with hardware virtualization, log in yourself:"
	say LAB "so in the KVM lab: QEMU emulates a machine that can (15 s)"
	status=0
	in_the_lab || status=$?
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
start=$SECONDS
cp --sparse=always "$guest/root.img" "$tmp/root.img"
boot
if [ "$status" -ne 0 ] || ! grep -q "$greeting" "$tmp/console"; then
	cat "$tmp/stderr" >&2
	echo "demo: the guest did not reach user space (status $status)" >&2
	exit 1
fi

cat <<END

demo: done. A stock Debian kernel booted from a virtio disk under KVM, greeted
demo: from user space and powered off with status 0, in $((SECONDS - start)) seconds.
demo: $where
demo:   $minivmm --kernel $guest/bzImage \\
demo:     --initrd $guest/initrd.gz --disk $guest/root.img
END
