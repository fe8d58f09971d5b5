#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format: all C is as clang-format of the pinned version writes it. Put right by: dev/lint --fix
. "$(dirname "$0")/lib.sh"

pinned=14

lint_check() {
	files=$(lint_files '*.c' '*.h')
	[ -z "$files" ] || "$clang_format" --dry-run $files 2>&1 |
		sed -n 's/^\([^: ]*:[0-9]*\):[0-9]*: warning: .*/\1: not as clang-format writes it/p' | uniq
}

lint_samples() {
	cp "$TOP/.clang-format" "$lint_tmp/"
	echo 'int  x;' | lint_sample base/a.c
	lint_expect 'base/a.c:1: not as'
	cp "$TOP/.clang-format" "$lint_tmp/"
	echo 'int x;' | lint_sample base/a.c
	lint_expect_clean
}

clang_format=clang-format-$pinned
command -v "$clang_format" >/dev/null 2>&1 || clang_format=clang-format
lint_need "$clang_format" "clang-format $pinned (Debian package clang-format)"
"$clang_format" --version | grep -q "version $pinned\." ||
	{ echo "format: skipped, this host lacks: clang-format $pinned"; exit 77; }
lint_run
