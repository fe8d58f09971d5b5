# SPDX-License-Identifier: Apache-2.0
"""Hosts are drained, and leave, while they work: their replicas are elsewhere before they end here, never are more down
than `unavailable` says, and a lease is handed over rather than waited for.
"""
from fleet import voters_of
from work import Work

NODES = (3, 5)
AGENTS = {"whole": "update: {surge: 1, unavailable: 0, min_healthy: 1s}\n",
          "part": "update: {surge: 0, unavailable: 1, min_healthy: 1s}\n",
          "lease": "isolation: stop\nupdate: {min_healthy: 1s}\n"}
MOST_DOWN = {"whole": 0, "part": 1, "lease": 1}
HANDED_OVER_NS = 2e9  # the voters' guards would take 3.1 s


def gone_from(work, node, there):
    for name in AGENTS:
        for other in there:
            work.wait_runs(other, name, len(work.fleet.nodes), not_on=[node.name])


def check(work):
    late = work.fleet.stood_still()  # then a lease may have run out
    for name, most in MOST_DOWN.items():
        down = work.diary(f"{name}.").most_down()
        assert down <= most or (late and name == "lease"), (name, down, work.diary(f"{name}.").holes())
    diary = work.diary("lease")
    assert not diary.overlaps() and not diary.falls(), (diary.overlaps(), diary.falls())
    gaps = [b.first - a.last for runs in diary.replicas().values() for a, b in zip(runs, runs[1:])]
    print(f"      leases: {len(gaps)} moves, worst gap {max(gaps) / 1e6:.0f} ms", flush=True)
    assert max(gaps) < HANDED_OVER_NS or late, gaps


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    for name, more in AGENTS.items():
        work.apply(fleet.node(1), name, n, more=more)
    drained, leaves = fleet.node(2), fleet.node(n)
    fleet.node(1).covey("drain", drained.name)
    gone_from(work, drained, fleet.nodes)
    assert {m["name"] for m in fleet.node(1).ask("nodes")["nodes"] if m["draining"]} == {drained.name}
    fleet.node(1).covey("undrain", drained.name)
    leaves.covey("leave")
    rest = [x for x in fleet.nodes if x is not leaves]
    fleet.wait_seen({leaves.name: "left"}, rest)
    gone_from(work, leaves, rest)
    assert leaves.name not in fleet.wait_voters(voters_of(n - 1), rest)
    work.once(fleet.node(1), AGENTS, n)
    check(work)
