// SPDX-License-Identifier: MIT
/*
 * interp.c - the interpreter engine: create, destroy, listeners.
 */
#include "vcpu/interp/interp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/interp/interp_int.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/vtime.h"
#include "vcpu/x86/host_tsc.h"

static struct interp_engine *of_ram(struct ram_listener *l)
{
	return container_of(l, struct interp_engine, listener);
}

/* A device wrote: code there is old. */
static void written(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	struct interp_engine *e = of_ram(l);
	gpa_t at;

	for (at = gpa & ~(RAM_PAGE - 1); at < gpa + len; at += RAM_PAGE)
		if (ram_ptr(e->ram, at, RAM_PAGE))
			interp_code_written(e, interp_page(&e->code, at));
}

static int dirty_log(struct ram_listener *l, const struct ram_region *r,
		     bool on)
{
	/* One bitmap for all regions: once is enough. */
	return r->index ? 0 : interp_code_log(of_ram(l), on);
}

static int dirty_fetch(struct ram_listener *l, const struct ram_region *r,
		       uint64_t *bitmap)
{
	return interp_code_fetch_log(of_ram(l), r, bitmap);
}

static int probe(char *why, size_t why_len)
{
	(void)why;
	(void)why_len;
	return 0;
}

static void destroy(struct engine *engine)
{
	struct interp_engine *e;

	if (!engine)
		return;
	e = container_of(engine, struct interp_engine, engine);
	irqchip_connect(e->chip, NULL);
	ram_del_listener(e->ram, &e->listener);
	if (e->lapics)
		lapic_bus_destroy(e->lapics);
	interp_code_fini(&e->code);
	pthread_mutex_destroy(&e->alone);
	free(e);
}

static int start_clock(struct interp_engine *e)
{
	e->tsc_khz = e->vtime ? VTIME_TSC_KHZ : x86_host_tsc_khz();
	if (!e->tsc_khz) {
		log_err("interp: this host's time stamp counter stands still");
		return -ENODEV;
	}
	e->scale = x86_pvclock_scale_of(e->tsc_khz);
	e->tsc_start = __rdtsc();
	return 0;
}

/* ThreadSanitizer's own; absent in every other build. */
void AnnotateBenignRaceSized(const char *file, int line,
			     const volatile void *mem, size_t size,
			     const char *why) __attribute__((weak));

/*
 * The guest's loads and stores are ours here, and a guest may race with itself
 * and with its devices: what orders them are the rules of x86 (SDM 3A §8.2),
 * which plain moves keep, and not those of C.
 */
static void let_guest_race(const struct ram *ram)
{
	size_t i;

	if (!AnnotateBenignRaceSized)
		return;
	for (i = 0; i < ram_nr_regions(ram); i++) {
		const struct ram_region *r = ram_region(ram, i);

		AnnotateBenignRaceSized(__FILE__, __LINE__, r->host, r->size,
					"guest RAM");
	}
}

static int create(struct engine **out, const struct engine_params *p)
{
	struct interp_engine *e;
	int err;

	*out = NULL;
	if (p->vtime && p->nr_cpus > 1)
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->engine.ops = &interp_engine_ops;
	e->ram = p->ram;
	e->bus = p->bus;
	e->chip = p->chip;
	e->nr_cpus = p->nr_cpus;
	pthread_mutex_init(&e->alone, NULL);
	e->vtime = p->vtime;
	e->listener = (struct ram_listener){
		.written = written,
		.dirty_log = dirty_log,
		.dirty_fetch = dirty_fetch,
	};

	err = start_clock(e);
	if (!err)
		err = interp_code_init(&e->code, p->ram);
	if (!err)
		err = lapic_bus_create(&e->lapics);
	if (!err)
		err = ram_add_listener(e->ram, &e->listener);
	if (err) {
		destroy(&e->engine);
		return err;
	}
	let_guest_race(e->ram);
	irqchip_connect(e->chip, lapic_bus_sink(e->lapics));
	*out = &e->engine;
	return 0;
}

const struct engine_ops interp_engine_ops = {
	.name = "interp",
	.counts = true,
	.probe = probe,
	.create = create,
	.destroy = destroy,
	.vcpu_create = interp_vcpu_create,
	.vcpu_destroy = interp_vcpu_destroy,
	.get_state = interp_vcpu_get_state,
	.set_state = interp_vcpu_set_state,
	.run = interp_vcpu_run,
	.kick = interp_vcpu_kick,
};
