#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whole nodes with one rule of consensus.md left out: the seed that mutants.txt has for it is well with the rule and is
# not without. With COVEY_SIM_SEARCH=SECONDS a rule whose seed catches nothing any more (the core draws in another
# order, say) is searched for, and the line is told.
set -eu
dir=${BUILD:-.}/tests/sim
red=0

grep '^M' "${TOP:-.}/tests/sim/mutants.txt" | {
	while read -r mutant options; do
		kind=--cluster
		case $options in *--disaster*) kind=--disaster ;; esac
		# shellcheck disable=SC2086 # a line is the options of one run
		"$dir/covey-sim" --cluster $options >/dev/null || { echo "$mutant: not well with the rule"; red=1; }
		# shellcheck disable=SC2086
		if ! "$dir/covey-sim-mutants" --cluster $options --mutant "$mutant" >/dev/null 2>&1; then
			continue
		fi
		echo "$mutant is not caught by $options"
		red=1
		[ -z "${COVEY_SIM_SEARCH:-}" ] || "$dir/covey-sim-mutants" $kind --minutes 1 --first --seed 1000 \
			--seconds "$COVEY_SIM_SEARCH" --mutant "$mutant" 2>&1 | grep 'to repeat' || :
	done
	exit $red
}
