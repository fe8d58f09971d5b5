# SPDX-License-Identifier: Apache-2.0
"""Who leaves is not dead, also when its host goes right after; who is forgotten stays away until it is a new node."""
NODES = 4


def leave(fleet):
    one, others = fleet.node(2), [n for n in fleet.nodes if n.i != 2]
    one.covey("leave")
    fleet.net.link(2, False)
    fleet.wait_seen({"n2": "left"}, others)
    fleet.node(3).kill()  # the others have had the time for a death
    rest = [fleet.node(1), fleet.node(4)]
    fleet.wait_seen({"n2": "left", "n3": "dead"}, rest)
    for node in rest:
        assert node.events("left", "n2 left") and not node.events("dead", "n2"), node.events()
    fleet.net.link(2, True)
    one.ask("init")
    fleet.wait_seen({"n1": "alive", "n2": "alive", "n4": "alive"}, [one, *rest])


def forget(fleet):
    rest = [fleet.node(i) for i in (1, 2, 4)]
    assert "n4 is alive" in fleet.node(1).refusal("forget", node="n4")
    fleet.node(1).covey("forget", "n3")
    fleet.wait_seen({"n3": "gone"}, rest)
    fleet.node(3).start()
    fleet.node(3).wait_event("we-forgotten", "covey reset")
    fleet.wait_seen({"n3": "gone", "n4": "alive"}, rest)
    fleet.node(3).ask("reset")
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})


def run(fleet):
    fleet.form()
    leave(fleet)
    forget(fleet)
