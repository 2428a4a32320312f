#!/usr/bin/env bash
# options.sh - the command line: what it refuses, and help and version.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

list="'minivmm --help' lists them"
size='expected a size from 1M to 64G in steps of 4K, such as 512M'

refuses "no option at all is too little" \
	"no kernel: expected --kernel FILE, or 'kernel = FILE' in [kernel]"
refuses "an unknown option is refused" "--tpm: unknown option; $list" \
	--tpm on
refuses "a slip of the finger finds its option" \
	"--kernl: unknown option; did you mean --kernel?" --kernl k
refuses "an option cut short is not guessed" \
	"--mem: unknown option; did you mean --memory?" --mem 1G
refuses "an unknown letter is refused" "-q: unknown option; $list" -q
refuses "a missing value is named" "--disk: expected a value: \
--disk FILE[,key=value...]" --kernel k --disk
refuses "deterministic is a flag" "--deterministic: takes no value" \
	--deterministic=on
refuses "a seed is a number" "--seed: expected a number from 0 to \
18446744073709551615; got 'x'" --seed x
refuses "a flag takes no value" "--verbose: takes no value" --verbose=3
refuses "a size without unit is bytes" "--memory: $size; got '512'" -m 512
refuses "a negative size is refused" "--memory: $size; got '-1G'" -m -1G
refuses "an odd size is refused" "--memory: $size; got '1025K'" \
	--memory=1025K
refuses "a size past 64 bits is refused" \
	"--memory: $size; got '99999999999999999999G'" \
	-m 99999999999999999999G
refuses "no CPU is too few" \
	"--cpus: expected a number from 1 to 64; got '0'" -c 0
refuses "a bad choice lists the good ones" \
	"--boot: expected auto, linux, pvh or flat; got 'efi'" --boot efi
refuses "a disk key is checked" \
	"--disk: queues: expected a number from 1 to 16; got 'many'" \
	--disk root.img,queues=many
refuses "a disk key is suggested" "--disk: unknown key 'redonly'; \
did you mean 'readonly'? (a comma in a value is ',,')" \
	--disk root.img,redonly=on
refuses "a timeout is in whole seconds" "--timeout: expected seconds from 0 \
(no limit) to 31536000; got '1m'" --timeout 1m
refuses "a line break does not break the message" \
	"--name: expected 1 to 64 bytes of text on one line; got 'a?b'" \
	--name "$(printf 'a\nb')"
refuses "a stray argument is refused" "unexpected argument 'bzImage'; \
expected an option, such as --kernel FILE" run bzImage
refuses "an unknown verb is refused" "bzImage: unknown verb; expected run, \
check, disk, switch, help, version or an option such as --kernel FILE" bzImage
refuses "a slip of the finger finds its verb" \
	"chekc: unknown verb; did you mean 'check'?" chekc
refuses "help takes no argument" "help: unexpected argument 'me'" help me
refuses "--dump-dtb is an option of check" \
	"--dump-dtb: expected after 'minivmm check'" --dump-dtb x

help=$("$minivmm" --help) || help=
check "--help succeeds and shows the usage" \
	expr "$help" : 'Usage: minivmm'
check "-h, help, run --help and check --help say the same" test \
	"$("$minivmm" -h)$("$minivmm" help)" = \
	"$("$minivmm" run --help)$("$minivmm" check --help)"
check "--help fits 80 columns" test -z "$(echo "$help" | grep '.\{81\}')"
check "version and --version say the same" \
	test "$("$minivmm" version)" = "$("$minivmm" --version)"
check "--version is a name and a number" \
	expr "$("$minivmm" --version)" : 'minivmm [0-9.]*$'
status=0
"$minivmm" --help >/dev/full 2>/dev/null || status=$?
check "--help into a full device has status 125" test $status -eq 125
finish
