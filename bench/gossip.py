# SPDX-License-Identifier: Apache-2.0
"""The rows of `dev/bench --gossip`: N daemons in a network namespace of their own, beside the packaged serf.

One session of a flock of N takes all its figures: the join, what it costs when nothing happens, how a text spreads,
how long a killed member is not noticed. A storm, all started at once, is a session of its own.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import time

from contender import Failed
from flock import FAILED, FLOCKS, until_all, until_heard
import procs
import rows
from runner import Runner, that_are_there
from stats import median, percentile

SIZES = (5, 16, 32, 64)
CLONE_NEWNET = 0x40000000
JOIN_S, FAILED_S, HEARD_S = 120, 60, 10
SETTLE_S = 5
PAUSED_S = 5
BETWEEN_S = 0.3
LOOK_S = 0.5
LINKS_S = 2.5
BUSY_A_CORE = 2


def own_network():
    """From now on this process and those it starts are on a network of their own: its counters are theirs alone."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Failed("no network namespace for the flock")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def sent():
    """Bytes sent so far on lo, which counts at the level of IP."""
    with open("/proc/self/net/dev", encoding="ascii") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if name.strip() == "lo":
                return int(rest.split()[8])
    raise Failed("no lo")


def at_rest(pids, seconds):
    """What they use while nobody asks anything: ms/s of processor time, B/s sent."""
    t0, c0, b0 = time.monotonic(), procs.cpu_ns(pids), sent()
    time.sleep(seconds)
    took = time.monotonic() - t0
    return (procs.cpu_ns(pids) - c0) / 1e6 / took, (sent() - b0) / took


class Plan:
    def __init__(self, quick, wanted, sizes=None, rounds=None):
        self.wanted = wanted
        self.sizes = sizes or ((5, 16) if quick else SIZES)
        self.rounds = rounds or (2 if quick else 10)
        self.slow_rounds = min(self.rounds, 1 if quick else 3)  # of what hardly varies
        self.texts = 10 if quick else 20
        self.idle_s = 10 if quick else 30
        self.wrong_trials = 4 if quick else 10

    def wants(self, *names):
        return any(f"{name}-{n}" in self.wanted for name in names for n in self.sizes)


class Gossip(Runner):
    def run(self, flocks):
        for r in range(self.plan.rounds):
            for n in self.plan.sizes:
                of_size = {name for name in self.plan.wanted if name.endswith(f"-{n}")}
                for flock in flocks:
                    wanted = {w for w in of_size if not flock.rows or w.rpartition("-")[0] in flock.rows}
                    if wanted - {f"storm-{n}", f"links-{n}"}:
                        self.guarded(f"round {r + 1}: {flock.name}, {n} members", self.session, flock, n, r)
                    if wanted & {f"storm-{n}", f"links-{n}"}:
                        self.guarded(f"round {r + 1}: {flock.name}, storm of {n}", self.storm, flock, n)

    def complete(self, f, t0):
        """ms from t0 until each member lists all as alive."""
        found = until_all(f, range(f.n), lambda i: f.alive(i) == f.n, JOIN_S, "list all")
        return (max(found.values()) - t0) * 1000

    def session(self, flock, n, r):
        p = self.plan
        with flock(self.env, n) as f:
            f.launch(0)
            f.ready(0)
            for i in range(1, n):
                t0 = f.launch(i)
            for i in range(1, n):
                f.ready(i)
            self.add("join", f, self.complete(f, t0))
            if r < p.slow_rounds and p.wants("bytes", "cpu", "pss"):
                self.idle(f)
            if f.rows:
                return
            if p.wants("text"):
                self.texts(f)
            if p.wants("paused"):
                self.pause(f)
            if p.wants("wrong"):
                self.wrong(f)
            if p.wants("suspect", "failed"):
                self.failure(f)

    def storm(self, flock, n):
        with flock(self.env, n) as f:
            for i in range(n):
                t0 = f.launch(i)
            for i in range(n):
                f.ready(i)
            self.add("storm", f, self.complete(f, t0))
            if self.plan.wants("links"):
                self.links(f, t0)

    def links(self, f, t0):
        """Until no link comes up any more, for LINKS_S."""
        most, at = f.links(), time.monotonic()
        while most is not None and time.monotonic() - at < LINKS_S:
            time.sleep(0.3)
            now = f.links()
            if now > most:
                most, at = now, time.monotonic()
        if most is not None:
            self.add("links", f, (at - t0) * 1000)

    def idle(self, f):
        """Nobody asks anything meanwhile."""
        time.sleep(SETTLE_S)
        pids = f.pids()
        cpu, out = at_rest(pids, self.plan.idle_s)
        self.add("cpu", f, cpu / f.n)
        self.add("bytes", f, out / f.n)
        self.add("pss", f, procs.pss(pids) / f.n)

    def texts(self, f):
        """From one member, each time another, to all others."""
        f.before_texts()
        for i in range(f.n):
            f.listen(i)
        time.sleep(SETTLE_S)
        for k in range(self.plan.texts):
            teller, text = self.rng.randrange(f.n), f"text-{k}"
            others = [i for i in range(f.n) if i != teller]
            f.before_text(teller)
            time.sleep(BETWEEN_S)
            t0 = f.tell(teller, text)
            found = until_heard(f, others, text, HEARD_S)
            self.add("text", f, *((at - t0) * 1000 for at in found.values()))
            self.add("text-lost", f, len(others) - len(found))
            if found:
                self.add("text-last", f, (max(found.values()) - t0) * 1000)

    def pause(self, f):
        """One is stopped for PAUSED_S: from its going on to when all call all alive, and who was called failed then."""
        victim = self.rng.randrange(1, f.n)
        f.children[victim].send_signal(signal.SIGSTOP)
        time.sleep(PAUSED_S)
        found = sum(f.counts(i)[1] > 1 for i in range(f.n) if i != victim)
        f.children[victim].send_signal(signal.SIGCONT)
        t0 = time.monotonic()
        found = until_all(f, range(f.n), lambda i: f.counts(i)[0] == f.n, FAILED_S, "call all alive")
        self.add("paused", f, (max(found.values()) - t0) * 1000)
        time.sleep(SETTLE_S)

    def wrong(self, f):
        """One to four are stopped for PAUSED_S, in every second trial beside busy loops: whom of the others does one of
        them call failed?
        """
        for trial in range(self.plan.wrong_trials):
            stopped = self.rng.sample(range(1, f.n), 1 + trial // 2 % 4)
            run = [i for i in range(f.n) if i not in stopped]
            names = {f.member(i) for i in run}
            n_busy = BUSY_A_CORE * os.cpu_count() if trial % 2 else 0
            busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(n_busy)]
            for i in stopped:
                f.children[i].send_signal(signal.SIGSTOP)
            called, end = set(), time.monotonic() + PAUSED_S
            while time.monotonic() < end:
                for i in run:
                    called |= {name for name, state in f.view(i).items() if state == FAILED and name in names}
                time.sleep(LOOK_S)
            for child in busy:
                child.kill()
                child.wait()
            for i in stopped:
                f.children[i].send_signal(signal.SIGCONT)
            until_all(f, range(f.n), lambda i: f.counts(i)[0] == f.n, FAILED_S, "call all alive")
            self.add("wrong", f, len(called))

    def failure(self, f):
        victim = self.rng.randrange(1, f.n)
        others = [i for i in range(f.n) if i != victim]
        t0 = f.kill(victim)
        found = until_all(f, others, lambda i: f.counts(i)[0] == f.n - 1, FAILED_S, "doubt it")
        self.add("suspect", f, (max(found.values()) - t0) * 1000)
        found = until_all(f, others, lambda i: f.counts(i)[1] == 1, FAILED_S, "call it failed")
        wrong = [i for i in others if f.view(i).get(f.member(victim)) != FAILED]
        if wrong:
            raise Failed(f"{f.name}: {len(wrong)} call another one failed than {f.member(victim)}")
        self.add("failed-first", f, (min(found.values()) - t0) * 1000)
        self.add("failed", f, (max(found.values()) - t0) * 1000)


def spread(row):
    def cell(res, name):
        mine = res.of(row, name)
        return mine and f"{rows.figure(median(mine))} ms (worst {rows.figure(max(mine))})"

    return cell


def failed(n):
    def cell(res, name):
        first, last = res.of(f"failed-first-{n}", name), res.of(f"failed-{n}", name)
        return last and (f"first {rows.figure(median(first))}, all {rows.figure(median(last))} ms "
                         f"(worst {rows.figure(max(last))})")

    return cell


def text(n):
    def cell(res, name):
        mine = res.of(f"text-{n}", name)
        if not mine:
            return None
        last, lost = median(res.of(f"text-last-{n}", name)), sum(res.of(f"text-lost-{n}", name))
        return (f"{rows.figure(median(mine))} / {rows.figure(percentile(mine, 99))} ms, last {rows.figure(last)}; "
                f"{lost} lost")

    return cell


def wrong(n):
    def cell(res, name):
        mine = res.of(f"wrong-{n}", name)
        return mine and f"in {sum(v > 0 for v in mine)} of {len(mine)}"

    return cell


def none_wrong(n):
    def ok(res):
        mine = res.of(f"wrong-{n}", "covey")
        return not any(mine) if mine else None

    return ok


def mean(row, unit, scale=1):
    def cell(res, name):
        mine = res.of(row, name)
        return mine and f"{rows.figure(median(mine) / scale)} {unit}"

    return cell


def join_ok(row):
    def ok(res):
        mine = res.of(row, "covey")
        return median(mine) <= 300 and max(mine) <= 2000 if mine else None

    return ok


def text_ok(n):
    def ok(res):
        mine = res.of(f"text-{n}", "covey")
        if not mine:
            return None
        return (median(mine) <= 50 and percentile(mine, 99) <= 250 and median(res.of(f"text-last-{n}", "covey")) <= 400
                and not any(res.of(f"text-lost-{n}", "covey")))

    return ok


def below_both(row, bar, tls_bar):
    """covey without TLS, and with it."""

    def ok(res):
        mine, tls = res.of(row, "covey"), res.of(row, "covey-tls")
        if not mine and not tls:
            return None
        return (not mine or median(mine) <= bar) and (not tls or median(tls) <= tls_bar)

    return ok


def bytes_ok(n):
    def ok(res):
        wan = res.of(f"bytes-{n}", "covey-wan")
        return below_both(f"bytes-{n}", 1200, 2000)(res) is not False and (not wan or median(wan) <= 350)

    return ok


def table_of(n):
    return {
        f"join-{n}": (f"{n} members: the last one started → all list all", "≤ 300 ms, worst ≤ 2 s", spread(f"join-{n}"),
                      join_ok(f"join-{n}")),
        f"storm-{n}": (f"{n} members, all started at once: the same", "≤ 300 ms, worst ≤ 2 s", spread(f"storm-{n}"),
                       join_ok(f"storm-{n}")),
        f"links-{n}": (f"{n} members, all started at once: the last link is up", "TLS ≤ 15 s", spread(f"links-{n}"),
                       below_both(f"links-{n}", 15000, 15000)),
        f"suspect-{n}": (f"{n} members: one killed → others doubt it", "all ≤ 300 ms", spread(f"suspect-{n}"),
                         rows.below(f"suspect-{n}", 300)),
        f"failed-{n}": (f"{n} members: one killed → others call it failed", "all ≤ 2 s", failed(n),
                        rows.below(f"failed-{n}", 2000)),
        f"paused-{n}": (f"{n} members: one paused for 5 s, goes on → all call all alive", "≤ 1 s",
                        spread(f"paused-{n}"), rows.below(f"paused-{n}", 1000)),
        f"wrong-{n}": (f"{n} members: 1–4 stopped for 5 s, beside busy loops too: another called failed", "in none",
                       wrong(n), none_wrong(n)),
        f"text-{n}": (f"{n} members: a change → everywhere, p50 / p99", "≤ 50 / ≤ 250 ms, last ≤ 400; none lost",
                      text(n), text_ok(n)),
        f"bytes-{n}": (f"{n} members: sent by each, idle", "≤ 1,200 B/s, TLS ≤ 2,000, wan ≤ 350",
                       mean(f"bytes-{n}", "B/s"), bytes_ok(n)),
        f"cpu-{n}": (f"{n} members: processor time of each, idle", "≤ 2 ms/s", mean(f"cpu-{n}", "ms/s"),
                     rows.below(f"cpu-{n}", 2)),
        f"pss-{n}": (f"{n} members: PSS of each", "≤ 5 MB", mean(f"pss-{n}", "MB", rows.MB),
                     below_both(f"pss-{n}", 5 * rows.MB, 5 * rows.MB)),
    }


ROWS = {name: row for n in SIZES for name, row in table_of(n).items()}


def measure(args, env, results, tell):
    """The rows that were measured."""
    own_network()
    wanted = args.row or list(ROWS)
    plan = Plan(args.quick, wanted, sorted({int(name.rpartition("-")[2]) for name in args.row or ()}) or None,
                args.rounds)
    results.options = {"quick": args.quick, "rounds": plan.rounds, "sizes": list(plan.sizes), "texts": plan.texts}
    Gossip(env, plan, results, tell).run(that_are_there(FLOCKS, args, tell))
    return [name for name in wanted if int(name.rpartition("-")[2]) in plan.sizes]


def smoke(env, tell):
    """Three members of each find each other, hear of a text and of a death. Names of what is not installed."""
    missing = [] if shutil.which("ip") else ["ip"]
    if missing:
        return missing
    own_network()
    for flock in FLOCKS:
        if flock.missing(env.build):
            missing += flock.missing(env.build)
            continue
        if flock.rows:
            continue
        with flock(env, 3) as f:
            for i in range(3):
                t0 = f.launch(i)
                f.ready(i)
            listed = until_all(f, range(3), lambda i: f.counts(i)[0] == 3, JOIN_S, "list all")
            f.before_texts()
            for i in range(3):
                f.listen(i)
            f.before_text(1)
            f.tell(1, "text")
            heard = until_heard(f, (0, 2), "text", JOIN_S)
            if len(heard) < 2 or not procs.pss(f.pids()) or not procs.cpu_ns(f.pids()) or not sent():
                raise Failed(f"{flock.name}: a text came to {len(heard)} of 2, or it costs nothing")
            t1 = f.kill(2)
            dead = until_all(f, (0, 1), lambda i: f.counts(i)[1] == 1, FAILED_S, "call it failed")
            tell(f"{flock.name}: joined in {(max(listed.values()) - t0) * 1000:.0f} ms, "
                 f"a death told in {(max(dead.values()) - t1) * 1000:.0f} ms")
    return missing
