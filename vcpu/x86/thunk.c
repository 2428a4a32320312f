// SPDX-License-Identifier: MIT
/*
 * thunk.c - writes and finds thunks.
 */
#include "vcpu/x86/thunk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define CODE_SIZE (1u << 20)
#define SLOT_SIZE 128u
#define NR_SLOTS  (CODE_SIZE / SLOT_SIZE)
#define HASH_SIZE (2 * NR_SLOTS)

struct x86_thunks {
	uint8_t *write; /* the same pages twice */
	uint8_t *exec;
	unsigned int used;
	struct x86_thunk_key key[NR_SLOTS];
	uint16_t hash[HASH_SIZE]; /* slot + 1, or 0 */
};

int x86_thunks_create(struct x86_thunks **out)
{
	struct x86_thunks *t = calloc(1, sizeof(*t));
	int fd, err;

	*out = NULL;
	if (!t)
		return -ENOMEM;
	t->write = t->exec = MAP_FAILED;
	fd = memfd_create("thunks", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, CODE_SIZE) < 0)
		goto fail;
	t->write = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			0);
	t->exec =
		mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (t->write == MAP_FAILED || t->exec == MAP_FAILED)
		goto fail;
	fd_close(&fd);
	*out = t;
	return 0;

fail:
	err = -errno;
	log_err("memory for generated code: %s", strerror(-err));
	fd_close(&fd);
	x86_thunks_destroy(t);
	return err;
}

void x86_thunks_destroy(struct x86_thunks *t)
{
	if (!t)
		return;
	if (t->write != MAP_FAILED)
		munmap(t->write, CODE_SIZE);
	if (t->exec != MAP_FAILED)
		munmap(t->exec, CODE_SIZE);
	free(t);
}

struct emitter {
	uint8_t *p;
};

static void emit(struct emitter *e, const char *bytes, size_t n)
{
	memcpy(e->p, bytes, n);
	e->p += n;
}

#define EMIT(e, bytes) emit(e, bytes, sizeof(bytes) - 1)

static void emit32(struct emitter *e, uint32_t v)
{
	memcpy(e->p, &v, 4);
	e->p += 4;
}

#define AT(member) ((uint32_t)offsetof(struct x86_thunk_args, member))

/* @bytes end in the opcode; the operand is [rdi + off] with @reg. */
static void emit_mem(struct emitter *e, const char *bytes, size_t n,
		     unsigned int reg, uint32_t off)
{
	emit(e, bytes, n);
	*e->p++ = (uint8_t)(0x87 | reg << 3);
	emit32(e, off);
}

#define EMIT_MEM(e, bytes, reg, off) \
	emit_mem(e, bytes, sizeof(bytes) - 1, reg, off)

#define MOVUPS_LOAD  "\x0f\x10"
#define MOVUPS_STORE "\x0f\x11"
#define MOV_LOAD     "\x48\x8b"
#define MOV_STORE    "\x48\x89"
#define GRP_AE	     "\x0f\xae"	    /* /2 LDMXCSR, /3 STMXCSR */
#define FX64	     "\x48\x0f\xae" /* /0 FXSAVE64, /1 FXRSTOR64 */
#define PUSH_MEM     "\xff"	    /* /6 */
#define POP_MEM	     "\x8f"	    /* /0 */

static void emit_loads(struct emitter *e, unsigned int flags)
{
	if (flags & X86_THUNK_FX) {
		EMIT_MEM(e, GRP_AE, 3, AT(host_mxcsr));
		EMIT_MEM(e, FX64, 1, AT(fx));
	}
	if (flags & X86_THUNK_MXCSR) {
		EMIT_MEM(e, GRP_AE, 3, AT(host_mxcsr));
		EMIT_MEM(e, GRP_AE, 2, AT(mxcsr));
	}
	if (flags & X86_THUNK_XMM0)
		EMIT_MEM(e, MOVUPS_LOAD, 0, AT(xmm0));
	if (flags & X86_THUNK_REG)
		EMIT_MEM(e, MOVUPS_LOAD, 1, AT(reg));
	if (flags & X86_THUNK_RM)
		EMIT_MEM(e, MOVUPS_LOAD, 2, AT(rm));
	if (flags & X86_THUNK_FLAGS) {
		EMIT_MEM(e, PUSH_MEM, 6, AT(flags));
		EMIT(e, "\x9d"); /* popf */
	}
	if (flags & X86_THUNK_GPR) {
		EMIT_MEM(e, MOV_LOAD, 0, AT(rax));
		EMIT_MEM(e, MOV_LOAD, 1, AT(rcx));
		EMIT_MEM(e, MOV_LOAD, 2, AT(rdx));
	}
}

static void emit_stores(struct emitter *e, unsigned int flags)
{
	if (flags & X86_THUNK_GPR) {
		EMIT_MEM(e, MOV_STORE, 0, AT(rax));
		EMIT_MEM(e, MOV_STORE, 1, AT(rcx));
	}
	if (flags & X86_THUNK_FLAGS) {
		EMIT(e, "\x9c"); /* pushf */
		EMIT_MEM(e, POP_MEM, 0, AT(flags));
	}
	if (flags & X86_THUNK_RM)
		EMIT_MEM(e, MOVUPS_STORE, 2, AT(rm));
	if (flags & X86_THUNK_REG)
		EMIT_MEM(e, MOVUPS_STORE, 1, AT(reg));
	if (flags & X86_THUNK_XMM0)
		EMIT_MEM(e, MOVUPS_STORE, 0, AT(xmm0));
	if (flags & X86_THUNK_MXCSR) {
		EMIT_MEM(e, GRP_AE, 3, AT(mxcsr));
		EMIT_MEM(e, GRP_AE, 2, AT(host_mxcsr));
	}
	if (flags & X86_THUNK_FX) {
		EMIT_MEM(e, FX64, 0, AT(fx));
		EMIT(e, "\xdb\xe3"); /* fninit */
		EMIT_MEM(e, GRP_AE, 2, AT(host_mxcsr));
	}
}

static void emit_insn(struct emitter *e, const struct x86_thunk_key *k)
{
	static const char *const escape[] = { "", "\x0f", "\x0f\x38",
					      "\x0f\x3a" };

	if (k->prefix)
		*e->p++ = k->prefix;
	if (k->rex)
		*e->p++ = k->rex;
	emit(e, escape[k->map], strlen(escape[k->map]));
	*e->p++ = k->opcode;
	if (k->modrm >= 0xc0) {
		*e->p++ = k->modrm;
	} else {
		*e->p++ = (uint8_t)(0x87 | (k->modrm & 0x38));
		emit32(e, AT(mem));
	}
	if (k->flags & X86_THUNK_IMM)
		*e->p++ = k->imm;
}

static void write_thunk(uint8_t *p, const struct x86_thunk_key *k)
{
	struct emitter e = { p };

	emit_loads(&e, k->flags);
	emit_insn(&e, k);
	emit_stores(&e, k->flags);
	EMIT(&e, "\xc3");
}

static uint32_t hash_of(const struct x86_thunk_key *key)
{
	uint64_t v;

	memcpy(&v, key, sizeof(v));
	return (uint32_t)(v * 0x9e3779b97f4a7c15ull >> 40) % HASH_SIZE;
}

static unsigned int add_slot(struct x86_thunks *t,
			     const struct x86_thunk_key *key)
{
	/* Full of encodings of a guest that tries them all: start again. */
	if (t->used == NR_SLOTS) {
		t->used = 0;
		memset(t->hash, 0, sizeof(t->hash));
	}
	t->key[t->used] = *key;
	write_thunk(t->write + t->used * SLOT_SIZE, key);
	return t->used++;
}

static unsigned int find_slot(struct x86_thunks *t,
			      const struct x86_thunk_key *key)
{
	uint32_t h = hash_of(key);
	unsigned int slot;

	for (; t->hash[h]; h = (h + 1) % HASH_SIZE) {
		slot = t->hash[h] - 1u;
		if (!memcmp(&t->key[slot], key, sizeof(*key)))
			return slot;
	}
	slot = add_slot(t, key);
	/* add_slot() may have emptied the table. */
	for (h = hash_of(key); t->hash[h];)
		h = (h + 1) % HASH_SIZE;
	t->hash[h] = (uint16_t)(slot + 1);
	return slot;
}

typedef void thunk_fn(struct x86_thunk_args *args);

void x86_thunk_run(struct x86_thunks *t, const struct x86_thunk_key *key,
		   struct x86_thunk_args *args)
{
	thunk_fn *fn;
	const uint8_t *code = t->exec + find_slot(t, key) * SLOT_SIZE;

	_Static_assert(sizeof(*key) == 8, "hashed as one word");
	memcpy(&fn, &code, sizeof(fn));
	fn(args);
	__asm__ volatile("" ::: "memory", "xmm0", "xmm1", "xmm2", "st");
}
