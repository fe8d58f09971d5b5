# SPDX-License-Identifier: Apache-2.0
"""All daemons are restarted, one after the other, in good order and with SIGKILL, while changes are made on the others:
no agent notices. Each change is answered, and what the last one said is so.
"""
import signal
import threading

from work import Work

NODES = (3, 5)


class Changes(threading.Thread):
    """Scales an agent up and down on whichever node may be asked, until it is stopped."""

    def __init__(self, fleet, name):
        super().__init__()
        self.fleet, self.name_of_agent, self.ends = fleet, name, threading.Event()
        self.away, self.n, self.odd = set(), 0, []
        self.went = {node.name: 0 for node in fleet.nodes}

    def run(self):
        while not self.ends.is_set():
            free = [x for x in self.fleet.nodes if x.name not in self.away]
            node = free[self.n % len(free)]
            want, went = 1 + self.n % 3, self.went[node.name]
            done = node.covey("scale", self.name_of_agent, str(want), check=False)
            self.n += 1
            if done.returncode != 0 and went == self.went[node.name]:  # else it went while it was asked
                self.odd.append((node.name, done.returncode, done.stderr))

    def stop(self):
        self.ends.set()
        self.join()


def restarts(fleet, changes):
    for node in fleet.nodes:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            changes.away.add(node.name)
            changes.went[node.name] += 1
            node.kill(sig)
            node.start()
            fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
            changes.away.discard(node.name)


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    work.apply(fleet.node(1), "steady", n)
    work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
    work.apply(fleet.node(1), "busy", 1)
    before = {name: work.wait_runs(fleet.node(1), name, n) for name in ("steady", "lease")}
    changes = Changes(fleet, "busy")
    changes.start()
    try:
        restarts(fleet, changes)
    finally:
        changes.stop()
    print(f"      {n} nodes: {changes.n} changes meanwhile", flush=True)
    assert changes.n > n and not changes.odd, changes.odd
    fleet.node(1).covey("scale", "busy", "2")
    for node in fleet.nodes:
        for name, placed in before.items():
            found = work.wait_runs(node, name, n)
            assert found == placed, (node.name, name, placed, found)
        work.wait_runs(node, "busy", 2)
    for name in before:
        diary = work.diary(name)
        assert all(len(runs) == 1 for runs in diary.replicas().values()), diary.replicas()
    twice = [o for o in work.diary("busy").overlaps() if o[0].node == o[1].node]
    assert not twice, twice
