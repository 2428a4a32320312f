#!/usr/bin/env bash
# mk-initrd.sh KERNELDIR INIT OUT PROGRAM|MODULE... - make an initrd: busybox,
# INIT as /init, static programs (names with a slash) in /bin, and kernel
# modules with everything they depend on.
#
# Needs no root: device nodes come from the kernel's devtmpfs, and the kernel
# brings a /dev/console of its own until that is mounted. OUT is compressed
# when its name ends in .gz. BUSYBOX=FILE: not this machine's busybox.
set -eu
PATH=$PATH:/usr/sbin:/sbin

kernel=${1:?usage: mk-initrd.sh KERNELDIR INIT OUT NAME...}
init=$2
out=$3
shift 3

programs=() modules=()
for name in "$@"; do
	case $name in
	*/*) programs+=("$name") ;;
	*) modules+=("$name") ;;
	esac
done

# module_files MODULE... - their files, dependencies first, each once.
module_files() {
	local m

	for m in "$@"; do
		modprobe -d "$kernel" -S "$(cat "$kernel/release")" \
			--ignore-install --show-depends "$m"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Numbered names: /init loads them in the order of their names.
add_modules() {
	local n=10 file files

	files=$(module_files "$@")
	for file in $files; do
		cp "$file" "$tmp/modules/$n-${file##*/}"
		n=$((n + 1))
	done
}

add_busybox() {
	local applet

	cp "${BUSYBOX:-$(command -v busybox)}" "$tmp/bin/busybox"
	busybox --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -s busybox "$tmp/bin/$applet"
	done
}

pack() {
	(cd "$tmp" && find . | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0)
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"/{bin,dev,modules,proc,root,run,sys,tmp}
ln -s bin "$tmp/sbin"
add_busybox
[ ${#programs[@]} -eq 0 ] || cp "${programs[@]}" "$tmp/bin/"
add_modules "${modules[@]}"
install -m 755 "$init" "$tmp/init"
case $out in
*.gz) pack | gzip -n >"$out" ;;
*) pack >"$out" ;;
esac
