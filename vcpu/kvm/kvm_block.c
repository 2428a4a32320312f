// SPDX-License-Identifier: MIT
/*
 * kvm_block.c - decoded instructions of the guest, kept for the next time.
 */
#include "vcpu/kvm/kvm_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "vcpu/x86/fetch.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

#define PLACES 16384u

struct kvm_blocks {
	struct kvm_block *place; /* index: hash of the address */
	struct kvm_block single;
};

int kvm_blocks_create(struct kvm_blocks **out)
{
	struct kvm_blocks *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return -ENOMEM;
	b->place =
		mmap(NULL, PLACES * sizeof(*b->place), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->place == MAP_FAILED) {
		free(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

void kvm_blocks_destroy(struct kvm_blocks *b)
{
	if (!b)
		return;
	munmap(b->place, PLACES * sizeof(*b->place));
	free(b);
}

static void put_end(struct kvm_block *block)
{
	const struct x86_insn *last = &block->insn[block->nr - 1];
	struct x86_insn *end = &block->insn[block->nr];

	if (last->flags & X86_F_END)
		return;
	*end = (struct x86_insn){
		.op = X86_OP_block_end,
		.flags = (uint8_t)(X86_F_END | (last->flags & X86_F_CODE64)),
	};
	x86_bind_fast(end);
	x86_insn_set_off(end, block->len);
}

const struct kvm_block *kvm_block_single(struct kvm_blocks *b,
					 struct x86_cpu *cpu)
{
	struct kvm_block *block = &b->single;

	x86_fetch_insn(cpu, &block->insn[0]);
	x86_bind_fast(&block->insn[0]);
	x86_insn_set_off(&block->insn[0], 0);
	block->nr = 1;
	block->len = block->insn[0].len;
	put_end(block);
	return block;
}

/* As many as there are in the block's own copy of the code. */
static void decode(struct kvm_block *block, size_t room)
{
	block->nr = 0;
	block->len = 0;
	while (block->nr < KVM_BLOCK_INSNS) {
		struct x86_insn *in = &block->insn[block->nr];

		if (x86_decode(in, block->bytes + block->len, room - block->len,
			       block->mode))
			break;
		x86_bind_fast(in);
		x86_insn_set_off(in, block->len);
		block->len = (uint8_t)(block->len + in->len);
		block->nr++;
		if (in->flags & X86_F_END)
			break;
	}
	if (block->nr)
		put_end(block);
}

static bool is_current(const struct kvm_block *block, gpa_t gpa, uint8_t mode,
		       const uint8_t *code)
{
	return block->nr && block->gpa == gpa && block->mode == mode &&
	       !memcmp(block->bytes, code, block->len);
}

const struct kvm_block *kvm_block_find(struct kvm_blocks *b,
				       struct x86_cpu *cpu)
{
	struct kvm_block *block;
	const uint8_t *code;
	size_t room;
	gpa_t gpa;

	x86_check_rip(cpu);
	code = x86_fetch_ptr(cpu, x86_code_lin(cpu, cpu->rip), &gpa);
	if (X86_UNLIKELY(!code))
		return kvm_block_single(b, cpu);
	block = &b->place[(gpa ^ gpa >> 14) % PLACES];
	if (X86_LIKELY(is_current(block, gpa, cpu->mode, code)))
		return block;

	room = min_u64(X86_PAGE - gpa % X86_PAGE, KVM_BLOCK_BYTES);
	memcpy(block->bytes, code, room);
	block->gpa = gpa;
	block->mode = cpu->mode;
	decode(block, room);
	return block->nr ? block : kvm_block_single(b, cpu);
}
