# What minivmm costs, beside others on the same host.

BENCH := $(O)/tests/bench
BENCH_PROGRAMS := $(addprefix $(BENCH)/,first-byte bare-kvm blk-run ring-file)
BENCH_GUESTS := $(addprefix $(BENCH)/,first_byte blk-ring)

$(BENCH_PROGRAMS): $(BENCH)/%: tests/bench/%.c
	$(call say,LINK,$@)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) \
	$(LDFLAGS) -o $@ $< $(LDLIBS)
# The floor: no dynamic loader either.
$(BENCH)/bare-kvm: override LDFLAGS += -static

$(BENCH)/first_byte: tests/bench/first_byte.S tests/bench/first_byte.lds
	$(call say,GUEST,$<)mkdir -p $(@D) && $(CC) $(GUEST_LDFLAGS) \
	-Wl,-T,tests/bench/first_byte.lds -o $@ $<

$(BENCH)/blk-ring: tests/bench/blk-ring.c $(GUEST_LIB) \
		$(wildcard tests/guest/lib/*.h) tests/guest/lib/guest.lds
	$(call say,GUEST,$<)mkdir -p $(@D) && $(CC) $(GUEST_CFLAGS) \
	$(GUEST_LDFLAGS) -Wl,-T,tests/guest/lib/guest.lds -o $@ $< $(GUEST_LIB)

.PHONY: bench
bench: $(O)/minivmm $(BENCH_PROGRAMS) $(BENCH_GUESTS)
	$(Q)MINIVMM=$(O)/minivmm tests/bench/bench.sh $(BENCH)
#:   bench          start, memory, disk requests, beside other programs
