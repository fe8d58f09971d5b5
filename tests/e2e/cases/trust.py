# SPDX-License-Identifier: Apache-2.0
"""Who is not let into a cluster with TLS: one with another authority's certificate, one without TLS, one whose
certificate is for another name, or none. Each side says so, the cluster is as it was; with the right one it joins.
And one with TLS does not get into a cluster without.
"""
import os
import shutil
import subprocess

from fleet import wait_for

NODES = 4


def issue(fleet, authority, name):
    """The tls section with that certificate."""
    pki = os.path.join(fleet.dir, authority)
    covey = os.path.join(fleet.build, "covey")
    for path, args in (("ca.pem", ("init",)), (f"{name}.pem", ("issue", name))):
        if not os.path.exists(os.path.join(pki, path)):
            subprocess.run([covey, "pki", *args, "--dir", pki], check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
    return f"tls: {{ca: {pki}/ca.pem, cert: {pki}/{name}.pem, key: {pki}/{name}.key}}\n"


def restart(fleet, node, tls, seeds=2):
    if node.child:
        node.kill()
    node.configure(gossip=fleet.gossip(node, seeds, () if tls else ("insecure: yes",)), more=tls)
    node.start()


def unchanged(fleet):
    for node in fleet.nodes[:2]:
        wait_for(lambda: node.members() == {"n1": "alive", "n2": "alive"}, f"{node.name} to see the two, and no other")


def refused(fleet, guest, by="link-refused"):
    """Both say so."""
    fleet.node(1).wait_event("link-refused", f"no link from {guest.address}")
    guest.wait_event(by, "no link to ")
    assert "waiting for" in guest.cluster()["text"], guest.cluster()
    unchanged(fleet)


def not_begun(fleet, guest, word):
    """What it lacks it says itself, and tries again."""
    said = guest.cluster()["text"]
    assert word in said and word in guest.refusal("init"), said
    assert "tried again" in guest.log(), guest.log()
    unchanged(fleet)


def run(fleet):
    one, two, guest, plain = fleet.nodes
    for node in (one, two):
        restart(fleet, node, issue(fleet, "ours", node.name))
    one.ask("init")
    fleet.wait_seen({"n1": "alive", "n2": "alive"}, [one, two])
    restart(fleet, guest, issue(fleet, "theirs", "n3"))
    refused(fleet, guest)
    restart(fleet, plain, "")
    fleet.node(1).wait_event("link-refused", f"no link from {plain.address}")
    unchanged(fleet)
    right = issue(fleet, "ours", "n3")
    pki = os.path.join(fleet.dir, "ours")
    issue(fleet, "ours", "n9")
    for end in ("pem", "key"):
        os.rename(f"{pki}/n3.{end}", f"{pki}/n3.{end}.kept")
        shutil.copy(f"{pki}/n9.{end}", f"{pki}/n3.{end}")
    restart(fleet, guest, right)
    not_begun(fleet, guest, "n3.pem")
    for end in ("pem", "key"):
        os.remove(f"{pki}/n3.{end}")
    restart(fleet, guest, right)
    not_begun(fleet, guest, "n3.pem")
    for end in ("pem", "key"):
        os.rename(f"{pki}/n3.{end}.kept", f"{pki}/n3.{end}")
    fleet.wait_seen({"n1": "alive", "n2": "alive", "n3": "alive"}, fleet.nodes[:3])
    guest.kill()
    plain.ask("init")  # the other way round: it is a cluster now, and one with TLS calls it
    shutil.rmtree(os.path.join(guest.dir, "data"))
    os.mkdir(os.path.join(guest.dir, "data"))
    guest.configure(gossip=[f"bind: {guest.address}:7947", f"join: [{plain.address}:7947]"], more=right)
    guest.start()
    plain.wait_event("link-refused", f"no link from {guest.address}")
    guest.wait_event("link-refused", f"no link to {plain.address}")
    assert plain.members() == {"n4": "alive"}, plain.members()
