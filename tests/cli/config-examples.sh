#!/usr/bin/env bash
# config-examples.sh - each examples/*.ini passes check, given its files.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

cp examples/*.ini "$scratch"
cd "$scratch" || exit 1
echo x >vmlinuz
echo x >initrd.img
truncate -s 1M root.img data.img pool.img
for ini in *.ini; do
	check "$ini is accepted" "$minivmm" check -f "$ini"
done
finish
