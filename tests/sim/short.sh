#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Clusters of 2 to 8 gossip cores, and of 3 to 7 whole nodes, of one version, of two, and with a majority of the voters
# lost and given up, in virtual time, a seed each with faults of its own, then healed: all agree, all that is desired
# runs, and nothing was broken on the way. A seed that failed once stands in seeds.txt and is run first, with the
# command that found it.
set -eu
sim=${BUILD:-.}/tests/sim/covey-sim
seeds=${COVEY_SIM_SEEDS:-200}

grep -v '^#' "${TOP:-.}/tests/sim/seeds.txt" | while read -r options; do
	# shellcheck disable=SC2086 # a line is the options of one run
	"$sim" $options
done
"$sim" --faults swarm --minutes 2 --seeds "$seeds"
"$sim" --cluster --faults swarm --minutes 1 --seed 141 --seeds "$((seeds / 5))"
"$sim" --mixed --faults swarm --minutes 1 --seed 541 --seeds "$((seeds / 10))"
"$sim" --disaster --faults swarm --minutes 1 --seed 741 --seeds "$((seeds / 5))"
