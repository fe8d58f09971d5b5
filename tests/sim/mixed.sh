#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whole nodes of two versions (mixed.h), with a rule of doc/PROTOCOL.md left out: an N that drops fields which it does
# not know, of an agent's register and of the root's, and one that makes something of a value whose min_version it
# lacks, or does what it is asked there. Seeds that are well with the rule; without it each sentence for what is broken
# then is told of one of them at least. With COVEY_SIM_SEARCH=SEEDS, where it is not any more, so many are tried, and
# those of which it is are told.
set -eu
sim=${BUILD:-.}/tests/sim/covey-sim
run="--mixed --faults swarm --minutes 1"
red=0
lost="what N+1 says of the value is lost in a value that N made"

# caught MUTANT SEEDS SENTENCE…
caught() {
	mutant=$1 seeds=$2
	shift 2
	# shellcheck disable=SC2086 # options; so below
	"$sim" $run $seeds >/dev/null || { echo "$mutant: not well with the rule"; red=1; }
	# shellcheck disable=SC2086
	told=$("$sim" $run $seeds --mutant "$mutant" 2>&1 | tr -d '\0' | grep -a '^seed ') || :
	for sentence; do
		! printf '%s\n' "$told" | grep -q "$sentence" || continue
		echo "$mutant, by the sentence '$sentence', is not caught by $run $seeds"
		red=1
		# shellcheck disable=SC2086
		[ -z "${COVEY_SIM_SEARCH:-}" ] ||
			"$sim" $run --seed 1 --seeds "$COVEY_SIM_SEARCH" --mutant "$mutant" 2>&1 |
			grep -a "^seed .*$sentence" || :
	done
}

caught carry "--seed 3001 --seeds 10" "register 'a[0-9]': $lost" "register '': $lost"
caught min_version "--seed 3001 --seeds 70" "register 'a[0-9]': min_version falls" "register '': min_version falls" \
	"is asked for what only N+1 can do, and answers: done"
exit $red
