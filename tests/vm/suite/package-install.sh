#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The package installed on a plain host runs at once, confined to where it belongs; removed it leaves configuration and
# data, purged it leaves nothing.
. "$(dirname "$0")/lib/package.sh"

fresh
systemctl is-active --quiet coveyd || fault "coveyd is not active"
systemctl is-enabled --quiet coveyd || fault "coveyd does not start at boot"
systemctl is-active --quiet covey-agents || fault "covey-agents is not active"
systemctl show -P StatusText coveyd | grep -q '^0 agents, 0 of 0 replicas ready$' || fault "STATUS is no figure"
getent group covey >/dev/null || fault "no group covey"
[ "$(stat -c '%a %U %G' /run/covey/covey.sock)" = '660 root covey' ] || fault "the socket is not group covey's alone"
[ "$(stat -c '%a' /var/lib/covey)" = 700 ] || fault "/var/lib/covey is open to others"
dpkg-query -W -f '${Conffiles}' covey | grep -q /etc/covey/coveyd.yaml || fault "coveyd.yaml is no conffile"

define web INT
pid=$(pid_of web.0)
case $(group_of "$pid") in
system.slice/covey-agents.service/web.0 | system.slice/covey-agents.service/_shims) ;;
*) fault "web.0 lives in $(group_of "$pid")" ;;
esac
[ "$(group_of "$(shim_of "$pid")")" = system.slice/covey-agents.service/_shims ] || fault "its shim lives elsewhere"
[ "$(group_of "$(systemctl show -P MainPID coveyd)")" = system.slice/coveyd.service ] || fault "coveyd lives elsewhere"

rm -f /srv/web.said
DEBIAN_FRONTEND=noninteractive dpkg --remove covey >/dev/null || fault "cannot be removed"
gone "$pid" || fault "an agent outlived the removal"
[ "$(cat /srv/web.said)" = INT ] || fault "the agent was not stopped by its own signal"
[ -f /etc/covey/coveyd.yaml ] || fault "configuration went with the removal"
[ -f /var/lib/covey/covey.db ] || fault "data went with the removal"
for left in /run/covey /usr/sbin/coveyd /usr/libexec/covey /sys/fs/cgroup/system.slice/covey-agents.service; do
	[ ! -e "$left" ] || fault "removed, and $left is there"
done
DEBIAN_FRONTEND=noninteractive dpkg --purge covey >/dev/null || fault "cannot be purged"
for left in /etc/covey /var/lib/covey /run/covey; do
	[ ! -e "$left" ] || fault "purged, and $left is there"
done
rm -f /srv/web.said
