#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A host where systemd does not run, played by a root of its own without it: the package is installed with a sentence,
# coveyd runs by hand as it does under systemd, agents outlive it, and a removal ends them in order.
. "$(dirname "$0")/lib/package.sh"

purge
place=/run/plain
root=$place/root
modprobe overlay 2>/dev/null || grep -q overlay /proc/filesystems || lacks "overlayfs"
mkdir -p $place/low $place/disk $root
mount --bind / $place/low
mount -t tmpfs -o size=256m tmpfs $place/disk
mkdir $place/disk/up $place/disk/work
mount -t overlay overlay -o lowerdir=$place/low,upperdir=$place/disk/up,workdir=$place/disk/work $root
mount -t proc proc $root/proc
mount --rbind --make-rslave /sys $root/sys
mount --rbind --make-rslave /dev $root/dev
mount -t tmpfs tmpfs $root/run
inside() { chroot $root "$@"; }
end_all() {
	inside dpkg --purge covey >/dev/null 2>&1 || true
	[ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null || true
	umount -R $root && umount $place/disk $place/low
	find /sys/fs/cgroup -depth -type d -path '*/covey' -exec rmdir {} + 2>/dev/null || true
}
trap end_all EXIT
trap 'exit 1' HUP INT TERM
cp "$COVEY_DEB" $root/run/covey.deb
covey() { inside covey "$@"; }
start() {
	chroot $root /usr/sbin/coveyd >>$place/log 2>&1 &
	daemon=$!
	wait_for "covey status" covey status
}
plain_fault() {
	cat $place/log >&2
	fault "$@"
}

[ ! -d $root/run/systemd/system ] || fault "this root has systemd's folder"
inside dpkg -i /run/covey.deb >$place/dpkg 2>&1 || fault "cannot be installed: $(cat $place/dpkg)"
grep -q 'systemd does not run here, so coveyd was not started; let your init start /usr/sbin/coveyd' \
	$place/dpkg || fault "the installation does not say what to do: $(cat $place/dpkg)"
start
cat >$root/run/web.yaml <<'Y'
name: web
command: [/bin/sh, -c, "trap 'echo INT >>/srv/web.said; exit 0' INT; while :; do sleep 60 & wait; done"]
user: root
sandbox: {writable: [/srv]}
stop: {signal: INT, timeout: 60s}
Y
covey apply --timeout "${suite_bound_s}s" /run/web.yaml >/dev/null || plain_fault "apply"
wait_for "web.0 runs" runs web.0
pid=$(pid_of web.0)
group_of "$pid" | grep -q systemd && plain_fault "web.0 lives in $(group_of "$pid")"
grep -qE ':/(.*/)?covey/web.0$' "/proc/$pid/cgroup" || plain_fault "web.0 has no group: $(cat "/proc/$pid/cgroup")"

kill -TERM $daemon
wait_for "the daemon ends" gone $daemon
[ -d "/proc/$pid" ] || plain_fault "web.0 ended with the daemon"
start
wait_for "web.0 is taken over" runs web.0
[ "$(pid_of web.0)" = "$pid" ] || plain_fault "web.0 was started anew"
inside dpkg -i /run/covey.deb >$place/dpkg 2>&1 || fault "cannot be installed again"
grep -q 'coveyd was not restarted: send it SIGTERM and start it again; agents run on' $place/dpkg ||
	fault "the upgrade does not say what to do: $(cat $place/dpkg)"
wait_for "the daemon that was not restarted answers" covey status
[ -d "/proc/$pid" ] || plain_fault "web.0 ended with the upgrade"

inside dpkg --remove covey >$place/dpkg 2>&1 || fault "cannot be removed: $(cat $place/dpkg)"
gone $daemon || fault "the daemon outlived the removal"
gone "$pid" || fault "web.0 outlived the removal"
[ "$(cat $root/srv/web.said)" = INT ] || fault "web.0 was not stopped by its own signal"
inside dpkg --purge covey >/dev/null || fault "cannot be purged"
find /sys/fs/cgroup -type d -name covey | grep -q . && fault "purged, and there is $(find /sys/fs/cgroup -name covey)"
for left in /etc/covey /var/lib/covey /run/covey; do
	[ ! -e $root$left ] || fault "purged, and $left is there"
done
