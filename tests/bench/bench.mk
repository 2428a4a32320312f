# What minivmm costs, beside others on the same host.

BENCH := $(O)/tests/bench
BENCH_PROGRAMS := $(addprefix $(BENCH)/,first-byte bare-kvm blk-run ring-file \
	tsc-khz)
BENCH_GUESTS := $(addprefix $(BENCH)/,first_byte int_loop blk-ring)

$(BENCH_PROGRAMS): $(BENCH)/%: tests/bench/%.c
	$(call say,LINK,$@)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) \
	$(LDFLAGS) -o $@ $< $(LDLIBS)
# The floor: no dynamic loader either.
$(BENCH)/bare-kvm: override LDFLAGS += -static

$(BENCH)/first_byte $(BENCH)/int_loop: $(BENCH)/%: tests/bench/%.S \
		tests/bench/pvh_note.S tests/bench/first_byte.lds
	$(call say,GUEST,$<)mkdir -p $(@D) && $(CC) -I. $(GUEST_LDFLAGS) \
	-Wl,-T,tests/bench/first_byte.lds -o $@ $<

$(BENCH)/blk-ring: tests/bench/blk-ring.c tests/bench/pvh_start.S \
		$(GUEST_LIB) $(wildcard tests/guest/lib/*.h) tests/bench/pvh.lds
	$(call say,GUEST,$<)mkdir -p $(@D) && $(CC) $(GUEST_CFLAGS) \
	$(GUEST_LDFLAGS) -Wl,-T,tests/bench/pvh.lds -o $@ \
	$(filter %.c %.S,$^)

$(BENCH)/switch-rate: tests/bench/switch-rate.c $(O)/libminivmm.a
	$(call say,LINK,$@)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) \
	$(LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: bench bench-software bench-switch bench-net
bench: $(O)/minivmm $(BENCH_PROGRAMS) $(BENCH_GUESTS)
	$(Q)MINIVMM=$(O)/minivmm tests/bench/bench.sh $(BENCH)
	$(Q)$(MAKE) $(quiet) --no-print-directory bench-switch
	$(Q)$(MAKE) $(quiet) --no-print-directory bench-software
	$(Q)$(MAKE) $(quiet) --no-print-directory bench-net
#:   bench          start, memory, disk requests, engines, beside other programs

# No guest: two threads are the ports.
bench-switch: $(O)/minivmm $(BENCH)/switch-rate
	$(Q)MINIVMM=$(O)/minivmm tests/bench/switch.sh $(BENCH)
#:   bench-switch   the switch alone, beside Linux's bridge and QEMU's hub

# Where Debian's images cannot be made, the rest is measured.
bench-software: $(O)/minivmm $(BENCH_PROGRAMS) $(BENCH_GUESTS)
	$(Q)$(MAKE) $(quiet) --no-print-directory guest-images || :
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) tests/bench/software.sh $(BENCH)
#:   bench-software the last of these: without KVM, beside QEMU's TCG

bench-net: $(O)/minivmm
	$(Q)$(MAKE) $(quiet) --no-print-directory guest-images $(GUEST)/net-tools.gz || :
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) tests/bench/net.sh
#:   bench-net      a guest's network, beside QEMU's
