// SPDX-License-Identifier: MIT
/*
 * interp_event.c - interrupts, NMI, INIT, SIPI, and requests of other
 * threads, taken between two blocks.
 */
#include "vcpu/interp/interp_int.h"
#include "vcpu/x86/entry.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/step.h"

#define APIC_BASE_BSP (1ull << 8) /* SDM 3A §10.4.4 */

#define ALWAYS_TAKEN \
	(INTERP_KICK | INTERP_INIT | INTERP_SIPI | INTERP_FLUSH | INTERP_STOP)

static bool take_bit(struct interp_vcpu *v, unsigned int bit)
{
	return atomic_fetch_and(&v->owner.attention, ~bit) & bit;
}

/*
 * SDM 3A table 9-1, column INIT: as after RESET, but the FPU, the MSRs and
 * the clocks go on. The first CPU starts again, the others wait for SIPI.
 */
static void take_init(struct interp_vcpu *v)
{
	struct cpu_state old, st;
	bool first = lapic_get_base(v->lapic) & APIC_BASE_BSP;

	x86_cpu_store(&v->cpu, &old);
	x86_reset_state(&st, v->vcpu.id);
	st.msr = old.msr;
	st.xcr0 = old.xcr0;
	__builtin_memcpy(st.xsave, old.xsave, sizeof(st.xsave));
	st.mp_state = first ? CPU_MP_RUNNABLE : CPU_MP_INIT_RECEIVED;
	lapic_reset(v->lapic, LAPIC_INIT);
	x86_cpu_load(&v->cpu, &st);
}

/* SDM 3A §8.4.3: real mode at vector << 12. */
static void take_sipi(struct interp_vcpu *v)
{
	struct cpu_state *st = &v->cpu.st;
	unsigned int vector = atomic_load(&v->sipi_vector);

	if (st->mp_state != CPU_MP_INIT_RECEIVED)
		return;
	st->mp_state = CPU_MP_RUNNABLE;
	st->seg[CPU_CS].selector = (uint16_t)(vector << 8);
	st->seg[CPU_CS].base = (uint64_t)vector << 12;
	v->cpu.rip = 0;
	x86_update_mode(&v->cpu);
}

static void take_nmi(struct interp_vcpu *v)
{
	struct cpu_events *ev = &v->cpu.st.events;

	if (ev->nmi_masked || ev->shadow_mov_ss || !take_bit(v, INTERP_NMI))
		return;
	ev->nmi_masked = true; /* until IRET */
	x86_deliver_interrupt(&v->cpu, X86_NMI);
}

static void take_interrupt(struct interp_vcpu *v)
{
	int vector;

	if (!x86_may_interrupt(&v->cpu) || lapic_pending(v->lapic) < 0)
		return;
	vector = lapic_ack(v->lapic);
	if (vector >= 0)
		x86_deliver_interrupt(&v->cpu, (uint8_t)vector);
}

/* Halted, and nothing to do that could end it. */
static void sleep_if_idle(struct interp_vcpu *v)
{
	unsigned int seen = atomic_load(&v->owner.attention);

	if (seen & ALWAYS_TAKEN)
		return;
	if (v->cpu.st.mp_state == CPU_MP_RUNNABLE) {
		if (seen & INTERP_NMI && !v->cpu.st.events.nmi_masked)
			return;
		if (seen & LAPIC_ATTENTION && x86_may_interrupt(&v->cpu))
			return;
	}
	interp_vcpu_sleep(v, seen);
}

bool interp_attend(struct interp_vcpu *v, enum vcpu_exit *why)
{
	unsigned int seen = atomic_load(&v->owner.attention);

	v->cpu.cur = NULL;
	if (seen & INTERP_STOP)
		interp_stand(v);
	if (seen & INTERP_FLUSH)
		interp_code_flush(v);
	if (seen & INTERP_KICK) {
		take_bit(v, INTERP_KICK);
		*why = VCPU_EXIT_KICKED;
		return true;
	}
	if (seen & INTERP_INIT && take_bit(v, INTERP_INIT))
		take_init(v);
	if (seen & INTERP_SIPI && take_bit(v, INTERP_SIPI))
		take_sipi(v);

	if (v->cpu.st.mp_state == CPU_MP_RUNNABLE) {
		if (seen & INTERP_NMI)
			take_nmi(v);
		if (seen & LAPIC_ATTENTION)
			take_interrupt(v);
		if (!v->cpu.halted)
			return false;
	}
	sleep_if_idle(v);
	return false;
}
