#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# operations: doc/OPERATIONS.md and the sources say the same sentences. What the tables of "When something is wrong"
# quote stands in the sources; and each error and warning that the daemon logs is in those tables.
. "$(dirname "$0")/lib.sh"

# What others say, of us; and what is no sentence.
not_ours='Address in use|Failed at step|219/CGROUP|A dependency job|Watchdog timeout|No such file or directory'
not_ours="$not_ours|Read-only file system|Permission denied|exit status|from outside|coveyd.yaml|COVEY_SHIM"
not_ours="$not_ours|start failed: exec"

# Sources without line ends, strings that the compiler joins joined.
flat() { # FILE…
	cat "$@" /dev/null | tr '\n\t' '  ' | sed 's/CGROUP_HOME_UNIT *"/"covey-agents.service/g; s/" *"//g'
}

# Of each sentence the pieces between what differs each time (…, words in capitals, figures, %s), separated by the
# first argument; short ones are none.
pieces() { # SEPARATOR
	awk -v separator="$1" '{
		gsub(/…|%[-.0-9l]*[a-z]+/, "\n")
		$0 = " " $0 " "
		while (match($0, /[^A-Za-z_][A-Z]+[^A-Za-z_.]/))
			$0 = substr($0, 1, RSTART) "\n" substr($0, RSTART + RLENGTH - 1)
		n = split($0, part, "\n")
		all = ""
		for (i = 1; i <= n; i++) {
			gsub(/^[ \x27:;,.)]+|[ \x27:;,.(]+$/, "", part[i])
			if (length(part[i]) > 7) all = all (all == "" ? "" : separator) part[i]
		}
		if (all != "") print all
	}'
}

is_told() { # PIECES, separated by |: whether the tables have one
	printf '%s\n' "$1" | tr '|' '\n' | while read -r piece; do
		short=$(printf '%s' "$piece" | cut -c1-30)
		! grep -Fq -- "${short% *}" "$lint_tmp/words/tables" || echo yes
	done | grep -q yes
}

lint_check() {
	doc=doc/OPERATIONS.md
	[ -f "$doc" ] || return 0
	mkdir -p "$lint_tmp/words"
	flat $(lint_files '*.c' -- base supervisor node cli) >"$lint_tmp/words/flat"
	sed -n '/^## When something is wrong/,$p' "$doc" >"$lint_tmp/words/tables"
	grep '^| `' "$lint_tmp/words/tables" | sed 's/ | .*//' | grep -o '`[^`]*`' | tr -d '`' | grep -Ev "$not_ours" |
		pieces '\n' | sort -u | while read -r piece; do
		grep -Fq -- "$piece" "$lint_tmp/words/flat" ||
			echo "$doc:$(grep -nF -- "$piece" "$doc" | head -1 | cut -d: -f1): nobody says '$piece'"
	done
	for file in $(lint_files '*.c' -- node); do
		flat "$file" | grep -oE 'log_(err|warn)\("[^"]*"' | sed 's/^[^"]*"//; s/"$//' |
			grep -Ev '^(control|http):' | pieces '|' | while read -r all; do
			is_told "$all" || echo "$file:1: '$all' is not in $doc"
		done
	done
}

lint_samples() {
	printf '/* */\nlog_err("the moon is %%s; " "go home, now");\n' | lint_sample node/a.c
	printf '# x\n## When something is wrong\n| `the sun is …` | wait |\n' | lint_sample doc/OPERATIONS.md
	lint_expect "doc/OPERATIONS.md:3: nobody says 'the sun is'" "node/a.c:1: 'the moon is.go home, now' is not"
	printf '/* */\nlog_err("the sun is %%s");\n' | lint_sample node/a.c
	printf '# x\n## When something is wrong\n| `the sun is …` | wait |\n' | lint_sample doc/OPERATIONS.md
	lint_expect_clean
}

lint_run
