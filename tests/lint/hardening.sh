#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hardening: of each built program that LINT_PROGRAMS names: position independent, relocations read-only and bound at
# start, no executable stack, no segment both writable and executable. The shim is static: it needs no library.
. "$(dirname "$0")/lib.sh"

look_at() { # PROGRAM
	readelf -hlW "$1" >"$work/elf" 2>/dev/null && readelf -dW "$1" >"$work/dynamic" 2>/dev/null ||
		{ echo "$1:1: not a program"; return; }
	grep -Eq '^ *GNU_STACK .* RW ' "$work/elf" || echo "$1:1: the stack is executable"
	! grep -Eq '^ *LOAD .* RWE ' "$work/elf" || echo "$1:1: a segment is writable and executable"
	case $1 in
	*-shim | *-hold)
		! grep -Eq '^ *INTERP ' "$work/elf" || echo "$1:1: not static"
		! grep -q '(NEEDED)' "$work/dynamic" || echo "$1:1: needs a library"
		return
		;;
	esac
	grep -Eq 'Type: +DYN' "$work/elf" || echo "$1:1: not position independent"
	grep -Eq '^ *GNU_RELRO ' "$work/elf" || echo "$1:1: relocations stay writable (no RELRO)"
	grep -Eq '\(BIND_NOW\)|\(FLAGS\).*BIND_NOW|Flags:.*NOW' "$work/dynamic" ||
		echo "$1:1: symbols bound late (no BIND_NOW)"
}

lint_check() {
	work=$lint_tmp/work
	mkdir -p "$work"
	for program in $lint_programs; do
		( cd "$BUILD" && look_at "$program" )
	done
}

sample_program() { # NAME OPTIONS…
	echo 'int main(void) { return 0; }' >"$lint_tmp/x.c"
	name=$1
	shift
	${LINT_CC:-cc} "$@" -o "$lint_tmp/$name" "$lint_tmp/x.c" || lint_fail "self-test: cannot build a sample with $*"
}

lint_samples() {
	lint_programs='soft x-shim none'
	sample_program soft -no-pie -Wl,-z,norelro,-z,lazy,-z,execstack
	sample_program x-shim
	lint_expect 'soft:1: the stack' 'soft:1: not position' 'soft:1: .*RELRO' 'soft:1: .*BIND_NOW' \
		'x-shim:1: not static' 'x-shim:1: needs' 'none:1: not a program'
	lint_programs='hard x-shim'
	sample_program hard -fPIE -pie -Wl,-z,relro,-z,now,-z,noexecstack
	sample_program x-shim -static
	lint_expect_clean
	lint_programs=${LINT_PROGRAMS-coveyd covey covey-shim covey-hold}
}

lint_need readelf 'readelf (Debian package binutils)'
if [ -n "${LINT_SANITIZED:-}" ]; then
	echo "hardening: skipped, this host lacks: a build without sanitizers in $BUILD"
	exit 77
fi
lint_run
