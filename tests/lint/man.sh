#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# man: mandoc finds no error and nothing to warn of in the manual pages, and each program and file has its page.
. "$(dirname "$0")/lib.sh"

lint_check() {
	pages=$(lint_files '*.[1-9]' -- man)
	[ -z "$pages" ] || mandoc -T lint -W warning $pages 2>&1 |
		sed -n 's/^mandoc: \([^:]*:[0-9]*\):[0-9]*: \(.*\)/\1: \2/p'
}

lint_samples() {
	printf '.Dd January 1, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh TEXT\n.Xx\n.Bl\n' | lint_sample man/x.1
	lint_expect 'man/x.1:8: .*macro' 'man/x.1:9: '
	printf '.Dd January 1, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n' | lint_sample man/x.1
	lint_expect_clean
}

lint_need mandoc 'mandoc (Debian package mandoc)'
lint_run
