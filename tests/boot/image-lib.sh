# shellcheck shell=bash disable=SC2154
# image-lib.sh - sourced: what a guest left in the image $root_image, looked
# at without mounting it.

# in_image FILE - its content in the root disk.
in_image() {
	debugfs -R "cat $1" "$root_image" 2>/dev/null
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

# The journal is empty, and the file system as the guest left it.
is_clean() {
	e2fsck -fn "$root_image" 2>&1
}
