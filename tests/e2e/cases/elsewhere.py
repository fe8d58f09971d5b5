# SPDX-License-Identifier: Apache-2.0
"""What is on another node, from any node: logs and their following, details of status, and what is said when the node
that has it goes away. n4 and n5 cannot be dialled: they have no link to each other, and ask over a neighbour.
"""
import hashlib
import os
import signal
import subprocess
import time

from fleet import wait_for

NODES = 5
HIDDEN = (4, 5)
BYTES = 20 << 20
ON = "placement: {{require: [\"host == {}\"]}}\n"
SAYS = ("name: says\ncommand: [/bin/sh, -c, 'for i in $$(seq 1 100); do echo line $$i; done; sleep 1000']\n" +
        "replicas: 2\n" + ON.format("n1"))
TALKS = ("name: talks\ncommand: [/bin/sh, -c, 'i=0; while :; do i=$$((i+1)); echo word $$i; sleep 0.1; done']\n" +
         ON.format("n1"))
TWIN = "name: twin\ncommand: [/bin/sh, -c, 'echo I am of %s; sleep 1000']\n"
BIG = ("name: big\ncommand: [/usr/bin/awk, 'BEGIN {for (i = 0; i < 200000; i++) printf \"%%090d\\n\", i * 7919; "
       "system(\"sleep 1000\")}']\nlogs: {max_size: 64M}\n").replace("%%", "%") + ON.format("n4")


def apply(node, name, text):
    path = os.path.join(node.dir, f"{name}.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    node.covey("apply", path)


def have(node, name, text):
    """That agent is this node's own."""
    with open(os.path.join(node.dir, "agents.d", f"{name}.yaml"), "w", encoding="ascii") as f:
        f.write(text)
    node.covey("reload")


def refused(node, *args):
    done = node.covey(*args, check=False)
    assert done.returncode == 1 and not done.stdout, (done.returncode, done.stdout, done.stderr)
    return done.stderr


def knows(node, replica):
    """How many there are of that name."""
    return sum(r["id"] == replica for a in (node.status() or {"agents": []})["agents"] for r in a["replicas"])


class Following:
    """`covey logs -f` on a node."""

    def __init__(self, node, *args):
        argv = [os.path.join(node.fleet.build, "covey"), "--socket", node.socket, "logs", *args, "-f"]
        was = signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us in the background ignores it
        self.child = subprocess.Popen(node.fleet.net.enter(node.i, argv), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        signal.signal(signal.SIGINT, was)

    def lines(self, n):
        return [self.child.stdout.readline() for _ in range(n)]

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.communicate(timeout=60)

    def ended(self):
        """What came since, what was said, and the status."""
        out, err = self.child.stdout.read(), self.child.stderr.read()
        return out, err, self.child.wait(60)


def last_lines(fleet, owner):
    """The same from every node, and of no more than was asked for."""
    for replica in ("says.0", "says.1"):
        for node in fleet.nodes:
            wait_for(lambda: knows(node, replica), f"{node.name} to know of {replica}")
        wait_for(lambda: owner.covey("logs", replica).stdout.count("\n") == 100, "a hundred lines")
    whole, three = owner.covey("logs", "says.1").stdout, owner.covey("logs", "says.1", "-n", "3").stdout
    assert [line.split(" ", 1)[1] for line in three.splitlines()] == ["line 98", "line 99", "line 100"], three
    for node in fleet.nodes:
        assert node.covey("logs", "says.1").stdout == whole, node.name
        assert node.covey("logs", "says.1", "-n", "3").stdout == three, node.name
        assert node.covey("logs", "n1/says.1", "-n", "3").stdout == three, node.name
        both = node.covey("logs", "says", "-n", "2").stdout
        assert both.count("says.0 | ") == both.count("says.1 | ") == 2, both
        assert "says is wanted: 2 replicas" in node.covey("explain", "says").stdout, node.name
    assert "no replica 'says.7'" in refused(fleet.node(2), "logs", "says.7")


def following(fleet, owner):
    """Goes on with what comes; Ctrl-C ends it on the far side too."""
    for node in fleet.nodes[1:]:
        wait_for(lambda: knows(node, "talks.0"), f"{node.name} to know of talks.0")
        reader = Following(node, "talks.0", "-n", "1")
        numbers = [int(line.split()[-1]) for line in reader.lines(20)]
        assert numbers == list(range(numbers[0], numbers[0] + 20)), numbers
        reader.stop()
        wait_for(lambda: owner.metric("covey_daemon_control_waiting") == 0, f"nobody to be waited for on {owner.name}")


def ambiguous(fleet):
    for i in (2, 3):
        have(fleet.node(i), "twin", TWIN % f"n{i}")
    for node in (fleet.node(1), fleet.node(5)):
        wait_for(lambda: all(knows(node, f"n{i}/twin.0") for i in (2, 3)), f"{node.name} to know of both")
        assert "n2/twin.0, n3/twin.0" in refused(node, "logs", "twin.0")
        for i in (2, 3):
            wait_for(lambda: f"I am of n{i}" in node.covey("logs", f"n{i}/twin.0").stdout, f"n{i}'s word")
        assert "n2/twin, n3/twin" in refused(node, "logs", "twin")
        assert "I am of n3" in node.covey("logs", "n3/twin").stdout
    two = fleet.node(2)
    for name in ("twin.0", "n2/twin.0", "n2/twin"):  # what is here is meant first
        assert "I am of n2" in two.covey("logs", name).stdout, name


def details(fleet, owner):
    there = {r["id"]: r for r in owner.json("status", "says")["agents"][0]["replicas"]}
    for node in fleet.nodes[1:]:
        def told():
            found = node.json("status", "says")["agents"][0]
            return None if found["notes"] else found  # who does not answer in time is shown as it told last

        agent = wait_for(told, f"{node.name} to be told all")
        for replica in agent["replicas"]:
            assert replica["pid"] == there[replica["id"]]["pid"] and replica["node"] == "n1", replica
            assert replica["memory_bytes"] > 0 and "pressure_cpu" in replica, replica


def slow_owner(fleet, owner):
    """One that does not answer in time is shown as it told last."""
    owner.pause()
    try:
        agent = fleet.node(2).json("status", "says")["agents"][0]
    finally:
        owner.resume()
    assert len(agent["replicas"]) == 2 and all(r["memory_bytes"] is None for r in agent["replicas"]), agent
    noted = len(agent["notes"]) == 1 and "n1 " in agent["notes"][0]
    assert noted or fleet.node(2).events("dead", "n1 is dead"), agent["notes"]  # who is dead is not asked
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})


def much(fleet, owner):
    """Every byte of 20 MB, over a link, over one that is dialled, over a neighbour; and no beat is late."""
    apply(owner, "big", BIG)
    wait_for(lambda: owner.covey("logs", "big.0").stdout.count("\n") == 200000, "all of it to be written")
    want = owner.covey("logs", "big.0").stdout
    assert len(want) >= BYTES, len(want)
    want = hashlib.sha256(want.encode()).hexdigest()
    for node in fleet.nodes:
        if node is owner:
            continue
        wait_for(lambda: knows(node, "big.0"), f"{node.name} to know of big.0")
        t0 = time.monotonic()
        got = node.covey("logs", "big.0").stdout
        took = time.monotonic() - t0
        assert hashlib.sha256(got.encode()).hexdigest() == want, (node.name, len(got))
        print(f"      {node.name}: {len(got) / 1e6 / took:.1f} MB/s", flush=True)


def quiet(fleet, since):
    for node in fleet.nodes:
        odd = [e["text"] for e in node.events()[since[node.name]:] if e["kind"] in ("suspect", "dead", "refuted")]
        assert not odd or fleet.stood_still(), (node.name, odd)


def owner_restarted(fleet, owner):
    """Its daemon alone, at once: whoever follows goes on where it was, unless it took so long that it is dead."""
    nodes = [fleet.node(i) for i in (3, 4)]
    readers = [Following(node, "talks.0", "-n", "1") for node in nodes]
    seen = [reader.lines(3) for reader in readers]
    for sig in (signal.SIGTERM, signal.SIGKILL):
        owner.kill(sig)
        owner.start()
        fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
        for node, reader, lines in zip(nodes, readers, seen):
            lines += [line for line in reader.lines(30) if line]
            assert len(lines) % 30 == 3 or node.events("dead", "n1 is dead"), (node.name, lines[-1], reader.ended())
            numbers = [int(line.split()[-1]) for line in lines]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
    for reader in readers:
        reader.stop()


def owner_killed(fleet, owner):
    """Whoever follows is told, and up to where it came."""
    readers = [Following(fleet.node(i), "talks.0", "-n", "1") for i in (2, 5)]
    seen = [reader.lines(3) for reader in readers]
    owner.kill()
    for reader, before in zip(readers, seen):
        out, err, status = reader.ended()
        last = (before + out.splitlines())[-1]
        assert status == 1 and ("n1 went away" in err or "no link to n1" in err), (err, status)
        assert "the last line shown is that of 2" in err, err
        assert last.split()[0] in err, (last, err)
    fleet.wait_seen({"n1": "dead"}, fleet.nodes[1:])
    assert "n1 is dead" in refused(fleet.node(3), "logs", "talks.0")
    owner.start()
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    wait_for(lambda: fleet.node(3).covey("logs", "talks.0", "-n", "1", check=False).stdout, "its log to be read again")


def run(fleet):
    for node in fleet.nodes:
        hidden = ("advertise: none",) if node.i in HIDDEN else ()
        node.configure(gossip=fleet.gossip(node, more=("insecure: yes", *hidden)))
    fleet.start()
    fleet.node(1).ask("init")
    fleet.wait_seen({n.name: "alive" for n in fleet.nodes})
    for node in (fleet.node(i) for i in HIDDEN):
        wait_for(lambda n=node: n.ask("top")["gossip"]["links"] <= 3, f"{node.name} to have no other links")
    owner, hidden = fleet.node(1), fleet.node(4)
    apply(owner, "says", SAYS)
    apply(owner, "talks", TALKS)
    since = {n.name: len(n.events()) for n in fleet.nodes}
    last_lines(fleet, owner)
    following(fleet, owner)
    details(fleet, owner)
    ambiguous(fleet)
    much(fleet, hidden)
    quiet(fleet, since)
    slow_owner(fleet, owner)
    owner_restarted(fleet, owner)
    owner_killed(fleet, owner)
