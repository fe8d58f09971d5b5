#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# headers: each compiles alone, and twice: it includes what it uses and has a guard. Warnings are faults.
. "$(dirname "$0")/lib.sh"

# Defines functions, for the one file of a test program that includes it.
once='^tests/lib/fail_io\.h$'

compile_twice() { # HEADER
	printf '#include "%s"\n#include "%s"\n' "$1" "$1" |
		${LINT_CC:-cc} -std=gnu17 -Wall -Wextra -Werror -Wundef -fsyntax-only -D_GNU_SOURCE -I. -Iinclude \
			${LINT_CPPFLAGS:-} -x c - 2>&1 | grep -E '(error|warning):' | sed "s|^<stdin>:|$1:|" || true
}

lint_check() {
	lint_files '*.h' | grep -Ev "$once" | LINT_ONE=1 xargs -r -n 1 -P 2 "$lint_dir/headers.sh"
}

lint_samples() {
	printf '#ifndef A_H\n#define A_H\nstruct a { size_t n; };\n#endif\n' | lint_sample base/a.h
	echo 'struct b { int n; };' | lint_sample base/b.h
	lint_expect 'base/a.h:3:.*size_t' 'base/b.h:1:.*redefinition'
	printf '#ifndef A_H\n#define A_H\n#include <stddef.h>\nstruct a { size_t n; };\n#endif\n' | lint_sample base/a.h
	lint_expect_clean
}

if [ -n "${LINT_ONE:-}" ]; then
	compile_twice "$1"
	exit 0
fi
lint_run
