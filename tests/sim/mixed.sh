#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whole nodes of two versions (mixed.h), with a rule of doc/PROTOCOL.md left out: an N that drops fields which it does
# not know, of an agent's register and of the root's, and one that makes something of a value whose min_version it
# lacks, or does what it is asked there. The seed is well with the rule, and without it is caught by the sentence for
# that. With COVEY_SIM_SEARCH=SEEDS for one that catches nothing any more so many are tried, and those that do are told.
set -eu
sim=${BUILD:-.}/tests/sim/covey-sim
red=0

while read -r mutant nodes seed sentence; do
	run="--mixed --faults swarm --minutes 1"
	# shellcheck disable=SC2086 # the options of one run
	"$sim" $run --nodes "$nodes" --seed "$seed" >/dev/null || { echo "$mutant: not well with the rule"; red=1; }
	# shellcheck disable=SC2086
	if "$sim" $run --nodes "$nodes" --seed "$seed" --mutant "$mutant" 2>&1 | grep -aq "^seed .*$sentence"; then
		continue
	fi
	echo "$mutant, by the sentence '$sentence', is not caught by $run --nodes $nodes --seed $seed"
	red=1
	# shellcheck disable=SC2086
	[ -z "${COVEY_SIM_SEARCH:-}" ] || "$sim" $run --seed 1 --seeds "$COVEY_SIM_SEARCH" --mutant "$mutant" 2>&1 |
		grep -a -A 1 "^seed .*$sentence" || :
done <<'SEEDS'
carry 3 59 register 'a[0-9]': .* is lost in a value that N made
carry 5 28 register '': .* is lost in a value that N made
min_version 4 3016 register 'a[0-9]': min_version falls
min_version 7 220 register '': min_version falls
min_version 5 3219 is asked for what only N+1 can do, and answers: done
SEEDS
exit $red
