// SPDX-License-Identifier: MIT
/*
 * minivmm-exit - end the virtual machine with an exit status: minivmm-exit N.
 *
 * Runs inside a Linux guest, as root. The byte goes to the debug-exit port
 * and becomes minivmm's own exit status. Stock kernels have no /dev/port, so
 * the port is opened with ioperm(). No C library: the program is to be as
 * small as what it does, and to run in any guest.
 */
#include <sys/syscall.h>

#define DEBUG_EXIT_PORT 0xf4

static long syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

__attribute__((noreturn)) static void leave(int status)
{
	syscall3(SYS_exit, status, 0, 0);
	__builtin_unreachable();
}

__attribute__((noreturn)) static void fail(const char *text)
{
	long len = 0;

	while (text[len])
		len++;
	syscall3(SYS_write, 2, (long)text, len);
	leave(1);
}

/* A decimal number from 0 to 255, or -1. */
static int parse_byte(const char *s)
{
	int n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (*s - '0');
		if (n > 255)
			return -1;
	}
	return n;
}

static void outb(unsigned short port, unsigned char value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

/* @stack: argc, argv[0], argv[1], ... as the kernel leaves them. */
__attribute__((noreturn, used)) static void start(long *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);
	int status = stack[0] == 2 ? parse_byte(argv[1]) : -1;

	if (status < 0)
		fail("usage: minivmm-exit STATUS, 0 to 255\n");
	if (syscall3(SYS_ioperm, DEBUG_EXIT_PORT, 1, 1))
		fail("minivmm-exit: no access to the port (not root?)\n");
	outb(DEBUG_EXIT_PORT, (unsigned char)status);
	fail("minivmm-exit: still here: not a minivmm guest?\n");
}

/* The ABI enters with the arguments at %rsp, which C cannot name. */
__asm__(".globl _start\n"
	"_start:\n"
	"	xor	%ebp, %ebp\n"
	"	mov	%rsp, %rdi\n"
	"	and	$-16, %rsp\n"
	"	call	start\n");
