# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# The other two ways into a kernel, and the device tree handed over.

greets() {
	vm_says "Hello from user space: Debian"
}

# protocol NAME OPTION... - boot once with nothing on stdin, greet, power off.
protocol() {
	vm_out=$scratch/$1.out vm_err=$scratch/$1.err
	shift
	"$minivmm" --accel "$accel" --initrd "$images/initrd.gz" \
		--disk "$root_disk" --timeout "$patience" \
		--cmdline "$ROOT minivmm.once" "$@" \
		</dev/null >"$vm_out" 2>"$vm_err"
	vm_status=$?
}

protocol elf --kernel "$images/vmlinux" --boot linux
check "an ELF vmlinux boots to user space by the Linux protocol" greets
check "and ends with status 0" vm_ended_with 0

protocol pvh --kernel "$images/vmlinux" --boot pvh
check "an ELF vmlinux boots to user space through its PVH entry" greets
check "and ends with status 0" vm_ended_with 0

vm_start tree $LINUX --device-tree on --cmdline "$CONSOLE"
check "without a disk the initrd greets from user space" \
	vm_prompt
# SETUP_DTB is 2, and a flattened tree starts with d00dfeed.
check "--device-tree on hands a device tree to the kernel" vm_do \
	'cd /sys/kernel/boot_params/setup_data && for d in *; do
	grep -qx 0x2 $d/type && test "$(head -c 4 $d/data |
	od -An -t x1 | tr -d " ")" = d00dfeed && break; done'
vm_type 'minivmm-exit 42'
vm_end
check "minivmm-exit 42 ends minivmm with status 42" vm_ended_with 42
