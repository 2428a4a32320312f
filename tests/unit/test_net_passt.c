// SPDX-License-Identifier: MIT
/*
 * test_net_passt.c - a network through passt: a stand-in that does as told,
 * and passt itself where it is installed.
 *
 * The stand-in is this program: called as "passt", which PATH finds in a
 * folder of our own, it sends its arguments as a frame and frames back to
 * where they came from. FAKE_PASST says what else it does.
 */
#include "tests/unit/net_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/net_packets.h"
#include "virtio/backend/net_passt.h"

#define LATE  (RIG_PATIENCE * 1000)
#define GUEST 0xc0000202u

/* The stand-in */

static void fake_send(const void *frame, size_t len)
{
	uint32_t prefix = htonl((uint32_t)len);

	fd_write_all(3, &prefix, sizeof(prefix));
	fd_write_all(3, frame, len);
}

static void fake_echo(void)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(3, buf, sizeof(buf))) > 0)
		fd_write_all(3, buf, (size_t)n);
}

static int fake_passt(int argc, char **argv)
{
	const char *what = getenv("FAKE_PASST");
	char args[1024] = "";

	if (!strcmp(what, "fail")) {
		fprintf(stderr,
			"Failed to send 9 bytes to syslog\n"
			"What it was\nFailed to send 1 bytes to syslog\n");
		return 3;
	}
	if (!strcmp(what, "mute"))
		return 4;
	/* Nothing else of ours may be open. */
	for (int fd = 4; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 5;
	if (fork())
		return 0;
	for (int i = 1; i < argc; i++)
		snprintf(args + strlen(args), sizeof(args) - strlen(args),
			 "%s ", argv[i]);
	fake_send(args, strlen(args));
	if (!strcmp(what, "garbage"))
		fd_write_all(3, "\xff\xff\xff\xff", 4);
	if (strcmp(what, "end"))
		fake_echo();
	return 0;
}

/* Tests with it */

static char folder[] = "/tmp/minivmm-passt.XXXXXX";

static int make_folder(void **state)
{
	char self[4096] = "", path[64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(n > 0);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/passt", folder);
	return symlink(self, path);
}

static int remove_folder(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/passt", folder);
	unlink(path);
	return rmdir(folder);
}

static int open_with(struct rig *r, const char *what,
		     const struct netb_passt_params *p, char *why, size_t len)
{
	char *path = strdup(getenv("PATH"));
	int err;

	setenv("FAKE_PASST", what, 1);
	setenv("PATH", folder, 1);
	err = netb_passt_open(&r->net, p, r->loop, why, len);
	setenv("PATH", path, 1);
	free(path);
	return err;
}

/* A rig with the stand-in, and the arguments that it was given. */
static struct rig *start_fake(const char *what,
			      const struct netb_passt_params *p, char *args,
			      size_t args_len)
{
	struct rig *r = rig_create(LOOP_AUTO);
	char why[256] = "";
	uint8_t *f;
	size_t len = 0;

	if (open_with(r, what, p, why, sizeof(why)))
		fail_msg("%s", why);
	rig_start(r);
	f = rig_next(r, &len, LATE);
	assert_non_null(f);
	snprintf(args, args_len, "%.*s", (int)len, (char *)f);
	free(f);
	return r;
}

static void passt_is_told_what_to_do(void **state)
{
	const struct netb_forward fwd[] = {
		{ .host.s_addr = htonl(INADDR_LOOPBACK),
		  .host_port = 2222,
		  .guest_port = 22 },
		{ .host_port = 80, .guest_port = 8080 },
	};
	const struct netb_forward udp = { .udp = true,
					  .host_port = 53,
					  .guest_port = 53 };
	const struct netb_passt_params plain = { 0 };
	const struct netb_passt_params tcp = {
		.forwards = fwd, .nr_forwards = 2, .mtu = 9000, .no_ipv6 = true
	};
	const struct netb_passt_params dns = { .forwards = &udp,
					       .nr_forwards = 1 };
	char args[512];

	(void)state;
	rig_destroy(start_fake("echo", &plain, args, sizeof(args)));
	assert_string_equal(args, "-q -F 3 -m 1500 -u none ");
	rig_destroy(start_fake("echo", &tcp, args, sizeof(args)));
	assert_string_equal(args, "-q -F 3 -m 9000 -4 -u none "
				  "-t 127.0.0.1/2222:22 -t 80:8080 ");
	rig_destroy(start_fake("echo", &dns, args, sizeof(args)));
	assert_string_equal(args, "-q -F 3 -m 1500 -u 53:53 ");
}

static void passt_gets_and_gives_frames(void **state)
{
	const struct netb_passt_params p = { 0 };
	char args[512], frame[1514];
	struct rig *r = start_fake("echo", &p, args, sizeof(args));
	uint8_t *f;
	size_t len = 0;

	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		memset(frame, (int)i, sizeof(frame));
		assert_int_equal(rig_send(r, frame, 14 + i * 5), 0);
		f = rig_next(r, &len, LATE);
		assert_non_null(f);
		assert_int_equal(len, 14 + i * 5);
		assert_memory_equal(f, frame, len);
		free(f);
	}
	assert_true(r->header_ok);
	assert_int_equal(rig_send(r, frame, 13), -EINVAL);
	rig_destroy(r);
}

/* Nobody takes what comes back, so soon nothing can be sent. */
static void passt_that_is_full_says_when_it_is_not(void **state)
{
	const struct netb_passt_params p = { 0 };
	char args[512], frame[1514] = "";
	struct rig *r = start_fake("echo", &p, args, sizeof(args));
	unsigned int sent = 0, got = 0;
	int err = 0;
	uint8_t *f;
	size_t len = 0;

	(void)state;
	rig_hold(r, true);
	while (!err && sent < RIG_FRAMES) {
		err = rig_send(r, frame, sizeof(frame));
		sent += !err;
	}
	assert_int_equal(err, -EAGAIN);
	rig_hold(r, false);
	assert_true(rig_reaches(r, &r->writables, 1));
	while (got < sent && (f = rig_next(r, &len, LATE))) {
		assert_int_equal(len, sizeof(frame));
		free(f);
		got++;
	}
	assert_int_equal(got, sent);
	assert_int_equal(rig_send(r, frame, sizeof(frame)), 0);
	rig_destroy(r);
}

static void goes_down(const char *what)
{
	const struct netb_passt_params p = { 0 };
	char args[512];
	struct rig *r;

	log_set_level(LOG_LEVEL_ERR);
	r = start_fake(what, &p, args, sizeof(args));
	assert_true(rig_reaches(r, &r->links, 1));
	assert_false(r->up);
	assert_true(rig_send(r, "a frame of some sort", 20) < 0);
	usleep(20000);
	assert_int_equal(r->links, 1);
	rig_destroy(r);
}

static void passt_that_ends_takes_the_link_down(void **state)
{
	(void)state;
	goes_down("end");
}

static void passt_that_sends_no_frames_takes_the_link_down(void **state)
{
	(void)state;
	goes_down("garbage");
}

static void refused(const char *what, const struct netb_passt_params *p,
		    int expected, const char *text)
{
	struct rig *r = rig_create(LOOP_POLL);
	char why[256] = "";

	assert_int_equal(open_with(r, what, p, why, sizeof(why)), expected);
	assert_null(r->net);
	assert_string_equal(why, text);
	rig_destroy(r);
}

static void passt_that_does_not_start_is_quoted(void **state)
{
	const struct netb_passt_params p = { 0 };

	(void)state;
	refused("fail", &p, -EIO, "passt: What it was");
	refused("mute", &p, -EIO, "passt ended with status 4");
}

static void passt_that_is_not_installed_is_missed(void **state)
{
	const struct netb_passt_params p = { 0 };

	(void)state;
	remove_folder(NULL);
	refused("echo", &p, -ENOENT,
		"there is no passt in PATH (Debian: apt install passt)");
	snprintf(folder + strlen(folder) - 6, 7, "XXXXXX");
	assert_int_equal(make_folder(NULL), 0);
}

static void passt_is_not_asked_for_what_it_cannot_do(void **state)
{
	const struct netb_forward fwd = { .host_port = 1,
					  .guest_port = 1,
					  .guest.s_addr = htonl(0x0a00020f) };
	const struct netb_passt_params addr = { .forwards = &fwd,
						.nr_forwards = 1 };
	const struct netb_passt_params mtu = { .mtu = 65521 };

	(void)state;
	refused("echo", &addr, -EINVAL,
		"hostfwd=tcp::1-10.0.2.15:1: passt takes no address of the "
		"guest");
	refused("echo", &mtu, -EINVAL, "mtu: at most 65520");
}

/* Children that ended and were not waited for. */
static void passt_leaves_no_child(void **state)
{
	(void)state;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void call_destroy(struct rig *r)
{
	net_destroy(r->net);
}

static void passt_may_go_while_the_loop_runs(void **state)
{
	const struct netb_passt_params p = { 0 };
	char args[512];
	struct rig *r = start_fake("echo", &p, args, sizeof(args));

	(void)state;
	rig_call(r, call_destroy);
	r->net = NULL;
	usleep(20000);
	loop_stop(r->loop);
	thread_join(r->thread);
	rig_destroy(r);
}

/* The real one: it offers an address, and the host's own by default. */
static void passt_itself_answers_dhcp(void **state)
{
	const struct netb_passt_params p = { 0 };
	struct rig *r = rig_create(LOOP_AUTO);
	struct packet packet;
	char why[256] = "";
	uint8_t *f;
	size_t len = 0;

	(void)state;
	if (netb_passt_open(&r->net, &p, r->loop, why, sizeof(why))) {
		print_message("# %s\n", why);
		rig_destroy(r);
		skip();
	}
	rig_start(r);
	packet_dhcp_discover(&packet);
	assert_int_equal(rig_send(r, packet.data, packet.len), 0);
	do {
		f = rig_next(r, &len, LATE);
		assert_non_null(f);
		if (packet_is_ip(f, len, 17)) {
			assert_int_equal(packet_get16(packet_body(f) + 2), 68);
			assert_int_not_equal(
				packet_get32(packet_body(f) + PACKET_UDP + 16),
				0);
			len = 0;
		}
		free(f);
	} while (len);
	rig_destroy(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passt_is_told_what_to_do),
		cmocka_unit_test(passt_gets_and_gives_frames),
		cmocka_unit_test(passt_that_is_full_says_when_it_is_not),
		cmocka_unit_test(passt_that_ends_takes_the_link_down),
		cmocka_unit_test(
			passt_that_sends_no_frames_takes_the_link_down),
		cmocka_unit_test(passt_that_does_not_start_is_quoted),
		cmocka_unit_test(passt_that_is_not_installed_is_missed),
		cmocka_unit_test(passt_is_not_asked_for_what_it_cannot_do),
		cmocka_unit_test(passt_may_go_while_the_loop_runs),
		cmocka_unit_test(passt_itself_answers_dhcp),
		cmocka_unit_test(passt_leaves_no_child),
	};

	if (!strcmp(basename(argv[0]), "passt"))
		return fake_passt(argc, argv);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folder, remove_folder) ? 1
									 : 0;
}
