// SPDX-License-Identifier: MIT
/*
 * interp_block.c - one vCPU's cache of decoded blocks.
 *
 * How it works. A block is the instructions from one address to the next
 * transfer of control, the end of the page or INTERP_BLOCK_MAX, decoded and
 * bound once. It is found by guest-physical address, so that neither an
 * address space switch nor another mapping of the page decodes it again, and
 * it is dead when its page has another generation (interp_code.c).
 *
 *   table[hash(gpa)] -> { gpa, mode, gen, insn 0, insn 1, ..., end }
 *
 * Blocks lie one after the other in an arena; when it is full, all are
 * forgotten at once.
 *
 * Most jumps of 64-bit and of flat 32-bit code are found without a look at the TLB, in a cache by
 * linear address. Its entries are of one generation of the TLB; what changes
 * translations without a new one forgets them all.
 *
 * An instruction that crosses into the next page is decoded each time: which
 * page that is, its physical address does not say.
 */
#include "vcpu/interp/interp_int.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vcpu/x86/fetch.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

#define TABLE_SIZE (64u << 10)
#define ARENA_SIZE (48u << 20)
#define BLOCK_ROOM                     \
	(sizeof(struct interp_block) + \
	 INTERP_BLOCK_MAX * sizeof(struct x86_insn))

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int interp_blocks_init(struct interp_blocks *b)
{
	b->used = 0;
	b->table = map(TABLE_SIZE * sizeof(b->table[0]));
	b->arena = map(ARENA_SIZE);
	b->single = map(BLOCK_ROOM);
	return b->table && b->arena && b->single ? 0 : -ENOMEM;
}

void interp_blocks_fini(struct interp_blocks *b)
{
	if (b->table)
		munmap(b->table, TABLE_SIZE * sizeof(b->table[0]));
	if (b->arena)
		munmap(b->arena, ARENA_SIZE);
	if (b->single)
		munmap(b->single, BLOCK_ROOM);
}

static struct interp_block **find_slot(struct interp_blocks *b, gpa_t gpa)
{
	return &b->table[(gpa ^ gpa >> 16) % TABLE_SIZE];
}

void interp_blocks_forget_jumps(struct interp_blocks *b)
{
	memset(b->jump, 0, sizeof(b->jump));
}

/* Room for the largest block; the rest of it is given back by keep(). */
static struct interp_block *new_block(struct interp_blocks *b)
{
	if (ARENA_SIZE - b->used < BLOCK_ROOM) {
		memset(b->table, 0, TABLE_SIZE * sizeof(b->table[0]));
		interp_blocks_forget_jumps(b);
		b->used = 0;
	}
	return (struct interp_block *)(void *)(b->arena + b->used);
}

static void keep(struct interp_blocks *b, struct interp_block *block,
		 unsigned int nr)
{
	*find_slot(b, block->gpa) = block;
	b->used += sizeof(*block) + nr * sizeof(block->insn[0]);
}

static void bind(struct x86_insn *in, uint64_t off)
{
	x86_bind_fast(in);
	x86_insn_set_off(in, (uint16_t)off);
}

/* The synthetic end, @off bytes after the block's start. */
static void put_end(struct x86_insn *in, const struct x86_insn *last,
		    uint64_t off)
{
	*in = (struct x86_insn){
		.op = X86_OP_block_end,
		.flags = (uint8_t)(X86_F_END | (last->flags & X86_F_CODE64)),
	};
	bind(in, off);
}

const struct interp_block *interp_block_single(struct interp_vcpu *v)
{
	struct interp_block *block = v->blocks.single;
	struct x86_cpu *cpu = &v->cpu;

	x86_fetch_insn(cpu, &block->insn[0]);
	bind(&block->insn[0], 0);
	block->nr = 1;
	put_end(&block->insn[1], &block->insn[0], block->insn[0].len);
	return block;
}

/* Decode from the @room bytes at @code; the instructions, 0: none fits. */
static unsigned int decode(struct interp_block *block, const uint8_t *code,
			   size_t room)
{
	unsigned int nr = 0;
	size_t off = 0;

	while (nr < INTERP_BLOCK_MAX - 1) {
		struct x86_insn *in = &block->insn[nr];

		if (x86_decode(in, code + off, room - off, block->mode))
			break;
		bind(in, off);
		off += in->len;
		nr++;
		block->nr = (uint8_t)nr;
		if (in->flags & X86_F_END)
			return nr;
	}
	if (!nr)
		return 0;
	put_end(&block->insn[nr], &block->insn[nr - 1], off);
	return nr + 1;
}

static const struct interp_block *make(struct interp_vcpu *v,
				       const uint8_t *code, gpa_t gpa)
{
	struct interp_code *c = &interp_of_vcpu(v)->code;
	struct interp_block *block = new_block(&v->blocks);
	unsigned int nr;

	block->gpa = gpa;
	block->page = interp_page(c, gpa);
	block->mode = v->cpu.mode;
	block->gen = atomic_load(&c->gen[block->page]);
	interp_code_begin(v, block->page);
	nr = decode(block, code, X86_PAGE - gpa % X86_PAGE);
	if (!nr)
		return interp_block_single(v);
	if (interp_code_may_keep(v, block->page))
		keep(&v->blocks, block, nr);
	return block;
}

static bool is_alive(const struct interp_code *c,
		     const struct interp_block *block)
{
	return block->gen ==
	       atomic_load_explicit(&c->gen[block->page], memory_order_relaxed);
}

static const struct interp_block *find_by_gpa(struct interp_vcpu *v)
{
	struct interp_code *c = &interp_of_vcpu(v)->code;
	struct x86_cpu *cpu = &v->cpu;
	const struct interp_block *block;
	const uint8_t *code;
	gpa_t gpa;

	x86_check_rip(cpu);
	code = x86_fetch_ptr(cpu, x86_code_lin(cpu, cpu->rip), &gpa);
	if (X86_UNLIKELY(!code))
		return interp_block_single(v);
	block = *find_slot(&v->blocks, gpa);
	if (X86_LIKELY(block && block->gpa == gpa && block->mode == cpu->mode &&
		       is_alive(c, block)))
		return block;
	return make(v, code, gpa);
}

/* Never 0. */
static uint64_t jump_key(const struct x86_cpu *cpu)
{
	return cpu->tlb_gen | (uint64_t)(cpu->cpl == 3) << 12 |
	       (uint64_t)cpu->mode << 13;
}

/* Else it takes the code segment to know what is executed at RIP. */
static bool rip_says_all(const struct x86_cpu *cpu)
{
	return cpu->mode == X86_MODE_64 || cpu->flat >> CPU_CS & 1;
}

const struct interp_block *interp_block_find(struct interp_vcpu *v)
{
	struct interp_code *c = &interp_of_vcpu(v)->code;
	struct x86_cpu *cpu = &v->cpu;
	struct interp_jump *j =
		&v->blocks.jump[(cpu->rip ^ cpu->rip >> 12) % INTERP_JUMPS];
	const struct interp_block *block;

	if (X86_UNLIKELY(!rip_says_all(cpu)))
		return find_by_gpa(v);
	if (X86_LIKELY(j->rip == cpu->rip && j->key == jump_key(cpu) &&
		       is_alive(c, j->block)))
		return j->block;
	block = find_by_gpa(v);
	/* Not what is gone after one execution. */
	if (*find_slot(&v->blocks, block->gpa) == block)
		*j = (struct interp_jump){ cpu->rip, jump_key(cpu), block };
	return block;
}
