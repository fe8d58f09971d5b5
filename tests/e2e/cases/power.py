# SPDX-License-Identifier: Apache-2.0
"""The power of all hosts goes at once. Those that come back first run what they kept, without a majority; what runs
under a lease waits for one. With all back all runs, once, and nothing that was acknowledged is lost.
"""
from diary import now
from fleet import wait_for
from work import Work

NODES = (3, 5)


def began(work, replica, cut_ns):
    return [r for r in work.diary(f"{replica}-").running(replica) if r.first > cut_ns]


def first(work, nodes, mine, cut_ns):
    """Too few for a majority."""
    work.power_on(*nodes)
    for node in nodes:
        node.wait_answers()
        for replica in mine[node.name]["keep"]:
            wait_for(lambda r=replica: began(work, r, cut_ns), f"{replica} on {node.name}")
        if len(nodes) == 1:  # it has nobody to ask whether its disk is an old one
            node.wait_event("believed", "no other member has told")
        else:
            assert not node.events("believed"), "they have asked each other"
        assert not node.cluster()["quorum"], node.cluster()
    said = nodes[0].refusal("scale", agent="keep", n=1)
    assert "no majority of the voters" in said, said
    work.wait_guards(now())  # a lease would have come by then
    for node in nodes:
        for replica in mine[node.name]["keep"]:
            wait_for(lambda r=replica: work.diary(f"{r}-").running(r), f"{replica} to run on")
    early = [r for runs in work.diary("lease").replicas().values() for r in runs if r.first > cut_ns]
    assert not early, ("without a majority", early)


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    work.apply(fleet.node(1), "keep", n)
    work.apply(fleet.node(2), "lease", n, more="isolation: stop\n")
    for node in fleet.nodes:
        node.covey("scale", "keep", str(2 * n))
        node.covey("scale", "keep", str(n))
    placed = {name: work.wait_runs(fleet.node(1), name, n) for name in ("keep", "lease")}
    mine = {x.name: {name: [r for r, at in placed[name].items() if at[0] == x.name] for name in placed}
            for x in fleet.nodes}
    version = work.agent(fleet.node(1), "keep")["decision"]
    at_ns = work.power_off(*fleet.nodes)
    few = fleet.nodes[:n // 2]
    first(work, few, mine, now())
    work.power_on(*fleet.nodes[n // 2:])
    for node in fleet.nodes:
        node.wait_answers()
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    for node in fleet.nodes:
        work.once(node, ("keep", "lease"), n)
        assert work.agent(node, "keep")["decision"] >= version, (node.name, version)
    diary = work.diary()
    for runs in diary.replicas().values():
        after = [r for r in runs if r.first > at_ns and r.replica.startswith("keep")]
        assert len(after) <= 1 or len({(r.node, r.epoch) for r in after}) == len(after), ("started twice", after)
    assert not [o for o in diary.overlaps() if o[0].replica.startswith("lease")], diary.overlaps()
    assert not work.diary("lease").falls(), work.diary("lease").falls()
