#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The two commands of the README for real, in a directory of their own: dev/up starts the example agents, the status,
# the metrics and the JSON say so, a second dev/up changes nothing, dev/down leaves nothing. Needs root.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "skipped, this host lacks: root"; exit 77; }
work=$(mktemp -d /tmp/covey-smoke-XXXXXX)
down() {
	"$top/dev/down" --dir "$work/state" || true
	rm -rf "$work"
}
trap down EXIT
trap 'exit 1' HUP INT TERM

fault() {
	echo "$0:1: $*" >&2
	exit 1
}

said() { # PATTERN: in the last output
	grep -Eq "$1" "$work/out" || fault "'$1' is not in: $(cat "$work/out")"
}

soon() { # PATTERN VERB: once what was told elsewhere has come
	turns=300
	until covey "$2" >"$work/out" && grep -Eq "$1" "$work/out"; do
		turns=$((turns - 1))
		[ $turns -gt 0 ] || said "$1"
		sleep 0.1
	done
}

"$top/dev/up" --dir "$work/state" | tee "$work/out"
said '^metrics:  http://127'
said '^stop: '
socket=$work/state/run/covey.sock
covey() {
	"$top/build/covey" --socket "$socket" "$@"
}
pids() {
	covey status --json | tr ',{' '\n\n' | sed -n 's/^ *"pid" *: *\([0-9]*\).*/\1/p' | sort -n
}

nothing_left() { # PIDS of agents
	for pid in $1; do
		! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2>/dev/null ||
			fault "agent $pid still runs"
	done
	for proc in /proc/[0-9]*; do
		case $(readlink "$proc/cwd" 2>/dev/null) in
		"$work"/*) fault "still runs: ${proc#/proc/} $(tr '\0' ' ' <"$proc/cmdline")" ;;
		esac
	done
	[ ! -d "$work/state" ] || fault "left behind: $(ls -R "$work/state")"
	! ls -d /sys/fs/cgroup/*/"$group" 2>/dev/null || fault 'left behind'
}

covey status >"$work/out"
said running
covey status --json >"$work/out"
said '"format" *: *1'
url=$(grep -o 'bind: [0-9.:]*' "$work/state/coveyd.yaml" | cut -d' ' -f2)
curl -fsS "http://$url/metrics" >"$work/out"
said '^# TYPE covey'
curl -fsS "http://$url/health/ready" >/dev/null
group=$(sed -n 's/^cgroup: {parent: \(.*\)}/\1/p' "$work/state/coveyd.yaml")
[ -n "$group" ] || fault 'no group in coveyd.yaml'
before=$(pids)
[ -n "$before" ] || fault 'no agent has a pid'

echo '== again'
"$top/dev/up" --dir "$work/state" >"$work/out"
said 'runs already'
[ "$(pids)" = "$before" ] || fault 'a second dev/up started agents anew'

echo '== the daemon is killed'
kill -KILL "$(cat "$work/state/coveyd.pid")"
"$top/dev/up" --dir "$work/state" >"$work/out"
[ "$(pids)" = "$before" ] || fault 'agents did not outlive the daemon'

echo '== down'
"$top/dev/down" --dir "$work/state"
nothing_left "$before"
"$top/dev/down" --dir "$work/state"

echo '== down without a daemon'
"$top/dev/up" --dir "$work/state" >"$work/out"
before=$(pids)
kill -KILL "$(cat "$work/state/coveyd.pid")"
"$top/dev/down" --dir "$work/state"
nothing_left "$before"

echo '== a cluster'
"$top/dev/up" --nodes 3 --dir "$work/state" >"$work/out"
said '^stop: '
socket=$work/state/run/n1/covey.sock
soon '^n3 +alive' nodes
socket=$work/state/run/n3/covey.sock
soon '^n1/[a-z]+ +running' status
before=$(pids)
"$top/dev/up" --nodes 3 --dir "$work/state" >"$work/out"
said 'coveyd n2 runs already'
"$top/dev/down" --dir "$work/state"
nothing_left "$before"
