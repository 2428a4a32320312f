# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# What the guest was told is on disk survives a SIGKILL of minivmm.

vm_start kill $LINUX --disk "$root_disk" --cmdline "$ROOT"
vm_login
check "a guest writes and syncs" vm_do \
	'dd if=/dev/urandom of=/root/kept bs=64k count=48 2>/dev/null && sync &&
	echo "sum=$(sha256sum </root/kept)"'
sum=$(vm_value sum=)
vm_kill
check "SIGKILL ends minivmm" vm_ended_with 137

vm_start again $LINUX --disk "$root_disk" --cmdline "$ROOT" --io poll
check "the next guest boots from that disk, with --io poll" vm_login
vm_do 'echo "sum=$(sha256sum </root/kept)"'
check "nothing that was synced is lost" vm_is sum= "$sum"
check "the poll loop writes too" vm_do \
	'sha256sum /root/kept >/root/kept.sum && sync'
vm_type poweroff
vm_end
check "and powers off with status 0" vm_ended_with 0
