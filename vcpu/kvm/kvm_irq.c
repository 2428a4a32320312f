// SPDX-License-Identifier: MIT
/*
 * kvm_irq.c - interrupts into KVM's local APICs: MSI routes, irqfds, and the
 * PIC's output.
 *
 * How it works. Each GSI that the guest ever unmasks gets an eventfd that KVM
 * listens to (irqfd) and an entry in KVM's routing table that says which
 * message it stands for; a device's interrupt is then one write(2), with no
 * lock of ours. The table is given to KVM as a whole, so changes are rare
 * events: the guest programming another message into its IO-APIC.
 *
 * The PIC (for guests that have no IO-APIC driver) is wired to LINT0 of the
 * first CPU: KVM asks for it by interrupt windows, see KVM_INTERRUPT in the
 * KVM api.rst.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "vcpu/irqchip/irqchip.h"

static struct kvm_engine *of_sink(struct irq_sink *s)
{
	return container_of(s, struct kvm_engine, sink);
}

static int send(struct irq_sink *s, const struct msi_msg *m)
{
	const struct kvm_msi msi = {
		.address_lo = (uint32_t)m->addr,
		.address_hi = (uint32_t)(m->addr >> 32),
		.data = m->data,
	};
	int ret = kvm_ioctl(of_sink(s)->vm_fd, KVM_SIGNAL_MSI, &msi);

	/* 0: no CPU wants it, which is the guest's business. */
	return ret < 0 ? ret : 0;
}

static int write_table(struct kvm_engine *k)
{
	/* The header and its entries in one piece, as the ioctl takes them. */
	_Alignas(struct kvm_irq_routing) char
		buf[sizeof(struct kvm_irq_routing) +
		    LAYOUT_GSIS * sizeof(struct kvm_irq_routing_entry)] = { 0 };
	struct kvm_irq_routing *t = (struct kvm_irq_routing *)(void *)buf;
	unsigned int gsi;

	for (gsi = 0; gsi < LAYOUT_GSIS; gsi++) {
		const struct kvm_route *r = &k->routes[gsi];

		if (!r->live)
			continue;
		t->entries[t->nr++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = (uint32_t)r->msg.addr,
			.u.msi.address_hi = (uint32_t)(r->msg.addr >> 32),
			.u.msi.data = r->msg.data,
		};
	}
	return kvm_ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, t);
}

static int add_irqfd(struct kvm_engine *k, unsigned int gsi)
{
	struct kvm_route *r = &k->routes[gsi];
	struct kvm_irqfd irqfd = { .gsi = gsi };
	int err;

	r->fd = fd_event_create();
	if (r->fd < 0)
		return r->fd;
	irqfd.fd = (uint32_t)r->fd;
	err = kvm_ioctl(k->vm_fd, KVM_IRQFD, &irqfd);
	if (err)
		fd_close(&r->fd);
	return err;
}

static bool is_routed(const struct kvm_route *r, const struct msi_msg *m)
{
	return r->live && r->fd >= 0 && r->msg.addr == m->addr &&
	       r->msg.data == m->data;
}

/*
 * A masked pin keeps its route. Nothing triggers it, but KVM may have put off
 * an interrupt that came before, to a thread of its own: without the route
 * that one would be lost, and an edge does not come again.
 */
static void route(struct irq_sink *s, unsigned int gsi, const struct msi_msg *m)
{
	struct kvm_engine *k = of_sink(s);
	struct kvm_route *r = &k->routes[gsi];
	int err = 0;

	if (!m)
		return;
	pthread_mutex_lock(&k->route_lock);
	if (!is_routed(r, m)) {
		r->live = true;
		r->msg = *m;
		err = write_table(k);
		if (!err && r->fd < 0)
			err = add_irqfd(k, gsi);
	}
	pthread_mutex_unlock(&k->route_lock);

	/* Once: a guest can mask and unmask for ever. */
	if (err)
		log_once(&k->said_route, "kvm: route of GSI %u: %s", gsi,
			 strerror(-err));
}

static void trigger(struct irq_sink *s, unsigned int gsi)
{
	struct kvm_route *r = &of_sink(s)->routes[gsi];

	if (r->fd >= 0)
		fd_event_signal(r->fd);
	else
		send(s, &r->msg); /* the host is out of eventfds */
}

static void extint(struct irq_sink *s, bool asserted)
{
	struct kvm_engine *k = of_sink(s);
	struct kvm_vcpu *first;

	atomic_store(&k->extint, asserted);
	first = atomic_load(&k->vcpu[0]);
	if (asserted && first)
		kvm_vcpu_kick(&first->vcpu);
}

static const struct irq_sink_ops sink_ops = {
	.send = send,
	.route = route,
	.trigger = trigger,
	.extint = extint,
};

int kvm_irq_init(struct kvm_engine *k)
{
	pthread_mutex_init(&k->route_lock, NULL);
	k->sink.ops = &sink_ops;
	irqchip_connect(k->chip, &k->sink);
	return 0;
}

void kvm_irq_fini(struct kvm_engine *k)
{
	size_t i;

	irqchip_connect(k->chip, NULL);
	for (i = 0; i < ARRAY_SIZE(k->routes); i++)
		fd_close(&k->routes[i].fd);
}

int kvm_irq_inject_pic(struct kvm_engine *k, struct kvm_vcpu *v)
{
	struct kvm_interrupt irq;
	int vector;

	v->run->request_interrupt_window = 0;
	if (!atomic_load(&k->extint))
		return 0;
	if (!v->run->ready_for_interrupt_injection) {
		v->run->request_interrupt_window = 1;
		return 0;
	}

	vector = irqchip_ack_pic(k->chip);
	if (vector < 0)
		return 0;
	irq.irq = (uint32_t)vector;
	return kvm_ioctl(v->fd, KVM_INTERRUPT, &irq);
}
