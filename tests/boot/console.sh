#!/usr/bin/env bash
# console.sh - TAP: consoles and named ports of a real kernel, on sockets and
# pseudo-terminals, and on a terminal of this host.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. The guest's shell is
# on hvc0, and what types there is a client of its socket.
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

shell=
clients=()
end_all() {
	kill -9 $vm_pid $shell "${clients[@]}" 2>/dev/null
}

# until_true COMMAND... - for thirty seconds at most
until_true() {
	local tries=300

	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && vm_alive || return 1
		sleep 0.1
	done
}

# start LOOP - a machine with two consoles and three ports; nobody is there.
start() {
	cd "$scratch" || exit 1
	vm_out=$scratch/$1.out vm_err=$scratch/$1.err vm_status=running
	# shellcheck disable=SC2086 # a list of words
	"$minivmm" --accel $accel --io "$1" --memory 256M $LINUX --cmdline \
		'console=ttyS0 console=hvc0 reboot=k panic=-1 quiet' \
		--serial "file:$1.serial" --console unix:hvc0 --console pty \
		--console unix:echo,name=org.test.echo \
		--console tcp:0,name=org.test.tcp \
		--console unix:eof,name=org.test.eof \
		</dev/null >/dev/null 2>"$vm_err" &
	vm_pid=$!
	: >"$vm_out"
	until_true grep -q 'console4: ' "$vm_err"
}

address() { # CONSOLE
	sed -n "s/^minivmm: console $1: //p" "$vm_err"
}

# A client of hvc0, for vm_type and vm_wait.
attach() {
	rm -f shell.in
	mkfifo shell.in
	exec 3<>shell.in
	socat - UNIX:hvc0 <shell.in >>"$vm_out" 2>/dev/null 3>&- &
	shell=$!
}

detach() {
	kill -9 $shell
	wait $shell 2>/dev/null
	exec 3>&-
}

# In the guest: the device node of a port, by its name.
port='port() { grep -lx "$1" /sys/class/virtio-ports/*/name |
	sed "s,.*/\(vport[^/]*\)/.*,/dev/\1,"; }'

# received FILE BYTES
received() {
	[ "$(stat -c %s "$1")" -ge "$2" ]
}

# echo_megabyte ADDRESS NAME - through the guest and back; it sums up, too.
echo_megabyte() {
	local client

	vm_type "exec 5<>\$(port $2); head -c 1048576 <&5 | tee /tmp/sent >&5"
	: >back
	socat -t 60 - "$1" <data >back 2>/dev/null &
	client=$!
	clients+=("$client")
	until_true received back 1048576
	kill $client
	wait $client 2>/dev/null
	cmp data back && vm_do 'exec 5>&-; echo "sum=$(sha256sum </tmp/sent)"' &&
		vm_is sum= "$(sha256sum <data)"
}

late_client_sees() { # TEXT
	timeout 2 socat -u UNIX:hvc0 - 2>/dev/null | tr -d '\r' >late
	grep -q "$1" late
}

# A client is killed while the guest writes to it without an end; the next one
# goes on from there, and the guest is told of both.
killed_client() {
	local killed

	vm_type 'exec 5<>$(port org.test.echo); yes test-line >&5 & sleep 1'
	socat -u UNIX:echo - >killed 2>/dev/null &
	killed=$!
	clients+=("$killed")
	until_true test -s killed
	kill -9 $killed
	wait $killed 2>/dev/null
	timeout 20 socat -u UNIX:echo - 2>/dev/null | head -n 20000 >next
	vm_do 'kill %1; exec 5>&-' || return 1
	[ "$(tail -n +2 next | sort -u)" = test-line ] &&
		[ "$(wc -l <next)" -eq 20000 ]
}

# The end of what a client sends is an end for the guest.
client_leaves() {
	printf 'all there is\n' | timeout 10 socat -u - UNIX:eof
	vm_do 'text=$(timeout 10 cat $(port org.test.eof))' &&
		vm_do '[ "$text" = "all there is" ]'
}

# A script on a pseudo-terminal talks to a program of the guest.
pty_talks() {
	local line

	vm_type 'exec 6<>/dev/hvc1; stty raw -echo <&6'
	vm_type 'echo question >&6; read answer <&6'
	exec 4<>"$(address console1)"
	read -r -t 20 line <&4
	printf 'yes\n' >&4
	exec 4>&-
	[ "$line" = question ] && vm_do '[ "$answer" = yes ]'
}

consoles_on() { # LOOP
	check "$1: a machine with two consoles and three ports starts" \
		start "$1"
	attach
	check "$1: its shell is on hvc0" vm_prompt
	vm_do "$port"
	vm_type 'cat /sys/class/virtio-ports/*/name | sort | xargs echo names='
	vm_wait '^names=.*tcp'
	check "$1: ports have their names" \
		vm_is 'names= ' 'org.test.echo org.test.eof org.test.tcp'
	check "$1: a megabyte goes through a port and back" \
		echo_megabyte UNIX:echo org.test.echo
	check "$1: and over TCP" \
		echo_megabyte "TCP:$(address console3)" org.test.tcp
	check "$1: a client may be killed in the middle" killed_client
	check "$1: a program sees that its client left" client_leaves
	check "$1: a script talks through a pseudo-terminal" pty_talks
	vm_do 'echo; echo "mark of $((6 * 7))"'
	detach
	check "$1: a late client sees the recent output" \
		late_client_sees '^mark of 42'
	attach
	check "$1: it can type, too" vm_do 'true'
	# The kernel's own messages, while nobody reads.
	vm_type 'echo going; sleep 1; head -c 1000000 /dev/zero; reboot -f'
	vm_wait '^going'
	kill -STOP $shell
	vm_end
	kill -9 $shell
	wait $shell 2>/dev/null
	check "$1: a client that has stopped does not hold up the guest" \
		vm_ended_with 0
	check "$1: nothing of it is left" test ! -e hvc0 -a ! -e echo
}

data_is_made() {
	head -c 1048576 /dev/urandom >"$scratch/data"
}

# A terminal of script(1) with a size of its own, which changes.
on_terminal() {
	cat >"$scratch/terminal.sh" <<-'END'
		stty rows 33 columns 111
		tty >"$scratch/tty"
		"$minivmm" --accel "$accel" $LINUX --console stdio
		echo $? >"$scratch/status"
	END
	export LINUX minivmm accel scratch
	vm_out=$scratch/terminal.out vm_err=/dev/null
	: >"$vm_out"
	mkfifo "$scratch/terminal.in"
	exec 3<>"$scratch/terminal.in"
	script -q -f -c 'sh "$scratch/terminal.sh"' /dev/null \
		<"$scratch/terminal.in" >"$vm_out" 2>&1 3>&- &
	vm_pid=$!
}

sized() { # SIZE
	vm_do 'echo "size=$(stty size)"' && vm_is size= "$1"
}

terminal_size() {
	on_terminal
	check "--console stdio: hvc0 is the console by default" vm_prompt
	check "it has the size of the terminal" sized '33 111'
	stty rows 44 columns 222 -F "$(cat "$scratch/tty")"
	sleep 0.5
	check "it is told when that changes" sized '44 222'
	printf '\001x' >&3
	vm_end
	check "Ctrl-a x ends the machine" grep -qx 0 "$scratch/status"
}

if ! command -v socat >/dev/null; then
	echo "no socat here"
	exit 77
fi
data_is_made
consoles_on uring
consoles_on poll
terminal_size
echo "1..$checks"
