#!/usr/bin/env bash
# check-ram-ptr.sh - files that call ram_ptr() are those of ram-ptr.allow: a
# write through such a pointer must be reported, so every caller was read.
set -u
cd "$(dirname "$0")/../.." || exit 1

list=tests/tools/ram-ptr.allow
diff -u --label "$list" --label callers \
	<(sed -n 's/^\([^#[:space:]]*\)[[:space:]].*/\1/p' $list | sort) \
	<(grep -rl --include='*.c' '\<ram_ptr(' base cmd config memory vcpu \
		virtio | sort)
