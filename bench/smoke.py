# SPDX-License-Identifier: Apache-2.0
"""A few agents of the floor and each installed peer: started, one killed and replaced, stopped, nothing left. And
three members of each flock, of those that decide too.

covey is taken along when it is named (--only covey): its own tests are elsewhere.
"""
import time

import cgroups
import decisions
import gossip
from contender import Failed
from covey import Covey, CoveyDefault
import measure
from peers import Bare, Linear, PEERS, Plain, Scanned
import procs

N = 5
SKIPPED = 77


def one(env, cls, tell):
    with cls(env, N) as c:
        started = c.start()
        if not procs.cpu_ns(c.supervisors()) or not procs.pss(c.supervisors()):
            raise Failed(f"{cls.name}: no memory or time of its own was found")
        [replaced] = measure.deaths(c, 1)
        if sum(s.starts for s in c.board.all()) != N + 1:
            raise Failed(f"{cls.name}: not exactly one agent was started again")
        if cls is Bare and cgroups.count(c.group) != N:
            raise Failed(f"{cls.name}: has {cgroups.count(c.group)} groups, not {N}")
        stopped = c.stop_all()
    tell(f"{cls.name}: started in {started:.0f} ms, replaced in {replaced:.1f} ms, stopped in {stopped:.0f} ms")


def logged(env, cls):
    """With a logger a service: each of them is there and has made its file."""
    with cls(env, N, logs=True) as c:
        c.start()
        end = time.monotonic() + 20
        while c.logs_kept() < N or len(c.supervisors()) < 2 * N + 1:
            if time.monotonic() > end:
                c.fail(f"{c.logs_kept()} logs and {len(c.supervisors())} processes")
            time.sleep(0.02)


def run(env, named, tell):
    """0: all did; 1: one failed; 77: one is not installed (the others did)."""
    missing = []
    for cls in (Bare, Linear, Plain, *PEERS, Covey, CoveyDefault):
        if cls.name not in named:
            continue
        if cls.missing():
            missing += cls.missing()
        else:
            one(env, cls, tell)
            if issubclass(cls, Scanned):
                logged(env, cls)
    missing += gossip.smoke(env, tell)
    missing += decisions.smoke(env, tell)
    left = procs.descendants(env.guard)
    left.pop(env.worker, None)
    if left:
        raise Failed(f"left behind: {left}")
    if missing:
        tell(f"not installed: {', '.join(missing)}")
        return SKIPPED
    return 0
