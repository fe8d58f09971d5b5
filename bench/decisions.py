# SPDX-License-Identifier: Apache-2.0
"""The rows of `dev/bench --decisions`: covey and the packaged etcd decide, on the same disk, in turns.

A round has a session of each: formed, asked by one client, by many at a time, and by one while a member dies again and
again. What a cluster costs that decides nothing is a session of its own.
"""
import selectors
import time

from contender import Failed
from deciders import DECIDERS
import gossip
import procs
import rows
from runner import Runner, that_are_there
from stats import median, percentile

SIZES = (3, 5)
WARM = 100
MANY = 32
AGENTS = 50
CROWD_N, CROWD, EACH = 20, 200, 10
SETTLE_S = 5
AFTER_S, AGAIN_S, DEAD_S = 1.0, 0.02, 20


class Plan:
    def __init__(self, quick, wanted, rounds=None):
        self.wanted = wanted
        self.rounds = rounds or (1 if quick else 4)
        self.decisions = 300 if quick else 1000  # a round
        self.many_s = 2 if quick else 5
        self.kills = 2 if quick else 6  # a round
        self.idle_rounds = min(self.rounds, 1 if quick else 2)
        self.idle_s = 10 if quick else 30

    def wants(self, *names):
        return any(name in self.wanted for name in names)


class Decisions(Runner):
    def run(self, deciders):
        for r in range(self.plan.rounds):
            for cls in deciders if r % 2 else deciders[::-1]:
                for n in SIZES:
                    if self.plan.wants(f"decide-{n}", f"rate-{n}", f"kill-{n}"):
                        self.guarded(f"round {r + 1}: {cls.name}, {n} voters", self.session, cls, n)
                    if r < self.plan.idle_rounds and self.plan.wants(f"idle-{n}"):
                        self.guarded(f"round {r + 1}: {cls.name}, {n} idle", self.idle, cls, n)
        if self.plan.wants("crowd-20"):
            for cls in deciders:
                if cls.name == "covey":
                    self.guarded(f"{cls.name}, {CROWD_N} with {CROWD} agents of {EACH}", self.crowd, cls)

    def session(self, cls, n):
        with cls(self.env, n) as d:
            d.form()
            if self.plan.wants(f"decide-{n}"):
                self.one(d)
            if self.plan.wants(f"rate-{n}"):
                self.add("rate", d, many(d, self.plan.many_s))
            if self.plan.wants(f"kill-{n}"):
                for k in range(self.plan.kills):
                    self.kill(d, k)

    def one(self, d):
        """Of a cluster with a leader the leader is asked, which is the shortest way."""
        client = d.client(d.leader() or 0, "one")
        self.add("decide", d, *[d.decide(client) for _ in range(WARM + self.plan.decisions)][WARM:])

    def kill(self, d, k):
        """The longest time without a decision, at one that lives. Of a cluster with a leader each second one that dies
        is the leader.
        """
        leader = d.leader()
        others = [i for i in range(d.n) if i != leader]
        victim = leader if leader is not None and k % 2 == 0 else self.rng.choice(others)
        client = d.client(self.rng.choice([i for i in range(d.n) if i != victim]), "kill")
        for _ in range(WARM):
            d.decide(client)
        took = longest_gap(d, client, victim)
        what = {None: "kill", victim: "kill-leader"}.get(leader, "kill-follower")
        self.add(what, d, took)
        d.begin_again(victim)

    def idle(self, cls, n):
        """Nobody asks anything meanwhile. All vote; what is measured is the daemons, not what they run."""
        with cls(self.env, n) as d:
            d.form()
            d.keep_agents(AGENTS)
            time.sleep(SETTLE_S)
            cpu, out = gossip.at_rest(d.pids(), self.plan.idle_s)
            self.add("idle-cpu", d, cpu / n)
            self.add("idle-bytes", d, out / n)

    def crowd(self, cls):
        """Many daemons with many replicas on this one machine, at rest: what each daemon costs, and that all rests."""
        with cls(self.env, CROWD_N) as d:
            d.form()
            t0 = time.monotonic()
            d.keep_crowd(CROWD, EACH)
            self.add("crowd-all", d, time.monotonic() - t0)
            time.sleep(SETTLE_S)
            pids, before = d.pids(), d.state(0)
            cpu, out = gossip.at_rest(pids, self.plan.idle_s)
            self.add("crowd-cpu", d, cpu / d.n)
            self.add("crowd-bytes", d, out / d.n)
            self.add("crowd-pss", d, procs.pss(pids) / 1e6 / d.n)
            changed = len(set(d.state(0)) ^ set(before))
            if changed:
                raise Failed(f"{d.name}: {changed} replicas changed while nobody asked")


def longest_gap(d, client, victim):
    """The victim is killed in the middle of a decision: ms, of what ended after that."""
    client.ask()
    d.children[victim].kill()
    worst = 0
    last = killed_at = time.monotonic()
    with selectors.DefaultSelector() as sel:
        sel.register(client.sock, selectors.EVENT_READ)
        while (now := time.monotonic()) < killed_at + AFTER_S or now - last > AFTER_S / 2:
            if now - last > DEAD_S:
                raise Failed(f"{d.name}: no decision for {DEAD_S} s after a kill: {client.refusal or 'no answer'}")
            if not sel.select(AGAIN_S):
                client.again()
                continue
            is_decided = client.hear()
            now = time.monotonic()
            if is_decided:
                worst, last = max(worst, now - last), now
            if is_decided is False:
                time.sleep(AGAIN_S)
            if is_decided is not None:
                client.ask()
    return worst * 1000


def many(d, seconds):
    """MANY clients at a time, each of a name of its own, each asking again once it was answered: decisions a second."""
    leader = d.leader()
    clients = [d.client(i % d.n if leader is None else leader, f"many{i}") for i in range(MANY)]
    for client in clients:
        for _ in range(WARM // 10):
            d.decide(client)
    decided, t0 = 0, time.monotonic()
    with selectors.DefaultSelector() as sel:
        for client in clients:
            sel.register(client.sock, selectors.EVENT_READ, client)
            client.ask()
        while time.monotonic() < t0 + seconds:
            for key, _ in sel.select(1):
                is_decided = key.data.hear()
                if is_decided is False:
                    raise Failed(f"{d.name}: {key.data.refusal}")
                if is_decided:
                    decided += 1
                    key.data.ask()
    return decided / (time.monotonic() - t0)


def decide(n):
    def cell(res, name):
        mine = res.of(f"decide-{n}", name)
        return mine and (f"{rows.figure(median(mine))} / {rows.figure(percentile(mine, 99))} ms "
                         f"(worst {rows.figure(max(mine))})")

    return cell


def decide_ok(n):
    def ok(res):
        mine, theirs = res.of(f"decide-{n}", "covey"), res.of(f"decide-{n}", "etcd")
        if not mine or not theirs:
            return None
        return median(mine) <= median(theirs) and percentile(mine, 99) <= percentile(theirs, 99)

    return ok


def rate(n):
    def cell(res, name):
        mine = res.of(f"rate-{n}", name)
        return mine and f"{rows.figure(median(mine))} a second (worst {rows.figure(min(mine))})"

    return cell


def rate_ok(n):
    def ok(res):
        mine, theirs = res.of(f"rate-{n}", "covey"), res.of(f"rate-{n}", "etcd")
        return median(mine) >= 2 * median(theirs) if mine and theirs else None

    return ok


def kill(n):
    def cell(res, name):
        found = []
        for what, text in (("kill", ""), ("kill-leader", "leader "), ("kill-follower", "follower ")):
            mine = res.of(f"{what}-{n}", name)
            if mine:
                found.append(f"{text}{rows.figure(median(mine))} ms "
                             f"(worst {rows.figure(max(mine))}; {len(mine)} kills)")
        return ", ".join(found)

    return cell


def idle(n):
    def cell(res, name):
        cpu, sent = res.of(f"idle-cpu-{n}", name), res.of(f"idle-bytes-{n}", name)
        return cpu and f"{rows.figure(median(cpu))} ms/s, {rows.figure(median(sent))} B/s"

    return cell


def crowd(res, name):
    took, cpu, sent, pss = (res.of(f"crowd-{what}-{CROWD_N}", name) for what in ("all", "cpu", "bytes", "pss"))
    return cpu and (f"all run after {rows.figure(median(took))} s; {rows.figure(median(cpu))} ms/s, "
                    f"{rows.figure(median(sent))} B/s, {rows.figure(median(pss))} MB a daemon")


ROWS = {
    "decide-3": ("3 voters, one client: a decision of 1 KiB, p50 / p99", "≤ etcd's", decide(3), decide_ok(3)),
    "decide-5": ("5 voters: the same", "≤ etcd's", decide(5), decide_ok(5)),
    "rate-3": (f"3 voters, {MANY} clients of as many agents: decisions", "≥ 2 × etcd's", rate(3), rate_ok(3)),
    "kill-3": ("3 voters, one killed: the longest time without a decision elsewhere", "≤ 50 ms", kill(3),
               rows.below("kill-3", 50)),
    "idle-5": (f"5 voters, {AGENTS} agents under leases, idle: each voter", "≤ 3 ms/s, ≤ 3 KB/s", idle(5),
               rows.both(rows.below("idle-cpu-5", 3), rows.below("idle-bytes-5", 3072))),
    "crowd-20": (f"{CROWD_N} daemons with {CROWD} agents of {EACH} replicas, on this machine, idle", "steady", crowd,
                 lambda res: bool(res.of(f"crowd-pss-{CROWD_N}", "covey")) or None),
}


def measure(args, env, results, tell):
    """The rows that were measured."""
    gossip.own_network()
    wanted = args.row or list(ROWS)
    plan = Plan(args.quick, wanted, args.rounds)
    if args.kills:
        plan.kills = -(-args.kills // plan.rounds)
    results.options = {"quick": args.quick, "rounds": plan.rounds, "decisions": plan.decisions, "kills": plan.kills}
    Decisions(env, plan, results, tell).run(that_are_there(DECIDERS, args, tell))
    return wanted


def smoke(env, tell):
    """Three of each decide, one is killed, the others go on, and it comes back. Names of what is not installed."""
    missing = [name for cls in DECIDERS for name in cls.missing(env.build)]
    for cls in DECIDERS:
        if cls.missing(env.build):
            continue
        with cls(env, 3) as d:
            d.form()
            leader = d.leader() or 0
            client = d.client(leader, "smoke")
            took = [d.decide(client) for _ in range(10)]
            gap = longest_gap(d, client, (leader + 1) % 3)
            d.begin_again((leader + 1) % 3)
            if not 0 < min(took) <= gap * 10 or not d.decide(client):
                raise Failed(f"{d.name}: decided in {min(took):.3f} ms, and at most {gap:.3f} ms apart")
            tell(f"{d.name}: a decision took {median(took):.1f} ms; with one killed {gap:.1f} ms at most")
    return missing
