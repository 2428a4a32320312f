#!/usr/bin/env bash
# deps.sh [build|demo|all] - install the Debian packages that are missing.
#
# build: what compiles minivmm. demo: that, and what makes and boots a guest.
# all (the default): that, and what the tests and checks need. Nothing is
# downloaded and no privilege is asked for when nothing is missing.
set -eu

build=(gcc libc6-dev make pkg-config libfdt-dev liburing-dev libinih-dev
	libxxhash-dev libfdisk-dev libslirp-dev)
# mmdebstrap needs uidmap to work without root, mke2fs -d needs fakeroot.
demo=(mmdebstrap uidmap fakeroot debian-archive-keyring
	e2fsprogs busybox-static lz4 cpio kmod)
# socat is the client of consoles; iperf3 and ethtool go into guests; QEMU is
# for the KVM lab; Zydis, iasl and dtc are what our decoder and our tables are
# compared with.
tests=(libcmocka-dev mandoc clang libclang-rt-dev clang-format shellcheck
	git bsdutils util-linux fdisk parted python3 passt qemu-system-x86
	libzydis-dev libzycore-dev acpica-tools device-tree-compiler socat
	iproute2 iperf3 ethtool btrfs-progs)

say() {
	echo "deps: $*"
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing NAME... - those that are not installed, one per line.
missing() {
	local p

	for p in "$@"; do
		installed "$p" || echo "$p"
	done
}

# announce WHY NAME... - one line per purpose, only for what is missing.
announce() {
	local why=$1
	local need

	shift
	need=$(missing "$@" | tr '\n' ' ')
	[ -z "$need" ] || say "missing $why: $need"
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# quietly COMMAND... - what it says matters only when it fails.
quietly() {
	local log

	log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# The lock of the lists is one that apt-get does not wait for, and a machine
# that has just started may be updating them by itself.
update_lists() {
	local said tries=12

	while ! said=$(as_root apt-get update -q 2>&1); do
		tries=$((tries - 1))
		if [ $tries -eq 0 ] || [[ $said != *'Could not get lock'* ]]; then
			echo "$said" >&2
			return 1
		fi
		say "another program updates the package lists; waiting"
		sleep 10
	done
}

install() {
	# A lean machine asks questions of nobody.
	export DEBIAN_FRONTEND=noninteractive

	say "installing $# packages with apt-get, without recommended ones"
	update_lists
	quietly as_root apt-get install -y -q --no-install-recommends \
		-o DPkg::Lock::Timeout=120 "$@"
	say "installed"
}

main() {
	local want=("${build[@]}") need

	case ${1:-all} in
	build) ;;
	demo) want+=("${demo[@]}") ;;
	all) want+=("${demo[@]}" "${tests[@]}") ;;
	*)
		echo "usage: deps.sh [build|demo|all]" >&2
		return 1
		;;
	esac

	if ! command -v dpkg-query >/dev/null; then
		say "no Debian packages here; needed are: ${want[*]}"
		return 0
	fi

	mapfile -t need < <(missing "${want[@]}")
	if [ ${#need[@]} -eq 0 ]; then
		say "nothing to install"
		return 0
	fi

	announce "to compile minivmm" "${build[@]}"
	[ "${1:-all}" = build ] ||
		announce "to make and boot a guest" "${demo[@]}"
	[ "${1:-all}" != all ] || announce "to test" "${tests[@]}"

	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		say "not root and no sudo here; as root, run:" >&2
		echo "  apt-get update && apt-get install -y" \
			"--no-install-recommends ${need[*]}" >&2
		return 1
	fi
	install "${need[@]}"
}

main "$@"
