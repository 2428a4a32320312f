# Every parser of foreign bytes has a fuzz target, tests/fuzz/fuzz_NAME.c. It
# is built twice: with replay.c for `make check`, and by clang for `make fuzz`.

FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
REPLAYS := $(FUZZ_SRCS:tests/fuzz/fuzz_%.c=$(O)/tests/fuzz/replay_%)

$(REPLAYS): $(O)/tests/fuzz/replay_%: $(O)/tests/fuzz/fuzz_%.o \
		$(O)/tests/fuzz/replay.o $(O)/libminivmm.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

replay_tests := $(foreach r,$(REPLAYS),\
	"$(r) tests/fuzz/corpus/$(r:$(O)/tests/fuzz/replay_%=%)")

.PHONY: check-fuzz
check-fuzz: $(REPLAYS)
	$(Q)tests/tools/run-tests.sh tests/tools/check-fuzz.sh $(replay_tests)

# make fuzz FUZZ=queue TIME=60: findings land in $(O)/fuzz, to be added to the
# corpus by the commit that fixes them.
FUZZ ?= queue
TIME ?= 60
FUZZ_CC ?= clang
FUZZ_FLAGS := -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_LIB_OBJS := $(LIB_SRCS:%.c=$(O)/fuzz/%.o)
FUZZ_OBJ := $(O)/fuzz/tests/fuzz/fuzz_$(FUZZ).o

$(O)/fuzz/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(FUZZ_CC) $(CPPFLAGS) $(CFLAGS) \
	$(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

# An archive, so that a target can stand in for a part of it (fake_loop.h).
$(O)/fuzz/libminivmm.a: $(FUZZ_LIB_OBJS)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(O)/fuzz/fuzz_$(FUZZ): $(FUZZ_OBJ) $(O)/fuzz/libminivmm.a
	$(call say,LINK,$@)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined \
	-pthread -o $@ $^ $(LDLIBS)

.PHONY: fuzz
fuzz: $(O)/fuzz/fuzz_$(FUZZ)
	$(Q)mkdir -p $(O)/fuzz/corpus-$(FUZZ)
	$(Q)cd $(O)/fuzz && ./fuzz_$(FUZZ) -max_total_time=$(TIME) -timeout=10 \
	-print_final_stats=1 corpus-$(FUZZ) $(CURDIR)/tests/fuzz/corpus/$(FUZZ)

-include $(FUZZ_LIB_OBJS:.o=.d) $(FUZZ_OBJ:.o=.d) $(FUZZ_SRCS:%.c=$(O)/%.d)
#:   fuzz           FUZZ=NAME TIME=SECONDS: fuzz one parser (needs clang)
#:   check-fuzz     replay every fuzz target's corpus
