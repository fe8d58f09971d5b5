# SPDX-License-Identifier: Apache-2.0
"""Who is measured as a flock: N daemons of one kind in one network namespace, that find each other.

A flock says how its members are started and how one asks them; gossip.py measures. All questions go over connections
that stay open, so that no process is started while a clock runs.
"""
import os
import selectors
import shutil
import signal
import socket
import subprocess
import time

import cgroups
from contender import Failed
from control import Control
from mp import Short, pack, unpack
import procs

READY_S = 30
ANSWER_S = 10
ALIVE, FAILED = "alive", "failed"


class Flock:
    """Members are numbered from 0; 0 is the one that the others are told to join."""

    name = ""
    needs = ()
    rows = None  # names before the number, where it is not all of them

    def __init__(self, env, n):
        env.sessions += 1
        self.env, self.n = env, n
        self.dir = os.path.join(env.root, f"{env.sessions}-{self.name}")
        os.mkdir(self.dir, 0o755)
        self.children = [None] * n

    # What a flock says about itself.
    def command(self, i):
        """argv of member i."""
        raise NotImplementedError

    def connect(self, i):
        """A connection to member i's own interface; OSError while it does not answer."""
        raise NotImplementedError

    def view(self, i):
        """{name: state} as member i says, with ALIVE and FAILED for what is so by its own word."""
        raise NotImplementedError

    def counts(self, i):
        """The same in short: how many are alive (a suspect is not), and how many have failed."""
        raise NotImplementedError

    def alive(self, i):
        """The first of these alone, where that is less work."""
        return self.counts(i)[0]

    def links(self):
        """How many links there are, counted at both ends; None: it has none that stay."""
        return None

    def before_texts(self):
        """What must be there before tell()."""

    def before_text(self, i):
        """The next one will be from member i."""

    def listen(self, i):
        """A socket that becomes readable when something that tell() said arrives at member i."""
        raise NotImplementedError

    def look(self):
        """Called again and again while it is listened: seconds until it wants to be."""
        return 0.1

    def heard(self, i):
        """The texts that arrived at member i since; called when that socket is readable."""
        raise NotImplementedError

    def tell(self, i, text):
        """Spreads a text from member i; returns at once when it began."""
        raise NotImplementedError

    # What is done with it.
    def member(self, i):
        return f"n{i}"

    def launch(self, i):
        with open(os.path.join(self.dir, f"{i}.log"), "ab") as log:
            self.children[i] = subprocess.Popen(self.command(i), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                cwd=self.dir)
        return time.monotonic()

    def ready(self, i):
        """Waits until member i answers."""
        end = time.monotonic() + READY_S
        while True:
            try:
                self.connect(i)
                return
            except OSError as e:
                if self.children[i].poll() is not None:
                    raise Failed(f"{self.name}: {self.member(i)} ended: {self.said(i)}") from None
                if time.monotonic() > end:
                    raise Failed(f"{self.name}: {self.member(i)} does not answer in {READY_S} s: {e}") from None
                time.sleep(0.005)

    def said(self, i):
        with open(os.path.join(self.dir, f"{i}.log"), encoding="utf-8", errors="replace") as f:
            return " / ".join(f.read().strip().splitlines()[-3:])

    def kill(self, i):
        self.children[i].send_signal(signal.SIGKILL)
        t0 = time.monotonic()
        self.children[i].wait()
        return t0

    def pids(self):
        return [c.pid for c in self.children if c and c.poll() is None]

    def end(self):
        left = procs.kill_tree(self.env.guard, {self.env.worker})
        for c in self.children:
            if c and c.pid not in left:
                c.wait()
        if not self.env.verbose:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    @classmethod
    def missing(cls, _build):
        """What it cannot be without."""
        return [p for p in cls.needs if shutil.which(p) is None]


class Rpc:
    """serf's RPC: pairs of msgpack maps, a header and what the command wants."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self.buf, self.seq = bytearray(), 0
        self.call("handshake", {"Version": 1})

    def read(self):
        """The next value, waited for."""
        while True:
            try:
                v, n = unpack(self.buf)
                del self.buf[:n]
                return v
            except Short:
                more = self.sock.recv(65536)
                if not more:
                    raise ConnectionError("closed by serf") from None
                self.buf += more

    def call(self, command, body=None, answers=False):
        self.seq += 1
        self.sock.sendall(pack({"Command": command, "Seq": self.seq}) + (pack(body) if body is not None else b""))
        head = self.read()
        if head["Error"]:
            raise Failed(f"serf: {command}: {head['Error']}")
        return self.read() if answers else None

    def waiting(self):
        """What a stream brought, without waiting for more: values that are whole."""
        found = []
        self.buf += self.sock.recv(65536)
        while True:
            try:
                v, n = unpack(self.buf)
            except Short:
                return found
            del self.buf[:n]
            found.append(v)


class Serf(Flock):
    """The packaged serf, profile lan, no encryption. Whom it joins may be started later: it is tried again after a
    second, not after the 30 that are serf's default.
    """

    name = "serf"
    needs = ("serf",)
    event = "bench"

    def __init__(self, env, n):
        super().__init__(env, n)
        self.rpc, self.streams = [None] * n, [None] * n

    def command(self, i):
        return ["serf", "agent", f"-node={self.member(i)}", f"-bind=127.0.0.1:{7000 + i}",
                f"-rpc-addr=127.0.0.1:{17000 + i}", "-profile=lan", "-log-level=err", "-retry-join=127.0.0.1:7000",
                "-retry-interval=1s"]

    def connect(self, i):
        self.rpc[i] = Rpc(17000 + i)

    def view(self, i):
        return {m["Name"]: m["Status"] for m in self.rpc[i].call("members", answers=True)["Members"]}

    def counts(self, i):
        said = self.rpc[i].call("stats", answers=True)["serf"]
        return int(said["members"]) - int(said["failed"]) - int(said["left"]), int(said["failed"])

    def listen(self, i):
        if not self.streams[i]:
            self.streams[i] = Rpc(17000 + i)
            self.streams[i].call("stream", {"Type": f"user:{self.event}"})
        return self.streams[i].sock

    def heard(self, i):
        events = [v for v in self.streams[i].waiting() if "Event" in v]
        return [e["Payload"] if isinstance(e["Payload"], str) else e["Payload"].decode() for e in events]

    def tell(self, i, text):
        t0 = time.monotonic()
        self.rpc[i].call("event", {"Name": self.event, "Payload": text.encode(), "Coalesce": False})
        return t0


class Covey(Flock):
    """Profile lan, no encryption, as serf. The first member founds as soon as it answers; what it takes is in the
    figure. A text is a change of how many replicas an agent is to have that is stopped, made durable by its node and
    then told; others are asked for it and answer when they know.
    """

    name = "covey"
    profile, security = "lan", "insecure: yes"
    LOOK_MS = 2000

    def __init__(self, env, n):
        super().__init__(env, n)
        self.run_dir = os.path.join(env.shm, f"flock.{env.sessions}")  # tmpfs, as /run is on Debian
        self.group = f"{env.group}.{env.sessions}"
        self.control, self.asked, self.idle = [None] * n, [None] * n, set()
        self.teller, self.text, self.decision, self.wanted = 0, None, 0, 1
        for i in range(n):
            for d in (self.of(i, "data"), self.of(i, "agents.d"), os.path.join(self.run_dir, str(i))):
                os.makedirs(d)
            self.configure(i)

    def of(self, i, name):
        return os.path.join(self.dir, str(i), name)

    def configure(self, i):
        with open(self.of(i, "coveyd.yaml"), "w", encoding="ascii") as f:
            f.write(f"node: {{name: {self.member(i)}}}\ndata_dir: {self.of(i, 'data')}\n"
                    f"run_dir: {self.run_dir}/{i}\nagents_dir: {self.of(i, 'agents.d')}\n"
                    f"cgroup: {{parent: {self.group}.{i}}}\nhttp: {{bind: none}}\n"
                    f"gossip:\n  bind: 127.0.0.1:{7000 + i}\n  join: [127.0.0.1:7000]\n  profile: {self.profile}\n"
                    f"  {self.security}\n{self.more(i)}")

    def more(self, _i):
        """Further sections of member i's file."""
        return ""

    def command(self, i):
        return [os.path.join(self.env.build, "coveyd"), "-c", self.of(i, "coveyd.yaml")]

    def connect(self, i):
        self.control[i] = Control(os.path.join(self.run_dir, str(i), "covey.sock"), ANSWER_S)
        if i == 0:
            self.control[i].call("init")

    def view(self, i):
        return {m["name"]: FAILED if m["state"] == "dead" else m["state"]
                for m in self.control[i].call("nodes")["nodes"]}

    def counts(self, i):
        said = self.control[i].call("top")["gossip"]
        return said["alive"], said["dead"]

    def alive(self, i):
        return self.control[i].call("status", brief=True)["cluster"]["alive"]

    def links(self):
        return sum(c.call("top")["gossip"]["links"] for c in self.control)

    def before_texts(self):
        """Each member has an agent, stopped, and every one has heard of all of them."""
        for i in range(self.n):
            text = (f"name: bench{i}\ncommand: [/bin/sleep, \"1000\"]\nstop: {{signal: KILL}}\n"
                    f"sandbox: {{read_only: [], private_tmp: no, seccomp: off}}\n")
            self.control[i].call("apply", files=[{"name": "bench", "text": text}])
            self.control[i].call("stop", target=f"bench{i}")
        until_all(self, range(self.n), self.has_all, READY_S, "have heard of all agents")

    def has_all(self, i):
        return sum(a["stopped"] for a in self.control[i].call("status")["agents"]) == self.n

    def listen(self, i):
        if not self.asked[i]:
            self.asked[i] = Control(os.path.join(self.run_dir, str(i), "covey.sock"), ANSWER_S)
            self.idle.add(i)
        return self.asked[i].sock

    def look(self):
        asked = self.idle - {self.teller}
        for i in asked:
            self.asked[i].ask("status", agent=f"bench{self.teller}", brief=True, newer_than=self.decision - 1,
                              wait_ms=self.LOOK_MS)
        self.idle -= asked
        return super().look()

    def heard(self, i):
        agents = self.asked[i].answer()["agents"]
        self.idle.add(i)
        is_there = agents and agents[0]["name"] == f"bench{self.teller}" and agents[0]["decision"] >= self.decision
        return [self.text] if is_there else []

    def before_text(self, i):
        self.teller = i
        self.decision = self.control[i].call("status", agent=f"bench{i}")["agents"][0]["decision"] + 1
        self.look()

    def tell(self, i, text):
        self.text, self.wanted = text, 3 - self.wanted
        t0 = time.monotonic()
        self.control[i].ask("scale", agent=f"bench{i}", n=self.wanted)
        return t0

    def end(self):
        super().end()
        for i in range(self.n):
            cgroups.remove(f"{self.group}.{i}")
        shutil.rmtree(self.run_dir, ignore_errors=True)

    @classmethod
    def missing(cls, build):
        return [p for p in ("coveyd", "covey") if not os.access(os.path.join(build, p), os.X_OK)]


class CoveyTls(Covey):
    """With a certificate each."""

    name = "covey-tls"
    security = "insecure: no"

    def more(self, i):
        pki = os.path.join(self.env.root, "pki")
        name = self.member(i)
        for path, args in (("ca.pem", ("init",)), (f"{name}.pem", ("issue", name))):
            if not os.path.exists(os.path.join(pki, path)):
                subprocess.run([os.path.join(self.env.build, "covey"), "pki", *args, "--dir", pki], check=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return f"tls: {{ca: {pki}/ca.pem, cert: {pki}/{name}.pem, key: {pki}/{name}.key}}\n"


class CoveyWan(Covey):
    """Profile wan: what it costs when nothing happens."""

    name = "covey-wan"
    profile = "wan"
    rows = ("bytes", "cpu")


FLOCKS = (Serf, Covey, CoveyTls, CoveyWan)


def until_all(flock, members, is_so, bound_s, what):
    """Asks members until is_so(i) of each: {member: when}. Those that are done are not asked again."""
    found, end = {}, time.monotonic() + bound_s
    while len(found) < len(members):
        for i in members:
            if i not in found and is_so(i):
                found[i] = time.monotonic()
        if len(found) < len(members):
            if time.monotonic() > end:
                raise Failed(f"{flock.name}: after {bound_s} s {len(found)} of {len(members)} {what}")
            time.sleep(0.005)
    return found


def until_heard(flock, members, text, bound_s):
    """When the text arrived at each of members that heard it in time."""
    found, end = {}, time.monotonic() + bound_s
    with selectors.DefaultSelector() as sel:
        for i in members:
            sel.register(flock.listen(i), selectors.EVENT_READ, i)
        while len(found) < len(members) and time.monotonic() < end:
            for key, _ in sel.select(flock.look()):
                at = time.monotonic()
                if text in flock.heard(key.data):
                    found.setdefault(key.data, at)
    return found
