# SPDX-License-Identifier: Apache-2.0
"""covey as a contender: a daemon out of a build directory with its own data_dir, run_dir and parent of cgroups.

Agents are one file each, with limits, the default seccomp profile and logs, restarted at once and for ever. `Covey`
takes the mount namespace out of the sandbox, which the floor has not either; `CoveyDefault` leaves every default as it
is.
"""
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request

from board import now_ns
from contender import Contender, Failed
import procs

READY_S = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Covey(Contender):
    name = "covey"
    sandbox = "{seccomp: default, read_only: [], private_tmp: no}"
    restart = "{when: always, initial: 0ms, limit: 0}"
    more = ""  # further keys of each agent's file, lines

    def prepare(self):
        self.port = free_port()
        self.conf = os.path.join(self.dir, "coveyd.yaml")
        self.agents = os.path.join(self.dir, "agents.d")
        self.run_dir = os.path.join(self.env.shm, f"run.{self.env.sessions}")  # tmpfs, as /run is on Debian
        self.socket = os.path.join(self.run_dir, "covey.sock")
        for d in (self.run_dir, *(os.path.join(self.dir, d) for d in ("data", "agents.d", "files"))):
            os.mkdir(d, 0o755)
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"node: {{name: bench}}\ndata_dir: {self.dir}/data\nrun_dir: {self.run_dir}\n"
                    f"agents_dir: {self.agents}\ncgroup: {{parent: {self.group}}}\n"
                    f"http: {{bind: 127.0.0.1:{self.port}}}\n")
        self.files = [self.agent_file(i) for i in range(self.n)]
        self.daemons = []
        self.start_daemon()

    def agent_name(self, i):
        return f"b{i}"

    def agent_file(self, i):
        path = os.path.join(self.dir, "files", f"{self.agent_name(i)}.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write(self.agent_text(i))
        return path

    def agent_text(self, i):
        return (f"name: {self.agent_name(i)}\ncommand: {json.dumps(self.command(i))}\n"
                f"resources: {{cpu: 0.5, memory: 64M, pids: 16}}\nsandbox: {self.sandbox}\n"
                f"restart: {self.restart}\n{self.more}")

    def launch_daemon(self):
        """exec of a new daemon; does not wait."""
        child = self.spawn([os.path.join(self.env.build, "coveyd"), "-c", self.conf], start_new_session=True)
        self.daemons.append(child)
        return child

    def start_daemon(self):
        child = self.launch_daemon()
        end = time.monotonic() + READY_S
        while self.covey("status", "--json", check=False).returncode != 0:
            if child.poll() is not None:
                self.fail(f"coveyd ended by itself, with {child.returncode}")
            if time.monotonic() > end:
                self.fail(f"coveyd did not answer in {READY_S} s")
            time.sleep(0.01)

    def daemon(self):
        return self.daemons[-1].pid

    def kill_daemon(self):
        self.daemons[-1].send_signal(signal.SIGKILL)
        self.daemons[-1].wait()

    def covey(self, *args, check=True, timeout=180):
        """The operator's command, waited for."""
        env = {**os.environ, "COVEY_SOCKET": self.socket}
        try:
            done = subprocess.run([os.path.join(self.env.build, "covey"), *args], env=env, capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"covey {args[0]} did not return in {timeout} s") from None
        if check and done.returncode != 0:
            raise Failed(f"covey {args[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done

    def status(self):
        """The document of `covey status --json`, or None while no daemon answers."""
        done = self.covey("status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def running(self):
        """pid by replica of all that the status shows running; None while no daemon answers."""
        doc = self.status()
        if doc is None:
            return None
        return {r["id"]: r["pid"] for a in doc["agents"] for r in a["replicas"] if r["state"] == "running"}

    def launch(self):
        self.covey("apply", "--timeout", "170s", *self.files)

    def stop(self):
        self.covey("stop", "--all", "--timeout", "170s")

    def scrape(self):
        """Reads /metrics as Prometheus does; how many bytes came."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            return len(answer.read())

    def readopt(self):
        """Kills the daemon; ms from the exec of a new one to the first status that shows all running as they were."""
        before = self.all_running()
        self.kill_daemon()
        t0 = now_ns()
        self.launch_daemon()
        end = time.monotonic() + READY_S
        after = None
        while after is None or len(after) < len(before):
            if time.monotonic() > end:
                self.fail(f"{len(after or ())} of {len(before)} shown running {READY_S} s after the restart")
            after = self.running()
        took = (now_ns() - t0) / 1e6
        if after != before:
            changed = sum(1 for k in before if after.get(k) != before[k])
            self.fail(f"{changed} replicas have another pid after the daemon's restart")
        return took

    def all_running(self):
        """running(), once that is all of them."""
        end = time.monotonic() + READY_S
        while len(found := self.running() or {}) < self.n:
            if time.monotonic() > end:
                self.fail(f"{len(found)} of {self.n} shown running")
            time.sleep(0.05)
        return found

    def shims(self):
        return [p for p in self.supervisors() if p != self.daemon()]

    @classmethod
    def ready(cls, build):
        return all(os.access(os.path.join(build, p), os.X_OK) for p in ("coveyd", "covey", "covey-shim"))


class CoveyDefault(Covey):
    """Every default of the sandbox, the read-only root and the private /tmp too."""

    name = "covey-default"

    def prepare(self):
        self.sandbox = f"{{writable: [{self.env.shm}]}}"
        super().prepare()


class CoveyTcp(Covey):
    """With a tcp liveness probe every 10 s."""

    more = "ports: {t: auto}\nhealth: {liveness: {tcp: {port: t}, every: 10s}}\n"

    def wait_healthy(self):
        """Until every probe has answered once."""
        end = time.monotonic() + READY_S
        while True:
            found = [r["health"] for a in self.status()["agents"] for r in a["replicas"]]
            if found.count("healthy") == self.n:
                return
            if time.monotonic() > end:
                self.fail(f"{found.count('healthy')} of {self.n} are healthy after {READY_S} s")
            time.sleep(0.5)
