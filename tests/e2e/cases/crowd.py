# SPDX-License-Identifier: Apache-2.0
"""A host with many agents is lost: until all of them are decided on, and run, elsewhere, from when the first of the
others calls it dead. The others are drained while the agents come, so that all are on that one. Once with agents that
go on where they are cut off, once with singletons under leases. Times are told; COVEY_CROWD=200: of so many, and then
they are held against their bars.
"""
import os
import time

from fleet import BOUND_S, wait_for
from work import Work

NODES = 5
MANY = int(os.environ.get("COVEY_CROWD", "40"))
SLOWER = BOUND_S / 60
GUARD_S = 3.1  # L_v
BAR_S = 2 * SLOWER
KINDS = (("keep", "isolation: keep\n", BAR_S), ("stop", "kind: singleton\nisolation: stop\n", GUARD_S + BAR_S))


def apply_all(fleet, kind, more):
    """A file of each, in one command; waits until all run."""
    paths = []
    for i in range(MANY):
        paths.append(os.path.join(fleet.dir, f"{kind}{i}.yaml"))
        with open(paths[-1], "w", encoding="ascii") as f:
            f.write(f'name: {kind}{i}\ncommand: [/bin/sleep, "100000"]\nuser: root\n{more}'
                    "update: {min_healthy: 0s}\n")
    fleet.node(1).covey("apply", *paths, timeout=10 * BOUND_S)


def placed(node):
    """{agent: (node that shall run it, whether it does)} as this node knows it; None: it does not answer."""
    doc = node.ask("status")
    if not doc:
        return None
    found = {}
    for agent in doc["agents"]:
        for r in agent["replicas"]:
            if r["state"] not in ("lost", "stopped"):
                found[agent["name"]] = (r["node"], r["state"] == "running")
    return found


def is_dead(nodes, name):
    return any(node.members().get(name) == "dead" for node in nodes)


def lose(fleet, work, victim, kind):
    """Seconds from dead: until all have another node, until all run there."""
    left = [n for n in fleet.nodes if n is not victim]
    work.power_off(victim)
    wait_for(lambda: is_dead(left, victim.name), "it to be dead", each_s=0.005)
    began, decided = time.monotonic(), None

    def done():
        nonlocal decided
        at = placed(left[0])
        away = [a for a in (at or {}) if at[a][0] != victim.name and a.startswith(kind)]
        if decided is None and len(away) == MANY:
            decided = time.monotonic() - began
        return len([a for a in away if at[a][1]]) == MANY

    wait_for(done, "all to run elsewhere", 4 * BOUND_S)
    return decided, time.monotonic() - began


def run(fleet):
    work = Work(fleet)
    fleet.form()
    fleet.wait_linked()
    victim = fleet.node(5)
    for kind, more, bar in KINDS:
        for node in fleet.nodes[:-1]:
            node.covey("drain", node.name)
        apply_all(fleet, kind, more)
        for node in fleet.nodes[:-1]:
            node.covey("undrain", node.name)
        at = placed(fleet.node(1))
        mine = [a for a in at if at[a] == (victim.name, True) and a.startswith(kind)]
        assert len(mine) == MANY, f"{len(mine)} of {MANY} run on {victim.name}"
        decided, ran = lose(fleet, work, victim, kind)
        print(f"      {kind}: {MANY} agents: decided {decided:.2f} s after it was dead, running {ran:.2f} s",
              flush=True)
        if "COVEY_CROWD" in os.environ:
            assert decided <= bar, f"{decided:.2f} s, more than {bar:.1f}"
        work.power_on(victim)
        victim.wait_answers()
        fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
        for i in range(MANY):
            fleet.node(1).ask("remove", agent=f"{kind}{i}")
        wait_for(lambda: not placed(fleet.node(1)), "all to be removed", 4 * BOUND_S)
