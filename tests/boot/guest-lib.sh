# shellcheck shell=dash disable=SC2034,SC2154
# guest-lib.sh - start minivmm, talk to its guest, check claims.
#
# Sourced before the files of guests/: in the KVM lab by its busybox, on this
# machine by bash. One VM at a time; its console is in $vm_out, what minivmm
# says itself in $vm_err, its exit status in $vm_status after vm_end.
#
# Who sources this has set:
#   minivmm, accel         the program, and what it is to run guests with
#   images                 folder of bzImage, vmlinux, initrd.gz
#   scratch                folder for what a guest leaves
#   root_disk, blank_disk  may be written; blank_disk has 64 MiB
#   patience               seconds that a boot, a command or an end may take;
#                          machines with other work are several times slower

LINUX="--kernel $images/bzImage --initrd $images/initrd.gz"
CONSOLE='console=ttyS0 reboot=k panic=-1 quiet'
ROOT="$CONSOLE root=/dev/vda rw"

checks=0
commands=0
vm_out=
vm_err=

# check CLAIM COMMAND... - one line of TAP; when it fails, what was seen.
check() {
	local claim=$1

	shift
	checks=$((checks + 1))
	if "$@" >/dev/null; then
		echo "ok $checks - $claim"
	else
		echo "not ok $checks - $claim"
		echo "# failed: $*"
		show "$vm_err" minivmm
		show "$vm_out" guest
	fi
}

show() {
	[ -f "$1" ] || return 0
	tail -n 25 "$1" | tr -d '\r\033' |
		awk -v who="$2" '{ print "# " who ": " $0 }'
}

# vm_start NAME OPTION... - start minivmm with a console that stays open.
vm_start() {
	local fifo=$scratch/$1.in

	vm_out=$scratch/$1.out vm_err=$scratch/$1.err vm_status=running
	shift
	: >"$vm_out"
	mkfifo "$fifo"
	# Opened for both directions: neither side waits for the other.
	exec 3<>"$fifo"
	"$minivmm" --accel "$accel" "$@" \
		<"$fifo" >"$vm_out" 2>"$vm_err" 3>&- &
	vm_pid=$!
}

# A process that ended but was not waited for has no program any more.
vm_alive() {
	readlink "/proc/$vm_pid/exe" >/dev/null
}

# vm_wait PATTERN - until a line of the console matches.
vm_wait() {
	local tries=$((patience * 4))

	until grep -q "$1" "$vm_out"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && vm_alive || return 1
		sleep 0.25
	done
}

# A tab would complete file names.
vm_type() {
	printf '%s\n' "$1" | tr '\t' ' ' >&3
}

vm_login() {
	vm_wait 'root@minivmm:.*#'
}

# The shell of the bare initrd.
vm_prompt() {
	vm_wait '^initrd:.*#'
}

# vm_do COMMAND - run it in the guest; its status. What is typed
# comes back as an echo, which has no digit after the colon.
vm_do() {
	local mark

	commands=$((commands + 1))
	mark=end-$commands
	vm_type "$1; echo \"$mark:\$?\""
	vm_wait "^$mark:[0-9]" || return 1
	[ "$(vm_value "$mark:")" = 0 ]
}

# vm_value PREFIX - the rest of the last line that starts so.
vm_value() {
	tr -d '\r' <"$vm_out" | sed -n "s|^$1||p" | tail -n 1
}

# vm_is PREFIX VALUE
vm_is() {
	[ "$(vm_value "$1")" = "$2" ]
}

# Wait for the end; a VM that stays is killed.
vm_end() {
	local tries=$((patience * 4))

	while vm_alive && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.25
	done
	vm_alive && kill -9 "$vm_pid"
	wait "$vm_pid"
	vm_status=$?
	exec 3>&-
}

vm_kill() {
	kill -9 "$vm_pid"
	vm_end
}

vm_ended_with() {
	[ "$vm_status" = "$1" ]
}

vm_says() {
	grep -q "$1" "$vm_out"
}
