# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# Ten disks: sizes, serials, read-only, discard, O_DIRECT, several queues.

ten_disks() {
	local i=0

	while [ $i -lt 8 ]; do
		truncate -s $((i + 1))M "$scratch/disk$i"
		echo "--disk $scratch/disk$i,serial=serial-$i"
		i=$((i + 1))
	done
	dd if=/dev/urandom of="$scratch/disk8" bs=1M count=9 2>/dev/null
	echo "--disk $scratch/disk8,serial=serial-8,readonly=on"
	echo "--disk $blank_disk,serial=serial-9,direct=on,queues=2"
}

# The host's blocks behind a file, in KiB.
used() {
	du -k "$1" | cut -f 1
}

# shellcheck disable=SC2046 # a list of words
vm_start ten $LINUX --cpus 2 --cmdline "$CONSOLE" $(ten_disks)
check "a guest with ten disks boots" vm_prompt
vm_do 'cd /sys/block && for d in vd?; do
	echo "$d=$(cat $d/size) $(cat $d/serial) $(cat $d/ro)"; done'
i=0
for d in a b c d e f g h; do
	check "disk $i has its size and serial" \
		vm_is "vd$d=" "$(((i + 1) * 2048)) serial-$i 0"
	i=$((i + 1))
done
check "a read-only disk says so" vm_is vdi= '18432 serial-8 1'
check "a disk for O_DIRECT has its size and serial" vm_is vdj= '131072 serial-9 0'

sum=$(sha256sum <"$scratch/disk8")
vm_do 'echo "sum=$(sha256sum </dev/vdi)"'
check "a read-only disk reads right" vm_is sum= "$sum"
check "a read-only disk refuses writes" \
	vm_do '! dd if=/dev/zero of=/dev/vdi bs=4k count=1 conv=fsync 2>/dev/null'

check "a disk takes 4 MiB of data" vm_do \
	'tr "\0" x </dev/zero | dd of=/dev/vdh bs=1M count=4 iflag=fullblock \
	conv=fsync 2>/dev/null'
before=$(used "$scratch/disk7")
check "blkdiscard works" vm_do 'blkdiscard -l 4194304 /dev/vdh'
check "a discard gives the host its blocks back" \
	[ "$((before - $(used "$scratch/disk7")))" -ge 4096 ]
check "discarded blocks read as zeroes" vm_do \
	'test "$(head -c 4194304 /dev/vdh | tr -d "\0" | wc -c)" = 0'

check "O_DIRECT with two queues writes" vm_do \
	'yes direct | dd of=/dev/vdj bs=4k count=1000 iflag=fullblock \
	conv=fsync 2>/dev/null'
check "and reads back the same" vm_do \
	'echo 3 >/proc/sys/vm/drop_caches; test "$(head -c 4096000 /dev/vdj |
	sha256sum)" = "$(yes direct | head -c 4096000 | sha256sum)"'
check "it has two queues" vm_do 'test $(ls /sys/block/vdj/mq | wc -l) = 2'
vm_type exit
vm_end
check "ten disks power off with status 0" vm_ended_with 0
