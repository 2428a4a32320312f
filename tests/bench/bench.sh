#!/usr/bin/env bash
# bench.sh FOLDER - print what minivmm costs, beside others on the same host.
#
# FOLDER has the programs of bench.mk; MINIVMM is the program to measure. A
# number is the median of runs that take turns with those of the others. So
# that what else the host does counts less, runs have real-time priority where
# this user may give it; those that write to a disk a high one only, because a
# guest that polls in real time keeps the host's own writing from its CPU.
# Nothing is asserted; what the host lacks is skipped.
set -u

dir=$1
mv=$MINIVMM
starts=40
rounds=5
# Requests: about half a second's
cached_reads=300000 cached_writes=20000 direct_reads=20000 direct_writes=20000

tmp=$(mktemp -d)
disk=$dir/disk.img
trap 'rm -rf "$tmp" "$disk"' EXIT

realtime=()
chrt -f 1 true 2>/dev/null && realtime=(chrt -f 1)
high=() disk_priority=() queues=1
[ -z "$(nice -n -19 true 2>&1)" ] && high=(nice -n -19)

row() {
	printf '%-36s %9s  %-24s %9s  %6s\n' "$@"
}

# ratio A B - A / B with two digits behind the point.
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b }'
}

skip() {
	echo "skipped: $1"
}

# with_kvm - whether this user can have a VM; says why not.
with_kvm() {
	[ -r /dev/kvm ] && [ -w /dev/kvm ] && return 0
	skip "everything but plain io_uring: no access to /dev/kvm"
	return 1
}

make_disk() {
	dd if=/dev/zero of="$disk" bs=1M count=64 conv=fsync 2>/dev/null
}

# 1. Start and memory

qemu=(qemu-system-x86_64 -accel kvm -cpu "host,-arch-capabilities" -M microvm
	-m 128 -nodefaults -no-user-config -display none -serial stdio
	-kernel "$dir/first_byte" -drive "id=d,file=$disk,format=raw,if=none"
	-device "virtio-blk-device,drive=d")
mine=("$mv" --accel kvm --memory 128M --kernel "$dir/first_byte"
	--disk "$disk")

# measure NAME FILE COMMAND... - lines of first-byte into $tmp/FILE.
measure() {
	local out=$tmp/$1

	shift
	"${realtime[@]}" "$dir/first-byte" "$@" >"$out" 2>"$tmp/err" && return 0
	skip "$(tail -n 1 "$tmp/err")"
	return 1
}

# start_rows WHAT FIELD PEER... - line 1 is minivmm, the others the peers.
start_rows() {
	local what=$1 field=$2 line=1 name own other

	own=$(awk -v f="$field" 'NR == 1 { print $f }' "$tmp/starts")
	shift 2
	for name in "$@"; do
		line=$((line + 1))
		other=$(awk -v f="$field" -v l=$line 'NR == l { print $f }' \
			"$tmp/starts")
		row "$what" "$own" "$name" "$other" "$(ratio "$own" "$other")"
		what=
	done
}

bench_start() {
	local peers=("bare KVM program")
	local others=(-- "$dir/bare-kvm")

	if command -v qemu-system-x86_64 >/dev/null; then
		peers+=("QEMU microvm")
		others+=(-- "${qemu[@]}")
	else
		skip "QEMU: no qemu-system-x86_64 here"
	fi
	measure starts $starts 128 "${mine[@]}" "${others[@]}" || return 0
	start_rows "exec to the first byte, ms" 2 "${peers[@]}"
	start_rows "  the fastest run" 1 "${peers[@]}"
	start_rows "besides guest RAM, KiB (Pss)" 4 "${peers[@]}"
}

bench_parts() {
	measure parts -l "$tmp/log" $starts 128 "${mine[@]}" \
		-vv --log-file "$tmp/log" || return 0
	echo
	echo "where that start goes, ms (with -vv, which costs a little):"
	sed 1d "$tmp/parts" | paste -sd , | sed 's/,/, /g' | fold -s -w 76 |
		sed 's/^/  /'
}

# 2. Disk requests

# guest OPERATION COUNT DISK-OPTIONS OPTION... - "thousand/s us" of one run.
guest() {
	local op=$1 count=$2 options=$3

	shift 3
	timeout 30 "${disk_priority[@]}" "$dir/blk-run" "$count" "$mv" --accel kvm \
		--memory 64M --kernel "$dir/blk-ring" \
		--cmdline "$op $count $queues" \
		--disk "$disk$options,queues=$queues" "$@" \
		</dev/null 2>>"$tmp/err"
}

# qemu_guest OPERATION COUNT DRIVE-OPTIONS - the same by QEMU.
qemu_guest() {
	local op=$1 count=$2 options=$3

	command -v qemu-system-x86_64 >/dev/null || return 0
	timeout 30 "${disk_priority[@]}" "$dir/blk-run" "$count" \
		qemu-system-x86_64 -accel kvm -cpu "host,-arch-capabilities" \
		-M microvm -m 64 -nodefaults -no-user-config -display none \
		-serial stdio -kernel "$dir/blk-ring" \
		-append "$op $count $queues q" \
		-global virtio-mmio.force-legacy=false \
		-drive "id=d,file=$disk,format=raw,if=none,aio=io_uring$options" \
		-device "virtio-blk-device,drive=d,num-queues=$queues" \
		-device isa-debug-exit,iobase=0xf4 </dev/null 2>>"$tmp/err"
}

# plain OPERATION COUNT [direct] - the same without a VM.
plain() {
	local op=$1 count=$2

	shift 2
	timeout 30 "${disk_priority[@]}" "$dir/ring-file" "$op" "$count" "$disk" "$@" \
		2>>"$tmp/err"
}

# median FILE FIELD
median() {
	sort -n -k "$2,$2" "$1" | awk -v f="$2" '{ v[NR] = $f }
		END { if (NR) print v[int((NR + 1) / 2)]; else print "-" }'
}

disk_rows() {
	local name=$1 io=$2 rate other

	rate=$(median "$tmp/$io" 1)
	other=$(median "$tmp/plain" 1)
	row "$name" "$rate" "plain io_uring" "$other" "$(ratio "$rate" "$other")"
	rate=$(median "$tmp/$io" 2)
	other=$(median "$tmp/plain" 2)
	row "  us of host CPU for each" "$rate" "plain io_uring" "$other" \
		"$(ratio "$rate" "$other")"
}

# qemu_row NAME OURS THEIRS
qemu_row() {
	local rate other

	rate=$(median "$tmp/$2" 1)
	other=$(median "$tmp/$3" 1)
	row "$1" "$rate" "QEMU microvm, io_uring" "$other" \
		"$(ratio "$rate" "$other")"
}

# bench_disk WHAT OPERATION COUNT [direct]
bench_disk() {
	local what=$1 op=$2 count=$3 direct=${4:-} options=${4:+,direct=on}

	disk_priority=("${realtime[@]}")
	[ "$op" = r ] || disk_priority=("${high[@]}")
	rm -f "$tmp"/{uring,uring4,poll,fixed,plain,qemu,qemu4}
	for ((i = 0; i < rounds; i++)); do
		# shellcheck disable=SC2086 # nothing, or one word
		plain "$op" "$count" $direct >>"$tmp/plain"
		guest "$op" "$count" "$options" --io uring >>"$tmp/uring"
		guest "$op" "$count" "$options" --io poll >>"$tmp/poll"
		guest "$op" "$count" "$options" --io uring \
			--fixed-buffers on >>"$tmp/fixed"
		qemu_guest "$op" "$count" "${direct:+,cache.direct=on}" \
			>>"$tmp/qemu"
		queues=4
		guest "$op" "$count" "$options" --io uring >>"$tmp/uring4"
		qemu_guest "$op" "$count" "${direct:+,cache.direct=on}" \
			>>"$tmp/qemu4"
		queues=1
	done
	disk_rows "$what, thousand/s" uring
	qemu_row "  1 queue" uring qemu
	qemu_row "  4 queues" uring4 qemu4
	disk_rows "  --fixed-buffers on" fixed
	disk_rows "  --io poll" poll
}

main() {
	local how="real-time priority"

	[ ${#realtime[@]} -gt 0 ] || how="normal priority"
	echo "$(nproc) CPUs, Linux $(uname -r), load $(cut -d' ' -f1 \
		/proc/loadavg), $how"
	make_disk
	with_kvm || return 0
	row what minivmm beside "" ratio
	bench_start
	bench_parts
	echo
	row "32 requests of 4 KiB in flight" minivmm beside "" ratio
	bench_disk "cached reads" r $cached_reads
	bench_disk "cached writes" w $cached_writes
	bench_disk "direct reads" r $direct_reads direct
	bench_disk "direct writes" w $direct_writes direct
}

main
