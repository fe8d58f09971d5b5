# SPDX-License-Identifier: Apache-2.0
"""Who is measured as a cluster that decides: a small flock each of whose members votes.

Deciders say how they are formed and how a client has something decided; decisions.py measures. A decision is a value of
1 KiB that was not there before, answered once it is on disk at a majority. A client is one connection that stays open,
with requests made in advance: what a client costs is the same few system calls for both.
"""
import struct
import time

from contender import Failed
from control import Control, HEAD, LAST
import flock
from grpc import Grpc, blob, numbers
from mp import pack, unpack

VALUE_BYTES = 1024
MARK = b"#" * 12  # the place of a number, other in each decision
FORM_S = 60
VOTERS_MAX = 5
CROWD_S = 300
PUT, STATUS = "/etcdserverpb.KV/Put", "/etcdserverpb.Maintenance/Status"


class CoveyClient:
    """Changes one agent's definition again and again: one that runs nothing."""

    def __init__(self, path, agent):
        self.control = Control(path, flock.ANSWER_S)
        self.sock, self.sent, self.refusal = self.control.sock, 0, None
        text = f"name: {agent}\nreplicas: 0\ncommand: [/bin/true]\nenv: {{N: \"{MARK.decode()}\"}}\n# "
        text += "x" * (VALUE_BYTES - len(text))
        body = pack({"v": 1, "verb": "apply", "args": {"files": [{"name": "bench", "text": text}]}})
        self.before, self.after = body.split(MARK)
        self.head = struct.pack(">BQ", 1, len(body) + 4)

    def ask(self):
        """For a decision; does not wait."""
        self.control.id += 1
        self.sent += 1
        self.sock.sendall(self.head + struct.pack(">I", LAST | self.control.id) + self.before + b"%012d" % self.sent
                          + self.after)

    def again(self):
        """Nothing came for a while: the daemon that was asked sees to that."""

    def hear(self):
        """Once something has come: True, decided; False, refused; None, neither yet."""
        buf = self.control.buf
        more = self.sock.recv(65536)
        if not more:
            raise ConnectionError("closed by coveyd")
        buf += more
        if len(buf) < HEAD or len(buf) < HEAD - 4 + int.from_bytes(buf[1:9], "big"):
            return None
        is_ok = b"\xa2ok\xc3" in buf[HEAD:HEAD + 32]
        self.refusal = None if is_ok else unpack(buf, HEAD)[0].get("error")
        buf.clear()  # nobody asks before the answer
        return is_ok


class EtcdClient:
    """Puts one key again and again."""

    def __init__(self, port, key):
        self.grpc = Grpc(port, flock.ANSWER_S)
        self.sock, self.sent, self.refusal, self.asked = self.grpc.sock, 0, None, set()
        self.headers = self.grpc.headers(PUT)
        self.before = blob(1, key.encode()) + blob(2, b"x" * (VALUE_BYTES - len(MARK)) + MARK)[:-len(MARK)]

    def ask(self):
        self.sent += 1
        self.asked.add(self.grpc.ask(self.headers, self.before + b"%012d" % self.sent))

    def again(self):
        """What was given to a leader that died is answered after seconds: so another one is asked for beside it."""
        self.ask()

    def hear(self):
        heard = [message is not None for stream, message in self.grpc.read() if stream in self.asked]
        if not heard:
            return None
        self.refusal = None if any(heard) else "a put was refused"
        if any(heard):
            self.asked.clear()  # what is still to come is no decision more
        return any(heard)


class Decider:
    """What is more than a flock's."""

    def form(self):
        """Until all vote."""
        for i in range(self.n):
            self.launch(i)
        for i in range(self.n):
            self.ready(i)
        flock.until_all(self, range(self.n), self.has_formed, FORM_S, "know who votes")

    def has_formed(self, i):
        """Member i knows all voters, and whatever leads them."""
        raise NotImplementedError

    def leader(self):
        """The member whose clients are served best; None: all are alike."""
        return None

    def client(self, i, name):
        """One connection to member i, which decides of `name`."""
        raise NotImplementedError

    def decide(self, client):
        """One decision, waited for: ms."""
        t0 = time.perf_counter()
        client.ask()
        while (is_decided := client.hear()) is None:
            pass
        if not is_decided:
            raise Failed(f"{self.name}: {client.refusal}")
        return (time.perf_counter() - t0) * 1000

    def begin_again(self, i):
        """Starts a member that was killed, and waits until it takes part."""
        self.children[i].wait()
        self.launch(i)
        self.ready(i)
        flock.until_all(self, range(self.n), self.has_formed, FORM_S, "know who votes")
        self.decide(self.client(i, "again"))


class Covey(Decider, flock.Covey):
    """Nothing set but what a flock has."""

    founded = False

    def connect(self, i):
        self.control[i] = Control(self.socket_path(i), flock.ANSWER_S)
        if i == 0 and not self.founded:
            self.control[i].call("init")
            self.founded = True

    def socket_path(self, i):
        return f"{self.run_dir}/{i}/covey.sock"

    def has_formed(self, i):
        said = self.control[i].call("voters")
        voters = min(self.n - (self.n % 2 == 0), VOTERS_MAX)
        return (len(said["voters"]) == voters and "?" not in said["voters"] and "under way" not in said["text"]
                and self.alive(i) == self.n)

    def client(self, i, name):
        return CoveyClient(self.socket_path(i), name)

    def keep_agents(self, n):
        """n agents that run, each under a lease."""
        for i in range(n):
            text = (f"name: single{i}\nkind: singleton\ncommand: [/bin/sleep, \"100000\"]\n"
                    f"sandbox: {{read_only: [], private_tmp: no, seccomp: off}}\n")
            self.control[i % self.n].call("apply", files=[{"name": "bench", "text": text}])
        flock.until_all(self, range(self.n), lambda i: self.running(i) == n, FORM_S, f"see {n} agents running")

    def keep_crowd(self, agents, replicas):
        """So many agents of so many replicas each, which go on where they are cut off."""
        for i in range(agents):
            text = (f"name: crowd{i}\nreplicas: {replicas}\ncommand: [/bin/sleep, \"100000\"]\n"
                    f"sandbox: {{read_only: [], private_tmp: no, seccomp: off}}\n")
            self.control[i % self.n].call("apply", files=[{"name": "bench", "text": text}])
        flock.until_all(self, range(self.n), lambda i: self.running(i) == agents * replicas, CROWD_S,
                        f"see {agents * replicas} replicas running")

    def state(self, i):
        """Of all agents, as member i knows them: what changes when something is decided or started."""
        agents = self.control[i].call("status")["agents"]
        return sorted((a["name"], a["decision"], r["id"], r["node"], r["restarts"], r["since"])
                      for a in agents for r in a["replicas"])

    def running(self, i):
        return sum(a["running"] for a in self.control[i].call("status")["agents"])


class Etcd(Decider, flock.Flock):
    """Debian's etcd with the flags that name its members, and no others."""

    name = "etcd"
    needs = ("etcd",)

    def __init__(self, env, n):
        super().__init__(env, n)
        self.control, self.ids = [None] * n, [None] * n

    def command(self, i):
        client, peer = f"http://127.0.0.1:{7000 + i}", f"http://127.0.0.1:{8000 + i}"
        every = ",".join(f"{self.member(k)}=http://127.0.0.1:{8000 + k}" for k in range(self.n))
        return ["etcd", "--name", self.member(i), "--data-dir", self.member(i), "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", every, "--initial-cluster-token", "bench"]

    def connect(self, i):
        self.control[i] = Grpc(7000 + i, flock.ANSWER_S)

    def has_formed(self, i):
        """It knows a leader, and has all that was decided."""
        said = self.control[i].call(STATUS)
        self.ids[i] = numbers(said[1])[2]
        return said.get(4, 0) != 0 and said.get(7, 0) == said.get(5, -1)

    def leader(self):
        leads = self.control[0].call(STATUS)[4]
        for i in range(self.n):
            if not self.ids[i]:
                self.has_formed(i)
        return self.ids.index(leads)

    def client(self, i, name):
        return EtcdClient(7000 + i, name)

    def keep_agents(self, n):
        """It runs none."""


DECIDERS = (Etcd, Covey)
