# SPDX-License-Identifier: Apache-2.0
"""Hosts that say that they are another: one name on two of them, a copied data_dir at another address, a member of
another cluster. Each is told where it is and where it would be; the cluster of two is as it was.
"""
import os
import shutil

from fleet import wait_for

NODES = 3


def unchanged(fleet, ids):
    want = {name: (i, "alive") for name, i in ids.items()}

    def found(node):
        return {m["name"]: (m["id"], m["state"]) for m in (node.ask("nodes") or {"nodes": []})["nodes"]}

    for node in fleet.nodes[:2]:
        wait_for(lambda: found(node) == want, f"{node.name} to see the two, and no other")


def restart(fleet, guest, **more):
    if guest.child:
        guest.kill()
    guest.control = None
    guest.configure(gossip=fleet.gossip(guest, seeds=2), **more)
    guest.start()


def one_name(fleet, guest, ids):
    restart(fleet, guest, name="n2")
    fleet.node(1).wait_event("name-taken", "another node calls itself n2", "refused")
    guest.wait_event("name-taken", "another node calls itself n2")
    unchanged(fleet, ids)


def another_cluster(fleet, guest, ids):
    guest.kill()
    shutil.rmtree(os.path.join(guest.dir, "data"))
    os.mkdir(os.path.join(guest.dir, "data"))
    guest.configure(gossip=[f"bind: {guest.address}:7947", "insecure: yes"])
    guest.start()
    guest.ask("init")
    theirs, ours = guest.cluster()["id"], fleet.node(1).cluster()["id"]
    restart(fleet, guest)
    fleet.node(1).wait_event("link-refused", ours, theirs)
    guest.wait_event("link-refused", ours, theirs)
    unchanged(fleet, ids)
    assert guest.cluster()["id"] == theirs and list(guest.members()) == ["n3"], guest.members()


def clone(fleet, guest, ids):
    guest.kill()
    shutil.rmtree(os.path.join(guest.dir, "data"))
    shutil.copytree(os.path.join(fleet.node(2).dir, "data"), os.path.join(guest.dir, "data"))
    restart(fleet, guest, name="n2")
    guest.wait_event("cloned", "twice")
    wait_for(lambda: fleet.node(2).events("cloned", "twice") or fleet.node(1).events("cloned", "twice"),
             "the cluster to tell of the clone")
    unchanged(fleet, ids)


def run(fleet):
    fleet.form(fleet.nodes[:2], seeds=2)
    ids = {m["name"]: m["id"] for m in fleet.node(1).ask("nodes")["nodes"]}
    guest = fleet.node(3)
    one_name(fleet, guest, ids)
    another_cluster(fleet, guest, ids)
    clone(fleet, guest, ids)
