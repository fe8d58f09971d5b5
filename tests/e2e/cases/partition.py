# SPDX-License-Identifier: Apache-2.0
"""A network in two parts: each calls the other dead, goes on, and takes changes; healed, they merge by themselves."""
from fleet import wait_for

NODES = 5
AGENT = "name: {}\ncommand: [/bin/sleep, \"1000\"]\nsandbox: {{read_only: [], private_tmp: no, seccomp: off}}\n"


def has(node, name):
    return any(a["name"] == name for a in node.ask("status")["agents"])


def run(fleet):
    fleet.form()
    few, many = fleet.nodes[:2], fleet.nodes[2:]
    fleet.net.cut([1, 2], [3, 4, 5])
    fleet.wait_seen({n.name: "dead" if n in few else "alive" for n in fleet.nodes}, many)
    fleet.wait_seen({n.name: "dead" if n in many else "alive" for n in fleet.nodes}, few)
    for node, name in ((few[0], "left-side"), (many[0], "right-side")):
        node.ask("apply", files=[{"name": name, "text": AGENT.format(name)}])
        node.ask("stop", target=name)
    fleet.net.heal()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    wait = [(n, a) for n in fleet.nodes for a in ("left-side", "right-side")]
    for node, name in wait:
        wait_for(lambda n=node, a=name: has(n, a), f"{node.name} to know {name}")
    for node in few:
        node.wait_event("returned", "n4 is back: it was dead")
    for node in many:
        node.wait_event("returned", "n2 is back: it was dead")
