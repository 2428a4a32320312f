#!/usr/bin/env bash
# kernels.sh - TAP: real kernels under minivmm, in the KVM lab.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. ONLY=PATTERN runs
# those files of guests/, here and in boot/, whose names it matches;
# SECONDS_EACH=10 and MEGABYTES=200 make that of taps longer. The consoles of
# the guests are shown where a claim fails. What guests wrote is checked here,
# in the image, when everything that ran is gone.
#
# The lab is an emulated machine with faults of its own (see lab.sh): one of
# fifty panicked, and in another a guest ended early. So what fails in one lab
# is tried in a second one, from fresh disks, and that counts; what the first
# one said is told as comments, under a warning.
# shellcheck disable=SC2317 # claims are called through check
set -eu
PATH=$PATH:/usr/sbin:/sbin

minivmm=${MINIVMM:-build/minivmm}
guest=${GUEST:-build/guest}
only=${ONLY:-}
seconds=${SECONDS_EACH:-1}
megabytes=${MEGABYTES:-8}
here=$(dirname "$0")
boot=$here/../boot

run_guests() {
	local args=() f

	for f in "$boot"/guests/*.sh "$here"/guests/*.sh; do
		[[ ${f##*/} != *"$only"* ]] || args+=(-f "$f")
	done
	args+=(-f "$boot/guest-lib.sh" -f "$boot/net-lib.sh"
		-f "$guest/bzImage" -f "$guest/vmlinux"
		-f "$guest/initrd.gz" -f "$guest/net-tools.gz")
	args+=(-p "$minivmm" -p "$guest/stream" -l libslirp.so.0
		-p "$(command -v script)" -p "$(command -v iperf3)")
	GUEST=$guest "$here/lab.sh" -t "$limit" -d "$root_image" \
		-d "$tmp/blank.img" "${args[@]}" "$(lab_script)"
}

# All files share one shell, and with it the counter of claims.
lab_script() {
	echo "seconds=$seconds megabytes=$megabytes"
	cat <<-'END'
		minivmm=minivmm accel=auto images=/lab scratch=/tmp
		root_disk=/dev/vda blank_disk=/dev/vdb patience=120
		stream=stream
		. /lab/guest-lib.sh
		. /lab/net-lib.sh
		up() { cut -d . -f 1 /proc/uptime; }
		for f in /lab/[0-9]*.sh; do
			t=$(up)
			. "$f"
			echo "# ${f##*/} took $(($(up) - t)) s"
		done
		echo "# the lab was up for $(cut -d ' ' -f 1 /proc/uptime) s"
	END
}

check() {
	local claim=$1

	shift
	if "$@" >"$tmp/seen"; then
		echo "ok - $claim"
	else
		echo "not ok - $claim"
		sed 's/^/# /' "$tmp/seen"
	fi
}

check_image() {
	check "the image has the file of the first guest" has_line
	check "the image has what four CPUs wrote" sums /root/four
	check "the image has what was synced before the SIGKILL" \
		sums /root/kept.sum
	check "the image is a clean file system" is_clean
}

# run_lab - one lab, from fresh disks, into $tap; whether all claims held.
run_lab() {
	cp --sparse=always "$guest/root.img" "$root_image"
	rm -f "$tmp/blank.img"
	truncate -s 64M "$tmp/blank.img"
	run_guests >"$tap" 2>&1 || echo "# the lab ended with status $?" >>"$tap"
	{
		check "the lab ran to its end" \
			grep -q '^# the lab was up' "$tap"
		[ -n "$only" ] || check_image
	} >"$tmp/after"
	cat "$tmp/after" >>"$tap"
	! grep -q '^not ok' "$tap"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tap=$tmp/tap root_image=$tmp/root.img
# shellcheck source=tests/boot/image-lib.sh
. "$boot/image-lib.sh"

# Longer transfers have longer to take.
limit=$((540 + 4 * (seconds - 1) + 4 * (megabytes - 8)))
status=0
if ! run_lab; then
	echo "# warning: not everything held in a first lab:"
	sed 's/^/# | /' "$tap"
	run_lab || status=1
fi
cat "$tap"
exit $status
