#!/usr/bin/env bash
# partitions.sh - TAP: two guests at once on partitions of one pool, with
# random writes that are read back; one of them loses its power. Then a guest
# whose writes are forgotten.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots.
# shellcheck disable=SC2317 # claims are called through check
set -u
PATH=$PATH:/usr/sbin:/sbin

guest=$(realpath "${GUEST:-build/guest}")
minivmm=$(realpath "${MINIVMM:-build/minivmm}")
patience=120
# Beside the images: holes want a real file system.
scratch=$(mktemp -d -p "$guest")
trap 'kill -9 ${pids[*]} 2>/dev/null; rm -rf "$scratch"' EXIT
pool=$scratch/pool.img
pids=()
checks=0

check() { # claim, command...
	local claim=$1

	shift
	checks=$((checks + 1))
	if "$@" >"$scratch/said" 2>&1; then
		echo "ok $checks - $claim"
		return
	fi
	echo "not ok $checks - $claim"
	sed 's/^/# /' "$scratch/said"
	tail -n 15 "$scratch"/*.out | tr -d '\r\033' | sed 's/^/# /'
}

# start NAME SEED WHAT OPTION... - its console is in NAME.out; $pid is it.
start() {
	local name=$1 seed=$2 what=$3

	shift 3
	: >"$scratch/$name.out"
	"$minivmm" --accel interp --memory 128M --kernel "$guest/bzImage" \
		--initrd "$guest/verify.gz" --cmdline \
		"console=ttyS0 quiet panic=-1 verify.seed=$seed verify.do=$what" \
		--timeout $patience "$@" \
		</dev/null >"$scratch/$name.out" 2>&1 &
	pid=$!
	pids+=("$pid")
}

# says NAME TEXT - sooner or later.
says() {
	local tries=$((patience * 5))

	until grep -q "$2" "$scratch/$1.out"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.2
	done
}

ends_with() { # status, pid
	local got=0

	wait "$2" || got=$?
	echo "status $got, expected $1"
	[ $got -eq "$1" ]
}

disk() {
	"$minivmm" disk "$@"
}

make_pool() {
	truncate -s 32M "$scratch/fs.img"
	mke2fs -q -t ext4 "$scratch/fs.img" &&
		disk create "$pool" 120M &&
		disk create "$pool" raw1 8M &&
		disk create "$pool" raw2 8M &&
		disk import "$pool" fs1 "$scratch/fs.img" &&
		disk clone "$pool" fs1 fs2
}

is_refused() {
	! "$minivmm" --accel interp --kernel "$guest/bzImage" \
		--disk "$pool,partition=raw1" >"$scratch/third" 2>&1 &&
		grep "in use by another minivmm (pid $one)" "$scratch/third"
}

is_not_deleted() {
	! disk delete "$pool" raw1
}

has_sectors_of() { # partition, seed
	rm -f "$scratch/part"
	disk export "$pool" "$1" "$scratch/part" &&
		"$guest/verify" -c "$scratch/part" "$2"
}

is_clean() { # partition
	rm -f "$scratch/part"
	disk export "$pool" "$1" "$scratch/part" &&
		e2fsck -fn "$scratch/part"
}

table_is_right() {
	sfdisk -V "$pool" 2>&1 | grep 'No errors'
}

check "a pool has four partitions, two with file systems" make_pool
start one 1 forever --disk "$pool,partition=raw1" \
	--disk "$pool,partition=fs1" --io uring
one=$pid
start two 2 run --disk "$pool,partition=raw2,queues=2" \
	--disk "$pool,partition=fs2" --io poll
two=$pid
check "one guest's random writes read back" says one 'raw: verified'
check "a third machine is refused a partition in use" \
	is_refused
check "so are changes of it" is_not_deleted
check "a partition is made meanwhile" disk create "$pool" other 4M
check "the first guest synced a file" says one 'kept: synced'
check "and writes to another one" says one 'file: verified'
kill -9 "$one"
check "SIGKILL ends it in the middle of that" ends_with 137 "$one"
check "the other guest's writes read back, and it ends" ends_with 0 "$two"
check "it verified the raw partition" says two 'raw: verified'
check "and a file" says two 'file: verified'
check "its file system is clean" is_clean fs2
check "the first's partition has the first's sectors only" \
	has_sectors_of raw1 1
check "the second's has the second's" has_sectors_of raw2 2
check "sfdisk finds no errors" table_is_right

before=$(sha256sum <"$pool")
start again 1 run --disk "$pool,partition=other,ephemeral=on" \
	--disk "$pool,partition=fs2,ephemeral=on"
check "an ephemeral guest writes, and ends" ends_with 0 "$pid"
check "what it wrote reads back" says again 'file: verified'
check "the pool is as it was" [ "$before" = "$(sha256sum <"$pool")" ]

start after 1 check --disk "$pool,partition=raw1" \
	--disk "$pool,partition=fs1"
check "the first guest starts again" ends_with 0 "$pid"
check "what it had synced is there" says after 'kept: as it was'
check "its file system is clean" is_clean fs1
check "sfdisk finds no errors after all" table_is_right
echo "1..$checks"
