// SPDX-License-Identifier: MIT
/*
 * x86_native.c - run user-level code on the real CPU.
 */
#include "tests/unit/x86_native.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* Used by the assembly below, which has no register to spare for a pointer. */
struct x86_native x86_native_state;
uint64_t x86_native_host_rsp, x86_native_entry;
uint32_t x86_native_host_mxcsr;
static uint8_t *x86_native_writable;

void x86_native_enter(void);
void x86_native_exit(void);
void x86_native_bail(void);

#define S(off) "x86_native_state+" #off "(%rip)"

__asm__(".text\n"
	".globl x86_native_enter\n"
	"x86_native_enter:\n"
	"push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n"
	"push %r15\n"
	"stmxcsr x86_native_host_mxcsr(%rip)\n"
	"mov %rsp, x86_native_host_rsp(%rip)\n"
	"fxrstor64 " S(
		0) "\n"
		   "push " S(
			   648) "\n popf\n"
				"mov " S(
					512) ", %rax\n mov " S(520) ", %rcx\n"
								    "mov " S(
									    528) ", %rdx\n mov " S(536) ", %rbx\n"
													"mov " S(
														544) ", "
														     "%rsp\n"
														     " mov"
														     " " S(
															     552) ", %rbp\n"
																  "mov " S(
																	  560) ", %rsi\n mov " S(568) ", %rdi\n"
																				      "mov " S(576) ", %r8\n mov " S(584) ", %r9\n"
																									  "mov " S(
																										  592) ", %r10\n mov " S(600) ", %r11\n"
																													      "mov " S(608) ", %r12\n mov " S(
																														      616) ", %r13\n"
																															   "mov " S(624) ", %r14\n mov " S(632) ", %r15\n"
																																				"jmp *x86_native_entry(%rip)\n"
																																				".globl x86_native_exit\n"
																																				"x86_native_exit:\n"
																																				"mov %rax, " S(
																																					512) "\n mov %rcx, " S(520) "\n"
																																								    "mov %rdx, " S(
																																									    528) "\n mov %rbx, " S(536) "\n"
																																													"mov %rsp, " S(
																																														544) "\n mov %rbp, " S(552) "\n"
																																																	    "mov %rsi, " S(560) "\n mov %rdi, " S(
																																																		    568) "\n"
																																																			 "mov %r8, " S(
																																																				 576) "\n mov %r9, " S(584) "\n"
																																																							    "mov %r10, " S(
																																																								    592) "\n mov %r11, " S(600) "\n"
																																																												"mov %r12, " S(608) "\n mov %r13, " S(
																																																													616) "\n"
																																																													     "mov %r14, " S(
																																																														     624) "\n mov %r15, " S(632) "\n"
																																																																		 "mov x86_native_host_rsp(%rip), %rsp\n"
																																																																		 "pushf\n pop " S(648) "\n"
																																																																				       "fxsave64 " S(
																																																																					       0) "\n"
																																																																						  ".globl x86_native_bail\n"
																																																																						  "x86_native_bail:\n"
																																																																						  "fninit\n cld\n"
																																																																						  "ldmxcsr x86_native_host_mxcsr(%rip)\n"
																																																																						  "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
																																																																						  "ret\n");

_Static_assert(offsetof(struct x86_native, gpr) == 512, "known to assembly");
_Static_assert(offsetof(struct x86_native, rflags) == 648, "likewise");

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
				       REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				       REG_R8,	REG_R9,	 REG_R10, REG_R11,
				       REG_R12, REG_R13, REG_R14, REG_R15 };
	struct x86_native *st = &x86_native_state;
	ucontext_t *uc = ctx;
	int i;

	(void)sig;
	(void)info;
	for (i = 0; i < 16; i++)
		st->gpr[i] = (uint64_t)uc->uc_mcontext.gregs[order[i]];
	st->rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	st->rflags = (uint64_t)uc->uc_mcontext.gregs[REG_EFL];
	st->vector = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	memcpy(st->fx, uc->uc_mcontext.fpregs, sizeof(st->fx));

	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)x86_native_bail;
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)x86_native_host_rsp;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x40500; /* AC, TF, DF */
}

static int catch_signals(void)
{
	static uint8_t stack[65536];
	static const int sigs[] = { SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS };
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	unsigned int i;

	if (sigaltstack(&ss, NULL))
		return -1;
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		if (sigaction(sigs[i], &sa, NULL))
			return -1;
	return 0;
}

static int map_at(uint64_t addr, size_t len, int prot)
{
	void *want = (void *)(uintptr_t)addr;

	return mmap(want, len, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0) == want
		       ? 0
		       : -1;
}

/* One page for executing, the same one elsewhere for writing. */
static int map_code(void)
{
	void *want = (void *)(uintptr_t)X86_NATIVE_CODE;
	int fd = memfd_create("code", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 4096))
		return -1;
	if (mmap(want, 4096, PROT_READ | PROT_EXEC,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != want)
		return -1;
	x86_native_writable =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return x86_native_writable == MAP_FAILED ? -1 : 0;
}

int x86_native_init(void)
{
	if (map_code() ||
	    map_at(X86_NATIVE_DATA, X86_NATIVE_BYTES, PROT_READ | PROT_WRITE))
		return -1;
	return catch_signals();
}

bool x86_native_mapped(uint64_t addr)
{
	void *page = (void *)(uintptr_t)(addr & ~4095ull);

	return !msync(page, 4096, MS_ASYNC);
}

uint8_t *x86_native_data(void)
{
	return (uint8_t *)(uintptr_t)X86_NATIVE_DATA;
}

void x86_native_run(struct x86_native *st, const uint8_t *code,
		    unsigned int len)
{
	uint8_t *at = x86_native_writable;
	uint64_t back = (uint64_t)(uintptr_t)x86_native_exit;

	memcpy(at, code, len);
	memcpy(at + len, "\xff\x25\x00\x00\x00\x00", 6); /* jmp [rip] */
	memcpy(at + len + 6, &back, 8);
	x86_native_entry = X86_NATIVE_CODE;
	x86_native_state = *st;
	x86_native_state.vector = X86_NATIVE_NONE;
	x86_native_state.rip = X86_NATIVE_CODE + len;
	x86_native_enter();
	*st = x86_native_state;
}
