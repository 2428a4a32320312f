# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# A terminal is raw while the guest runs and as before afterwards.

# on_terminal - run a guest on a pseudo-terminal of script(1).
on_terminal() {
	vm_out=$scratch/terminal.out vm_err=/dev/null
	cat >"$scratch/terminal.sh" <<-'END'
		stty -g >"$scratch/before"
		"$minivmm" --accel "$accel" $LINUX --cmdline "$CONSOLE"
		echo $? >"$scratch/terminal.status"
		stty -g >"$scratch/after"
	END
	export LINUX CONSOLE minivmm accel scratch
	: >"$vm_out"
	mkfifo "$scratch/terminal.in"
	exec 3<>"$scratch/terminal.in"
	script -q -f -c 'sh "$scratch/terminal.sh"' /dev/null \
		<"$scratch/terminal.in" >"$vm_out" 2>&1 3>&- &
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
	grep -qx 0 "$scratch/terminal.status"
check "the terminal is as before afterwards" \
	cmp "$scratch/before" "$scratch/after"
