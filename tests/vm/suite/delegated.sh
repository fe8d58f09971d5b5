#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# delegated.sh: a daemon whose groups are those of a unit that systemd has delegated. It moves out of the way of its own
# controllers, limits its agents there, writes nothing above, refuses what was not delegated, and is gone with the unit.
set -eu
work=$(mktemp -d /tmp/covey-delegated-XXXXXX)
unit=covey-delegated.service
root=/sys/fs/cgroup
own=$root/system.slice/$unit

fault() {
	echo "delegated.sh: $*"
	exit 1
}

covey() {
	"$COVEY_BUILD/covey" --socket "$work/run/covey.sock" "$@"
}

end() {
	[ $? -eq 0 ] || journalctl --no-pager -u "$unit" | tail -30
	systemctl stop "$unit" 2>/dev/null || true
}
trap end EXIT

start_daemon() { # CONTROLLERS: what is delegated
	mkdir -p "$work/agents.d"
	cat >"$work/coveyd.yaml" <<-EOF
		node: {name: n1}
		data_dir: data
		run_dir: run
		agents_dir: agents.d
		cgroup: {parent: system.slice/$unit}
		http: {bind: "127.0.0.1:7948"}
	EOF
	systemd-run --quiet --collect --unit="$unit" -p Type=notify -p Delegate="$1" -p TimeoutStartSec=300 \
		"$COVEY_BUILD/coveyd" -c "$work/coveyd.yaml"
}

agent() { # NAME RESOURCES
	printf 'name: %s\ncommand: [/bin/sleep, "10000"]\nresources: {%s}\n' "$1" "$2" >"$work/$1.yaml"
	covey apply "$work/$1.yaml" 2>"$work/said"
}

above() { # what systemd has switched on above the unit
	cat "$root/cgroup.subtree_control" "$root/system.slice/cgroup.subtree_control"
}

start_daemon yes
pid=$(systemctl show -P MainPID "$unit")
grep -qx "0::/system.slice/$unit/_daemon" "/proc/$pid/cgroup" || fault "the daemon is in $(cat "/proc/$pid/cgroup")"
[ -z "$(cat "$own/cgroup.procs")" ] || fault 'a process is left in the group that has controllers for its children'
agent web 'cpu: 0.5, memory: 64M, pids: 8, cpuset: "1", io_weight: 300'
[ "$(cat "$own/web.0/memory.max")" = $((64 << 20)) ] || fault 'no limit of memory'
[ "$(cat "$own/web.0/cpu.max")" = '50000 100000' ] || fault 'no limit of processors'
[ "$(cat "$own/web.0/cpuset.cpus")" = 1 ] || fault 'no set of processors'
agents=$(cat "$own/web.0/cgroup.procs")
[ "$agents" ] || fault 'the agent is not in its group'
systemctl stop "$unit"
[ ! -d "/proc/$agents" ] || fault 'the agent has outlived its unit'
[ ! -d "$own" ] || fault 'groups have outlived their unit'

rm -rf "$work/data"
before=$(above)
start_daemon 'pids memory'
agent small 'memory: 64M, pids: 8'
[ "$(cat "$own/small.0/memory.max")" = $((64 << 20)) ] || fault 'no limit of memory where it alone is delegated'
! agent slow 'cpu: 0.5' || fault 'a limit was taken that nobody delegated'
grep -q 'resources.cpu: this host cannot enforce it' "$work/said" || fault "refused with: $(cat "$work/said")"
[ "$(above)" = "$before" ] || fault "above the unit there was '$before', and now '$(above)'"
echo "a delegated unit is enough, and is not left"
