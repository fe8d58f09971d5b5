# SPDX-License-Identifier: Apache-2.0
"""One file, the same to the byte on every host: each takes its name from its host, and its address from the network.
(But for cgroup.parent: the hosts of this bed have one kernel.) All find each other; a host that is called as another
one is refused.
"""
import os

from fleet import wait_for

NODES = 4


def launch(fleet, node, host_name):
    """As on a host of that name."""
    name = node.name
    enter = fleet.net.enter

    def named(i, argv):
        return enter(i, ["unshare", "--uts", "sh", "-c", f"hostname {host_name} && exec \"$@\"", "sh", *argv])

    fleet.net.enter = named
    try:
        node.launch()
    finally:
        fleet.net.enter = enter
    node.wait_answers()
    assert node.name == name


def run(fleet):
    join = ", ".join(f"{n.address}:7947" for n in fleet.nodes)
    texts = set()
    for node in fleet.nodes:
        path = os.path.join(node.dir, "coveyd.yaml")
        text = ("data_dir: data\nrun_dir: run\nagents_dir: agents.d\nhttp: {bind: 127.0.0.1:7948}\n"
                f"gossip: {{bind: 0.0.0.0, join: [{join}], insecure: yes}}\n")
        texts.add(text)
        with open(path, "w", encoding="ascii") as f:
            f.write(text + f"cgroup: {{parent: {node.group}}}\n")
    assert len(texts) == 1
    *good, last = fleet.nodes
    for node in good:
        launch(fleet, node, node.name)
    fleet.node(1).ask("init")
    for node in good:
        wait_for(lambda: node.members() == {n.name: "alive" for n in good}, f"{node.name} to see all")
        found = {m["name"]: m["address"] for m in node.ask("nodes")["nodes"]}
        assert found == {n.name: f"{n.address}:7947" for n in good}, found
    launch(fleet, last, "n2")
    fleet.node(1).wait_event("name-taken", "another node calls itself n2", "refused")
    wait_for(lambda: fleet.node(1).members() == {n.name: "alive" for n in good}, "the three to be as they were")
