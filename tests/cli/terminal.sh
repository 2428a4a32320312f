#!/usr/bin/env bash
# terminal.sh - the user's terminal: raw while the guest runs, as before on
# every way out; the keys of Ctrl-a; and standard files that are no terminal.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
needs_engine
cd "$scratch" || exit 1

# What runs on the terminal: sets $before and $after around minivmm.
cat >session <<-'END'
	tty >tty
	stty -g >before
	sh -c 'echo $$ >pid; exec "$0" "$@"' "$@"
	echo $? >status
	stty -g >after
END

# start GUEST OPTION... - a machine on a terminal of script(1), ready to talk
# to through descriptor 3. Its echo guest ends at a 'q'.
start() {
	local guest=$1

	shift
	rm -f keys tty before pid status after
	mkfifo keys
	: >screen
	# Opened for both directions: neither side waits for the other.
	exec 3<>keys
	SHELL=/bin/sh script -qfec "sh ./session '$minivmm' --memory 8M \
		--timeout 30 --kernel '$guests/$guest' $*" /dev/null \
		<keys >screen 2>script.err 3>&- &
	script=$!
}

# until_true SECONDS COMMAND...
until_true() {
	local tries=$(($1 * 20))

	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

shows() {
	until_true 20 grep -qF -- "$1" screen || {
		cat -v screen
		return 1
	}
}

is_raw() {
	case $(stty -a -F "$(cat tty)") in
	*-icanon*-echo\ *) return 0 ;;
	esac
	return 1
}

# The machine ended with this status and left the terminal as it was.
ends_with() {
	until_true 30 test -s after || kill -9 "$(cat pid)"
	wait "$script"
	exec 3>&-
	[ "$(cat status)" = "$1" ] || {
		echo "status $(cat status), expected $1"
		cat -v screen
		return 1
	}
}

restored() {
	diff before after
}

if ! command -v script >/dev/null; then
	pass "the terminal is raw and restored # SKIP no script(1) here"
else
	start uart_echo
	check "a guest says hello on a terminal" shows ready
	check "the terminal is raw meanwhile" is_raw
	printf '\001h' >&3
	check "Ctrl-a h lists the keys" shows 'Ctrl-a x       quit'
	printf 'a\001\001b' >&3
	check "Ctrl-a Ctrl-a sends Ctrl-a" shows $'a\001b'
	printf 'c\001zd' >&3
	check "another key after Ctrl-a is dropped" shows cd
	printf '\003e' >&3
	check "Ctrl-c goes to the guest" shows $'\003e'
	printf '\001x' >&3
	check "Ctrl-a x ends with 0" ends_with 0
	check "the terminal is as before" restored

	start uart_echo
	shows ready >&2
	printf q >&3
	check "a guest that ends by itself ends with its status" ends_with 0
	check "the terminal is as before after its end" restored

	start spin --timeout 1
	check "a timeout ends with 124" ends_with 124
	check "the terminal is as before after a timeout" restored

	start panic
	check "a crash ends with 126" ends_with 126
	check "the terminal is as before after a crash" restored

	for sig in TERM INT HUP QUIT ABRT SEGV; do
		start uart_echo
		shows ready >&2
		until_true 5 is_raw
		kill -$sig "$(cat pid)"
		check "SIG$sig ends it as SIG$sig does" \
			ends_with $((128 + $(kill -l $sig)))
		check "the terminal is as before after SIG$sig" restored
	done

fi

# Without a terminal: guest, and its output in a file.
quiet() { # guest, option...
	local guest=$1

	shift
	"$minivmm" --memory 8M --timeout 30 --io "$io" \
		--kernel "$guests/$guest" "$@" 2>>err
}

has_status() { # status, command...
	local want=$1 got=0

	shift
	"$@" || got=$?
	[ $got -eq "$want" ] && return
	echo "status $got, expected $want"
	cat err
	return 1
}

closed_in() { quiet hello <&- >out; }
null_in() { quiet hello </dev/null >out; }
file_in() { quiet uart_echo <keys.txt >out; }
pipe_in() { printf 'ab\001xcq' | quiet uart_echo >out; }
closed_out() { quiet hello >&- </dev/null; }
full_out() { quiet hello >/dev/full </dev/null; }
# Not through quiet(), which opens stderr again.
no_files() {
	"$minivmm" --memory 8M --timeout 30 --io "$io" --disk blank.img \
		--kernel "$guests/hello" <&- >&- 2>&-
}
broken_pipe() {
	(
		sleep 0.5
		printf q
	) | quiet uart_echo | true
	return "${PIPESTATUS[1]}"
}

printf 'typed into a file, q' >keys.txt
for io in uring poll; do
	check "a guest runs with stdin closed ($io)" has_status 0 closed_in
	check "it runs with nothing on stdin ($io)" has_status 0 null_in
	check "it reads a file ($io)" has_status 0 file_in
	check "all of the file arrives ($io)" \
		grep -qF 'typed into a file, q' out
	check "it reads a pipe ($io)" has_status 0 pipe_in
	check "Ctrl-a is no escape in a pipe ($io)" grep -qF $'ab\001xcq' out
	check "it runs with stdout closed ($io)" has_status 0 closed_out
	check "it runs when stdout is full ($io)" has_status 0 full_out
	check "a broken pipe does not end it ($io)" has_status 0 broken_pipe
	truncate -s 0 blank.img
	truncate -s 64K blank.img
	check "it runs without standard files ($io)" has_status 0 no_files
	check "then its console is not in the disk ($io)" \
		bash -c '! grep -qaF hello blank.img'
done
finish
