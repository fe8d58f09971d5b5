#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# names: no typedef of a struct, union, enum or pointer; a named enum ends in …_MAX (unless its values are bits); a
# function that other files see begins with the name of its module, the first word of its file.
. "$(dirname "$0")/lib.sh"


lint_check() {
	files=$(lint_files '*.c' '*.h' -- base gossip consensus scheduler supervisor node cli include)
	[ -z "$files" ] || awk '
		function fault(line, what) { print FILENAME ":" line ": " what }
		FNR == 1 { in_enum = 0 }
		/^[ \t]*(\/?\*)/ { next }
		/^[ \t]*typedef[ \t]+(struct|union|enum)[ \t{]|^[ \t]*typedef[^(]*(\*[^(]*;|\([ \t]*\*)/ {
			fault(FNR, "typedef of a struct, union, enum or pointer")
		}
		/(^|[ \t])enum [a-z0-9_]+ *\{/ {
			in_enum = FNR
			body = ""
			text = $0
			sub(/.*enum [a-z0-9_]+ *\{/, "", text)
		}
		in_enum {
			if (FNR > in_enum) text = $0
			closed = text ~ /\}/
			sub(/\}.*/, "", text)
			gsub(/\/\*[^*]*(\*\/|$)/, "", text)
			body = body " " text
			if (closed) {
				n = split(body, part, ",")
				while (n > 0 && part[n] ~ /^[ \t]*$/) n--
				if (part[n] !~ /_MAX[ \t]*(=.*)?$/ && body !~ /= *1u? *<<|= *0x/)
					fault(in_enum, "an enum that does not end in _MAX")
				in_enum = 0
			}
		}' $files
	for file in $(lint_files '*.c' -- base gossip consensus scheduler supervisor node); do
		module=${file##*/}
		module=${module%.c}
		object=$(ls "$BUILD/${file%.c}.o" "$BUILD/${file%/*}"/*-"$module.o" 2>/dev/null | head -1)
		[ -n "$object" ] || continue
		module=${module%%_*}
		for symbol in $(nm -g --defined-only "$object" | awk '$2 == "T" { print $3 }'); do
			case $symbol in
			"$module" | "$module"_* | main | LLVMFuzzer* | __*) continue ;;
			esac
			line=$(grep -nw "$symbol" "$file" | head -1 | cut -d: -f1)
			echo "$file:$line: $symbol: begin it with ${module}_"
		done
	done
}

lint_samples() {
	lint_sample base/a.h <<-'E'
		typedef struct a { int n; } a;
		typedef struct a *a_ref;
		typedef int (*a_call)(void);
		enum a_kind { A_ONE, A_TWO };
		enum a_more {
			A_THREE, /* a remark */
			A_FOUR,
		};
	E
	lint_sample base/b_more.c <<-'E'
		int do_b(void);
		int do_b(void)
		{
			return 0;
		}
	E
	${LINT_CC:-cc} -c -o "$lint_tmp/base/b_more.o" "$lint_tmp/base/b_more.c" ||
		lint_fail "self-test: cannot compile"
	lint_expect 'base/a.h:1: typedef' 'base/a.h:2: typedef' 'base/a.h:3: typedef' 'base/a.h:4: .*_MAX' \
		'base/a.h:5: .*_MAX' 'base/b_more.c:1: do_b: begin it with b_'
	lint_sample base/a.h <<-'E'
		typedef void a_call(void *arg);
		enum a_kind { A_ONE, A_TWO, A_MAX };
		enum a_more {
			A_THREE, /* a remark, with a comma */
			A_MORE_MAX
		};
		enum a_flag { A_X = 1 << 0, A_Y = 1 << 1 };
		int a_of(enum a_kind k);
	E
	lint_expect_clean
}

lint_need nm 'nm (Debian package binutils)'
lint_run
