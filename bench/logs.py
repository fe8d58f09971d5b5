# SPDX-License-Identifier: Apache-2.0
"""One agent writes lines of 120 bytes as fast as they are taken: through covey's shim, the peers' loggers, and cat."""
import glob
import os
import re
import shlex
import time

from contender import Contender
from covey import Covey
import procs

LINE = 120
SIZE = 64 << 20
KEEP = 4


class Writer:
    """Mixed into a contender that runs the one agent."""

    def speed(self):
        """MB/s from the agent's first instant to the end of its last write."""
        self.launch()
        self.wait_started(1)
        self.wait_written(int(self.mode[1]) // 4)
        self.under_way()
        self.wait_written(int(self.mode[1]))
        s = self.board.slot(0)
        return s.bytes / ((s.end_ns - s.start_ns) / 1e9) / 1e6

    def under_way(self):
        """A quarter is written."""

    def wait_written(self, size):
        end = time.monotonic() + 120
        while self.board.slot(0).bytes < size // LINE * LINE or (size == int(self.mode[1]) and not self.board.ended()):
            if time.monotonic() > end:
                self.fail(f"took {self.board.slot(0).bytes} bytes in 120 s and no more")
            if self.children[0].poll() is not None:
                self.fail(f"ended with {self.children[0].returncode}")
            time.sleep(0.005)


class Piped(Writer, Contender):
    """agent | COMMAND"""

    def __init__(self, env, size):
        super().__init__(env, 1, ("spam", str(size)))

    def launch(self):
        self.spawn(["/bin/sh", "-c", f"{shlex.join(self.command(0))} | {self.pipe}"])

    def stop(self):
        for pid in self.board.pids():
            procs.kill(pid, 15)


class Cat(Piped):
    name = "cat"
    pipe = "exec cat > file"


class S6Log(Piped):
    name = "s6"
    needs = ("s6-log",)
    pipe = f"exec s6-log -b t n{KEEP} s{SIZE} ./main"


class Svlogd(Piped):
    name = "runit"
    needs = ("svlogd",)
    pipe = "exec svlogd -tt main"

    def prepare(self):
        os.mkdir(os.path.join(self.dir, "main"))
        with open(os.path.join(self.dir, "main", "config"), "w", encoding="ascii") as f:
            f.write(f"s{SIZE}\nn{KEEP}\n")


class CoveyWriter(Writer, Covey):
    name = "covey"
    more = f"logs: {{max_size: {SIZE >> 20}M, keep: {KEEP}, timestamps: yes}}\n"

    def __init__(self, env, size):
        super().__init__(env, 1, ("spam", str(size)))

    def launch(self):
        self.covey("apply", "--no-wait", *self.files)  # writing is measured, not the command

    def files_written(self):
        """Oldest first."""
        found = glob.glob(os.path.join(self.dir, "data", "logs", "*.log*"))
        return sorted(found, key=lambda p: -int(p.rpartition(".log")[2].lstrip(".") or 0))

    def memory(self):
        return procs.pss(self.shims())

    def under_way(self):
        """Once the shim has locked its memory, a second after the start: that comes once, and is no growth."""
        while not procs.locked(self.shims()) and not self.board.ended():
            time.sleep(0.005)
        self.early = self.memory()


LINE_RE = re.compile(rb"(?:[^\n]*? )?(\d{12}) \.{%d}" % (LINE - 14))


def check_files(paths, bytes_written):
    """What is wrong with rotated files: too large, torn lines, missing or repeated ones. [] when exact."""
    wrong, expected, seen = [], None, 0
    for path in paths:
        name = os.path.basename(path)
        if os.path.getsize(path) > SIZE:
            wrong.append(f"{name} has {os.path.getsize(path)} bytes, more than {SIZE}")
        with open(path, "rb") as f:
            text = f.read()
        if text and not text.endswith(b"\n"):
            wrong.append(f"{name} ends within a line")
        for line in text.splitlines():
            m = LINE_RE.fullmatch(line)
            if not m:
                wrong.append(f"{name}: torn line {line[:60]!r}")
                break
            number = int(m.group(1))
            if expected is not None and number != expected:
                wrong.append(f"{name}: line {number} follows {expected - 1}")
            expected = number + 1
            seen += 1
    if expected != bytes_written // LINE:
        wrong.append(f"the last line is {expected and expected - 1}, not {bytes_written // LINE - 1}")
    if len(paths) > KEEP + 1:
        wrong.append(f"{len(paths)} files, more than {KEEP + 1}")
    return wrong
