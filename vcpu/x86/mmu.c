// SPDX-License-Identifier: MIT
/*
 * mmu.c - page table walks (SDM 3A, chapter 4).
 *
 * How it works. One loop serves 2, 3 and 4 levels: a level is the shift of
 * the linear address and the size of an entry. Rights are gathered on the
 * way down; accessed and dirty bits are set with compare-and-swap once the
 * whole walk is known to be allowed, and the walk starts again when another
 * CPU changed an entry meanwhile.
 */
#include "vcpu/x86/mmu.h"

#include "memory/ram.h"
#include "vcpu/x86/mem.h"

#define PTE_P	0x001ull
#define PTE_W	0x002ull
#define PTE_U	0x004ull
#define PTE_A	0x020ull
#define PTE_D	0x040ull
#define PTE_PS	0x080ull
#define PTE_NX	(1ull << 63)
#define ERR_P	0x01u
#define ERR_RSV 0x08u

struct walk {
	struct x86_cpu *cpu;
	uint64_t lin;
	unsigned int access;
	unsigned int entry_size; /* 4 or 8 */
	void *entry[4];		 /* of each level, for A and D */
	gpa_t entry_gpa[4];
	uint64_t value[4];
	unsigned int levels;
	uint64_t rights; /* W, U of all levels; NX of any */
	gpa_t gpa;
};

enum walk_result {
	WALK_OK,
	WALK_NOT_PRESENT,
	WALK_RESERVED,
	WALK_DENIED,
	WALK_AGAIN,
};

/* Bits that must be 0 in an 8-byte entry at @shift. */
static uint64_t reserved_bits(const struct walk *w, unsigned int shift,
			      uint64_t pte, bool leaf)
{
	uint64_t rsv = ~w->cpu->phys_mask & ~(0xfffull << 52) & ~0xfffull;

	if (!(w->cpu->st.efer & X86_EFER_NXE))
		rsv |= PTE_NX;
	if (!w->cpu->long_mode)
		rsv |= 0x7ffull << 52;
	if (shift == 39)
		rsv |= PTE_PS;
	if (leaf && pte & PTE_PS && shift > 12)
		rsv |= ((1ull << shift) - 1) & ~0x1fffull;
	return rsv;
}

static bool is_leaf(const struct walk *w, unsigned int shift, uint64_t pte)
{
	if (shift == 12)
		return true;
	if (!(pte & PTE_PS))
		return false;
	if (w->entry_size == 4)
		return w->cpu->st.cr4 & X86_CR4_PSE;
	return shift == 21 || (shift == 30 && w->cpu->long_mode);
}

/* The address in a leaf. 4 MiB pages: PSE-36 gives bits 39:32. */
static gpa_t leaf_gpa(const struct walk *w, unsigned int shift, uint64_t pte)
{
	uint64_t low = (1ull << shift) - 1;

	if (w->entry_size == 8)
		return (pte & w->cpu->phys_mask & ~low) | (w->lin & low);
	if (shift == 22)
		return (pte & 0xffc00000) | (pte >> 13 & 0xff) << 32 |
		       (w->lin & low);
	return (pte & 0xfffff000) | (w->lin & low);
}

static gpa_t entry_gpa(const struct walk *w, gpa_t table, unsigned int shift)
{
	uint64_t bits = w->entry_size == 4 ? 10 : 9, index;

	index = w->lin >> shift & ((1ull << bits) - 1);
	if (shift == 30 && !w->cpu->long_mode)
		index &= 3;
	return table + index * w->entry_size;
}

static void gather(struct walk *w, uint64_t pte)
{
	w->rights = (w->rights & pte & (PTE_W | PTE_U)) |
		    ((w->rights | pte) & PTE_NX);
}

/* Down from the root; tables outside RAM read as all ones would: reserved. */
static enum walk_result descend(struct walk *w, gpa_t table, unsigned int shift)
{
	unsigned int step = w->entry_size == 4 ? 10 : 9;

	for (;; shift -= step) {
		bool pae_top = shift == 30 && !w->cpu->long_mode;
		gpa_t gpa = entry_gpa(w, table, shift);
		void *p = ram_ptr(w->cpu->ram, gpa, w->entry_size);
		uint64_t pte;
		bool leaf;

		if (!p)
			return WALK_RESERVED;
		pte = x86_load(p, w->entry_size);
		if (!(pte & PTE_P))
			return WALK_NOT_PRESENT;
		leaf = is_leaf(w, shift, pte) && !pae_top;
		if (w->entry_size == 8 &&
		    pte & reserved_bits(w, shift, pte, leaf))
			return WALK_RESERVED;
		if (!pae_top) {
			gather(w, pte);
			w->entry[w->levels] = p;
			w->entry_gpa[w->levels] = gpa;
			w->value[w->levels++] = pte;
		}
		if (leaf) {
			w->gpa = leaf_gpa(w, shift, pte);
			return WALK_OK;
		}
		table = pte &
			(w->entry_size == 4 ? 0xfffff000
					    : w->cpu->phys_mask & ~0xfffull);
	}
}

static bool allowed(const struct walk *w)
{
	const struct x86_cpu *cpu = w->cpu;
	bool user = w->access & X86_ACC_USER;

	if (user && !(w->rights & PTE_U))
		return false;
	if (w->access & X86_ACC_FETCH) {
		if (w->rights & PTE_NX)
			return false;
		return user || !(w->rights & PTE_U) ||
		       !(cpu->st.cr4 & X86_CR4_SMEP);
	}
	if (!(w->access & X86_ACC_WRITE) || w->rights & PTE_W)
		return true;
	return !user && !(cpu->st.cr0 & X86_CR0_WP);
}

/* Set A in every entry, D in the last one of a write. */
static enum walk_result mark(struct walk *w)
{
	unsigned int i;

	for (i = 0; i < w->levels; i++) {
		uint64_t want = w->value[i] | PTE_A;

		if (i == w->levels - 1 && w->access & X86_ACC_WRITE)
			want |= PTE_D;
		if (want == w->value[i])
			continue;
		if (!x86_cas(w->entry[i], w->value[i], want, w->entry_size))
			return WALK_AGAIN;
		/* Behind the write: who fetches the dirty log must see it. */
		w->cpu->env->write_page(w->cpu,
					w->entry_gpa[i] & ~(X86_PAGE - 1));
	}
	return WALK_OK;
}

static enum walk_result walk_once(struct walk *w)
{
	const struct x86_cpu *cpu = w->cpu;
	enum walk_result res;

	w->levels = 0;
	w->rights = PTE_W | PTE_U;
	w->entry_size = cpu->st.cr4 & X86_CR4_PAE ? 8 : 4;
	if (cpu->long_mode)
		res = descend(w, cpu->st.cr3 & cpu->phys_mask & ~0xfffull, 39);
	else if (w->entry_size == 8)
		res = descend(w, cpu->st.cr3 & 0xffffffe0, 30);
	else
		res = descend(w, cpu->st.cr3 & 0xfffff000, 22);
	if (res != WALK_OK)
		return res;
	return allowed(w) ? mark(w) : WALK_DENIED;
}

/* SDM 3A §4.7: I/D is reported only where fetches can be told apart. */
static uint32_t error_code(const struct walk *w, enum walk_result res)
{
	const struct x86_cpu *cpu = w->cpu;
	uint32_t err = w->access & (X86_ACC_WRITE | X86_ACC_USER);

	if (w->access & X86_ACC_FETCH &&
	    (cpu->st.cr4 & X86_CR4_SMEP ||
	     (cpu->st.efer & X86_EFER_NXE && cpu->st.cr4 & X86_CR4_PAE)))
		err |= X86_ACC_FETCH;
	if (res != WALK_NOT_PRESENT)
		err |= ERR_P;
	if (res == WALK_RESERVED)
		err |= ERR_RSV;
	return err;
}

int x86_translate(struct x86_cpu *cpu, uint64_t lin, unsigned int access,
		  gpa_t *gpa, uint32_t *error)
{
	struct walk w = { .cpu = cpu, .lin = lin, .access = access };
	enum walk_result res;

	if (!(cpu->st.cr0 & X86_CR0_PG)) {
		*gpa = lin;
		return 0;
	}
	do
		res = walk_once(&w);
	while (res == WALK_AGAIN);
	if (res != WALK_OK) {
		*error = error_code(&w, res);
		return -1;
	}
	*gpa = w.gpa;
	return 0;
}
