# SPDX-License-Identifier: Apache-2.0
"""N hosts on one switch: a network namespace each, and one more for the bridge that they hang on, so that nothing of it
is on the host's own network and any number of beds run beside each other. All names carry the pid.

Cuts, one way or both, and loss are rules of nft in the bridge's namespace and concern IP alone: an address stays known
to its neighbours, as it does on a switch. A link that is down loses everything, without a FIN.
"""
import contextlib
import ctypes
import json
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000
ETHERNET_BYTES = 14
FIRST_IN_NET = 250
libc = ctypes.CDLL(None, use_errno=True)


class NetError(Exception):
    """A command of the bed's failed."""


def run(argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def missing():
    """What this host lacks for a bed; "" when nothing."""
    if os.geteuid() != 0:
        return "root, for network namespaces"
    for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux")):
        if not any(os.access(os.path.join(d, program), os.X_OK) for d in os.get_exec_path()):
            return f"{program} (Debian package {package})"
    probe = f"cv{os.getpid()}-probe"
    try:
        run(["ip", "netns", "add", probe])
    except NetError as e:
        return f"network namespaces ({e})"
    try:
        run(["ip", "-n", probe, "link", "add", "br0", "type", "bridge"])
        enter = ["nsenter", f"--net=/run/netns/{probe}", "nft", "-f", "-"]
        run(enter, "table bridge t {\nchain c {\ntype filter hook forward priority 0\n"
                   "numgen random mod 2 < 1 drop\n}\n}\n")
    except NetError as e:
        return f"a bridge with nft in it ({e})"
    finally:
        run(["ip", "netns", "del", probe])
    return ""


class Net:
    """Hosts are numbered from 1."""

    def __init__(self, n):
        self.n, self.name, self.made = n, f"cv{os.getpid()}", False
        self.bridge = f"{self.name}-br"
        self.cuts, self.losses = [], {}  # [(from, to)] of sets of hosts; {host: percent}

    def ns(self, i):
        return f"{self.name}-{i}"

    @staticmethod
    def address(i):
        return f"10.99.{i // FIRST_IN_NET}.{i % FIRST_IN_NET + 1}"

    def hosts(self):
        return range(1, self.n + 1)

    def up(self):
        self.made = True
        lines = [f"netns add {self.bridge}", *(f"netns add {self.ns(i)}" for i in self.hosts())]
        run(["ip", "-batch", "-"], "\n".join(lines))
        self._quiet()
        lines = ["link add br0 type bridge mcast_snooping 0", "link set br0 up"]
        for i in self.hosts():
            lines += [f"link add p{i} type veth peer name eth0 netns {self.ns(i)}", f"link set p{i} master br0 up"]
        run(["ip", "-n", self.bridge, "-batch", "-"], "\n".join(lines))
        for i in self.hosts():
            lines = ["link set lo up", f"addr add {self.address(i)}/16 dev eth0", "link set eth0 up"]
            run(["ip", "-n", self.ns(i), "-batch", "-"], "\n".join(lines))
        self._rules()

    def _quiet(self):
        """No IPv6: its neighbours' talk would be counted."""
        for i in self.hosts():
            with self.inside(i), contextlib.suppress(FileNotFoundError):
                with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w",
                          encoding="ascii") as f:
                    f.write("1")

    def down(self):
        """Removes all that up() made. Whoever is in a namespace must be gone, or it stays until then."""
        if not self.made:
            return
        have = {line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip()}
        for name in [self.bridge, *map(self.ns, self.hosts())]:
            if name in have:
                run(["ip", "netns", "del", name])
        self.made = False

    # -- what happens to the network ---------------------------------------------------------------------------

    def cut(self, one, other, both_ways=True):
        """From now on nothing goes from these hosts to those, or neither way. Each is a host or several."""
        one, other = ([x] if isinstance(x, int) else list(x) for x in (one, other))
        self.cuts += [(one, other)] + ([(other, one)] if both_ways else [])
        self._rules()

    def lose(self, percent, hosts=None):
        """That share of what these hosts send is lost; of all hosts when none is named."""
        self.losses.update({i: percent for i in hosts or self.hosts()})
        self._rules()

    def heal(self):
        self.cuts, self.losses = [], {}
        self._rules()
        for i in self.hosts():
            self.link(i, True)

    def link(self, i, is_up):
        run(["ip", "-n", self.bridge, "link", "set", f"p{i}", "up" if is_up else "down"])

    def _rules(self):
        def ports(hosts):
            return "{ " + ", ".join(f'"p{i}"' for i in hosts) + " }"

        rules = [f"iifname {ports(a)} oifname {ports(b)} drop" for a, b in self.cuts if a and b]
        by_percent = {}
        for i, percent in self.losses.items():
            by_percent.setdefault(percent, []).append(i)
        rules += [f"iifname {ports(hosts)} numgen random mod 1000 <= {round(percent * 10) - 1} drop"
                  for percent, hosts in by_percent.items() if percent]
        text = ("table bridge bed\ndelete table bridge bed\n"  # all of it in one transaction
                "table bridge bed {\nchain forward {\ntype filter hook forward priority 0\npolicy accept\n" +
                "\n".join(["ether type arp accept", *rules]) + "\n}\n}\n")
        run(self.enter(0, ["nft", "-f", "-"]), text)

    # -- who is inside ------------------------------------------------------------------------------------------

    def enter(self, i, argv):
        """The command as one that runs on host i (0: the bridge). Files and cgroups are the host's own."""
        return ["nsenter", f"--net=/run/netns/{self.ns(i) if i else self.bridge}", "--", *argv]

    @contextlib.contextmanager
    def inside(self, i):
        """This thread is on host i: sockets made here are that host's, and stay so."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.ns(i)}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(there, CLONE_NEWNET) != 0:
                raise NetError(f"setns: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                if libc.setns(own, CLONE_NEWNET) != 0:
                    os._exit(1)  # nobody knows what this thread would do to which host
        finally:
            os.close(own)
            os.close(there)

    def reaches(self, a, b, tries=20):
        """Whether a datagram of host a's comes to host b, of so many: some may be lost."""
        with self.inside(b):
            to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with self.inside(a):
            out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with to, out:
            to.bind((self.address(b), 0))
            to.settimeout(0.05)
            for _ in range(tries):
                with contextlib.suppress(OSError):  # no route, or no answer in time
                    out.sendto(b"x", to.getsockname())
                    to.recv(1)
                    return True
        return False

    def sent(self):
        """{host: (bytes, packets)} sent so far, at the level of IP: headers and ACKs, no Ethernet. Bulk is counted with
        one header for what the card would have cut in several.
        """
        found = {}
        for link in json.loads(run(["ip", "-n", self.bridge, "-s", "-j", "link", "show"])):
            if link["ifname"].startswith("p"):
                rx = link["stats64"]["rx"]
                found[int(link["ifname"][1:])] = (rx["bytes"] - ETHERNET_BYTES * rx["packets"], rx["packets"])
        return found
