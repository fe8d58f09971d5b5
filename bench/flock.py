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

from contender import Failed
from mp import Short, pack, unpack
import procs

READY_S = 30
ANSWER_S = 10
ALIVE, FAILED = "alive", "failed"


class Flock:
    """Members are numbered from 0; 0 is the one that the others are told to join."""

    name = ""
    needs = ()

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

    def listen(self, i):
        """A socket that becomes readable when something that tell() said arrives at member i."""
        raise NotImplementedError

    def heard(self, i):
        """The texts that arrived at member i since; called when that socket is readable."""
        raise NotImplementedError

    def tell(self, i, text):
        """Spreads a text from member i; returns at once."""
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
    def missing(cls):
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

    def listen(self, i):
        if not self.streams[i]:
            self.streams[i] = Rpc(17000 + i)
            self.streams[i].call("stream", {"Type": f"user:{self.event}"})
        return self.streams[i].sock

    def heard(self, i):
        events = [v for v in self.streams[i].waiting() if "Event" in v]
        return [e["Payload"] if isinstance(e["Payload"], str) else e["Payload"].decode() for e in events]

    def tell(self, i, text):
        self.rpc[i].call("event", {"Name": self.event, "Payload": text.encode(), "Coalesce": False})


FLOCKS = (Serf,)


def until_all(flock, members, is_so, bound_s, what):
    """Asks members until is_so(view) of each: {member: when}. Those that are done are not asked again."""
    found, end = {}, time.monotonic() + bound_s
    while len(found) < len(members):
        for i in members:
            if i not in found and is_so(flock.view(i)):
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
            for key, _ in sel.select(0.1):
                at = time.monotonic()
                if text in flock.heard(key.data):
                    found.setdefault(key.data, at)
    return found
