# SPDX-License-Identifier: Apache-2.0
"""Daemons, one on each host of a bed's network, each with its own data_dir, run_dir and parent of cgroups: started,
killed, paused, asked. Whatever they leave is ended and removed with the fleet.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.append(os.path.join(TOP, "bench"))

import cgroups  # noqa: E402
from contender import Failed  # noqa: E402
from control import Control  # noqa: E402
import procs  # noqa: E402
from net import Net  # noqa: E402

BOUND_S = 60 * max(1, int(os.environ.get("COVEY_TEST_SLOWDOWN", "1")))
PORT = 7947
ANSWER_S = 10


class FleetError(AssertionError):
    """A daemon did not do what every daemon must."""


def wait_for(condition, what, bound_s=BOUND_S, each_s=0.02):
    """Until condition() is true: what it said. For an event, never for a time."""
    end = time.monotonic() + bound_s
    while not (found := condition()):
        if time.monotonic() > end:
            raise FleetError(f"waited {bound_s} s for: {what}")
        time.sleep(each_s)
    return found


def voters_of(members):
    """How many vote where the cluster is to choose."""
    return min(members - (members % 2 == 0), 5)


def reap():
    """All that ended and are ours, those that came to us among them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass


class Node:
    """One daemon. gossip: lines of that section, or None."""

    def __init__(self, fleet, i):
        self.fleet, self.i, self.name = fleet, i, f"n{i}"
        self.address = fleet.net.address(i)
        self.dir = os.path.join(fleet.dir, self.name)
        self.run_dir = os.path.join(self.dir, "run")
        self.socket = os.path.join(self.run_dir, "covey.sock")
        self.log_path = os.path.join(self.dir, "coveyd.log")
        self.group = f"{fleet.net.name}-{i}"
        self.child = self.control = None
        for d in ("data", "run", "agents.d"):
            os.makedirs(os.path.join(self.dir, d))

    def configure(self, gossip=None, more="", name=None):
        with open(os.path.join(self.dir, "coveyd.yaml"), "w", encoding="ascii") as f:
            f.write(f"node: {{name: {name or self.name}, labels: {{host: {self.name}}}}}\n"
                    f"data_dir: {self.dir}/data\nrun_dir: {self.run_dir}\n"
                    f"agents_dir: {self.dir}/agents.d\ncgroup: {{parent: {self.group}}}\n"
                    f"http: {{bind: 127.0.0.1:7948}}\n{more}")
            if gossip is not None:
                f.write("gossip:\n" + "".join(f"  {line}\n" for line in gossip))

    @property
    def pid(self):
        return self.child.pid if self.child else 0

    def launch(self):
        """Does not wait. nsenter becomes the daemon: the pid is its own."""
        argv = [os.path.join(self.fleet.build, "coveyd"), "-c", os.path.join(self.dir, "coveyd.yaml")]
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.fleet.net.enter(self.i, argv), stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, cwd=self.dir, start_new_session=True)

    def start(self):
        self.launch()
        self.wait_answers()

    def wait_answers(self):
        def answers():
            if self.child.poll() is not None:
                raise FleetError(f"{self.name} ended with {self.child.returncode}: {self.log()[-800:]}")
            return self.status()

        return wait_for(answers, f"{self.name} to answer")

    def send(self, sig):
        os.kill(self.pid, sig)

    def kill(self, sig=signal.SIGKILL):
        """And waits for its end."""
        self.send(sig)
        self.child.wait(BOUND_S)
        self.child = self.control = None

    def pause(self):
        self.send(signal.SIGSTOP)
        wait_for(lambda: (procs.stat(self.pid) or " ?")[1] == "T", f"{self.name} to be stopped")

    def resume(self):
        self.send(signal.SIGCONT)

    def covey(self, *args, check=True, timeout=BOUND_S):
        """The operator's command on this host: how it ended."""
        argv = [os.path.join(self.fleet.build, "covey"), "--socket", self.socket, *args]
        done = subprocess.run(self.fleet.net.enter(self.i, argv), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise FleetError(f"{self.name}: covey {' '.join(args)}: {done.returncode}: {done.stderr.strip()}")
        return done

    def json(self, *args, **more):
        """A reading command's document; None when nobody answers."""
        done = self.covey(*args, "--json", check=False, **more)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status(self):
        return self.json("status")

    def ask(self, verb, **args):
        """A verb's result, over a connection that stays open; None when nobody answers. Failed: it is refused."""
        try:
            self.control = self.control or Control(self.socket, ANSWER_S)
            return self.control.call(verb, **args)
        except OSError:
            self.control = None
            return None

    def refusal(self, verb, **args):
        """Why it is refused."""
        try:
            raise FleetError(f"{self.name}: {verb} is not refused: {self.ask(verb, **args)}")
        except Failed as e:
            return str(e)

    def members(self):
        """{name: state} as this node sees them."""
        doc = self.ask("nodes")
        return {m["name"]: m["state"] for m in doc["nodes"]} if doc else {}

    def cluster(self):
        """What `covey status` says of the cluster."""
        return (self.ask("status") or {"cluster": {"text": None, "id": None}})["cluster"]

    def events(self, kind=None, *parts):
        """Events so far, oldest first, of that kind and with these words in it."""
        found = (self.ask("events") or {"events": []})["events"]
        return [e for e in found if kind in (None, e["kind"]) and all(p in e["text"] for p in parts)]

    def wait_event(self, kind, *parts):
        """The last such event, once there is one."""
        return wait_for(lambda: self.events(kind, *parts), f"{self.name} to tell '{kind}' with {parts}")[-1]

    def metric(self, name):
        """Of a name without labels; None: it has none."""
        with self.fleet.net.inside(self.i), urllib.request.urlopen("http://127.0.0.1:7948/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        found = [x for x in lines if x.startswith((f"{name}{{", f"{name} "))]
        return float(found[0].split()[-1]) if found else None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def pss(self):
        return procs.pss([self.pid])

    def cpu_ns(self):
        return procs.cpu_ns([self.pid])


class Fleet:
    """N daemons; `with` ends all of it."""

    def __init__(self, build, n):
        procs.become_subreaper()
        self.build, self.net = os.path.abspath(build), Net(n)
        self.dir = tempfile.mkdtemp(prefix="covey-fleet-")
        os.chmod(self.dir, 0o755)
        self.nodes = [Node(self, i) for i in self.net.hosts()]

    def node(self, i):
        return self.nodes[i - 1]

    def join_list(self, seeds=3):
        """The gossip section that is the same on every host but for its own address."""
        return "join: [" + ", ".join(f"{x.address}:{PORT}" for x in self.nodes[:seeds]) + "]"

    def form(self, nodes=None, seeds=3, **more):
        """Configures and starts them, founds on the first, and waits until all see all and what they have to offer, and
        as many vote as are to.
        """
        nodes = nodes or self.nodes
        for node in nodes:
            node.configure(gossip=self.gossip(node, seeds), **more)
        self.start(nodes)
        nodes[0].ask("init")
        self.wait_seen({node.name: "alive" for node in nodes}, nodes)
        wait_for(lambda: all(m["capacity"]["memory_bytes"] for node in nodes for m in node.ask("nodes")["nodes"]),
                 "each to know what each has to offer")
        self.wait_voters(voters_of(len(nodes)), nodes)

    def wait_voters(self, n, by=None):
        """Until each of `by` knows of so many that vote, of the same, and of no change under way: their names."""
        def agree():
            said = [node.ask("voters") or {"voters": [], "text": ""} for node in by or self.nodes]
            seen = [sorted(s["voters"]) for s in said]
            if any("under way" in s["text"] for s in said):  # those before it are needed too
                return None
            return seen[0] if all(s == seen[0] for s in seen) and len(seen[0]) == n else None

        return wait_for(agree, f"{n} voters", 2 * BOUND_S)  # whose disk stalls is asked again, later and later

    def wait_seen(self, states, by=None, bound_s=BOUND_S):
        """Until each of `by` sees these members in these states ("gone": not at all)."""
        by = by or self.nodes

        def agree():
            seen = [node.members() for node in by]
            return all(m.get(name, "gone") == state for m in seen for name, state in states.items())

        try:
            wait_for(agree, f"{', '.join(n.name for n in by)} to see {states}", bound_s)
        except FleetError as e:
            raise FleetError(f"{e}; they see {[node.members() for node in by]}") from None

    def stood_still(self, nodes=None):
        """Whether one of these daemons was late by half a beat since it began: others may have missed it then, and be
        right to say so; a lease may have run out.
        """
        late = [n.name for n in nodes or self.nodes if n.child and n.metric("covey_gossip_late_total")]
        if late:
            print(f"      stood still for a while: {', '.join(late)}", flush=True)
        return bool(late)

    def wait_linked(self):
        """Until each has a link to each: of a few hosts, those that can be dialled. Then all is as it will be."""
        n = len(self.nodes) - 1
        wait_for(lambda: all(x.ask("top")["gossip"]["links"] == n for x in self.nodes), "all to be linked")

    def gossip(self, node, seeds=3, more=("insecure: yes",)):
        return [f"bind: {node.address}:{PORT}", self.join_list(seeds), *more]

    def start(self, nodes=None):
        """Launches all, then waits until all answer."""
        for node in nodes or self.nodes:
            node.launch()
        for node in nodes or self.nodes:
            node.wait_answers()

    def sent(self, seconds):
        """Bytes a second that each host sends, at the level of IP, over so long."""
        before, t0 = self.net.sent(), time.monotonic()
        time.sleep(seconds)
        after, took = self.net.sent(), time.monotonic() - t0
        return {i: (after[i][0] - before[i][0]) / took for i in after}

    def end(self):
        """Ends and removes everything; [what could not be]."""
        for node in self.nodes:
            if node.child and node.child.poll() is None:
                node.resume()
        left = [f"process {p} ({c})" for p, c in procs.kill_tree(os.getpid(), reap=reap).items()]
        for node in self.nodes:
            if node.child:
                node.child.wait(5)
        reap()
        for node in self.nodes:
            left += cgroups.remove(node.group)
        self.net.down()
        return left

    def __enter__(self):
        try:
            self.net.up()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, fault, trace):
        left = self.end()
        if fault is not None and isinstance(fault, Exception):
            for node in self.nodes:
                if os.path.exists(node.log_path):
                    print(f"-- {node.name}:\n{node.log()[-2000:]}", file=sys.stderr)
        odd = [f"{n.name}: {line}" for n in self.nodes if os.path.exists(n.log_path)
               for line in n.log().splitlines() if "(null)" in line]
        shutil.rmtree(self.dir, ignore_errors=True)
        if odd and fault is None:
            raise FleetError(f"said without a text: {odd[0]}")
        if left and fault is None:
            raise FleetError(f"left behind: {', '.join(left[:5])}")
