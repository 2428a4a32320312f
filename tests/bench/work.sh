#!/bin/bash
# work.sh - everyday work, timed inside: "us NAME" for each, by this machine's
# own clock. software.sh runs it in the rootfs of the boot tests: natively, and
# as the init of a guest, which it then powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null

# timed NAME COMMAND... - the shell's clock costs no fork.
timed() {
	local name=$1 begin=${EPOCHREALTIME/[.,]/}

	shift
	"$@" >/dev/null || name="failed: $name"
	echo "took $((${EPOCHREALTIME/[.,]/} - begin)) $name"
}

integers() {
	python3 -c '
n = 0
for i in range(200000):
    n = (n + i * 3) & 0xffffff'
}

encrypt() {
	openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in /tmp/data
}

forks() {
	local i

	for ((i = 0; i < 50; i++)); do
		/bin/true
	done
}

pipes() {
	local i

	for ((i = 0; i < 20; i++)); do
		echo x | cat
	done
}

[ $$ -ne 1 ] || mount -t tmpfs tmpfs /tmp
# The same bytes everywhere, and programs that are in memory already.
cat /usr/lib/python3*/*.py | head -c 1000000 >/tmp/data
cat /usr/bin/{python3,gzip,sha256sum,openssl,dd} /usr/lib/*/libc.so* \
	/usr/lib/*/lib{crypto,ssl}.so* >/dev/null
python3 -c ''

timed "python3 loop, 200,000 iterations" integers
timed "gzip -9 of 1 MB" gzip -9 -c /tmp/data
timed "sha256sum of 1 MB" sha256sum /tmp/data
timed "openssl AES-256 with PBKDF2, 1 MB" encrypt
timed "dd bs=1 count=20000" dd if=/dev/zero of=/dev/null bs=1 count=20000
timed "50 x fork+exec of /bin/true" forks
timed "20 x echo pipe cat" pipes
[ $$ -ne 1 ] || exec poweroff
