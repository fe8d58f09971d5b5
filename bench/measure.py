# SPDX-License-Identifier: Apache-2.0
"""What is measured of a running contender, the same way for all: deaths, memory, time on the processor."""
import signal
import time

from board import now_ns
import procs

UP_NS = 1_100_000_000  # a death counts of agents that have been up for longer than a second
LATE_S = 30


class Deaths:
    """Agents of a contender that were killed and are not replaced yet."""

    def __init__(self, contender):
        self.contender, self.board = contender, contender.board
        self.waiting = {}  # agent → (starts, ns) when it was killed
        self.found = []  # ms

    def kill(self, i):
        slot = self.board.slot(i)
        t0 = now_ns()
        if not procs.kill(slot.pid, signal.SIGKILL):
            self.contender.fail(f"agent {i} was not there to be killed")
        self.waiting[i] = (slot.starts, t0)

    def collect(self):
        for i, (starts, t0) in list(self.waiting.items()):
            if self.board.starts(i) != starts:
                self.found.append((self.board.slot(i).start_ns - t0) / 1e6)
                del self.waiting[i]

    def wait(self, seconds, is_done):
        """True once is_done(), False when that takes too long."""
        end = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > end:
                return False
            time.sleep(0.0005)
            self.collect()
        return True


def deaths(contender, count):
    """Kills `count` agents, each up for a second, one by one; ms from kill(2) to the replacement's first instant.

    One that always pauses before a restart would take minutes: after next_kill_s the next agent is killed, another one.
    """
    d, board = Deaths(contender), contender.board
    count = min(count, contender.deaths_max)
    for k in range(count):
        i = k % board.slots
        if not d.wait(LATE_S, lambda agent=i: agent not in d.waiting):
            contender.fail(f"agent {i} was not replaced in {LATE_S} s")
        up = now_ns() - board.slot(i).start_ns
        if up < UP_NS:
            time.sleep((UP_NS - up) / 1e9)
        d.kill(i)
        d.wait(contender.next_kill_s, lambda agent=i: agent not in d.waiting)
    if not d.wait(LATE_S, lambda: not d.waiting):
        contender.fail(f"{len(d.waiting)} of {count} killed agents were not replaced in {LATE_S} s")
    return d.found


def memory(contender, slab_before):
    """Bytes a replica: PSS of all that is not agent, its locked part, page tables and kernel stacks, growth of slab."""
    pids = contender.supervisors()
    n = contender.n
    return {
        "processes": len(pids) / n,
        "pss": procs.pss(pids) / n,
        "locked": procs.locked(pids) / n,
        "kernel": procs.kernel(pids) / n,
        "slab": (procs.slab() - slab_before) / n,
        "daemon": procs.pss([contender.daemon()]),
    }


def cpu(contender, seconds, each=0, act=None):
    """ms of processor time a second of all that is not agent, over `seconds`; act() is called every `each` seconds."""
    pids = contender.supervisors()
    t0, c0 = time.monotonic(), procs.cpu_ns(pids)
    while time.monotonic() - t0 < seconds:
        if act:
            act()
        time.sleep(min(each or seconds, max(0.0, seconds - (time.monotonic() - t0))))
    took = time.monotonic() - t0
    return (procs.cpu_ns(pids) - c0) / 1e6 / took
