# SPDX-License-Identifier: Apache-2.0
"""Networks that are cut while agents run: in two, one way, and again and again. Where most voters are all runs; what is
kept runs on in the other part too, what runs under a lease does not. Healed, each runs once, and where it was decided.
"""
from diary import now
from fleet import wait_for
from work import Work

NODES = (3, 5)
FLAPS = 10
FLAP_NS = 4e8
LONG_FLAP_NS = 3e9


def all_run(work, names):
    for node in work.fleet.nodes:
        work.once(node, names, len(work.fleet.nodes))


def of(work, node, name, where):
    return [r for r, at in work.placed(node, name).items() if at[0] in where]


def in_two(work, names):
    fleet, n = work.fleet, len(work.fleet.nodes)
    few, many = fleet.nodes[:n // 2], fleet.nodes[n // 2:]
    there = [x.name for x in few]
    kept, leased = (of(work, many[0], name, there) for name in ("keep", "lease"))
    at_ns = now()
    fleet.net.cut([x.i for x in few], [x.i for x in many])
    for name in names:
        work.wait_runs(many[0], name, n, not_on=there)
    for replica in kept + leased:
        line_ns, where = work.wait_line(replica, at_ns, not_on=there)
        print(f"      {replica}: on {where} after {(line_ns - at_ns) / 1e6:.0f} ms", flush=True)
    later = now()
    for replica in kept:
        work.writes_on(replica, there, later)
    for replica in leased:
        work.wait_line(replica, later, not_on=there)
        runs = [r for r in work.diary(f"{replica}-").runs if r.node in there and r.last > later]
        assert not runs, (replica, "runs without a majority", runs)
    fleet.net.heal()
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    all_run(work, names)


def one_way(work, names):
    """The last one is heard by nobody, and hears all."""
    fleet, n = work.fleet, len(work.fleet.nodes)
    mute, others = fleet.nodes[-1], fleet.nodes[:-1]
    fleet.net.cut(mute.i, [x.i for x in others], both_ways=False)
    for node in others:
        for name in names:
            work.wait_runs(node, name, n, not_on=[mute.name])
    assert mute.ask("status"), "it does not answer its operator"
    fleet.net.heal()
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    all_run(work, names)


def wait_ns(ns):
    """The one thing that no event tells of: for how long a link is as it is."""
    end = now() + ns
    wait_for(lambda: now() > end, "the time of a flap")


def flapping(work, names):
    """Short: what is kept moves only if somebody calls a host dead. Then for longer."""
    fleet = work.fleet
    one = fleet.node(2)
    before, deaths = work.placed(fleet.node(1), "keep"), [len(x.events("dead")) for x in fleet.nodes]
    for _ in range(FLAPS):
        for up in (False, True):
            fleet.net.link(one.i, up)
            wait_ns(FLAP_NS)
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    all_run(work, names)
    if deaths == [len(x.events("dead")) for x in fleet.nodes]:
        assert before == work.placed(fleet.node(1), "keep"), (before, work.placed(fleet.node(1), "keep"))
    for _ in range(3):
        for up in (False, True):
            fleet.net.link(one.i, up)
            wait_ns(LONG_FLAP_NS)
    fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
    all_run(work, names)


def run(fleet):
    work, n = Work(fleet), len(fleet.nodes)
    fleet.form()
    names = ("keep", "lease")
    work.apply(fleet.node(1), "keep", n, more="update: {surge: 0, unavailable: 1}\n")  # none is moved for load alone
    work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
    in_two(work, names)
    one_way(work, names)
    flapping(work, names)
    diary = work.diary("lease")
    assert not diary.overlaps(), diary.overlaps()
    assert not diary.falls(), diary.falls()
    same = [o for o in work.diary("keep").overlaps() if o[0].node == o[1].node]
    assert not same, same
