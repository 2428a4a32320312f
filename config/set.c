// SPDX-License-Identifier: MIT
/*
 * set.c - the setter table: every setting of a virtual machine, once.
 *
 * To add a setting: a member in config.h, a row here, a paragraph in both
 * minivmm.1 and minivmm.ini.5 (make check-man says when one is missing).
 */
#include "config/set.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/checked.h"
#include "config/row.h"

static const char *const accel_names[] = { "auto", "kvm", "dbt", "interp",
					   NULL };
/* In the order of enum config_io and enum config_boot */
static const char *const io_names[] = { "auto", "uring", "poll", NULL };
static const char *const boot_names[] = { "auto", "linux", "pvh", "flat",
					  NULL };

#define STREAM_FORMAT                            \
	"stdio, off, pty, file:PATH, unix:PATH " \
	"or tcp:[ADDRESS:]PORT"

#define VM(member)	offsetof(struct vm_config, member)
#define DISK(member)	offsetof(struct config_disk, member)
#define NET(member)	offsetof(struct config_net, member)
#define VSOCK(member)	offsetof(struct config_vsock, member)
#define BALLOON(member) offsetof(struct config_balloon, member)
#define CONSOLE(member) offsetof(struct config_console, member)

static const struct config_row rows[] = {
	{
		.pub = {
			.section = "kernel", .key = "kernel",
			.option = "kernel", .metavar = "FILE",
			.format = "a file name",
			.help = "kernel: bzImage, ELF or flat image",
		},
		.type = &config_type_path, .field = VM(kernel),
	},
	{
		.pub = {
			.section = "kernel", .key = "initrd",
			.option = "initrd", .metavar = "FILE",
			.format = "a file name",
			.help = "initial RAM disk",
		},
		.type = &config_type_path, .field = VM(initrd),
	},
	{
		.pub = {
			.section = "kernel", .key = "cmdline",
			.option = "cmdline", .metavar = "TEXT",
			.format = "one line of at most 2047 bytes",
			.help = "kernel command line",
		},
		.type = &config_type_text, .field = VM(cmdline),
		.max = CONFIG_CMDLINE_MAX,
	},
	{
		.pub = {
			.section = "kernel", .key = "boot",
			.option = "boot", .metavar = "auto|linux|pvh|flat",
			.format = "auto, linux, pvh or flat",
			.fallback = "auto",
			.help = "boot protocol",
		},
		.type = &config_type_choice, .field = VM(boot),
		.choices = boot_names,
	},
	{
		.pub = {
			.section = "kernel", .key = "device-tree",
			.option = "device-tree", .metavar = "on|off",
			.format = "on or off",
			.fallback = "off",
			.help = "hand a device tree to the kernel",
		},
		.type = &config_type_switch, .field = VM(device_tree),
	},
	{
		.pub = {
			.section = "vm", .key = "memory",
			.option = "memory", .short_option = 'm',
			.metavar = "SIZE",
			.format = "a size from 1M to 64G in steps of 4K, "
				  "such as 512M",
			.fallback = "256M",
			.help = "guest RAM, 1M to 64G",
		},
		.type = &config_type_size, .field = VM(memory),
		.min = 1ull << 20, .max = 64ull << 30, .step = 4096,
	},
	{
		.pub = {
			.section = "vm", .key = "cpus",
			.option = "cpus", .short_option = 'c',
			.metavar = "N",
			.format = "a number from 1 to 64",
			.fallback = "1",
			.help = "virtual CPUs, 1 to 64",
		},
		.type = &config_type_number, .field = VM(cpus),
		.min = 1, .max = 64,
	},
	{
		.pub = {
			.section = "disk", .key = NULL,
			.option = "disk", .metavar = "FILE[,key=value...]",
			.format = "FILE[,readonly=on|off][,direct=on|off]"
				  "[,serial=TEXT][,queues=N]"
				  "[,partition=NAME][,offset=SIZE][,size=SIZE]"
				  "[,ephemeral=on|off]",
			.help = "disk: readonly, partition, ephemeral ...",
		},
		.type = &config_type_group,
	},
	{
		.pub = {
			.section = "disk", .key = "file",
			.format = "a file name",
			.help = "image file or block device",
		},
		.type = &config_type_path, .field = DISK(path),
	},
	{
		.pub = {
			.section = "disk", .key = "readonly",
			.format = "on or off", .fallback = "off",
			.help = "refuse writes",
		},
		.type = &config_type_switch, .field = DISK(readonly),
	},
	{
		.pub = {
			.section = "disk", .key = "direct",
			.format = "on or off", .fallback = "off",
			.help = "bypass the page cache of the host",
		},
		.type = &config_type_switch, .field = DISK(direct),
	},
	{
		.pub = {
			.section = "disk", .key = "serial",
			.format = "1 to 20 bytes of text",
			.help = "serial number that the guest sees",
		},
		.type = &config_type_text, .field = DISK(serial),
		.min = 1, .max = CONFIG_SERIAL_MAX,
	},
	{
		.pub = {
			.section = "disk", .key = "queues",
			.format = "a number from 1 to 16", .fallback = "1",
			.help = "request queues",
		},
		.type = &config_type_number, .field = DISK(queues),
		.min = 1, .max = 16,
	},
	{
		.pub = {
			.section = "disk", .key = "partition",
			.format = "1 to 108 bytes of text",
			.help = "a partition of the file's GPT",
		},
		.type = &config_type_text, .field = DISK(partition),
		.min = 1, .max = CONFIG_PART_MAX,
	},
	{
		.pub = {
			.section = "disk", .key = "offset",
			.format = "a size in steps of 512, such as 1M",
			.fallback = "0",
			.help = "where in the file the disk begins",
		},
		.type = &config_type_size, .field = DISK(offset),
		.max = INT64_MAX, .step = 512,
	},
	{
		.pub = {
			.section = "disk", .key = "size",
			.format = "a size in steps of 512, such as 10G, or "
				  "0 for all that is there",
			.fallback = "0",
			.help = "how much of the file is the disk",
		},
		.type = &config_type_size, .field = DISK(size),
		.max = INT64_MAX, .step = 512,
	},
	{
		.pub = {
			.section = "disk", .key = "ephemeral",
			.format = "on or off", .fallback = "off",
			.help = "forget at the end what was written",
		},
		.type = &config_type_switch, .field = DISK(ephemeral),
	},
	{
		.pub = {
			.section = "disk", .key = "bandwidth",
			.format = "a size from 1K to 1T, such as 100M",
			.help = "bytes per second",
		},
		.type = &config_type_size_unset, .field = DISK(limit.bandwidth),
		.min = 1 << 10, .max = 1ull << 40,
	},
	{
		.pub = {
			.section = "disk", .key = "bandwidth-burst",
			.format = "a size from 1K to 1T, such as 100M",
			.help = "bytes at once",
		},
		.type = &config_type_size_unset, .field = DISK(limit.bandwidth_burst),
		.min = 1 << 10, .max = 1ull << 40,
	},
	{
		.pub = {
			.section = "disk", .key = "ops",
			.format = "a number from 1 to 1000000000",
			.help = "requests per second",
		},
		.type = &config_type_wide_unset, .field = DISK(limit.ops),
		.min = 1, .max = 1000000000,
	},
	{
		.pub = {
			.section = "disk", .key = "ops-burst",
			.format = "a number from 1 to 1000000000",
			.help = "requests at once",
		},
		.type = &config_type_wide_unset, .field = DISK(limit.ops_burst),
		.min = 1, .max = 1000000000,
	},
	{
		.pub = {
			.section = "net", .key = NULL,
			.option = "net", .metavar = "KIND[,key=value...]",
			.format = "KIND[,mac=MAC][,mtu=N][,queues=N]"
				  "[,fd=N][,hostfwd=RULE][,restrict=on|off]"
				  "[,net=NETWORK][,dns=ADDRESS]"
				  "[,hostname=NAME][,ipv6=on|off]",
			.help = "network: tap:NAME, user, passt ...",
		},
		.type = &config_type_group,
	},
	{
		.pub = {
			.section = "net", .key = "kind",
			.format = "tap:NAME, tap, user, passt or switch:PATH",
			.help = "where the frames go",
		},
		.type = &config_type_net_kind,
	},
	{
		.pub = {
			.section = "net", .key = "mac",
			.format = "six bytes such as 52:54:00:12:34:56, no "
				  "group address",
			.help = "address of the adapter",
		},
		.type = &config_type_mac,
	},
	{
		.pub = {
			.section = "net", .key = "mtu",
			.format = "a number from 68 to 65535",
			.help = "largest packet, told to the guest",
		},
		.type = &config_type_unset, .field = NET(mtu),
		.min = 68, .max = 65535,
	},
	{
		.pub = {
			.section = "net", .key = "queues",
			.format = "a number from 1 to 8", .fallback = "1",
			.help = "queue pairs",
		},
		.type = &config_type_number, .field = NET(queues),
		.min = 1, .max = CONFIG_QUEUES_MAX,
	},
	{
		.pub = {
			.section = "net", .key = "bandwidth",
			.format = "a size from 1K to 1T, such as 100M",
			.help = "bytes per second",
		},
		.type = &config_type_size_unset, .field = NET(limit.bandwidth),
		.min = 1 << 10, .max = 1ull << 40,
	},
	{
		.pub = {
			.section = "net", .key = "bandwidth-burst",
			.format = "a size from 1K to 1T, such as 100M",
			.help = "bytes at once",
		},
		.type = &config_type_size_unset, .field = NET(limit.bandwidth_burst),
		.min = 1 << 10, .max = 1ull << 40,
	},
	{
		.pub = {
			.section = "net", .key = "ops",
			.format = "a number from 1 to 1000000000",
			.help = "frames per second",
		},
		.type = &config_type_wide_unset, .field = NET(limit.ops),
		.min = 1, .max = 1000000000,
	},
	{
		.pub = {
			.section = "net", .key = "ops-burst",
			.format = "a number from 1 to 1000000000",
			.help = "frames at once",
		},
		.type = &config_type_wide_unset, .field = NET(limit.ops_burst),
		.min = 1, .max = 1000000000,
	},
	{
		.pub = {
			.section = "net", .key = "fd",
			.format = "the number of an open descriptor, 3 or more",
			.help = "tap: its descriptor, one per queue pair",
		},
		.type = &config_type_net_fd,
		.min = 3, .max = INT_MAX,
	},
	{
		.pub = {
			.section = "net", .key = "hostfwd",
			.format = "tcp:127.0.0.1:2222-:22 or the like",
			.help = "user, passt: a port of the host leads to the guest",
		},
		.type = &config_type_list, .field = NET(hostfwd),
		.min = 1, .max = 255,
	},
	{
		.pub = {
			.section = "net", .key = "restrict",
			.format = "on or off", .fallback = "off",
			.help = "user: nothing leaves the guest's network",
		},
		.type = &config_type_switch, .field = NET(restricted),
	},
	{
		.pub = {
			.section = "net", .key = "net",
			.format = "a network such as 10.0.2.0/24, from /8 to "
				  "/27",
			.help = "user: the guest's network",
		},
		.type = &config_type_subnet,
		.min = 8, .max = 27,
	},
	{
		.pub = {
			.section = "net", .key = "dns",
			.format = "an IPv4 address",
			.help = "user: the name server that the guest sees",
		},
		.type = &config_type_address, .field = NET(dns),
	},
	{
		.pub = {
			.section = "net", .key = "hostname",
			.format = "1 to 32 characters",
			.help = "user: the name that DHCP gives the guest",
		},
		.type = &config_type_text, .field = NET(hostname),
		.min = 1, .max = 32,
	},
	{
		.pub = {
			.section = "net", .key = "ipv6",
			.format = "on or off", .fallback = "on",
			.help = "user, passt: IPv6 beside IPv4",
		},
		.type = &config_type_switch, .field = NET(ipv6),
	},
	{
		.pub = {
			.section = "vsock", .key = NULL,
			.option = "vsock", .metavar = "PATH[,cid=N]",
			.format = "PATH[,cid=N]",
			.help = "sockets between host and guest",
		},
		.type = &config_type_group,
	},
	{
		.pub = {
			.section = "vsock", .key = "socket",
			.format = "a file name",
			.help = "UNIX socket for connections to the guest",
		},
		.type = &config_type_path, .field = VSOCK(socket),
	},
	{
		.pub = {
			.section = "vsock", .key = "cid",
			.format = "a number from 3 to 4294967294",
			.fallback = "3",
			.help = "the guest's context ID",
		},
		.type = &config_type_number, .field = VSOCK(cid),
		.min = CONFIG_CID_MIN, .max = CONFIG_CID_MAX,
	},
	{
		.pub = {
			.section = "balloon", .key = NULL,
			.option = "balloon", .metavar = "SIZE[,key=...]",
			.format = "SIZE[,deflate-on-oom=on|off]"
				  "[,free-page-reporting=on|off]",
			.help = "memory balloon",
		},
		.type = &config_type_group,
	},
	{
		.pub = {
			.section = "balloon", .key = "size",
			.format = "a size from 0 to 64G in steps of 4K, "
				  "such as 128M",
			.fallback = "0",
			.help = "what the guest is to do without",
		},
		.type = &config_type_size, .field = BALLOON(size),
		.max = 64ull << 30, .step = 4096,
	},
	{
		.pub = {
			.section = "balloon", .key = "deflate-on-oom",
			.format = "on or off", .fallback = "off",
			.help = "the guest may take it back in need",
		},
		.type = &config_type_switch, .field = BALLOON(deflate_on_oom),
	},
	{
		.pub = {
			.section = "balloon", .key = "free-page-reporting",
			.format = "on or off", .fallback = "off",
			.help = "what the guest frees is the host's",
		},
		.type = &config_type_switch,
		.field = BALLOON(free_page_reporting),
	},
	{
		.pub = {
			.section = "vm", .key = "serial",
			.option = "serial", .metavar = "KIND",
			.format = STREAM_FORMAT,
			.help = "COM1: stdio off pty file unix tcp",
		},
		.type = &config_type_serial, .field = VM(serial),
	},
	{
		.pub = {
			.section = "console", .key = NULL,
			.option = "console", .metavar = "KIND[,name=TEXT]",
			.format = "KIND[,name=TEXT]",
			.help = "virtio console; with a name, a port",
		},
		.type = &config_type_group,
	},
	{
		.pub = {
			.section = "console", .key = "kind",
			.format = STREAM_FORMAT,
			.help = "where the bytes go",
		},
		.type = &config_type_stream, .field = CONSOLE(stream),
	},
	{
		.pub = {
			.section = "console", .key = "name",
			.format = "1 to 63 bytes of text",
			.help = "a port of this name, not a console",
		},
		.type = &config_type_text, .field = CONSOLE(port),
		.min = 1, .max = CONFIG_PORT_MAX,
	},
	{
		.pub = {
			.section = "vm", .key = "rng",
			.option = "rng", .metavar = "on|off",
			.format = "on or off",
			.fallback = "on",
			.help = "virtio entropy device",
		},
		.type = &config_type_switch, .field = VM(rng),
	},
	{
		.pub = {
			.section = "vm", .key = "accel",
			.option = "accel", .metavar = "auto|kvm|dbt|interp",
			.format = "auto, kvm, dbt or interp",
			.fallback = "auto",
			.help = "what executes guest code",
		},
		.type = &config_type_word, .field = VM(accel),
		.choices = accel_names,
	},
	{
		.pub = {
			.section = "vm", .key = "io",
			.option = "io", .metavar = "auto|uring|poll",
			.format = "auto, uring or poll",
			.fallback = "auto",
			.help = "event loop",
		},
		.type = &config_type_choice, .field = VM(io),
		.choices = io_names,
	},
	{
		.pub = {
			.section = "vm", .key = "fixed-buffers",
			.option = "fixed-buffers", .metavar = "on|off",
			.format = "on or off",
			.fallback = "off",
			.help = "pin guest RAM for io_uring",
		},
		.type = &config_type_switch, .field = VM(fixed_buffers),
	},
	{
		.pub = {
			.section = "vm", .key = "timeout",
			.option = "timeout", .metavar = "SECONDS",
			.format = "seconds from 0 (no limit) to 31536000",
			.fallback = "0",
			.help = "end after so long, status 124",
		},
		.type = &config_type_number, .field = VM(timeout),
		.max = 31536000,
	},
	{
		.pub = {
			.section = "vm", .key = "deterministic",
			.option = "deterministic",
			.format = "on or off",
			.fallback = "off",
			.help = "every run the same: virtual time, --seed",
		},
		.type = &config_type_flag, .field = VM(deterministic),
	},
	{
		.pub = {
			.section = "vm", .key = "seed",
			.option = "seed", .metavar = "N",
			.format = "a number from 0 to 18446744073709551615",
			.fallback = "0",
			.help = "entropy of a deterministic machine",
		},
		.type = &config_type_wide, .field = VM(seed),
		.max = UINT64_MAX,
	},
	{
		.pub = {
			.section = "vm", .key = "state-hash",
			.option = "state-hash",
			.format = "on or off",
			.fallback = "off",
			.help = "at the end, a hash of registers and RAM",
		},
		.type = &config_type_flag, .field = VM(state_hash),
	},
	{
		.pub = {
			.section = "vm", .key = "name",
			.option = "name", .metavar = "TEXT",
			.format = "1 to 64 bytes of text on one line",
			.fallback = "vm",
			.help = "name of the machine, for logs",
		},
		.type = &config_type_text, .field = VM(name),
		.min = 1, .max = 64,
	},
	{
		.pub = {
			.section = "vm", .key = "log-file",
			.option = "log-file", .metavar = "FILE",
			.format = "a file name",
			.help = "where log lines go, not stderr",
		},
		.type = &config_type_path, .field = VM(log_file),
	},
	{
		.pub = {
			.section = "vm", .key = "verbose",
			.option = "verbose", .short_option = 'v',
			.format = "a number from 0 to 3",
			.fallback = "0",
			.help = "say more; may be repeated",
		},
		.type = &config_type_count, .field = VM(verbose), .max = 3,
	},
};

const struct config_row *config_row(size_t i)
{
	return i < ARRAY_SIZE(rows) ? &rows[i] : NULL;
}

const struct config_setting *config_setting(size_t i)
{
	return i < ARRAY_SIZE(rows) ? &rows[i].pub : NULL;
}

const struct config_row *config_row_find(const char *section, const char *key)
{
	const struct config_row *r;

	for (size_t i = 0; (r = config_row(i)); i++)
		if (r->pub.key && strcmp(r->pub.key, key) == 0 &&
		    strcmp(r->pub.section, section) == 0)
			return r;
	return NULL;
}

int config_row_set(const struct config_row *row, void *obj, const char *value,
		   const char *dir, struct config_error *e)
{
	char buf[64];
	int err;

	e->text[0] = '\0';
	err = row->type->set(row, obj, value, dir, e);
	if (!err || e->text[0])
		return err;
	if (err == -ENOMEM)
		config_error_set(e, "out of memory");
	else if (strlen(value) > row->max && row->max > sizeof(buf))
		config_error_set(e, "expected %s; got %zu bytes",
				 row->pub.format, strlen(value));
	else
		config_error_set(e, "expected %s; got '%s'", row->pub.format,
				 config_error_show(value, buf, sizeof(buf)));
	return err;
}

int config_row_defaults(const char *section, void *obj)
{
	const struct config_row *r;
	struct config_error e;
	int err;

	for (size_t i = 0; (r = config_row(i)); i++) {
		if (!r->pub.fallback || strcmp(r->pub.section, section) != 0)
			continue;
		err = config_row_set(r, obj, r->pub.fallback, NULL, &e);
		if (err)
			return err;
	}
	return 0;
}
