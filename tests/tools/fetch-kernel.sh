#!/usr/bin/env bash
# fetch-kernel.sh DIR [METAPACKAGE [ARCH]] - get a Debian kernel, unpack it in
# DIR.
#
# The cloud kernel, unless METAPACKAGE names another. Leaves DIR/bzImage,
# DIR/release (its version as modules name it) and DIR/lib/modules with
# dependencies resolved.
set -eu
PATH=$PATH:/usr/sbin:/sbin

dir=${1:?usage: fetch-kernel.sh DIR [METAPACKAGE [ARCH]]}
meta=${2:-linux-image-cloud-amd64}

# shellcheck source=tests/tools/apt-lib.sh
. "${0%/*}/apt-lib.sh"

trap apt_end EXIT
apt_begin "${3:-}"
mkdir -p "$dir"

# The metapackage depends on the package of the newest version.
pkg=$(apt_depends "$meta" '^linux-image-[0-9]')
if [ -z "$pkg" ]; then
	echo "fetch-kernel: $meta is not in this machine's Debian mirrors" >&2
	exit 1
fi
apt_unpack "$pkg"

release=${pkg#linux-image-}
# The package leaves this to its installation.
depmod -b "$apt_tmp/tree" "$release"

rm -rf "${dir:?}/lib"
mv "$apt_tmp/tree/lib" "$dir/lib"
echo "$release" >"$dir/release"
# Last: its time says that everything is there.
cp "$apt_tmp/tree/boot/vmlinuz-$release" "$dir/bzImage"
