#!/usr/bin/env bash
# kernels.sh - TAP: real kernels under minivmm, in one boot of the KVM lab.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. ONLY=PATTERN runs
# those files of guests/ whose names it matches. The consoles of the guests
# are shown where a claim fails. What guests wrote is checked here, in the
# image, when everything that ran is gone.
# shellcheck disable=SC2317 # claims are called through check
set -eu
PATH=$PATH:/usr/sbin:/sbin

minivmm=${MINIVMM:-build/minivmm}
guest=${GUEST:-build/guest}
only=${ONLY:-}
here=$(dirname "$0")
boot=$here/../boot

run_guests() {
	local args=() f

	for f in "$boot"/guests/*"$only"*.sh; do
		args+=(-f "$f")
	done
	args+=(-f "$boot/guest-lib.sh" -f "$guest/bzImage"
		-f "$guest/vmlinux" -f "$guest/initrd.gz")
	args+=(-p "$minivmm" -p "$(command -v script)")
	GUEST=$guest "$here/lab.sh" -t 540 -d "$tmp/root.img" \
		-d "$tmp/blank.img" "${args[@]}" "$(lab_script)"
}

# All files share one shell, and with it the counter of claims.
lab_script() {
	cat <<-'END'
		. /lab/guest-lib.sh
		up() { cut -d . -f 1 /proc/uptime; }
		for f in /lab/[0-9]*.sh; do
			t=$(up)
			. "$f"
			echo "# ${f##*/} took $(($(up) - t)) s"
		done
		echo "# the lab was up for $(cut -d ' ' -f 1 /proc/uptime) s"
	END
}

# in_image FILE - its content in the root disk.
in_image() {
	debugfs -R "cat $1" "$tmp/root.img" 2>/dev/null
}

has_line() {
	[ "$(in_image /root/one)" = "written by one CPU" ]
}

# sums LIST - do the checksums of the file LIST hold for the files in it?
sums() {
	local sum name count=0

	while read -r sum name; do
		[ "$(in_image "/root/${name##*/}" | sha256sum)" = "$sum  -" ] ||
			return 1
		count=$((count + 1))
	done < <(in_image "$1")
	[ "$count" -gt 0 ]
}

# A disk that the lab's own kernel mounted nobody: the journal is empty, and
# the file system as the guest left it.
is_clean() {
	e2fsck -fn "$tmp/root.img" >"$tmp/fsck.log" 2>&1
}

check() {
	local claim=$1

	shift
	if "$@"; then
		echo "ok - $claim"
	else
		echo "not ok - $claim"
		failed=1
	fi
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp --sparse=always "$guest/root.img" "$tmp/root.img"
truncate -s 64M "$tmp/blank.img"

failed=0
run_guests | tee "$tmp/tap" || failed=1
check "the lab ran to its end" grep -q '^# the lab was up' "$tmp/tap"
if [ -z "$only" ]; then
	check "the image has the file of the first guest" has_line
	check "the image has what four CPUs wrote" sums /root/four
	check "the image has what was synced before the SIGKILL" \
		sums /root/kept.sum
	check "the image is a clean file system" is_clean
fi
! grep -q '^not ok' "$tmp/tap" || failed=1
exit $failed
