#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# For the bed, which reboots the guest between the two halves: reboot.sh before, then a reboot, reboot.sh after.
# At a shutdown agents get their own signal and their time; at boot they come back, but for what was stopped.
. "$(dirname "$0")/package.sh"

case ${1:-before} in
before)
	fresh
	trap - EXIT
	rm -f /srv/*.said
	define web INT
	define slow QUIT
	sed -i 's/exit 0/sleep 5; echo done >>\/srv\/slow.said; exit 0/' /tmp/slow.yaml
	covey apply --timeout "${suite_bound_s}s" /tmp/slow.yaml >/dev/null || fault "apply slow"
	define off TERM
	covey stop off --timeout "${suite_bound_s}s" >/dev/null || fault "stop off"
	rm -f /srv/*.said
	;;
after)
	trap purge EXIT
	wait_for "covey status after boot" covey status
	wait_for "web comes back" runs web.0
	wait_for "slow comes back" runs slow.0
	! runs off.0 || fault "what was stopped came back with a boot"
	[ "$(cat /srv/web.said)" = INT ] || fault "web was not stopped by its own signal"
	[ "$(tail -1 /srv/slow.said)" = done ] || fault "slow did not get its time"
	rm -f /srv/*.said
	;;
*) fault "before or after" ;;
esac
