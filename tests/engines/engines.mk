# Instruction semantics against the host's CPU.

DIFF_SRCS := $(filter-out %/x86-diff.c,$(sort $(wildcard tests/engines/*.c)))
DIFF_OBJS := $(DIFF_SRCS:%.c=$(O)/%.o) $(O)/tests/engines/native_entry.o
DIFF_LIBS := $(if $(wildcard /usr/include/Zydis/Zydis.h),-lZydis)

$(O)/tests/engines/%.o: tests/engines/%.S
	$(call say,AS,$<)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(O)/tests/unit/test_x86_diff: $(DIFF_OBJS)
$(O)/tests/unit/test_x86_diff: UNIT_LIBS = $(O)/libminivmm.a $(DIFF_LIBS)

$(O)/x86-diff: $(O)/tests/engines/x86-diff.o $(DIFF_OBJS) $(O)/libminivmm.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DIFF_LIBS) \
	$(LDLIBS)

DIFF_COUNT ?= 1000000
DIFF_SEED ?= 1000000

.PHONY: engines-long
engines-long: $(O)/x86-diff
	$(Q)$(O)/x86-diff $(DIFF_SEED) $(DIFF_COUNT)
#: engines-long   a million instruction sequences against the host's CPU

-include $(DIFF_OBJS:.o=.d) $(O)/tests/engines/x86-diff.d
