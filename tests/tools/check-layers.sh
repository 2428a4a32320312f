#!/usr/bin/env bash
# check-layers.sh - fail when a file includes what its room may not see.
#
# Folders: ARCHITECTURE's include rule. Engines never include one another, and
# x86/ includes none; device models never include transports, transports no
# model; a *_int.h is seen by its own module only (foo_int.h: foo*.c).
set -eu
cd "$(dirname "$0")/../.."

allowed_folder() {
	case $1:$2 in
	cmd:* | tests:*) return 0 ;;
	memory:base | config:base) return 0 ;;
	vcpu:base | vcpu:memory) return 0 ;;
	virtio:base | virtio:memory) return 0 ;;
	esac
	return 1
}

engines='kvm interp dbt'
models=$(find virtio -maxdepth 1 -name '*.h' -printf '%f\n' |
	grep -vE '^(loop|device|queue)(_int)?\.h$')

inside_vcpu() { # file, included path
	for e in $engines; do
		case $2 in vcpu/"$e"/*) ;; *) continue ;; esac
		case $1 in
		vcpu/"$e"/* | vcpu/engine.c) ;;
		*) return 1 ;;
		esac
	done
}

inside_virtio() {
	case $1:$2 in
	virtio/transport/*:virtio/transport/*) ;;
	virtio/*:virtio/transport/*) return 1 ;;
	virtio/backend/*:virtio/backend/* | virtio/backend/*:virtio/loop.h) ;;
	virtio/backend/*:virtio/*) return 1 ;;
	virtio/switch/*:virtio/switch/* | virtio/switch/*:virtio/backend/*) ;;
	virtio/switch/*:virtio/loop.h) ;;
	virtio/switch/*:virtio/* | virtio/*:virtio/switch/*) return 1 ;;
	virtio/transport/*:virtio/*)
		for m in $models; do
			[ "$2" = "virtio/$m" ] && return 1
		done
		;;
	esac
	return 0
}

bad=0
complain() {
	echo "$1: may not include $2"
	bad=1
}

# Every #include of a file of ours, as "file included-path".
includes() {
	grep -roH --include='*.[ch]' '^#include "[^"]*"' base cmd config \
		memory vcpu virtio | sort | sed 's/:#include "\(.*\)"$/ \1/'
}

while read -r f inc; do
	from=${f%%/*} to=${inc%%/*}
	if [ "$to" != "$from" ] && ! allowed_folder "$from" "$to"; then
		complain "$f" "$inc"
	fi
	inside_vcpu "$f" "$inc" || complain "$f" "$inc"
	inside_virtio "$f" "$inc" || complain "$f" "$inc"
	case $inc in
	*_int.h)
		case $f in
		"${inc%_int.h}"*) ;;
		*) complain "$f" "$inc" ;;
		esac
		;;
	esac
done < <(includes)
exit $bad
