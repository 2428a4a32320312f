// SPDX-License-Identifier: MIT
/*
 * kvm_exit.c - exits that end the run, in words: where the guest was, the
 * bytes there, the reason and, where we know it, what to do.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define SHOWN_BYTES 15 /* the longest instruction */

/* The bytes at the guest's RIP as hex digits, as far as they can be read. */
static void show_bytes(struct kvm_vcpu *v, uint64_t linear, char *out,
		       size_t out_len)
{
	struct kvm_engine *k = kvm_engine_of(&v->vcpu);
	size_t i, at = 0;

	out[0] = '\0';
	for (i = 0; i < SHOWN_BYTES && at + 4 < out_len; i++) {
		struct kvm_translation t = { .linear_address = linear + i };
		unsigned char byte;

		if (kvm_ioctl(v->fd, KVM_TRANSLATE, &t) || !t.valid ||
		    ram_read(k->ram, t.physical_address, &byte, 1))
			break;
		at += (size_t)snprintf(out + at, out_len - at, " %02x", byte);
	}
	if (!i)
		snprintf(out, out_len, " unreadable");
}

static void reason(const struct kvm_run *run, char *out, size_t len)
{
	switch (run->exit_reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
			snprintf(out, len,
				 "KVM cannot emulate the instruction");
		else
			snprintf(out, len, "KVM internal error %u",
				 run->internal.suberror);
		return;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(out, len, "the CPU refused the entry (reason %#llx)",
			 (unsigned long long)
				 run->fail_entry.hardware_entry_failure_reason);
		return;
	case KVM_EXIT_UNKNOWN:
		snprintf(out, len, "unknown hardware exit %#llx",
			 (unsigned long long)run->hw.hardware_exit_reason);
		return;
	default:
		snprintf(out, len, "unexpected KVM exit %u", run->exit_reason);
		return;
	}
}

int kvm_exit_report(struct kvm_vcpu *v)
{
	char bytes[SHOWN_BYTES * 3 + 8], why[96];
	struct kvm_regs regs = { 0 };
	struct kvm_sregs sregs = { 0 };
	uint64_t linear;

	kvm_ioctl(v->fd, KVM_GET_REGS, &regs);
	kvm_ioctl(v->fd, KVM_GET_SREGS, &sregs);
	linear = sregs.cs.base + regs.rip;
	show_bytes(v, linear, bytes, sizeof(bytes));
	reason(v->run, why, sizeof(why));

	log_err("vCPU %u at rip %#llx (bytes%s): %s%s", v->vcpu.id,
		(unsigned long long)regs.rip, bytes, why,
		kvm_host_emulates()
			? "; this host's KVM has no VMX or SVM and emulates "
			  "guest kernels: use a host with hardware "
			  "virtualization"
			: "");
	return -EIO;
}
