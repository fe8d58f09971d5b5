# SPDX-License-Identifier: Apache-2.0
"""Two hundred that connect and say nothing: they are cut off and told of, a newcomer gets in between them, nobody is
called dead, and all they took is given back.
"""
import contextlib
import os
import socket
import sys
import time

from fleet import wait_for

NODES = 4
PEERS = 200


def descriptors(node):
    return len(os.listdir(f"/proc/{node.pid}/fd"))


def knock(fleet, i, stack):
    with fleet.net.inside(i):
        s = stack.enter_context(socket.socket())
    s.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        s.connect((fleet.node(1).address, 7947))


def run(fleet):
    members = fleet.nodes[:2]
    fleet.form(members, seeds=1)
    one, late = fleet.node(1), fleet.node(3)
    before = descriptors(one)
    with contextlib.ExitStack() as stack:
        for _ in range(PEERS):
            knock(fleet, 4, stack)
        wait_for(lambda: descriptors(one) > before + 10, "some of them to be held")
        late.configure(gossip=fleet.gossip(late, seeds=1))
        late.start()
        t0 = time.monotonic()
        fleet.wait_seen({"n1": "alive", "n2": "alive", "n3": "alive"}, fleet.nodes[:3])
        print(f"      let in after {(time.monotonic() - t0) * 1000:.0f} ms", file=sys.stderr)
        one.wait_event("link-refused", f"no link from {fleet.node(4).address}", "hello")
    wait_for(lambda: descriptors(one) <= before + 4, "their descriptors to be given back")
    for node in fleet.nodes[:3]:
        odd = [e["text"] for e in node.events("dead")]
        assert not odd or fleet.stood_still(fleet.nodes[:3]), (node.name, odd)
