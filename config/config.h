/* SPDX-License-Identifier: MIT */
/*
 * config.h - text to plain struct vm_config to text.
 *
 * How it works. One setter table (set.c) has a row per setting: its section
 * and key in an ini file, its long option on the command line, its format,
 * default and help. Both readers end in the same setter, so a setting that
 * exists in one exists in the other. Nothing here opens a disk or knows a
 * device: cross-checks against the host are the business of cmd/.
 *
 *   readers: ini.c, cmd/options.c -> set_key.c -> set.c: the row's setter
 *   setters: set_value.c, set_group.c, set_list.c, set_net.c, set_stream.c;
 *            their texts come back in dump.c
 *
 * Errors are text for the user: "vm.ini:3: memory: ..." or "--memory: ...".
 * One thread.
 */
#ifndef MINIVMM_CONFIG_CONFIG_H
#define MINIVMM_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_DISKS_MAX    32
#define CONFIG_NETS_MAX	    8
#define CONFIG_CONSOLES_MAX 8
#define CONFIG_PORT_MAX	    63 /* bytes of a console port's name */
#define CONFIG_LIST_MAX	    64 /* times that one key may be given */
#define CONFIG_MAC_LEN	    6
#define CONFIG_IFNAME_MAX   15 /* IFNAMSIZ with the NUL is 16 */
#define CONFIG_QUEUES_MAX   8  /* pairs, of a network adapter */
#define CONFIG_VSOCK_MAX    96 /* bytes of a path; "_4294967295" follows */
#define CONFIG_CID_MIN	    3  /* 0 to 2 and the last are reserved */
#define CONFIG_CID_MAX	    0xfffffffeu
#define CONFIG_SERIAL_MAX   20	 /* bytes of a virtio-blk id string */
#define CONFIG_PART_MAX	    108	 /* bytes of a partition's name */
#define CONFIG_CMDLINE_MAX  2047 /* x86 Linux takes 2048 with the NUL */

enum config_io {
	CONFIG_IO_AUTO,
	CONFIG_IO_URING,
	CONFIG_IO_POLL,
};

enum config_boot {
	CONFIG_BOOT_AUTO,
	CONFIG_BOOT_LINUX,
	CONFIG_BOOT_PVH,
	CONFIG_BOOT_FLAT,
};

enum config_stream_kind {
	CONFIG_STREAM_UNSET, /* see config_serial() */
	CONFIG_STREAM_STDIO,
	CONFIG_STREAM_OFF,
	CONFIG_STREAM_PTY,
	CONFIG_STREAM_FILE, /* file:PATH */
	CONFIG_STREAM_UNIX, /* unix:PATH */
	CONFIG_STREAM_TCP,  /* tcp:[ADDRESS:]PORT */
};

/* The host's end of a serial port or console. */
struct config_stream {
	enum config_stream_kind kind;
	char *path;    /* of file and unix, NULL otherwise */
	char *host;    /* of tcp: an address in numbers, without brackets */
	uint16_t port; /* of tcp; 0: any that is free */
};

/* What a device may move in a second; 0: no limit, or no burst given. */
struct config_limit {
	uint64_t bandwidth, bandwidth_burst; /* bytes */
	uint64_t ops, ops_burst;	     /* requests, frames */
};

struct config_disk {
	char *name;   /* of the ini section; "disk0".. from the command line */
	char *path;   /* NULL until config_validate() is content */
	char *serial; /* NULL: none */
	bool readonly;
	bool direct;	     /* O_DIRECT */
	unsigned int queues; /* 1 .. 16 */
	/* A part of the file: a partition of its table, or bytes. */
	char *partition;       /* NULL: none */
	uint64_t offset, size; /* both 0: all; size 0: to the end */
	bool ephemeral;	       /* what is written is forgotten */
	struct config_limit limit;
	bool from_option; /* --disk, not a section of a file */
};

enum config_net_kind {
	CONFIG_NET_NONE, /* until config_validate() is content */
	CONFIG_NET_TAP,
	CONFIG_NET_USER,
	CONFIG_NET_PASST,
	CONFIG_NET_SWITCH,
};

/* Texts of a key that may be given several times, in order. */
struct config_list {
	char **text;
	size_t nr;
};

struct config_net {
	char *name; /* of the ini section; "net0".. from the command line */
	enum config_net_kind kind;
	char *arg; /* tap: interface, or NULL; switch: path */
	bool has_mac;
	uint8_t mac[CONFIG_MAC_LEN];
	unsigned int mtu;	    /* 0: not given */
	unsigned int queues;	    /* pairs, 1 .. CONFIG_QUEUES_MAX */
	int fds[CONFIG_QUEUES_MAX]; /* tap: one per queue pair, or none */
	size_t nr_fds;
	struct config_list hostfwd; /* user, passt: config_parse_forward() */
	bool restricted;	    /* user: nothing leaves */
	uint32_t subnet;	    /* user: host order; 0: not given */
	unsigned int prefix;	    /* of it */
	uint32_t dns;		    /* user: host order; 0: not given */
	char *hostname;		    /* user; NULL: none */
	bool ipv6;		    /* user, passt */
	struct config_limit limit;  /* of each direction */
	bool from_option;	    /* --net, not a section of a file */
};

struct config_vsock {
	char *name; /* "vsock" */
	char *socket;
	unsigned int cid; /* CONFIG_CID_MIN .. CONFIG_CID_MAX */
	bool from_option; /* --vsock, not the section of a file */
};

struct config_balloon {
	char *name;    /* "balloon" */
	uint64_t size; /* bytes, at most the memory */
	bool deflate_on_oom;
	bool free_page_reporting;
	bool from_option; /* --balloon, not the section of a file */
};

/* A console of the virtio device, or a port with a name. */
struct config_console {
	char *name; /* of the ini section; "console0".. */
	struct config_stream stream;
	char *port; /* its name in the guest; NULL: a console */
	bool from_option;
};

struct vm_config {
	/* [vm] */
	char *name;
	uint64_t memory; /* bytes */
	unsigned int cpus;
	char *accel; /* "auto" or an engine's name */
	enum config_io io;
	bool fixed_buffers;   /* pin guest RAM, register it with io_uring */
	unsigned int timeout; /* seconds; 0: none */
	bool deterministic;   /* virtual time, entropy from the seed */
	uint64_t seed;
	bool state_hash; /* say it at the end */
	bool rng;
	struct config_stream serial; /* see config_serial() */
	char *log_file;		     /* NULL: stderr */
	unsigned int verbose;
	/* [kernel] */
	char *kernel;
	char *initrd;
	char *cmdline; /* NULL: the default, see config_cmdline() */
	enum config_boot boot;
	bool device_tree;
	/* [disk NAME]..., in order */
	struct config_disk *disks;
	size_t nr_disks;
	/* [net NAME]..., in order */
	struct config_net *nets;
	size_t nr_nets;
	/* [vsock], [balloon]: none or one */
	struct config_vsock *vsock;
	size_t nr_vsocks;
	struct config_balloon *balloon;
	size_t nr_balloons;
	/* [console NAME]..., in order */
	struct config_console *consoles;
	size_t nr_consoles;
};

/* "tap", "user"... */
const char *config_net_kind_name(enum config_net_kind kind);

/* A port of the host that leads to one of the guest. */
struct config_forward {
	bool udp;
	uint32_t host;	/* an address of the host, in host order; 0: all */
	uint32_t guest; /* the same of the guest; 0: the one it is given */
	uint16_t host_port, guest_port;
};

/*
 * "tcp:127.0.0.1:2222-:22": protocol, address and port of the host, then
 * address and port of the guest; protocol and addresses may be empty. 0 or
 * -EINVAL.
 */
int config_parse_forward(const char *text, struct config_forward *out);

/* A message for the user; always terminated. */
struct config_error {
	char text[512];
};

/* Defaults. config_fini() frees what @c owns; the struct is the caller's. */
int config_init(struct vm_config *c);
void config_fini(struct vm_config *c);

/*
 * Read an ini file into @c, on top of what is there: a later file overrides
 * an earlier one key by key, disks with the same name included. Relative
 * paths in it are relative to its folder. 0, or -errno with @e filled; @c may
 * hold a part of the file then.
 */
int config_read_file(struct vm_config *c, const char *path,
		     struct config_error *e);

/*
 * The same for @len bytes of text; @name stands for the file, in messages
 * and for the folder that paths are relative to.
 */
int config_read_text(struct vm_config *c, const char *text, size_t len,
		     const char *name, struct config_error *e);

/*
 * Set what the long option --@option (without dashes) means; @value is NULL
 * for an option without a metavar. The first --disk of a command line
 * replaces the disks of the files, later ones add; --net likewise. Files come first: then the
 * command line overrides them. 0, or -errno with @e filled.
 */
int config_set_option(struct vm_config *c, const char *option,
		      const char *value, struct config_error *e);

/*
 * Cross-checks within @c (kernel given, initrd only with Linux or PVH, no
 * file in two roles ...). 0, or -EINVAL with @e filled.
 */
int config_validate(const struct vm_config *c, struct config_error *e);

/*
 * If @a and @b name one file: do they want the same bytes, and one of them to
 * write? Of two partitions with different names that is not asked.
 */
bool config_disks_clash(const struct config_disk *a,
			const struct config_disk *b);

/*
 * The kernel command line that counts: the user's, or the default for a disk
 * root (ARCHITECTURE: "console=ttyS0 root=/dev/vda rw reboot=k panic=-1" when
 * there is a disk; without one "console=ttyS0 reboot=k panic=-1"). With the
 * serial port off and a console it is "console=hvc0".
 */
const char *config_cmdline(const struct vm_config *c);

/*
 * The serial port's stream that counts: the user's, or stdio, unless a console
 * has that; then it is off.
 */
const struct config_stream *config_serial(const struct vm_config *c);

/*
 * The whole effective configuration as an ini file that reads back equal.
 * Relative paths stay as they are: relative to the current folder.
 */
void config_dump(const struct vm_config *c, FILE *out);

/*
 * A size such as 512M: decimal digits, and K, M, G or T. 0 or -EINVAL. And
 * back, with the largest unit that leaves no remainder.
 */
int config_parse_size(const char *text, uint64_t *out);
void config_show_size(uint64_t size, char *buf, size_t len);

/* One row of the setter table, for the option parser, --help and tests. */
struct config_setting {
	const char *section;  /* "vm", "kernel"; "disk" for --disk itself */
	const char *key;      /* NULL for --disk: its keys are in the help */
	const char *option;   /* long option; NULL: key of a group */
	char short_option;    /* 'v', or 0 */
	const char *metavar;  /* NULL: takes no value (a counted flag) */
	const char *format;   /* what a value looks like, for errors */
	const char *fallback; /* the default, as text */
	const char *help;
};

/* The table: row @i, or NULL past the end. */
const struct config_setting *config_setting(size_t i);

#endif
