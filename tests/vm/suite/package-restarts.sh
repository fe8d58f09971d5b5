#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fifty restarts of the daemon by systemd and five times SIGKILL: the same agents with the same pids, a singleton among
# them, not one start more, and shims that take no more memory for it.
. "$(dirname "$0")/lib/package.sh"

fresh
rm -f /srv/web.said
define web INT
cat >/tmp/alone.yaml <<'Y'
name: alone
kind: singleton
command: [/bin/sleep, "1000000"]
Y
cat >/tmp/crowd.yaml <<'Y'
name: crowd
replicas: 8
command: [/bin/sleep, "1000000"]
health: {liveness: {exec: {command: [/bin/true]}, every: 5s, timeout: 4s}}
Y
covey apply --timeout "${suite_bound_s}s" /tmp/alone.yaml /tmp/crowd.yaml >/dev/null || fault "apply"
replicas="web.0 alone.0 crowd.0 crowd.1 crowd.2 crowd.3 crowd.4 crowd.5 crowd.6 crowd.7"

pids() {
	for replica in $replicas; do
		pid_of "$replica"
	done
}
starts() { covey events --json | grep -c '"kind" *: *"started"'; }
shims_kb() { # what is theirs alone
	for pid in $before; do
		sed -n 's/^Private_[A-Za-z]*: *\([0-9]*\) kB/\1/p' "/proc/$(shim_of "$pid")/smaps_rollup"
	done | awk '{ sum += $1 } END { print sum }'
}
unchanged() { # AFTER WHAT
	wait_for "covey status after $1" covey status
	for replica in $replicas; do
		wait_for "$replica is taken over after $1" runs "$replica"
	done
	[ "$(pids)" = "$before" ] || fault "$1 started agents anew: '$before' became '$(pids)'"
	[ "$(starts)" = "$begun" ] || fault "$1: $begun starts became $(starts)"
	[ ! -e /srv/web.said ] || fault "$1 stopped web.0"
	[ "$(covey status --json | grep -o '"restarts" *: *[1-9]' | wc -l)" = 0 ] || fault "$1 counts restarts"
}

before=$(pids)
begun=$(starts)
[ "$(echo "$before" | wc -w)" -eq 10 ] || fault "not all agents run: $before"
systemctl restart coveyd || fault "the first restart failed"
unchanged 'a restart'
memory=$(shims_kb)
for turn in $(seq 50); do
	systemctl restart coveyd || fault "restart $turn of coveyd failed"
	[ $((turn % 10)) -ne 0 ] || unchanged "restart $turn"
done
no_more() { # a probe's command takes some for a moment
	after=$(shims_kb)
	[ "$after" -le "$memory" ]
}
wait_for "the shims of ten agents take no more than the $memory kB of before" no_more
echo "50 restarts: same pids, $begun starts, ten shims with $memory kB of their own before and $after kB after"

for turn in 1 2 3 4 5; do
	daemon=$(systemctl show -P MainPID coveyd)
	systemctl kill -s KILL coveyd
	wait_for "the daemon is gone, time $turn" gone "$daemon"
	unchanged "SIGKILL $turn of coveyd"
done
[ "$(systemctl show -P NRestarts coveyd)" -ge 5 ] || fault "systemd did not start it again each time"
wait_for "after SIGKILL of the daemon shims take no more than $memory kB" no_more
echo "5 times SIGKILL: same pids, $begun starts, $after kB"
rm -f /srv/web.said
