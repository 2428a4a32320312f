# shellcheck shell=dash disable=SC2016,SC2034,SC2086
# A terminal is raw while the guest runs and as before afterwards.

# on_terminal - run a guest on a pseudo-terminal of script(1).
on_terminal() {
	vm_out=/tmp/terminal.out vm_err=/dev/null
	cat >/tmp/terminal.sh <<-'END'
		stty -g >/tmp/before
		minivmm $LINUX --cmdline "$CONSOLE"
		echo $? >/tmp/terminal.status
		stty -g >/tmp/after
	END
	export LINUX CONSOLE
	: >"$vm_out"
	mkfifo /tmp/terminal.in
	exec 3<>/tmp/terminal.in
	script -q -f -c 'sh /tmp/terminal.sh' /dev/null \
		</tmp/terminal.in >"$vm_out" 2>&1 3>&- &
	vm_pid=$!
}

on_terminal
vm_prompt
# Raw: the guest sees Ctrl-C, minivmm is not interrupted.
printf '\003' >&3
check "Ctrl-C goes to the guest" vm_do 'true'
vm_type "reboot -f"
vm_end
check "a reboot ends minivmm with status 0" \
	grep -qx 0 /tmp/terminal.status
check "the terminal is as before afterwards" cmp /tmp/before /tmp/after
