#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A newer package is installed under load, and the older one after it: the same agents, with the same pids, probes
# asked all along but for the daemon's own absence, every end known.
. "$(dirname "$0")/lib/package.sh"

[ -f "${COVEY_DEB_NEXT:-}" ] || lacks "a newer package (COVEY_DEB_NEXT)"
fresh
define web INT
cat >/tmp/probed.yaml <<'Y'
name: probed
command: [/bin/sleep, "1000000"]
user: root
replicas: 5
sandbox: {writable: [/srv]}
health:
  liveness:
    exec: {command: [/bin/sh, -c, "date +%s.%N >>/srv/probes-$COVEY_REPLICA"]}
    every: 5s
    timeout: 4s
    failures: 2
Y
cat >/tmp/ending.yaml <<'Y'
name: ending
command: [/bin/sh, -c, "echo x >>/srv/ended-$COVEY_REPLICA; sleep 0.7; exit 3"]
user: root
replicas: 3
sandbox: {writable: [/srv]}
restart: {backoff: fixed, initial: 100ms, limit: 0}
Y
cat >/tmp/alone.yaml <<'Y'
name: alone
kind: singleton
command: [/bin/sleep, "1000000"]
Y
sed -i 's/\$COVEY_REPLICA/${COVEY_REPLICA}/' /tmp/probed.yaml /tmp/ending.yaml
rm -f /srv/probes-* /srv/ended-*
covey apply --timeout "${suite_bound_s}s" /tmp/probed.yaml /tmp/ending.yaml /tmp/alone.yaml >/dev/null ||
	fault "apply"
wait_for "probes are asked" test -e /srv/probes-probed.4

pids() {
	for replica in web.0 alone.0 probed.0 probed.1 probed.2 probed.3 probed.4; do
		pid_of $replica
	done
}
before=$(pids)
version_of() { covey version --json | tr ',{}' '\n\n\n' | grep '"version"' | tail -1; }
version=$(version_of)

upgrade() { # DEB OPTIONS…
	daemon=$(systemctl show -P MainPID coveyd)
	install_deb "$@"
	wait_for "the new daemon answers" covey status
	[ "$(systemctl show -P MainPID coveyd)" != "$daemon" ] || fault "the daemon was not restarted"
	wait_for "all are taken over" runs probed.4
	wait_for "the singleton is taken over" runs alone.0
	[ "$(pids)" = "$before" ] || fault "agents were started anew: '$before' became '$(pids)'"
	[ ! -e /srv/web.said ] || fault "an agent was stopped"
}
asked=$(wc -l </srv/probes-probed.4)
upgrade "$COVEY_DEB_NEXT"
[ "$(version_of)" != "$version" ] || fault "not the new version"
more_probes() { [ "$(wc -l </srv/probes-probed.4)" -ge $((asked + 3)) ]; }
wait_for "probes go on" more_probes
# A period of 5 s, one more at most for the daemon's absence, and what an emulated guest needs.
for file in /srv/probes-*; do
	awk -v slack="${SUITE_SLACK_S:-5}" 'NR > 1 && $1 - last > 10 + slack { exit 1 } { last = $1 }' "$file" ||
		fault "a probe was missed by more than a period: $file"
done
ends_known() { # each start but the last of a replica has an event of its end
	for n in 0 1 2; do
		started=$(wc -l <"/srv/ended-ending.$n")
		told=$(covey events --agent ending --json | grep -c "\"replica\" *: *\"ending.$n\".*exited with code 3")
		[ "$told" -ge $((started - 1)) ] || return 1
	done
}
covey stop ending --timeout "${suite_bound_s}s" >/dev/null
wait_for "every end is known" ends_known

upgrade "$COVEY_DEB" --allow-downgrades
systemctl is-active --quiet coveyd || fault "the older version does not run"
rm -f /srv/probes-* /srv/ended-*
