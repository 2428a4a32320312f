# What the boot tests boot: a stock Debian kernel and user space, made once and
# shared by all build folders (O=...) inside the tree.
#
#   bzImage vmlinux lib/modules   from Debian's linux-image-cloud-amd64
#   initrd.gz                     busybox and the drivers of minivmm's devices
#   net-tools.gz                  iperf3, ethtool and stream, to go behind it
#   root.img                      a minimal Debian, ext4, 512 MiB
#   generic/                      bzImage, lib/modules and initrd.gz again, of
#                                 linux-image-amd64: the same root.img boots
#   i386/686/ i386/686-pae/       the same of Debian's 32-bit kernels, with a
#                                 32-bit busybox

GUEST ?= $(if $(filter build%,$(O)),build,$(O))/guest
GUEST_DRIVERS := virtio_mmio virtio_blk virtio_net virtio-rng \
	virtio_balloon pvpanic-mmio

GUEST_DRIVERS += virtio_console

# The generic kernel has its file system as a module.
GENERIC_DRIVERS := $(GUEST_DRIVERS) ext4

.PHONY: guest-images boot-images check-boot
I386_KERNELS := 686 686-pae
guest-images: $(addprefix $(GUEST)/,bzImage vmlinux initrd.gz root.img)
boot-images: guest-images $(GUEST)/net-tools.gz $(GUEST)/vsock.gz \
		$(addprefix $(GUEST)/generic/,bzImage initrd.gz) \
	$(I386_KERNELS:%=$(GUEST)/i386/%/initrd.gz)

# Fetched once: another script is no reason to fetch again.
$(GUEST)/bzImage: | tests/tools/fetch-kernel.sh
	$(Q)$| $(@D)

$(GUEST)/generic/bzImage: | tests/tools/fetch-kernel.sh
	$(Q)$| $(@D) linux-image-amd64

$(GUEST)/vmlinux: tests/tools/extract-vmlinux.sh $(GUEST)/bzImage
	$(call say,UNPACK,$@)$^ $@

$(GUEST)/minivmm-exit: tests/guest/minivmm-exit.c
	$(call say,CC,$@)mkdir -p $(@D) && $(CC) -std=gnu11 -Os $(WARN) -s \
	-static -nostdlib -ffreestanding -fno-stack-protector \
	-fno-asynchronous-unwind-tables -o $@ $<

$(GUEST)/initrd.gz: tests/boot/mk-initrd.sh tests/boot/initrd-init \
		$(GUEST)/minivmm-exit $(GUEST)/bzImage
	$(call say,INITRD,$@)$< $(GUEST) tests/boot/initrd-init $@ \
	$(GUEST)/minivmm-exit $(GUEST_DRIVERS)

# Both ends of streams; and an initrd with the guest's.
$(GUEST)/stream: tests/boot/stream.c
	$(call say,CC,$@)mkdir -p $(@D) && $(CC) -std=gnu11 -Os $(WARN) -s \
	-static -o $@ $<

$(GUEST)/vsock.gz: tests/boot/mk-initrd.sh tests/boot/initrd-init \
		$(GUEST)/stream $(GUEST)/bzImage
	$(call say,INITRD,$@)$< $(GUEST) tests/boot/initrd-init $@ \
	$(GUEST)/stream virtio_mmio vmw_vsock_virtio_transport

$(GUEST)/generic/initrd.gz: tests/boot/mk-initrd.sh tests/boot/initrd-init \
		$(GUEST)/minivmm-exit $(GUEST)/generic/bzImage
	$(call say,INITRD,$@)$< $(GUEST)/generic tests/boot/initrd-init $@ \
	$(GUEST)/minivmm-exit $(GENERIC_DRIVERS)

# Where the mirrors have none of it, the rest goes on, and the test says so.
$(GUEST)/i386/%/bzImage: | tests/tools/fetch-kernel.sh
	$(Q)$| $(@D) linux-image-$* i386 || rm -f $@

$(GUEST)/i386/busybox: | tests/tools/fetch-busybox.sh
	$(Q)$| $@ i386 || rm -f $@

$(GUEST)/i386/%/initrd.gz: tests/boot/mk-initrd.sh tests/boot/initrd-init \
		$(GUEST)/i386/busybox $(GUEST)/i386/%/bzImage
	$(call say,INITRD,$@)BUSYBOX=$(GUEST)/i386/busybox \
	$< $(@D) tests/boot/initrd-init $@ virtio_mmio virtio_blk || rm -f $@

# What the test of networks runs in its guest, behind initrd.gz.
$(GUEST)/net-tools.gz: tests/boot/mk-tools.sh $(GUEST)/stream
	$(call say,TOOLS,$@)mkdir -p $(@D) && $< $@ iperf3 ethtool $(GUEST)/stream

# Half a minute and some 60 packages: not made again for a new kernel.
$(GUEST)/rootfs.tar: tests/boot/mk-rootfs.sh
	$(call say,DEBIAN,$@ (takes half a minute))mkdir -p $(@D) && $< $@

$(GUEST)/root.img: tests/boot/mk-disk.sh tests/boot/root-init \
		tests/boot/root-poweroff tests/boot/root-work \
		$(GUEST)/rootfs.tar $(GUEST)/minivmm-exit
	$(call say,DISK,$@)$< $(GUEST)/rootfs.tar $(GUEST)/minivmm-exit $@

boot_tests := tests/boot/interp.sh tests/boot/net.sh tests/boot/i386.sh \
	tests/boot/balloon.sh tests/boot/vsock.sh tests/boot/switch.sh

# Consoles and ports
boot_tests += tests/boot/console.sh

# A network without setup
boot_tests += tests/boot/net-user.sh

# Where KVM has no hardware behind it
boot_tests += tests/boot/assist.sh

# ONLY=pattern runs some of its parts only.
check-boot: $(O)/minivmm boot-images
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) TEST_TIMEOUT=1800 \
	tests/tools/run-tests.sh $(boot_tests)
#: check-boot     real kernels under the interpreter; ONLY=PATTERN: some parts

# What writes to partitions, and looks at them on the host.
$(GUEST)/verify: tests/boot/verify.c
	$(call say,CC,$@)mkdir -p $(@D) && $(CC) -std=gnu11 -O2 $(WARN) -s \
	-static -D_GNU_SOURCE -o $@ $<

$(GUEST)/verify.gz: tests/boot/mk-initrd.sh tests/boot/verify-init \
		$(GUEST)/verify $(GUEST)/minivmm-exit $(GUEST)/bzImage
	$(call say,INITRD,$@)$< $(GUEST) tests/boot/verify-init $@ \
	$(GUEST)/verify $(GUEST)/minivmm-exit virtio_mmio virtio_blk

boot-images: $(GUEST)/verify.gz
boot_tests += tests/boot/partitions.sh
