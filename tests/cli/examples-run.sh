#!/usr/bin/env bash
# examples-run.sh - each examples/*.ini starts a machine, with stand-ins for
# the files that it names, and the machine ends as its guest says.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
needs_engine

cp examples/*.ini "$scratch"
cd "$scratch" || exit 1
echo x >initrd.img

# Fresh disks for each: nothing of one example is there for the next.
ends_with() { # status, ini, option...
	local want=$1 got=0

	shift
	rm -f root.img data.img pool.img
	truncate -s 1M root.img data.img
	"$minivmm" disk create pool.img 8M
	"$minivmm" disk create pool.img web 1M
	"$minivmm" disk create pool.img web-data 1M
	"$minivmm" -f "$@" >out 2>&1 </dev/null || got=$?
	[ "$got" -eq "$want" ] && return
	echo "status $got, expected $want:"
	cat out
	return 1
}

for ini in *.ini; do
	cp "$guests/exit_status" vmlinuz
	check "$ini starts, and ends with the guest's status" ends_with 42 "$ini"
	cp "$guests/panic" vmlinuz
	check "$ini says that its guest crashed" ends_with 126 "$ini"
done

# What their comments promise.
cp "$guests/hello" vmlinuz
check "serial-file.ini ends when the guest powers off" \
	ends_with 0 serial-file.ini
check "it has the console in its file" grep -q 'hello, world' console.log
check "it has minivmm's own lines in another" test -s minivmm.log
check "nothing is left for the terminal" test ! -s out
check "serial-socket.ini says where its console is" \
	ends_with 0 serial-socket.ini
check "its socket is beside the file" grep -qx 'minivmm: serial: console.sock' out
cp "$guests/blk_readonly" vmlinuz
check "the first of two-disks.ini cannot be written" \
	ends_with 0 two-disks.ini
cp "$guests/blk_rw" vmlinuz
check "the first of two-partitions.ini can be written" \
	ends_with 0 two-partitions.ini
"$minivmm" disk list pool.img >lines
check "what was written is in its partition" grep -q ' 1M  *4K .* web$' lines
check "and nowhere else" grep -q ' 1M  *0 .* web-data$' lines
check "the disk of ephemeral.ini can be written" ends_with 0 ephemeral.ini
check "its image is as it was" cmp -n 1048576 root.img /dev/zero
cp "$guests/spin" vmlinuz
check "ci.ini has an end of its own" ends_with 124 ci.ini \
	--timeout 1
finish
