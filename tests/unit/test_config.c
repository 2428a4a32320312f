// SPDX-License-Identifier: MIT
/*
 * test_config.c - values, sections, groups, defaults, and the round trip
 * through text. Messages of whole files: tests/cli/config/.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "config/config.h"
#include "config/nearest.h"

static int setup(void **state)
{
	struct vm_config *c = malloc(sizeof(*c));

	*state = c;
	return config_init(c);
}

static int teardown(void **state)
{
	config_fini(*state);
	free(*state);
	return 0;
}

static int read_text(struct vm_config *c, const char *text)
{
	struct config_error e;

	return config_read_text(c, text, strlen(text), "t.ini", &e);
}

static void accepts(struct vm_config *c, const char *option, const char *value)
{
	struct config_error e = { "" };

	assert_int_equal(config_set_option(c, option, value, &e), 0);
	assert_string_equal(e.text, "");
}

/* Refused, and the message has @part in it. */
static void refuses(struct vm_config *c, const char *option, const char *value,
		    const char *part)
{
	struct config_error e = { "" };

	assert_true(config_set_option(c, option, value, &e) < 0);
	if (!strstr(e.text, part))
		assert_string_equal(e.text, part);
}

static void refuses_text(struct vm_config *c, const char *text,
			 const char *message)
{
	struct config_error e = { "" };

	assert_true(config_read_text(c, text, strlen(text), "t.ini", &e) < 0);
	assert_string_equal(e.text, message);
}

static void defaults_are_those_of_the_table(void **state)
{
	const struct vm_config *c = *state;

	assert_int_equal(c->memory, 256 << 20);
	assert_int_equal(c->cpus, 1);
	assert_true(c->rng);
	assert_int_equal(config_serial(c)->kind, CONFIG_STREAM_STDIO);
	assert_int_equal(c->io, CONFIG_IO_AUTO);
	assert_int_equal(c->boot, CONFIG_BOOT_AUTO);
	assert_string_equal(c->accel, "auto");
	assert_string_equal(c->name, "vm");
	assert_int_equal(c->timeout, 0);
	assert_false(c->device_tree);
	assert_false(c->fixed_buffers);
	assert_null(c->kernel);
	assert_null(c->cmdline);
	assert_int_equal(c->nr_disks, 0);
}

static void every_row_of_the_table_is_complete(void **state)
{
	const struct config_setting *s;

	(void)state;
	assert_non_null(config_setting(0));
	for (size_t i = 0; (s = config_setting(i)); i++) {
		assert_non_null(s->section);
		assert_non_null(s->help);
		assert_non_null(s->format);
		assert_true(s->key || s->option);
		/* a key is called what its option is called */
		if (s->key && s->option)
			assert_string_equal(s->key, s->option);
	}
}

static void sizes_take_k_m_g_and_t(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "memory", "2048K");
	assert_int_equal(c->memory, 2 << 20);
	accepts(c, "memory", "512m");
	assert_int_equal(c->memory, 512 << 20);
	accepts(c, "memory", "64G");
	assert_true(c->memory == 64ull << 30);
	accepts(c, "memory", "1048576");
	assert_int_equal(c->memory, 1 << 20);
}

static void memory_refuses_what_is_no_size(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"M",
		"512MB",
		"512 M",
		" 512M",
		"-1G",
		"+1G",
		"1.5G",
		"0x10M",
		"1P",
		"65G",
		"1T",
		"1023K",
		"4097K",
		"18446744073709551616",
		"18014398509481984K",
		"99999999999999999999G",
		"1048577",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuses(*state, "memory", bad[i],
			"--memory: expected a size from 1M to 64G");
}

static void memory_is_unchanged_by_a_refused_value(void **state)
{
	struct vm_config *c = *state;

	refuses(c, "memory", "65G", "got '65G'");
	assert_int_equal(c->memory, 256 << 20);
}

static void cpus_are_1_to_64(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "cpus", "64");
	assert_int_equal(c->cpus, 64);
	refuses(c, "cpus", "0", "--cpus: expected a number from 1 to 64");
	refuses(c, "cpus", "65", "got '65'");
	refuses(c, "cpus", "4294967297", "got");
	refuses(c, "cpus", "2x", "got");
	refuses(c, "cpus", "", "got ''");
}

static void switches_are_on_or_off_only(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "rng", "off");
	assert_false(c->rng);
	accepts(c, "device-tree", "on");
	assert_true(c->device_tree);
	accepts(c, "fixed-buffers", "on");
	assert_true(c->fixed_buffers);
	refuses(c, "rng", "yes", "--rng: expected on or off; got 'yes'");
	refuses(c, "rng", "ON", "got 'ON'");
}

static void choices_name_what_is_accepted(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "io", "poll");
	assert_int_equal(c->io, CONFIG_IO_POLL);
	accepts(c, "io", "uring");
	assert_int_equal(c->io, CONFIG_IO_URING);
	accepts(c, "boot", "linux");
	assert_int_equal(c->boot, CONFIG_BOOT_LINUX);
	accepts(c, "boot", "pvh");
	assert_int_equal(c->boot, CONFIG_BOOT_PVH);
	accepts(c, "boot", "flat");
	assert_int_equal(c->boot, CONFIG_BOOT_FLAT);
	accepts(c, "accel", "interp");
	assert_string_equal(c->accel, "interp");
	refuses(c, "io", "epoll", "expected auto, uring or poll; got 'epoll'");
	refuses(c, "boot", "efi", "expected auto, linux, pvh or flat");
	refuses(c, "accel", "tcg", "expected auto, kvm, dbt or interp");
}

static void serial_goes_to_stdio_nowhere_or_a_file(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "serial", "file:/tmp/a,b");
	assert_int_equal(c->serial.kind, CONFIG_STREAM_FILE);
	assert_string_equal(c->serial.path, "/tmp/a,b");
	accepts(c, "serial", "off");
	assert_int_equal(c->serial.kind, CONFIG_STREAM_OFF);
	assert_null(c->serial.path);
	refuses(c, "serial", "file:", "expected stdio, off, pty, file:PATH");
	refuses(c, "serial", "tty", "expected stdio, off, pty, file:PATH");
}

static void serial_goes_to_a_pty_or_a_socket(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "serial", "pty");
	assert_int_equal(c->serial.kind, CONFIG_STREAM_PTY);
	accepts(c, "serial", "unix:/run/vm:1");
	assert_int_equal(c->serial.kind, CONFIG_STREAM_UNIX);
	assert_string_equal(c->serial.path, "/run/vm:1");
	refuses(c, "serial", "unix:", "expected stdio");
	refuses(c, "serial", "unix", "expected stdio");
	refuses(c, "serial", "pty:", "expected stdio");
	refuses(c, "serial", "stdio:1", "expected stdio");
}

static void tcp_is_loopback_unless_it_is_told_otherwise(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} good[] = {
		{ "tcp:4000", "127.0.0.1", 4000 },
		{ "tcp::4000", "127.0.0.1", 4000 },
		{ "tcp:localhost:65535", "127.0.0.1", 65535 },
		{ "tcp:127.0.0.1:0", "127.0.0.1", 0 },
		{ "tcp:0.0.0.0:23", "0.0.0.0", 23 },
		{ "tcp:[::1]:23", "::1", 23 },
	};
	static const char *const bad[] = {
		"tcp:",
		"tcp:x",
		"tcp:65536",
		"tcp:-1",
		"tcp: 1",
		"tcp:1x",
		"tcp:127.0.0.1:",
		"tcp:127.0.0:1",
		"tcp:example.org:1",
		"tcp:::1",
		"tcp:[::1]",
		"tcp:[127.0.0.1]:1",
		"tcp:99999999999",
		"tcp:[]:1",
	};
	struct vm_config *c = *state;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		accepts(c, "serial", good[i].text);
		assert_int_equal(c->serial.kind, CONFIG_STREAM_TCP);
		assert_string_equal(c->serial.host, good[i].host);
		assert_int_equal(c->serial.port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuses(c, "serial", bad[i], "or tcp:[ADDRESS:]PORT");
	assert_int_equal(c->serial.port, 23);
}

static void flags_need_no_value_and_files_say_on_or_off(void **state)
{
	struct vm_config *c = *state;
	static const char text[] = "[vm]\ndeterministic = off\n";
	struct config_error e;

	assert_false(c->deterministic);
	assert_false(c->state_hash);
	accepts(c, "deterministic", NULL);
	accepts(c, "state-hash", NULL);
	assert_true(c->deterministic);
	assert_true(c->state_hash);
	assert_int_equal(config_read_text(c, text, strlen(text), "t.ini", &e),
			 0);
	assert_false(c->deterministic);
	refuses_text(c, "[vm]\nstate-hash = 1\n",
		     "t.ini:2: state-hash: expected on or off; got '1'");
}

static void a_seed_is_any_number_of_64_bits(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(c->seed, 0);
	accepts(c, "seed", "18446744073709551615");
	assert_true(c->seed == UINT64_MAX);
	refuses(c, "seed", "18446744073709551616", "expected a number from 0");
	refuses(c, "seed", "-1", "expected a number from 0");
	refuses(c, "seed", "0x1", "expected a number from 0");
	refuses(c, "seed", "1K", "expected a number from 0");
	refuses(c, "seed", "", "expected a number from 0");
}

static void verbose_counts_up_to_its_end(void **state)
{
	struct vm_config *c = *state;

	for (int i = 0; i < 9; i++)
		accepts(c, "verbose", NULL);
	assert_int_equal(c->verbose, 3);
}

static void an_option_without_its_value_is_refused(void **state)
{
	refuses(*state, "kernel", NULL, "--kernel: expected a file name");
	refuses(*state, "disk", NULL, "--disk: expected FILE[,");
	refuses(*state, "net", NULL, "--net: expected KIND[,");
}

static void unknown_options_are_refused(void **state)
{
	refuses(*state, "tpm", "on", "--tpm: unknown option");
	refuses(*state, "file", "x", "--file: unknown option");
}

static void names_and_command_lines_are_one_line(void **state)
{
	struct vm_config *c = *state;
	char text[2050];

	memset(text, 'x', sizeof(text));
	text[2047] = '\0';
	accepts(c, "cmdline", text);
	text[2047] = 'x';
	text[2048] = '\0';
	refuses(c, "cmdline", text, "at most 2047 bytes; got 2048 bytes");
	refuses(c, "cmdline", "a\nb", "got 'a?b'");
	accepts(c, "cmdline", "");
	assert_string_equal(config_cmdline(c), "");
	refuses(c, "name", "", "--name: expected 1 to 64 bytes");
	text[65] = '\0';
	refuses(c, "name", text, "--name: expected 1 to 64 bytes");
}

static void paths_are_not_empty_and_not_endless(void **state)
{
	char path[PATH_MAX + 1];

	memset(path, 'x', sizeof(path));
	path[PATH_MAX] = '\0';
	refuses(*state, "kernel", path, "--kernel: expected a file name");
	refuses(*state, "initrd", "", "--initrd: expected a file name");
	path[PATH_MAX - 1] = '\0';
	accepts(*state, "kernel", path);
}

static void a_disk_group_sets_every_key(void **state)
{
	struct vm_config *c = *state;
	const struct config_disk *d;

	accepts(c, "disk", "a.img,readonly=on,direct=on,serial=S 1,queues=4");
	assert_int_equal(c->nr_disks, 1);
	d = &c->disks[0];
	assert_string_equal(d->name, "disk0");
	assert_string_equal(d->path, "a.img");
	assert_string_equal(d->serial, "S 1");
	assert_true(d->readonly);
	assert_true(d->direct);
	assert_int_equal(d->queues, 4);
}

static void a_disk_group_may_name_its_file_anywhere(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "disk", "readonly=on,file=b.img");
	accepts(c, "disk", "a=b.img");
	assert_string_equal(c->disks[0].path, "b.img");
	assert_string_equal(c->disks[1].path, "a=b.img");
	assert_string_equal(c->disks[1].name, "disk1");
	assert_int_equal(c->disks[1].queues, 1);
	assert_null(c->disks[1].serial);
}

static void two_commas_are_one_in_a_disk_group(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "disk", "a,,b,,,serial=,,");
	assert_string_equal(c->disks[0].path, "a,b,");
	assert_string_equal(c->disks[0].serial, ",");
}

static void disk_groups_refuse_what_they_do_not_know(void **state)
{
	static const struct {
		const char *group, *part;
	} bad[] = {
		{ "", "--disk: file: expected a file name" },
		{ "readonly=on", "--disk: expected a file" },
		{ "a,", "--disk: unknown key ''" },
		{ "a,zz", "unknown key 'zz'; expected file, readonly" },
		{ "a,readonly", "readonly: expected on or off after" },
		{ "a,readonly=1", "readonly: expected on or off; got '1'" },
		{ "a,redonly=on", "did you mean 'readonly'?" },
		{ "a,file=b", "file: given twice" },
		{ "a,queues=1,queues=2", "queues: given twice" },
		{ "a,queues=17", "queues: expected a number from 1 to 16" },
		{ "a,queues=0", "queues: expected a number from 1 to 16" },
		{ "a,serial=", "serial: expected 1 to 20 bytes" },
		{ "a,serial=123456789012345678901", "expected 1 to 20 bytes" },
		{ "a,memory=1G", "unknown key 'memory'; it belongs in [vm]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuses(*state, "disk", bad[i].group, bad[i].part);
}

static void more_than_32_disks_are_refused(void **state)
{
	for (int i = 0; i < CONFIG_DISKS_MAX; i++)
		accepts(*state, "disk", "a.img,readonly=on");
	refuses(*state, "disk", "a.img", "--disk: more than 32 disks");
}

static void a_net_group_sets_every_key(void **state)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0, 0xab, 0xcd, 0xef };
	struct vm_config *c = *state;
	const struct config_net *n;

	accepts(c, "net", "tap:tap0,mac=52:54:00:ab:CD:ef,mtu=9000,queues=8");
	assert_int_equal(c->nr_nets, 1);
	n = &c->nets[0];
	assert_string_equal(n->name, "net0");
	assert_int_equal(n->kind, CONFIG_NET_TAP);
	assert_string_equal(n->arg, "tap0");
	assert_true(n->has_mac);
	assert_memory_equal(n->mac, mac, sizeof(mac));
	assert_int_equal(n->mtu, 9000);
	assert_int_equal(n->queues, 8);
	assert_int_equal(n->nr_fds, 0);
}

static void a_net_group_starts_with_defaults(void **state)
{
	struct vm_config *c = *state;
	const struct config_net *n;

	accepts(c, "net", "user");
	n = &c->nets[0];
	assert_int_equal(n->kind, CONFIG_NET_USER);
	assert_null(n->arg);
	assert_false(n->has_mac);
	assert_int_equal(n->mtu, 0);
	assert_int_equal(n->queues, 1);
	assert_int_equal(n->hostfwd.nr, 0);
	assert_false(n->restricted);
	assert_int_equal(n->prefix, 0);
	assert_int_equal(n->dns, 0);
	assert_null(n->hostname);
	assert_true(n->ipv6);
}

static void a_user_net_has_keys_of_its_own(void **state)
{
	struct vm_config *c = *state;
	const struct config_net *n;

	accepts(c, "net",
		"user,restrict=on,net=192.168.128.0/18,"
		"dns=192.168.128.9,hostname=a b,ipv6=off");
	n = &c->nets[0];
	assert_true(n->restricted);
	assert_int_equal(n->subnet, 0xc0a88000);
	assert_int_equal(n->prefix, 18);
	assert_int_equal(n->dns, 0xc0a88009);
	assert_string_equal(n->hostname, "a b");
	assert_false(n->ipv6);
}

static void forwards_have_protocol_addresses_and_ports(void **state)
{
	static const struct {
		const char *text;
		struct config_forward f;
	} good[] = {
		{ "tcp:127.0.0.1:2222-:22",
		  { false, 0x7f000001, 0, 2222, 22 } },
		{ "udp::53-10.0.2.15:5353", { true, 0, 0x0a00020f, 53, 5353 } },
		{ "::1-:65535", { false, 0, 0, 1, 65535 } },
		{ "tcp:0.0.0.0:1-0.0.0.0:1", { false, 0, 0, 1, 1 } },
		{ "tcp:255.255.255.255:00001-:1",
		  { false, 0xffffffff, 0, 1, 1 } },
	};
	struct config_forward f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(config_parse_forward(good[i].text, &f), 0);
		assert_int_equal(f.udp, good[i].f.udp);
		assert_int_equal(f.host, good[i].f.host);
		assert_int_equal(f.guest, good[i].f.guest);
		assert_int_equal(f.host_port, good[i].f.host_port);
		assert_int_equal(f.guest_port, good[i].f.guest_port);
	}
}

static void forwards_of_another_form_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"tcp",
		"tcp:",
		"tcp:::-:",
		"tcp:2222-:22",
		"tcp::2222:22",
		"tcp::2222-22",
		"tcp::2222-:",
		"tcp::-:22",
		"tcp::0-:22",
		"tcp::1-:0",
		"tcp::65536-:1",
		"tcp::1-:65536",
		"tcp::999999-:1",
		"tcp::+1-:1",
		"tcp::1-: 1",
		"tcp::1-:1 ",
		"tcp::1-:1:1",
		"tcp:localhost:1-:1",
		"tcp:127.0.0.256:1-:1",
		"tcp:127.0.0.1234567890:1-:1",
		"tcp:::1:1-:1",
		"TCP::1-:1",
		"sctp::1-:1",
		"tcp::1-guest:1",
		"tcp:[::1]:1-:1",
	};
	struct config_forward f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (config_parse_forward(bad[i], &f) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
}

static void keys_that_repeat_add_up_in_order(void **state)
{
	struct vm_config *c = *state;
	const struct config_net *n;

	accepts(c, "net", "user,hostfwd=tcp::1-:1,mtu=1400,hostfwd=a,,b");
	accepts(c, "net", "tap,fd=3,queues=2,fd=2147483647");
	n = &c->nets[0];
	assert_int_equal(n->hostfwd.nr, 2);
	assert_string_equal(n->hostfwd.text[0], "tcp::1-:1");
	assert_string_equal(n->hostfwd.text[1], "a,b");
	n = &c->nets[1];
	assert_int_equal(n->nr_fds, 2);
	assert_int_equal(n->fds[0], 3);
	assert_int_equal(n->fds[1], 2147483647);
}

static void net_groups_refuse_what_they_do_not_know(void **state)
{
	static const struct {
		const char *group, *part;
	} bad[] = {
		{ "", "--net: kind: expected tap:NAME, tap, user, passt or" },
		{ "mtu=1500", "--net: expected tap:NAME, tap, user" },
		{ "tup:tap0", "or switch:PATH; got 'tup:tap0'" },
		{ "ta", "got 'ta'" },
		{ "tapx", "got 'tapx'" },
		{ "tap:", "got 'tap:'" },
		{ "tap:a b", "got 'tap:a b'" },
		{ "tap:a/b", "got 'tap:a/b'" },
		{ "tap:tap%d", "got 'tap:tap%d'" },
		{ "tap:..", "got 'tap:..'" },
		{ "tap:1234567890123456", "got 'tap:1234567890123456'" },
		{ "user:x", "got 'user:x'" },
		{ "passt:", "got 'passt:'" },
		{ "switch", "got 'switch'" },
		{ "switch:", "got 'switch:'" },
		{ "user,mac=52:54:00:12:34", "mac: expected six bytes such" },
		{ "user,mac=52:54:00:12:34:56:78", "mac: expected six bytes" },
		{ "user,mac=52:54:00:12:34:5", "mac: expected six bytes" },
		{ "user,mac=52-54-00-12-34-56", "mac: expected six bytes" },
		{ "user,mac=+2:54:00:12:34:56", "mac: expected six bytes" },
		{ "user,mac=01:00:5e:00:00:01", "no group address; got" },
		{ "user,mac=00:00:00:00:00:00", "no group address; got" },
		{ "user,mtu=67", "mtu: expected a number from 68 to 65535" },
		{ "user,mtu=65536", "mtu: expected a number from 68 to 65535" },
		{ "user,queues=0", "queues: expected a number from 1 to 8" },
		{ "tap:t,queues=9", "queues: expected a number from 1 to 8" },
		{ "tap,fd=2", "fd: expected the number of an open descriptor" },
		{ "tap,fd=2147483648", "fd: expected the number of an open" },
		{ "tap,fd=3,fd=4,fd=5,fd=6,fd=7,fd=8,fd=9,fd=10,fd=11",
		  "fd: more than 8 descriptors" },
		{ "user,hostfwd=", "hostfwd: expected tcp:127.0.0.1:2222" },
		{ "user,restrict=yes", "restrict: expected on or off" },
		{ "user,net=10.0.2.0", "net: expected a network such as" },
		{ "user,net=10.0.2.1/24", "net: expected a network such as" },
		{ "user,net=10.0.0.0/7", "net: expected a network such as" },
		{ "user,net=10.0.2.0/28", "net: expected a network such as" },
		{ "user,net=0.0.0.0/8", "net: expected a network such as" },
		{ "user,net=10.0.2/24", "net: expected a network such as" },
		{ "user,net=10.0.2.0/24/24", "net: expected a network such" },
		{ "user,net=1000.1000.1000.1000/24",
		  "net: expected a network" },
		{ "user,dns=0.0.0.0", "dns: expected an IPv4 address" },
		{ "user,dns=fec0::3", "dns: expected an IPv4 address" },
		{ "user,hostname=", "hostname: expected 1 to 32 characters" },
		{ "user,hostname=123456789012345678901234567890123",
		  "hostname: expected 1 to 32 characters" },
		{ "user,ipv6=", "ipv6: expected on or off" },
		{ "user,mtu=1500,mtu=1500", "mtu: given twice" },
		{ "user,kind=user", "kind: given twice" },
		{ "user,qeues=1", "did you mean 'queues'?" },
		{ "user,readonly=on", "it belongs in [disk NAME]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuses(*state, "net", bad[i].group, bad[i].part);
}

static void lists_end_somewhere(void **state)
{
	struct vm_config *c = *state;
	char text[32 * CONFIG_LIST_MAX] = "[net a]\nkind=user\n";

	for (int i = 0; i < CONFIG_LIST_MAX; i++)
		strcat(text, "hostfwd=x\n");
	assert_int_equal(read_text(c, text), 0);
	assert_int_equal(c->nets[0].hostfwd.nr, CONFIG_LIST_MAX);
	strcat(text, "hostfwd=x\n");
	refuses_text(c, text, "t.ini:67: hostfwd: given more than 64 times");
}

static void more_than_8_nets_are_refused(void **state)
{
	for (int i = 0; i < CONFIG_NETS_MAX; i++)
		accepts(*state, "net", "user");
	refuses(*state, "net", "user", "--net: more than 8 nets");
}

static void the_first_net_option_replaces_the_nets_of_files_only(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[net a]\nkind=user\nhostfwd=x\n"
				      "[disk a]\nfile=a\n"),
			 0);
	accepts(c, "net", "passt");
	accepts(c, "net", "tap:t");
	assert_int_equal(c->nr_disks, 1);
	assert_int_equal(c->nr_nets, 2);
	assert_int_equal(c->nets[0].kind, CONFIG_NET_PASST);
	assert_int_equal(c->nets[1].kind, CONFIG_NET_TAP);
}

static void a_vsock_group_names_its_socket_anywhere(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "vsock", "/run/v.sock");
	assert_int_equal(c->nr_vsocks, 1);
	assert_string_equal(c->vsock->socket, "/run/v.sock");
	assert_int_equal(c->vsock->cid, 3);
	refuses(c, "vsock", "other", "--vsock: given twice");
	config_fini(c);
	assert_int_equal(config_init(c), 0);
	accepts(c, "vsock", "cid=4294967294,socket=a,,b");
	assert_string_equal(c->vsock->socket, "a,b");
	assert_true(c->vsock->cid == 4294967294u);
}

static void reserved_cids_are_refused(void **state)
{
	refuses(*state, "vsock", "s,cid=0", "cid: expected a number from 3");
	refuses(*state, "vsock", "s,cid=2", "cid: expected a number from 3");
	refuses(*state, "vsock", "s,cid=4294967295", "cid: expected a number");
	refuses(*state, "vsock", "cid=3", "--vsock: expected a file name");
}

static void a_balloon_group_sets_every_key(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(c->nr_balloons, 0);
	accepts(c, "balloon", "64M,deflate-on-oom=on,free-page-reporting=on");
	assert_int_equal(c->nr_balloons, 1);
	assert_int_equal(c->balloon->size, 64 << 20);
	assert_true(c->balloon->deflate_on_oom);
	assert_true(c->balloon->free_page_reporting);
	refuses(c, "balloon", "1M", "--balloon: given twice");
}

static void a_balloon_starts_with_defaults(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[balloon]\n"), 0);
	assert_int_equal(c->nr_balloons, 1);
	assert_int_equal(c->balloon->size, 0);
	assert_false(c->balloon->deflate_on_oom);
	assert_false(c->balloon->free_page_reporting);
}

static void there_is_one_balloon_whoever_names_it(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[balloon]\nsize=1M\n"), 0);
	assert_int_equal(read_text(c, "[balloon]\ndeflate-on-oom=on\n"), 0);
	assert_int_equal(c->nr_balloons, 1);
	assert_int_equal(c->balloon->size, 1 << 20);
	assert_true(c->balloon->deflate_on_oom);
	accepts(c, "balloon", "size=2M");
	assert_int_equal(c->nr_balloons, 1);
	assert_int_equal(c->balloon->size, 2 << 20);
	assert_false(c->balloon->deflate_on_oom);
}

static void a_later_file_overrides_keys_that_repeat(void **state)
{
	struct vm_config *c = *state;
	const struct config_net *n;

	assert_int_equal(read_text(c, "[net a]\nkind=user\nhostfwd=1\n"
				      "hostfwd=2\nmtu=1400\n"),
			 0);
	assert_int_equal(read_text(c, "[net a]\nhostfwd=3\nhostfwd=4\n"), 0);
	n = &c->nets[0];
	assert_int_equal(c->nr_nets, 1);
	assert_int_equal(n->mtu, 1400);
	assert_int_equal(n->hostfwd.nr, 2);
	assert_string_equal(n->hostfwd.text[0], "3");
	assert_string_equal(n->hostfwd.text[1], "4");
}

static void another_kind_forgets_what_the_first_was_called(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[net a]\nkind=switch:/s\n"), 0);
	assert_string_equal(c->nets[0].arg, "/s");
	assert_int_equal(read_text(c, "[net a]\nkind=user\n"), 0);
	assert_int_equal(c->nets[0].kind, CONFIG_NET_USER);
	assert_null(c->nets[0].arg);
}

static void the_first_disk_option_replaces_the_disks_of_files(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[disk a]\nfile=a\n[disk b]\nfile=b\n"),
			 0);
	assert_int_equal(c->nr_disks, 2);
	accepts(c, "disk", "c");
	accepts(c, "disk", "d");
	assert_int_equal(c->nr_disks, 2);
	assert_string_equal(c->disks[0].path, "c");
	assert_string_equal(c->disks[1].path, "d");
}

static void a_later_file_overrides_key_by_key(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[vm]\nmemory=1G\ncpus=2\n[disk a]\n"
				      "file=a\nserial=s\n"),
			 0);
	assert_int_equal(read_text(c, "[vm]\ncpus=3\n[disk a]\nfile=b\n"), 0);
	assert_int_equal(c->memory, 1 << 30);
	assert_int_equal(c->cpus, 3);
	assert_int_equal(c->nr_disks, 1);
	assert_string_equal(c->disks[0].path, "b");
	assert_string_equal(c->disks[0].serial, "s");
}

static void paths_of_a_file_are_relative_to_its_folder(void **state)
{
	static const char text[] = "[vm]\nlog-file=l\nserial=file:s\n"
				   "[kernel]\nkernel=k\ninitrd=/i\n"
				   "[disk a]\nfile=../d\n"
				   "[net a]\nkind=switch:s\n"
				   "[net b]\nkind=tap:s\n";
	struct vm_config *c = *state;
	struct config_error e;

	assert_int_equal(
		config_read_text(c, text, strlen(text), "x/y/vm.ini", &e), 0);
	assert_string_equal(c->kernel, "x/y/k");
	assert_string_equal(c->initrd, "/i");
	assert_string_equal(c->log_file, "x/y/l");
	assert_string_equal(c->serial.path, "x/y/s");
	assert_string_equal(c->disks[0].path, "x/y/../d");
	assert_string_equal(c->nets[0].arg, "x/y/s");
	assert_string_equal(c->nets[1].arg, "s");
}

static void comments_indentation_and_crlf_are_harmless(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "\xef\xbb\xbf[vm] ; hello\r\n"
				      "# comment\r\n"
				      "  memory = 1G ; comment\r\n"
				      "\tcpus: 2\r\n\r\n"
				      "  ; more\r\n"
				      "name=a;b#c # d"),
			 0);
	assert_int_equal(c->memory, 1 << 30);
	assert_int_equal(c->cpus, 2);
	assert_string_equal(c->name, "a;b#c # d");
}

static void quotes_keep_what_the_ini_format_would_drop(void **state)
{
	struct vm_config *c = *state;

	assert_int_equal(read_text(c, "[kernel]\n"
				      "cmdline = \" a \\; \\\"b\\\" \\\\ \"\n"
				      "kernel = \"\\x41\\x0a\" ; comment\n"
				      "initrd = \"; ;\"\n"),
			 0);
	assert_string_equal(c->initrd, "; ;");
	assert_string_equal(c->cmdline, " a ; \"b\" \\ ");
	assert_string_equal(c->kernel, "A\n");
}

static void bad_quotes_are_refused(void **state)
{
	static const char *const bad[] = {
		"\"a",	  "\"a\" b", "\"\\q\"", "\"\\x4\"", "\"\\x00\"",
		"\"\\\"", "\"\\",    "\"\\x",	"\"",
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[kernel]\ncmdline = %s\n",
			 bad[i]);
		assert_true(read_text(*state, text) < 0);
	}
}

static void long_lines_are_read_whole(void **state)
{
	struct vm_config *c = *state;
	char text[CONFIG_CMDLINE_MAX + 64], cmdline[CONFIG_CMDLINE_MAX + 1];

	memset(cmdline, 'x', sizeof(cmdline));
	cmdline[sizeof(cmdline) - 1] = '\0';
	snprintf(text, sizeof(text), "[kernel]\ncmdline = %s\n", cmdline);
	assert_int_equal(read_text(c, text), 0);
	assert_string_equal(c->cmdline, cmdline);
}

static void endless_lines_are_refused_with_their_number(void **state)
{
	char *text = malloc(65536);

	memset(text, 'x', 65536);
	memcpy(text, "[kernel]\ncmdline = ", 19);
	text[65535] = '\0';
	refuses_text(*state, text,
		     "t.ini:2: line of 65526 bytes; expected less than 20480");
	free(text);
}

static void zero_bytes_are_refused(void **state)
{
	static const char text[] = "[vm]\nname = a\0b\n";
	struct config_error e;

	assert_true(config_read_text(*state, text, sizeof(text) - 1, "t.ini",
				     &e) < 0);
	assert_string_equal(e.text,
			    "t.ini:2: a zero byte; expected an ini file");
}

static void the_first_error_of_a_file_is_reported(void **state)
{
	refuses_text(*state, "[vm]\njunk\ncpus = x\n",
		     "t.ini:2: expected 'key = value', [section] or a comment");
	refuses_text(*state, "[vm]\ncpus = x\njunk\n",
		     "t.ini:2: cpus: expected a number from 1 to 64; got 'x'");
}

static void keys_are_given_once_in_a_file(void **state)
{
	refuses_text(*state, "[vm]\ncpus=1\n[kernel]\nkernel=k\n[vm]\ncpus=2\n",
		     "t.ini:6: cpus: given twice, first on line 2");
}

static void a_section_without_keys_is_still_checked(void **state)
{
	refuses_text(*state, "[vn]\n",
		     "t.ini:1: unknown section [vn]; did you mean [vm]?");
	refuses_text(*state, "[disk a b]\n",
		     "t.ini:1: expected [disk NAME] with a name of 1 to 31 of "
		     "A-Z a-z 0-9 . _ -");
	refuses_text(*state, "[disk abcdefghijklmnopqrstuvwxyz012345]\n",
		     "t.ini:1: expected [disk NAME] with a name of 1 to 31 of "
		     "A-Z a-z 0-9 . _ -");
	refuses_text(*state, "[vm] memory = 1G\n",
		     "t.ini:1: text after [section]");
	refuses_text(*state, "[vm\n", "t.ini:1: expected [section]");
}

static void a_long_section_name_is_not_cut(void **state)
{
	char text[200] = "[disk ";

	memset(text + 6, 'n', 100);
	strcat(text, "]\n");
	assert_true(read_text(*state, text) < 0);
}

static void validate_refuses(struct vm_config *c, const char *part)
{
	struct config_error e = { "" };

	assert_true(config_validate(c, &e) < 0);
	if (!strstr(e.text, part))
		assert_string_equal(e.text, part);
}

static void a_machine_needs_a_kernel(void **state)
{
	struct config_error e;

	validate_refuses(*state, "no kernel: expected --kernel FILE");
	accepts(*state, "kernel", "k");
	assert_int_equal(config_validate(*state, &e), 0);
}

static void a_flat_image_takes_no_linux_things(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;

	accepts(c, "kernel", "k");
	accepts(c, "boot", "flat");
	assert_int_equal(config_validate(c, &e), 0);
	accepts(c, "device-tree", "on");
	validate_refuses(c, "device-tree: a flat image");
	accepts(c, "cmdline", "x");
	validate_refuses(c, "cmdline: a flat image");
	accepts(c, "initrd", "i");
	validate_refuses(c, "initrd: a flat image");
}

static void one_file_is_one_disk_unless_readonly(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,readonly=on");
	accepts(c, "disk", "a,readonly=on");
	assert_int_equal(config_validate(c, &e), 0);
	accepts(c, "disk", "a");
	validate_refuses(c, "disk disk0 and disk disk2: both are a;");
}

static void parts_of_one_file_are_disks(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,partition=x");
	accepts(c, "disk", "a,partition=y");
	accepts(c, "disk", "b,size=1M");
	accepts(c, "disk", "b,offset=1M,size=1M");
	accepts(c, "disk", "b,offset=2M");
	assert_int_equal(c->disks[3].offset, 1 << 20);
	assert_int_equal(c->disks[3].size, 1 << 20);
	assert_int_equal(config_validate(c, &e), 0);
	accepts(c, "disk", "a,partition=y,readonly=on");
	validate_refuses(c, "disk disk1 and disk disk5: both are partition y "
			    "of a; expected readonly=on for both, or two "
			    "partitions");
}

static void parts_that_overlap_are_refused(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,offset=1M,size=1M");
	accepts(c, "disk", "a,offset=1536K");
	validate_refuses(c, "disk disk0 and disk disk1: both are a;");
	c->disks[1].offset = 2 << 20;
	accepts(c, "disk", "a");
	validate_refuses(c, "disk disk0 and disk disk2: both are a;");
}

static void a_partition_has_no_offset_of_its_own(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,partition=x,size=1M");
	validate_refuses(c, "disk disk0: partition and size; expected one of "
			    "them");
	c->disks[0].offset = 512;
	validate_refuses(c, "disk disk0: partition and offset; expected one "
			    "of them");
}

static void ephemeral_disks_share_their_file(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,ephemeral=on");
	accepts(c, "disk", "a,ephemeral=on");
	accepts(c, "disk", "a,readonly=on");
	assert_int_equal(config_validate(c, &e), 0);
	accepts(c, "disk", "a");
	validate_refuses(c, "disk disk0 and disk disk3: both are a;");
}

static void ephemeral_disks_are_neither_readonly_nor_direct(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,ephemeral=on,readonly=on");
	validate_refuses(c, "disk disk0: ephemeral and readonly; expected one "
			    "of them");
	c->disks[0].readonly = false;
	c->disks[0].direct = true;
	validate_refuses(c, "disk disk0: ephemeral and direct; expected one "
			    "of them");
}

static void parts_of_files_are_whole_sectors(void **state)
{
	refuses(*state, "disk", "a,offset=100",
		"--disk: offset: expected a size in steps of 512");
	refuses(*state, "disk", "a,size=1000", "--disk: size: expected a size");
	refuses(*state, "disk", "a,size=16777216T", "--disk: size: expected");
	refuses(*state, "disk", "a,partition=", "--disk: partition: expected");
}

static void a_disk_section_needs_a_file(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	assert_int_equal(read_text(c, "[disk root]\n"), 0);
	validate_refuses(c, "disk root: no file: expected 'file = FILE'");
}

static void a_net_section_needs_a_kind(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	assert_int_equal(read_text(c, "[net lan]\n"), 0);
	validate_refuses(c, "net lan: no kind: expected 'kind = KIND' in");
}

static void a_balloon_is_no_larger_than_memory_and_pins_nothing(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;

	accepts(c, "kernel", "k");
	accepts(c, "memory", "64M");
	accepts(c, "balloon", "64M");
	assert_int_equal(config_validate(c, &e), 0);
	accepts(c, "fixed-buffers", "on");
	validate_refuses(c, "balloon: takes no fixed-buffers");
	accepts(c, "fixed-buffers", "off");
	accepts(c, "memory", "63M");
	validate_refuses(c, "balloon: size is more than the memory");
}

/* Each case is a machine of its own: the nets of a line each. */
static void nets_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		const char *a, *b, *part;
	} bad[] = {
		{ "tap", NULL, "net net0: tap: expected tap:NAME, or fd=N" },
		{ "tap:t,fd=3", NULL, "net net0: tap:t and fd; expected one" },
		{ "tap,fd=3,queues=2", NULL, "expected one fd for each queue" },
		{ "tap,fd=3,fd=4", NULL, "2 fd with queues = 1" },
		{ "user,fd=3", NULL, "fd: user takes none" },
		{ "passt,queues=2", NULL, "queues: passt has one" },
		{ "switch:s,hostfwd=x", NULL, "hostfwd: switch takes none" },
		{ "tap:t,hostfwd=x", NULL, "expected kind = user or passt" },
		{ "user,hostfwd=tcp::1-:1,hostfwd=x", NULL,
		  "net net0: hostfwd: expected tcp:127.0.0.1:2222-:22 or" },
		{ "passt,hostfwd=x", NULL, "got 'x'" },
		{ "passt,restrict=on", NULL, "restrict: not for passt" },
		{ "tap:t,net=10.0.0.0/8", NULL, "net: not for tap; expected" },
		{ "switch:s,dns=10.0.0.1", NULL, "dns: not for switch" },
		{ "passt,hostname=x", NULL, "hostname: not for passt" },
		{ "tap:t", "tap:t", "net net0 and net net1: both have tap:t" },
		{ "tap,fd=3", "tap,fd=3", "net0 and net net1: both have fd 3" },
		{ "tap,fd=3,fd=3,queues=2", NULL, "both have fd 3" },
		{ "user,mac=52:54:00:00:00:0a", "passt,mac=52:54:00:00:00:0A",
		  "both have mac 52:54:00:00:00:0a" },
	};
	struct config_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vm_config c;

		assert_int_equal(config_init(&c), 0);
		accepts(&c, "kernel", "k");
		accepts(&c, "net", bad[i].a);
		if (bad[i].b) {
			assert_int_equal(config_validate(&c, &e), 0);
			accepts(&c, "net", bad[i].b);
		}
		validate_refuses(&c, bad[i].part);
		config_fini(&c);
	}
}

static void nets_of_many_kinds_fit_together(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;

	accepts(c, "kernel", "k");
	accepts(c, "net", "tap:a,queues=4,mac=52:54:00:00:00:01");
	accepts(c, "net", "tap:b,mac=52:54:00:00:00:02");
	accepts(c, "net", "tap,fd=3,fd=4,queues=2");
	accepts(c, "net", "user,hostfwd=tcp::1-:1,restrict=on");
	accepts(c, "net", "passt,hostfwd=udp::1-:1,ipv6=off");
	accepts(c, "net", "switch:s");
	accepts(c, "net", "switch:s");
	assert_int_equal(config_validate(c, &e), 0);
}

static void limits_are_per_second_with_a_burst(void **state)
{
	struct vm_config *c = *state;
	const struct config_limit *l;

	accepts(c, "disk",
		"a,bandwidth=10M,bandwidth-burst=1T,ops=1000,"
		"ops-burst=1");
	l = &c->disks[0].limit;
	assert_int_equal(l->bandwidth, 10 << 20);
	assert_true(l->bandwidth_burst == 1ull << 40);
	assert_int_equal(l->ops, 1000);
	assert_int_equal(l->ops_burst, 1);
	accepts(c, "net", "user,bandwidth=1K,ops=1000000000");
	l = &c->nets[0].limit;
	assert_int_equal(l->bandwidth, 1024);
	assert_int_equal(l->bandwidth_burst, 0);
	assert_int_equal(l->ops, 1000000000);
	refuses(c, "net", "user,bandwidth=0", "bandwidth: expected a size");
	refuses(c, "disk", "b,bandwidth=2T", "bandwidth: expected a size");
	refuses(c, "disk", "b,ops=0", "ops: expected a number from 1");
	refuses(c, "disk", "b,ops=1K", "ops: expected a number from 1");
	refuses(c, "disk", "b,bandwith=1K", "did you mean 'bandwidth'?");
}

static void a_burst_needs_its_rate(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,ops-burst=1,bandwidth=1M");
	validate_refuses(c, "disk disk0: ops-burst without ops");
	assert_int_equal(read_text(c, "[disk b]\nfile=b\n"
				      "bandwidth-burst=1M\n"),
			 0);
	c->disks[0].limit.ops = 1;
	validate_refuses(c, "disk b: bandwidth-burst without bandwidth");
}

static void a_deterministic_machine_has_no_limits(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "a,ops=1");
	accepts(c, "deterministic", NULL);
	validate_refuses(c, "deterministic: on takes no limits; disk disk0");
}

static void outputs_do_not_overwrite_inputs(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "disk", "d");
	accepts(c, "serial", "file:d");
	validate_refuses(c, "serial: d is a disk");
	accepts(c, "serial", "file:k");
	validate_refuses(c, "serial: k is the kernel or the initrd");
	accepts(c, "serial", "file:x");
	accepts(c, "log-file", "x");
	validate_refuses(c, "serial and log-file: both are x");
	accepts(c, "log-file", "d");
	validate_refuses(c, "log-file: d is a disk");
}

static void fixed_buffers_need_io_uring(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "fixed-buffers", "on");
	accepts(c, "io", "poll");
	validate_refuses(c, "fixed-buffers: on needs io_uring");
}

static void a_deterministic_machine_has_one_cpu_and_no_uring(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "deterministic", NULL);
	accepts(c, "cpus", "2");
	validate_refuses(c, "deterministic: on needs one CPU, cpus is 2");
	accepts(c, "cpus", "1");
	accepts(c, "io", "uring");
	validate_refuses(c, "deterministic: on takes no io_uring");
	accepts(c, "io", "auto");
	accepts(c, "fixed-buffers", "on");
	validate_refuses(c, "deterministic: on takes no fixed-buffers");
	accepts(c, "fixed-buffers", "off");
	accepts(c, "net", "user");
	validate_refuses(c, "deterministic: on takes no net");
}

static void the_default_command_line_follows_the_first_disk(void **state)
{
	struct vm_config *c = *state;

	assert_string_equal(config_cmdline(c),
			    "console=ttyS0 reboot=k panic=-1");
	accepts(c, "disk", "a,readonly=on");
	assert_string_equal(config_cmdline(c), "console=ttyS0 root=/dev/vda ro "
					       "reboot=k panic=-1");
	c->disks[0].readonly = false;
	assert_string_equal(config_cmdline(c), "console=ttyS0 root=/dev/vda rw "
					       "reboot=k panic=-1");
	accepts(c, "cmdline", "quiet");
	assert_string_equal(config_cmdline(c), "quiet");
}

static void assert_text_equal(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void assert_limit_equal(const struct config_limit *a,
			       const struct config_limit *b)
{
	assert_true(a->bandwidth == b->bandwidth);
	assert_true(a->bandwidth_burst == b->bandwidth_burst);
	assert_true(a->ops == b->ops);
	assert_true(a->ops_burst == b->ops_burst);
}

static void assert_disk_equal(const struct config_disk *a,
			      const struct config_disk *b)
{
	assert_text_equal(a->name, b->name);
	assert_text_equal(a->path, b->path);
	assert_text_equal(a->serial, b->serial);
	assert_int_equal(a->readonly, b->readonly);
	assert_int_equal(a->direct, b->direct);
	assert_int_equal(a->queues, b->queues);
	assert_text_equal(a->partition, b->partition);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->ephemeral, b->ephemeral);
}

static void assert_net_equal(const struct config_net *a,
			     const struct config_net *b)
{
	assert_text_equal(a->name, b->name);
	assert_int_equal(a->kind, b->kind);
	assert_text_equal(a->arg, b->arg);
	assert_int_equal(a->has_mac, b->has_mac);
	assert_memory_equal(a->mac, b->mac, sizeof(a->mac));
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->queues, b->queues);
	assert_int_equal(a->nr_fds, b->nr_fds);
	assert_memory_equal(a->fds, b->fds, sizeof(a->fds));
	assert_limit_equal(&a->limit, &b->limit);
	assert_int_equal(a->hostfwd.nr, b->hostfwd.nr);
	for (size_t i = 0; i < a->hostfwd.nr; i++)
		assert_text_equal(a->hostfwd.text[i], b->hostfwd.text[i]);
	assert_int_equal(a->restricted, b->restricted);
	assert_int_equal(a->subnet, b->subnet);
	assert_int_equal(a->prefix, b->prefix);
	assert_int_equal(a->dns, b->dns);
	assert_text_equal(a->hostname, b->hostname);
	assert_int_equal(a->ipv6, b->ipv6);
}

static void assert_balloon_equal(const struct config_balloon *a,
				 const struct config_balloon *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->deflate_on_oom, b->deflate_on_oom);
	assert_int_equal(a->free_page_reporting, b->free_page_reporting);
}

static void assert_stream_equal(const struct config_stream *a,
				const struct config_stream *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_text_equal(a->path, b->path);
	assert_text_equal(a->host, b->host);
	assert_int_equal(a->port, b->port);
}

static void assert_console_equal(const struct config_console *a,
				 const struct config_console *b)
{
	assert_text_equal(a->name, b->name);
	assert_text_equal(a->port, b->port);
	assert_stream_equal(&a->stream, &b->stream);
}

static void assert_config_equal(const struct vm_config *a,
				const struct vm_config *b)
{
	assert_text_equal(a->name, b->name);
	assert_true(a->memory == b->memory);
	assert_int_equal(a->cpus, b->cpus);
	assert_text_equal(a->accel, b->accel);
	assert_int_equal(a->io, b->io);
	assert_int_equal(a->fixed_buffers, b->fixed_buffers);
	assert_int_equal(a->timeout, b->timeout);
	assert_int_equal(a->rng, b->rng);
	assert_stream_equal(config_serial(a), config_serial(b));
	assert_int_equal(a->nr_consoles, b->nr_consoles);
	for (size_t i = 0; i < a->nr_consoles; i++)
		assert_console_equal(&a->consoles[i], &b->consoles[i]);
	assert_text_equal(a->log_file, b->log_file);
	assert_int_equal(a->verbose, b->verbose);
	assert_int_equal(a->deterministic, b->deterministic);
	assert_true(a->seed == b->seed);
	assert_int_equal(a->state_hash, b->state_hash);
	assert_text_equal(a->kernel, b->kernel);
	assert_text_equal(a->initrd, b->initrd);
	assert_text_equal(a->cmdline, b->cmdline);
	assert_int_equal(a->boot, b->boot);
	assert_int_equal(a->device_tree, b->device_tree);
	assert_int_equal(a->nr_disks, b->nr_disks);
	for (size_t i = 0; i < a->nr_disks; i++)
		assert_disk_equal(&a->disks[i], &b->disks[i]);
	assert_int_equal(a->nr_nets, b->nr_nets);
	for (size_t i = 0; i < a->nr_nets; i++)
		assert_net_equal(&a->nets[i], &b->nets[i]);
	assert_int_equal(a->nr_vsocks, b->nr_vsocks);
	for (size_t i = 0; i < a->nr_vsocks; i++) {
		assert_text_equal(a->vsock[i].socket, b->vsock[i].socket);
		assert_int_equal(a->vsock[i].cid, b->vsock[i].cid);
	}
	assert_int_equal(a->nr_balloons, b->nr_balloons);
	for (size_t i = 0; i < a->nr_balloons; i++)
		assert_balloon_equal(&a->balloon[i], &b->balloon[i]);
}

static void round_trip(const struct vm_config *c)
{
	struct config_error e = { "" };
	struct vm_config back;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	config_dump(c, f);
	fclose(f);
	assert_int_equal(config_init(&back), 0);
	config_read_text(&back, text, len, "dump", &e);
	assert_string_equal(e.text, "");
	assert_config_equal(c, &back);
	config_fini(&back);
	free(text);
}

static void consoles_are_consoles_or_ports_with_names(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "console", "pty");
	accepts(c, "console", "unix:/run/a,,b,name=org.agent.0");
	accepts(c, "console", "name=x,kind=tcp:[::1]:4");
	assert_int_equal(c->nr_consoles, 3);
	assert_string_equal(c->consoles[0].name, "console0");
	assert_int_equal(c->consoles[0].stream.kind, CONFIG_STREAM_PTY);
	assert_null(c->consoles[0].port);
	assert_string_equal(c->consoles[1].stream.path, "/run/a,b");
	assert_string_equal(c->consoles[1].port, "org.agent.0");
	assert_string_equal(c->consoles[2].stream.host, "::1");
	round_trip(c);
}

static void bad_consoles_are_refused(void **state)
{
	struct vm_config *c = *state;
	char name[80] = "pty,name=";

	refuses(c, "console", "", "expected stdio, off, pty");
	refuses(c, "console", "tty", "expected stdio, off, pty");
	refuses(c, "console", "pty,name=", "expected 1 to 63 bytes");
	refuses(c, "console", "name=x", "expected stdio, off, pty");
	refuses(c, "console", "pty,size=1", "unknown key 'size'");
	memset(name + 9, 'n', 64);
	refuses(c, "console", name, "expected 1 to 63 bytes");
	assert_int_equal(c->nr_consoles, 0);
}

static void a_console_on_stdio_takes_it_from_the_serial_port(void **state)
{
	struct vm_config *c = *state;

	accepts(c, "kernel", "k");
	accepts(c, "console", "pty");
	assert_int_equal(config_serial(c)->kind, CONFIG_STREAM_STDIO);
	assert_string_equal(config_cmdline(c),
			    "console=ttyS0 reboot=k panic=-1");
	accepts(c, "console", "stdio");
	assert_int_equal(config_serial(c)->kind, CONFIG_STREAM_OFF);
	assert_string_equal(config_cmdline(c),
			    "console=hvc0 reboot=k panic=-1");
	round_trip(c);
	accepts(c, "serial", "stdio");
	validate_refuses(c, "serial and console console1: both are stdio");
}

static void consoles_that_do_not_fit_are_refused(void **state)
{
	struct vm_config *c = *state;
	char port[32];

	accepts(c, "kernel", "k");
	accepts(c, "console", "file:k");
	validate_refuses(c, "console console0: k is the kernel");
	accepts(c, "kernel", "l");
	accepts(c, "console", "unix:s,name=a");
	accepts(c, "console", "unix:s");
	validate_refuses(c,
			 "console console1 and console console2: both are s");
	accepts(c, "log-file", "k");
	validate_refuses(c, "console console0 and log-file: both are k");
	accepts(c, "log-file", "other");
	c->consoles[2].stream.path[0] = 't';
	accepts(c, "console", "pty,name=a");
	validate_refuses(c, "console console1 and console console3: both have "
			    "the name a");
	for (int i = 0; i < 4; i++) {
		snprintf(port, sizeof(port), "pty,name=p%d", i);
		accepts(c, "console", port);
	}
	refuses(c, "console", "pty", "more than 8");
}

static void port_0_stays_free_for_a_console(void **state)
{
	struct vm_config *c = *state;
	char port[32];

	accepts(c, "kernel", "k");
	for (int i = 0; i < 8; i++) {
		struct config_error e;

		assert_int_equal(config_validate(c, &e), 0);
		snprintf(port, sizeof(port), "pty,name=p%d", i);
		accepts(c, "console", port);
	}
	validate_refuses(c, "more than 7 consoles with a name");
}

static void defaults_read_back_equal(void **state)
{
	round_trip(*state);
}

/* Strings that an ini reader could take for something else */
static const char *const odd[] = {
	"",	" ",  ";",	   "#",	    "a;b",	"a ; b", "a #b",
	" a",	"a ", "\"",	   "\"a\"", "a\"",	"\\",	 "\\;",
	"[vm]", "=",  "a=b",	   "a:b",   ":",	"\t",	 "a\tb",
	"a\nb", "\r", "\x01",	   "\x7f",  "\xc3\xa9", "\xff",	 "a\\x41",
	"'a'",	";;", "# ; \"x\\",
};

static void odd_strings_read_back_equal(void **state)
{
	struct vm_config *c = *state;
	struct config_error e;
	char group[64];

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		config_set_option(c, "cmdline", odd[i], &e);
		config_set_option(c, "kernel", odd[i], &e);
		config_set_option(c, "name", odd[i], &e);
		config_set_option(c, "log-file", odd[i], &e);
		snprintf(group, sizeof(group), "file:%s", odd[i]);
		config_set_option(c, "serial", group, &e);
		snprintf(group, sizeof(group), "d%zu%s,serial=%s", i, odd[i],
			 odd[i]);
		config_set_option(c, "disk", group, &e);
		round_trip(c);
	}
}

static void long_paths_read_back_equal(void **state)
{
	char path[PATH_MAX];

	memset(path, '\n', sizeof(path));
	path[PATH_MAX - 1] = '\0';
	accepts(*state, "kernel", path);
	accepts(*state, "disk", path);
	memcpy(path, "file:", 5);
	accepts(*state, "serial", path);
	memcpy(path, "switch:", 7);
	accepts(*state, "net", path);
	round_trip(*state);
}

/* Random values of every setting, from a fixed seed */
static void random_configurations_read_back_equal(void **state)
{
	static const char *const values[] = {
		"on",
		"off",
		"auto",
		"poll",
		"uring",
		"kvm",
		"linux",
		"flat",
		"1",
		"3",
		"16",
		"1M",
		"4096M",
		"64G",
		"5G",
		"2052K",
		"stdio",
		"x ; y",
		"file:a b",
		"a,queues=3",
		"b,readonly=on",
		"c,ops=7,bandwidth=3K",
		"tap:t",
		"tap,fd=3",
		"user,hostfwd=; x,hostfwd=\"",
		"passt",
		"switch: s",
		"user,mac=02:00:00:00:00:01,mtu=68",
		"user,net=10.0.0.0/8,dns=10.0.0.1,hostname=;,restrict=on",
		"size=4K,deflate-on-oom=on,free-page-reporting=on",
		"socket=; s,cid=99",
	};
	const struct config_setting *s;
	struct config_error e;

	srandom(1);
	for (int round = 0; round < 500; round++) {
		struct vm_config c;

		assert_int_equal(config_init(&c), 0);
		for (size_t i = 0; (s = config_setting(i)); i++) {
			size_t v = (size_t)random() % ARRAY_SIZE(values);

			if (s->option)
				config_set_option(&c, s->option, values[v], &e);
		}
		round_trip(&c);
		config_fini(&c);
	}
	(void)state;
}

static void files_that_cannot_be_read_are_named(void **state)
{
	struct config_error e;

	assert_true(config_read_file(*state, "/nonexistent.ini", &e) < 0);
	assert_string_equal(e.text, "/nonexistent.ini: cannot read: No such "
				    "file or directory; expected an ini file");
	assert_true(config_read_file(*state, "/", &e) < 0);
	assert_string_equal(e.text, "/: cannot read: Is a directory; expected "
				    "an ini file");
	assert_true(config_read_file(*state, "/dev/zero", &e) < 0);
	assert_string_equal(e.text, "/dev/zero: cannot read: File too large; "
				    "expected an ini file");
}

static void a_long_file_name_leaves_room_for_the_message(void **state)
{
	char name[PATH_MAX];
	struct config_error e;

	memset(name, 'x', sizeof(name));
	name[PATH_MAX - 1] = '\0';
	assert_true(config_read_text(*state, "[vn]", 4, name, &e) < 0);
	assert_non_null(strstr(e.text, "xx:1: unknown section [vn];"));
	assert_true(config_read_file(*state, name, &e) < 0);
	assert_non_null(strstr(e.text, "xx: cannot read: "));
}

static const char *nearest(const char *word)
{
	static const char *const words[] = { "memory", "name", "cpus", "io" };
	struct config_nearest n;

	config_nearest_init(&n, word);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		config_nearest_offer(&n, words[i]);
	return n.best;
}

static void slips_of_the_finger_find_the_nearest_word(void **state)
{
	(void)state;
	assert_string_equal(nearest("memroy"), "memory");
	assert_string_equal(nearest("memoryy"), "memory");
	assert_string_equal(nearest("emory"), "memory");
	assert_string_equal(nearest("cpu"), "cpus");
	assert_string_equal(nearest("mem"), "memory");
	assert_string_equal(nearest("nmae"), "name");
}

static void other_words_have_no_nearest_word(void **state)
{
	(void)state;
	assert_null(nearest("network"));
	assert_null(nearest("zz"));
	assert_null(nearest("a-word-that-is-longer-than-any-of-our-keys"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	T(defaults_are_those_of_the_table),
	T(every_row_of_the_table_is_complete),
	T(sizes_take_k_m_g_and_t),
	T(memory_refuses_what_is_no_size),
	T(memory_is_unchanged_by_a_refused_value),
	T(cpus_are_1_to_64),
	T(switches_are_on_or_off_only),
	T(choices_name_what_is_accepted),
	T(serial_goes_to_stdio_nowhere_or_a_file),
	T(serial_goes_to_a_pty_or_a_socket),
	T(tcp_is_loopback_unless_it_is_told_otherwise),
	T(consoles_are_consoles_or_ports_with_names),
	T(bad_consoles_are_refused),
	T(a_console_on_stdio_takes_it_from_the_serial_port),
	T(consoles_that_do_not_fit_are_refused),
	T(port_0_stays_free_for_a_console),
	T(flags_need_no_value_and_files_say_on_or_off),
	T(a_seed_is_any_number_of_64_bits),
	T(verbose_counts_up_to_its_end),
	T(an_option_without_its_value_is_refused),
	T(unknown_options_are_refused),
	T(names_and_command_lines_are_one_line),
	T(paths_are_not_empty_and_not_endless),
	T(a_disk_group_sets_every_key),
	T(a_disk_group_may_name_its_file_anywhere),
	T(two_commas_are_one_in_a_disk_group),
	T(disk_groups_refuse_what_they_do_not_know),
	T(more_than_32_disks_are_refused),
	T(a_net_group_sets_every_key),
	T(a_net_group_starts_with_defaults),
	T(a_user_net_has_keys_of_its_own),
	T(forwards_have_protocol_addresses_and_ports),
	T(forwards_of_another_form_are_refused),
	T(keys_that_repeat_add_up_in_order),
	T(net_groups_refuse_what_they_do_not_know),
	T(lists_end_somewhere),
	T(more_than_8_nets_are_refused),
	T(the_first_net_option_replaces_the_nets_of_files_only),
	T(a_vsock_group_names_its_socket_anywhere),
	T(reserved_cids_are_refused),
	T(a_balloon_group_sets_every_key),
	T(a_balloon_starts_with_defaults),
	T(there_is_one_balloon_whoever_names_it),
	T(a_balloon_is_no_larger_than_memory_and_pins_nothing),
	T(a_later_file_overrides_keys_that_repeat),
	T(another_kind_forgets_what_the_first_was_called),
	T(the_first_disk_option_replaces_the_disks_of_files),
	T(a_later_file_overrides_key_by_key),
	T(paths_of_a_file_are_relative_to_its_folder),
	T(comments_indentation_and_crlf_are_harmless),
	T(quotes_keep_what_the_ini_format_would_drop),
	T(bad_quotes_are_refused),
	T(long_lines_are_read_whole),
	T(endless_lines_are_refused_with_their_number),
	T(zero_bytes_are_refused),
	T(the_first_error_of_a_file_is_reported),
	T(keys_are_given_once_in_a_file),
	T(a_section_without_keys_is_still_checked),
	T(a_long_section_name_is_not_cut),
	T(a_machine_needs_a_kernel),
	T(a_flat_image_takes_no_linux_things),
	T(one_file_is_one_disk_unless_readonly),
	T(parts_of_one_file_are_disks),
	T(parts_that_overlap_are_refused),
	T(a_partition_has_no_offset_of_its_own),
	T(parts_of_files_are_whole_sectors),
	T(ephemeral_disks_share_their_file),
	T(ephemeral_disks_are_neither_readonly_nor_direct),
	T(a_disk_section_needs_a_file),
	T(a_net_section_needs_a_kind),
	T(nets_that_do_not_fit_are_refused),
	T(nets_of_many_kinds_fit_together),
	T(limits_are_per_second_with_a_burst),
	T(a_burst_needs_its_rate),
	T(a_deterministic_machine_has_no_limits),
	T(outputs_do_not_overwrite_inputs),
	T(fixed_buffers_need_io_uring),
	T(a_deterministic_machine_has_one_cpu_and_no_uring),
	T(the_default_command_line_follows_the_first_disk),
	T(defaults_read_back_equal),
	T(odd_strings_read_back_equal),
	T(long_paths_read_back_equal),
	T(random_configurations_read_back_equal),
	T(files_that_cannot_be_read_are_named),
	T(a_long_file_name_leaves_room_for_the_message),
	T(slips_of_the_finger_find_the_nearest_word),
	T(other_words_have_no_nearest_word),
};

UNIT_MAIN(tests)
