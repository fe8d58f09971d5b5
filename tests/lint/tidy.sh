#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tidy: sizes of functions, files and lines; SPDX first, then the story; nothing left to do, nothing commented out, no
# trailing blanks; a skipped test names the capability that is missing; tests wait for events, not for a time.
. "$(dirname "$0")/lib.sh"

function_max=70
file_max=600
file_think=400
columns_max=120

texts() {
	lint_files '*.c' '*.h' '*.sh' '*.awk' '*.mk' '*.py' '*.pml'
	lint_files '*' -- dev .ci man
	lint_files '*.yaml' '*.profile' '*.service' '*.conf' '*.md' '*.mk' -- etc doc
	find . -maxdepth 1 -type f \( -name '*.md' -o -name '*.ac' -o -name '*.am' \) | sed 's|^\./||'
}

lint_check() {
	files=$(texts | sort -u)
	[ -z "$files" ] || awk -f "$lint_dir/tidy.awk" -v function_max=$function_max -v file_max=$file_max \
		-v file_think=$file_think -v columns_max=$columns_max $files
}

sample_c() {
	printf '/* SPDX-License-Identifier: Apache-2.0 */\n/*\n * A story.\n */\n'
	cat
}

lint_samples() {
	printf 'int x;\n' | lint_sample base/a.c
	sample_c <<-'E' | sed -e 's/LATER/TO''DO/' -e 's/AND_THIS/X''XX/' -e 's/BLANK/ /' | lint_sample base/b.c
		int x;BLANK
		/* LATER: more */
		// old style
		/* x = 3; */
		#if 0
		/*
		 * if (x)
		 * call(x);
		 */
		/* AND_THIS this */
	E
	{ sample_c </dev/null; printf 'int f(void)\n{\n'; yes '	x++;' | head -69; printf '}\n'; } | lint_sample base/c.c
	{ sample_c </dev/null; yes 'int x;' | head -597; } | lint_sample base/d.c
	{ sample_c </dev/null; yes 'int x;' | head -397; } | lint_sample base/e.c
	{ sample_c </dev/null; printf '/* %0120d */\n' 1; } | lint_sample base/f.c
	sample_c <<-'E' | lint_sample tests/unit/test_a.c
		skip();
		return 77;
		sleep(1);
	E
	printf '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n# A story.\nexit 77\n' | lint_sample tests/edge/a.sh
	printf '#!/bin/sh\n\n' | lint_sample dev/a
	printf 'byte x;\n' | lint_sample tests/model/a.pml
	printf 'a \n' | lint_sample README.md
	printf '# SPDX-License-Identifier: Apache-2.0\nx += %%D%%/y\nx += z\nx += %%D%%/y\n' |
		lint_sample tests/local.mk
	lint_expect 'base/a.c:1: .*SPDX' 'base/a.c:1: .*story' 'base/b.c:5: .*blank' 'base/b.c:6: .*done later' \
		'base/b.c:7: .*//' 'base/b.c:8: .*commented' 'base/b.c:9: .*#if 0' 'base/b.c:11: .*commented' \
		'base/b.c:12: .*commented' 'base/b.c:14: .*later' 'base/c.c:6: .*71 lines' 'base/d.c:601: .*601 lines' \
		'note: base/e.c:401: .*401 lines' 'base/f.c:5: .*columns' 'tests/unit/test_a.c:5: .*capability' \
		'tests/unit/test_a.c:6: .*capability' 'tests/unit/test_a.c:7: .*event' \
		'tests/edge/a.sh:4: .*capability' 'dev/a:1: .*SPDX' 'tests/model/a.pml:1: .*SPDX' \
		'tests/local.mk:4: .*twice' 'README.md:1: .*blank'
	{
		sample_c <<-'E'
			/* Rises by one; never falls (see f): a note that ends in a semicolon; */
			/*
			 * An example is indented:
			 *
			 *	x = f(x);
			 */
			static const char url[] = "http://x";
		E
		printf 'int f(void)\n{\n'; yes '	x++;' | head -68; printf '}\n'
		printf '/* %0114d */\n' 1
	} | lint_sample base/a.c
	printf '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n# A story.\nskip "cgroup v2" || exit 77\n' |
		lint_sample tests/edge/a.sh
	lint_expect_clean
}

lint_run
