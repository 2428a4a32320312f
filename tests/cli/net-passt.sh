#!/usr/bin/env bash
# net-passt.sh - what can go wrong when a machine with passt starts.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
needs_engine

guest=(--kernel "$guests/exit_status" --memory 8M)
printf '#!/bin/sh\nPATH=/nonexistent exec %s "$@"\n' "$minivmm" \
	>"$scratch/without"
chmod +x "$scratch/without"
minivmm=$scratch/without refuses "passt that is not installed is missed" \
	"net net0: there is no passt in PATH (Debian: apt install passt)" \
	"${guest[@]}" --net passt
refuses "an address of the guest is nothing for passt" \
	"net net0: hostfwd=tcp::2222-10.0.2.15:22: passt takes no address of the guest" \
	"${guest[@]}" --net passt,hostfwd=tcp::2222-10.0.2.15:22
cat >"$scratch/passt" <<-'EOF'
	#!/bin/sh
	echo "Failed to send 5 bytes to syslog" >&2
	echo "No interface here" >&2
	exit 1
EOF
chmod +x "$scratch/passt"
PATH=$scratch:$PATH refuses "what passt says is shown" \
	"net net0: passt: No interface here" "${guest[@]}" --net passt
finish
