#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who is charged for what, by the package's units on cgroup v2: processors are shared as definitions say, what the
# daemon and the shims use is theirs, and an agent that takes too much (memory, processes) is the only one to notice.
. "$(dirname "$0")/lib/package.sh"

system=/sys/fs/cgroup/system.slice
groups=$system/covey-agents.service

of() { # FILE KEY: the number behind it
	awk -v key="$2" '$1 == key { print $2 }' "$1"
}

uptime_us() {
	awk '{ printf "%.0f\n", $1 * 1e6 }' /proc/uptime
}

apply() { # NAME [option…]: the rest of its definition comes on standard input
	name=$1
	shift
	{ echo "name: $name" && cat; } >"/tmp/$name.yaml"
	covey apply --timeout "${suite_bound_s}s" "$@" "/tmp/$name.yaml" >/dev/null || fault "apply $name"
}

pressure_of() { # REPLICA RESOURCE: of `covey top --json`
	covey top --json | tr '{}' '\n\n' | grep "\"id\": *\"$1\"" | sed -n "s/.*\"pressure_$2\": *\([0-9.]*\).*/\1/p"
}

# The guest's own clock says how long it was: 60 s, in which nothing else wants a processor.
two_hogs_get_half_a_processor_each() {
	apply hog <<-'Y'
		command: [/usr/bin/perl, -e, "1 while 1"]
		replicas: 2
		resources: {cpu: 0.5}
	Y
	from=$(uptime_us)
	for i in 0 1; do eval "used_$i=$(of $groups/hog.$i/cpu.stat usage_usec)"; done
	sleep 60 # the measure itself
	for i in 0 1; do eval "used_$i=\$(($(of $groups/hog.$i/cpu.stat usage_usec) - used_$i))"; done
	took=$(($(uptime_us) - from))
	for i in 0 1; do
		eval "used=\$used_$i"
		share=$(awk -v u="$used" -v t="$took" 'BEGIN { printf "%.4f", u / t }')
		echo "hog.$i: $share of a processor in $((took / 1000)) ms, throttled" \
			"$(of $groups/hog.$i/cpu.stat nr_throttled) times"
		awk -v s="$share" 'BEGIN { exit !(s >= 0.475 && s <= 0.525) }' || fault "hog.$i got $share"
	done
	pressure=$(pressure_of hog.0 cpu)
	awk -v p="$pressure" 'BEGIN { exit !(p >= 20) }' || fault "hog.0 waits half of its time, not $pressure"
	echo "hog.0: pressure_cpu $pressure, idle.0: $(pressure_of idle.0 cpu)"
	[ -n "$(pressure_of idle.0 memory)" ] && [ -n "$(pressure_of idle.0 io)" ] ||
		fault "no pressure of idle.0: $(covey top --json)"
	covey remove hog --timeout "${suite_bound_s}s" >/dev/null || fault "remove hog"
}

in_group() { # WHAT PID GROUP
	[ "$(group_of "$2")" = "$3" ] || fault "$1 is in $(group_of "$2")"
}

anon_of() { # PID…: of them together, in bytes
	for pid in "$@"; do sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; done |
		awk '{ n += $1 } END { print n * 1024 }'
}

# Charged where the process is, which the kernel's own sums show.
what_is_not_the_agents_is_not_charged_to_it() {
	daemon=$(systemctl show -P MainPID coveyd)
	idle=$(pid_of idle.0)
	in_group 'the daemon' "$daemon" system.slice/coveyd.service
	in_group 'the shim of idle.0' "$(shim_of "$idle")" system.slice/covey-agents.service/_shims
	[ "$(cat $groups/idle.0/cgroup.procs)" = "$idle" ] || fault "idle.0: $(cat $groups/idle.0/cgroup.procs)"
	before=$(cat $groups/idle.0/memory.current)

	apply talker <<-'Y'
		command: [/bin/sh, -c, "while [ ! -e /srv/go ]; do sleep 0.2; done; exec perl -e
		  'print q(x) x 99, qq(\\n) for 1 .. 160000; $$| = 1; print qq(said all\\n); sleep'"]
		logs: {max_size: 10M, keep: 3, timestamps: no}
	Y
	perl -e 1 # what it reads of perl is in the page cache before
	theirs=$(of $groups/talker.0/memory.stat file)
	shims=$(of $groups/_shims/memory.stat file)
	touch /srv/go
	wait_for "talker.0 has said all" sh -c "covey logs talker.0 -n 1 | grep -q 'said all'"
	theirs=$(($(of $groups/talker.0/memory.stat file) - theirs))
	shims=$(($(of $groups/_shims/memory.stat file) - shims))
	echo "a log of 16000000 bytes: page cache of its agent $theirs, of the shims $shims"
	[ $shims -ge 14000000 ] || fault "page cache of a log: only $shims are the shims'"
	[ $theirs -lt 1000000 ] || fault "page cache of a log: $theirs are the agent's"

	apply storm --no-wait <<-'Y'
		command: [/bin/true]
		replicas: 3
		restart: {initial: 1ms, max: 1ms, limit: 0}
	Y
	wait_for "600 events" sh -c '[ "$(covey events --agent storm --json | wc -l)" -ge 600 ]'
	covey stop storm --timeout "${suite_bound_s}s" >/dev/null || fault "stop storm"
	after=$(cat $groups/idle.0/memory.current)
	echo "idle.0: memory.current $before before, $after after the others' storm"
	[ "$after" -le $((before + 65536)) ] || fault "idle.0 was charged: from $before to $after"
	[ "$after" -lt 2000000 ] || fault "idle.0: $after bytes are charged to one that sleeps"

	own=$(anon_of "$daemon")
	charged=$(of $system/coveyd.service/memory.stat anon)
	echo "the daemon: anonymous memory $own, its group $charged"
	[ $((charged * 100)) -ge $((own * 90)) ] || fault "the daemon has $own, its group is charged $charged"
	own=$(anon_of $(cat $groups/_shims/cgroup.procs))
	charged=$(of $groups/_shims/memory.stat anon)
	echo "$(wc -l <$groups/_shims/cgroup.procs) shims: anonymous memory $own, their group $charged"
	[ $((charged * 100)) -ge $((own * 90)) ] || fault "the shims have $own, their group is charged $charged"
	covey remove talker --timeout "${suite_bound_s}s" >/dev/null || fault "remove talker"
	rm -f /srv/go
}

others() { # a line that changes when anybody else was hurt
	echo "$(systemctl show -P MainPID coveyd) $(systemctl show -P MainPID covey-agents) $(pid_of idle.0)" \
		"$(shim_of "$(pid_of idle.0)") $(of $groups/_shims/memory.events oom_kill)" \
		"$(of $system/coveyd.service/memory.events oom_kill) $(of $groups/idle.0/memory.events oom_kill)"
}

# The first run takes too much, with a child; the next one is quiet, and has the same shim.
out_of_memory_inside_of_its_group_alone() {
	was=$(others)
	cat >/srv/eater.sh <<-'S'
		[ -e /srv/ate ] && exec sleep 100000
		while [ ! -e /srv/eat ]; do sleep 0.2; done
		touch /srv/ate
		perl -e 'my @x; push @x, chr(65 + @x % 9) x 1048576 while 1' &
		wait
		sleep 100000
	S
	apply eater <<-'Y'
		command: [/bin/sh, /srv/eater.sh]
		user: root
		sandbox: {writable: [/srv]}
		resources: {memory: 32M, swap: 0}
		restart: {initial: 0ms, jitter: 0%}
	Y
	pid=$(pid_of eater.0)
	shim=$(shim_of "$pid")
	touch /srv/eat
	wait_for "eater.0 is killed" gone "$pid"
	wait_for "eater.0 runs again" runs eater.0
	covey status eater --json | grep -q '"reason": *"oom"' || fault "the reason is not oom"
	[ "$(shim_of "$(pid_of eater.0)")" = "$shim" ] || fault "the eater's shim did not outlive it"
	[ "$(others)" = "$was" ] || fault "others were hurt by an oom: $was before, $(others) after"
	echo "oom: $(covey explain eater | grep -m 1 -o 'killed at its memory limit of 32M'); others unhurt: $was"
	covey remove eater --timeout "${suite_bound_s}s" >/dev/null || fault "remove eater"
	rm -f /srv/ate /srv/eat /srv/eater.sh
}

# It is held at its bound, and others start beside it; the daemon answers.
a_fork_bomb_is_held() {
	was=$(others)
	apply bomb <<-'Y'
		command: [/usr/bin/perl, -e,
		  "$$SIG{TERM} = 'IGNORE'; while (1) { fork() // select(undef, undef, undef, 0.01) }"]
		resources: {pids: 60, cpu: 0.5, memory: 64M}
		stop: {timeout: 1s}
	Y
	wait_for "the bomb is at its bound" grep -q '^max [1-9]' $groups/bomb.0/pids.events
	for i in 1 2 3; do
		apply "beside$i" <<-'Y'
			command: [/bin/sleep, "100000"]
		Y
		runs "beside$i.0" || fault "beside$i did not start beside a fork bomb"
		many=$(cat $groups/bomb.0/pids.current)
		[ "$many" -le 60 ] || fault "the bomb has $many processes"
	done
	refused=$(of $groups/bomb.0/pids.events max)
	covey stop bomb --timeout "${suite_bound_s}s" >/dev/null || fault "stop bomb"
	[ -z "$(cat $groups/bomb.0/cgroup.procs 2>/dev/null)" ] || fault "the bomb is still there"
	[ "$(others)" = "$was" ] || fault "others were hurt by a bomb: $was before, $(others) after"
	echo "a fork bomb: held at 60, refused $refused times, three agents started beside it; others unhurt"
}

fresh
apply idle <<'Y'
command: [/bin/sleep, "100000"]
Y
two_hogs_get_half_a_processor_each
what_is_not_the_agents_is_not_charged_to_it
out_of_memory_inside_of_its_group_alone
a_fork_bomb_is_held
