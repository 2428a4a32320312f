// SPDX-License-Identifier: MIT
/*
 * kvm.c - the KVM engine: probe, create, destroy, doorbells.
 *
 * How it works. One VM file descriptor; RAM regions become memory slots,
 * doorbells ioeventfds, interrupt lines irqfds with MSI routes. KVM keeps the
 * local APICs only (split irqchip); the IO-APIC, PIC and PIT are irqchip/.
 *
 * Memory slots come before the irqchip: the other order waits for RCU grace
 * periods, several milliseconds on some hosts.
 */
#include "vcpu/kvm/kvm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "vcpu/kvm/kvm_int.h"

#define KVM_PATH "/dev/kvm"

#define FEATURES_ECX_VMX (1u << 5) /* SDM 2A, CPUID leaf 1 */
#define AMD_ECX_SVM	 (1u << 2) /* AMD APM 3, leaf 0x80000001 */

/* What the engine cannot do without (KVM api.rst, "KVM_CHECK_EXTENSION"). */
static const struct {
	int cap;
	const char *name;
	const char *since;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "2.6.27" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "2.6.32" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "2.6.36" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE", "2.6.36" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI", "3.5" },
	{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", "4.4" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "4.12" },
};

int kvm_ioctl(int fd, unsigned long request, const void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

struct kvm_engine *kvm_engine_of(struct vcpu *v)
{
	return container_of(v->engine, struct kvm_engine, engine);
}

bool kvm_host_emulates(void)
{
	unsigned int a, b, d, basic = 0, amd = 0;

	__get_cpuid(1, &a, &b, &basic, &d);
	__get_cpuid(0x80000001, &a, &b, &amd, &d);
	return !(basic & FEATURES_ECX_VMX) && !(amd & AMD_ECX_SVM);
}

static int open_device(char *why, size_t why_len)
{
	int fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	int err = -errno;
	const char *advice;

	if (fd >= 0)
		return fd;

	switch (err) {
	case -ENOENT:
		advice = "load kvm_intel or kvm_amd, or give this container "
			 "the device";
		break;
	case -EACCES:
	case -EPERM:
		advice = "join the group that owns it (usually kvm), or ask "
			 "for access";
		break;
	default:
		advice = "the kvm module has no CPU to work on";
		break;
	}
	snprintf(why, why_len, KVM_PATH ": %s (%s)", strerror(-err), advice);
	return err;
}

static int check_device(int fd, char *why, size_t why_len)
{
	int version = kvm_ioctl(fd, KVM_GET_API_VERSION, NULL);
	size_t i;

	if (version < 0) {
		snprintf(why, why_len, KVM_PATH ": not a KVM: %s",
			 strerror(-version));
		return -ENODEV;
	}
	if (version != KVM_API_VERSION) {
		snprintf(why, why_len,
			 KVM_PATH ": API version %d, expected %d (a KVM of "
				  "before Linux 2.6.22)",
			 version, KVM_API_VERSION);
		return -ENOSYS;
	}
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (kvm_ioctl(fd, KVM_CHECK_EXTENSION,
			      (void *)(long)needed[i].cap) > 0)
			continue;
		snprintf(why, why_len,
			 KVM_PATH ": too old: %s is missing (run Linux %s or "
				  "newer on the host)",
			 needed[i].name, needed[i].since);
		return -ENOSYS;
	}
	return 0;
}

static int probe(char *why, size_t why_len)
{
	int fd = open_device(why, why_len);
	int err;

	if (fd < 0)
		return fd;
	err = check_device(fd, why, why_len);
	close(fd);
	if (err || !kvm_host_emulates())
		return err;
	snprintf(why, why_len,
		 KVM_PATH " has no VMX or SVM behind it: this host emulates "
			  "guest kernels, a thousand times slower; use a host "
			  "with hardware virtualization, or another engine");
	return 1;
}

static struct kvm_engine *of_bus(struct bus_listener *l)
{
	return container_of(l, struct kvm_engine, bus_listener);
}

static int set_ioeventfd(struct kvm_engine *k, const struct bus_doorbell *d,
			 uint32_t flags)
{
	const struct kvm_ioeventfd e = {
		.datamatch = d->value,
		.addr = d->addr,
		.len = d->len,
		.fd = d->fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | flags,
	};

	return kvm_ioctl(k->vm_fd, KVM_IOEVENTFD, &e);
}

static int doorbell_added(struct bus_listener *l, const struct bus_doorbell *d)
{
	return set_ioeventfd(of_bus(l), d, 0);
}

static void doorbell_removed(struct bus_listener *l,
			     const struct bus_doorbell *d)
{
	set_ioeventfd(of_bus(l), d, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* Intel CPUs without "unrestricted guest" run real mode in a TSS of ours. */
static int set_real_mode_pages(struct kvm_engine *k)
{
	uint64_t idmap = LAYOUT_KVM_IDMAP;
	int err;

	err = kvm_ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &idmap);
	if (err && err != -ENOTTY)
		return err;
	return kvm_ioctl(k->vm_fd, KVM_SET_TSS_ADDR, (void *)LAYOUT_KVM_TSS);
}

static int split_irqchip(struct kvm_engine *k)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args = { LAYOUT_GSIS },
	};
	int err = kvm_ioctl(k->vm_fd, KVM_ENABLE_CAP, &cap);

	if (err)
		return err;

	/* 32-bit APIC ids in the saved state; older kernels do without. */
	cap = (struct kvm_enable_cap){
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS |
			  KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	};
	kvm_ioctl(k->vm_fd, KVM_ENABLE_CAP, &cap);
	return 0;
}

/*
 * KVM gives a VM up for any pending signal, be it one that asked an earlier
 * machine of this thread to stop. Every signal ends it once at most.
 */
static int create_vm(int dev_fd)
{
	int fd;

	do
		fd = kvm_ioctl(dev_fd, KVM_CREATE_VM, NULL);
	while (fd == -EINTR);
	if (fd < 0)
		log_err("KVM_CREATE_VM: %s", strerror(-fd));
	return fd;
}

static int open_vm(struct kvm_engine *k)
{
	char why[256];
	int err;

	k->dev_fd = open_device(why, sizeof(why));
	if (k->dev_fd < 0) {
		log_err("%s", why);
		return k->dev_fd;
	}
	err = check_device(k->dev_fd, why, sizeof(why));
	if (err) {
		log_err("%s", why);
		return err;
	}

	k->vm_fd = create_vm(k->dev_fd);
	if (k->vm_fd < 0)
		return k->vm_fd;
	err = kvm_ioctl(k->dev_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	if (err < 0)
		return err;
	k->run_size = (size_t)err;
	return 0;
}

static void destroy(struct engine *e)
{
	struct kvm_engine *k;

	if (!e)
		return;
	k = container_of(e, struct kvm_engine, engine);
	bus_set_listener(k->bus, NULL);
	kvm_irq_fini(k);
	kvm_gate_close(k);
	kvm_mem_fini(k);
	kvm_cpuid_fini(k);
	fd_close(&k->vm_fd);
	fd_close(&k->dev_fd);
	free(k);
}

static int set_up(struct kvm_engine *k)
{
	static const struct {
		const char *what;
		int (*step)(struct kvm_engine *k);
	} steps[] = {
		{ "the VM", open_vm },
		{ "pages for real mode", set_real_mode_pages },
		{ "memory", kvm_mem_init },
		{ "the interrupt chips", split_irqchip },
		{ "interrupt routes", kvm_irq_init },
		{ "CPUID", kvm_cpuid_init },
		{ "the signal for kicks", kvm_vcpu_install_kick },
	};
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i].step(k);
		if (!err)
			continue;
		log_err("kvm: %s: %s", steps[i].what, strerror(-err));
		return err;
	}
	return 0;
}

static int create(struct engine **out, const struct engine_params *p)
{
	struct kvm_engine *k;
	size_t i;
	int err;

	*out = NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->engine.ops = &kvm_engine_ops;
	k->dev_fd = -1;
	k->vm_fd = -1;
	k->ram = p->ram;
	k->bus = p->bus;
	k->chip = p->chip;
	k->nr_cpus = p->nr_cpus;
	pthread_mutex_init(&k->gate_lock, NULL);
	for (i = 0; i < ARRAY_SIZE(k->routes); i++)
		k->routes[i].fd = -1;

	err = set_up(k);
	if (err) {
		destroy(&k->engine);
		return err;
	}

	k->bus_listener.doorbell_added = doorbell_added;
	k->bus_listener.doorbell_removed = doorbell_removed;
	bus_set_listener(k->bus, &k->bus_listener);
	*out = &k->engine;
	return 0;
}

const struct engine_ops kvm_engine_ops = {
	.name = "kvm",
	.probe = probe,
	.create = create,
	.destroy = destroy,
	.vcpu_create = kvm_vcpu_create,
	.vcpu_destroy = kvm_vcpu_destroy,
	.get_state = kvm_state_get,
	.set_state = kvm_state_set,
	.run = kvm_vcpu_run,
	.kick = kvm_vcpu_kick,
};
