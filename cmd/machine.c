// SPDX-License-Identifier: MIT
/*
 * machine.c - one virtual machine, built in visible order.
 *
 * How it works. Everything that can refuse (files, the engine) is opened
 * before the first vCPU is made. The first event that ends the machine is
 * kept and stops the loop; then the vCPUs are stopped, and everything is
 * destroyed in reverse order.
 *
 *   loop thread      disks, console input, timers, signals
 *   vCPU threads     guest code, port and MMIO accesses, console output
 */
#include "cmd/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/board.h"
#include "cmd/console.h"
#include "cmd/devices.h"
#include "cmd/machine_error.h"
#include "cmd/state_hash.h"
#include "config/config.h"
#include "memory/boot/boot.h"
#include "memory/bus.h"
#include "memory/ram.h"
#include "vcpu/engine.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/state.h"
#include "vcpu/vcpu.h"
#include "vcpu/vtime.h"
#include "vcpu/x86/entry.h"
#include "virtio/backend/chr.h"
#include "virtio/loop.h"

#define LOOP_DEPTH 256
#define NS_PER_S   1000000000ull

struct machine {
	const struct vm_config *cfg;
	struct vtime *vtime; /* NULL: the host's time */
	struct loop *loop;
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	struct console *console;
	struct board *board;
	struct engine *engine;
	char why[256]; /* this engine and no better one; empty: it is best */
	struct vcpu *vcpu[LAYOUT_CPUS_MAX];
	struct vcpu_thread *thread[LAYOUT_CPUS_MAX];
	struct devices *devices;
	struct boot_entry entry; /* the kernel's */

	struct loop_op timeout;
	struct loop_op signals;
	int signal_fd;
	struct signalfd_siginfo siginfo;

	atomic_bool ended;
	struct machine_result result;
};

/* The first end counts. Any thread. */
static void end(struct machine *m, enum machine_end why, int value)
{
	if (atomic_exchange(&m->ended, true))
		return;
	m->result = (struct machine_result){ why, value };
	if (m->vtime) { /* not one instruction more */
		vtime_stop(m->vtime);
		m->engine->ops->kick(m->vcpu[0]);
	}
	loop_stop(m->loop);
}

static void on_reset(void *ctx)
{
	end(ctx, MACHINE_POWEROFF, 0);
}

static void on_exit_port(void *ctx, uint8_t status)
{
	end(ctx, MACHINE_EXIT, status);
}

static void on_panic(void *ctx)
{
	log_warn("the guest reports a panic");
	end(ctx, MACHINE_CRASH, 0);
}

static void on_quit(void *ctx)
{
	end(ctx, MACHINE_QUIT, 0);
}

static void on_vcpu_end(void *ctx, unsigned int id, enum vcpu_end why)
{
	switch (why) {
	case VCPU_END_RESET:
		end(ctx, MACHINE_POWEROFF, 0);
		return;
	case VCPU_END_SHUTDOWN:
		log_warn("vCPU %u: triple fault", id);
		end(ctx, MACHINE_CRASH, 0);
		return;
	case VCPU_END_HALT:
		log_warn("vCPU %u: halted for good", id);
		end(ctx, MACHINE_CRASH, 0);
		return;
	case VCPU_END_ERROR:
		end(ctx, MACHINE_ERROR, 0);
		return;
	}
}

static void on_timeout(struct loop_op *op, int res)
{
	if (!res)
		end(container_of(op, struct machine, timeout), MACHINE_TIMEOUT,
		    0);
}

static void on_signal(struct loop_op *op, int res)
{
	struct machine *m = container_of(op, struct machine, signals);

	if (res == (int)sizeof(m->siginfo))
		end(m, MACHINE_SIGNAL, (int)m->siginfo.ssi_signo);
}

static void settle(void *machine)
{
	const struct machine *m = machine;

	loop_settle(m->loop);
}

/* Virtual time, and devices that the vCPU waits for. */
static int create_time(struct machine *m, struct machine_error *e)
{
	(void)e;
	if (!m->cfg->deterministic)
		return 0;
	m->vtime = calloc(1, sizeof(*m->vtime));
	if (!m->vtime)
		return -ENOMEM;
	vtime_init(m->vtime, m->cfg->seed);
	m->vtime->settle = settle;
	m->vtime->settle_ctx = m;
	return 0;
}

/* What entropy comes from; NULL: the host. */
static const uint64_t *seed_of(const struct machine *m)
{
	return m->vtime ? &m->cfg->seed : NULL;
}

static int create_loop(struct machine *m, struct machine_error *e)
{
	static const enum loop_kind kinds[] = {
		[CONFIG_IO_AUTO] = LOOP_AUTO,
		[CONFIG_IO_URING] = LOOP_URING,
		[CONFIG_IO_POLL] = LOOP_POLL,
	};
	enum loop_kind kind = m->vtime ? LOOP_POLL : kinds[m->cfg->io];
	int err = loop_create(&m->loop, kind, LOOP_DEPTH);

	if (err)
		machine_explain(
			e, "the event loop: %s (--io poll needs no io_uring)",
			strerror(-err));
	else if (m->vtime)
		loop_set_in_order(m->loop);
	return err;
}

/* A refusal is logged, and costs speed only. */
static void register_ram(struct machine *m)
{
	size_t i;

	for (i = 0; i < ram_nr_regions(m->ram); i++)
		loop_register_buffer(m->loop, ram_region(m->ram, i)->host,
				     ram_region(m->ram, i)->size);
}

static int create_ram(struct machine *m, struct machine_error *e)
{
	int err = ram_create(&m->ram, m->cfg->memory);

	if (err)
		machine_explain(e, "--memory: %llu MiB of guest RAM: %s",
				(unsigned long long)(m->cfg->memory >> 20),
				strerror(-err));
	else if (m->cfg->fixed_buffers)
		register_ram(m);
	return err;
}

static int create_chips(struct machine *m, struct machine_error *e)
{
	int err = bus_create(&m->bus);

	(void)e;
	return err ? err : irqchip_create(&m->chip, m->bus);
}

static int create_console(struct machine *m, struct machine_error *e)
{
	const struct console_params p = {
		.loop = m->loop,
		.what = "serial",
		.stream = config_serial(m->cfg),
		.quit = on_quit,
		.ctx = m,
	};

	return console_create(&m->console, &p, e);
}

static int create_board(struct machine *m, struct machine_error *e)
{
	const struct board_params p = {
		.bus = m->bus,
		.ram = m->ram,
		.chip = m->chip,
		.loop = m->loop,
		.vtime = m->vtime,
		.serial = console_stream(m->console),
		.events = {
			.reset = on_reset,
			.poweroff = on_reset,
			.exit = on_exit_port,
			.panic = on_panic,
			.ctx = m,
		},
	};

	(void)e;
	return board_create(&m->board, &p);
}

/*
 * Which engine and why: always in the log file, on stderr with -v. A forced
 * engine that is no good choice is worth a warning.
 */
static void say_engine(const struct machine *m)
{
	const char *loop = loop_backend_name(m->loop);
	const char *name = m->engine->ops->name;

	if (!m->why[0])
		log_info("engine %s, loop %s", name, loop);
	else if (!strcmp(m->cfg->accel, "auto"))
		log_info("engine %s (%s), loop %s", name, m->why, loop);
	else
		log_warn("engine %s: %s", name, m->why);
}

/* The engine has logged the detail: all of it in the one line for the user. */
static void explain_engine(const struct machine *m, struct machine_error *e,
			   const char *what, const struct log_first *detail,
			   int err)
{
	machine_explain(e, "--accel %s: cannot create %s: %s", m->cfg->accel,
			what, detail->text[0] ? detail->text : strerror(-err));
}

static int create_engine(struct machine *m, struct machine_error *e)
{
	const struct engine_params p = {
		.ram = m->ram,
		.bus = m->bus,
		.chip = m->chip,
		.nr_cpus = m->cfg->cpus,
		.vtime = m->vtime,
	};
	const struct engine_ops *ops;
	struct log_first detail;
	int err;

	err = engine_select(m->cfg->accel, m->vtime, &ops, m->why,
			    sizeof(m->why));
	if (err) {
		machine_explain(e, "--accel %s: %s", m->cfg->accel, m->why);
		return err;
	}
	log_keep_first(&detail);
	err = ops->create(&m->engine, &p);
	log_keep_first(NULL);
	if (err)
		explain_engine(m, e, "the VM", &detail, err);
	return err;
}

static int create_devices(struct machine *m, struct machine_error *e)
{
	const struct devices_params p = {
		.cfg = m->cfg,
		.ram = m->ram,
		.bus = m->bus,
		.chip = m->chip,
		.loop = m->loop,
		.seed = seed_of(m),
		.quit = on_quit,
		.ctx = m,
	};

	return devices_create(&m->devices, &p, e);
}

static int open_input(const char *path, int *fd, struct machine_error *e)
{
	int err;

	*fd = -1;
	if (!path)
		return 0;
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	err = -errno;
	machine_explain(e, "%s: %s", path, strerror(-err));
	return err;
}

static int load_kernel(struct machine *m, struct machine_error *e)
{
	static const enum boot_protocol protocols[] = {
		[CONFIG_BOOT_AUTO] = BOOT_AUTO,
		[CONFIG_BOOT_LINUX] = BOOT_LINUX,
		[CONFIG_BOOT_PVH] = BOOT_PVH,
		[CONFIG_BOOT_FLAT] = BOOT_FLAT,
	};
	struct boot_virtio_slot slots[LAYOUT_VIRTIO_SLOTS];
	struct boot_params p = {
		.kernel_fd = -1,
		.kernel_name = m->cfg->kernel,
		.initrd_fd = -1,
		.initrd_name = m->cfg->initrd,
		.cmdline = config_cmdline(m->cfg),
		.protocol = protocols[m->cfg->boot],
		.nr_cpus = m->cfg->cpus,
		.device_tree = m->cfg->device_tree,
		.seed = seed_of(m),
		.slots = slots,
		.nr_slots = devices_describe(m->devices, slots),
	};
	int err;

	err = open_input(m->cfg->kernel, &p.kernel_fd, e);
	if (!err)
		err = open_input(m->cfg->initrd, &p.initrd_fd, e);
	if (!err)
		err = boot_load(m->ram, &p, &m->entry, e->text,
				sizeof(e->text));
	fd_close(&p.initrd_fd);
	fd_close(&p.kernel_fd);
	return err;
}

static int set_entry(struct machine *m)
{
	const struct engine_ops *ops = m->engine->ops;
	struct cpu_state *st;
	int err;

	st = aligned_alloc(_Alignof(struct cpu_state), sizeof(*st));
	if (!st)
		return -ENOMEM;
	err = ops->get_state(m->vcpu[0], st);
	if (!err) {
		x86_entry_state(st, &m->entry);
		err = ops->set_state(m->vcpu[0], st);
	}
	free(st);
	return err;
}

static int create_vcpus(struct machine *m, struct machine_error *e)
{
	const struct engine_ops *ops = m->engine->ops;
	struct log_first detail;
	unsigned int i;
	int err = 0;

	log_keep_first(&detail);
	for (i = 0; !err && i < m->cfg->cpus; i++)
		err = ops->vcpu_create(m->engine, i, &m->vcpu[i]);
	if (!err)
		err = set_entry(m);
	log_keep_first(NULL);
	if (err)
		explain_engine(m, e, "the vCPUs", &detail, err);
	else
		say_engine(m);
	return err;
}

/* Block the signals that end us, and read them like everything else. */
static int catch_signals(struct machine *m, struct machine_error *e)
{
	sigset_t set;

	(void)e;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);

	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signal_fd < 0 ? -errno : 0;
}

/* When each part was there: `make bench` reads these lines. */
static void mark(const char *part)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	log_debug("built %s at %lld.%06ld s", part, (long long)t.tv_sec,
		  t.tv_nsec / 1000);
}

static int build(struct machine *m, struct machine_error *e)
{
	static const struct {
		const char *part;
		int (*create)(struct machine *m, struct machine_error *e);
	} steps[] = {
		{ "time", create_time },
		{ "loop", create_loop },
		{ "ram", create_ram },
		{ "chips", create_chips },
		{ "console", create_console },
		{ "board", create_board },
		{ "devices", create_devices },
		{ "kernel", load_kernel },
		{ "engine", create_engine },
		{ "vcpus", create_vcpus },
		/* Opening a file may block, and then a signal shall end us. */
		{ "signals", catch_signals },
	};
	int err = 0;

	mark("process");
	for (size_t i = 0; !err && i < ARRAY_SIZE(steps); i++) {
		err = steps[i].create(m, e);
		if (!err)
			mark(steps[i].part);
	}
	return err;
}

int machine_create(struct machine **out, const struct vm_config *cfg,
		   struct machine_error *e)
{
	struct machine *m;
	int err;

	*out = NULL;
	e->text[0] = '\0';
	m = calloc(1, sizeof(*m));
	if (!m) {
		machine_explain(e, "cannot build the machine: %s",
				strerror(ENOMEM));
		return -ENOMEM;
	}
	m->cfg = cfg;
	m->signal_fd = -1;
	m->timeout.name = "timeout";
	m->timeout.done = on_timeout;
	m->signals.name = "signals";
	m->signals.done = on_signal;

	err = build(m, e);
	if (err) {
		if (!e->text[0])
			machine_explain(e, "cannot build the machine: %s",
					strerror(-err));
		machine_destroy(m);
		return err;
	}
	*out = m;
	return 0;
}

static void stop_vcpus(struct machine *m)
{
	unsigned int i;

	chr_hang_up(console_stream(m->console));
	for (i = 0; i < m->cfg->cpus; i++)
		if (m->thread[i])
			vcpu_thread_request_stop(m->thread[i]);
	for (i = 0; i < m->cfg->cpus; i++) {
		vcpu_thread_stop(m->thread[i]);
		m->thread[i] = NULL;
	}
}

static void start_sources(struct machine *m)
{
	loop_read(m->loop, &m->signals, m->signal_fd, &m->siginfo,
		  sizeof(m->siginfo), -1);
	if (m->cfg->timeout)
		loop_timeout(m->loop, &m->timeout, m->cfg->timeout * NS_PER_S);
	console_start(m->console);
	devices_start(m->devices);
}

struct machine_result machine_run(struct machine *m)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < m->cfg->cpus; i++)
		err = vcpu_thread_start(&m->thread[i], m->vcpu[i], on_vcpu_end,
					m);
	if (err) {
		log_err("vCPU threads: %s", strerror(-err));
		end(m, MACHINE_ERROR, 0);
	} else {
		mark("threads");
		start_sources(m);
		err = loop_run(m->loop);
		if (err) {
			log_err("the event loop: %s", strerror(-err));
			end(m, MACHINE_ERROR, 0);
		}
	}
	stop_vcpus(m);
	if (m->vtime)
		log_info("virtual time: %llu instructions, %llu ns skipped",
			 (unsigned long long)(m->vtime->ns - m->vtime->skipped),
			 (unsigned long long)m->vtime->skipped);
	return m->result;
}

static int hash_cpus(struct machine *m, struct state_hash *h)
{
	struct cpu_state *st;
	unsigned int i;
	int err = 0;

	st = aligned_alloc(_Alignof(struct cpu_state), sizeof(*st));
	if (!st)
		return -ENOMEM;
	for (i = 0; !err && i < m->cfg->cpus; i++) {
		memset(st, 0, sizeof(*st));
		err = m->engine->ops->get_state(m->vcpu[i], st);
		if (!err)
			state_hash_cpu(h, st);
	}
	free(st);
	return err;
}

int machine_state_hash(struct machine *m, char *text)
{
	struct state_hash *h;
	int err;

	err = state_hash_create(&h);
	if (!err)
		err = hash_cpus(m, h);
	if (!err)
		err = state_hash_ram(h, m->ram);
	if (err)
		log_err("hash of the state: %s", strerror(-err));
	state_hash_finish(h, text);
	return err;
}

void machine_destroy(struct machine *m)
{
	unsigned int i;

	if (!m)
		return;
	for (i = 0; i < m->cfg->cpus; i++)
		if (m->vcpu[i])
			m->engine->ops->vcpu_destroy(m->vcpu[i]);
	if (m->engine)
		m->engine->ops->destroy(m->engine);
	/* The kernel, and the loop's lists, know what is freed below. */
	loop_drain(m->loop);
	devices_destroy(m->devices);
	board_destroy(m->board);
	console_destroy(m->console);
	irqchip_destroy(m->chip);
	bus_destroy(m->bus);
	ram_destroy(m->ram);
	loop_destroy(m->loop);
	free(m->vtime);
	fd_close(&m->signal_fd);
	free(m);
}
