#!/usr/bin/env bash
# demo.sh - boot Debian from a virtio disk to a greeting, and say how it went.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. minivmm chooses the
# engine: KVM where the hardware stands behind it, the interpreter elsewhere.
# The disk is a copy: every demo is alike.
set -eu

minivmm=${MINIVMM:-build/minivmm}
guest=${GUEST:-build/guest}
greeting='Hello from user space'
cmdline='console=ttyS0 root=/dev/vda rw reboot=k panic=-1 loglevel=6'
# The greeting is all: no login, so that the demo ends by itself.
cmdline="$cmdline minivmm.once"

say() {
	printf '  %-7s %s\n' "$1" "$2"
}

# The guest's console as it comes, marked as the guest's.
console() {
	sed -u 's/\r//g; s/^/  | /' | tee "$tmp/console"
}

boot() {
	"$minivmm" --kernel "$guest/bzImage" --initrd "$guest/initrd.gz" \
		--disk "$tmp/root.img" --cmdline "$cmdline" --timeout 300 \
		--log-file "$tmp/log" </dev/null 2>"$tmp/stderr"
}

# "interp (reason)", as the log file has it.
engine() {
	sed -n 's/^minivmm: engine \(.*\), loop .*/\1/p' "$tmp/log"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
start=$SECONDS
cp --sparse=always "$guest/root.img" "$tmp/root.img"

say BOOT "Debian's kernel and user space, from a virtio disk"
set +e
boot | console
status=${PIPESTATUS[0]}
set -e
say ENGINE "$(engine)"
if [ "$status" -ne 0 ] || ! grep -q "$greeting" "$tmp/console"; then
	cat "$tmp/log" "$tmp/stderr" >&2
	echo "demo: the guest did not reach user space (status $status)" >&2
	exit 1
fi

cat <<END

demo: done. A stock Debian kernel booted from a virtio disk, greeted from user
demo: space and powered off with status 0, in $((SECONDS - start)) seconds.
demo: Log in yourself:
demo:   $minivmm --kernel $guest/bzImage \\
demo:     --initrd $guest/initrd.gz --disk $guest/root.img
END
