// SPDX-License-Identifier: MIT
/*
 * net_tap_open.c - gets hold of a tap interface: one that is there, one that
 * is made, or one that somebody else opened; and makes its frames those of
 * net.h: a header of 12 bytes, little-endian, in front.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/backend/net_tap.h"
#include "virtio/backend/net_tap_int.h"

#define DEVICE "/dev/net/tun"

/* What a tap must be. */
#define TAP_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

struct opening {
	const struct netb_tap_params *p;
	struct tap *tap;
	char *why;
	size_t why_len;
};

static int __attribute__((format(printf, 3, 4)))
fail(const struct opening *o, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->why, o->why_len, fmt, ap);
	va_end(ap);
	return err;
}

static void set_name(struct ifreq *ifr, const char *name)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

/* SIOC... of the interface @name. 0 or -errno. */
static int interface_ioctl(unsigned long request, const char *name,
			   struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	set_name(ifr, name);
	if (ioctl(fd, request, ifr))
		err = -errno;
	fd_close(&fd);
	return err;
}

static int refuse_device(const struct opening *o, int err)
{
	if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		return fail(o, err,
			    DEVICE ": %s; expected the tun module of the host "
				   "(in a container, its --device " DEVICE
				   "), or --net user",
			    strerror(-err));
	return fail(o, err,
		    DEVICE ": %s; expected permission to read and write it",
		    strerror(-err));
}

static int refuse_name(const struct opening *o, int err)
{
	const char *name = o->p->name;

	switch (err) {
	case -EPERM:
		return fail(o, err,
			    "tap:%s: not yours; expected root to run 'ip "
			    "tuntap add dev %s mode tap user YOU' once, or "
			    "CAP_NET_ADMIN",
			    name, name);
	case -EBUSY:
		return fail(o, err, "tap:%s: in use by another program", name);
	case -EINVAL:
		if (o->p->queues > 1)
			return fail(o, err,
				    "tap:%s: no tap of several queues; "
				    "expected one made with 'ip tuntap add dev "
				    "%s mode tap multi_queue', or queues=1",
				    name, name);
		return fail(o, err, "tap:%s: that interface is no tap", name);
	case -E2BIG:
		return fail(o, err,
			    "tap:%s: another program uses some of its queues",
			    name);
	default:
		return fail(o, err, "tap:%s: %s", name, strerror(-err));
	}
}

static int set_interface(int fd, const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };

	set_name(&ifr, name);
	return ioctl(fd, TUNSETIFF, &ifr) ? -errno : 0;
}

/*
 * Queue @q of the interface. One made for several queues can be used with
 * one, but has to be asked for by what it is.
 */
static int open_named(const struct opening *o, unsigned int q)
{
	int *fd = &o->tap->queue[q].fd;
	bool several = o->p->queues > 1;
	int flags = TAP_FLAGS | (several ? IFF_MULTI_QUEUE : 0);
	int err;

	*fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0)
		return refuse_device(o, -errno);
	err = set_interface(*fd, o->p->name, flags);
	if (err == -EINVAL && !several)
		err = set_interface(*fd, o->p->name, flags | IFF_MULTI_QUEUE);
	return err ? refuse_name(o, err) : 0;
}

/* An interface that was made is ours to set up. */
static int set_up_made(const struct opening *o)
{
	const char *name = o->p->name;
	struct ifreq ifr = { .ifr_mtu = (int)o->p->mtu };
	int err = 0;

	if (o->p->mtu)
		err = interface_ioctl(SIOCSIFMTU, name, &ifr);
	if (err)
		return fail(o, err, "tap:%s: mtu %u: %s", name, o->p->mtu,
			    strerror(-err));
	err = interface_ioctl(SIOCGIFFLAGS, name, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (!err)
		err = interface_ioctl(SIOCSIFFLAGS, name, &ifr);
	return err ? fail(o, err, "tap:%s: cannot bring it up: %s", name,
			  strerror(-err))
		   : 0;
}

/* Whoever made it may bring it up later: only a word about it. */
static void look_at_found(const struct opening *o)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	if (!interface_ioctl(SIOCGIFFLAGS, o->p->name, &ifr) &&
	    !(ifr.ifr_flags & IFF_UP))
		log_warn("tap:%s is down: no frame passes until 'ip link set "
			 "%s up'",
			 o->p->name, o->p->name);
}

static int open_by_name(const struct opening *o)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };
	bool found = !interface_ioctl(SIOCGIFINDEX, o->p->name, &ifr);
	int err = 0;

	for (unsigned int q = 0; !err && q < o->p->queues; q++)
		err = open_named(o, q);
	if (err)
		return err;
	if (!found)
		return set_up_made(o);
	look_at_found(o);
	return 0;
}

/* Is @fd a tap as we need it, and a queue of the interface @name? */
static int check_handed_in(const struct opening *o, int fd, char *name)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	if (fcntl(fd, F_GETFD) < 0)
		return fail(o, -EBADF,
			    "fd=%d is not open; expected a tap that whoever "
			    "starts minivmm has opened",
			    fd);
	if (ioctl(fd, TUNGETIFF, &ifr))
		return fail(o, -EINVAL,
			    "fd=%d is no tap; expected " DEVICE
			    " after TUNSETIFF",
			    fd);
	if ((ifr.ifr_flags & TAP_FLAGS) != TAP_FLAGS)
		return fail(o, -EINVAL,
			    "fd=%d is %s with other flags; expected IFF_TAP, "
			    "IFF_NO_PI and IFF_VNET_HDR",
			    fd, ifr.ifr_name);
	if (*name && strcmp(name, ifr.ifr_name) != 0)
		return fail(o, -EINVAL,
			    "fd=%d is %s, others are %s; expected queues of "
			    "one interface",
			    fd, ifr.ifr_name, name);
	snprintf(name, IFNAMSIZ, "%s", ifr.ifr_name);
	return 0;
}

static int take_handed_in(const struct opening *o)
{
	char name[IFNAMSIZ] = "";
	int err;

	for (unsigned int q = 0; q < o->p->queues; q++) {
		int fd = o->p->fds[q];

		err = check_handed_in(o, fd, name);
		if (err)
			return err;
		err = fd_set_nonblock(fd);
		if (!err && fcntl(fd, F_SETFD, FD_CLOEXEC))
			err = -errno;
		if (err)
			return fail(o, err, "fd=%d: %s", fd, strerror(-err));
	}
	for (unsigned int q = 0; q < o->p->queues; q++)
		o->tap->queue[q].fd = o->p->fds[q];
	return 0;
}

static int set_format(const struct opening *o)
{
	int len = NET_HDR_LEN, little = 1;

	for (unsigned int q = 0; q < o->p->queues; q++) {
		int fd = o->tap->queue[q].fd;

		if (ioctl(fd, TUNSETVNETHDRSZ, &len) ||
		    ioctl(fd, TUNSETVNETLE, &little))
			return fail(o, -errno,
				    "tap: the host's frames have no header of "
				    "%d bytes: %s",
				    NET_HDR_LEN, strerror(errno));
		o->tap->queue[q].attached = true;
	}
	return 0;
}

/* The most that the host takes; in the end none are on. */
static unsigned int probe_offloads(int fd)
{
	static const unsigned int sets[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN |
			TUN_F_UFO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM,
	};
	unsigned int found = 0;

	for (size_t i = 0; !found && i < ARRAY_SIZE(sets); i++)
		if (!ioctl(fd, TUNSETOFFLOAD, (unsigned long)sets[i]))
			found = sets[i];
	ioctl(fd, TUNSETOFFLOAD, 0ul);
	return found;
}

int netb_tap_open(struct net_backend **out, const struct netb_tap_params *p,
		  struct loop *loop, char *why, size_t why_len)
{
	struct opening o = { .p = p, .why = why, .why_len = why_len };
	struct tap *t;
	int err;

	*out = NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return fail(&o, -ENOMEM, "out of memory");
	netb_tap_init(t, loop, p->queues);
	o.tap = t;
	err = p->name ? open_by_name(&o) : take_handed_in(&o);
	if (!err)
		err = set_format(&o);
	if (!err && p->queues > 1) {
		err = t->backend.ops->set_queues(&t->backend, 1);
		if (err)
			fail(&o, err, "tap: cannot detach queues: %s",
			     strerror(-err));
	}
	if (err) {
		net_destroy(&t->backend);
		return err;
	}
	t->offloads = probe_offloads(t->queue[0].fd);
	*out = &t->backend;
	return 0;
}
