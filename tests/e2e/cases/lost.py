# SPDX-License-Identifier: Apache-2.0
"""A host that is gone without a word: its link is down, no FIN comes. The others call it dead; it finds itself alone,
and accuses nobody. When the link is back all is as it was.
"""
NODES = 5


def run(fleet):
    fleet.form()
    lost, others = fleet.node(2), [n for n in fleet.nodes if n.i != 2]
    fleet.net.link(2, False)
    for node in others:
        node.wait_event("dead", "n2 is dead", "nothing from it")
    fleet.wait_seen({"n2": "dead", **{n.name: "alive" for n in others}}, others)
    lost.wait_event("isolated", "n2 hears no other node")
    assert lost.cluster()["isolated"] and (not lost.events("dead") or fleet.stood_still()), lost.events()
    fleet.net.link(2, True)
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    lost.wait_event("hears", "n2 hears")
    for node in others:
        node.wait_event("returned", "n2 is back: it was dead")
        odd = [e["text"] for e in node.events("dead") if "n2 is dead" not in e["text"]]
        assert not odd or fleet.stood_still(), odd
