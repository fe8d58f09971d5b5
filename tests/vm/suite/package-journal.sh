#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Entries of the journal have their fields, and empty ones are left out; STATUS is true; completion is where shells
# look for it.
. "$(dirname "$0")/lib/package.sh"

fresh
node=$(covey version --json | tr ',{}' '\n\n\n' | sed -n 's/^ *"node" *: *"\(.*\)"/\1/p' | head -1)
[ -n "$node" ] || fault "covey version does not tell the node"
define web INT
found() { journalctl --no-pager -o cat -u coveyd "$@" | grep -q .; }
wait_for "entries with AGENT and REPLICA" found AGENT=web REPLICA=web.0
wait_for "entries with NODE" found "NODE=$node"
! journalctl --no-pager -o export -u coveyd | grep -qE '^(AGENT|REPLICA|NODE)=$' || fault "an empty field"
status_is() { systemctl show -P StatusText coveyd | grep -q -- "$1"; }
wait_for "STATUS counts the agent" status_is '^1 agent, 1 of 1 replica ready'
covey scale web 3 --timeout "${suite_bound_s}s" >/dev/null || fault "scale"
wait_for "STATUS counts its replicas" status_is '^1 agent, 3 of 3 replicas ready'
covey stop web --timeout "${suite_bound_s}s" >/dev/null || fault "stop"
wait_for "STATUS counts what is wanted" status_is '^1 agent, 0 of 0 replicas ready'
[ -f /usr/share/bash-completion/completions/covey ] || fault "no completion for bash"
[ -f /usr/share/zsh/vendor-completions/_covey ] || fault "no completion for zsh"
bash -c '. /usr/share/bash-completion/completions/covey; COMP_WORDS=(covey logs web.); COMP_CWORD=2; _covey
	[ "${#COMPREPLY[@]}" -eq 3 ]' || fault "completion does not know the replicas"
for page in covey.1 coveyd.8 coveyd.yaml.5 covey-agent.yaml.5; do
	ls /usr/share/man/man*/$page* >/dev/null 2>&1 || [ -e /etc/dpkg/dpkg.cfg.d/excludes ] || fault "no page $page"
done
rm -f /srv/web.said
