# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# Four vCPUs that all work at once, on the disk and on their own.

vm_start four $LINUX --cpus 4 --disk "$root_disk" --cmdline "$ROOT"
check "four vCPUs boot to a login" vm_login
vm_do 'echo "cpus=$(nproc)"'
check "nproc in the guest says 4" vm_is cpus= 4
check "four writers at once all succeed" vm_do \
	'p=; for i in 1 2 3 4; do
	taskset -c $((i - 1)) dd if=/dev/urandom of=/root/big$i bs=64k count=32 \
	conv=fsync 2>/dev/null & p="$p $!"; done
	bad=0; for i in $p; do wait $i || bad=1; done; sync; (exit $bad)'
check "every vCPU took interrupts of the timer" vm_do \
	"awk '/LOC:/ { for (i = 2; i <= 5; i++) if (!\$i) exit 1 }' /proc/interrupts"
check "checksums are kept on the disk" vm_do \
	'cd /root && sha256sum big? >four && sync'
vm_type poweroff
vm_end
check "four vCPUs power off with status 0" vm_ended_with 0
