// SPDX-License-Identifier: MIT
/*
 * test_faults.c - a machine on a host that refuses things: the first, then
 * the second ... call for memory, a file or anything of KVM's fails.
 *
 * How it works. The linker leads the calls below to functions in here
 * (--wrap, see the Makefile), which count and let one fail. A machine must
 * say why it cannot be built and leave nothing behind, or do without and run
 * as it would have. Memory is counted by the leak sanitizer (SAN=address),
 * files are counted here.
 */
#include "tests/unit/tiny_gpt.h"
#include "tests/unit/tiny_machine.h"

#include <dirent.h>
#include <errno.h>
#include <liburing.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#define FAULTS_MAX 2000
#define STATUS	   42

/* Calls until one fails; 0: none does. */
static atomic_int calls_left;
static atomic_int fault_errno;

static bool is_due(void)
{
	int left = calls_left;

	while (left > 0)
		if (atomic_compare_exchange_weak(&calls_left, &left, left - 1))
			return left == 1;
	return false;
}

/* The error of a call that would otherwise fail with @usual. */
static void set_errno(int usual)
{
	errno = fault_errno ? fault_errno : usual;
}

/* A function that fails with @failed and errno, and its replacement. */
#define FAULT(type, name, failed, err, params, args) \
	type __real_##name params;                   \
	type __wrap_##name params;                   \
	type __wrap_##name params                    \
	{                                            \
		if (!is_due())                       \
			return __real_##name args;   \
		set_errno(err);                      \
		return failed;                       \
	}

FAULT(void *, calloc, NULL, ENOMEM, (size_t n, size_t size), (n, size))
FAULT(void *, malloc, NULL, ENOMEM, (size_t size), (size))
FAULT(void *, realloc, NULL, ENOMEM, (void *p, size_t size), (p, size))
FAULT(char *, strdup, NULL, ENOMEM, (const char *s), (s))
FAULT(void *, aligned_alloc, NULL, ENOMEM, (size_t to, size_t size), (to, size))
FAULT(int, posix_memalign, ENOMEM, ENOMEM, (void **p, size_t to, size_t size),
      (p, to, size))
FAULT(void *, mmap, MAP_FAILED, ENOMEM,
      (void *at, size_t len, int prot, int flags, int fd, off_t off),
      (at, len, prot, flags, fd, off))
FAULT(int, open, -1, EMFILE, (const char *path, int flags, mode_t mode),
      (path, flags, mode))
FAULT(int, fcntl, -1, EINVAL, (int fd, int cmd, long arg), (fd, cmd, arg))
FAULT(int, eventfd, -1, EMFILE, (unsigned int n, int flags), (n, flags))
FAULT(int, memfd_create, -1, EMFILE, (const char *name, unsigned int flags),
      (name, flags))
FAULT(int, ftruncate, -1, ENOSPC, (int fd, off_t len), (fd, len))
FAULT(int, flock, -1, ENOLCK, (int fd, int op), (fd, op))
FAULT(int, fstat, -1, EIO, (int fd, struct stat *st), (fd, st))
FAULT(int, stat, -1, EIO, (const char *path, struct stat *st), (path, st))
FAULT(ssize_t, pread, -1, EIO, (int fd, void *buf, size_t len, off_t off),
      (fd, buf, len, off))
FAULT(ssize_t, getrandom, -1, EAGAIN, (void *buf, size_t len, unsigned int f),
      (buf, len, f))
FAULT(int, signalfd, -1, EMFILE, (int fd, const sigset_t *set, int flags),
      (fd, set, flags))
FAULT(int, epoll_create1, -1, EMFILE, (int flags), (flags))
FAULT(int, pthread_create, EAGAIN, EAGAIN,
      (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
      (t, a, fn, arg))
FAULT(int, io_uring_queue_init_params, -ENOMEM, ENOMEM,
      (unsigned int n, struct io_uring *r, struct io_uring_params *p),
      (n, r, p))
FAULT(int, io_uring_register, -ENOMEM, ENOMEM,
      (unsigned int fd, unsigned int op, void *arg, unsigned int n),
      (fd, op, arg, n))
FAULT(int, io_uring_submit_and_wait, -ENOMEM, ENOMEM,
      (struct io_uring * r, unsigned int n), (r, n))
FAULT(int, epoll_pwait2, -1, ENOMEM,
      (int fd, struct epoll_event *ev, int n, const struct timespec *t,
       const sigset_t *set),
      (fd, ev, n, t, set))

/* The next call for it comes back from a signal; 0: none does. */
static atomic_ulong interrupted_request;

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (request == interrupted_request) {
		interrupted_request = 0;
		errno = EINTR;
		return -1;
	}
	if (!is_due())
		return __real_ioctl(fd, request, arg);
	set_errno(ENOMEM);
	return -1;
}

struct vm {
	struct vm_config config;
	char kernel[TINY_PATH_LEN];
	char initrd[TINY_PATH_LEN];
	char disk[TINY_PATH_LEN];
	char pool[TINY_PATH_LEN]; /* with a partition, for a layer */
	char serial[TINY_PATH_LEN];
};

static void make_pool(struct vm *vm)
{
	static const char zero[2 << 20];
	struct tiny_gpt g;
	int fd;

	tiny_temp(vm->pool, zero, sizeof(zero));
	fd = open(vm->pool, O_RDWR | O_CLOEXEC);
	tiny_gpt_init(&g, sizeof(zero) / 512);
	tiny_gpt_add(&g, 0, "part", 2048, 2055);
	tiny_gpt_seal(&g);
	assert_int_equal(tiny_gpt_write(&g, fd, sizeof(zero) / 512), 0);
	close(fd);
}

static void set_up_vm(struct vm *vm, const char *accel, const char *io)
{
	static const char zero[TINY_DISK];
	struct tiny *t = tiny_new(1);
	char arg[TINY_PATH_LEN + 40];

	tiny_start(t, 0);
	tiny_start(t, 1);
	tiny_out(t, LAYOUT_PORT_COM1, 'x');
	tiny_exit(t, STATUS);
	tiny_write(t, vm->kernel);
	tiny_temp(vm->initrd, "initrd", 6);
	tiny_temp(vm->disk, zero, sizeof(zero));
	tiny_temp(vm->serial, "", 0);

	tiny_config(&vm->config, vm->kernel, accel);
	tiny_set(&vm->config, "initrd", vm->initrd);
	tiny_set(&vm->config, "disk", vm->disk);
	make_pool(vm);
	snprintf(arg, sizeof(arg), "%s,partition=part,ephemeral=on", vm->pool);
	tiny_set(&vm->config, "disk", arg);
	tiny_set(&vm->config, "io", io);
	tiny_set(&vm->config, "device-tree", "on");
	snprintf(arg, sizeof(arg), "file:%s", vm->serial);
	tiny_set(&vm->config, "serial", arg);
}

static void tear_down_vm(struct vm *vm)
{
	unlink(vm->kernel);
	unlink(vm->initrd);
	unlink(vm->disk);
	unlink(vm->pool);
	unlink(vm->serial);
	config_fini(&vm->config);
}

static unsigned int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Its guest ran to the end, and its output was not lost. */
static void has_run(const struct vm *vm, struct machine_result r, int fault)
{
	char said[8] = "";
	int fd = open(vm->serial, O_RDONLY);

	fd_pread_all(fd, said, sizeof(said) - 1, 0);
	close(fd);
	if (r.end != MACHINE_EXIT || r.value != STATUS || strcmp(said, "x"))
		fail_msg("fault %d: end %d, value %d, output \"%s\"", fault,
			 r.end, r.value, said);
}

/* One machine, in whose creation call @fault fails. True: none was left. */
static bool try_create(struct vm *vm, int fault)
{
	unsigned int files = open_files();
	struct machine_error e;
	struct machine *m;
	bool all;
	int err;

	assert_int_equal(truncate(vm->serial, 0), 0);
	calls_left = fault;
	err = machine_create(&m, &vm->config, &e);
	all = calls_left > 0;
	calls_left = 0;
	if (!err) {
		has_run(vm, machine_run(m), fault);
		machine_destroy(m);
	} else if (!e.text[0] || strchr(e.text, '\n') || m || err > 0) {
		fail_msg("fault %d: error %d, said \"%s\"", fault, err, e.text);
	}
	if (open_files() != files)
		fail_msg("fault %d: %u files left (%s)", fault,
			 open_files() - files, e.text);
	return all;
}

static void creation_survives_every_fault(const char *accel, const char *io,
					  int as)
{
	static struct vm vm;
	int fault = 1;

	if (!tiny_engine(accel))
		skip();
	set_up_vm(&vm, accel, io);
	fault_errno = as;
	while (!try_create(&vm, fault))
		assert_true(fault++ < FAULTS_MAX);
	print_message("# %d calls\n", fault - 1);
	assert_true(fault > 50);
	tear_down_vm(&vm);
}

static void creation_survives_every_fault_with_io_uring(void **state)
{
	(void)state;
	creation_survives_every_fault("kvm", "auto", 0);
}

static void creation_survives_every_fault_with_poll(void **state)
{
	(void)state;
	creation_survives_every_fault("kvm", "poll", 0);
}

/* 1 is also what a file descriptor could be. */
static void creation_survives_every_refusal(void **state)
{
	(void)state;
	creation_survives_every_fault("kvm", "auto", EPERM);
}

/* One that asked an earlier machine to stop may still be on its way. */
static void creation_goes_on_after_a_signal(void **state)
{
	static struct vm vm;
	struct machine_error e;
	struct machine *m;

	(void)state;
	if (!tiny_engine("kvm"))
		skip();
	set_up_vm(&vm, "kvm", "auto");
	interrupted_request = KVM_CREATE_VM;
	if (machine_create(&m, &vm.config, &e))
		fail_msg("%s", e.text);
	assert_int_equal(interrupted_request, 0);
	has_run(&vm, machine_run(m), 0);
	machine_destroy(m);
	tear_down_vm(&vm);
}

/* Call @fault of a run fails. True: none was left. */
static bool try_run(struct vm *vm, int fault)
{
	unsigned int files = open_files();
	struct machine_result r;
	struct machine_error e;
	struct machine *m;
	bool all;

	assert_int_equal(truncate(vm->serial, 0), 0);
	if (machine_create(&m, &vm->config, &e))
		fail_msg("%s", e.text);
	calls_left = fault;
	r = machine_run(m);
	all = calls_left > 0;
	calls_left = 0;
	machine_destroy(m);
	if (r.end != MACHINE_ERROR)
		has_run(vm, r, fault);
	assert_int_equal(open_files(), files);
	return all;
}

static void run_survives_every_fault(const char *accel, const char *io)
{
	static struct vm vm;
	int fault = 1;

	if (!tiny_engine(accel))
		skip();
	set_up_vm(&vm, accel, io);
	fault_errno = 0;
	while (!try_run(&vm, fault))
		assert_true(fault++ < FAULTS_MAX);
	print_message("# %d calls\n", fault - 1);
	tear_down_vm(&vm);
}

static void run_survives_every_fault_with_io_uring(void **state)
{
	(void)state;
	run_survives_every_fault("kvm", "auto");
}

static void run_survives_every_fault_with_poll(void **state)
{
	(void)state;
	run_survives_every_fault("kvm", "poll");
}

static void creation_survives_every_fault_without_kvm(void **state)
{
	(void)state;
	creation_survives_every_fault("interp", "auto", 0);
}

static void run_survives_every_fault_without_kvm(void **state)
{
	(void)state;
	run_survives_every_fault("interp", "auto");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(creation_survives_every_fault_with_io_uring),
	cmocka_unit_test(creation_survives_every_fault_with_poll),
	cmocka_unit_test(creation_survives_every_refusal),
	cmocka_unit_test(creation_goes_on_after_a_signal),
	cmocka_unit_test(creation_survives_every_fault_without_kvm),
	cmocka_unit_test(run_survives_every_fault_with_io_uring),
	cmocka_unit_test(run_survives_every_fault_with_poll),
	cmocka_unit_test(run_survives_every_fault_without_kvm),
};

int main(void)
{
	int err;

	/* Some hundred complaints are expected. */
	log_set_fd(open("/dev/null", O_WRONLY));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	err = cmocka_run_group_tests(tests, NULL, NULL);
	return err ? 1 : 0;
}
