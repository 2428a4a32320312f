#!/usr/bin/env bash
# extract-vmlinux.sh BZIMAGE OUT - unpack the ELF kernel inside a bzImage.
#
# The setup header says where the payload is (Linux boot protocol 2.08:
# payload_offset at 0x248 counts from the protected-mode code, which starts
# after setup_sects + 1 sectors; payload_length at 0x24c).
set -eu

in=${1:?usage: extract-vmlinux.sh BZIMAGE OUT}
out=${2:?usage: extract-vmlinux.sh BZIMAGE OUT}

# number OFFSET SIZE - a little-endian number of the setup header.
number() {
	od -An -v -t "u$2" -j "$1" -N "$2" --endian=little "$in" | tr -d ' '
}

payload() {
	local start len

	start=$((($(number $((0x1f1)) 1) + 1) * 512 + $(number $((0x248)) 4)))
	len=$(number $((0x24c)) 4)
	tail -c "+$((start + 1))" "$in" | head -c "$len"
}

# The kernel appends the unpacked size: four bytes that are not part of the
# stream. lz4's legacy format has no end mark, so they must be cut off.
unpack() {
	case $(payload | head -c 4 | od -An -v -t x1 | tr -d ' ') in
	02214c18) payload | head -c -4 | lz4 -dc ;;
	1f8b*) payload | head -c -4 | gzip -dc ;;
	fd377a58) payload | head -c -4 | xz -dc --single-stream ;;
	28b52ffd) payload | head -c -4 | zstd -dc ;;
	*)
		echo "extract-vmlinux: $in: unknown compression" >&2
		return 1
		;;
	esac
}

unpack >"$out"
if [ "$(head -c 4 "$out" | tail -c 3)" != ELF ]; then
	echo "extract-vmlinux: $in: no ELF kernel inside" >&2
	rm -f "$out"
	exit 1
fi
