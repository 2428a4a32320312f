// SPDX-License-Identifier: MIT
/*
 * kvm_vcpu.c - one KVM vCPU: create, run, kick.
 *
 * How it works. A kick must end KVM_RUN whether the thread is inside it or
 * about to enter: the flag immediate_exit (in memory shared with the kernel)
 * covers the second case, a signal the first. The thread clears the flag when
 * KVM_RUN came back with EINTR, then its owner looks for the reason.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/kvm/kvm_soft.h"

#define PATIENCE_NS 200000000 /* see start_patience() */
#define AGAIN_NS    50000000

static struct kvm_vcpu *of_vcpu(struct vcpu *v)
{
	return container_of(v, struct kvm_vcpu, vcpu);
}

static int kick_signal(void)
{
	return SIGRTMIN;
}

static void on_kick(int sig)
{
	(void)sig; /* its arrival is the message */
}

int kvm_vcpu_install_kick(struct kvm_engine *k)
{
	struct sigaction sa = { .sa_handler = on_kick };

	(void)k;
	sigemptyset(&sa.sa_mask);
	return sigaction(kick_signal(), &sa, NULL) < 0 ? -errno : 0;
}

static void stop_patience(struct kvm_vcpu *v)
{
	if (v->has_patience)
		timer_delete(v->patience);
	v->has_patience = false;
}

void kvm_vcpu_destroy(struct vcpu *vcpu)
{
	struct kvm_vcpu *v;
	struct kvm_engine *k;

	if (!vcpu)
		return;
	v = of_vcpu(vcpu);
	k = kvm_engine_of(vcpu);
	if (atomic_load(&k->vcpu[vcpu->id]) == v)
		atomic_store(&k->vcpu[vcpu->id], NULL);
	stop_patience(v);
	kvm_assist_destroy(v->assist);
	if (v->run)
		munmap(v->run, k->run_size);
	fd_close(&v->fd);
	free(v);
}

static int map_run(struct kvm_engine *k, struct kvm_vcpu *v)
{
	v->run = mmap(NULL, k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return -errno;
	}
	return 0;
}

int kvm_vcpu_create(struct engine *e, unsigned int id, struct vcpu **out)
{
	struct kvm_engine *k = container_of(e, struct kvm_engine, engine);
	struct kvm_vcpu *v;
	int err;

	*out = NULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->vcpu.engine = e;
	v->vcpu.id = id;

	v->fd = kvm_ioctl(k->vm_fd, KVM_CREATE_VCPU, (void *)(long)id);
	if (v->fd < 0) {
		err = v->fd;
		goto destroy_vcpu;
	}
	err = map_run(k, v);
	if (!err)
		err = kvm_cpuid_set(k, v);
	if (err)
		goto destroy_vcpu;

	atomic_store(&k->vcpu[id], v);
	*out = &v->vcpu;
	return 0;

destroy_vcpu:
	log_err("kvm: vCPU %u: %s", id, strerror(-err));
	kvm_vcpu_destroy(&v->vcpu);
	return err;
}

void kvm_vcpu_kick(struct vcpu *vcpu)
{
	struct kvm_vcpu *v = of_vcpu(vcpu);
	pid_t tid;

	atomic_store(&v->attention, 1);
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	tid = atomic_load(&v->tid);
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, kick_signal());
}

/*
 * Where this host emulates guest kernels: how long a guest may keep the
 * emulator busy before it goes on without it (kvm_soft.h). Tiny guests are
 * done by then; a kernel's boot would take the better part of an hour. CPU
 * time, so that a guest that sleeps is left alone; the signal is the kick's.
 */
static void start_patience(struct kvm_vcpu *v)
{
	/* Again and again: a signal outside KVM_RUN goes unnoticed. */
	const struct itimerspec when = { .it_value.tv_nsec = PATIENCE_NS,
					 .it_interval.tv_nsec = AGAIN_NS };
	struct sigevent how = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = kick_signal(),
	};

	how._sigev_un._tid = atomic_load(&v->tid);
	if (v->vcpu.id || !kvm_host_emulates() ||
	    timer_create(CLOCK_THREAD_CPUTIME_ID, &how, &v->patience) < 0)
		return;
	v->has_patience = true;
	timer_settime(v->patience, 0, &when, NULL);
}

static void look_at_patience(struct kvm_vcpu *v)
{
	struct timespec used;

	if (!v->has_patience)
		return;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	if (!used.tv_sec && used.tv_nsec < PATIENCE_NS)
		return;
	kvm_assist_all(v);
	if (kvm_engine_of(&v->vcpu)->soft)
		stop_patience(v);
}

/* First run on this thread: kicks find it, and reach it. */
static void adopt_thread(struct kvm_vcpu *v)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, kick_signal());
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	atomic_store(&v->tid, tid);
	start_patience(v);
}

/* An IN or OUT, or one iteration's worth of INS or OUTS. */
static void do_io(struct kvm_engine *k, struct kvm_run *run)
{
	char *data = (char *)run + run->io.data_offset;
	unsigned int size = run->io.size;
	uint32_t i;

	for (i = 0; i < run->io.count; i++, data += size) {
		uint64_t val = 0;

		if (run->io.direction == KVM_EXIT_IO_IN) {
			val = bus_read(k->bus, BUS_PIO, run->io.port, size);
			memcpy(data, &val, size);
		} else {
			memcpy(&val, data, size);
			bus_write(k->bus, BUS_PIO, run->io.port, size, val);
		}
	}
}

static void mmio_part(struct kvm_engine *k, struct kvm_run *run,
		      unsigned int at, unsigned int len)
{
	uint64_t addr = run->mmio.phys_addr + at;
	uint64_t val = 0;

	if (run->mmio.is_write) {
		memcpy(&val, run->mmio.data + at, len);
		bus_write(k->bus, BUS_MMIO, addr, len, val);
	} else {
		val = bus_read(k->bus, BUS_MMIO, addr, len);
		memcpy(run->mmio.data + at, &val, len);
	}
}

/* KVM hands out up to 8 bytes; a length like 3 or 6 goes in pieces. */
static void do_mmio(struct kvm_engine *k, struct kvm_run *run)
{
	unsigned int len = run->mmio.len, at = 0;

	while (at < len && at < sizeof(run->mmio.data)) {
		unsigned int part = 8;

		while (part > len - at)
			part /= 2;
		mmio_part(k, run, at, part);
		at += part;
	}
}

static enum vcpu_exit system_event(const struct kvm_run *run)
{
	if (run->system_event.type == KVM_SYSTEM_EVENT_RESET)
		return VCPU_EXIT_RESET;
	return VCPU_EXIT_SHUTDOWN;
}

/* 1: *why is the answer; 0: go on; -errno: cannot. */
static int handle_exit(struct kvm_engine *k, struct kvm_vcpu *v,
		       enum vcpu_exit *why)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		do_io(k, v->run);
		return 0;
	case KVM_EXIT_MMIO:
		do_mmio(k, v->run);
		return 0;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
		return 0;
	case KVM_EXIT_IOAPIC_EOI:
		irqchip_eoi(k->chip, v->run->eoi.vector);
		return 0;
	case KVM_EXIT_HLT:
		*why = VCPU_EXIT_HALT;
		return 1;
	case KVM_EXIT_SHUTDOWN:
		*why = VCPU_EXIT_SHUTDOWN;
		return 1;
	case KVM_EXIT_SYSTEM_EVENT:
		*why = system_event(v->run);
		return 1;
	case KVM_EXIT_DEBUG:
		*why = VCPU_EXIT_DEBUG;
		return 1;
	case KVM_EXIT_INTERNAL_ERROR:
		if (v->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
		    !kvm_assist_step(v))
			return 0;
		return kvm_exit_report(v);
	default:
		return kvm_exit_report(v);
	}
}

/* 1: kicked; 0: an exit to handle; -errno. */
static int enter_guest(struct kvm_vcpu *v)
{
	int err = kvm_ioctl(v->fd, KVM_RUN, NULL);

	if (err >= 0)
		return 0;
	/* EAGAIN: an application processor still waits for its SIPI. */
	if (err != -EINTR && err != -EAGAIN) {
		log_err("kvm: vCPU %u: KVM_RUN: %s", v->vcpu.id,
			strerror(-err));
		return err;
	}
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	look_at_patience(v);
	return 1;
}

int kvm_vcpu_run(struct vcpu *vcpu, enum vcpu_exit *why)
{
	struct kvm_vcpu *v = of_vcpu(vcpu);
	struct kvm_engine *k = kvm_engine_of(vcpu);
	int ret;

	if (!atomic_load(&v->tid))
		adopt_thread(v);

	do {
		if (k->soft)
			return kvm_soft_run(v, why);
		if (vcpu->id == 0) {
			ret = kvm_irq_inject_pic(k, v);
			if (ret)
				return ret;
		}
		ret = enter_guest(v);
		if (ret == 1)
			*why = VCPU_EXIT_KICKED;
		if (!ret)
			ret = handle_exit(k, v, why);
	} while (!ret);
	return ret < 0 ? ret : 0;
}
