// SPDX-License-Identifier: MIT
/*
 * privilege.c - between CPL 0 and 3: IRET, INT, SYSCALL, SYSRET, SWAPGS, I/O
 * permission (SDM 3A, chapter 5; SDM 1, chapter 19).
 */
#include "tests/guest/lib/traps.h"

#define MSR_EFER  0xc0000080u
#define MSR_STAR  0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_FMASK 0xc0000084u
#define MSR_GS	  0xc0000101u
#define MSR_KGS	  0xc0000102u
#define CR4_TSD	  4ul
#define FL_IF	  0x200ul
#define FL_NT	  0x4000ul
#define FL_IOPL	  0x3000ul

static uint8_t user_stack[1024] __attribute__((aligned(16)));

#define USER_SP ((uint64_t)user_stack + sizeof(user_stack) - 64)

/* Code that runs at CPL 3; a trap ends it. */
#define USER_CODE(name, text)     \
	extern const char name[]; \
	asm(".text\n" #name ":\n\t" text "\n\tint $0x80\n")

USER_CODE(user_nothing, "nop");
USER_CODE(user_cli, "cli");
USER_CODE(user_hlt, "hlt");
USER_CODE(user_in, "in $0x80, %al");
USER_CODE(user_int81, "int $0x81");
USER_CODE(user_clts, "clts");
USER_CODE(user_cr, "mov %cr0, %rax");
USER_CODE(user_rdmsr, "mov $0x10, %ecx; rdmsr");
USER_CODE(user_rdtsc, "rdtsc");
USER_CODE(user_swapgs, "swapgs");
USER_CODE(user_load_ds, "mov %eax, %ds");
USER_CODE(user_load_ss, "mov %eax, %ss");
USER_CODE(user_popf, "push %rax; popf; pushf; pop %rcx; int $0x80");
USER_CODE(user_syscall, "movabs $0x1111, %r11; syscall");
USER_CODE(user_iret, "push $0x10; push $0; push $2; push $8; push $0; iretq");

static void run(const char *code, uint64_t rflags, uint64_t arg)
{
	user_run(code, USER_SP, rflags, arg);
}

static void refused(const char *code, uint64_t arg, uint64_t error,
		    const char *what)
{
	run(code, 2, arg);
	expect_equal(trap.vector, GP, what);
	expect_equal(trap.error, error, what);
	expect_equal(trap.cs, SEL_UCODE, what);
}

static void frames(void)
{
	run(user_nothing, 2, 0);
	expect_equal(trap.vector, VEC_SYSCALL, "INT 80 from CPL 3");
	expect_equal(trap.cs, SEL_UCODE, "its CS");
	expect_equal(trap.ss, SEL_UDATA, "its SS");
	expect_equal(trap.rsp, USER_SP, "its RSP");
	expect_equal(trap.rip, (uint64_t)user_nothing + 3, "its RIP");
	expect_equal(trap.frame + 8, tss.rsp[0], "RSP0");
}

static void refusals(void)
{
	refused(user_cli, 0, 0, "CLI at CPL 3");
	refused(user_hlt, 0, 0, "HLT at CPL 3");
	refused(user_in, 0, 0, "IN at CPL 3");
	refused(user_int81, 0, 0x81 * 8 + 2, "INT of a gate of DPL 0");
	refused(user_clts, 0, 0, "CLTS at CPL 3");
	refused(user_cr, 0, 0, "MOV from CR0 at CPL 3");
	refused(user_rdmsr, 0, 0, "RDMSR at CPL 3");
	refused(user_swapgs, 0, 0, "SWAPGS at CPL 3");
	refused(user_load_ds, SEL_KDATA, SEL_KDATA, "DS of DPL 0");
	refused(user_load_ds, 0x1000, 0x1000, "a selector past the GDT");
	refused(user_load_ds, SEL_TSS, SEL_TSS, "a TSS as data");
	refused(user_load_ds, SEL_UXONLY, SEL_UXONLY & ~3, "code as data");
	refused(user_load_ss, 0, 0, "SS 0 at CPL 3");
	refused(user_load_ss, SEL_KDATA, SEL_KDATA, "SS of DPL 0");
	refused(user_iret, 0, SEL_KCODE, "IRET to more privilege");
	run(user_load_ds, 2, SEL_UABSENT);
	expect_equal(trap.vector, NP, "an absent DS");
	expect_equal(trap.error, SEL_UABSENT & ~3, "an absent DS");
	run(user_load_ss, 2, SEL_UABSENT);
	expect_equal(trap.vector, SS, "an absent SS");
	run(user_load_ds, 2, 3);
	expect_equal(trap.vector, VEC_SYSCALL, "DS may be null");
}

static void permissions(void)
{
	run(user_cli, 2 | FL_IOPL, 0);
	expect_equal(trap.vector, VEC_SYSCALL, "CLI at IOPL 3");
	expect_equal(trap.rflags & FL_IF, 0, "IF after CLI");
	run(user_in, 2 | FL_IOPL, 0);
	expect_equal(trap.vector, VEC_SYSCALL, "IN at IOPL 3");
	/* A program changes neither IF nor IOPL at IOPL 0. */
	run(user_popf, 2 | FL_IF, 2 | FL_IOPL);
	expect_equal(trap.rflags & (FL_IF | FL_IOPL), FL_IF, "POPF");
	write_cr4(read_cr4() | CR4_TSD);
	refused(user_rdtsc, 0, 0, "RDTSC with TSD");
	write_cr4(read_cr4() & ~CR4_TSD);
	run(user_rdtsc, 2, 0);
	expect_equal(trap.vector, VEC_SYSCALL, "RDTSC without TSD");
}

/* Port 80's bit in the map, and the byte behind it (SDM 1 §19.5.2). */
static void port_map(void)
{
	unsigned int i;

	gdt[SEL_TSS / 8] += 0x20; /* limit 0x87 */
	gdt[SEL_TSS / 8] &= ~(2ull << 40);
	asm volatile("ltr %w0" : : "r"(SEL_TSS));
	for (i = 0; i < sizeof(tss.io_bitmap); i++)
		tss.io_bitmap[i] = 0xff;
	refused(user_in, 0, 0, "IN of a port that the map forbids");
	tss.io_bitmap[0x10] = 0xfe;
	run(user_in, 2, 0);
	expect_equal(trap.vector, VEC_SYSCALL, "IN of a port that it allows");
}

extern const char privilege_target[];
asm(".text\nprivilege_target: mov %rsp, %rbx; int $0x80");

static void system_call(void)
{
	const uint64_t flags = 2 | FL_IF | 0x400 | 1;

	wrmsr(MSR_STAR, (uint64_t)SEL_KCODE << 32 | 0x1bull << 48);
	wrmsr(MSR_LSTAR, (uint64_t)privilege_target);
	wrmsr(MSR_FMASK, FL_IF | 0x400);
	run(user_syscall, 2, 0);
	expect_equal(trap.vector, UD, "SYSCALL without EFER.SCE");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
	run(user_syscall, flags, 0);
	expect_equal(trap.vector, VEC_SYSCALL, "SYSCALL");
	expect_equal(trap.cs, SEL_KCODE, "CS after SYSCALL");
	expect_equal(trap.ss, SEL_KDATA, "SS after SYSCALL");
	expect_equal(trap.rflags & (FL_IF | 0x401), 1, "RFLAGS after SYSCALL");
	expect_equal(trap.rsp, USER_SP, "RSP after SYSCALL");
}

static void system_return(void)
{
	trap.vector = NO_TRAP;
	TRY_RAX("lea user_nothing(%%rip), %%rcx; mov $0x247, %%r11d; sysretq",
		0);
	expect_equal(trap.vector, VEC_SYSCALL, "a program after SYSRET");
	expect_equal(trap.cs, SEL_UCODE, "CS after SYSRET");
	expect_equal(trap.ss, SEL_UDATA, "SS after SYSRET");
	expect_equal(trap.rflags & 0x3fffff, 0x247, "RFLAGS after SYSRET");
	TRY_RAX("lea user_nothing(%%rip), %%ecx; mov $2, %%r11d; sysretl", 0);
	expect_equal(trap.cs, SEL_UCODE32, "CS after a 32-bit SYSRET");
}

static void interrupt_return(void)
{
	TRY("pushf; orl $0x4000, (%%rsp); popf; push $0x10; push %%rsp; push "
	    "$2; push $8; push $0; iretq");
	expect_equal(trap.vector, GP, "IRET with NT");
	asm volatile("pushf; andl $~0x4000, (%%rsp); popf"
		     :
		     :
		     : "memory", "cc");
	TRY("push $0x23; push $0; push $2; push $0x10; push $0; iretq");
	expect_equal(trap.vector, GP, "IRET to data");
	expect_equal(trap.error, SEL_KDATA, "IRET to data");
	TRY("push $0x23; push $0; push $2; push $0x2b; movabs "
	    "$0x800000000000, %%rcx; push %%rcx; iretq");
	expect_equal(trap.vector, GP, "IRET to a non-canonical address");
	TRY("push $0x43; push $0; push $2; push $0x2b; push $0; iretq");
	expect_equal(trap.vector, GP, "IRET to a SS of DPL 0");
	expect_equal(trap.error, SEL_ABSENT, "IRET to a SS of DPL 0");
	TRY("push $0x63; push $0; push $2; push $0x2b; push $0; iretq");
	expect_equal(trap.vector, SS, "IRET to an absent SS");
	expect_equal(trap.error, SEL_UABSENT & ~3, "IRET to an absent SS");
}

static void gs_bases(void)
{
	wrmsr(MSR_GS, 0x1111);
	wrmsr(MSR_KGS, 0x2222);
	asm volatile("swapgs");
	expect_equal(rdmsr(MSR_GS), 0x2222, "GS after SWAPGS");
	expect_equal(rdmsr(MSR_KGS), 0x1111, "the other after SWAPGS");
}

int guest_main(void)
{
	traps_setup();
	frames();
	refusals();
	permissions();
	port_map();
	system_call();
	system_return();
	interrupt_return();
	gs_bases();
	put_text("done\n");
	return 0;
}
