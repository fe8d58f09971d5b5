# SPDX-License-Identifier: Apache-2.0
"""The bed itself: three daemons that know nothing of each other, on a network that does what it is told."""
import os
import signal
import subprocess

from fleet import FleetError, wait_for

NODES = 3
AGENT = "name: stay\ncommand: [/bin/sleep, 1000]\nresources: {memory: 16M, pids: 4}\nrestart: {initial: 0ms}\n"


def agent_pid(node):
    for agent in (node.status() or {"agents": []})["agents"]:
        for replica in agent["replicas"]:
            if replica["state"] == "running":
                return replica["pid"]
    return 0


def network(fleet):
    """Each thing that can happen to it, seen with datagrams."""
    net = fleet.net

    def ways():
        return {(a, b) for a in net.hosts() for b in net.hosts() if a != b and net.reaches(a, b)}

    every = {(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)}
    assert ways() == every, ways()
    net.cut(1, [2, 3])
    assert ways() == {(2, 3), (3, 2)}, ways()
    net.heal()
    net.cut(1, 2, both_ways=False)
    assert ways() == every - {(1, 2)}, ways()
    net.heal()
    net.lose(100, [3])
    assert ways() == every - {(3, 1), (3, 2)}, ways()
    net.lose(30, [3])
    assert ways() == every, ways()
    net.heal()
    net.link(2, False)
    assert ways() == {(1, 3), (3, 1)}, ways()
    net.heal()
    wait_for(lambda: ways() == every, "the network to be whole again")


def bytes_sent(fleet):
    """A datagram of 100 bytes is one of 128 at the level of IP; ARP, of 28, may come on top."""
    before = fleet.net.sent()
    assert fleet.net.reaches(1, 2)
    after = fleet.net.sent()
    sent, packets = (after[1][k] - before[1][k] for k in (0, 1))
    assert packets >= 1 and 28 * packets < sent <= 29 * packets + 64, (sent, packets)


def daemons(fleet):
    for node in fleet.nodes:
        node.configure()
    fleet.start()
    for node in fleet.nodes:
        assert node.status()["cluster"]["node"] == node.name, node.status()
        assert node.members() == {node.name: "alive"}, node.members()
        assert node.pss() > 0 and node.cpu_ns() > 0
        own = os.readlink(f"/proc/{node.pid}/ns/net")
        assert own != os.readlink("/proc/self/ns/net")


def life(fleet):
    one, two, _ = fleet.nodes
    path = os.path.join(one.dir, "stay.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(AGENT)
    one.covey("apply", path)
    pid = wait_for(lambda: agent_pid(one), "the agent to run")
    one.kill()
    assert one.covey("status", check=False).returncode == 3
    one.start()
    assert wait_for(lambda: agent_pid(one), "the agent to be shown") == pid, "the agent did not outlive its daemon"
    one.pause()
    try:
        one.covey("status", timeout=1)
        raise FleetError("a daemon that was stopped has answered")
    except subprocess.TimeoutExpired:
        pass
    assert two.status(), "another one does not answer"
    one.resume()
    one.wait_answers()
    two.kill(signal.SIGTERM)
    assert not two.status() and one.status(), "the wrong one has ended"


def run(fleet):
    network(fleet)
    bytes_sent(fleet)
    daemons(fleet)
    life(fleet)
