/* SPDX-License-Identifier: MIT */
/*
 * kvm.h - the engine that runs guests on the host's KVM.
 */
#ifndef MINIVMM_VCPU_KVM_KVM_H
#define MINIVMM_VCPU_KVM_KVM_H

#include "vcpu/engine.h"

extern const struct engine_ops kvm_engine_ops;

#endif
