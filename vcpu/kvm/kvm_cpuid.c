// SPDX-License-Identifier: MIT
/*
 * kvm_cpuid.c - what the guest's CPUID says: what KVM supports, with the
 * machine's own topology, clock and paravirtual leaves.
 *
 * The topology is one package of single-threaded cores; local APIC ids are
 * the vCPU numbers. Leaf numbers and fields: SDM 2A "CPUID", AMD APM 3
 * appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vcpu/kvm/kvm_soft.h"

#define ENTRIES_MAX 256

enum cpuid_leaf {
	LEAF_FEATURES = 0x1,
	LEAF_CACHE_INTEL = 0x4,
	LEAF_TOPOLOGY = 0xb,
	LEAF_XSAVE = 0xd,
	LEAF_TOPOLOGY_V2 = 0x1f,
	LEAF_KVM_SIGNATURE = 0x40000000,
	LEAF_KVM_FEATURES = 0x40000001,
	LEAF_KVM_TIMING = 0x40000010,
	LEAF_AMD_FEATURES = 0x80000001,
	LEAF_POWER = 0x80000007,
	LEAF_AMD_SIZES = 0x80000008,
	LEAF_CACHE_AMD = 0x8000001d,
	LEAF_AMD_TOPOLOGY = 0x8000001e,
};

#define FEATURES_ECX_X2APIC	  (1u << 21)
#define FEATURES_ECX_TSC_DEADLINE (1u << 24)
#define FEATURES_ECX_HYPERVISOR	  (1u << 31)
#define FEATURES_EDX_HTT	  (1u << 28)
#define AMD_ECX_CMP_LEGACY	  (1u << 1)
#define AMD_ECX_TOPOEXT		  (1u << 22)
#define POWER_EDX_INVARIANT_TSC	  (1u << 8)

/* The rate of the local APIC timer in KVM (KVM's APIC_BUS_CYCLE_NS is 1). */
#define APIC_BUS_KHZ 1000000u

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *c, uint32_t leaf,
				     uint32_t index)
{
	uint32_t i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == leaf &&
		    c->entries[i].index == index)
			return &c->entries[i];
	return NULL;
}

static struct kvm_cpuid_entry2 *find_or_add(struct kvm_cpuid2 *c, uint32_t leaf,
					    uint32_t index)
{
	struct kvm_cpuid_entry2 *e = find(c, leaf, index);

	if (e || c->nent == ENTRIES_MAX)
		return e;
	e = &c->entries[c->nent++];
	*e = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = index,
		.flags = index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	return e;
}

/* Bits that an APIC id needs. */
static uint32_t id_bits(unsigned int nr_cpus)
{
	uint32_t bits = 0;

	while ((1u << bits) < nr_cpus)
		bits++;
	return bits;
}

static void fix_features(struct kvm_engine *k)
{
	struct kvm_cpuid_entry2 *e = find(k->cpuid, LEAF_FEATURES, 0);

	if (!e)
		return;
	e->ecx |= FEATURES_ECX_X2APIC | FEATURES_ECX_HYPERVISOR;
	if (kvm_ioctl(k->dev_fd, KVM_CHECK_EXTENSION,
		      (void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= FEATURES_ECX_TSC_DEADLINE;
	e->ebx = (e->ebx & 0x0000ffff) | k->nr_cpus << 16;
	e->edx &= ~FEATURES_EDX_HTT;
	if (k->nr_cpus > 1)
		e->edx |= FEATURES_EDX_HTT;
}

/* No cache is shared between cores but the last level, by all of them. */
static void fix_caches(struct kvm_engine *k, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e;
	uint32_t i, level, sharing;

	/* Type 0: no more caches, or none described here */
	for (i = 0; (e = find(k->cpuid, leaf, i)) && (e->eax & 0x1f); i++) {
		level = (e->eax >> 5) & 7;
		sharing = level >= 3 ? (1u << id_bits(k->nr_cpus)) - 1 : 0;
		e->eax = (e->eax & 0x3fff) | sharing << 14;
		if (leaf == LEAF_CACHE_INTEL)
			e->eax |= ((1u << id_bits(k->nr_cpus)) - 1) << 26;
	}
}

static void fix_amd(struct kvm_engine *k)
{
	struct kvm_cpuid_entry2 *e;

	e = find(k->cpuid, LEAF_AMD_SIZES, 0);
	if (e)
		e->ecx = id_bits(k->nr_cpus) << 12 | (k->nr_cpus - 1);

	e = find(k->cpuid, LEAF_AMD_FEATURES, 0);
	if (!e)
		return;
	e->ecx &= ~AMD_ECX_CMP_LEGACY;
	if (k->nr_cpus > 1 && (e->ecx & AMD_ECX_TOPOEXT))
		e->ecx |= AMD_ECX_CMP_LEGACY;
}

/*
 * Leaf 0x40000010 tells guests both clocks, so that they calibrate none; it
 * began with VMware and is what other hypervisors and guests use today.
 */
static void add_timing(struct kvm_engine *k)
{
	struct kvm_cpuid_entry2 *sig = find(k->cpuid, LEAF_KVM_SIGNATURE, 0);
	struct kvm_cpuid_entry2 *e;

	e = find_or_add(k->cpuid, LEAF_POWER, 0);
	if (e)
		e->edx |= POWER_EDX_INVARIANT_TSC;

	if (!sig || !k->tsc_khz)
		return;
	e = find_or_add(k->cpuid, LEAF_KVM_TIMING, 0);
	if (!e)
		return;
	e->eax = k->tsc_khz;
	e->ebx = APIC_BUS_KHZ;
	if (sig->eax < LEAF_KVM_TIMING)
		sig->eax = LEAF_KVM_TIMING;
}

/* Newer hosts list the first level only, empty, for us to fill in. */
static void add_levels(struct kvm_engine *k, uint32_t leaf)
{
	if (find(k->cpuid, leaf, 0))
		find_or_add(k->cpuid, leaf, 1);
}

/*
 * A guest that will go on without KVM (kvm_soft.h) must not count on KVM at
 * its instructions, nor use registers that vcpu/x86 has not. Of leaves 1 and 7
 * such hosts show their own whatever is said here.
 */
static void limit_to_soft(struct kvm_engine *k)
{
	struct kvm_cpuid_entry2 *e;
	uint32_t i;

	e = find(k->cpuid, LEAF_KVM_FEATURES, 0);
	if (e)
		e->eax &= KVM_SOFT_FEATURES;
	for (i = 0; i < 64; i++) {
		e = find(k->cpuid, LEAF_XSAVE, i);
		if (e)
			e->eax = e->ebx = e->ecx = e->edx = 0;
	}
	e = find(k->cpuid, LEAF_XSAVE, 0);
	if (e) {
		e->eax = 3; /* x87, SSE */
		e->ebx = e->ecx = 576;
	}
}

int kvm_cpuid_init(struct kvm_engine *k)
{
	int ret;

	k->cpuid =
		calloc(1, sizeof(*k->cpuid) +
				  ENTRIES_MAX * sizeof(k->cpuid->entries[0]));
	if (!k->cpuid)
		return -ENOMEM;
	k->cpuid->nent = ENTRIES_MAX;
	ret = kvm_ioctl(k->dev_fd, KVM_GET_SUPPORTED_CPUID, k->cpuid);
	if (ret < 0) {
		log_err("kvm: KVM_GET_SUPPORTED_CPUID: %s", strerror(-ret));
		return ret;
	}

	/* Asked of the VM since Linux 5.18; older ones answer per vCPU. */
	ret = kvm_ioctl(k->vm_fd, KVM_GET_TSC_KHZ, NULL);
	k->tsc_khz = ret > 0 ? (uint32_t)ret : 0;

	fix_features(k);
	fix_caches(k, LEAF_CACHE_INTEL);
	fix_caches(k, LEAF_CACHE_AMD);
	fix_amd(k);
	add_levels(k, LEAF_TOPOLOGY);
	add_levels(k, LEAF_TOPOLOGY_V2);
	add_timing(k);
	if (kvm_host_emulates())
		limit_to_soft(k);
	return 0;
}

void kvm_cpuid_fini(struct kvm_engine *k)
{
	free(k->cpuid);
	k->cpuid = NULL;
}

/* Extended topology: level 0 is a thread, level 1 the package's cores. */
static void set_topology(struct kvm_engine *k, struct kvm_cpuid2 *c,
			 uint32_t leaf, uint32_t id)
{
	const struct kvm_cpuid_entry2 level[2] = {
		{ .eax = 0, .ebx = 1, .ecx = 1 << 8 },
		{ .eax = id_bits(k->nr_cpus),
		  .ebx = k->nr_cpus,
		  .ecx = 2 << 8 | 1 },
	};
	struct kvm_cpuid_entry2 *e;
	uint32_t i;

	for (i = 0; (e = find(c, leaf, i)); i++) {
		e->eax = i < 2 ? level[i].eax : 0;
		e->ebx = i < 2 ? level[i].ebx : 0;
		e->ecx = i < 2 ? level[i].ecx : i;
		e->edx = id;
	}
}

static void set_id(struct kvm_engine *k, struct kvm_cpuid2 *c, uint32_t id)
{
	struct kvm_cpuid_entry2 *e = find(c, LEAF_FEATURES, 0);

	if (e)
		e->ebx = (e->ebx & 0x00ffffff) | id << 24;
	set_topology(k, c, LEAF_TOPOLOGY, id);
	set_topology(k, c, LEAF_TOPOLOGY_V2, id);

	e = find(c, LEAF_AMD_TOPOLOGY, 0);
	if (e) {
		e->eax = id;
		e->ebx = id; /* core id; one thread a core */
		e->ecx = 0;  /* one node */
	}
}

int kvm_cpuid_set(struct kvm_engine *k, struct kvm_vcpu *v)
{
	size_t size = sizeof(*k->cpuid) +
		      k->cpuid->nent * sizeof(k->cpuid->entries[0]);
	struct kvm_cpuid2 *own = malloc(size);
	int err;

	if (!own)
		return -ENOMEM;
	memcpy(own, k->cpuid, size);
	set_id(k, own, v->vcpu.id);
	err = kvm_ioctl(v->fd, KVM_SET_CPUID2, own);
	free(own);
	return err;
}
