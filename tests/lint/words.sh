#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# words: nothing in the tree binds it to the machine it was written on: no path of a developer's, no host of a mirror
# or of a private network. The words are put together here from halves, so that this file may stand in the tree as well.
. "$(dirname "$0")/lib.sh"

s=/
hosts="(deb|ftp|security|snapshot)\\.(debian|ubuntu)\\.[a-z]+"
hosts="${hosts}|(mirr""or|artif""actory|nex""us|prox""y|regis""try)[a-z0-9-]*\\.[a-z0-9-]+\\.[a-z]+"
paths="(^|[^A-Za-z0-9_.])(${s}ho""me${s}[a-z]|${s}wo""rk${s}|${s}Us""ers${s}|${s}tmp${s}b-)"
private="[a-z0-9-]+\\.(inter""nal|cor""p|la""n)([^a-z0-9_.]|\$)"

lint_check() {
	find . \( -name .git -o -name autom4te.cache -o -name '_build*' -o -path './build*' \) -prune -o -type f \
		! -name configure ! -name Makefile.in ! -name aclocal.m4 ! -name LICENSE -print |
		sed 's|^\./||' | sort | xargs -r grep -nHIE "$hosts|$paths|$private" |
		sed 's/^\([^:]*:[0-9]*\):.*/\1: names a machine or a path of a developer/' || true
}

lint_samples() {
	printf 'x\n# see %shome%sme/covey\n' / / | lint_sample dev/a
	printf 'http://deb.%s.org/x\n' debian | lint_sample doc/b.md
	printf 'curl pypi-%s.example.com\n' proxy | lint_sample doc/c.md
	printf 'host.%s\n' internal | lint_sample doc/d.md
	lint_expect 'dev/a:2: ' 'doc/b.md:1: ' 'doc/c.md:1: ' 'doc/d.md:1: '
	printf 'work/home at /var/lib/covey, n1.example\n' | lint_sample doc/a.md
	lint_expect_clean
}

lint_run
