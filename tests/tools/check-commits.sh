#!/usr/bin/env bash
# check-commits.sh [RANGE] - messages of commits are as CONTRIBUTING.md says.
#
# RANGE is for git rev-list, default: main.. ; with nothing in it, the last
# commit.
set -u
cd "$(dirname "$0")/../.." || exit 1

bad=0
complain() { # what
	echo "$(git log -1 --format='%h %s' "$commit"): $1"
	bad=1
}

check_subject() {
	local verb

	[ ${#1} -le 72 ] || complain "the subject has ${#1} columns, not 72"
	[[ $1 =~ ^[a-z0-9_./-]+:\ [A-Z] || $1 =~ ^(README|Makefile|CHANGELOG|\
CONTRIBUTING|LICENSE)(\.md)?:\ [A-Z] ]] ||
		complain "the subject is not \"folder/module: Verb ...\""
	[[ $1 != *. ]] || complain "the subject ends with a full stop"
	verb=${1#*: }
	[[ ! ${verb%% *} =~ ^(Add|Chang|Fix|Mak|Mov|Remov|Test|Updat|Us)(ed|es|ing)$ ]] ||
		complain "the subject's verb is no imperative"
}

check_body() {
	local line

	[ -n "$1" ] || complain "no body: why, what was seen, how checked"
	while IFS= read -r line; do
		# What cannot be wrapped: indented output, links, one word.
		case $line in
		' '* | *://*) continue ;;
		esac
		# Wrapped at 72; a word that had to stay may stick out a bit.
		[[ ${#line} -le 76 || $line != *' '* ]] ||
			complain "a line of the body has ${#line} columns, not 72"
	done <<<"$1"
}

range=${1:-main..}
commits=$(git rev-list --no-merges "$range") || exit 1
for commit in ${commits:-HEAD}; do
	check_subject "$(git log -1 --format=%s "$commit")"
	check_body "$(git log -1 --format=%b "$commit")"
done
exit $bad
