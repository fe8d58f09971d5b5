# SPDX-License-Identifier: Apache-2.0
"""A voter loses its disk: it comes back as a new node of that name, which takes the vote of the old one. What was
acknowledged is there, and decided on meanwhile.
"""
import os
import shutil

from fleet import voters_of, wait_for
from work import Work

NODES = (3, 5)


def ids(node, name):
    return {m["id"]: m["state"] for m in node.ask("nodes")["nodes"] if m["name"] == name}


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    work.apply(fleet.node(1), "keep", n)
    work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
    wiped = fleet.node(2)
    rest = [x for x in fleet.nodes if x is not wiped]
    old, = ids(fleet.node(1), wiped.name)
    work.power_off(wiped)
    fleet.wait_seen({wiped.name: "dead"}, rest)
    shutil.rmtree(os.path.join(wiped.dir, "data"))
    os.mkdir(os.path.join(wiped.dir, "data"))
    work.power_on(wiped)
    wiped.wait_answers()
    for node in rest:
        wait_for(lambda x=node: list(ids(x, wiped.name).values()) == ["alive"], f"{node.name} to know the new node")
        assert old not in ids(node, wiped.name), node.name
    fleet.wait_seen({x.name: "alive" for x in rest}, [wiped])
    wiped.covey("scale", "keep", str(n + 1))
    assert fleet.wait_voters(voters_of(n)) == sorted(x.name for x in fleet.nodes)
    lost = rest[0]
    work.power_off(lost)  # a majority that needs the new one where there are three
    others = [x for x in fleet.nodes if x is not lost]
    fleet.wait_seen({lost.name: "dead"}, others)
    wiped.covey("scale", "keep", str(n))
    work.wait_runs(wiped, "keep", n, not_on=[lost.name])
    work.wait_runs(wiped, "lease", n, not_on=[lost.name])
    assert not work.diary("lease").overlaps(), work.diary("lease").overlaps()
