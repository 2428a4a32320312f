#!/usr/bin/env bash
# balloon.sh - TAP: memory that a real kernel frees, or is asked to do without,
# goes back to this host.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. What minivmm has of
# guest RAM is the shared part of its resident set.
# shellcheck disable=SC2016,SC2317 # claims are called, and guests have shells
set -u

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")
minivmm=$(realpath "${MINIVMM:-build/minivmm}")
scratch=$(mktemp -d)
trap 'end_all; rm -rf "$scratch"' EXIT

# What guest-lib.sh asks for here.
accel=interp images=$guest patience=120 vm_pid=

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
}

# In MiB.
resident() {
	awk '/^RssShmem/ { print int($2 / 1024) }' "/proc/$vm_pid/status"
}

# has MIB - of the host, at least
has() {
	local now

	now=$(resident)
	echo "# $now MiB" >&2
	[ "$now" -ge "$1" ]
}

# comes_to MIB - within some time, at most
comes_to() {
	local now tries=$((patience * 4))

	until now=$(resident) && [ "$now" -le "$1" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && vm_alive || return 1
		sleep 0.25
	done
	echo "# $now MiB" >&2
}

# begin NAME OPTION... - a guest of 512 MiB at its prompt
begin() {
	local name=$1

	shift
	vm_start "$name" --kernel "$images/bzImage" \
		--initrd "$images/initrd.gz" --cmdline "$CONSOLE" \
		--memory 512M "$@"
	check "$name: a guest boots" vm_prompt
	check "$name: /tmp may take all of it" \
		vm_do 'mount -t tmpfs -o size=500M tmp /tmp'
}

fill() { # MIB
	vm_do "dd if=/dev/zero of=/tmp/x bs=1M count=$1 2>/dev/null"
}

finish_guest() {
	vm_type exit
	vm_end
	check "$1: it powers off with status 0" vm_ended_with 0
}

begin reporting --balloon size=0,free-page-reporting=on --cpus 2
check "reporting: a file in memory takes 250 MiB" fill 250
check "... of the host too" has 270
check "reporting: it is removed" vm_do 'rm /tmp/x'
check "... and the host gets its memory back" comes_to 130
check "reporting: a file in memory keeps what is in it" vm_do \
	'dd if=/dev/urandom of=/tmp/a bs=1M count=2 2>/dev/null; cp /tmp/a /tmp/b'
check "... when that memory is used again" fill 250
check "... all of it" has 270
check "... and what was in it is still there" vm_do 'cmp /tmp/a /tmp/b'
finish_guest reporting

begin asked --balloon 150M --io poll
check "asked: the guest does without 150 MiB" vm_do \
	'free=$(awk "/^MemFree/ { print \$2 }" /proc/meminfo) &&
	test "$free" -lt $(((512 - 150) * 1024))'
check "asked: a file in memory takes 250 MiB" fill 250
check "asked: it is removed" vm_do 'rm /tmp/x; sleep 5'
check "... and without reporting its memory stays" has 270
check "asked: without the driver the guest has it all" \
	vm_do 'rmmod virtio_balloon'
check "asked: a file in memory takes 400 MiB" fill 400
check "... of the host too" has 420
check "asked: with the driver again, the guest gives 150 MiB" \
	vm_do 'rm /tmp/x; insmod /modules/*virtio_balloon.ko'
check "... to the host" comes_to 380
finish_guest asked

echo "# all of it took $SECONDS s"
echo "1..$checks"
