# SPDX-License-Identifier: Apache-2.0
"""Five hosts with the same list of addresses, their own among them: nobody founds, one is told to, all find each other.
And again when all are started at once, as after a cut of the power.
"""
from fleet import wait_for

NODES = 5


def waiting(fleet):
    for node in fleet.nodes:
        node.configure(gossip=fleet.gossip(node))
    fleet.start()
    for node in fleet.nodes:
        said = node.cluster()
        assert "waiting for" in said["text"] and "covey init" in said["text"] and not said["id"], said
        assert node.members() == {node.name: "alive"}, node.members()


def found(fleet):
    fleet.node(1).ask("init")
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    ids = {n.cluster()["id"] for n in fleet.nodes}
    assert len(ids) == 1 and None not in ids, ids
    for node in fleet.nodes:
        for other in fleet.nodes:
            if other is not node:
                node.wait_event("joined", f"{other.name} joined ({other.address}:7947")
    fleet.node(1).wait_event("founded", *ids)
    fleet.node(4).wait_event("let-in", *ids)


def again(fleet):
    for node in fleet.nodes:
        node.kill()
    fleet.start()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    wait_for(lambda: all(n.cluster()["alive"] == 5 for n in fleet.nodes), "all to count five")


def no_odd_events(fleet, *but):
    for node in fleet.nodes:
        odd = [e["text"] for k in ("refused", "link-refused", "cloned", "name-taken") for e in node.events(k)]
        odd = [text for text in odd if not text.endswith(but)]
        assert not odd, (node.name, odd)


def run(fleet):
    waiting(fleet)
    found(fleet)
    no_odd_events(fleet)
    again(fleet)
    no_odd_events(fleet, "closed the connection during the hello")  # who was killed had just been dialled
