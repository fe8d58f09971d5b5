# SPDX-License-Identifier: Apache-2.0
"""The disk of a voter is full: decisions go on with the others', commands that are given to it too, it says so, and
once there is room it has what was decided meanwhile. Nothing that runs there notices.
"""
import os

from fleet import wait_for
from full import fill, small_disk
from work import Work

NODES = (3, 5)
ELSEWHERE = "placement: {require: [\"host != n2\"]}\n"


def lasting(fleet, names):
    """A daemon that stood still may have lost its leases."""
    return [x for x in names if x != "lease" or not fleet.stood_still()]


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    full = fleet.node(2)
    with small_disk(os.path.join(full.dir, "data")) as ballast:
        try:
            fleet.form()
            work.apply(fleet.node(1), "steady", n)
            work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
            before = {name: work.wait_runs(full, name, n) for name in ("steady", "lease")}
            fill(ballast)
            for i in range(n):
                for node in fleet.nodes:
                    work.apply(node, "other", 1 + (i + node.i) % 3, more=ELSEWHERE)
            wait_for(lambda: "the store refuses writes" in full.log(), "it to say that it cannot write")
            for name in lasting(fleet, before):
                wait_for(lambda: work.placed(fleet.node(1), name) == before[name], f"{name} to be as it was")
            os.remove(ballast)
            wait_for(lambda: "the store takes writes again" in full.log(), "it to say that it can write again")
            version = work.agent(fleet.node(1), "other")["version"]
            wait_for(lambda: work.agent(full, "other")["version"] == version, "it to know the last decision")
            for i in (1, 3):
                fleet.node(i).covey("scale", "other", "3")
            full.covey("remove", "other")
            lasts = lasting(fleet, before)
            for name in lasts:
                assert work.wait_runs(full, name, n) == before[name], (name, before[name])
            runs = work.diary().replicas()
            again = {r: v for r, v in runs.items() if len(v) > 1 and r.rsplit(".", 1)[0] in lasts}
            assert not again, again
            assert not work.diary("lease").overlaps(), work.diary("lease").overlaps()
        finally:
            work.power_off(full)
