# SPDX-License-Identifier: Apache-2.0
"""Agents that keep a diary (diary.py) on a fleet, and what is done to whole hosts: their power goes, and comes back."""
import os
import shutil
import signal

from diary import Diary, now
from fleet import BOUND_S, FleetError, wait_for
import cgroups
import procs

GUARD_NS = 3.5e9  # L_v is 3.1 s
PROGRAM = os.path.join("tests", "e2e", "agent", "diary")


class Work:
    """One a fleet."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.program = os.path.join(fleet.build, PROGRAM)
        if not os.access(self.program, os.X_OK):
            raise FleetError(f"{self.program} is not built: make {PROGRAM}")
        self.dir = os.path.join(fleet.dir, "diary")
        os.mkdir(self.dir)

    # -- agents ------------------------------------------------------------------------------------------------

    def text(self, name, replicas=1, more=""):
        """A definition. What is not said: isolation keep, no waits before it is started again."""
        if "isolation:" not in more:
            more += "isolation: keep\n"
        if "restart:" not in more:
            more += "restart: {initial: 0ms, limit: 1000}\n"
        return (f"name: {name}\ncommand: [{self.program}]\nreplicas: {replicas}\nuser: root\n"
                f"env: {{DIARY: {self.dir}}}\nresources: {{memory: 16M, pids: 4}}\n"
                f"sandbox: {{read_only: [], private_tmp: no, seccomp: off}}\n{more}")

    def file(self, name, *args, **keys):
        path = os.path.join(self.fleet.dir, f"{name}.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write(self.text(name, *args, **keys))
        return path

    def apply(self, node, name, *args, options=(), **keys):
        """And waits until its replicas run."""
        return node.covey("apply", self.file(name, *args, **keys), *options)

    def once(self, node, names, each):
        """Until it knows of `each` replicas of each agent, and they write there, at that epoch, and nowhere else."""
        for name in names:
            def fits(name=name):
                placed = self.wait_runs(node, name, each)
                found = {r: self.diary(f"{r}-").running(r) for r in placed}
                return all([(x.node, x.epoch) for x in runs] == [placed[r][:2]] for r, runs in found.items())

            wait_for(fits, f"each {name} to write where {node.name} knows it, and nowhere else")

    def writes_on(self, replica, nodes, since_ns):
        """Until it has written after that on one of these nodes; and all that it ever wrote there was of one run."""
        def there():
            return [r for r in self.diary(f"{replica}-").replicas().get(replica, []) if r.node in nodes]

        wait_for(lambda: any(r.last > since_ns for r in there()), f"{replica} to write on, on one of {nodes}")
        assert len(there()) == 1, (replica, "began again", there())

    @staticmethod
    def wait_guards(since_ns):
        """Until a voter that was started then is past its wait: in it, it accepts nobody else as a slot's owner."""
        wait_for(lambda: now() > since_ns + GUARD_NS, "voters to be past their guards")

    def diary(self, name=""):
        return Diary(self.dir, name)

    # -- where they are ----------------------------------------------------------------------------------------

    @staticmethod
    def agent(node, name):
        """What `covey status` says of it there; None."""
        doc = node.ask("status")
        return next((a for a in doc["agents"] if a["name"] == name), None) if doc else None

    def placed(self, node, name):
        """{replica: (node, epoch, pid)} of those that run, as that node knows it."""
        agent = self.agent(node, name)
        return {r["id"]: (r["node"], r["epoch"], r["pid"]) for r in (agent["replicas"] if agent else [])
                if r["state"] == "running"}

    def wait_runs(self, node, name, replicas, not_on=()):
        """Until there so many are known to run, each once and none on these nodes: placed()."""
        def runs():
            agent = self.agent(node, name)
            up = [r for r in agent["replicas"] if r["state"] == "running"] if agent else []
            if not up or agent["state"] != "running" or not len(up) == len({r["id"] for r in up}) == replicas:
                return None
            return None if {r["node"] for r in up} & set(not_on) else self.placed(node, name)

        try:
            return wait_for(runs, f"{node.name} to know of {replicas} {name} that run")
        except FleetError as e:
            raise FleetError(f"{e}: {self.agent(node, name)}") from None

    def wait_line(self, replica, at_ns, not_on=(), bound_s=BOUND_S):
        """Its first line after that, on none of these nodes: (when, where)."""
        def line():
            found = self.diary(f"{replica}-").first_after(replica, at_ns, not_on)
            return found if found[0] else None

        return wait_for(line, f"a line of {replica}, not on {not_on}", bound_s)

    # -- hosts -------------------------------------------------------------------------------------------------

    def processes(self, node):
        """All of that host: the daemon, shims, agents."""
        ns = os.stat(f"/run/netns/{self.fleet.net.ns(node.i)}").st_ino
        found = []
        for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
            try:
                if os.stat(f"/proc/{pid}/ns/net").st_ino == ns:
                    found.append(pid)
            except OSError:
                continue  # it is gone
        return found

    def power_off(self, *nodes):
        """Nobody is told of it. When: before it began."""
        at_ns, gone = now(), []
        for node in nodes:
            self.fleet.net.link(node.i, False)
        for node in nodes:
            while pids := [p for p in self.processes(node) if procs.is_alive(p)]:
                gone += pids
                for sig in (signal.SIGSTOP, signal.SIGKILL):
                    for pid in pids:
                        procs.kill(pid, sig)
        for node in nodes:
            if node.child:
                node.child.wait(BOUND_S)
            node.child = node.control = None
        wait_for(lambda: not [p for p in set(gone) if not is_reaped(p)], "all of them to be gone")
        return at_ns

    def power_on(self, *nodes):
        """What was in memory is gone, links are up. Does not wait for them to answer."""
        for node in nodes:
            wait_for(lambda n=node: not cgroups.remove(n.group), "its groups to be gone")
            shutil.rmtree(node.run_dir)
            os.mkdir(node.run_dir)
            self.fleet.net.link(node.i, True)
        for node in nodes:
            node.launch()


def is_reaped(pid):
    """Those whose parent ended are ours (procs.become_subreaper)."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return not os.path.exists(f"/proc/{pid}")
