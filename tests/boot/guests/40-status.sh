# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# The ends that are not the guest's own choice; the others are beside them.

vm_start panic $LINUX --cmdline "$CONSOLE"
vm_prompt
vm_type 'echo c >/proc/sysrq-trigger'
vm_end
check "a panic ends minivmm with status 126" vm_ended_with 126

vm_start timeout $LINUX --cmdline "$CONSOLE" --timeout 2
vm_end
check "--timeout ends it with status 124" vm_ended_with 124
