// SPDX-License-Identifier: MIT
/*
 * bare-kvm.c - the floor for first-byte: the KVM calls that no VMM can do
 * without, and nothing else.
 *
 * One vCPU, RAM on a memfd, split irqchip, the host's CPUID, and 32-bit code
 * at 1 MiB that writes a byte to the serial port; the byte goes to stdout.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_SIZE (128ul << 20)
#define CODE_AT	 0x100000ul
#define ENTRIES	 128

static const uint8_t code[] = {
	0x66, 0xba, 0xf8, 0x03, /* mov $0x3f8, %dx */
	0xb0, '!',		/* mov $'!', %al */
	0xee,			/* out %al, %dx */
	0xf4,			/* hlt */
};

static int check(int ret, const char *what)
{
	if (ret < 0) {
		perror(what);
		exit(1);
	}
	return ret;
}

static int create_vm(int dev)
{
	struct kvm_enable_cap split = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args = { 24 },
	};
	struct kvm_userspace_memory_region slot = { .memory_size = RAM_SIZE };
	int vm = check(ioctl(dev, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	int ram = check(memfd_create("guest-ram", MFD_CLOEXEC), "memfd");
	void *host;

	check(ftruncate(ram, RAM_SIZE), "ftruncate");
	host = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, ram, 0);
	memcpy((char *)host + CODE_AT, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)host;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "memory");
	check(ioctl(vm, KVM_ENABLE_CAP, &split), "irqchip");
	return vm;
}

static void set_cpuid(int dev, int cpu)
{
	struct kvm_cpuid2 *c = calloc(
		1, sizeof(*c) + ENTRIES * sizeof(struct kvm_cpuid_entry2));

	c->nent = ENTRIES;
	check(ioctl(dev, KVM_GET_SUPPORTED_CPUID, c), "supported CPUID");
	check(ioctl(cpu, KVM_SET_CPUID2, c), "CPUID");
	free(c);
}

static void set_entry(int cpu)
{
	struct kvm_segment flat = {
		.limit = UINT32_MAX,
		.selector = 8,
		.type = 11,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
	struct kvm_sregs s;

	check(ioctl(cpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = flat;
	flat.selector = 16;
	flat.type = 3;
	s.ds = s.es = s.fs = s.gs = s.ss = flat;
	s.cr0 |= 1;
	check(ioctl(cpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	check(ioctl(cpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

int main(void)
{
	int dev = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = create_vm(dev);
	int cpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int size = check(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), "run size");
	struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
				   MAP_SHARED, cpu, 0);

	set_cpuid(dev, cpu);
	set_entry(cpu);
	for (;;) {
		check(ioctl(cpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "exit %u\n", run->exit_reason);
			return 1;
		}
		check((int)write(1, (char *)run + run->io.data_offset, 1),
		      "write");
	}
}
