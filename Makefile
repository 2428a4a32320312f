# minivmm: one Makefile, no configure, no recursion. `make help` lists targets.
#: Variables:
#:   O=DIR                    build folder, now $(O)
#:   CC=clang                 with O=build-clang or another folder of its own
#:   SAN=address,undefined    sanitizers; or thread
#:   DEBUG=1 WERROR=1 V=1     -Og; warnings are errors; show commands
#:   CONFIG_KVM=0             leave an engine out
#:   PREFIX= DESTDIR=         /usr/local, and nothing
#:
#: Build:
#:   demo           boot Debian to a greeting; installs what that needs
#:   all            $(O)/minivmm (the default)
#:   deps           install what is missing for building and testing
#:   install        to DESTDIR/PREFIX: binary, manual pages, examples
#:   uninstall      remove exactly that
#:   dist           the last commit as an archive, in $(O)
#:   clean          remove the build folder
#:
#: Check:
#:   check          all tests; installs what they need
#:   ci             what continuous integration runs: .ci/run
#:   check-unit     unit tests
#:   check-config   mistakes in ini files, examples
#:   check-cli      the command line
#:   check-man      manual pages against the program
#:   check-readme   paths in README.md

VERSION := 0.1.0

comma := ,
O ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter 1,$(DEBUG)),-debug)$(if $(filter 0,$(CONFIG_KVM)),-nokvm)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

CC ?= cc
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
CONFIG_KVM ?= 1

# libfdt has no pkg-config file in Debian 12: its name says it all.
PKG_LIBS := liburing inih libxxhash fdisk

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef -Wwrite-strings -Wpointer-arith -Wvla -Wimplicit-fallthrough
STRICT := base/% memory/ram.c memory/boot/% virtio/queue.c

# Asked once, when first used: make deps works without pkg-config.
ask = $(eval $(1) := $$(shell $(PKG_CONFIG) $(2) $(PKG_LIBS)))$($(1))
PKG_CFLAGS = $(call ask,PKG_CFLAGS,--cflags)
PKG_LDFLAGS = $(call ask,PKG_LDFLAGS,--libs-only-L)

override CPPFLAGS += -I. -D_GNU_SOURCE -DMINIVMM_VERSION='"$(VERSION)"' \
	-DCONFIG_KVM=$(CONFIG_KVM) $(PKG_CFLAGS)
override CFLAGS := -std=gnu11 $(if $(filter 1,$(DEBUG)),-Og,-O2) -g $(WARN) \
	$(if $(filter 1,$(WERROR)),-Werror) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) -pthread \
	$(CFLAGS)
override LDFLAGS += $(if $(SAN),-fsanitize=$(SAN)) -pthread
# Static where there is an archive: each shared library costs 40 us at start.
library = $(or $(wildcard $(shell $(CC) -print-file-name=lib$(1).a)),-l$(1))
override LDLIBS += $(PKG_LDFLAGS) \
	$(call library,uring) $(call library,inih) $(call library,fdt) \
	$(call library,xxhash)

dirs := base config memory memory/boot vcpu vcpu/x86 vcpu/interp vcpu/irqchip \
	vcpu/board $(if $(filter 1,$(CONFIG_KVM)),vcpu/kvm) \
	virtio virtio/transport virtio/backend virtio/switch cmd
LIB_SRCS := $(filter-out cmd/main.c,$(sort $(wildcard $(dirs:%=%/*.c))))
HDRS := $(sort $(wildcard $(dirs:%=%/*.h)))
LIB_OBJS := $(LIB_SRCS:%.c=$(O)/%.o)
OBJS := $(LIB_OBJS) $(O)/cmd/main.o

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all
all: $(O)/minivmm

$(O)/minivmm: $(O)/cmd/main.o $(O)/libminivmm.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(O)/libminivmm.a: $(LIB_OBJS)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(O)/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) \
	$(if $(filter $(STRICT),$<),-Wconversion) -MMD -MP -c -o $@ $<

# Unit tests: one program per file, linked with everything but main().
UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
# These have one thread, and need signals with the registers that the CPU had;
# ThreadSanitizer delivers signals by itself.
NATIVE := tests/unit/test_x86_diff.c tests/unit/test_x86_semantics.c
UNIT_BINS := $(patsubst %.c,$(O)/%,\
	$(if $(filter thread,$(SAN)),$(filter-out $(NATIVE),$(UNIT_SRCS)),$(UNIT_SRCS)))

# The decoder's oracle; without it that comparison is left out.
$(O)/tests/unit/test_x86_decode: UNIT_LIBS = \
	$(if $(wildcard /usr/include/Zydis/Zydis.h),-lZydis)

$(O)/tests/unit/test_x86_semantics: $(O)/tests/unit/x86_native.o
$(UNIT_BINS): $(O)/%: $(O)/%.o $(O)/libminivmm.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka \
	$(UNIT_LIBS) $(LDLIBS)

# The calls that test_faults.c lets fail.
WRAPPED := calloc malloc realloc strdup aligned_alloc posix_memalign mmap open \
	ioctl fcntl eventfd memfd_create ftruncate flock fstat stat pread \
	getrandom signalfd epoll_create1 pthread_create \
	io_uring_queue_init_params io_uring_register io_uring_submit_and_wait \
	epoll_pwait2
$(O)/tests/unit/test_faults: override LDFLAGS += $(WRAPPED:%=-Wl,--wrap=%)

.PHONY: check-unit
check-unit: $(UNIT_BINS)
	$(Q)tests/tools/run-tests.sh $(UNIT_BINS)

# The source itself, tiny guests, fuzz targets, stock guests, the lab.
include tests/tools/house.mk
include tests/guest/guest.mk tests/fuzz/fuzz.mk
include tests/boot/images.mk tests/lab/lab.mk tests/bench/bench.mk

# Instruction semantics against the host's CPU.
include tests/engines/engines.mk

.PHONY: deps
deps:
	$(Q)tests/tools/deps.sh

# README's two commands. They install first what is missing, so the build is
# a make of its own, which finds it, and does not name what is up to date.
quiet := $(if $(filter 1,$(V)),,-s)
.PHONY: demo check
demo:
	$(Q)tests/tools/deps.sh demo
	$(Q)$(MAKE) $(quiet) --no-print-directory $(O)/minivmm guest-images
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) tests/boot/demo.sh
check:
	$(Q)tests/tools/deps.sh
	$(Q)$(MAKE) --no-print-directory check-all

# What ends a process at its Nth write.
DIE_AT := $(O)/tests/cli/die-at.so
$(DIE_AT): tests/cli/die-at.c
	$(call say,LINK,$@)mkdir -p $(@D) && $(CC) -O2 $(WARN) -D_GNU_SOURCE \
	-Wno-missing-prototypes -shared -fPIC -o $@ $<

# SAN= leaves real kernels out: they boot with the program that users get.
programs := $(O)/minivmm $(UNIT_BINS) $(GUESTS) $(REPLAYS) $(DIE_AT)
.PHONY: check-all
check-all: $(programs) $(if $(SAN),,boot-images $(GUEST)/lab.cpio)
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) TEST_TIMEOUT=1800 \
	tests/tools/run-tests.sh "tests/tools/check-house.sh O=$(O)" \
	tests/tools/check-fuzz.sh tests/tools/check-man.sh $(UNIT_BINS) \
	$(CLI_TESTS) $(replay_tests) $(guest_tests) \
	$(if $(SAN),,$(boot_tests) tests/boot/deterministic.sh tests/lab/kernels.sh)

# The command line, its configuration and its manual pages.
CLI_TESTS := $(sort $(wildcard tests/cli/*.sh))
CONFIG_TESTS := $(filter tests/cli/config-%,$(CLI_TESTS))
DOCDIR ?= $(PREFIX)/share/doc/minivmm
run_cli := MINIVMM=$(O)/minivmm tests/tools/run-tests.sh

.PHONY: check-config check-cli check-man check-readme
check-config: $(O)/minivmm
	$(Q)$(run_cli) $(CONFIG_TESTS)
check-cli: $(O)/minivmm $(GUESTS) $(DIE_AT)
	$(Q)$(run_cli) $(filter-out $(CONFIG_TESTS),$(CLI_TESTS))
check-man: $(O)/minivmm
	$(Q)$(run_cli) tests/tools/check-man.sh
check-readme:
	$(Q)$(run_cli) tests/tools/check-readme.sh

# .ci/run, with what this make was given: CC=, SAN=, WERROR= ...
.PHONY: ci dist clean
ci:
	$(Q).ci/run
dist:
	$(Q)mkdir -p $(O)
	git archive --prefix=minivmm-$(VERSION)/ \
	-o $(O)/minivmm-$(VERSION).tar.gz HEAD
clean:
	rm -rf $(O)

.PHONY: install uninstall help
install: $(O)/minivmm
	install -D $< $(DESTDIR)$(BINDIR)/minivmm
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man1 $(wildcard man/*.1)
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 man/minivmm.ini.5
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man7 man/minivmm-guest.7
	install -D -m 644 -t $(DESTDIR)$(DOCDIR)/examples examples/*.ini
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/minivmm \
	$(patsubst man/%,$(DESTDIR)$(MANDIR)/man1/%,$(wildcard man/*.1)) \
	$(DESTDIR)$(MANDIR)/man5/minivmm.ini.5 \
	$(DESTDIR)$(MANDIR)/man7/minivmm-guest.7 \
	$(patsubst %,$(DESTDIR)$(DOCDIR)/%,$(wildcard examples/*.ini))
	-rmdir $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DOCDIR)

# Lines that start with "#:" in any makefile are the text of `make help`.
help:
	$(Q)sed -n 's/^#: \{0,1\}//p' Makefile $(wildcard tests/*/*.mk) | \
	sed 's|\$$(O)|$(O)|'

-include $(OBJS:.o=.d) $(UNIT_SRCS:%.c=$(O)/%.d)
