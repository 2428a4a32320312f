// SPDX-License-Identifier: MIT
/*
 * blk-ring.c - a guest that drives the block ring as fast as it can.
 *
 * How it works. 32 requests of 4 KiB at random places are in flight, spread
 * over the queues; those that have come back are sent again in one batch, with
 * one doorbell when the device asks for it (event index), and completions are
 * polled for. The command line is "OPERATION COUNT QUEUES": r or w, how many,
 * over 1 to 4 queues. "B" goes to the serial line before the first and "E"
 * after the last.
 *
 * It starts by PVH (pvh_start.S), and finds the device of minivmm or that of
 * QEMU's microvm board, where the command line ends in "q".
 *
 * All that runs in ring 3, which may use the ports: hosts without hardware
 * virtualization run ring 3 natively, and ring 0 two thousand times slower.
 */
#include "memory/layout_x86.h"
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

#define DEPTH	    32
#define BLOCK	    4096u
#define F_FLUSH	    (1u << 9) /* or each write is flushed by itself */
#define F_INDIRECT  (1u << 28)
#define F_EVENT_IDX (1u << 29)

#define DESC_INDIRECT 4

#define QUEUES_MAX 4
#define F_MQ	   (1u << 12)

/* struct hvm_start_info of PVH */
#define START_INFO_CMDLINE 24

/* QEMU's microvm board */
#define MICROVM_BASE  0xfeb00000u
#define MICROVM_STEP  0x200u
#define MICROVM_SLOTS 24

#define PTE_USER 4

struct request {
	struct desc table[3];
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	uint8_t status;
} __attribute__((aligned(64)));

static struct queue queues[QUEUES_MAX];
static struct request requests[DEPTH];
static uint8_t data[DEPTH][BLOCK] __attribute__((aligned(4096)));

static uintptr_t blk;
static uint32_t operation;
static uint32_t count;
static uint32_t nr_queues;
static bool is_microvm;
static uint64_t blocks;
static uint64_t place = 1;

static uint32_t read_number(const char **s)
{
	uint32_t n = 0;

	while (**s == ' ')
		(*s)++;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		n = n * 10 + (uint32_t)(**s - '0');
	return n;
}

static void read_cmdline(void)
{
	const char *s = (const char *)(uintptr_t)(*(
		const uint64_t *)(boot_info + START_INFO_CMDLINE));

	operation = *s++ == 'w' ? BLK_OUT : BLK_IN;
	count = read_number(&s);
	nr_queues = read_number(&s);
	while (*s == ' ')
		s++;
	is_microvm = *s == 'q';
	expect(count > DEPTH && nr_queues && nr_queues <= QUEUES_MAX,
	       "a command line \"r|w COUNT QUEUES\"");
}

static void fill(uint16_t i)
{
	struct request *r = &requests[i];
	struct queue *q = &queues[i % nr_queues];
	uint16_t in = operation == BLK_IN ? DESC_WRITE : 0;

	r->header.type = operation;
	r->table[0] = (struct desc){ (uintptr_t)&r->header, 16, DESC_NEXT, 1 };
	r->table[1] = (struct desc){ (uintptr_t)data[i], BLOCK,
				     (uint16_t)(DESC_NEXT | in), 2 };
	r->table[2] = (struct desc){ (uintptr_t)&r->status, 1, DESC_WRITE, 0 };
	q->desc[i] = (struct desc){ (uintptr_t)r->table, sizeof(r->table),
				    DESC_INDIRECT, 0 };
}

/* Into the ring, not yet visible. */
static void queue_request(struct queue *q, uint16_t i, uint16_t at)
{
	place = place * 6364136223846793005u + 1442695040888963407u;
	requests[i].header.sector = (place >> 33) % blocks * (BLOCK / 512);
	q->avail.ring[at % QUEUE_SIZE] = i;
}

/* All up to @to become visible; virtio 1.2 §2.7.10 says when to notify. */
static void publish(struct queue *q, uint16_t from, uint16_t to)
{
	barrier();
	*(volatile uint16_t *)&q->avail.idx = to;
	asm volatile("mfence" : : : "memory");
	if ((uint16_t)(to - *(volatile uint16_t *)&q->used.event - 1) <
	    (uint16_t)(to - from))
		mmio_write(blk + REG_QUEUE_NOTIFY, (uint32_t)(q - queues));
}

/* guest_exit() of ring 3, which may not halt. */
static void leave(uint8_t status)
{
	outb(PORT_DEBUG_EXIT, status);
	for (;;)
		asm volatile("pause");
}

/* Take what has come back of @q and send as many again; how many came. */
static uint32_t serve(struct queue *q, uint32_t *sent)
{
	uint16_t used = *(volatile uint16_t *)&q->used.idx, i;
	uint16_t before = q->avail.idx, avail = before;
	uint32_t n = 0;

	if (used == q->seen_used)
		return 0;
	barrier();
	for (; q->seen_used != used; q->seen_used++, n++) {
		i = (uint16_t)q->used.ring[q->seen_used % QUEUE_SIZE].id;
		if (requests[i].status)
			leave(2);
		if ((*sent)++ < count)
			queue_request(q, i, avail++);
	}
	/* No interrupts: the next one is always far away. */
	q->avail.event = (uint16_t)(used + 0x7fff);
	if (avail != before)
		publish(q, before, avail);
	return n;
}

static void drive(void)
{
	uint32_t sent = DEPTH, done = 0, came, n;
	uint16_t i;

	put_char('B');
	for (n = 0; n < nr_queues; n++) {
		uint16_t avail = 0;

		for (i = (uint16_t)n; i < DEPTH; i = (uint16_t)(i + nr_queues))
			queue_request(&queues[n], i, avail++);
		publish(&queues[n], 0, avail);
	}
	while (done < count) {
		came = 0;
		for (n = 0; n < nr_queues; n++)
			came += serve(&queues[n], &sent);
		if (!came)
			asm volatile("pause");
		done += came;
	}
	put_char('E');
	leave(0);
}

/* One 2 MiB page of the boot page tables, and the tables above it. */
static void allow_user(uint64_t addr)
{
	uint64_t *pml4 = (uint64_t *)(uintptr_t)LAYOUT_PAGE_TABLES;
	uint64_t *pdpt = pml4 + 512;
	uint64_t *dirs = pdpt + 512;

	pml4[0] |= PTE_USER;
	pdpt[addr >> 30] |= PTE_USER;
	dirs[addr >> 21] |= PTE_USER;
}

/* A task state whose I/O bitmap, all zero, allows the ports below 0x400. */
static struct {
	uint32_t reserved0;
	uint64_t stacks[3];
	uint64_t reserved1[9];
	uint16_t reserved2, bitmap_at;
	uint8_t bitmap[0x400 / 8 + 1];
} __attribute__((packed)) tss;

enum {
	SEL_CODE = 0x10, /* as at boot */
	SEL_DATA3 = 0x20 | 3,
	SEL_CODE3 = 0x28 | 3,
	SEL_TSS = 0x30,
};

static uint64_t gdt[8] = {
	[SEL_CODE / 8] = 0x00af9b000000ffff,
	[SEL_DATA3 / 8] = 0x00cff3000000ffff,
	[SEL_CODE3 / 8] = 0x00affb000000ffff,
};

static void load_tables(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };
	uint64_t base = (uintptr_t)&tss;

	tss.bitmap_at = (uint16_t)((uintptr_t)tss.bitmap - base);
	tss.bitmap[sizeof(tss.bitmap) - 1] = 0xff;
	gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
			   0x89ull << 40 | (base >> 24 & 0xff) << 56;
	asm volatile("lgdt %0\n\t"
		     "ltr %w1\n\t"
		     "mov %%cr3, %%rax\n\t"
		     "mov %%rax, %%cr3"
		     :
		     : "m"(gdtr), "r"(SEL_TSS)
		     : "rax", "memory");
}

/* Go on in ring 3, at fn(), without interrupts. */
static void enter_ring3(void (*fn)(void))
{
	static uint8_t stack[4096] __attribute__((aligned(16)));

	asm volatile("pushq %0\n\t"
		     "pushq %1\n\t"
		     "pushq $2\n\t"
		     "pushq %2\n\t"
		     "pushq %3\n\t"
		     "iretq"
		     :
		     : "i"(SEL_DATA3), "r"(stack + sizeof(stack) - 8),
		       "i"(SEL_CODE3), "r"(fn)
		     : "memory");
	__builtin_unreachable();
}

static uintptr_t find_blk(void)
{
	uintptr_t base = MICROVM_BASE;

	if (!is_microvm)
		return virtio_find(BLK_ID);
	for (int i = 0; i < MICROVM_SLOTS; i++, base += MICROVM_STEP)
		if (mmio_read(base + REG_DEVICE_ID) == BLK_ID)
			return base;
	return 0;
}

int guest_main(void)
{
	uint32_t features = F_FLUSH | F_INDIRECT | F_EVENT_IDX, n;
	uint16_t i;

	read_cmdline();
	blk = find_blk();
	expect(blk != 0, "a block device");
	if (nr_queues > 1)
		features |= F_MQ;
	expect(virtio_start_queues(blk, queues, nr_queues, features),
	       "it starts");
	blocks = mmio_read(blk + REG_CONFIG) / (BLOCK / 512);
	for (n = 0; n < nr_queues; n++)
		queues[n].avail.event = 0x7fff;
	for (i = 0; i < DEPTH; i++)
		fill(i);

	allow_user(LAYOUT_KERNEL);
	allow_user(0);
	allow_user(blk);
	load_tables();
	enter_ring3(drive);
	return 1;
}
