#!/usr/bin/env bash
# mk-tools.sh OUT.gz PROGRAM... - programs of this machine, or at a path, with
# the libraries that they need, as an archive to be put behind an initrd: the
# kernel unpacks both.
set -eu
PATH=$PATH:/usr/sbin:/sbin

out=${1:?usage: mk-tools.sh OUT.gz PROGRAM...}
shift

# shellcheck source=tests/tools/ldd-lib.sh
. "$(dirname "$0")/../tools/ldd-lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for name in "$@"; do
	file=$(command -v "$name")
	install -D "$file" "$tmp/bin/${name##*/}"
	for lib in $(libraries "$file"); do
		install -D "$lib" "$tmp$lib"
	done
done
(cd "$tmp" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet -o -H newc -R 0:0) | gzip -n >"$out"
