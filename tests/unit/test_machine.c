// SPDX-License-Identifier: MIT
/*
 * test_machine.c - whole machines in one process: two at a time, one after the
 * other, and ended at any moment. Skipped where no engine runs.
 */
#include "tests/unit/tiny_machine.h"

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/thread.h"

#define ROUNDS 35 /* of each kind */

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

static void set_up_vm(struct vm *vm, void (*write)(struct vm *), char letter,
		      const char *io, const char *how)
{
	char arg[TINY_PATH_LEN + 32];

	memset(vm, 0, sizeof(*vm));
	vm->letter = letter;
	write(vm);
	zeroes(vm->disk);
	tiny_temp(vm->serial, "", 0);
	tiny_config(&vm->config, vm->kernel);
	snprintf(arg, sizeof(arg), "%s%s", vm->disk, how);
	tiny_set(&vm->config, "disk", arg);
	tiny_set(&vm->config, "io", io);
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

static void two_machines_run_in_one_process(void **state)
{
	static struct vm vm[2];

	(void)state;
	if (!tiny_engine())
		skip();
	set_up_vm(&vm[0], write_talker, 'a', "auto", "");
	set_up_vm(&vm[1], write_talker, 'b', "poll", "");
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
	static struct vm vm[2];
	struct machine *m[2];
	struct machine_error e;

	(void)state;
	if (!tiny_engine())
		skip();
	set_up_vm(&vm[0], write_talker, 'a', "auto", "");
	set_up_vm(&vm[1], write_talker, 'b', "auto", "");
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
	static struct vm vm;
	struct machine_error e;
	struct machine *m;

	(void)state;
	if (!tiny_engine())
		skip();
	set_up_vm(&vm, write_talker, 'a', "auto", "");
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
	static struct vm vm;
	int status;

	(void)state;
	set_up_vm(&vm, write_talker, 'a', "auto", "");
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

static void end_at_any_moment(const char *io, const char *how)
{
	static struct vm vm;
	unsigned int seed = 1, wait;
	pthread_t t;

	set_up_vm(&vm, write_hammer, 'x', io, how);
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

static void machine_ends_at_any_moment_with_io_uring(void **state)
{
	(void)state;
	if (!tiny_engine())
		skip();
	end_at_any_moment("auto", "");
}

static void machine_ends_at_any_moment_with_poll(void **state)
{
	(void)state;
	if (!tiny_engine())
		skip();
	end_at_any_moment("poll", "");
}

/* Its buffers fit no O_DIRECT: they go through bounce buffers. */
static void machine_ends_at_any_moment_with_direct_disks(void **state)
{
	(void)state;
	if (!tiny_engine())
		skip();
	end_at_any_moment("auto", ",direct=on");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(two_machines_run_in_one_process),
	cmocka_unit_test(two_machines_on_one_thread_do_not_mix),
	cmocka_unit_test(machine_that_never_ran_can_be_destroyed),
	cmocka_unit_test(machine_that_waits_for_a_reader_can_be_killed),
	cmocka_unit_test(machine_ends_at_any_moment_with_io_uring),
	cmocka_unit_test(machine_ends_at_any_moment_with_poll),
	cmocka_unit_test(machine_ends_at_any_moment_with_direct_disks),
};

int main(void)
{
	sigset_t set;

	/* No thread takes the signal but through the machine. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
