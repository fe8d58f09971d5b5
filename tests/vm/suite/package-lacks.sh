#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What systemd or the kernel withholds: one sentence in the journal and in the status, an agent that needs it is refused
# by name, and all else runs.
. "$(dirname "$0")/lib/package.sh"

fresh
rm -f /srv/web.said
define web INT
pid=$(pid_of web.0)
status_says() { systemctl --no-pager --full status coveyd 2>&1 | grep -Eq -- "$1"; }
text_says() { systemctl show -P StatusText coveyd | grep -Eq -- "$1"; }
journal_says() { journalctl --no-pager -u coveyd --since "$since" | grep -Eq -- "$1"; }
explains() { covey explain "$1" | grep -Eq -- "$2"; }
begin() { since=$(date '+%Y-%m-%d %H:%M:%S'); }
try() { # NAME LINES: an agent that may be refused
	printf 'name: %s\ncommand: [/bin/sleep, "1000000"]\n%s\n' "$1" "$2" >"/tmp/$1.yaml"
	covey apply --no-wait "/tmp/$1.yaml" >/dev/null || fault "apply $1"
}
forget() { # NAME…
	for name in "$@"; do
		covey remove "$name" --timeout "${suite_bound_s}s" >/dev/null || fault "remove $name"
	done
}
drop_in() { # UNIT LINES
	mkdir -p "/etc/systemd/system/$1.service.d"
	printf '[Service]\n%s\n' "$2" >"/etc/systemd/system/$1.service.d/test.conf"
	systemctl daemon-reload
}
no_drop_in() {
	rm -rf "/etc/systemd/system/$1.service.d"
	systemctl daemon-reload
}

# The unit of agents is delegated with the controllers of pids alone: what systemd itself needs there may be there too.
begin
drop_in covey-agents 'Delegate=
Delegate=pids'
systemctl stop covey-agents
systemctl start coveyd || fault "without delegated controllers coveyd does not start"
wait_for "web.0 comes back without delegated controllers" runs web.0
wait_for "the journal tells what is not delegated" journal_says 'cannot enforce these limits of resources: .*cpu'
try limited 'resources: {cpu: 0.5}'
wait_for "a limit of cpu is refused by name" explains limited 'resources.cpu: this host cannot enforce it'
try counted 'resources: {pids: 20}'
wait_for "a limit that is delegated is kept" runs counted.0
[ "$(cat "/sys/fs/cgroup/$(group_of "$(pid_of counted.0)")/pids.max" 2>/dev/null)" = 20 ] ||
	[ -e /sys/fs/cgroup/pids ] || fault "counted.0 has no limit of pids"
forget limited counted
no_drop_in covey-agents
systemctl stop covey-agents
systemctl start coveyd
wait_for "web.0 comes back with all controllers" runs web.0
pid=$(pid_of web.0)

# A kernel without seccomp, as far as a filter can play one: what comes of the daemon cannot load another.
begin
drop_in coveyd 'SystemCallFilter=~seccomp
SystemCallErrorNumber=ENOSYS'
systemctl restart coveyd || fault "without seccomp coveyd does not start"
wait_for "covey status without seccomp" covey status
[ "$(pid_of web.0)" = "$pid" ] || fault "web.0 did not go on without seccomp"
sentence="the kernel has no seccomp: agents start only with 'sandbox: {seccomp: off}'"
wait_for "the journal tells it" journal_says "$sentence"
status_says "$sentence" || fault "systemctl status does not tell it"
wait_for "STATUS tells it" text_says 'this host lacks seccomp'
try filtered ''
wait_for "an agent with a filter is refused by name" explains filtered 'seccomp'
! runs filtered.0 || fault "an agent runs without its filter"
try open 'sandbox: {seccomp: off}'
wait_for "one without a filter runs" runs open.0
no_drop_in coveyd
systemctl restart coveyd
wait_for "covey status with seccomp" covey status
covey start filtered --timeout "${suite_bound_s}s" >/dev/null 2>&1 || true
wait_for "once it is there the agent runs" runs filtered.0
[ "$(pid_of web.0)" = "$pid" ] || fault "web.0 did not go on with seccomp"
rm -f /srv/web.said
