# What the boot tests boot: a stock Debian kernel and user space, made once and
# shared by all build folders (O=...) inside the tree.
#
#   bzImage vmlinux lib/modules   from Debian's linux-image-cloud-amd64
#   initrd.gz                     busybox and the drivers of minivmm's devices
#   root.img                      a minimal Debian, ext4, 512 MiB
#   generic/                      bzImage, lib/modules and initrd.gz again, of
#                                 linux-image-amd64: the same root.img boots

GUEST ?= $(if $(filter build%,$(O)),build,$(O))/guest
GUEST_DRIVERS := virtio_mmio virtio_blk virtio-rng pvpanic-mmio

# The generic kernel has its file system as a module.
GENERIC_DRIVERS := $(GUEST_DRIVERS) ext4

.PHONY: guest-images boot-images check-boot
guest-images: $(addprefix $(GUEST)/,bzImage vmlinux initrd.gz root.img)
boot-images: guest-images $(addprefix $(GUEST)/generic/,bzImage initrd.gz)

$(GUEST)/bzImage: tests/tools/fetch-kernel.sh
	$(Q)$< $(@D)

$(GUEST)/generic/bzImage: tests/tools/fetch-kernel.sh
	$(Q)$< $(@D) linux-image-amd64

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

$(GUEST)/generic/initrd.gz: tests/boot/mk-initrd.sh tests/boot/initrd-init \
		$(GUEST)/minivmm-exit $(GUEST)/generic/bzImage
	$(call say,INITRD,$@)$< $(GUEST)/generic tests/boot/initrd-init $@ \
	$(GUEST)/minivmm-exit $(GENERIC_DRIVERS)

# Half a minute and some 60 packages: not made again for a new kernel.
$(GUEST)/rootfs.tar: tests/boot/mk-rootfs.sh
	$(call say,DEBIAN,$@ (takes half a minute))mkdir -p $(@D) && $< $@

$(GUEST)/root.img: tests/boot/mk-disk.sh tests/boot/root-init \
		tests/boot/root-poweroff tests/boot/root-work \
		$(GUEST)/rootfs.tar $(GUEST)/minivmm-exit
	$(call say,DISK,$@)$< $(GUEST)/rootfs.tar $(GUEST)/minivmm-exit $@

boot_tests := tests/boot/interp.sh

# ONLY=pattern runs some of its parts only.
check-boot: $(O)/minivmm boot-images
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) TEST_TIMEOUT=1800 \
	tests/tools/run-tests.sh $(boot_tests)
#: check-boot     real kernels under the interpreter; ONLY=PATTERN: some parts
