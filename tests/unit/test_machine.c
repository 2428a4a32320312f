// SPDX-License-Identifier: MIT
/*
 * test_machine.c - whole machines in one process: two at a time, one after the
 * other, and ended at any moment; on each engine and loop.
 */
#include "tests/unit/tiny_machine.h"

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/checked.h"
#include "base/thread.h"

#define ROUNDS 25 /* of each way */

struct vm {
	struct vm_config config;
	char kernel[TINY_PATH_LEN];
	char disk[TINY_PATH_LEN];
	char serial[TINY_PATH_LEN];
	char letter; /* what it says on its serial line, and ends with */
	struct machine_result result;
	pthread_t thread;
};

static void zeroes(char path[TINY_PATH_LEN])
{
	static const char zero[TINY_DISK];

	tiny_temp(path, zero, sizeof(zero));
}

/* A guest that reads its disk, says its letter and exits with it. */
static void write_talker(struct vm *vm)
{
	struct tiny *t = tiny_new(64);

	for (int i = 0; i < 20; i++) {
		tiny_start(t, 0);
		tiny_out(t, LAYOUT_PORT_COM1, (uint8_t)vm->letter);
	}
	tiny_exit(t, (uint8_t)vm->letter);
	tiny_write(t, vm->kernel);
}

/* A guest that starts and resets its devices for ever. */
static void write_hammer(struct vm *vm)
{
	struct tiny *t = tiny_new(TINY_QUEUE);

	tiny_start(t, 0);
	tiny_start(t, 1);
	tiny_out(t, LAYOUT_PORT_COM1, 'x');
	/* The timer, so that there is always an alarm to set. */
	tiny_out(t, LAYOUT_PORT_PIT + 3, 0x34);
	tiny_out(t, LAYOUT_PORT_PIT, 0x00);
	tiny_out(t, LAYOUT_PORT_PIT, 0x10);
	tiny_jump(t, 0);
	tiny_write(t, vm->kernel);
}

/* One way to run a machine. */
struct way {
	const char *name;
	const char *accel, *io, *disk;
};

static void set_up_vm(struct vm *vm, void (*write)(struct vm *), char letter,
		      const struct way *w)
{
	char arg[TINY_PATH_LEN + 32];

	memset(vm, 0, sizeof(*vm));
	vm->letter = letter;
	write(vm);
	zeroes(vm->disk);
	tiny_temp(vm->serial, "", 0);
	tiny_config(&vm->config, vm->kernel, w->accel);
	snprintf(arg, sizeof(arg), "%s%s", vm->disk, w->disk);
	tiny_set(&vm->config, "disk", arg);
	tiny_set(&vm->config, "io", w->io);
	snprintf(arg, sizeof(arg), "file:%s", vm->serial);
	tiny_set(&vm->config, "serial", arg);
}

static void tear_down_vm(struct vm *vm)
{
	unlink(vm->kernel);
	unlink(vm->disk);
	unlink(vm->serial);
	config_fini(&vm->config);
}

static void run_vm(struct vm *vm)
{
	struct machine_error e;
	struct machine *m;

	if (machine_create(&m, &vm->config, &e))
		fail_msg("%s", e.text);
	vm->result = machine_run(m);
	machine_destroy(m);
}

static void *vm_thread(void *arg)
{
	run_vm(arg);
	return NULL;
}

static void has_talked(const struct vm *vm)
{
	char said[32] = "", expected[32] = "";
	int fd = open(vm->serial, O_RDONLY);

	memset(expected, vm->letter, 20);
	assert_int_equal(fd_pread_all(fd, said, sizeof(said) - 1, 0), 20);
	assert_string_equal(said, expected);
	close(fd);
	assert_int_equal(vm->result.end, MACHINE_EXIT);
	assert_int_equal(vm->result.value, vm->letter);
}

/* The way that the test is to go, or skip it. */
static const struct way *way_of(void **state)
{
	const struct way *w = *state;

	if (!tiny_engine(w->accel))
		skip();
	return w;
}

static void two_machines_run_in_one_process(void **state)
{
	const struct way *w = way_of(state);
	static struct vm vm[2];

	set_up_vm(&vm[0], write_talker, 'a', w);
	set_up_vm(&vm[1], write_talker, 'b', w);
	for (int i = 0; i < 2; i++)
		assert_int_equal(thread_start(&vm[i].thread, "vm", vm_thread,
					      &vm[i]),
				 0);
	for (int i = 0; i < 2; i++) {
		thread_join(vm[i].thread);
		has_talked(&vm[i]);
		tear_down_vm(&vm[i]);
	}
}

static void two_machines_on_one_thread_do_not_mix(void **state)
{
	const struct way *w = way_of(state);
	static struct vm vm[2];
	struct machine *m[2];
	struct machine_error e;

	set_up_vm(&vm[0], write_talker, 'a', w);
	set_up_vm(&vm[1], write_talker, 'b', w);
	for (int i = 0; i < 2; i++)
		if (machine_create(&m[i], &vm[i].config, &e))
			fail_msg("%s", e.text);
	for (int i = 0; i < 2; i++)
		vm[i].result = machine_run(m[i]);
	for (int i = 0; i < 2; i++) {
		machine_destroy(m[i]);
		has_talked(&vm[i]);
		tear_down_vm(&vm[i]);
	}
}

static void machine_that_never_ran_can_be_destroyed(void **state)
{
	const struct way *w = way_of(state);
	static struct vm vm;
	struct machine_error e;
	struct machine *m;

	set_up_vm(&vm, write_talker, 'a', w);
	if (machine_create(&m, &vm.config, &e))
		fail_msg("%s", e.text);
	machine_destroy(m);
	machine_destroy(NULL);
	tear_down_vm(&vm);
}

/* What SIGTERM does to a process that builds @vm. */
static int death_while_building(struct vm *vm)
{
	struct machine_error e;
	struct machine *m;
	sigset_t none;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		machine_create(&m, &vm->config, &e);
		_exit(0);
	}
	usleep(50000);
	kill(pid, SIGTERM);
	usleep(50000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void machine_that_waits_for_a_reader_can_be_killed(void **state)
{
	const struct way *w = way_of(state);
	static struct vm vm;
	int status;

	set_up_vm(&vm, write_talker, 'a', w);
	unlink(vm.serial);
	assert_int_equal(mkfifo(vm.serial, 0600), 0);
	status = death_while_building(&vm);
	tear_down_vm(&vm);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void *end_soon(void *arg)
{
	usleep(*(unsigned int *)arg);
	kill(getpid(), SIGTERM);
	return NULL;
}

static void machine_ends_at_any_moment(void **state)
{
	const struct way *w = way_of(state);
	static struct vm vm;
	unsigned int seed = 1, wait;
	pthread_t t;

	set_up_vm(&vm, write_hammer, 'x', w);
	for (int i = 0; i < ROUNDS; i++) {
		wait = (unsigned int)rand_r(&seed) % 8000;
		assert_int_equal(thread_start(&t, "ender", end_soon, &wait), 0);
		run_vm(&vm);
		thread_join(t);
		assert_int_equal(vm.result.end, MACHINE_SIGNAL);
		assert_int_equal(vm.result.value, SIGTERM);
	}
	tear_down_vm(&vm);
}

static const struct CMUnitTest all[] = {
	cmocka_unit_test(two_machines_run_in_one_process),
	cmocka_unit_test(two_machines_on_one_thread_do_not_mix),
	cmocka_unit_test(machine_that_never_ran_can_be_destroyed),
	cmocka_unit_test(machine_that_waits_for_a_reader_can_be_killed),
	cmocka_unit_test(machine_ends_at_any_moment),
};

static const struct way ways[] = {
	{ "kvm, io_uring", "kvm", "auto", "" },
	{ "kvm, poll", "kvm", "poll", "" },
	/* Its buffers fit no O_DIRECT: they go through bounce buffers. */
	{ "kvm, direct", "kvm", "auto", ",direct=on" },
	{ "interp, io_uring", "interp", "auto", "" },
	{ "interp, poll", "interp", "poll", "" },
};

static int run_way(const struct way *w)
{
	static struct CMUnitTest tests[ARRAY_SIZE(all)];
	static char names[ARRAY_SIZE(all)][128];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", w->name,
			 all[i].name);
		tests[i] = all[i];
		tests[i].name = names[i];
		tests[i].initial_state = (void *)(uintptr_t)w;
	}
	return cmocka_run_group_tests_name(w->name, tests, NULL, NULL);
}

int main(void)
{
	sigset_t set;
	int failed = 0;

	/* No thread takes the signal but through the machine. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		failed += run_way(&ways[i]);
	return failed ? 1 : 0;
}
