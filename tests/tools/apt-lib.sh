# shellcheck shell=bash
# apt-lib.sh - Debian's packages without installing them.
#
# Sourced. Uses the mirrors of this machine, but package lists of its own in
# $apt_tmp, which apt_end removes: needs no root, does not care how old the
# machine's lists are, and can look at another architecture than its own.

# apt_begin [ARCH]
apt_begin() {
	apt_tmp=$(mktemp -d)
	mkdir -p "$apt_tmp/lists/partial" "$apt_tmp/cache/archives/partial"
	apt_opts=(
		-o "Dir::State::Lists=$apt_tmp/lists"
		-o "Dir::Cache=$apt_tmp/cache"
		-o "APT::Sandbox::User=$(id -un)"
		-o APT::Update::Post-Invoke::=true
	)
	[ -z "${1:-}" ] ||
		apt_opts+=(-o "APT::Architecture=$1" -o "APT::Architectures::=$1")
	# One mirror that is being updated is no reason to do without the rest.
	apt-get "${apt_opts[@]}" -q=2 update ||
		echo "apt: going on without the lists that failed" >&2
}

apt_end() {
	rm -rf "$apt_tmp"
}

# apt_depends PACKAGE PATTERN - the first of its dependencies that matches.
apt_depends() {
	apt-cache "${apt_opts[@]}" depends "$1" |
		awk -v pattern="$2" '/Depends:/ && $2 ~ pattern { print $2; exit }'
}

# apt_unpack PACKAGE - what is in it, in $apt_tmp/tree.
apt_unpack() {
	printf '  %-7s %s\n' FETCH "$1"
	(cd "$apt_tmp" && apt-get "${apt_opts[@]}" -q=2 download "$1")
	rm -rf "$apt_tmp/tree"
	dpkg-deb -x "$apt_tmp/$1"_*.deb "$apt_tmp/tree"
}
