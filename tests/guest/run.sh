#!/usr/bin/env bash
# run.sh OBJDIR - run every guest of guests.ini on every engine and loop.
#
# No KVM in this build or on this host is a SKIP, with its reason; the
# interpreter runs everywhere.
set -u

obj=$1
here=$(dirname "$0")
minivmm=${MINIVMM:-$obj/minivmm}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0 bad=0

result() { # ok|not ok, claim
	count=$((count + 1))
	echo "$1 $count - $2"
	[ "$1" = ok ] || bad=1
}

# Why engine $1 cannot run here, or nothing.
unavailable() {
	"$minivmm" --kernel "$obj/tests/guest/exit_status" --accel "$1" \
		--memory 8M 2>"$tmp/why" </dev/null
	[ $? -eq 42 ] || tail -n 1 "$tmp/why"
}

# Is there a CPU behind KVM, or the host kernel's emulator of ring 0?
hardware() {
	grep -qwE 'vmx|svm' /proc/cpuinfo
}

make_disk() { # "1M ro" -> arguments in $disk_args
	local size=${1%% *} how=''

	truncate -s 0 "$tmp/disk.img" && truncate -s "$size" "$tmp/disk.img"
	case $1 in
	*' ro') how=,readonly=on ;;
	*' direct') how=,direct=on ;;
	esac
	disk_args=(--disk "$tmp/disk.img$how")
}

run_one() { # engine, loop
	local status claim="$name on $1 with the $2 loop"
	local disk_args=()

	[ -n "$disk" ] && make_disk "$disk"
	# shellcheck disable=SC2086 # $args is a list of words
	printf '%s' "$input" | "$minivmm" --kernel "$obj/tests/guest/$image" \
		--memory 8M $args "${disk_args[@]}" --accel "$1" --io "$2" \
		--timeout "$timeout" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ $status -ne "$expect" ]; then
		result 'not ok' "$claim: status $status, expected $expect"
	elif [ -n "$output" ] && ! grep -qF -- "$output" "$tmp/out"; then
		result 'not ok' "$claim: no \"$output\" in its output"
	else
		result ok "$claim"
		return
	fi
	sed 's/^/# /' "$tmp/out" "$tmp/err" | head -n 20
}

run_guest() {
	local engine loop

	for engine in $engines; do
		[[ $usable == *" $engine "* ]] || continue
		if [ "$engine" = kvm ] && [ -n "$exact" ] && ! hardware; then
			result ok "$name on kvm # SKIP no VMX or SVM"
			continue
		fi
		for loop in $io; do
			run_one "$engine" "$loop"
		done
	done
}

reset_keys() {
	name=$1 image=$1 args='' disk='' input='' expect=0 output='' timeout=10
	engines='kvm interp' io='uring poll' exact=''
}

usable=' '
for e in kvm interp; do
	why=$(unavailable "$e")
	if [ -z "$why" ]; then
		usable+="$e "
	elif [ "$e" = kvm ]; then
		result ok "guests on $e # SKIP $why"
	else
		result 'not ok' "guests on $e: $why"
	fi
done

name=''
while IFS= read -r line; do
	case $line in
	'#'* | '') ;;
	'['*)
		[ -n "$name" ] && run_guest
		line=${line#[}
		reset_keys "${line%]}"
		;;
	*)
		key=${line%% *}
		declare "$key=${line#*= }"
		;;
	esac
done <"$here/guests.ini"
run_guest
echo "1..$count"
exit $bad
