# SPDX-License-Identifier: Apache-2.0
"""A network in two parts: each calls the other dead. The one with most of the voters goes on and takes changes, the
other refuses them with a sentence and shows what it knows. Healed, they merge by themselves, and all know all.
"""
import concurrent.futures

from fleet import BOUND_S, wait_for

NODES = 5
AGENT = ("name: {}\ncommand: [/bin/sleep, \"1000\"]\nresources: {{memory: 16M, pids: 4}}\n"
         "sandbox: {{read_only: [], private_tmp: no, seccomp: off}}\n")


def apply(node, name):
    node.ask("apply", files=[{"name": name, "text": AGENT.format(name)}])


def has(node, name):
    return any(a["name"] == name for a in node.ask("status")["agents"])


def refused(nodes):
    """With which reason; what they know they tell all the while."""
    one, two = nodes
    asks = [lambda: one.covey("scale", "before", "2", check=False), lambda: two.covey("stop", "before", check=False),
            lambda: two.covey("drain", two.name, check=False), lambda: two.covey("leave", check=False)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(a) for a in asks]
        for node in nodes:
            assert not node.cluster()["quorum"] and has(node, "before"), node.ask("status")
        said = one.refusal("apply", files=[{"name": "few", "text": AGENT.format("few")}])
        assert "no majority of the voters" in said, said
        for done in (w.result() for w in waiting):
            assert done.returncode in (1, 4) and "no majority of the voters" in done.stderr, done
    for node in nodes:
        assert has(node, "before") and not has(node, "few"), node.ask("status")


def run(fleet):
    fleet.form()
    apply(fleet.node(3), "before")
    few, many = fleet.nodes[:2], fleet.nodes[2:]
    for node in fleet.nodes:
        wait_for(lambda n=node: has(n, "before"), f"{node.name} to know of it")
    fleet.net.cut([1, 2], [3, 4, 5])
    fleet.wait_seen({n.name: "dead" if n in few else "alive" for n in fleet.nodes}, many)
    fleet.wait_seen({n.name: "dead" if n in many else "alive" for n in fleet.nodes}, few, 4 * BOUND_S)
    apply(many[0], "many")
    many[1].covey("scale", "before", "3")
    assert many[2].cluster()["quorum"], many[2].cluster()
    refused(few)
    fleet.net.heal()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    for node in fleet.nodes:
        wait_for(lambda n=node: has(n, "many"), f"{node.name} to know what the others decided")
        wait_for(lambda n=node: n.json("status", "before")["agents"][0]["running"] == 3, f"{node.name} to see three")
    for node in few:
        node.wait_event("returned", "n4 is back: it was dead")
    for node in many:
        node.wait_event("returned", "n2 is back: it was dead")
    few[0].covey("remove", "many")
