#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# limits.sh: every limit that a definition can ask for, on the kernel's cgroup v2: written where the kernel keeps it, in
# force, and told. The daemon is a plain process here, in no unit of its own, with its groups at the root.
set -eu
work=$(mktemp -d /tmp/covey-limits-XXXXXX)
groups=/sys/fs/cgroup/covey-limits
daemon=

fault() {
	echo "limits.sh: $*"
	exit 1
}

covey() {
	"$COVEY_BUILD/covey" --socket "$work/run/covey.sock" "$@"
}

end() {
	[ $? -eq 0 ] || { covey status || true; tail -30 "$work/coveyd.log"; } 2>&1
	[ -z "$daemon" ] || covey stop --all >/dev/null || true
	[ -z "$daemon" ] || kill "$daemon" && wait "$daemon" || true
	swapoff "$work/swap" 2>/dev/null || true
}
trap end EXIT

until_true() { # CONDITION…: the bound is the test's own
	turns=1200
	until "$@"; do
		turns=$((turns - 1))
		[ $turns -gt 0 ] || fault "waited in vain for: $*"
		sleep 0.1
	done
}

says() { # FILE TEXT: a file of the agent's group, whole or one line of it
	grep -qxF -- "$2" "$groups/$1" || fault "$1 is '$(cat "$groups/$1")', not '$2'"
}

answers() {
	covey status >/dev/null 2>&1
}

start_daemon() {
	mkdir -p "$work/agents.d"
	cat >"$work/coveyd.yaml" <<-EOF
		node: {name: n1}
		data_dir: data
		run_dir: run
		agents_dir: agents.d
		cgroup: {parent: ${groups##*/}}
		http: {bind: "127.0.0.1:7948"}
	EOF
	"$COVEY_BUILD/coveyd" -c "$work/coveyd.yaml" >>"$work/coveyd.log" 2>&1 &
	daemon=$!
	until_true answers
}

# One agent that asks for everything; weights of I/O where the kernel has them, refused by name where it has not.
test_each_is_written() {
	cat >"$work/all.yaml" <<-'EOF'
		name: all
		command: [/bin/sleep, "10000"]
		resources: {cpu: 0.5, cpu_weight: 200, cpuset: "0", memory: 64M, memory_high: 48M, swap: 16M, pids: 8,
		  io_max: 10M}
	EOF
	covey apply "$work/all.yaml"
	says all.0/cpu.max '50000 100000'
	says all.0/cpu.weight 200
	says all.0/cpuset.cpus 0
	says all.0/memory.max $((64 << 20))
	says all.0/memory.high $((48 << 20))
	says all.0/memory.swap.max $((16 << 20))
	says all.0/memory.oom.group 1
	says all.0/pids.max 8
	disk=$(cat /sys/block/nvme0n1/dev)
	says all.0/io.max "$disk rbps=10485760 wbps=10485760 riops=max wiops=max"
	[ "$(cat "$groups/all.0/cgroup.procs")" ] || fault 'the agent is not in its group'
	sed -i 's/pids: 8/pids: 8, io_weight: 300/' "$work/all.yaml"
	if [ -e "$groups/io.weight" ]; then
		covey apply "$work/all.yaml"
		says all.0/io.weight 'default 300'
	elif [ -e "$groups/io.bfq.weight" ]; then
		covey apply "$work/all.yaml"
		grep -qE '^(default )?300$' "$groups/all.0/io.bfq.weight" || fault 'io.bfq.weight is not 300'
	else
		! covey apply "$work/all.yaml" 2>"$work/refused" || fault 'io_weight was taken, and cannot be in force'
		grep -q 'io_weight' "$work/refused" || fault "refused without its name: $(cat "$work/refused")"
	fi
}

# Without limits again: the group is used again, and nothing of the old ones is left in it.
test_each_is_taken_back() {
	printf 'name: all\ncommand: [/bin/sleep, "10000"]\n' >"$work/all.yaml"
	covey apply "$work/all.yaml"
	says all.0/cpu.max 'max 100000'
	says all.0/cpu.weight 100
	says all.0/memory.max max
	says all.0/memory.high max
	says all.0/memory.swap.max max
	[ ! -s "$groups/all.0/io.max" ] || fault "io.max is '$(cat "$groups/all.0/io.max")'"
	[ -z "$(tr -d '\n' <"$groups/all.0/cpuset.cpus")" ] || fault 'cpuset.cpus is still set'
}

has() { # AGENT PATTERN: in the status of it
	covey status "$1" --json | grep -Eq "$2"
}

# A child of the agent takes too much: all of the agent goes, and the reason is told.
test_out_of_memory_is_told() {
	cat >"$work/hog.yaml" <<-'EOF'
		name: hog
		command: [/bin/sh, -c, "perl -e 'my @x; push @x, chr(65 + @x % 9) x 1048576 while 1' & wait; sleep 999"]
		resources: {memory: 32M, swap: 0}
		restart: {when: never}
	EOF
	covey apply --no-wait "$work/hog.yaml"
	until_true has hog '"reason": *"oom"'
	has hog '"signal": *"KILL"' || fault 'oom without its signal'
	has hog '32M' || fault 'oom without its limit'
	[ -z "$(cat "$groups/hog.0/cgroup.procs" 2>/dev/null)" ] || fault 'something of the agent outlived its oom'
}

test_processes_are_bounded() {
	cat >"$work/many.yaml" <<-'EOF'
		name: many
		command: [/bin/sh, -c, "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 10000 & done; wait"]
		resources: {pids: 8}
		restart: {when: never}
	EOF
	covey apply --no-wait "$work/many.yaml"
	until_true has many '"reason": *"exited"'
	covey logs many.0 | grep -qi 'cannot fork' || fault 'the limit of processes was not told to the agent'
}

# A fork bomb is stopped for good, though it ignores the signal.
test_a_bomb_is_ended() {
	cat >"$work/bomb.yaml" <<-'EOF'
		name: bomb
		command: [/bin/sh, -c, "trap '' TERM; f() { while :; do f & f & wait; done; }; f"]
		resources: {pids: 60}
		stop: {timeout: 1s}
	EOF
	covey apply "$work/bomb.yaml"
	covey stop bomb
	[ -z "$(cat "$groups/bomb.0/cgroup.procs" 2>/dev/null)" ] || fault 'the bomb is still there'
}

test_pressure_is_read() {
	covey top --json >"$work/top"
	for what in cpu memory io; do
		grep -Eq "\"pressure_$what\": *[0-9]" "$work/top" || fault "no pressure of $what: $(cat "$work/top")"
	done
}

modprobe bfq 2>/dev/null || echo 'no bfq in this kernel'
dd if=/dev/zero of="$work/swap" bs=1M count=64 status=none
chmod 600 "$work/swap"
mkswap "$work/swap" >/dev/null
swapon "$work/swap"
start_daemon
test_each_is_written
test_each_is_taken_back
test_out_of_memory_is_told
test_processes_are_bounded
test_a_bomb_is_ended
test_pressure_is_read
echo "all limits hold on cgroup v2"
