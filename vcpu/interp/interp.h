/* SPDX-License-Identifier: MIT */
/*
 * interp.h - the engine that interprets: any x86-64 host, no privilege.
 *
 * It is the reference for the other engines: what an instruction means is
 * vcpu/x86/, here is only what makes instructions follow one another.
 */
#ifndef MINIVMM_VCPU_INTERP_INTERP_H
#define MINIVMM_VCPU_INTERP_INTERP_H

#include "vcpu/engine.h"

extern const struct engine_ops interp_engine_ops;

#endif
