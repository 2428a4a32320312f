#!/usr/bin/env bash
# interp.sh - TAP: real kernels under the interpreter, on this machine.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. ONLY=PATTERN runs
# those parts whose names it matches: the rows of $rows, such as
# "generic 2 256M", and the files of guests/. The consoles of the guests are
# shown where a claim fails.
# shellcheck disable=SC2317 # claims are called through check
set -u
PATH=$PATH:/usr/sbin:/sbin

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")
program=$(realpath "${MINIVMM:-build/minivmm}")
only=${ONLY:-}
# Beside the images: O_DIRECT and holes want a real file system.
scratch=$(mktemp -d -p "$guest")
trap 'end_all; rm -rf "$scratch"' EXIT

# What guest-lib.sh asks for.
minivmm=$program accel=interp images=$guest patience=300 vm_pid=
root_disk=$scratch/root.img blank_disk=$scratch/blank.img
root_image=$root_disk

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"
# shellcheck source=tests/boot/image-lib.sh
. "$here/image-lib.sh"

# kernel, CPUs, memory, and what is looked at once it is up. 5 GiB: two of
# them lie above the hole.
rows=(
	'cloud 1 256M idle clock'
	'cloud 2 256M'
	'cloud 1 5G'
	'cloud 2 5G idle work'
	'generic 1 256M work'
	'generic 2 256M'
	'generic 1 5G'
	'generic 2 5G clock'
)

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
}

# within A B TOLERANCE
within() {
	echo "expected $2, give or take $3: $1"
	awk -v a="$1" -v b="$2" -v t="$3" \
		'BEGIN { d = a - b; exit !(d <= t && -d <= t) }'
}

# minus A B
minus() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a - b }'
}

# What all threads of the VM have used of CPUs, in ticks.
ticks() {
	local stat

	read -r -a stat < <(sed 's/.*) //' "/proc/$vm_pid/stat")
	echo $((stat[11] + stat[12]))
}

# Less than 2 % is the promise; the bound leaves room for a busy machine.
check_idle() {
	local before used

	sleep 3
	before=$(ticks)
	sleep 5
	used=$(minus "$(ticks)" "$before")
	used=$(awk -v u="$used" -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "%.1f\n", u * 100 / 5 / hz }')
	echo "# idle at the prompt: $used % of a core"
	check "an idle guest sleeps" within "$used" 0 5
}

# arrived PREFIX - when a line that starts so came, in seconds.
arrived() {
	local tries=$((patience * 50))

	until grep -q "^$1[0-9]" "$vm_out"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && vm_alive || return 1
		sleep 0.02
	done
	echo "$EPOCHREALTIME"
}

# sleep_ten N - two lines, ten seconds apart by the guest's clock, with its
# date and its monotonic time; when they came, by the host's.
sleep_ten() {
	vm_type "python3 -c \"import time
tell = lambda name: print(name, time.time(), time.monotonic(), flush=True)
tell(\\\"clock$1=0\\\"); time.sleep(10); tell(\\\"clock$1=1\\\")\""
	begin=$(arrived "clock$1=0 ")
	end=$(arrived "clock$1=1 ")
	read -r date0 mono0 < <(vm_value "clock$1=0 ")
	read -r date1 mono1 < <(vm_value "clock$1=1 ")
}

# A busy machine wakes this script or the VM too late now and then; a clock
# that goes wrong does so each time. The RTC counts whole seconds.
check_clock() {
	local begin end date0 date1 mono0 mono1 try

	for try in 1 2 3; do
		sleep_ten $try
		within "$(minus "$end" "$begin")" 10 0.1 >/dev/null &&
			within "$(minus "$mono1" "$mono0")" 10 0.1 >/dev/null &&
			break
	done
	check "sleep 10 in the guest takes 10 s of the host, within 1 %" \
		within "$(minus "$end" "$begin")" 10 0.1
	check "and 10 s of the guest's monotonic clock" \
		within "$(minus "$mono1" "$mono0")" 10 0.1
	check "and of its date" within "$(minus "$date1" "$date0")" 10 0.1
	check "the guest's date is the host's" within "$date1" "$end" 2
}

# What the programs of the very same image print when they run natively.
native() {
	local tree=$scratch/tree as_root=(unshare -r)

	[ "$(id -u)" -ne 0 ] || as_root=()
	mkdir "$tree"
	tar -C "$tree" --no-same-owner --exclude='./dev/*' \
		-xf "$guest/rootfs.tar"
	"${as_root[@]}" chroot "$tree" /bin/sh -s <"$here/root-work" 2>&1
	rm -rf "$tree"
}

check_work() {
	[ -f "$scratch/native" ] || native >"$scratch/native"
	vm_do 'work >/root/work 2>&1; sync'
}

# After the guest's end: its file is in the image.
compare_work() {
	in_image /root/work >"$scratch/work"
	diff "$scratch/native" "$scratch/work"
}

# has_machine CPUS MEMORY - does the guest have them, and the row's kernel?
has_machine() {
	local least=200000

	[ "$2" = 256M ] || least=4700000
	# shellcheck disable=SC2016 # for the guest's shell
	vm_do 'echo "cpus=$(nproc)"; echo "release=$(uname -r)"' &&
		vm_do "awk '/^MemTotal/ { print \"kib=\" \$2 }' /proc/meminfo" &&
		vm_is cpus= "$1" && vm_is release= "$(cat "$images/release")" &&
		[ "$(vm_value kib=)" -ge $least ] || return 1
	[ "$2" = 256M ] || vm_do 'grep -q "^100000000-.*RAM" /proc/iomem'
}

# row KERNEL CPUS MEMORY [WHAT...]
row() {
	local name="$1 kernel, $2 CPU(s), $3" kernel=$1 cpus=$2 memory=$3 what

	shift 3
	images=$guest
	[ "$kernel" = cloud ] || images=$guest/$kernel
	vm_start "$kernel-$cpus-$memory" --kernel "$images/bzImage" \
		--initrd "$images/initrd.gz" --disk "$root_disk" \
		--cmdline "$ROOT" --cpus "$cpus" --memory "$memory"
	check "$name: it boots to a login" vm_login
	check "$name: it has these" has_machine "$cpus" "$memory"
	for what in "$@"; do
		"check_$what"
	done
	vm_type poweroff
	vm_end
	images=$guest
	check "$name: it powers off with status 0" vm_ended_with 0
	check "$name: fsck finds the disk clean" is_clean
	[[ " $* " != *' work '* ]] ||
		check "$name: programs print what they print natively" \
			compare_work
}

# A program that runs minivmm where there is no /dev/kvm, and has it choose
# the engine itself. The other devices are those that programs expect.
hide_kvm() {
	mkdir -p "$scratch/dev"
	cat >"$scratch/without-kvm" <<-END
		#!/bin/sh
		set -e
		mount -t tmpfs dev "$scratch/dev"
		for f in null zero urandom tty; do
			: >"$scratch/dev/\$f"
			mount --bind "/dev/\$f" "$scratch/dev/\$f"
		done
		mount --rbind "$scratch/dev" /dev
		test ! -e /dev/kvm
		exec "$program" -v "\$@"
	END
	cat >"$scratch/minivmm" <<-END
		#!/bin/sh
		exec unshare -m ${1:-} sh "$scratch/without-kvm" "\$@"
	END
	chmod +x "$scratch/minivmm"
	"$scratch/minivmm" --version >/dev/null 2>&1
}

# A guest whose engine is chosen, on a host without /dev/kvm.
by_itself() {
	accel=auto
	if hide_kvm || hide_kvm -r; then
		minivmm=$scratch/minivmm
		# shellcheck source=/dev/null
		. "$1"
		check "without /dev/kvm it was the interpreter that ran it" \
			grep -q 'engine interp' "$vm_err"
	else
		checks=$((checks + 1))
		echo "ok $checks - no /dev/kvm # SKIP no mount namespaces here"
		accel=interp
		# shellcheck source=/dev/null
		. "$1"
	fi
	minivmm=$program accel=interp
}

# part NAME COMMAND... - unless ONLY leaves it out.
part() {
	local name=$1 start=$SECONDS

	[[ $name == *"$only"* ]] || return 0
	shift
	"$@"
	echo "# $name took $((SECONDS - start)) s"
}

cp --sparse=always "$guest/root.img" "$root_disk"
truncate -s 64M "$blank_disk"

for r in "${rows[@]}"; do
	# shellcheck disable=SC2086 # a row is a list of words
	part "$r" row $r
done
for f in "$here"/guests/*.sh; do
	case $f in
	*/10-boot.sh) part "${f##*/}" by_itself "$f" ;;
	*) part "${f##*/}" . "$f" ;;
	esac
done
if [ -z "$only" ]; then
	check "the image has the file of the first guest" has_line
	check "the image has what four CPUs wrote" sums /root/four
	check "the image has what was synced before the SIGKILL" \
		sums /root/kept.sum
	check "the image is a clean file system" is_clean
fi
times >"$scratch/times"
echo "# all of it took $SECONDS s; user and system:" \
	"$(tail -n 1 "$scratch/times")"
if [ $checks -eq 0 ]; then
	echo "nothing here matches ONLY=$only"
	exit 77
fi
echo "1..$checks"
