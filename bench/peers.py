# SPDX-License-Identifier: Apache-2.0
"""The floor and the packaged peers, each configured as its own manual does and as fast as it goes.

None of the peers sets limits, makes cgroups, or loads a filter here; with `logs` each keeps what its agents write the
way it offers (a logger a service, or a file). Run scripts are two lines of sh, as both manuals have them.
"""
import glob
import os
import signal
import time

from contender import Contender, signal_and_forget


class Bare(Contender):
    """The bare C loop (bench/bare.c)."""

    name = "floor"
    options = ()

    def launch(self):
        self.spawn([os.path.join(self.env.build, "bench", "bench-bare"), *self.options, str(self.n), self.group,
                    self.board.path, self.env.agent])

    def stop(self):
        signal_and_forget(self.children[0])


class Plain(Bare):
    """The same without groups and filter: what the peers do."""

    name = "plain"
    options = ("--plain",)


class Linear(Bare):
    """With a filter that is not a tree: what a loop does that knows no better."""

    name = "floor-linear"
    options = ("--linear",)


class Scanned(Contender):
    """A directory of services, each with a run script."""

    def prepare(self):
        self.services = os.path.join(self.dir, "services")
        os.mkdir(self.services)
        for i in range(self.n):
            self.service(os.path.join(self.services, f"b{i}"), " ".join(self.command(i)))

    def service(self, path, command):
        os.mkdir(path)
        self.script(os.path.join(path, "run"), command)
        if self.logs:
            os.makedirs(os.path.join(path, "log", "main"))
            self.log_config(os.path.join(path, "log", "main"))
            self.script(os.path.join(path, "log", "run"), self.logger)

    def log_config(self, path):
        """What the logger wants to find in its directory."""

    def logs_kept(self):
        return len(glob.glob(os.path.join(self.services, "*", "log", "main", "current")))

    @staticmethod
    def script(path, command):
        with open(path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\nexec {command}\n")
        os.chmod(path, 0o755)


class S6(Scanned):
    name = "s6"
    needs = ("s6-svscan", "s6-supervise", "s6-log")
    logger = "s6-log -b t n3 s10485760 ./main"

    def launch(self):
        self.spawn(["s6-svscan", "-c", str(2 * self.n + 100), "-t", "0", self.services])

    def stop(self):
        signal_and_forget(self.children[0])


class Runit(Scanned):
    name = "runit"
    needs = ("runsvdir", "runsv", "svlogd")
    logger = "svlogd -tt main"

    def log_config(self, path):
        with open(os.path.join(path, "config"), "w", encoding="ascii") as f:
            f.write("s10485760\nn3\n")

    def prepare(self):
        super().prepare()
        time.sleep(2)  # it waits for a directory changed within this second to settle

    def launch(self):
        self.spawn(["runsvdir", self.services])

    def stop(self):
        signal_and_forget(self.children[0], signal.SIGHUP)


class Supervisord(Contender):
    name = "supervisord"
    needs = ("supervisord",)
    next_kill_s = 5  # it looks once a second, and whenever another one dies: a quicker pace would flatter it
    deaths_max = 20

    def prepare(self):
        self.conf = os.path.join(self.dir, "supervisord.conf")
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={self.dir}/pid\n"
                    f"minfds={4 * self.n + 100}\nchildlogdir={self.dir}\n")
            for i in range(self.n):
                f.write(f"[program:b{i}]\ncommand={' '.join(self.command(i))}\n")
                for out in ("stdout", "stderr"):
                    f.write(f"{out}_logfile={'AUTO' if self.logs else 'NONE'}\n")

    def launch(self):
        self.spawn(["supervisord", "-n", "-c", self.conf])

    def stop(self):
        signal_and_forget(self.children[0])


PEERS = (S6, Runit, Supervisord)
