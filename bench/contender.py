# SPDX-License-Identifier: Apache-2.0
"""What all contenders have in common: how one is started with N agents, measured from outside, stopped and cleaned up.

A contender says how it is configured and started (prepare, launch, stop); it measures nothing. One lives for one
session, in a directory, a board and a cgroup of its own.
"""
import os
import shutil
import signal
import subprocess
import time

from board import Board, now_ns
import cgroups
import procs

PATIENCE_S = 180  # no start or stop of a session may take longer


class Failed(Exception):
    """The contender did not do what was asked; the session's figures so far stand."""


class Env:
    """Where sessions take place."""

    def __init__(self, root, shm, build, guard, verbose=False):
        self.root, self.shm, self.build, self.guard, self.verbose = root, shm, build, guard, verbose
        self.worker = os.getpid()
        self.group = os.path.basename(root)
        self.agent = os.path.join(root, procs.AGENT)
        self.sessions = 0
        shutil.copy2(os.path.join(build, "bench", procs.AGENT), self.agent)
        os.chmod(self.agent, 0o755)


class Contender:
    """`n` agents in `mode`; `logs`: the contender keeps what they write."""

    name = ""
    needs = ()  # programs that must be installed
    next_kill_s = 0.025  # how long the next kill of an agent waits for the last one's replacement
    deaths_max = 100_000

    def __init__(self, env, n, mode=("stay",), logs=False, notes=0):
        self.env, self.n, self.mode, self.logs = env, n, mode, logs
        env.sessions += 1
        self.dir = os.path.join(env.root, f"{env.sessions}-{self.name}")
        self.group = f"{env.group}.{env.sessions}"
        os.mkdir(self.dir, 0o755)
        self.board = Board(os.path.join(env.shm, f"board.{env.sessions}"), n, notes)
        self.children = []
        self.stopped = False

    # What a contender says about itself.
    def prepare(self):
        """Everything that is not timed: files, and a daemon that is there before its agents."""

    def launch(self):
        """Starts all agents; returns as soon as that is under way."""
        raise NotImplementedError

    def stop(self):
        """Asks for the end of all agents."""
        raise NotImplementedError

    def daemon(self):
        """The pid of the one central process."""
        return self.children[0].pid

    # What the harness does with it.
    def command(self, i):
        return [self.env.agent, self.board.path, str(i), *self.mode]

    def spawn(self, argv, **more):
        with open(os.path.join(self.dir, "stderr"), "ab") as err:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=more.pop("stdout", subprocess.DEVNULL),
                                     stderr=err, cwd=more.pop("cwd", self.dir), **more)
        self.children.append(child)
        return child

    def said(self, lines=3):
        """The last it said on standard error, for a message."""
        try:
            with open(os.path.join(self.dir, "stderr"), encoding="utf-8", errors="replace") as f:
                return " / ".join(f.read().strip().splitlines()[-lines:])
        except OSError:
            return ""

    def fail(self, what):
        raise Failed(f"{self.name}: {what}; it said: {self.said() or 'nothing'}")

    def start(self):
        """Starts all and waits until each has noted its start: ms from the command to the last one's first instant."""
        t0 = now_ns()
        self.launch()
        self.wait_started(self.n)
        return (max(s.start_ns for s in self.board.all()) - t0) / 1e6

    def wait_started(self, n):
        end = time.monotonic() + PATIENCE_S
        while self.board.started() < n or not all(s.starts for s in self.board.all()):
            if time.monotonic() > end:
                started = sum(1 for s in self.board.all() if s.starts)
                self.fail(f"{started} of {self.n} agents started in {PATIENCE_S} s")
            if self.children and self.children[0].poll() is not None and not self.may_exit():
                self.fail(f"ended with {self.children[0].returncode} while starting")
            time.sleep(0.002)

    def may_exit(self):
        return False

    def supervisors(self):
        return procs.supervisors(self.env.guard, self.env.worker)

    def stop_all(self):
        """Stops all and waits until no agent is left: ms."""
        pids = set(self.board.pids())
        t0 = now_ns()
        self.stop()
        end = time.monotonic() + PATIENCE_S
        while pids:
            pids = {p for p in pids if os.path.exists(f"/proc/{p}") and procs.is_alive(p)}
            if time.monotonic() > end:
                self.fail(f"{len(pids)} agents left {PATIENCE_S} s after the stop")
            time.sleep(0.002)
        self.stopped = True
        return (now_ns() - t0) / 1e6

    def end(self):
        """Ends whatever is left and removes what was made. Returns what could not be."""
        left = [f"process {p} ({c})" for p, c in procs.kill_tree(self.env.guard, {self.env.worker}).items()]
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                left.append(f"process {child.pid}")
        left += cgroups.remove(self.group)
        self.board.close()
        if not self.env.verbose:
            shutil.rmtree(self.dir, ignore_errors=True)
        return left

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *exc):
        left = self.end()
        if left and exc[0] is None:
            raise Failed(f"{self.name}: left behind: {', '.join(left[:5])}")

    @classmethod
    def missing(cls):
        return [p for p in cls.needs if shutil.which(p) is None]


def signal_and_forget(child, sig=signal.SIGTERM):
    if child.poll() is None:
        child.send_signal(sig)
