#!/usr/bin/env bash
# mk-disk.sh ROOTFS.tar MINIVMM-EXIT OUT - the root disk of the boot tests:
# an ext4 file system without partitions, made without loop devices or root.
set -eu
PATH=$PATH:/usr/sbin:/sbin

rootfs=${1:?usage: mk-disk.sh ROOTFS.tar MINIVMM-EXIT OUT}
exit_helper=$2
out=$3
here=$(dirname "$0")

# Without root, fakeroot remembers who owns the files; start again in it.
if [ "$(id -u)" -ne 0 ]; then
	exec fakeroot -- "$0" "$@"
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/root"
tar -C "$tmp/root" --numeric-owner --exclude='./dev/*' -xf "$rootfs"

install -m 755 "$here/root-init" "$tmp/root/sbin/init"
install -m 755 "$here/root-poweroff" "$tmp/root/usr/local/sbin/poweroff"
install -m 755 "$here/root-work" "$tmp/root/usr/local/bin/work"
ln "$tmp/root/usr/local/sbin/poweroff" "$tmp/root/usr/local/sbin/reboot"
install -m 755 "$exit_helper" "$tmp/root/usr/local/bin/minivmm-exit"
echo minivmm >"$tmp/root/etc/hostname"
# A login that says nothing of its own, and a prompt without control codes:
# the console is read by programs.
touch "$tmp/root/root/.hushlogin"
echo 'set enable-bracketed-paste off' >"$tmp/root/root/.inputrc"

rm -f "$out.new"
truncate -s 512M "$out.new"
# All tables written now, or the first guest spends its time on them.
mke2fs -q -t ext4 -L minivmm -E lazy_itable_init=0,lazy_journal_init=0 \
	-d "$tmp/root" "$out.new"
mv "$out.new" "$out"
