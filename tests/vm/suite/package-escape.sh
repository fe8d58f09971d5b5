#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an agent may not do, tried by agents of four definitions: as it is unless told otherwise, by its uid alone, as
# root in the sandbox, and as root with nothing in its way. Each attempt has a line below with what must come of it.
# Whatever worked: after `covey stop` nothing of the agent is left, and nobody else has noticed.
. "$(dirname "$0")/lib/package.sh"

groups=/sys/fs/cgroup/system.slice/covey-agents.service
cat >/tmp/expected <<'T'
# attempt                                  | plain   | bare    | root    | free
to enter the root group                    | refused | refused | refused | done
to enter the parent's group                | refused | refused | refused | refused
to enter the shims' group                  | refused | refused | refused | done
to enter another agent's group             | refused | refused | refused | done
to enter a group of its own below          | refused | refused | refused | done
to lift its limit of memory                | refused | refused | refused | done
to remount the root                        | refused | refused | refused | done
to remount the groups                      | refused | refused | refused | done
to mount the groups anew                   | refused | refused | refused | done
to bind a directory elsewhere              | refused | refused | refused | done
to unmount /proc                           | refused | refused | refused | done
to get a mount namespace                   | refused | refused | refused | done
to get a user namespace                    | refused | done    | refused | done
to remount the groups from there and leave | refused | refused | refused | -
to mount groups anew from there and move   | refused | refused | refused | done
to become another agent                    | refused | refused | refused | done
to trace its shim                          | refused | refused | refused | done
to attach to its shim                      | refused | refused | refused | -
to write the memory of its shim            | refused | refused | refused | done
to read the environment of its shim        | refused | refused | refused | done
to see the files of its shim               | refused | refused | refused | done
to see the root of its shim                | refused | refused | refused | done
to signal its shim                         | refused | refused | done    | done
to trace the daemon                        | refused | refused | refused | done
to attach to the daemon                    | refused | refused | refused | -
to write the memory of the daemon          | refused | refused | refused | done
to read the environment of the daemon      | refused | refused | refused | done
to see the files of the daemon             | refused | refused | refused | done
to see the root of the daemon              | refused | refused | refused | done
to signal the daemon                       | refused | refused | done    | done
to trace another agent                     | refused | refused | refused | done
to attach to another agent                 | refused | refused | refused | -
to write the memory of another agent       | refused | refused | refused | done
to read the environment of another agent   | refused | refused | refused | done
to see the files of another agent          | refused | refused | refused | done
to see the root of another agent           | refused | refused | refused | done
to signal another agent                    | refused | refused | refused | done
to read the store by the root of the daemon | refused | refused | refused | done
to write into the run directory            | refused | refused | refused | done
to write beside the shims' sockets         | refused | refused | refused | done
to change the daemon's generation          | refused | refused | refused | done
to remove the control socket               | refused | refused | refused | -
to remove a shim's socket                  | refused | refused | refused | -
to put a link in a socket's place          | refused | refused | refused | -
to rename a socket                         | refused | refused | refused | -
to reach the control socket                | refused | refused | done    | done
to reach its shim's socket                 | refused | refused | -       | -
to reach another shim's socket             | refused | refused | -       | -
to list the store                          | refused | refused | done    | done
to read the store                          | refused | refused | done    | done
to read another agent's log                | refused | refused | done    | done
to read a key                              | refused | refused | done    | done
to read the configuration's secrets        | refused | refused | done    | done
to write the store                         | refused | refused | refused | done
to write the configuration                 | refused | refused | refused | done
to set the kernel                          | refused | refused | refused | done
to read a disk                             | refused | refused | done    | done
to make a device                           | refused | refused | refused | done
T

expected_of() { # COLUMN
	awk -F ' *[|] *' -v column="$1" '!/^#/ && $column != "-" { print "attempt " $1 ": " $column }' /tmp/expected
}

agent() { # KIND: its definition but for what each has of its own, which comes on standard input
	{
		cat <<-Y
			name: $1
			command: [/usr/bin/perl, /srv/attempts.pl]
			env: {KIND: $1, DAEMON: "$daemon", VICTIM: "$victim", STUBBORN: "$2"}
			resources: {memory: 256M, pids: 64}
			stop: {timeout: 3s}
			restart: {when: never}
			logs: {timestamps: no}
		Y
		cat
	} >"/tmp/$1.yaml"
}

processes_of() { # AGENT
	grep -lsz "^COVEY_AGENT=$1\$" /proc/[0-9]*/environ | sed 's,/proc/\([0-9]*\)/.*,\1,'
}

ipc_of() { # UID
	cat /proc/sysvipc/shm | awk -v u="$1" '$8 == u'
	cat /proc/sysvipc/msg | awk -v u="$1" '$8 == u'
	cat /proc/sysvipc/sem | awk -v u="$1" '$5 == u'
	find /dev/mqueue -user "$1"
}

others_are_unhurt() { # AFTER WHOM
	[ "$(systemctl show -P MainPID coveyd)" = "$daemon" ] || fault "$1: the daemon is another"
	[ "$(pid_of victim.0)" = "$victim" ] && [ -d "/proc/$victim" ] || fault "$1: the other agent is another"
	[ "$(shim_of "$victim")" = "$victims_shim" ] || fault "$1: the other agent's shim is another"
	if covey status victim --json | grep -Eq 'taken over|"health": *"healthy"'; then
		fault "$1 was heard on another agent's NOTIFY_SOCKET"
	fi
}

# try KIND COLUMN: starts it, compares what came of each attempt, stops it, and looks for what is left.
try() {
	covey apply --timeout "${suite_bound_s}s" "/tmp/$1.yaml" >/dev/null || fault "apply $1"
	wait_for "$1 has tried all" sh -c "covey logs $1.0 | grep -q '^tried all'"
	covey logs "$1.0" >"/tmp/$1.said"
	grep '^attempt' "/tmp/$1.said" | sed "s/^/$1: /"
	grep '^attempt' "/tmp/$1.said" | sed 's/ (.*//' >"/tmp/$1.came"
	expected_of "$2" | diff - "/tmp/$1.came" || fault "$1: what must come of it (left) is not what came (right)"
	pid=$(pid_of "$1.0")
	shim=$(shim_of "$pid")
	uid=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")
	[ "$(grep -c '^left pid' "/tmp/$1.said")" -ge 5 ] || fault "$1 has left no processes: $(cat "/tmp/$1.said")"
	if grep '^left .* none' "/tmp/$1.said"; then
		fault "$1 could not use all of IPC"
	fi
	[ -n "$(ipc_of "$uid")" ] || fault "$1: nothing is seen of what it left in IPC"
	for left in $(sed -n 's/^left pid //p' "/tmp/$1.said"); do
		[ -d "/proc/$left" ] || fault "$1: its process $left has ended by itself"
	done
	covey stop "$1" --timeout "${suite_bound_s}s" >/dev/null || fault "stop $1"
	for left in $(sed -n 's/^left pid //p' "/tmp/$1.said"); do
		gone "$left" || fault "$1 is stopped, and its process $left is there: $(cat "/proc/$left/cgroup")"
	done
	[ -z "$(processes_of "$1")" ] || fault "$1 is stopped, and there are $(processes_of "$1")"
	gone "$pid" || fault "$1 is stopped, and its process is there"
	[ -z "$(cat $groups/$1.0/cgroup.procs 2>/dev/null)" ] || fault "$1 is stopped, and its group is not empty"
	wait_for "the shim of $1 goes" gone "$shim"
	others_are_unhurt "$1"
	echo "$1: nothing is left of $(grep -c '^left pid' "/tmp/$1.said") processes beside its own:" \
		"$(covey explain "$1" | grep -m 1 -o '[0-9]* left-over.*killed' || echo killed with it)"
}

# A shim that its agent kills takes the agent with it, and the daemon ends what is left in the group.
kills_its_shim() {
	cat >/srv/killer.pl <<-'P'
		my $shim = getppid();
		for (1 .. 3) {
			next if fork();
			$SIG{TERM} = 'IGNORE';
			sleep 1000 while 1;
		}
		kill 'KILL', $shim;
		sleep 1000 while 1;
	P
	chmod 644 /srv/killer.pl
	cat >/tmp/killer.yaml <<-Y
		name: killer
		command: [/usr/bin/perl, /srv/killer.pl]
		user: root
		restart: {when: never}
	Y
	covey apply --no-wait /tmp/killer.yaml >/dev/null || fault "apply killer"
	wait_for "the shim's end is told" sh -c 'covey explain killer | grep -q "together with its shim"'
	wait_for "what it left is ended" sh -c "! grep -lsz '^COVEY_AGENT=killer\$' /proc/[0-9]*/environ"
	others_are_unhurt killer
	echo "killer: its shim was killed, and nothing is left"
}

fresh
mkdir -p /etc/covey/pki
echo secret >/etc/covey/pki/n1.key
chmod 600 /etc/covey/pki/n1.key
cp "$(dirname "$0")/lib/attempts.pl" /srv/attempts.pl
chmod 644 /srv/attempts.pl
cat >/tmp/victim.yaml <<'Y'
name: victim
command: [/bin/sh, -c, "echo up; exec sleep 100000"]
health: {readiness: {notify: {}}}
logs: {timestamps: no}
Y
covey apply --no-wait /tmp/victim.yaml >/dev/null || fault "apply victim"
wait_for "the victim runs" runs victim.0
daemon=$(systemctl show -P MainPID coveyd)
victim=$(pid_of victim.0)
victims_shim=$(shim_of "$victim")

agent plain '' </dev/null
agent bare stubborn <<'Y'
sandbox: {seccomp: off, read_only: []}
Y
agent root '' <<'Y'
user: root
Y
agent free stubborn <<Y
user: root
sandbox: {seccomp: off, no_new_privileges: no, read_only: [], capabilities: [$(all_capabilities)]}
Y
try plain 2
[ -z "$(ipc_of "$uid")" ] || fault "plain is stopped, and left in IPC: $(ipc_of "$uid")"
try bare 3
[ -z "$(ipc_of "$uid")" ] || fault "bare is stopped, and left in IPC: $(ipc_of "$uid")"
try root 4
ipcrm --all 2>/dev/null || true # root's, who may have others: it stays, as the manual says
rm -f /dev/mqueue/escaped
try free 5
ipcrm --all 2>/dev/null || true
rm -f /dev/mqueue/escaped
kills_its_shim
rm -rf /srv/attempts.pl /srv/killer.pl /etc/covey/pki
