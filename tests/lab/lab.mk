# The KVM lab: real kernels on a complete /dev/kvm, wherever this runs.

LAB_DRIVERS := irqbypass kvm-amd virtio_pci virtio_blk tun

$(GUEST)/lab.cpio: tests/boot/mk-initrd.sh tests/lab/lab-init \
		$(GUEST)/minivmm-exit $(GUEST)/bzImage
	$(call say,INITRD,$@)$< $(GUEST) tests/lab/lab-init $@ \
	$(GUEST)/minivmm-exit $(LAB_DRIVERS)

.PHONY: check-lab
#: check-lab      real kernels in the KVM lab; ONLY=PATTERN: some of them
check-lab: $(O)/minivmm guest-images $(addprefix $(GUEST)/,lab.cpio \
		net-tools.gz stream)
	$(Q)MINIVMM=$(O)/minivmm GUEST=$(GUEST) TEST_TIMEOUT=1800 \
	tests/tools/run-tests.sh tests/lab/kernels.sh
