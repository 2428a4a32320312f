# shellcheck shell=dash disable=SC2016,SC2034,SC2086
# minivmm's exit status is the guest's own.

# ends_with STATUS COMMAND... - boot the bare initrd, type COMMAND.
ends_with() {
	local want=$1

	vm_start "status$want" $LINUX --cmdline "$CONSOLE" --memory 128M
	vm_prompt
	vm_type "$2"
	vm_end
	check "$3" vm_ended_with "$want"
}

ends_with 42 'minivmm-exit 42' "minivmm-exit 42 ends minivmm with status 42"
ends_with 0 'reboot -f' "a reboot ends minivmm with status 0"
ends_with 126 'echo c >/proc/sysrq-trigger' "a panic ends it with status 126"

vm_start timeout $LINUX --cmdline "$CONSOLE" --timeout 2
vm_end
check "--timeout ends it with status 124" vm_ended_with 124

minivmm $LINUX --cmdline "$CONSOLE minivmm.once" </dev/null \
	>/tmp/null.out 2>/tmp/null.err
vm_status=$?
check "a guest runs with nothing on stdin" vm_ended_with 0
