#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion as a shell does it: bash with the file that is installed, and zsh's file at least read by zsh where there
# is one. What is offered is tests/unit/test_complete's; here it is that the shell's half hands it through.
set -eu
top=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$top/build}
[ -x "$build/covey" ] || { echo "skipped, this host lacks: $build/covey, built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$top/etc/completion/covey.bash"
red=0

offered() { # WORD…: what bash would show behind them
	COMP_WORDS=("$build/covey" "$@")
	COMP_CWORD=$#
	_covey
	printf '%s\n' "${COMPREPLY[@]:-}" | sort | tr '\n' ' '
}

expect() { # WANT WORD…
	local want=$1 got
	shift
	got=$(offered "$@")
	[ "$got" = "$want" ] || { echo "$0:1: behind '$*' came '$got', not '$want'"; red=1; }
}

expect 'stop ' sto
expect 'pause resume status undo ' rollout ''
expect '--no-wait ' scale --no
expect ' ' scale web 3 ''
cd "$work"
touch 'a b.yaml' c.yaml
expect 'a b.yaml c.yaml ' apply ''
expect 'c.yaml ' apply --socket = /nowhere/x.sock c
complete -p covey | grep -q -- '-F _covey' || { echo "$0:1: bash knows of no completion for covey"; red=1; }
if command -v zsh >/dev/null 2>&1; then
	zsh -n "$top/etc/completion/_covey" || red=1
fi
exit $red
