# SPDX-License-Identifier: Apache-2.0
"""A daemon with 20 replicas is killed again and again, while some of them end, start, or are stopped at that instant.

What is true is told by the agents' own notes on the board; what covey believes by its status and its events. Counted
are replicas *lost* (should run and do not), *doubled* (two processes of one), *restarted* (another process without a
reason), exits that are *unknown* (an end that covey never told, or told otherwise), and daemons that *crashed*.
"""
import json
import os
import random
import re
import signal
import subprocess
import time

from board import KIND_ENDED
from contender import Failed
from covey import Covey
import procs

STEADY = range(0, 10)  # run for ever; now and then one is killed by us
ENDING = range(10, 14)  # end by themselves, with a code that changes, and are started again at once
ONCE = range(14, 16)  # end by themselves and stay; started again by command
TOGGLED = range(16, 20)  # stopped and started by command
N = 20
EXIT_RE = re.compile(r"exited with code (\d+)")
SETTLE_S = 20
KINDS = LOST, DOUBLED, RESTARTED, UNKNOWN, CRASHED = "lost", "doubled", "restarted", "unknown", "crashed"
STARTS_MAX = 5  # of a daemon that ends by itself, in a row


class Kills(Covey):
    name = "covey"

    def __init__(self, env, kills, seed):
        super().__init__(env, N, notes=400_000)
        self.kills, self.random = kills, random.Random(seed)
        self.found = dict.fromkeys(KINDS, 0)
        self.told = set()  # differences that were counted
        self.notes = []  # a sentence for each fault, the first ones
        self.starts = [1] * N  # how often each steady one, or one that runs once, must have started
        self.wanted = [True] * N  # toggled: should it run?
        self.once_asked = set()
        self.commands = []  # (child, words) under way
        self.ops = 0
        self.exits = {i: [] for i in range(N)}  # codes that events told
        self.last_event = None

    def command(self, i):
        mode = ("end", "300") if i in ENDING else ("end", "900") if i in ONCE else ("stay",)
        return [self.env.agent, self.board.path, str(i), *mode]

    def agent_text(self, i):
        self.restart = "{when: never}" if i in ONCE else Covey.restart
        return super().agent_text(i)

    def fault(self, kind, text, count=1):
        self.found[kind] += count
        if len(self.notes) < 50:
            self.notes.append(f"{kind}: {text}")

    # One round.
    def issue(self, verb, i):
        env = {**os.environ, "COVEY_SOCKET": self.socket}
        self.ops += 1
        words = [verb, self.agent_name(i), "--timeout", "20s", "--op", f"bench-{self.ops}"]
        argv = [os.path.join(self.env.build, "covey"), *words]
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.commands.append((child, words))

    def disturb(self):
        """Something for the daemon to be in the middle of."""
        i = self.random.choice(TOGGLED)
        self.wanted[i] = not self.wanted[i]
        self.issue("start" if self.wanted[i] else "stop", i)
        for o in ONCE:
            slot = self.board.slot(o)
            if slot.ends == slot.starts == self.starts[o] and self.random.random() < 0.5:
                self.starts[o] += 1
                self.issue("start", o)
        if self.random.random() < 0.4:
            self.kill_one()

    def kill_one(self):
        i = self.random.choice(STEADY)
        slot = self.board.slot(i)
        if slot.starts == self.starts[i] and procs.kill(slot.pid, signal.SIGKILL):
            self.starts[i] += 1

    def round(self):
        self.disturb()
        time.sleep(self.random.uniform(0, 0.06))
        self.kill_daemon()
        if self.random.random() < 0.3:
            self.kill_one()
        time.sleep(self.random.choice((0, 0.01, 0.04, 0.4)) * self.random.random())
        self.start_daemon()
        self.check(self.settle())

    def start_daemon(self):
        """One that ends by itself is counted, and started again."""
        for _ in range(STARTS_MAX):
            try:
                return super().start_daemon()
            except Failed as e:
                if self.daemons[-1].poll() is None:
                    raise
                self.fault(CRASHED, str(e))
        self.fail(f"coveyd ended by itself {STARTS_MAX} times in a row")

    def settle(self):
        """Repeats commands that the kill cut short, then waits until status and board agree; returns what does not."""
        for child, words in self.commands:
            child.wait(60)
            if child.returncode != 0:
                self.covey(*words, check=False)  # with its --op: done once, however often it is said
        self.commands = []
        end = time.monotonic() + SETTLE_S
        while True:
            found = self.differences()
            if time.monotonic() >= end or all(d in self.told for d in found):
                return found
            if self.daemons[-1].poll() is not None:
                self.fault(CRASHED, f"coveyd ended by itself, with {self.daemons[-1].returncode}: {self.said()}")
                self.start_daemon()
            time.sleep(0.02)

    def differences(self):
        """[(kind, sentence)] of what does not agree now."""
        doc = self.status()
        if doc is None:
            return [(LOST, "no status")]
        none = {"state": "none", "pid": None}
        by_name = {a["name"]: a["replicas"][0] if a["replicas"] else none for a in doc["agents"]}
        found = []
        for i in range(N):
            found += self.differs(i, by_name.get(self.agent_name(i)), self.board.slot(i))
        return found

    def differs(self, i, replica, slot):
        name = self.agent_name(i)
        if replica is None:
            return [(LOST, f"{name} is not in the status")]
        if i in ENDING:
            return []
        if i in ONCE:
            if slot.starts < self.starts[i]:
                return [(LOST, f"{name} started {slot.starts} times of {self.starts[i]}")]
            last = replica.get("last_exit") or {}
            is_known = replica["state"] in ("stopped", "failed") and last.get("code") == slot.code
            if slot.ends == slot.starts and not is_known:
                return [(UNKNOWN, f"{name} ended with {slot.code}, status says {replica['state']} and {last}")]
            return []
        if not self.wanted[i]:
            if procs.is_alive(slot.pid) or replica["state"] != "stopped":
                return [(LOST, f"{name} was stopped and is {replica['state']}, pid {slot.pid} "
                         f"{'is' if procs.is_alive(slot.pid) else 'not'} alive")]
            return []
        if replica["state"] != "running" or replica["pid"] != slot.pid or not procs.is_alive(slot.pid):
            return [(LOST, f"{name} is {replica['state']} with pid {replica['pid']}, the board says {slot.pid}")]
        return []

    def check(self, differences):
        """What did not go away while it settled: a moment later an agent may just be ending again."""
        for kind, text in differences:
            if (kind, text) not in self.told:  # what stays wrong is one fault, not one a round
                self.told.add((kind, text))
                self.fault(kind, text)
        for i in (*STEADY, *ONCE):
            starts = self.board.starts(i)
            if starts > self.starts[i]:
                self.fault(RESTARTED, f"{self.agent_name(i)} started {starts} times, {self.starts[i]} expected",
                           starts - self.starts[i])
                self.starts[i] = starts
        seen = {}
        for pid, comm in procs.descendants(self.env.guard).items():
            if comm == procs.AGENT:
                words = (procs.read(f"/proc/{pid}/cmdline") or "").split("\0")
                if len(words) > 2 and words[1] == self.board.path:
                    seen.setdefault(words[2], []).append(pid)
        for i, pids in seen.items():
            if len(pids) > 1:
                self.fault(DOUBLED, f"{self.agent_name(int(i))} has pids {pids}")
        self.read_events()

    # Exits that covey knows of.
    def read_events(self):
        args = ["events", "--json"]
        if self.last_event:
            args += ["--after", self.last_event]
        for line in self.covey(*args).stdout.splitlines():
            event = json.loads(line)
            self.last_event = event["id"]
            self.note_event(event)

    def note_event(self, event):
        """An exit is told once, in the words of `covey explain`: "exited with code 3 after …"."""
        told = EXIT_RE.search(event.get("text") or "")
        name = event.get("agent") or ""
        if told and event.get("replica") and name.startswith("b"):
            self.exits[int(name[1:])].append(int(told.group(1)))

    def compare_exits(self):
        """The codes that agents noted as they ended against the codes that events told, in order."""
        noted, lost = self.board.noted()
        if lost:
            raise Failed(f"the board was too small for {lost} notes")
        for i in (*ENDING, *ONCE):
            true = [value for _, who, _, kind, value in noted if kind == KIND_ENDED and who == i]
            told = self.exits[i]
            unknown = len(true) - common(true, told)
            if unknown or len(told) != len(true):
                self.fault(UNKNOWN, f"{self.agent_name(i)} ended {len(true)} times, events tell {len(told)} exits, "
                           f"{unknown} not among them", max(unknown, abs(len(told) - len(true))))
        return sum(1 for n in noted if n[3] == KIND_ENDED)

    def run(self, tell):
        """All rounds; (counts, sentences, kills, ends noted)."""
        self.launch()
        self.wait_started(N)
        done = 0
        while done < self.kills:
            self.round()
            done += 1
            tell(f"{done} of {self.kills} kills: {self.found}")
        self.stop()
        time.sleep(0.2)
        self.read_events()
        ends = self.compare_exits()
        if self.board.doubled():
            self.fault(DOUBLED, f"agents noted {self.board.doubled()} times that the one before was still there",
                       self.board.doubled())
        return self.found, self.notes, done, ends


WINDOW = 20  # codes repeat after 100: a missing one must not be found in the next turn


def common(a, b):
    """How many of a are found in b, in order."""
    at = n = 0
    for x in a:
        try:
            at = b.index(x, at, at + WINDOW) + 1
        except ValueError:
            continue
        n += 1
    return n
