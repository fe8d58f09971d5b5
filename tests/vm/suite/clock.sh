#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clock.sh: the wall clock of a host jumps, years ahead and years back, under two daemons that are a cluster: no agent
# is touched, probes and restarts go on at their pace, and neither node takes the other for anything but alive. In a
# virtual machine, since a kernel has one wall clock.
set -eu
work=$(mktemp -d /tmp/covey-clock-XXXXXX)
daemons=

fault() {
	echo "clock.sh: $*"
	exit 1
}

covey() { # NODE …
	node=$1
	shift
	"$COVEY_BUILD/covey" --socket "$work/$node/run/covey.sock" "$@"
}

end() {
	[ $? -eq 0 ] || { covey n1 status || true; covey n1 events || true; tail -n 20 "$work/n1/coveyd.log"; } 2>&1
	[ -z "$daemons" ] || covey n1 stop --all >/dev/null || true
	for daemon in $daemons; do
		kill "$daemon" && wait "$daemon" || true
	done
	find /sys/fs/cgroup -depth -type d -path '*covey-clock-n?*' -exec rmdir {} \; 2>/dev/null || true
}
trap end EXIT

until_true() { # CONDITION…: turns are counted, for the clock is what is under test
	turns=1200
	until "$@"; do
		turns=$((turns - 1))
		[ $turns -gt 0 ] || fault "waited in vain for: $*"
		sleep 0.1
	done
}

start() { # NODE PORT
	mkdir -p "$work/$1/agents.d"
	cat >"$work/$1/coveyd.yaml" <<-EOF
		node: {name: $1}
		data_dir: data
		run_dir: run
		agents_dir: agents.d
		cgroup: {parent: covey-clock-$1}
		http: {bind: none}
		gossip: {bind: "127.0.0.1:$2", join: ["127.0.0.1:7947"], insecure: yes}
	EOF
	"$COVEY_BUILD/coveyd" -c "$work/$1/coveyd.yaml" >>"$work/$1/coveyd.log" 2>&1 &
	daemons="$daemons $!"
	until_true answers "$1"
}

answers() { covey "$1" status >/dev/null 2>&1; }
sees_both() { [ "$(covey "$1" nodes --json | grep -o '"state": *"alive"' | wc -l)" -eq 2 ]; }
field() { # REPLICA FIELD
	covey n1 status "${1%.*}" --json | tr ',{}' '\n\n\n' | sed -n "s/^ *\"$2\": *//p" | head -1
}
lines() { wc -l <"$work/ticks"; }
more_lines() { [ "$(lines)" -gt $(($1 + 3)) ]; }
restarted_more() { [ "$(field short.0 restarts)" -gt $(($1 + 2)) ]; }
healthy() { [ "$(field steady.0 health)" = '"healthy"' ]; }

start n1 7947
start n2 7949
covey n1 init >/dev/null
until_true sees_both n1
until_true sees_both n2
: >"$work/ticks"
cat >"$work/steady.yaml" <<-EOF
	name: steady
	command: [/bin/sh, -c, "while :; do echo tick >>$work/ticks; sleep 0.2; done"]
	user: root
	sandbox: {writable: [$work]}
	health: {liveness: {exec: {command: [/bin/true]}, every: 300ms, timeout: 60s}}
EOF
cat >"$work/short.yaml" <<-EOF
	name: short
	command: [/bin/sleep, "0.1"]
	restart: {when: always, backoff: fixed, initial: 200ms, limit: 0}
EOF
covey n1 apply "$work/steady.yaml" --timeout 120s >/dev/null
covey n1 apply --no-wait "$work/short.yaml" >/dev/null
until_true healthy
pid=$(field steady.0 pid)

for jump in '+10 years' '-25 years' '+3 days' '-1 hour'; do
	date -s "$jump" >/dev/null
	ticks=$(lines)
	restarts=$(field short.0 restarts)
	until_true more_lines "$ticks"
	until_true restarted_more "$restarts"
	until_true healthy
	[ "$(field steady.0 pid)" = "$pid" ] || fault "steady.0 was started anew after a jump of $jump"
	sees_both n1 && sees_both n2 || fault "after a jump of $jump: $(covey n1 nodes; covey n2 nodes)"
done
covey n1 restart steady --timeout 120s >/dev/null || fault "a restart after the jumps"
[ "$(field steady.0 pid)" != "$pid" ] || fault "steady was not restarted"
for node in n1 n2; do
	for kind in suspect dead isolated refuted cloned; do
		! covey $node events --json | grep -q "\"kind\": *\"$kind\"" || fault "$node told '$kind'"
	done
done
