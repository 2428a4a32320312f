#!/usr/bin/env bash
# fetch-kernel.sh DIR [METAPACKAGE] - get a Debian kernel, unpack it in DIR.
#
# The cloud kernel, unless METAPACKAGE names another. Leaves DIR/bzImage,
# DIR/release (its version as modules name it) and DIR/lib/modules with
# dependencies resolved. Uses the mirrors of this machine, but package lists of
# its own: needs no root, and does not care how old the machine's lists are.
set -eu
PATH=$PATH:/usr/sbin:/sbin

dir=${1:?usage: fetch-kernel.sh DIR [METAPACKAGE]}
meta=${2:-linux-image-cloud-amd64}

apt_opts() {
	printf -- '-o\n%s\n' \
		"Dir::State::Lists=$tmp/lists" "Dir::Cache=$tmp/cache" \
		"APT::Sandbox::User=$(id -un)" "APT::Update::Post-Invoke::=true"
}

# The metapackage depends on the package of the newest version.
newest_package() {
	apt-cache "${opts[@]}" depends "$meta" |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$dir"
mapfile -t opts < <(apt_opts)

apt-get "${opts[@]}" -q=2 update
pkg=$(newest_package)
if [ -z "$pkg" ]; then
	echo "fetch-kernel: $meta is not in this machine's Debian mirrors" >&2
	exit 1
fi
printf '  %-7s %s\n' FETCH "$pkg"
(cd "$tmp" && apt-get "${opts[@]}" -q=2 download "$pkg")

rm -rf "$tmp/tree"
dpkg-deb -x "$tmp/$pkg"_*.deb "$tmp/tree"
release=${pkg#linux-image-}
# The package leaves this to its installation.
depmod -b "$tmp/tree" "$release"

rm -rf "${dir:?}/lib"
mv "$tmp/tree/lib" "$dir/lib"
echo "$release" >"$dir/release"
# Last: its time says that everything is there.
cp "$tmp/tree/boot/vmlinuz-$release" "$dir/bzImage"
