# SPDX-License-Identifier: Apache-2.0
"""A daemon that stands still until others call it dead, and goes on: it refutes what was said and is alive for all; it
accuses nobody for a silence that was its own.
"""
import sys
import time

NODES = 5


def run(fleet):
    fleet.form()
    one, others = fleet.node(4), [n for n in fleet.nodes if n.i != 4]
    one.pause()
    for node in others:
        node.wait_event("dead", "n4 is dead", "its host, and no daemon answers there")
    one.resume()
    t0 = time.monotonic()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    print(f"      back after {(time.monotonic() - t0) * 1000:.0f} ms", file=sys.stderr)
    one.wait_event("refuted", "said that n4 does not answer")
    for node in fleet.nodes:
        odd = [e["text"] for k in ("dead", "suspect") for e in node.events(k) if not e["text"].startswith("n4 ")]
        assert not odd or fleet.stood_still(others), (node.name, odd)
