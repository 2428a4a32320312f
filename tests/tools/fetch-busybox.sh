#!/usr/bin/env bash
# fetch-busybox.sh OUT ARCH - get the static busybox of another architecture.
set -eu

out=${1:?usage: fetch-busybox.sh OUT ARCH}

# shellcheck source=tests/tools/apt-lib.sh
. "${0%/*}/apt-lib.sh"

trap apt_end EXIT
apt_begin "${2:?}"
apt_unpack busybox-static
mkdir -p "${out%/*}"
cp "$apt_tmp/tree/bin/busybox" "$out"
