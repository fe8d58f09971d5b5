#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A version that cannot read the store: its package is refused before anything has changed, and its daemon, started all
# the same, says it and touches nothing. Agents run on, and the way forward is open.
. "$(dirname "$0")/lib/package.sh"

fresh
rm -f /srv/web.said
define web INT
cat >/tmp/alone.yaml <<'Y'
name: alone
kind: singleton
command: [/bin/sleep, "1000000"]
Y
covey apply --timeout "${suite_bound_s}s" /tmp/alone.yaml >/dev/null || fault "apply"
before="$(pid_of web.0) $(pid_of alone.0)"
started=$(cut -d' ' -f22 /proc/"${before%% *}"/stat)

same() { # AFTER WHAT
	wait_for "covey status after $1" covey status
	wait_for "web.0 is taken over after $1" runs web.0
	wait_for "alone.0 is taken over after $1" runs alone.0
	[ "$(pid_of web.0) $(pid_of alone.0)" = "$before" ] || fault "$1 started agents anew"
	[ ! -e /srv/web.said ] || fault "$1 stopped web.0"
}
# repack VERSION SINCE: the package once more, as of another version, whose store is read from SINCE on.
repack() {
	rm -rf /tmp/repack
	dpkg-deb -R "$COVEY_DEB" /tmp/repack
	sed -i "s/^Version: .*/Version: $1/" /tmp/repack/DEBIAN/control
	sed -i "s/^store_since=.*/store_since=$2/" /tmp/repack/DEBIAN/prerm
	grep -q "^store_since=$2$" /tmp/repack/DEBIAN/prerm || fault "no store_since in prerm"
	dpkg-deb -Znone -b /tmp/repack "/tmp/covey-$1.deb" >/dev/null
	rm -rf /tmp/repack
}
ours=$(dpkg-deb -f "$COVEY_DEB" Version)
repack "$ours+next1" "$ours+next1~"
repack "$ours+next2" "$ours+next1~"
version() { dpkg-query -W -f '${Status} ${Version}' covey; }
programs() { cksum /usr/sbin/coveyd /usr/bin/covey /usr/libexec/covey/* /var/lib/dpkg/info/covey.*; }

install_deb "/tmp/covey-$ours+next1.deb"
same 'an upgrade'
[ "$(version)" = "install ok installed $ours+next1" ] || fault "not upgraded: $(version)"
had=$(programs)
covey events --json | sed 's/"time".*//' >/tmp/events.before
if DEBIAN_FRONTEND=noninteractive dpkg -i "$COVEY_DEB" >/tmp/refused 2>&1; then
	fault "a downgrade to a version that cannot read the store is done"
fi
grep -q "covey $ours cannot read the store of the installed version: nothing was changed" /tmp/refused ||
	fault "the refusal says: $(cat /tmp/refused)"
[ "$(version)" = "install ok installed $ours+next1" ] || fault "the refused downgrade left: $(version)"
[ "$(programs)" = "$had" ] || fault "the refused downgrade changed files"
[ -z "$(dpkg --audit)" ] || fault "dpkg is left with: $(dpkg --audit)"
same 'a refused downgrade'
covey events --json | sed 's/"time".*//' | head -n "$(wc -l </tmp/events.before)" | cmp -s - /tmp/events.before ||
	fault "history is another after a refused downgrade"
install_deb "/tmp/covey-$ours+next2.deb"
same 'going forward'
install_deb "/tmp/covey-$ours+next1.deb" --allow-downgrades
same 'a downgrade that the store allows'

# The same store once more, as a newer daemon would have left it: SQLite's user_version, at its place in the file.
schema() { od -An -t u1 -j 60 -N 4 /var/lib/covey/covey.db | tr -s ' '; }
mark() { printf '%b' "$1" | dd of=/var/lib/covey/covey.db bs=1 seek=60 conv=notrunc status=none; }
systemctl stop coveyd
[ ! -s /var/lib/covey/covey.db-wal ] || fault "the store's log outlives a stop of the daemon"
was=$(schema)
mark '\000\000\000\0143'
[ "$(schema)" = " 0 0 0 99" ] || fault "the store is not marked: $(schema)"
had=$(cksum /var/lib/covey/covey.db)
systemctl start coveyd 2>/dev/null && fault "an older daemon starts on a newer store"
failed() { [ "$(systemctl show -P ActiveState coveyd)" = failed ]; }
wait_for "an older daemon is not tried for ever" failed
[ "$(systemctl show -P ExecMainStatus coveyd)" = 78 ] || fault "a newer store: not exit status 78"
systemctl --no-pager --full status coveyd 2>&1 | grep -q "covey.db' was written by a newer covey" ||
	fault "systemctl status does not say that the store is newer"
journalctl --no-pager -u coveyd | grep -q "covey.db' was written by a newer covey" || fault "nor does the journal"
[ "$(cksum /var/lib/covey/covey.db)" = "$had" ] || fault "an older daemon wrote to a newer store"
[ "$(cut -d' ' -f22 /proc/"${before%% *}"/stat)" = "$started" ] || fault "web.0 did not go on"
[ ! -e /srv/web.said ] || fault "web.0 was stopped"
mark "$(echo "$was" | sed 's/ \([0-9]\)/\\000\1/g')"
[ "$(schema)" = "$was" ] || fault "the store is not as it was: $(schema)"
systemctl reset-failed coveyd
systemctl start coveyd || fault "the version of the store does not start"
same 'the newer daemon again'
rm -f /srv/web.said /tmp/covey-*.deb
