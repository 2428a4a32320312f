#!/usr/bin/env bash
# kvm-messages.sh - a /dev/kvm that is missing, forbidden, something else or
# without hardware behind it is said to be so, with what to do.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

guests=$(dirname "$minivmm")/tests/guest
"$minivmm" --kernel "$guests/hello" --accel kvm >"$scratch/out" 2>&1 </dev/null
if grep -q 'this build has no engine' "$scratch/out"; then
	echo "this build has no KVM engine"
	exit 77
fi

# Where anybody can read it, also a sanitizer's build.
chmod 755 "$scratch"
cp "$minivmm" "$scratch/minivmm"
cp "$guests/hello" "$guests/exit_status" "$guests/vex" "$scratch"
cd "$scratch" || exit 1

# In a /dev of its own, made by SETUP: run minivmm, through WRAPPER if any.
in_dev() { # setup, wrapper
	status=0
	unshare --mount sh -c "mount -t tmpfs none /dev && mknod -m 666 \
/dev/null c 1 3 && { $1; } && exec $2 $scratch/minivmm --kernel $scratch/hello \
--accel kvm" >out 2>&1 </dev/null || status=$?
}

# One line, all of these words in it.
says() {
	for word in "$@"; do
		grep -qF -- "$word" out || break
		[ "$word" = "${!#}" ] && [ $status -eq 125 ] &&
			[ "$(wc -l <out)" -eq 1 ] && return
	done
	echo "status $status, expected 125 and one line with: $*"
	cat out
	return 1
}

if unshare --mount sh -c 'mount -t tmpfs none /dev && mknod /dev/x c 1 3' \
	2>/dev/null; then
	in_dev : ''
	check "a missing /dev/kvm is named, and what to load" \
		says /dev/kvm 'No such file' 'load kvm_intel or kvm_amd'
	in_dev 'mknod -m 600 /dev/kvm c 10 232' \
		'setpriv --reuid 65534 --regid 65534 --clear-groups'
	check "one without permission is named, and whom to join" \
		says /dev/kvm 'Permission denied' 'join the group'
	in_dev 'mknod -m 666 /dev/kvm c 1 3' ''
	check "another device is not a KVM" says /dev/kvm 'not a KVM'
	in_dev 'echo x >/dev/kvm' ''
	check "a file is not a KVM" says /dev/kvm 'not a KVM'
	in_dev 'mknod -m 666 /dev/kvm c 254 999' ''
	check "a device that nobody drives is named" says /dev/kvm 'No such'
else
	pass "kinds of /dev/kvm # SKIP no mount namespace with devices here"
fi

# Where the host runs out of files in the middle: one line all the same.
build_with() { # files that may be open
	status=0
	(ulimit -n "$1" && exec ./minivmm --kernel hello --accel kvm --cpus 8 \
		--io poll) >out 2>&1 </dev/null || status=$?
}
refusals_are_one_line() {
	local files refused=0

	for files in {6..24}; do
		build_with "$files"
		[ $status -eq 125 ] || continue
		grep -q -- '--accel kvm: ' out || continue
		refused=$((refused + 1))
		[ "$(wc -l <out)" -eq 1 ] && continue
		echo "with $files files:"
		cat out
		return 1
	done
	[ $refused -gt 0 ]
}
if [ -w /dev/kvm ]; then
	check "a VM that cannot be built takes one line" refusals_are_one_line
fi

# A KVM without VMX or SVM emulates ring 0. What neither its emulator nor
# vcpu/x86 knows ends the machine.
run() { # guest
	status=0
	./minivmm --kernel "$1" --accel kvm >out 2>err </dev/null || status=$?
}
run hello
if [ $status -ne 0 ]; then
	pass "a KVM without hardware is told # SKIP $(tail -n 1 err)"
elif grep -qwE 'vmx|svm' /proc/cpuinfo; then
	pass "a KVM without hardware is told # SKIP this one has hardware"
	run vex
	check "an instruction that is off is the guest's fault" \
		test $status -eq 126
else
	check "a KVM without hardware is told at the start" \
		grep -q 'no VMX or SVM behind it' err
	run vex
	tail -n 1 err >out
	check "an instruction that nobody knows ends with 125 and where" \
		says 'vCPU 0 at rip 0x1' 'bytes c5 f9 fe c0' \
		'KVM cannot emulate' 'use a host with hardware'
fi

# Without any KVM the machine starts all the same, and says so with -v.
if unshare --mount true 2>/dev/null; then
	status=0
	unshare --mount sh -c "mount -t tmpfs none /dev && exec ./minivmm -v \
--kernel exit_status" >out 2>&1 </dev/null || status=$?
	check "auto takes another engine where /dev/kvm is missing" \
		test $status -eq 42
	check "-v says which, and why" \
		grep -q 'engine [a-z]* (/dev/kvm: No such file' out
fi
finish
