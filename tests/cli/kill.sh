#!/usr/bin/env bash
# kill.sh - what a disk has after the guest's flush, it has when minivmm is
# killed; a disk that is written has one minivmm; limits of the host are told.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
needs_engine
cd "$scratch" || exit 1

# Start a machine and wait until its guest says TEXT; $pid is the machine.
start_until() { # text, option...
	local text=$1 tries=600

	shift
	: >console
	"$minivmm" --memory 8M "$@" --timeout 60 >console 2>err </dev/null &
	pid=$!
	until grep -q "$text" console; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && kill -0 $pid || return 1
		sleep 0.05
	done
}

kill_it() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	[ $? -eq 137 ]
}

# Sector S starts with S and ends with its complement: see blk_sync_spin.c.
has_sectors() {
	local s want

	for ((s = 0; s < 64; s++)); do
		want=$(printf '%02x%02x' "$s" $((255 - s)))
		[ "$({
			dd if=disk.img bs=1 skip=$((s * 512)) count=1
			dd if=disk.img bs=1 skip=$((s * 512 + 511)) count=1
		} 2>/dev/null | od -An -tx1 | tr -d ' ')" = "$want" ] || {
			echo "sector $s is not $want"
			return 1
		}
	done
}

# A file system without O_DIRECT is a reason to skip.
ways='--io,uring --io,poll'
truncate -s 64K probe.img
if dd if=probe.img of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; then
	ways="$ways --io,uring,direct --io,poll,direct"
fi
for way in $ways; do
	IFS=, read -r _ loop direct <<<"$way"
	name="$loop${direct:+, direct=on}"
	rm -f disk.img
	truncate -s 64K disk.img
	check "a guest writes and flushes ($name)" start_until synced \
		--kernel "$guests/blk_sync_spin" --io "$loop" \
		--disk "disk.img${direct:+,direct=on}"
	check "SIGKILL ends minivmm ($name)" kill_it
	check "every sector is in the image ($name)" has_sectors
done

# A second machine on the same disk.
other_ends_with() { # status, option...
	local want=$1 got=0

	shift
	"$minivmm" --kernel "$guests/exit_status" --memory 8M "$@" \
		2>other.err </dev/null || got=$?
	[ $got -eq "$want" ] && return
	echo "status $got, expected $want:"
	cat other.err
	return 1
}

start_until synced --kernel "$guests/blk_sync_spin" --disk disk.img
check "a second writer is refused" other_ends_with 125 --disk disk.img
check "it says why" grep -q 'disk\.img.*in use' other.err
check "a reader beside a writer is refused" other_ends_with 125 \
	--disk disk.img,readonly=on
kill_it
check "after the writer's end there is room for another" \
	other_ends_with 42 --disk disk.img

start_until spinning --kernel "$guests/spin" --disk disk.img,readonly=on
check "two readers work" other_ends_with 42 --disk disk.img,readonly=on
check "a writer beside a reader is refused" other_ends_with 125 \
	--disk disk.img
kill_it

# ulimit -f counts for guest RAM, too; a signal would say nothing.
small_files() (
	ulimit -f 1024
	! "$minivmm" --kernel "$guests/hello" --memory 8M >out 2>&1 </dev/null &&
		grep -q 'File too large' out
)
check "a limit of files below the RAM is told" small_files
finish
