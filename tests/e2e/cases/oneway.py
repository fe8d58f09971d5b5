# SPDX-License-Identifier: Apache-2.0
"""Networks that carry one way only. Between two: others reach both, nobody is called dead. From one to all: it is dead
for them, though it hears them, and calls none of them dead.
"""
NODES = 5


def between_two(fleet):
    one, two = fleet.node(1), fleet.node(2)
    before = {n.name: len(n.events("accused")) for n in fleet.nodes}
    fleet.net.cut(1, 2, both_ways=False)
    fleet.node(5).pause()  # an event that must come, so that there is an end to the wait
    for node in (one, two, fleet.node(3)):
        node.wait_event("dead", "n5 is dead")
    fleet.node(5).resume()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    for node in fleet.nodes:
        odd = [e["text"] for e in node.events("dead") if not e["text"].startswith("n5 ")]
        assert not odd or fleet.stood_still(fleet.nodes[:4]), (node.name, odd, before)
    fleet.net.heal()


def to_all(fleet):
    one, others = fleet.node(1), fleet.nodes[1:]
    fleet.net.cut(1, [n.i for n in others], both_ways=False)
    for node in others:
        node.wait_event("dead", "n1 is dead")
    fleet.wait_seen({"n1": "dead", **{n.name: "alive" for n in others}}, others)
    odd = [e["text"] for e in one.events("dead") if not e["text"].startswith("n5 ")]
    assert not odd or fleet.stood_still(fleet.nodes[:4]), odd
    fleet.net.heal()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})


def run(fleet):
    fleet.form()
    between_two(fleet)
    to_all(fleet)
