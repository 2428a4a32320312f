# What looks at the source and not at the program: format, rules of the house,
# analysers, numbers.

SOURCE_DIRS := base cmd config memory tests vcpu virtio
FORMAT_SRCS = $(shell find $(SOURCE_DIRS) -name '*.[ch]')
SCRIPTS = $(shell grep -rlE '^\#!.*(bash|/sh)$$' .ci tests) \
	$(shell find tests -name '*.sh')

# Each header compiles alone.
.PHONY: check-headers check-layers check-symbols check-source
check-headers: $(HDRS:%=$(O)/%.ok)

$(O)/%.h.ok: %.h $(HDRS)
	$(call say,HDR,$<)mkdir -p $(@D) && echo '#include "$<"' | \
	$(CC) $(CPPFLAGS) $(CFLAGS) -fsyntax-only -x c - && touch $@

check-layers:
	$(Q)tests/tools/check-layers.sh
check-symbols: $(O)/libminivmm.a
	$(Q)tests/tools/check-symbols.sh $(O)
check-source:
	$(Q)tests/tools/check-openings.sh
	$(Q)tests/tools/check-banned.sh
	$(Q)tests/tools/check-ram-ptr.sh
#:
#: Look at the source:
#:   check-headers  each header compiles alone
#:   check-layers   who includes whom
#:   check-symbols  prefixes; no mutable file-scope data
#:   check-source   openings of files, banned words, users of ram_ptr()

.PHONY: format check-format check-shell check-commits lint
format:
	$(Q)clang-format -i $(FORMAT_SRCS)
check-format:
	$(Q)clang-format --dry-run -Werror $(FORMAT_SRCS)
check-shell:
	$(Q)shellcheck -x $(sort $(SCRIPTS))
# COMMITS=main.. or any other range.
COMMITS ?= main..
check-commits:
	$(Q)tests/tools/check-commits.sh $(COMMITS)
lint:
	$(Q)tests/tools/lint.sh "$(subst ",\",$(CPPFLAGS))" -std=gnu11 \
	$(LIB_SRCS) cmd/main.c
#:   check-format   clang-format; `make format` applies it
#:   check-shell    shellcheck
#:   check-commits  messages of COMMITS=main..
#:   lint           clang-tidy, cppcheck, shellcheck: what is installed

# Lines that tests ran: unit tests, corpora of the fuzzers, tiny guests.
.PHONY: cover stats
cover:
	$(Q)$(MAKE) --no-print-directory O=$(O)/cover CFLAGS='--coverage -O0' \
	check-unit check-fuzz check-cli check-guest
	$(Q)tests/tools/cover.sh $(O)/cover
stats:
	$(Q)tests/tools/stats.sh $(filter-out tests,$(SOURCE_DIRS)) tests
#:   cover          share of lines that tests run, per file (gcc)
#:   stats          lines and share of comments, per folder

# For editors: beside the sources, where they look.
.PHONY: tags compile_commands.json
tags:
	ctags -f $@ $(FORMAT_SRCS)
compile_commands.json:
	$(call say,JSON,$@)tests/tools/compile-commands.sh \
	"$(CC) $(subst ",\",$(CPPFLAGS) $(CFLAGS))" $(LIB_SRCS) cmd/main.c \
	$(UNIT_SRCS) $(FUZZ_SRCS) >$@
#:   tags compile_commands.json   for editors
