# SPDX-License-Identifier: Apache-2.0
"""Three hosts with the package become a cluster, with certificates, as doc/OPERATIONS.md says; then one of them loses
its power, and another one is rebooted. What ran on them runs on the others, the singleton once, and all is decided on
by the two that are left; back, they have all that was decided meanwhile, and no decision is lost.

The singleton says on a serial port when it begins, so that it is known from outside where it did, and how often.
"""
from concurrent.futures import ThreadPoolExecutor
import json
import socket

N = 3
PORT = 7947
SAID = 2
NETWORK = """[Match]
Name=eth0
[Network]
Address=10.77.0.{i}/24
LinkLocalAddressing=no
"""
CONFIG = """node: {{name: n{i}, labels: {{host: n{i}}}}}
gossip: {{bind: 0.0.0.0, join: [10.77.0.1:7947, 10.77.0.2:7947, 10.77.0.3:7947], profile: wan}}
tls: {{ca: pki/ca.pem, cert: pki/n{i}.pem, key: pki/n{i}.key}}
"""
WEB = 'name: web\ncommand: [/bin/sleep, "1000001"]\nreplicas: 3\nupdate: {min_healthy: 1s}\n'
ONLY = ("name: only\nkind: singleton\nuser: root\n"
        "command: [/bin/sh, -c, 'echo only begins >/dev/ttyS%d; exec sleep 1000002']\n" % SAID)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def each(guests, fn):
    """On all guests at a time: most of it is waiting for them."""
    with ThreadPoolExecutor(len(guests)) as pool:
        return list(pool.map(fn, guests))


def json_of(guest, command):
    return json.loads(guest.check(command, 300))


def states(guest):
    return {node["name"]: node["state"] for node in json_of(guest, "covey nodes --json")["nodes"]}


def running(guest, agent):
    """Where replicas of it run, as this guest's daemon sees it."""
    agents = [a for a in json_of(guest, "covey status --json")["agents"] if a["name"] == agent]
    return sorted(r["node"] for a in agents for r in a["replicas"] if r["state"] == "running")


def until(guest, what, condition, bound_s=900):
    """The condition, on what the guest's daemon says; looked at until it holds."""
    guest.wait(lambda: condition(guest), bound_s, what)


def sees(word):
    wanted = {f"n{i}": "alive" for i in range(1, N + 1)}
    wanted.update(word)
    return lambda guest: states(guest) == wanted


def set_up(guest):
    i = guest.net[1]
    guest.check("modprobe virtio_net; udevadm settle")
    guest.put("/etc/systemd/network/10-eth0.network", NETWORK.format(i=i))
    guest.check("systemctl enable --now systemd-networkd")
    guest.until("ip -4 addr show dev eth0 | grep -q 10.77")
    guest.put("/etc/covey/coveyd.yaml", CONFIG.format(i=i))


def certify(guests):
    """On the first, which is trusted; files go to the others as an operator would carry them."""
    first = guests[0]
    first.check("covey pki init; for i in 1 2 3; do covey pki issue n$i; done", 600)
    for i, guest in enumerate(guests, 1):
        for name in ("ca.pem", f"n{i}.pem", f"n{i}.key"):
            text = first.check(f"cat /etc/covey/pki/{name}")
            if guest is not first:
                guest.put(f"/etc/covey/pki/{name}", text.rstrip("\n"), 0o600)


def form(guests):
    each(guests, lambda guest: guest.check("systemctl restart coveyd; until covey status; do sleep 0.2; done", 600))
    guests[0].check("covey init", 600)
    for guest in guests:
        until(guest, "all to see all", sees({}))
    until(guests[0], "three voters", lambda guest: "3 voters" in guest.check("covey voters"))


def scale(guest, n):
    """A decision, asked for on this node."""
    guest.check(f"covey scale --timeout 600s web {n}", 900)


def begins(guests):
    return [sum(line == "only begins" for line in guest.said(SAID)) for guest in guests]


def loses_power(guests, say):
    """The host of the singleton, between two instructions."""
    (where,) = running(guests[0], "only")
    lost = guests[int(where[1:]) - 1]
    left = [guest for guest in guests if guest is not lost]
    before = begins(guests)
    lost.power_cut()
    for guest in left:
        until(guest, f"{where} to be called dead", sees({where: "dead"}))
    until(left[0], "the singleton elsewhere", lambda guest: running(guest, "only") not in ([], [where]))
    until(left[0], "all of web elsewhere", lambda guest: len(running(guest, "web")) == 3)
    scale(left[1], 4)
    lost.start()
    lost.settled()
    for guest in guests:
        until(guest, "all to be back", sees({}))
        until(guest, "four of web", lambda guest: len(running(guest, "web")) == 4)
        until(guest, "one singleton", lambda guest: len(running(guest, "only")) == 1)
    now = [b - a for a, b in zip(before, begins(guests))]
    assert sum(now) == 1 and now[guests.index(lost)] == 0, f"the singleton began {now} times"
    assert lost.run("pgrep -x -f 'sleep 1000002'").status == 1, "it came back with its host as well"
    say(f"{where} lost its power: the singleton went on elsewhere, once; back, it knows what was decided meanwhile")


def is_rebooted(guests, say):
    """The host of the singleton, in order: the agents of a host that goes down are stopped by it."""
    (where,) = running(guests[0], "only")
    host = guests[int(where[1:]) - 1]
    other = next(guest for guest in guests if guest is not host)
    host.reboot()
    scale(other, 5)
    host.settled()
    for guest in guests:
        until(guest, "all to be back", sees({}))
        until(guest, "five of web", lambda guest: len(running(guest, "web")) == 5)
        until(guest, "one singleton", lambda guest: len(running(guest, "only")) == 1)
    alive = sum(guest.run("pgrep -x -f 'sleep 1000002'").status == 0 for guest in guests)
    assert alive == 1, f"the singleton runs {alive} times"
    say(f"{where} was rebooted: the singleton runs once, and what was decided meanwhile is known there")


def run(bed):
    bed.needs_package()
    port = free_port()
    guests = [bed.guest(f"drive-cluster-{i}", memory_mb=768, net=(port, i)) for i in range(1, N + 1)]
    try:
        each(guests, bed.started)
        each(guests, bed.installed)
        each(guests, set_up)
        certify(guests)
        form(guests)
        guests[1].put("/root/web.yaml", WEB)
        guests[1].put("/root/only.yaml", ONLY)
        guests[1].check("covey apply --timeout 600s /root/web.yaml /root/only.yaml", 900)
        for guest in guests:
            until(guest, "all that runs", lambda g: len(running(g, "web")) == 3 and len(running(g, "only")) == 1)
        bed.say("three hosts with certificates are a cluster")
        loses_power(guests, bed.say)
        is_rebooted(guests, bed.say)
        each(guests, lambda guest: guest.power_off())
    finally:
        for guest in guests:
            guest.close()
