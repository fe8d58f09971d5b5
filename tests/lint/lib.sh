# SPDX-License-Identifier: Apache-2.0
# What all lints share. A lint defines
#   lint_check   looks at the tree in the current directory (and at $BUILD) and prints a fault a line: FILE:LINE: what;
#                a line "note: …" is told and nothing more
#   lint_samples writes bad samples with lint_sample and names with lint_expect what must be said of them; a lint that
#                cannot fail proves nothing, so this comes first on every run
# and ends with lint_run. Exit status: 0 clean, 1 faults, 77 the host lacks what lint_need names.
# From the environment: TOP the sources, BUILD the built tree, LINT_CC, LINT_CPPFLAGS, LINT_PROGRAMS, LINT_SANITIZED.
set -eu
LC_ALL=C
export LC_ALL
lint_name=$(basename "$0" .sh)
lint_dir=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "${TOP:-$lint_dir/../..}" && pwd)
BUILD=$(cd "${BUILD:-$TOP/build}" 2>/dev/null && pwd || echo "${BUILD:-$TOP/build}")

# lint_files NAME-PATTERN… [-- FOLDER…]: files of the tree's own folders, sorted; no folder of a build is ever entered,
# and what a build among the sources makes there is none of them.
lint_files() {
	lint_patterns=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		lint_patterns="$lint_patterns${lint_patterns:+ -o }-name $1"
		shift
	done
	[ $# -eq 0 ] || shift
	[ $# -gt 0 ] || set -- base gossip consensus scheduler supervisor node cli include tests bench
	for lint_folder; do
		[ ! -d "$lint_folder" ] ||
			( set -f; find "$lint_folder" -type f \( $lint_patterns \) ! -path '*/.*' \
				! -name seccomp_builtin.c )
	done | sort
}

# lint_need COMMAND WHAT: this host cannot run the lint without it.
lint_need() {
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "$lint_name: skipped, this host lacks: $2"
	exit 77
}

lint_fail() {
	echo "$lint_dir/$lint_name.sh:1: $*" >&2
	exit 1
}

lint_sample() { # FILE, its text on standard input
	mkdir -p "$lint_tmp/$(dirname "$1")"
	cat >"$lint_tmp/$1"
}

lint_said() {
	( cd "$lint_tmp" && TOP=$lint_tmp BUILD=$lint_tmp && lint_check ) 2>&1
}

# lint_expect PATTERN…: the samples must draw each of these (extended regular expressions, matched at a line's start).
lint_expect() {
	lint_out=$(lint_said) || true
	for lint_pattern; do
		printf '%s\n' "$lint_out" | grep -Eq "^($lint_pattern)" ||
			lint_fail "self-test: '$lint_pattern' was not said, but: $lint_out"
	done
	rm -rf "$lint_tmp"
	mkdir "$lint_tmp"
}

# lint_expect_clean: nothing may be said of the samples.
lint_expect_clean() {
	lint_out=$(lint_said) || true
	[ -z "$lint_out" ] || lint_fail "self-test: said of a good sample: $lint_out"
	rm -rf "$lint_tmp"
	mkdir "$lint_tmp"
}

lint_run() {
	lint_tmp=$(mktemp -d)
	trap 'rm -rf "$lint_tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	lint_samples
	cd "$TOP"
	lint_out=$(lint_check) || lint_fail "could not run: $lint_out"
	[ -z "$lint_out" ] || printf '%s\n' "$lint_out"
	lint_faults=$(printf '%s\n' "$lint_out" | grep -Evc '^(note: .*)?$') || true
	[ "$lint_faults" -eq 0 ] || { echo "$lint_name: $lint_faults faults"; exit 1; }
}
