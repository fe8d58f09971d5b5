# SPDX-License-Identifier: Apache-2.0
"""A daemon that is killed, or stands still, while its host is up. What runs there runs on, and nothing of it moves
before failover_grace; then it does. The daemon that is back goes on with the same processes. What runs under a lease
is ended in time and runs elsewhere, never twice.
"""
from diary import now
from work import Work

NODES = (3, 5)
AGENTS = {"patient": "", "hasty": "failover_grace: 4s\n", "lease": "isolation: stop\n"}
GRACE_NS = 4e9


def begin(work, victim):
    """{agent: [its replicas that run there]}, and where all of them run: once all do."""
    n = len(work.fleet.nodes)
    placed = {name: work.wait_runs(victim, name, n) for name in AGENTS}
    mine = {name: [r for r, at in placed[name].items() if at[0] == victim.name] for name in AGENTS}
    assert all(mine.values()), mine
    return mine, placed


def moved(work, victim, replicas, at_ns):
    """They run elsewhere: {replica: after how many ns}."""
    found = {}
    for replica in replicas:
        line_ns, where = work.wait_line(replica, at_ns, not_on=[victim.name])
        found[replica] = line_ns - at_ns
        print(f"      {replica}: from {victim.name} to {where} after {found[replica] / 1e6:.0f} ms", flush=True)
    return found


def away(work, victim, goes, comes_back):
    fleet, n = work.fleet, len(work.fleet.nodes)
    others = [x for x in fleet.nodes if x is not victim]
    mine, placed = begin(work, victim)
    at_ns = now()
    goes()
    fleet.wait_seen({victim.name: "dead"}, others)
    moved(work, victim, mine["lease"], at_ns)
    took = moved(work, victim, mine["hasty"], at_ns)
    assert min(took.values()) > GRACE_NS, took
    there = work.placed(others[0], "patient")
    assert not any(there[r][0] != victim.name for r in mine["patient"] if r in there), ("patient has moved", there)
    comes_back()
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    for node in fleet.nodes:
        found = {name: work.wait_runs(node, name, n) for name in AGENTS}
        assert found["patient"] == placed["patient"], (node.name, placed["patient"], found["patient"])


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    for name, more in AGENTS.items():
        work.apply(fleet.node(1), name, n, more=more)
    killed, hung = fleet.node(2), fleet.node(n)
    away(work, killed, killed.kill, killed.start)
    work.wait_guards(now())
    away(work, hung, hung.pause, hung.resume)
    diary = work.diary()
    for replica, runs in diary.replicas().items():
        again = len(runs) - len({(r.node, r.epoch) for r in runs})
        assert again == 0 or replica.startswith("lease"), ("started again", runs)
    assert not [o for o in diary.overlaps() if o[0].replica.startswith("lease")], diary.overlaps()
    assert not diary.falls(), diary.falls()
    again = {r: runs for r, runs in diary.replicas().items() if r.startswith("patient") and len(runs) > 1}
    assert not again, again
