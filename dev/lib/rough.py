# SPDX-License-Identifier: Apache-2.0
"""The work of dev/rough: a command in a group of the freezer, of which all or some threads stand still by turns; and
processes of the highest priority that take the processors; and a library that is in the way of fdatasync.
"""
import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

FREEZER = "/sys/fs/cgroup/freezer"
LACKS = 77
COLD = 3  # so many groups of threads stand still apart from each other
TURN_S = 0.004
SLOW_DISK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_disk.c")


def put(path, text):
    with contextlib.suppress(OSError):  # a thread may be gone by now
        with open(path, "w", encoding="ascii") as f:
            f.write(str(text))


def threads(group):
    with open(os.path.join(group, "tasks"), encoding="ascii") as f:
        return f.read().split()


def up_to(rng, most_ms):
    """Seconds: mostly short, now and then as long as it may be."""
    return min(most_ms, rng.expovariate(3 / most_ms)) / 1000


class Freezer:
    """Of a command that is in its group: call turn() every few milliseconds."""

    def __init__(self, rng, still_ms, skew_ms):
        self.rng, self.still_ms, self.skew_ms = rng, still_ms, skew_ms
        self.group = os.path.join(FREEZER, f"covey-rough-{os.getpid()}")
        self.cold = [os.path.join(self.group, str(i)) for i in range(COLD)]
        self.until = dict.fromkeys([self.group, *self.cold], None)
        for group in self.until:
            os.mkdir(group)
        self.next_still = time.monotonic()

    def join(self):
        put(os.path.join(self.group, "cgroup.procs"), os.getpid())

    def freeze(self, group, most_ms):
        put(os.path.join(group, "freezer.state"), "FROZEN")
        self.until[group] = time.monotonic() + up_to(self.rng, most_ms)

    def thaw(self, group):
        put(os.path.join(group, "freezer.state"), "THAWED")
        self.until[group] = None
        for thread in threads(group) if group in self.cold else ():
            put(os.path.join(self.group, "tasks"), thread)

    def turn(self):
        now = time.monotonic()
        for group, until in self.until.items():
            if until and now >= until:
                self.thaw(group)
                if group == self.group:
                    self.next_still = now + self.rng.uniform(0, 3 * self.still_ms) / 1000
        if self.still_ms and not self.until[self.group] and now >= self.next_still:
            self.freeze(self.group, self.still_ms)
        for group in self.cold if self.skew_ms else ():
            warm = threads(self.group)
            if not self.until[group] and warm and self.rng.random() < 0.25:
                for thread in self.rng.sample(warm, min(len(warm), self.rng.choice((1, 1, 2, 5)))):
                    put(os.path.join(group, "tasks"), thread)
                self.freeze(group, self.skew_ms)

    def close(self):
        """What the command left behind goes where this process is."""
        for group in self.until:
            self.thaw(group)
        for thread in threads(self.group):
            put(os.path.join(FREEZER, "tasks"), thread)
        for group in [*self.cold, self.group]:
            with contextlib.suppress(OSError):  # one that began just now keeps it
                os.rmdir(group)


def hog(seed, core, most_ms):
    """Until it is killed, or nobody is left to do that."""
    rng, parent = random.Random(seed * 1000 + core), os.getppid()
    os.sched_setaffinity(0, {core})
    os.setpriority(os.PRIO_PROCESS, 0, -19)
    while os.getppid() == parent:
        end = time.monotonic() + up_to(rng, most_ms)
        while time.monotonic() < end:
            pass
        time.sleep(up_to(rng, most_ms))


def take_processors(seed, most_ms):
    """Their pids."""
    pids = []
    for core in sorted(os.sched_getaffinity(0)):
        pid = os.fork()
        if pid == 0:
            try:
                hog(seed, core, most_ms)
            finally:
                os._exit(0)  # whatever becomes of it: the rest is its parent's
        pids.append(pid)
    return pids


def slow_disk(at, most_ms):
    """Environment of the command."""
    library = os.path.join(at, "slow_disk.so")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, SLOW_DISK], check=True)
    return {**os.environ, "LD_PRELOAD": library, "COVEY_ROUGH_DISK_MS": str(most_ms)}


def run(args):
    rng = random.Random(args.seed)
    hogs, freezer = [], None
    with tempfile.TemporaryDirectory(prefix="covey-rough-") as at:
        try:
            environment = slow_disk(at, args.disk) if args.disk else None
            if args.still or args.skew:
                freezer = Freezer(rng, args.still, args.skew)
            if args.busy:
                hogs = take_processors(args.seed, args.busy)
            child = subprocess.Popen(args.command, env=environment, preexec_fn=freezer.join if freezer else None)
            for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(sig, lambda sig, _: child.send_signal(sig))
            while child.poll() is None:
                if freezer:
                    freezer.turn()
                time.sleep(TURN_S)
            return child.returncode if child.returncode >= 0 else 128 - child.returncode
        except FileNotFoundError as e:
            print(f"rough: {e.filename}: {e.strerror}", file=sys.stderr)
            return 127
        finally:
            for pid in hogs:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if freezer:
                freezer.close()


def main():
    p = argparse.ArgumentParser(prog="rough", add_help=False)
    p.add_argument("--seed", type=int, default=1)
    for kind in ("still", "skew", "busy", "disk"):
        p.add_argument(f"--{kind}", type=float, default=0, metavar="MS")
    p.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    args = p.parse_args()
    if not args.command:
        p.error("a command is needed; see dev/rough --help")
    lacks = ("root" if os.geteuid() != 0 else
             "the freezer of cgroup v1" if (args.still or args.skew) and not os.path.isdir(FREEZER) else None)
    if lacks:
        print(f"rough: this host lacks: {lacks}", file=sys.stderr)
        return LACKS
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
