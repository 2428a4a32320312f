# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# The whole promise in one command: a stock kernel, its default command line,
# one virtio disk, a login, a file that is there afterwards.

vm_start one $LINUX --disk "$root_disk"
check "a Debian bzImage boots from a virtio disk to a login" vm_login
check "commands typed at the console run in the guest" \
	vm_do 'echo "cpus=$(nproc)" "disk=$(findmnt -no SOURCE /)"'
check "it has one CPU and its root on /dev/vda" vm_is cpus= '1 disk=/dev/vda'
check "a file is written and synced" \
	vm_do 'echo written by one CPU >/root/one && sync'
check "/dev/hwrng gives bytes of the virtio entropy device" vm_do \
	'test "$(head -c 64 /dev/hwrng | wc -c)" = 64 &&
	grep -q virtio_rng /sys/class/misc/hw_random/rng_current'
vm_type exit
vm_end
check "power-off through ACPI ends minivmm with status 0" vm_ended_with 0
