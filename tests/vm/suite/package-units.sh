#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What each order to systemd does to agents: nothing, when it is about the daemon; an end in order, when it is about
# their own unit. And what does not come by an order: the daemon or the holder is killed, the watchdog strikes.
. "$(dirname "$0")/lib/package.sh"

fresh
rm -f /srv/web.said
define web INT
pid=$(pid_of web.0)
same() { # AFTER WHAT
	wait_for "covey status after $1" covey status
	wait_for "web.0 is taken over after $1" runs web.0
	[ "$(pid_of web.0)" = "$pid" ] || fault "$1 started web.0 anew"
	[ ! -e /srv/web.said ] || fault "$1 stopped web.0"
}

systemctl restart coveyd
same 'a restart of coveyd'
systemctl stop coveyd
[ -d "/proc/$pid" ] || fault "web.0 ended with coveyd"
systemctl is-active --quiet covey-agents || fault "covey-agents ended with coveyd"
systemctl start coveyd
same 'a stop and start of coveyd'
for turn in 1 2 3 4 5; do
	systemctl restart coveyd || fault "restart $turn of coveyd failed"
done
same 'five restarts'
systemctl daemon-reload
same 'daemon-reload'
systemctl daemon-reexec
same 'daemon-reexec'

systemctl kill -s KILL coveyd
wait_for "coveyd is started again" covey status
same 'SIGKILL of coveyd'
daemon=$(systemctl show -P MainPID coveyd)
kill -STOP "$daemon"
wait_for "the watchdog strikes" gone "$daemon"
same 'the watchdog'

holder=$(systemctl show -P MainPID covey-agents)
[ "$(group_of "$holder")" = system.slice/covey-agents.service/_holder ] ||
	fault "the holder sits in $(group_of "$holder")"
kill -KILL "$holder"
wait_for "systemd sees the holder's end" sh -c '[ "$(systemctl show -P SubState covey-agents)" = exited ]'
[ "$(systemctl is-active covey-agents)" = active ] || fault "covey-agents fell with its holder"
same 'SIGKILL of the holder'
systemctl restart coveyd
same 'a restart of coveyd without a holder'

systemctl stop covey-agents
gone "$pid" || fault "web.0 outlived covey-agents"
[ "$(cat /srv/web.said)" = INT ] || fault "web.0 was not stopped by its own signal"
[ "$(systemctl is-active coveyd)" != active ] || fault "coveyd runs on without covey-agents"
systemctl start coveyd
wait_for "web.0 comes back" runs web.0
covey explain web | grep -q 'with all agents of its host' || fault "explain does not know how web.0 ended"

rm -f /srv/web.said
pid=$(pid_of web.0)
covey stop --all --timeout "${suite_bound_s}s" >/dev/null || fault "covey stop --all"
gone "$pid" || fault "web.0 outlived covey stop --all"
[ "$(cat /srv/web.said)" = INT ] || fault "web.0 was not stopped by its own signal, by covey stop --all"
systemctl restart coveyd
wait_for "covey status" covey status
! runs web.0 || fault "what was stopped came back with a restart"
rm -f /srv/web.said
