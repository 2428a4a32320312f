#!/usr/bin/env bash
# check.sh - what `minivmm check` prints is the machine that would start.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

cd "$scratch" || exit 1
mkdir sub
echo k >sub/vmlinuz
truncate -s 1M sub/root.img other.img
cat >sub/vm.ini <<-EOF
	[vm]
	memory = 1024M
	cpus = 2
	name = "a ; b"
	[kernel]
	kernel = vmlinuz
	[disk root]
	file = root.img
	[net lan]
	kind = user
	hostfwd = tcp:127.0.0.1:2222-:22
	hostfwd = tcp:127.0.0.1:8080-:80
EOF

has() { # file, line
	grep -Fxq -- "$2" "$1" && return
	echo "no line '$2' in:"
	cat "$1"
	return 1
}

"$minivmm" check -f sub/vm.ini >1.ini
check "check succeeds" test $? -eq 0
check "sizes are printed with their largest unit" has 1.ini "memory = 1G"
check "values that need quotes have them" has 1.ini 'name = "a ; b"'
check "paths are relative to the ini file" has 1.ini "kernel = sub/vmlinuz"
check "disks keep their names" has 1.ini "[disk root]"
check "networks keep their names" has 1.ini "[net lan]"
check "a key that repeats is printed each time" \
	test "$(grep -c '^hostfwd = tcp:' 1.ini)" -eq 2
check "defaults are printed" has 1.ini "rng = on"
check "the default command line is shown" has 1.ini \
	"# cmdline = console=ttyS0 root=/dev/vda rw reboot=k panic=-1"

"$minivmm" check -f 1.ini >2.ini
check "what is printed reads back equal" cmp 1.ini 2.ini

"$minivmm" check --cpus 3 --cmdline ' x;y ' --disk other.img,serial=S \
	-f sub/vm.ini >3.ini
check "an option before the file overrides it" has 3.ini "cpus = 3"
check "the file still counts for the rest" has 3.ini "memory = 1G"
check "spaces and semicolons survive" has 3.ini 'cmdline = " x;y "'
check "a --disk replaces the disks of the file" \
	test "$(grep -c '^\[disk' 3.ini)" -eq 1
check "a --disk leaves the networks alone" has 3.ini "[net lan]"
check "keys of a --disk count" has 3.ini "serial = S"
"$minivmm" check -f 3.ini >4.ini
check "options read back equal too" cmp 3.ini 4.ini

printf '[vm]\ncpus = 5\n' >5.ini
"$minivmm" check -f sub/vm.ini -f 5.ini >6.ini
check "a second file overrides the first" has 6.ini "cpus = 5"

status=0
"$minivmm" check -f sub/vm.ini >/dev/full 2>.err || status=$?
check "a full device has status 125" test $status -eq 125
finish
