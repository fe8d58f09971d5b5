# SPDX-License-Identifier: Apache-2.0
"""Most hosts are lost: those that are left refuse changes with the reason, tell what they know, and run what they are
to keep; what runs under a lease ends in time. With a majority again the same operation is done, once.
"""
from diary import LATE_NS, now
from fleet import BOUND_S, wait_for
from work import Work

NODES = (3, 5)


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    work.apply(fleet.node(1), "keep", n)
    work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
    work.apply(fleet.node(1), "other", 1)
    left, lost = fleet.nodes[:n // 2], fleet.nodes[n // 2:]
    names = [x.name for x in left]
    kept = [r for r, at in work.placed(left[0], "keep").items() if at[0] in names]
    work.power_off(*lost)
    if len(left) == 1:
        left[0].wait_event("isolated")
    else:
        fleet.wait_seen({x.name: "dead" for x in lost}, left, 4 * BOUND_S)  # there are few to say so
    wait_for(lambda: not [r for r in work.diary("lease").runs if r.last > now() - LATE_NS], "what has no lease to end")
    for node in left:
        done = node.covey("scale", "other", "2", "--op", "later", check=False)
        assert done.returncode == 1 and "no majority of the voters is there" in done.stderr, done
        status = node.status()
        assert not status["cluster"]["quorum"] and {a["name"] for a in status["agents"]} >= {"keep", "lease", "other"}
    for replica in kept:
        work.writes_on(replica, names, now())
    work.power_on(*lost)
    for node in lost:
        node.wait_answers()
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    wait_for(lambda: all(x.cluster().get("quorum") for x in fleet.nodes), "each to know of a majority")
    for node in fleet.nodes:
        node.covey("scale", "other", "2", "--op", "later")
    for node in fleet.nodes:
        work.once(node, ("keep", "lease"), n)
        work.wait_runs(node, "other", 2)
    diary = work.diary("lease")
    assert not diary.overlaps() and not diary.falls(), (diary.overlaps(), diary.falls())
