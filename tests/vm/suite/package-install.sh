#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The package installed on a plain host runs at once, confined to where it belongs; removed it leaves configuration and
# data, purged it leaves nothing.
. "$(dirname "$0")/lib/package.sh"

# What is on the disk, but for what every package leaves: dpkg's notes, logs, what is in memory.
files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o \
		-path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /root -o \
		-path /srv -o -path "$COVEY_TOP" -o -path /var/lib/systemd/random-seed \) -prune -o -print | sort
}
people() { # and groups, and what systemd and the kernel know of us
	getent passwd
	getent group
	systemctl list-unit-files --no-legend 'covey*' | grep -v covey-vm || true
	find /sys/fs/cgroup -type d -name '*covey*' ! -path '*covey-vm*'
	find /run -name '*covey*' ! -path '*covey-vm*' ! -path '/run/systemd/*' ! -path '/run/udev/*'
	grep -l '^Name:[[:space:]]*covey' /proc/[0-9]*/status 2>/dev/null || true
}
added() { files | comm -13 /tmp/files.before -; }

purge
files >/tmp/files.before
people >/tmp/people.before
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
for left in /run/covey /usr/sbin/coveyd /usr/libexec/covey /sys/fs/cgroup/system.slice/covey-agents.service \
	/sys/fs/cgroup/*/system.slice/covey-agents.service; do
	[ ! -e "$left" ] || fault "removed, and $left is there"
done
# Conffiles and data, the folders that they are in, and Debian's note of whether the unit was enabled.
dpkg-query -W -f '${Conffiles}\n' covey | sed -n 's/^ \(\/[^ ]*\) .*/\1/p' >/tmp/conffiles
[ -s /tmp/conffiles ] || fault "no conffiles are known"
added | grep -vxFf /tmp/conffiles | grep -Ev '^/var/lib/covey(/|$)|^/etc/covey(/agents.d|/seccomp)?$' |
	grep -Ev '^/var/lib/systemd/deb-systemd-helper-enabled(/|$)|^/etc/systemd/system/.*\.wants/coveyd.service$' \
		>/tmp/more || true
[ ! -s /tmp/more ] || fault "removed, and there is more than conffiles and data: $(cat /tmp/more)"
DEBIAN_FRONTEND=noninteractive dpkg --purge covey >/dev/null || fault "cannot be purged"
added >/tmp/more
[ ! -s /tmp/more ] || fault "purged, and there is $(cat /tmp/more)"
people | diff /tmp/people.before - >/tmp/more || fault "purged, and these are others: $(cat /tmp/more)"
! dpkg-query -W covey >/dev/null 2>&1 || fault "purged, and dpkg knows it"
rm -f /srv/web.said
