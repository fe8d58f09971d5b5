#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What goes wrong says so in one sentence, in `systemctl status` and in the journal, and agents that run go on.
. "$(dirname "$0")/lib/package.sh"

fresh
rm -f /srv/web.said
define web INT
pid=$(pid_of web.0)

alive() { # AFTER WHAT
	[ -d "/proc/$pid" ] && [ ! -e /srv/web.said ] || fault "$1: web.0 did not go on"
}
status_says() { systemctl --no-pager --full status coveyd 2>&1 | grep -Eq -- "$1"; }
journal_says() { journalctl --no-pager -u coveyd --since "$since" | grep -Eq -- "$1"; }
expect() { # WHAT SENTENCE: while it is wrong
	wait_for "$1: systemctl status says '$2'" status_says "$2"
	wait_for "$1: the journal says '$2'" journal_says "$2"
	alive "$1"
}
mended() { # WHAT: and it is mended
	systemctl reset-failed coveyd 2>/dev/null || true
	systemctl start coveyd || fault "$1: does not start once it is mended"
	wait_for "$1: covey status" covey status
	wait_for "$1: web.0 is taken over" runs web.0
	[ "$(pid_of web.0)" = "$pid" ] || fault "$1: web.0 was started anew"
}
begin() { since=$(date '+%Y-%m-%d %H:%M:%S'); }
failed() { [ "$(systemctl show -P ActiveState coveyd)" = failed ]; }

begin
cp /etc/covey/coveyd.yaml /tmp/good.yaml
echo 'no_such_key: yes' >>/etc/covey/coveyd.yaml
systemctl restart coveyd 2>/dev/null && fault "an unknown key is taken"
expect 'an unknown key' 'coveyd.yaml:[0-9]+: no_such_key: '
wait_for "an unknown key is no reason to try for ever" failed
[ "$(systemctl show -P ExecMainStatus coveyd)" = 78 ] || fault "an unknown key: not exit status 78"
cp /tmp/good.yaml /etc/covey/coveyd.yaml
mended 'an unknown key'

begin
echo 'name: [' >/etc/covey/agents.d/bad.yaml
systemctl reload coveyd 2>/dev/null && fault "a bad file: the reload did not fail"
expect 'a bad file of agents.d' 'agents_dir: [0-9]+ faults? in'
journal_says 'bad.yaml:[0-9]+: ' || fault "a bad file: its line is not told"
[ "$(systemctl is-active coveyd)" = active ] || fault "a bad file: coveyd fell"
printf 'name: local\ncommand: [/bin/sleep, "1000"]\n' >/etc/covey/agents.d/bad.yaml
systemctl reload coveyd || fault "a mended file: the reload failed"
wait_for "the agent of agents.d runs" sh -c 'covey status | grep -q "local .*running"'
rm /etc/covey/agents.d/bad.yaml
systemctl kill -s HUP coveyd
wait_for "the agent of agents.d is gone" sh -c '! covey status | grep -q "^local"'

begin
systemctl stop coveyd
perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) and setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) and
	bind(S, sockaddr_in(7948, inet_aton("127.0.0.1"))) and listen(S, 1) or die;
	open(F, ">", "/tmp/taken") or die;
	sleep' &
taker=$!
wait_for "the port is taken" test -e /tmp/taken
systemctl start --no-block coveyd
expect 'a port in use' 'http.bind: listen at 127.0.0.1 port 7948: '
kill $taker
rm -f /tmp/taken
wait_for "coveyd comes by itself once the port is free" covey status
mended 'a port in use'

begin
systemctl stop coveyd
mount --bind /var/lib/covey /var/lib/covey
mount -o remount,ro,bind /var/lib/covey
systemctl start --no-block coveyd
expect 'a read-only /var' 'Read-only file system|cannot write|read-only'
umount /var/lib/covey
wait_for "coveyd comes by itself once /var is writable" covey status
mended 'a read-only /var'

begin
systemctl stop coveyd
mkdir -p /tmp/small
mount -t tmpfs -o size=3m tmpfs /tmp/small
cp -a /var/lib/covey/. /tmp/small/
mount --bind /tmp/small /var/lib/covey
dd if=/dev/zero of=/var/lib/covey/filler bs=4k 2>/dev/null || true
systemctl start --no-block coveyd
wait_for "a full disk is told" journal_says 'no room to write|refuses writes|No space left'
alive 'a full disk'
rm -f /var/lib/covey/filler
wait_for "a full disk: covey status once there is room" covey status
systemctl stop coveyd
umount /var/lib/covey
umount /tmp/small
mended 'a full disk'

begin
mkdir -p /etc/covey/pki
cat >>/etc/covey/coveyd.yaml <<'Y'
gossip: {bind: 127.0.0.1:7947}
tls: {ca: pki/ca.pem, cert: pki/n1.pem, key: pki/n1.key}
Y
systemctl restart coveyd || fault "a missing certificate: coveyd does not start"
wait_for "a missing certificate is told" journal_says "tls.cert: '/etc/covey/pki/n1.pem': No such file"
alive 'a missing certificate'
cp /tmp/good.yaml /etc/covey/coveyd.yaml
systemctl restart coveyd
mended 'a missing certificate'
