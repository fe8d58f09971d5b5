#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# purity: a core decides from (event, now) alone. What its archive (lib*_core.a) needs from outside may only be of the
# list below: text and memory moved about, asserts, and those parts of base/ that have no heap, clock, file or log.
# One time() in a core turns this red. And no object of ours keeps mutable state at file scope, but for the few named
# here.
. "$(dirname "$0")/lib.sh"

# libc and the compiler's own.
pure_libc='mem(cpy|move|set|cmp|chr|rchr|mem)|strn?(len|cmp|casecmp)|str(r?chr|chrnul|str|c?spn|pbrk|toll?|toull?)
	|stpcpy|v?snprintf|bsearch|qsort|l?labs|abs|abort|strerror|strsignal|sigabbrev_np|strerrorname_np
	|__assert_fail|__stack_chk_fail|__[a-z]+_chk|__[a-z]+(di|ti)[0-9]|__isoc[0-9]+_[a-z]+|__errno_location
	|__libc_current_sigrt(min|max)
	|floor|ceil|round|lround|llround|fmin|fmax|exp|exp2|log|log2|pow|sqrt|fabs|ldexp|_GLOBAL_OFFSET_TABLE_'
# base/ without arena, bytes, io, log, map, mem.
pure_base='err|list|rng|sm|sum|units|unpack|utf8'
# What a core asks of its room's data (supervisor/spec.h): pure functions of a definition.
pure_room='spec_share_of|spec_[a-z]+_name|shim_[a-z]+_name'
sanitizers='__(asan|ubsan|tsan|lsan|sanitizer|gcov|llvm|sanitizer_cov)_?[A-Za-z0-9_]*'

# OBJECT SYMBOL: state that may be, and why.
#   base/mem  the fault that tests/oom sets       base/log  where the log goes, set once at start
#   systemd   the node's name, set once at start     because a log's sink has no context
#   shim      a signal handler's flag             man page of sigaction: a handler has nothing else
state_may='base/mem.o (fail_in|reached)|base/log.o (sink|most)|node/systemd.o node_field'

impure() { # ARCHIVE: symbols needed from outside of it and of the list
	nm -u "$1" | awk 'NF == 2 && $1 == "U" { print $2 }' | sort -u >"$work/needed"
	case $1 in # what joins the others may call them
	*/libnode_core.a) nm --defined-only "${1%/*}"/lib*_core.a ;;
	*) nm --defined-only "$1" ;;
	esac 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$work/own"
	allowed=$(printf '%s' "$pure_libc|($pure_base)_[a-z0-9_]+|$pure_room|$sanitizers" | tr -d '\n\t')
	comm -23 "$work/needed" "$work/own" | grep -Evx "$allowed" || true
}

told_where() { # NAME ROOM AFTER-IT: FILE:LINE of a first use, or the room
	at=$(lint_files '*.c' -- "$2" | xargs -r grep -nHE "(^|[^A-Za-z0-9_])$1($3|\$)" 2>/dev/null | head -1 |
		cut -d: -f1,2)
	echo "${at:-$2:1}"
}

mutable() { # OBJECT: symbols in sections that can be written to
	objdump -t "$1" | awk -v sanitizers="^($sanitizers)" '
		{ section = ""; for (i = 2; i < NF; i++) if ($i ~ /^\./ || $i == "*COM*") section = $i }
		section ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && section !~ /^\.data\.rel\.ro/ {
			name = $NF; size = $(NF - 1)
			sub(/\.[0-9]+$/, "", name)
			if (name !~ /^\./ && name !~ sanitizers && size !~ /^0+$/) print name
		}'
}

lint_check() {
	work=$lint_tmp/work
	mkdir -p "$work"
	( cd "$BUILD" && find . -maxdepth 1 -name 'lib*_core.a' | sed 's|^\./||' | sort ) >"$work/cores"
	while read -r archive; do
		room=${archive#lib}
		room=${room%_core.a}
		for symbol in $(impure "$BUILD/$archive"); do
			echo "$(told_where "$symbol" "$room" '\('): $symbol in $archive: a core does not reach outside"
		done
	done <"$work/cores"
	[ -z "${LINT_SANITIZED:-}" ] || return 0
	for object in $(cd "$BUILD" && lint_files '*.o' -- base gossip consensus scheduler supervisor node cli); do
		for symbol in $(mutable "$BUILD/$object"); do
			plain=$(echo "$object" | sed 's|/[a-z0-9_]*-|/|')
			echo "$plain $symbol" | grep -Eqx "$state_may" ||
				echo "$(told_where "$symbol" "${object%/*}" '[^A-Za-z0-9_(]'): $symbol: mutable state"
		done
	done
}

build_samples() {
	( cd "$lint_tmp" && for c in supervisor/*.c; do ${LINT_CC:-cc} -c -o "${c%.c}.o" "$c" || exit 1; done &&
		ar cr libsupervisor_core.a supervisor/*.o ) || lint_fail "self-test: cannot compile"
}

lint_samples() {
	lint_sample supervisor/bad.c <<-'E'
		#include <stdlib.h>
		#include <time.h>
		static long last;
		long bad(void);
		long bad(void)
		{
			return time(NULL) + rand() + last++;
		}
	E
	build_samples
	lint_expect 'supervisor/bad.c:7: time in' 'supervisor/bad.c:7: rand in' 'supervisor/bad.c:3: last: mutable'
	lint_sample supervisor/good.c <<-'E'
		#include <assert.h>
		#include <string.h>
		static const char *const names[] = {"a", "b"};
		unsigned long other(const char *s);
		unsigned long good(const char *s);
		unsigned long good(const char *s)
		{
			assert(s);
			return strlen(s) + strlen(names[other(s) & 1]);
		}
	E
	printf 'unsigned long other(const char *s);\nunsigned long other(const char *s)\n{\n\treturn *s;\n}\n' |
		lint_sample supervisor/other.c
	build_samples
	lint_expect_clean
}

lint_need nm 'nm (Debian package binutils)'
lint_run
