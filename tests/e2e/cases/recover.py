# SPDX-License-Identifier: Apache-2.0
"""Most voters lose their power, and are given up: those that are left go on, with what ran there as well. Then the
others come back after all, one after the other: they hear that they were given up, and nothing under a lease has run
twice. At once they would be a majority that may hear each other before it hears that.
"""
from fleet import BOUND_S, voters_of
from work import Work

NODES = (3, 5)


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    names = ("keep", "lease")
    work.apply(fleet.node(1), "keep", n)
    work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
    left, lost = fleet.nodes[:n // 2], fleet.nodes[n // 2:]
    gone = [x.name for x in lost]
    work.power_off(*lost)
    if len(left) == 1:
        left[0].wait_event("isolated")
    else:
        fleet.wait_seen({name: "dead" for name in gone}, left, 4 * BOUND_S)  # there are few to say so
    refused = left[0].covey("apply", work.file("more"), check=False)
    assert refused.returncode == 1 and "no majority of the voters is there" in refused.stderr, refused
    left[0].covey("recover", "--force", "--hosts-are-off", "--cluster", left[0].status()["cluster"]["id"])
    for node in left:
        for name in names:
            work.wait_runs(node, name, n, not_on=gone)
    left[0].covey("apply", work.file("more"))
    for node in lost:
        work.power_on(node)
        node.wait_answers()
        node.wait_event("given-up")
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    fleet.wait_voters(voters_of(n))
    for node in fleet.nodes:
        work.once(node, ("lease",), n)
        work.wait_runs(node, "more", 1)
    diary = work.diary("lease")
    assert not diary.overlaps() and not diary.falls(), (diary.overlaps(), diary.falls())
    same = [o for o in work.diary("keep").overlaps() if o[0].node == o[1].node]
    assert not same, same
