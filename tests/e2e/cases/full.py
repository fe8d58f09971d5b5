# SPDX-License-Identifier: Apache-2.0
"""A host whose disk is full: its daemon does not begin, and says why; with room again it joins. One whose disk is
filled while it waits says so, and is let in once there is room; nobody else notices.
"""
import contextlib
import os
import subprocess

from fleet import wait_for

NODES = 3
DISK_KB = 2048


@contextlib.contextmanager
def small_disk(path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k,mode=755", "covey-e2e", path], check=True)
    try:
        yield os.path.join(path, "ballast")
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(ballast):
    with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(b"x" * 4096)


def does_not_begin(guest, ballast):
    fill(ballast)
    guest.launch()
    wait_for(lambda: guest.child.poll() is not None, "the daemon to give up")
    assert guest.child.returncode != 0 and "no room" in guest.log() or "full" in guest.log(), guest.log()
    guest.child = None
    os.remove(ballast)


def filled_while_it_waits(fleet, guest, ballast):
    guest.start()
    fill(ballast)
    fleet.node(1).ask("init")
    fleet.wait_seen({"n1": "alive", "n2": "alive"}, fleet.nodes[:2])
    wait_for(lambda: "the store refuses writes" in guest.log(), "it to say that it cannot write")
    assert not guest.cluster()["id"], guest.cluster()
    for node in fleet.nodes[:2]:
        assert "n3" not in node.members() or node.members()["n3"] == "alive", node.members()
    os.remove(ballast)
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    wait_for(lambda: "the store takes writes again" in guest.log(), "it to say that it can write again")


def run(fleet):
    guest = fleet.node(3)
    for node in fleet.nodes:
        node.configure(gossip=fleet.gossip(node, seeds=2))
    fleet.start(fleet.nodes[:2])
    with small_disk(os.path.join(guest.dir, "data")) as ballast:
        try:
            does_not_begin(guest, ballast)
            filled_while_it_waits(fleet, guest, ballast)
        finally:
            if guest.child and guest.child.poll() is None:
                guest.kill()
