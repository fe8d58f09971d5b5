# SPDX-License-Identifier: Apache-2.0
"""What the tests in virtual machines share: the programs under test as a tar, guests, and how slow a guest is."""
import math
import os
import subprocess
import tarfile

from guest import Guest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PLACE = "/opt/covey"  # in the guest: build/, the tree's etc/, tests/vm/guest/, deb/
PROGRAMS = ("coveyd", "covey", "covey-shim", "covey-hold")
LOOP = "perl -e 'my $x = 0; for my $i (1 .. 3000000) { $x = ($x + $i * 3) % 7919 } print $x'"


class Skip(Exception):
    """This run lacks what the text names."""


class Bed:
    """Makes guests; each has the programs at hand, on its second drive."""

    def __init__(self, build, image, work, debs=()):
        self.build, self.image, self.work = build, image, work
        self.debs = [deb for deb in debs if deb]
        self.tar = os.path.join(work, "in.tar")
        self.kvm = False
        self.slowdown = 1.0
        self.said = []

    def say(self, text):
        """At once, and as what the drive test at hand has found."""
        self.said.append(text)
        print(f"      {text}", flush=True)

    def needs_package(self):
        if not self.debs:
            raise Skip("the package (--deb)")

    def edge_tests(self):
        """The edge tests that are programs; those in sh look at the source tree and stay at home."""
        folder = os.path.join(self.build, "tests", "edge")
        names = [name for name in os.listdir(folder) if name.startswith("test_") and "." not in name]
        return sorted(name for name in names if os.access(os.path.join(folder, name), os.X_OK))

    def pack(self):
        """The tar that goes in; programs without symbols, which are most of their size."""
        stripped = os.path.join(self.work, "stripped")
        with tarfile.open(self.tar, "w") as tar:
            for name in [*PROGRAMS, *(f"tests/edge/{test}" for test in self.edge_tests())]:
                subprocess.run(["strip", "-o", stripped, os.path.join(self.build, name)], check=True)
                os.chmod(stripped, 0o755)
                tar.add(stripped, f"build/{name}")
            os.unlink(stripped)
            for folder in ("etc", "tests/vm/guest", "tests/vm/suite"):
                tar.add(os.path.join(TOP, folder), folder)
            for deb in self.debs:
                tar.add(deb, f"deb/{os.path.basename(deb)}")

    def guest(self, name, **more):
        """A guest that has not been started; `with` ends it."""
        return Guest(self.image, self.work, name, self.tar, kvm=self.kvm, **more)

    def started(self, guest):
        """Boots it with the programs in place; systemd must have nothing to complain of."""
        guest.start()
        state = guest.settled()
        if state != "running":
            raise AssertionError(f"the guest has started {state}")
        guest.unpack(PLACE)

    def told(self):
        """The environment of a script in a guest, as shell."""
        return "; ".join(f"export {name}={value}" for name, value in self.environment().items())

    def installed(self, guest, bound_s=1200):
        """The package, newly installed in a guest that was started, and answering."""
        guest.check(f"{self.told()}; . {PLACE}/tests/vm/suite/lib/package.sh; fresh; trap - EXIT", bound_s)

    def suite(self, guest, script, bound_s=3600):
        """A script of tests/vm/suite, or of its lib/, in a guest that was started; returns what it said."""
        result = guest.run(f"{self.told()}; cd /root; sh {PLACE}/tests/vm/suite/{script}", bound_s)
        if result.status == 0:
            return result.output
        raise AssertionError(f"{script} ended with {result}")

    def measure(self, guest):
        """How many times longer a fixed loop takes in the guest, by its clock, than the processor needs for it here:
        the best of three. What else this host has to do slows the guest down, and counts.
        """
        def here():
            begun = os.times()
            subprocess.run(["sh", "-c", LOOP], check=True, stdout=subprocess.DEVNULL)
            ended = os.times()
            return sum(ended[2:4]) - sum(begun[2:4])  # the children's user and system time

        def there():
            out = guest.check(f"b=$(date +%s%N); {LOOP} >/dev/null; echo $(($(date +%s%N) - b))", 600)
            return int(out) / 1e9

        own, its = min(here() for _ in range(3)), min(there() for _ in range(3))
        self.slowdown = its / own
        return f"a loop of {own:.2f} s takes {its:.2f} s in the guest: slowed down {self.slowdown:.1f} times"

    def environment(self):
        """What every script and test in a guest is told."""
        told = {"COVEY_TEST_SLOWDOWN": math.ceil(max(1.0, self.slowdown)), "COVEY_BUILD": f"{PLACE}/build",
                "COVEY_TOP": PLACE}
        for name, deb in zip(("COVEY_DEB", "COVEY_DEB_NEXT"), self.debs):
            told[name] = f"{PLACE}/deb/{os.path.basename(deb)}"
        return told
