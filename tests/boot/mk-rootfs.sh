#!/usr/bin/env bash
# mk-rootfs.sh OUT.tar - a minimal Debian as a tar archive.
#
# Release and mirrors are those of this machine's own apt; root is not needed
# (mmdebstrap then works in a user namespace).
set -eu

out=${1:?usage: mk-rootfs.sh OUT.tar}

# Debian's own lines only: other vendors' repositories have nothing for us.
sources() {
	local f

	for f in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
		[ -f "$f" ] && grep -q '^\(deb\|Types:\)' "$f" && echo "$f"
	done
	return 0
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The machine's way to its mirrors: proxies and the like.
apt-config dump Acquire >"$tmp/apt.conf"
mapfile -t mirrors < <(sources)
suite=
[ ${#mirrors[@]} -gt 0 ] || suite=bookworm

mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,python3-minimal,openssl \
	--aptopt="$tmp/apt.conf" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	"$suite" "$tmp/rootfs.tar" "${mirrors[@]}" 2>"$tmp/log" || {
	cat "$tmp/log" >&2
	exit 1
}
mv "$tmp/rootfs.tar" "$out"
