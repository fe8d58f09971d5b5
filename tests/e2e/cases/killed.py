# SPDX-License-Identifier: Apache-2.0
"""A daemon that is killed while its host lives: suspect at once, dead after a while, and who says so, and that the host
answers. One that comes back within a second was never dead.
"""
from datetime import datetime
import time

from fleet import wait_for

NODES = 5
SOON_S = 1.0  # who is back by then is never called dead (gossip/profile.c: after 1.2 s)


def when(event):
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def killed(fleet, victim):
    others, suspects = [n for n in fleet.nodes if n is not victim], []
    victim.kill()
    for node in others:
        dead = node.wait_event("dead", f"{victim.name} is dead", "its host, and no daemon answers there")
        own = node.events("suspect", f"{victim.name} is suspect", "its host, and no daemon answers there")
        assert not own or when(dead) >= when(own[-1]), (own, dead)
        suspects += own
    assert suspects, "nobody was suspect first"  # who stood still meanwhile hears of both at once, and tells the last
    assert any(o.name in dead["text"] for o in others), dead
    for event in (suspects[-1], dead):
        data = event["data"]
        assert (data["member"], data["reason"], data["was"]) == (victim.name, "daemon-gone", None), event
        assert data["address"] == f"{victim.address}:7947" and data["incarnation"] >> 32 >= 1, event
        assert data["by"] and data["by_count"] >= len(data["by"]) and all(b in event["text"] for b in data["by"]), event
    fleet.wait_seen({victim.name: "dead", **{n.name: "alive" for n in others}}, others)


def linked(fleet):
    """All are, for longer than the second in which a link that ends is not dialled again at once (gossip/links.c)."""
    fleet.wait_linked()
    t0 = time.monotonic()
    wait_for(lambda: time.monotonic() - t0 > 1.5, "a second to go by")


def returns(fleet, victim):
    victim.start()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    for node in fleet.nodes:
        if node is not victim:
            back = node.wait_event("returned", f"{victim.name} is back: it was dead", "its daemon began anew")
            assert (back["data"]["was"], back["data"]["reason"]) == ("dead", "restarted"), back


def quick(fleet, victim):
    before = len(fleet.node(1).events("dead", victim.name))
    t0 = time.monotonic()
    victim.kill()
    victim.start()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    took = time.monotonic() - t0
    print(f"      back after {took * 1000:.0f} ms", flush=True)
    assert took > SOON_S or len(fleet.node(1).events("dead", victim.name)) == before, fleet.node(1).events()
    return took <= SOON_S


def run(fleet):
    fleet.form()
    linked(fleet)
    uuids = {m["name"]: m["id"] for m in fleet.node(1).ask("nodes")["nodes"]}
    for joined in fleet.node(1).events("joined"):
        assert joined["data"]["member_id"] == uuids[joined["data"]["member"]], joined
    killed(fleet, fleet.node(3))
    returns(fleet, fleet.node(3))
    linked(fleet)
    gone = ("n3 is dead",) if quick(fleet, fleet.node(4)) else ("n3 is dead", "n4 is dead")
    for node in fleet.nodes:
        odd = [e["text"] for e in node.events("dead") if not e["text"].startswith(gone)]
        assert not odd or fleet.stood_still(), odd
