#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What drive/power.py has done in its guest.
# power.sh write PORT N [EVENT]: changes agents for ever, the changes of N, N+1, …, and tells of each on /dev/ttyS<PORT>
# once covey has said that it is done: "ack N". PORT 1: waits until each is carried out; 2: only until it is decided,
# and tells before the ack which events, later than EVENT, it had been shown before it asked: "saw JSON"; 3: four
# agents at a time, decided.
# power.sh look: what there is: of each of those agents the definition that the daemon has, then the status.
# power.sh runs AGENT N: whether a replica of it runs with the definition of change N.
set -u
place=/run/covey-power-writer
mkdir -p "$place"

covey() {
	"$COVEY_BUILD/covey" --socket /run/covey-power/covey.sock "$@"
}

# Padded, so that the store's log is full every few dozen changes, and goes into its database.
padding=$(printf '%03000d' 0)

define() { # AGENT N
	replicas=1
	[ "$1" = one ] || [ "$1" = two ] || replicas=0
	printf 'name: %s\nreplicas: %s\ncommand: [/bin/sleep, "100000"]\nenv: {COUNT: "%s"}\n# %s\n' \
		"$1" $replicas "$2" "$padding" >"$place/$1.yaml"
}

# The change of a number, in turns of six; drive/power.py knows what each leaves behind.
change() { # AGENT N [OPTION]
	agent=$1
	case $(($2 % 6)) in
	2) set -- stop "$agent" ${3:-} ;;
	4) set -- start "$agent" ${3:-} ;;
	5) set -- remove "$agent" ${3:-} ;;
	*)
		define "$agent" "$2"
		set -- apply "$place/$agent.yaml" ${3:-}
		;;
	esac
	covey "$@" --timeout 600s >"$place/$agent.said" 2>&1 || echo "$*: status $?" >>"$place/fault-$port"
}

show_events() {
	covey events --json ${event:+--after "$event"} >"$place/events" ||
		echo "events: status $?" >>"$place/fault-$port"
	last=$(tail -n 1 "$place/events")
	[ -n "$last" ] || return 0
	event=${last#*'"id":"'}
	event=${event%%'"'*}
}

write() { # PORT N [EVENT]
	port=$1
	n=$2
	event=${3:-}
	: >"$place/events"
	rm -f "$place/fault-$port"
	while [ ! -e "$place/fault-$port" ]; do
		case $port in
		1) change one "$n" ;;
		2)
			show_events
			change two "$n" --no-wait
			;;
		3)
			for agent in red green blue grey; do
				change $agent "$n" --no-wait &
			done
			wait
			;;
		esac
		[ ! -e "$place/fault-$port" ] || break
		{
			echo
			[ "$port" != 2 ] || sed 's/^/saw /' "$place/events"
			echo "ack $n"
		} >"/dev/ttyS$port"
		n=$((n + 1))
	done
	{
		echo
		sed 's/^/fault /' "$place/fault-$port" "$place"/*.said
	} >"/dev/ttyS$port"
}

look() {
	files=
	for agent in one two red green blue grey; do
		define $agent nothing
		files="$files $place/$agent.yaml"
	done
	covey apply --dry-run $files
	covey status --json
}

runs() { # AGENT N
	pid=$(covey status "$1" --json | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
	[ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/environ" | grep -qx "COUNT=$2"
}

"$@"
