// SPDX-License-Identifier: MIT
/*
 * native.c - a case on the host's own CPU, in this process.
 *
 * How it works. The window is mapped at its fixed addresses; code is written
 * through a second mapping. native_enter() loads the registers and jumps.
 * Every way out is a signal on its own stack: the handler copies registers
 * and FXSAVE image out of the frame and makes the frame return to
 * native_leave(). A timer ends what runs for ever.
 *
 * Outside a case the handler puts the default action back, so that a bug of
 * the harness itself dumps core as usual.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/engines/diff.h"

#define WINDOW_PAGES ((DIFF_END - DIFF_CODE) / DIFF_PAGE)
#define NO_ASAN	     __attribute__((no_sanitize("address", "undefined")))

extern uint64_t native_host_rsp, native_seen_fs, native_seen_gs;
extern uint8_t native_fsgsbase, native_inside;
void native_enter(const struct diff_regs *regs);
void native_leave(void);
void native_signal(int sig, siginfo_t *info, void *uc);
void native_handle(int sig, siginfo_t *info, ucontext_t *uc);

static const int signals[] = {
	SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS, SIGALRM
};
#define NR_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* There is one CPU under test per process: its handler has no argument. */
static struct {
	struct diff_result *r;
	bool timed_out;
	uint8_t *code; /* writable alias of DIFF_CODE */
	uint8_t *ro;   /* ... of DIFF_RO */
	char *stack;   /* of signals */
	stack_t old_stack;
	struct sigaction old[NR_SIGNALS];
	bool started;
	sigjmp_buf *rescue;
} native;

#define STACK_SIZE 65536

bool native_has_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & 2;
}

NO_ASAN static void save(struct diff_result *r, const ucontext_t *uc)
{
	/* enum cpu_gpr's order */
	static const uint8_t order[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
		REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
		REG_R12, REG_R13, REG_R14, REG_R15,
	};
	const greg_t *g = uc->uc_mcontext.gregs;
	const uint8_t *fx = (const uint8_t *)uc->uc_mcontext.fpregs;
	unsigned int i;

	for (i = 0; i < 16; i++)
		r->regs.gpr[i] = (uint64_t)g[order[i]];
	r->regs.rip = (uint64_t)g[REG_RIP];
	r->regs.rflags = (uint64_t)g[REG_EFL];
	r->regs.fs_base = native_seen_fs;
	r->regs.gs_base = native_seen_gs;
	for (i = 0; i < DIFF_FX_SIZE; i++)
		r->regs.fx[i] = fx[i];
	r->vector = (unsigned int)g[REG_TRAPNO];
	r->error = (uint64_t)g[REG_ERR];
	r->cr2 = (uint64_t)g[REG_CR2];
}

/* Called by native_signal() with the C environment restored. */
NO_ASAN void native_handle(int sig, siginfo_t *info, ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;

	(void)info;
	if (!native_inside) {
		if (sig != SIGALRM) {
			if (native.rescue)
				siglongjmp(*native.rescue, sig);
			signal(sig, SIG_DFL);
		}
		return;
	}
	native_inside = 0;
	native.timed_out = sig == SIGALRM;
	save(native.r, uc);
	g[REG_RIP] = (greg_t)(uintptr_t)native_leave;
	g[REG_RSP] = (greg_t)native_host_rsp;
	g[REG_EFL] = 0x202;
	/* CS in bits 15:0, SS in 63:48 */
	g[REG_CSGSFS] = (g[REG_CSGSFS] & 0x0000ffffffff0000) | 0x33 |
			(greg_t)(0x2bull << 48);
}

static int map_window(void)
{
	int fd = memfd_create("window", MFD_CLOEXEC), err = 0;
	uint8_t *p;
	unsigned int i;
	static const int prot[WINDOW_PAGES] = {
		PROT_READ | PROT_EXEC,	PROT_NONE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ,
	};

	if (fd < 0 || ftruncate(fd, WINDOW_PAGES * DIFF_PAGE) < 0)
		return -errno;
	for (i = 0; i < WINDOW_PAGES && !err; i++) {
		if (prot[i] == PROT_NONE)
			continue;
		p = mmap((void *)(uintptr_t)(DIFF_CODE + i * DIFF_PAGE),
			 DIFF_PAGE, prot[i],
			 MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, fd,
			 (off_t)(i * DIFF_PAGE));
		if (p == MAP_FAILED)
			err = -errno;
	}
	p = mmap(NULL, WINDOW_PAGES * DIFF_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err = -errno;
	native.code = p;
	native.ro = p + (DIFF_RO - DIFF_CODE);
	close(fd);
	return err;
}

static int take_signals(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_size = STACK_SIZE };
	unsigned int i;

	native.stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (native.stack == MAP_FAILED)
		return -errno;
	ss.ss_sp = native.stack;
	if (sigaltstack(&ss, &native.old_stack) < 0)
		return -errno;
	sigfillset(&sa.sa_mask);
	sa.sa_sigaction = native_signal;
	for (i = 0; i < NR_SIGNALS; i++)
		if (sigaction(signals[i], &sa, &native.old[i]) < 0)
			return -errno;
	return 0;
}

void native_guard(sigjmp_buf *where)
{
	native.rescue = where;
}

void native_rescued(void)
{
	sigset_t none;

	__asm__ volatile("fninit");
	__builtin_ia32_ldmxcsr(0x1f80);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int native_start(void)
{
	struct itimerval every = { { 0, 500000 }, { 0, 500000 } };
	int err;

	if (native.started)
		return -EBUSY;
	native_fsgsbase = native_has_fsgsbase();
	err = map_window();
	if (!err)
		err = take_signals();
	if (!err && setitimer(ITIMER_REAL, &every, NULL) < 0)
		err = -errno;
	native.started = !err;
	return err;
}

void native_stop(void)
{
	struct itimerval none = { 0 };
	unsigned int i;

	setitimer(ITIMER_REAL, &none, NULL);
	for (i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &native.old[i], NULL);
	sigaltstack(&native.old_stack, NULL);
	munmap(native.stack, STACK_SIZE);
	munmap(native.code, WINDOW_PAGES * DIFF_PAGE);
	munmap((void *)(uintptr_t)DIFF_CODE, WINDOW_PAGES * DIFF_PAGE);
	memset(&native, 0, sizeof(native));
}

/* The timer may hit a case that is not at fault: try again. */
bool native_run(const struct diff_case *c, struct diff_result *r)
{
	struct diff_regs regs = c->regs;
	unsigned int tries;

	regs.cs = c->mode == X86_MODE_64 ? 0x33 : 0x23;
	regs.ds = c->mode == X86_MODE_64 ? 0 : 0x2b;
	memcpy(native.code, c->code, DIFF_PAGE);
	memcpy(native.ro, c->ro, DIFF_PAGE);
	native.r = r;
	for (tries = 0; tries < 3; tries++) {
		memcpy((void *)(uintptr_t)DIFF_DATA, c->data, DIFF_DATA_SIZE);
		native.timed_out = false;
		native_enter(&regs);
		memcpy(r->data, (const void *)(uintptr_t)DIFF_DATA,
		       DIFF_DATA_SIZE);
		if (!native.timed_out)
			return true;
	}
	return false;
}
