#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No directive of coveyd.service reaches an agent: one that wants all (no seccomp, root, /srv, memory that is writable
# and executable, a million descriptors) gets what it gets in a bare unit.
. "$(dirname "$0")/lib/package.sh"

fresh
cat >/srv/probe.sh <<'P'
#!/bin/sh
# What a process has inherited, a line each.
grep -E '^(Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap(Prm|Eff|Bnd)|SigIgn|SigBlk|Cpus_allowed):' /proc/self/status
grep -vE '^Limit|core file size|stack size' /proc/self/limits
for ns in cgroup ipc mnt net pid user uts; do
	[ $ns = mnt ] || [ $ns = cgroup ] || echo "$ns $(readlink /proc/self/ns/$ns)"
done
echo "umask $(umask)" "oom $(cat /proc/self/oom_score_adj)" "nice $(nice)" "cwd $(pwd)"
cut -d' ' -f41 /proc/self/stat | sed 's/^/policy /'
perl -e 'my $nr = `uname -m` =~ /x86_64/ ? 9 : 222;
	print "writable and executable memory: ", syscall($nr, 0, 4096, 7, 0x22, -1, 0) == -1 ? "no" : "yes", "\n"'
perl -e 'my @f; for (1 .. 3000) { open(my $f, "<", "/dev/null") or last; push @f, $f } print scalar(@f), " files\n"'
for place in /srv /etc /root /usr /var/lib /tmp; do
	touch $place/covey-probe 2>/dev/null && echo "$place is writable" && rm $place/covey-probe
done
ls -d /dev/kmsg /sys/fs/cgroup/cgroup.procs /home /boot 2>&1
P
chmod 755 /srv/probe.sh
cat >/tmp/all.yaml <<Y
name: all
command: [/bin/sh, -c, "/srv/probe.sh >/srv/agent.said 2>&1; mv /srv/agent.said /srv/agent.done"]
user: root
resources: {nofile: 1048576}
sandbox: {seccomp: off, no_new_privileges: no, private_tmp: no, read_only: [], writable: [/srv],
          capabilities: [$(all_capabilities)]}
restart: {when: never}
Y
covey check /tmp/all.yaml || fault "the definition is not taken"
covey apply --timeout "${suite_bound_s}s" /tmp/all.yaml >/dev/null || fault "apply"
wait_for "the agent has looked" test -e /srv/agent.done
# Of itself systemd has its units ignore SIGPIPE, which covey does not do to agents.
systemd-run --quiet --wait -p LimitNOFILE=1048576 -p IgnoreSIGPIPE=no /bin/sh -c '/srv/probe.sh >/srv/unit.done 2>&1' ||
	fault "the bare unit failed"
diff /srv/unit.done /srv/agent.done || fault "an agent (right) is not as a bare unit (left)"
grep -q 'executable memory: yes' /srv/agent.done || fault "no memory that is writable and executable"
rm -f /srv/*.done /srv/probe.sh
