/* SPDX-License-Identifier: MIT */
/*
 * ops.h - every instruction that has a meaning: one x86_do_<name>() each.
 *
 * Names are the SDM's; where one opcode's operands mean different work
 * (imul with one or three), the names differ too.
 */
#ifndef MINIVMM_VCPU_X86_OPS_H
#define MINIVMM_VCPU_X86_OPS_H

/* clang-format off */
#define X86_OPS(X) \
	X(ud) \
	/* alu.c */ \
	X(add) X(or) X(adc) X(sbb) X(and) X(sub) X(xor) X(cmp) X(test) \
	X(inc) X(dec) X(not) X(neg) \
	/* muldiv.c */ \
	X(mul) X(imul) X(imul2) X(imul3) X(div) X(idiv) \
	X(daa) X(das) X(aaa) X(aas) X(aam) X(aad) \
	/* shift.c */ \
	X(rol) X(ror) X(rcl) X(rcr) X(shl) X(shr) X(sar) X(shld) X(shrd) \
	/* bits.c */ \
	X(bt) X(bts) X(btr) X(btc) X(bsf) X(bsr) X(tzcnt) X(lzcnt) X(popcnt) \
	X(bswap) X(crc32) X(andn) X(bextr) X(blsr) X(blsmsk) X(blsi) \
	X(bzhi) X(pdep) X(pext) X(mulx) X(rorx) X(sarx) X(shlx) X(shrx) \
	/* move.c */ \
	X(mov) X(mov_moffs_load) X(mov_moffs_store) X(movzx) X(movsx) \
	X(movsxd) X(lea) X(xchg) X(xadd) X(cmpxchg) X(cmpxchg8b) X(movbe) \
	X(cmovcc) X(setcc) X(cbw) X(cwd) X(xlat) X(movnti) \
	X(nop) X(pause) X(fence) X(prefetch) X(rdrand) X(rdseed) \
	/* stack.c */ \
	X(push) X(pop) X(push_imm) X(pusha) X(popa) X(pushf) X(popf) \
	X(enter) X(leave) X(lahf) X(sahf) X(clc) X(stc) X(cmc) X(cld) X(std) \
	/* flow.c */ \
	X(jmp) X(jcc) X(call) X(jmp_ind) X(call_ind) X(ret) X(loop) X(loope) \
	X(loopne) X(jrcxz) X(bound) X(salc) \
	/* string.c */ \
	X(movs) X(cmps) X(scas) X(lods) X(stos) X(ins) X(outs) \
	/* io.c */ \
	X(in) X(out) \
	/* far.c */ \
	X(jmp_far) X(call_far) X(jmp_far_ind) X(call_far_ind) X(ret_far) \
	/* segment.c */ \
	X(mov_to_sreg) X(mov_from_sreg) X(push_sreg) X(pop_sreg) X(lds) \
	X(lar) X(lsl) X(verr) X(verw) X(arpl) \
	X(sgdt) X(sidt) X(lgdt) X(lidt) X(sldt) X(str) X(lldt) X(ltr) \
	/* exception.c */ \
	X(int) X(int3) X(int1) X(into) X(iret) \
	/* syscall.c */ \
	X(syscall) X(sysret) X(sysenter) X(sysexit) X(swapgs) \
	/* system.c */ \
	X(hlt) X(cli) X(sti) X(smsw) X(lmsw) X(clts) X(mov_from_cr) \
	X(mov_to_cr) X(mov_from_dr) X(mov_to_dr) X(invlpg) X(invpcid) \
	X(invd) X(wbinvd) X(clflush) X(clac) X(stac) X(rdfsbase) X(wrfsbase) \
	X(vmcall) X(rdpmc) X(monitor) \
	/* msr.c, cpuid.c */ \
	X(rdmsr) X(wrmsr) X(rdtsc) X(rdtscp) X(cpuid) \
	/* fpu.c */ \
	X(x87) X(sse) X(emms) X(maskmov) X(fxsave) X(fxrstor) X(ldmxcsr) \
	X(stmxcsr) X(xsave) X(xrstor) X(xgetbv) X(xsetbv) X(fwait) \
	X(avx) \
	/* engines' own: the end of a block of decoded instructions */ \
	X(block_end)
/* clang-format on */

#endif
