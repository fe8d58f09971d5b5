# SPDX-License-Identifier: Apache-2.0
"""Which sessions the chosen rows need, and their order: contenders alternate, round after round.

One session of a contender with N agents takes all its figures: start, deaths, memory, idle time, the daemon's restart,
stop.
"""
import time

from covey import Covey, CoveyDefault, CoveyTcp
from kills import Kills
from logs import Cat, CoveyWriter, S6Log, Svlogd, check_files
from peers import Bare, Linear, Plain, Runit, S6, Supervisord
import measure
import procs
from runner import Runner

SETTLE_S = 2


class Plan:
    """How much is measured."""

    def __init__(self, quick, rows, kills=None):
        self.quick, self.rows = quick, rows
        self.rounds = {100: 2, 1000: 1} if quick else {100: 7, 1000: 5}
        self.slow_rounds = {100: 1, 1000: 0} if quick else {100: 2, 1000: 1}  # of the slowest peer
        self.deaths = 100 if quick else 200
        self.idle_s = 8 if quick else 30
        self.scrape_s = 10 if quick else 30
        self.log_bytes = (400 if quick else 1500) * 1_000_000
        self.log_rounds = 1 if quick else 5
        self.kills = kills if kills is not None else 50 if quick else 1000

    def wants(self, *rows):
        return any(r in self.rows for r in rows)


class Sessions(Runner):
    def __init__(self, env, plan, results, contenders, tell):
        super().__init__(env, plan, results, tell)
        self.names = contenders

    def has(self, cls):
        return cls.name in self.names

    def run(self):
        p = self.plan
        if p.wants("start-100", "death-100"):
            self.rounds(100)
        if p.wants("start-1000", "death-1000", "memory", "daemon", "idle", "metrics", "readopt", "stop"):
            self.rounds(1000)
        if p.wants("memory"):
            for cls in (S6, Runit):
                if self.has(cls):
                    self.guarded(f"{cls.name}: 1000 with loggers", self.logged, cls)
        if p.wants("daemon") and self.has(Supervisord):
            self.guarded("supervisord: 0", self.nothing)
        if p.wants("idle-tcp") and self.has(Covey):
            self.guarded("covey: 1000 with tcp probes", self.probed)
        if p.wants("logs"):
            self.log_rounds()
        if p.wants("kills") and self.has(Covey):
            self.guarded(f"covey: {p.kills} kills", self.kill)

    def rounds(self, n):
        classes = [c for c in (Bare, Covey, S6, Runit, Supervisord, Linear, Plain, CoveyDefault) if self.has(c)]
        for r in range(self.plan.rounds[n]):
            for cls in classes:
                if cls is Supervisord and r >= self.plan.slow_rounds[n]:
                    continue
                self.guarded(f"round {r + 1}: {cls.name}, {n} agents", self.session, cls, n, r)

    def session(self, cls, n, r):
        p, add, name = self.plan, self.results.add, cls.name
        with cls(self.env, n) as c:
            slab = procs.slab()
            if issubclass(cls, Covey) and n == 1000:
                time.sleep(SETTLE_S)
                add("daemon-0", name, procs.pss([c.daemon()]))
            add(f"start-{n}", name, c.start())
            time.sleep(SETTLE_S)
            if n == 1000 and p.wants("memory", "daemon"):
                self.take_memory(c, slab)
            if n == 1000 and r == 0:
                self.slow(c)
            if p.wants(f"death-{n}"):
                add(f"death-{n}", name, *measure.deaths(c, p.deaths))
            if n == 1000 and isinstance(c, Covey) and p.wants("readopt"):
                add("readopt", name, c.readopt())
            add(f"stop-{n}", name, c.stop_all())

    def take_memory(self, c, slab):
        for key, value in measure.memory(c, slab).items():
            self.results.add(f"memory-{key}", c.name, value)

    def slow(self, c):
        """What takes a while and hardly varies: once."""
        p = self.plan
        if p.wants("idle"):
            time.sleep(SETTLE_S)
            self.results.add("idle", c.name, measure.cpu(c, p.idle_s))
        if p.wants("metrics") and isinstance(c, Covey):
            c.scrape()
            self.results.add("metrics", c.name, measure.cpu(c, p.scrape_s, 5, c.scrape))

    def logged(self, cls):
        with cls(self.env, 1000, logs=True) as c:
            slab = procs.slab()
            c.start()
            time.sleep(SETTLE_S)
            for key, value in measure.memory(c, slab).items():
                self.results.add(f"logged-{key}", c.name, value)

    def nothing(self):
        with Supervisord(self.env, 0) as c:
            c.launch()
            time.sleep(SETTLE_S)
            self.results.add("daemon-0", c.name, procs.pss([c.daemon()]))

    def probed(self):
        with CoveyTcp(self.env, 1000, ("tcp", "t")) as c:
            c.start()
            c.wait_healthy()
            time.sleep(SETTLE_S)
            self.results.add("idle-tcp", c.name, measure.cpu(c, max(20, self.plan.idle_s)))  # two turns of all

    def log_rounds(self):
        for r in range(self.plan.log_rounds):
            for cls in (Cat, CoveyWriter, S6Log, Svlogd):
                if cls is Cat or cls.name in self.names:
                    self.guarded(f"log round {r + 1}: {cls.name}", self.log_session, cls)

    def log_session(self, cls):
        with cls(self.env, self.plan.log_bytes) as c:
            if isinstance(c, CoveyWriter):
                self.log_covey(c)
            else:
                self.results.add("logs", c.name, c.speed())

    def log_covey(self, c):
        self.results.add("logs", c.name, c.speed())
        self.results.add("logs-pss-early", c.name, c.early)
        self.results.add("logs-pss", c.name, c.memory())
        time.sleep(0.5)  # the last of the pipe
        wrong = check_files(c.files_written(), c.board.slot(0).bytes)
        self.results.add("logs-wrong", c.name, len(wrong))
        self.results.faults += [f"covey's logs: {w}" for w in wrong[:5]]

    def kill(self):
        with Kills(self.env, self.plan.kills, seed=1) as c:
            found, notes, done, ends = c.run(self.tell)
            for kind, count in found.items():
                self.results.add(f"kills-{kind}", c.name, count)
            self.results.add("kills", c.name, done)
            self.results.add("kills-ends", c.name, ends)
            self.results.faults += notes
