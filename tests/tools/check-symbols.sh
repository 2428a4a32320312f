#!/usr/bin/env bash
# check-symbols.sh OBJDIR - every global symbol starts with the prefix of its
# module, and nothing but the log's settings is mutable at file scope.
set -eu
bad=0
while read -r o; do
	rel=${o#"$1"/}
	# What was built of a file that has moved or gone since counts no more.
	[ -e "${rel%.o}.c" ] || continue
	case $rel in
	base/*) ok='^(log|list|thread|fd|checked|iov|seed)_' ;;
	memory/*) ok='^(ram|bus|irq|boot|acpi|fdt)_' ;;
	vcpu/*) ok='^(engine|vcpu|vtime|kvm|interp|dbt|x86|irqchip|lapic|ioapic|pic|pit|uart|rtc|i8042|acpi_pm|pvpanic|debug_exit)_' ;;
	virtio/*) ok='^(virtio|vq|loop|disk|netb|chr|pci|msix|switch)_' ;;
	config/*) ok='^config_' ;;
	*) continue ;;
	esac
	for s in $(nm -g --defined-only "$o" | awk '{print $3}'); do
		case $s in __asan* | __odr_asan* | __ubsan*) continue ;; esac
		echo "$s" | grep -Eq "$ok" || {
			echo "$rel: $s has no module prefix"
			bad=1
		}
	done
	[ "$rel" = base/log.o ] && continue
	# .data.rel.ro holds const tables of pointers: not mutable.
	objdump -t "$o" | awk -v f="$rel" '
		$0 ~ / O \.(data|bss|tdata|tbss)/ && $0 !~ /\.data\.rel\.ro/ &&
		$0 !~ /asan|ubsan|kvm_current/ {
			print f ": mutable file-scope data: " $NF; bad = 1 }
		END { exit bad }' || bad=1
done < <(find "$1" -name '*.o' ! -path '*/tests/*' ! -path '*/cmd/*' | sort)
exit $bad
