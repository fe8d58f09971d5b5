# SPDX-License-Identifier: Apache-2.0
"""One fault after the other, drawn: networks cut in two or one way, links that fall, daemons that stand still or are
killed, hosts whose power goes, while singletons and replicas run under leases. Nothing of them ever runs twice, by the
lines that they write; after each round all run again. COVEY_SOAK=200: of so many faults; COVEY_SEED: others.
"""
import os
import random

from diary import now
from fleet import wait_for
from work import Work

NODES = 5
MANY = int(os.environ.get("COVEY_SOAK", "6"))
SEED = int(os.environ.get("COVEY_SEED", "1"))
ROUND = 10  # faults, then all is healed
SINGLES = 5
NS = 1e9


def lasts(rng, most_s):
    """The one thing that no event tells of: how long a fault is there."""
    end = now() + (0.2 + rng.random() * (most_s - 0.2)) * NS
    wait_for(lambda: now() > end, "the time of a fault")


def in_two(work, rng):
    net, n = work.fleet.net, len(work.fleet.nodes)
    few = set(rng.sample(range(1, n + 1), rng.randint(1, n - 1)))
    net.cut(sorted(few), sorted(set(range(1, n + 1)) - few))
    lasts(rng, 8)
    net.heal()
    return f"{sorted(few)} cut off"


def one_way(work, rng):
    net, n = work.fleet.net, len(work.fleet.nodes)
    one = rng.randint(1, n)
    others = [i for i in range(1, n + 1) if i != one]
    net.cut(*rng.choice([(one, others), (others, one)]), both_ways=False)
    lasts(rng, 8)
    net.heal()
    return f"n{one} cut off, one way"


def falls(work, rng):
    net, one = work.fleet.net, rng.randint(1, len(work.fleet.nodes))
    net.link(one, False)
    lasts(rng, 8)
    net.link(one, True)
    return f"n{one}'s link fell"


def hangs(work, rng):
    one = rng.choice(work.fleet.nodes)
    one.pause()
    lasts(rng, 8)
    one.resume()
    return f"{one.name} stood still"


def killed(work, rng):
    one = rng.choice(work.fleet.nodes)
    one.kill()
    lasts(rng, 4)
    one.launch()
    one.wait_answers()
    return f"{one.name} was killed"


def no_power(work, rng):
    one = rng.choice(work.fleet.nodes)
    work.power_off(one)
    lasts(rng, 8)
    work.power_on(one)
    one.wait_answers()
    return f"{one.name} had no power"


FAULTS = (in_two, in_two, one_way, falls, hangs, hangs, killed, no_power)


def run(fleet):
    work, rng, n = Work(fleet), random.Random(SEED), len(fleet.nodes)
    fleet.form()
    work.apply(fleet.node(1), "lease", n, more="isolation: stop\n")
    singles = [f"one{i}" for i in range(SINGLES)]
    for name in singles:
        work.apply(fleet.node(1), name, more="kind: singleton\nisolation: stop\n")
    done = []
    for k in range(MANY):
        done.append(rng.choice(FAULTS)(work, rng))
        if k % ROUND and k + 1 < MANY:
            continue
        fleet.wait_seen({x.name: "alive" for x in fleet.nodes})
        work.once(fleet.node(1), ["lease"], n)
        work.once(fleet.node(1), singles, 1)
        diary = work.diary()
        assert not diary.overlaps(), (done, diary.overlaps())
        assert not diary.falls(), (done, diary.falls())
    moved = sum(len(runs) - 1 for runs in work.diary().replicas().values())
    print(f"      {MANY} faults: {n + SINGLES} replicas under leases began again {moved} times, none ran twice",
          flush=True)
