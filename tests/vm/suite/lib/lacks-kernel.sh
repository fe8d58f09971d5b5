#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# For a drive that boots a kernel without Landlock and without the controllers of memory and pids: the daemon says it,
# in the journal and in its status, refuses by name who asks for what it lacks, and runs the others.
. "$(dirname "$0")/package.sh"

[ ! -e /sys/fs/cgroup/system.slice/memory.max ] || fault "this kernel has the controller of memory"
fresh
status_says() { systemctl --no-pager --full status coveyd 2>&1 | grep -Eq -- "$1"; }
for sentence in 'cannot enforce these limits of resources: .*memory.*pids' 'the kernel has no Landlock'; do
	wait_for "systemctl status says '$sentence'" status_says "$sentence"
	journalctl --no-pager -u coveyd | grep -Eq -- "$sentence" || fault "the journal does not say '$sentence'"
done
systemctl show -P StatusText coveyd | grep -q 'this host lacks memory, pids, Landlock' ||
	fault "STATUS says: $(systemctl show -P StatusText coveyd)"
printf 'name: limited\ncommand: [/bin/sleep, "1000000"]\nresources: {memory: 64M}\n' >/tmp/limited.yaml
printf 'name: plain\ncommand: [/bin/sleep, "1000000"]\nsandbox: {read_only: [/]}\n' >/tmp/plain.yaml
covey apply --no-wait /tmp/limited.yaml /tmp/plain.yaml >/dev/null || fault "apply"
explains() { covey explain limited | grep -q 'resources.memory: this host cannot enforce it'; }
wait_for "a limit of memory is refused by name" explains
wait_for "who asks for nothing runs" runs plain.0
pid=$(pid_of plain.0)
systemctl restart coveyd
wait_for "plain.0 is taken over" runs plain.0
[ "$(pid_of plain.0)" = "$pid" ] || fault "a restart started plain.0 anew"
[ "$(group_of "$pid")" = system.slice/covey-agents.service/plain.0 ] || fault "plain.0 lives in $(group_of "$pid")"
systemctl stop covey-agents
gone "$pid" || fault "plain.0 outlived covey-agents"
