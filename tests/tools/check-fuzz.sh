#!/usr/bin/env bash
# check-fuzz.sh - every parser of foreign bytes has a fuzz target and a corpus.
set -eu
cd "$(dirname "$0")/../.."

# What reads bytes of a guest, a file or a user, and the target that covers it.
parsers='vcpu/x86/decode.c:decode vcpu/x86/semantics.c:x86
virtio/queue.c:queue virtio/transport/mmio.c:mmio virtio/blk.c:blk
virtio/net_hdr.c:net virtio/net_ctrl.c:net
memory/boot/bzimage.c:boot memory/boot/elf.c:boot config/ini.c:config
virtio/console_control.c:console vcpu/board/uart.c:board
vcpu/irqchip/ioapic.c:board
virtio/backend/switch_ring.c:switch virtio/switch/switch_port.c:switch
virtio/backend/disk_gpt.c:gpt virtio/backend/net_stream.c:net_stream
virtio/backend/net_user_frame.c:net_user
virtio/backend/net_packet.c:net_offload
vcpu/x86/decode.c:decode vcpu/x86/mem.c:interp vcpu/x86/thunk.c:interp'

n=0 bad=0
for pair in $parsers; do
	n=$((n + 1))
	target=${pair#*:}
	if [ -f "${pair%:*}" ] && [ -f "tests/fuzz/fuzz_$target.c" ] &&
		[ -n "$(ls "tests/fuzz/corpus/$target" 2>/dev/null)" ]; then
		echo "ok $n - ${pair%:*} is fuzzed by fuzz_$target"
	else
		echo "not ok $n - ${pair%:*} is fuzzed by fuzz_$target"
		bad=1
	fi
done
echo "1..$n"
exit $bad
