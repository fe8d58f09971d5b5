# SPDX-License-Identifier: Apache-2.0
"""One host leaves and joins as a new node, again and again: those that stay have no more descriptors and no more memory
than before. COVEY_CHURN=1000: so often; 25 by default.
"""
import os

from fleet import wait_for

NODES = 3
TIMES = int(os.environ.get("COVEY_CHURN", "25"))
FIRST = min(10, TIMES // 2)  # until all buffers are as large as they get
REMEMBERED = 1024  # of those that left, and no more
EACH_BYTES = 1100  # that one of them may cost
SLACK_BYTES = 1 << 20  # the events of the last hours, in the store's cache; more of it at once on a busy host


def descriptors(node):
    return len(os.listdir(f"/proc/{node.pid}/fd"))


def run(fleet):
    fleet.form()
    first, second, guest = fleet.nodes
    before = None
    ids = set()
    for i in range(TIMES):
        guest.covey("leave")
        fleet.wait_seen({guest.name: "left"}, [first, second])
        guest.ask("reset")
        fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
        ids.add({m["name"]: m["id"] for m in first.ask("nodes")["nodes"]}[guest.name])
        if (i + 1) % 250 == 0:
            print(f"      {i + 1}: {', '.join(f'{n.name} {n.pss() >> 10} kB' for n in (first, second))}", flush=True)
        if i + 1 == FIRST:
            fleet.wait_linked()
            before = [(n, descriptors(n), n.pss()) for n in (first, second)]
    assert len(ids) == TIMES, f"{len(ids)} nodes of {TIMES}"
    for node, fds, pss in before:
        wait_for(lambda: descriptors(node) <= fds, f"{node.name} to have {fds} descriptors again")
        grown = node.pss() - pss
        assert grown < min(TIMES - FIRST, REMEMBERED) * EACH_BYTES + SLACK_BYTES, f"{node.name} grew by {grown} bytes"
        print(f"      {node.name}: {TIMES} times: {fds} descriptors, {grown} bytes more", flush=True)
