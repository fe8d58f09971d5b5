# SPDX-License-Identifier: Apache-2.0
# What tidy.sh looks for, a line at a time. Words that must not stand in the tree are put together here from halves.
function fault(line, what) { print FILENAME ":" line ": " what }

function columns(s,    n, i, at, part) {
	gsub(/[\200-\277]/, "", s) # the later bytes of a character
	n = split(s, part, "\t")
	for (i = 1; i < n; i++) {
		at += length(part[i])
		at += 8 - at % 8
	}
	return at + length(part[n])
}

function file_done() {
	if (!file)
		return
	if (is_c && !story) print file ":1: no story: a comment at the head of the file says what it does"
	if (file !~ /\.c$/)
		return
	if (lines > file_max) print file ":" lines ": " lines " lines: split it, past " file_max
	else if (lines > file_think) print "note: " file ":" lines ": " lines " lines: think, past " file_think
}

BEGIN {
	license = "SPDX-License-Identifier: Apache-2.0"
	later = "(^|[^A-Za-z])(TO" "DO|FIX" "ME|XX" "X|HA" "CK)([^A-Za-z]|$)"
	effect = "\\*?[A-Za-z_][][A-Za-z0-9_>.*-]*( [-+|&]?= .*|\\(.*\\)|\\+\\+|--);"
	statement = "(" effect "|(if|for|while|switch|else)( \\(.*\\))?( \\{)?|return .*;|break;|continue;)"
}

FNR == 1 {
	file_done()
	file = FILENAME
	is_c = file ~ /\.[ch]$/
	is_code = is_c || file ~ /\.(sh|awk|mk|py|pml|ac|am)$/ || file ~ /^(dev|\.ci)\//
	story = in_function = in_comment = 0
	shebang = /^#!/
	licensed = is_code || file ~ /\.(yaml|profile|service|conf)$/
	if (licensed && !shebang && $0 !~ license) fault(1, "line 1 is not " license)
}
FNR == 2 && shebang && $0 !~ license { fault(1, "below #! is not " license) }
{ lines = FNR }
FNR > 1 && FNR < 12 && /^\/\*/ { story = 1 }

/[ \t\r]$/ { fault(FNR, "trailing blank") }
$0 ~ later { fault(FNR, "to be done later: do it, or open an issue") }
file ~ /\.mk$/ && /^[a-z_]+ \+= [^\\]*$/ && seen[file, $0]++ { fault(FNR, "stands here twice: " $0) }
is_code && columns($0) > columns_max { fault(FNR, columns($0) " columns, past " columns_max) }

is_c && /^[ \t]*#[ \t]*if[ \t]+0([^-9]|$)/ { fault(FNR, "#if 0: commented-out code") }
is_c && !in_comment && (/^[ \t]*\/\/ ?/ || /[;{}][ \t]+\/\/ /) { fault(FNR, "// comment: use /* */") }
is_c && !in_comment && $0 ~ "^[ \t]*/\\* ?" statement " ?\\*/$" { fault(FNR, "commented-out code") }
is_c && in_comment && $0 ~ "^[ \t]*\\*? ?" statement "$" { fault(FNR, "commented-out code") }
is_c {
	text = $0
	gsub(/\/\*[^*]*\*\//, "", text)
	if (text ~ /\/\*/ && text !~ /\*\//) in_comment = 1
	else if (text ~ /\*\//) in_comment = 0
}

is_c && /^{/ { in_function = FNR }
is_c && /^}/ && in_function {
	long = FNR - in_function + 1
	if (long > function_max) fault(in_function, "a function of " long " lines, past " function_max)
	in_function = 0
}

file ~ /^tests\// && file !~ /^tests\/(lib|lint)\// && !/^[ \t]*(\*|#|\/\*)/ {
	unnamed = "skipped without naming the missing capability"
	if (is_c && /(^|[^a-z_])skip\(\)|(exit|return)[ (]+77/) fault(FNR, unnamed ": TEST_SKIP_ALL")
	if (file ~ /\.sh$/ && /exit 77/ && !/(echo|skip) /) fault(FNR, unnamed)
	if (is_c && /(^|[^a-z_])u?sleep\(/) fault(FNR, "waits for a time: wait for the event (tests/lib/wait.h)")
}
END { file_done() }
