# Tiny guests: freestanding ELF images, and raw ones for real mode.

GUEST_LIB := $(sort $(wildcard tests/guest/lib/*.c tests/guest/lib/*.S))
GUEST_SRCS := $(filter-out %/minivmm-exit.c,$(sort $(wildcard tests/guest/*.c)))
GUEST_FLAT := $(sort $(wildcard tests/guest/*.S))
GUESTS := $(GUEST_SRCS:%.c=$(O)/%) $(GUEST_FLAT:%.S=$(O)/%.flat)
GUEST_CFLAGS := -I. -O2 $(WARN) $(if $(filter 1,$(WERROR)),-Werror) \
	-ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-mno-red-zone -mgeneral-regs-only
GUEST_LDFLAGS := -nostdlib -static -Wl,--build-id=none \
	-Wl,--no-warn-rwx-segments

$(GUEST_SRCS:%.c=$(O)/%): $(O)/%: %.c $(GUEST_LIB) \
		$(wildcard tests/guest/lib/*.h) tests/guest/lib/guest.lds
	$(call say,GUEST,$<)mkdir -p $(@D) && $(CC) $(GUEST_CFLAGS) \
	$(GUEST_LDFLAGS) -Wl,-T,tests/guest/lib/guest.lds -o $@ $< $(GUEST_LIB)

$(O)/tests/guest/%.flat: tests/guest/%.S tests/guest/lib/flat.lds
	$(call say,GUEST,$<)mkdir -p $(@D) && $(CC) -m32 -nostdlib -static \
	-Wl,--build-id=none -Wl,--oformat,binary \
	-Wl,-T,tests/guest/lib/flat.lds -o $@ $<

guest_tests := "tests/guest/run.sh $(O)"

.PHONY: check-guest
check-guest: $(O)/minivmm $(GUESTS)
	$(Q)tests/tools/run-tests.sh $(guest_tests)
#:   check-guest    tiny guests on every engine and event loop
