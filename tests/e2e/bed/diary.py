# SPDX-License-Identifier: Apache-2.0
"""What agents that keep a diary (tests/e2e/agent/diary.c) have written: which replica ran where, from when to when, at
which epoch. Times are CLOCK_BOOTTIME in ns, which all hosts of a bed share.
"""
import collections
import os
import time

LATE_NS = 1_000_000_000  # a line that is so late on a busy machine says nothing yet


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Run:
    """One process. first, last: its first and last line; both 0: it has written none."""

    def __init__(self, path):
        self.path = path
        self.replica, self.node, epoch, began = os.path.basename(path).rsplit("-", 3)
        self.epoch, self.began = int(epoch), int(began)
        with open(path, encoding="ascii") as f:
            lines = f.read().splitlines(keepends=True)
        self.at = [int(line.split()[1]) for line in lines if line.endswith("\n")]  # the last may be half written
        self.first, self.last = (self.at[0], self.at[-1]) if self.at else (0, 0)

    def __repr__(self):
        return f"{self.replica} on {self.node}, epoch {self.epoch}, {self.first / 1e9:.3f}..{self.last / 1e9:.3f}"

    def after(self, at_ns):
        """Its first line after that; None."""
        return next((t for t in self.at if t > at_ns), None)


class Diary:
    """All runs so far of the agents whose replicas' names begin so."""

    def __init__(self, where, name=""):
        paths = [os.path.join(where, f) for f in sorted(os.listdir(where)) if f.startswith(name)]
        self.runs = sorted((r for r in map(Run, paths) if r.at), key=lambda r: r.first)

    def replicas(self):
        """{replica: its runs, oldest first}."""
        found = collections.defaultdict(list)
        for run in self.runs:
            found[run.replica].append(run)
        return dict(found)

    def overlaps(self):
        """[(run, another of that replica, for how many ns both ran)]."""
        found = []
        for runs in self.replicas().values():
            for i, a in enumerate(runs):
                found += [(a, b, min(a.last, b.last) - b.first) for b in runs[i + 1:] if b.first <= a.last]
        return found

    def holes(self):
        """{replica: [(from, to)]}: from the end of its runs so far to the beginning of the next."""
        found = {}
        for replica, runs in self.replicas().items():
            found[replica], last = [], runs[0].last
            for run in runs[1:]:
                if run.first > last:
                    found[replica].append((last, run.first))
                last = max(last, run.last)
        return found

    def most_down(self):
        """How many replicas had no run at one time, at most, between their first run and their last."""
        steps = [step for of_one in self.holes().values() for a, b in of_one for step in ((a, 1), (b, -1))]
        down = most = 0
        for _, step in sorted(steps):
            down += step
            most = max(most, down)
        return most

    def first_after(self, replica, at_ns, not_on=()):
        """The first line of it after that, and where; (None, None)."""
        found = [(run.after(at_ns), run.node) for run in self.replicas().get(replica, []) if run.node not in not_on]
        return min((x for x in found if x[0]), default=(None, None))

    def running(self, replica, late_ns=LATE_NS):
        """Where it writes just now: [run]."""
        return [run for run in self.replicas().get(replica, []) if run.last > now() - late_ns]

    def falls(self):
        """[(run, a later one of that replica)] of which the later has a lower epoch, or another node has the same."""
        found = []
        for runs in self.replicas().values():
            for i, b in enumerate(runs[1:]):
                a = max(runs[:i + 1], key=lambda r: r.epoch)
                if b.epoch < a.epoch or (b.epoch == a.epoch and b.node != a.node):
                    found.append((a, b))
        return found
