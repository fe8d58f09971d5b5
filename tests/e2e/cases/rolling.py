# SPDX-License-Identifier: Apache-2.0
"""All daemons are restarted, one after the other, in good order and with SIGKILL, while changes are made on the others:
no agent notices. Each change is answered, and what the last one said is so.
"""
import signal
import threading
import time

from work import Work

NODES = (3, 5)
AWAY_S = 1.0  # a lease lasts 2 s, and is renewed each third of that


class Changes(threading.Thread):
    """Scales an agent up and down on whichever node may be asked, until it is stopped."""

    def __init__(self, fleet, name):
        super().__init__()
        self.fleet, self.name_of_agent, self.ends = fleet, name, threading.Event()
        self.away, self.n, self.odd = set(), 0, []
        self.went = {node.name: 0 for node in fleet.nodes}

    def run(self):
        while not self.ends.is_set():
            went = dict(self.went)  # before it is seen who is there
            free = [x for x in self.fleet.nodes if x.name not in self.away]
            node = free[self.n % len(free)]
            want = 1 + self.n % 3
            done = node.covey("scale", self.name_of_agent, str(want), check=False)
            self.n += 1
            if done.returncode != 0 and went[node.name] == self.went[node.name]:  # else it went while it was asked
                self.odd.append((node.name, done.returncode, done.stderr))

    def stop(self):
        self.ends.set()
        self.join()


def restarts(fleet, changes):
    """Whether a daemon was away, or stood still, for so long that a lease may have run out."""
    late = False
    for node in fleet.nodes:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            late |= bool(node.metric("covey_gossip_late_total"))  # which begins anew with it
            changes.away.add(node.name)
            changes.went[node.name] += 1
            t0 = time.monotonic()
            node.kill(sig)
            node.start()
            fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
            late |= time.monotonic() - t0 > AWAY_S
            changes.away.discard(node.name)
    return late or fleet.stood_still()


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
        late = restarts(fleet, changes)
    finally:
        changes.stop()
    print(f"      {n} nodes: {changes.n} changes meanwhile", flush=True)
    assert changes.n > n and not changes.odd, changes.odd
    fleet.node(1).covey("scale", "busy", "2")
    for node in fleet.nodes:
        for name, placed in before.items():
            found = work.wait_runs(node, name, n)
            assert found == placed or (late and name == "lease"), (node.name, name, placed, found)
        work.wait_runs(node, "busy", 2)
    for name in before:
        diary = work.diary(name)
        once = all(len(runs) == 1 for runs in diary.replicas().values())
        assert once or (late and name == "lease"), diary.replicas()
        assert not diary.overlaps() and not diary.falls(), (diary.overlaps(), diary.falls())
    twice = [o for o in work.diary("busy").overlaps() if o[0].node == o[1].node]
    assert not twice, twice
