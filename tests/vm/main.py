# SPDX-License-Identifier: Apache-2.0
"""Runs tests in virtual machines: what dev/vm calls once the programs and the guest's disk are there.

Prints a line a test and at the end `N passed, N failed[, N skipped]`; what each test said, the consoles and the
journals of the guests are kept in the directory of logs.
"""
import argparse
import fnmatch
import os
import signal
import sys
import time

import cases
from bed import Bed
from guest import GuestError, kvm_works


class Tally:
    """Counts outcomes and tells each as it comes."""

    def __init__(self, logs):
        self.logs = logs
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}

    def tell(self, name, outcome):
        path = os.path.join(self.logs, name.replace("/", "-") + ".log")
        with open(path, "w", encoding="utf-8") as f:
            f.write(outcome.output)
        self.counts[outcome.word] += 1
        print(f"{outcome.word:<5} {name:<28} {outcome.text}", flush=True)
        if outcome.word == "FAIL":
            for line in outcome.output.splitlines()[-25:]:
                print(f"      | {line}", flush=True)

    def last_line(self):
        text = f"{self.counts['ok']} passed, {self.counts['FAIL']} failed"
        return text + (f", {self.counts['skip']} skipped" if self.counts["skip"] else "")


def keep_journal(guest, logs):
    """The guest's journal, if it still answers."""
    try:
        text = guest.run("journalctl --no-pager -o short-monotonic", 300).output
    except (GuestError, OSError) as e:
        text = f"the journal is not to be had: {e}\n"
    with open(os.path.join(logs, f"{guest.name}-journal.log"), "w", encoding="utf-8") as f:
        f.write(text)


def in_one_guest(bed, tally, guest_name, names):
    """Boots a guest for these tests; when it is lost, what it had not yet run has failed."""
    runs = {"edge": cases.run_edge, "suite": cases.run_suite}
    left = list(names)
    with bed.guest(guest_name) as guest:
        try:
            begun = time.monotonic()
            bed.started(guest)
            if bed.slowdown == 1.0:
                took = time.monotonic() - begun
                print(f"      {guest_name}: booted in {took:.0f} s, {bed.measure(guest)}", flush=True)
            while left:
                kind, name = left[0].split("/")
                outcome = runs[kind](bed, guest, name)
                tally.tell(left.pop(0), outcome)
        except (GuestError, AssertionError) as e:
            for name in left:
                tally.tell(name, cases.Outcome("FAIL", "its guest was lost", str(e)))
        keep_journal(guest, tally.logs)


def choose(known, wanted):
    """Those of `known` that a pattern names; a pattern that names none is a fault."""
    chosen = []
    for pattern in wanted:
        found = [name for name in known if fnmatch.fnmatch(name, pattern)]
        if not found:
            sys.exit(f"dev/vm: no test '{pattern}'; there are: {' '.join(known)}")
        chosen += [name for name in found if name not in chosen]
    return chosen


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "image", "logs"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--deb")
    parser.add_argument("--deb-next")
    parser.add_argument("--core", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # guests end on the way out

    bed = Bed(options.build, options.image, options.logs, (options.deb, options.deb_next))
    names = cases.all_names(bed, options.core)
    if options.list:
        print("\n".join(names))
        return 0
    if options.tests:
        names = choose(cases.all_names(bed, False), options.tests)
    bed.kvm = kvm_works(options.image, options.logs)
    bed.pack()
    print(f"      {'KVM' if bed.kvm else 'no KVM: everything is emulated'}; logs: {options.logs}", flush=True)
    tally = Tally(options.logs)
    of = {kind: [name for name in names if name.startswith(kind + "/")] for kind in ("edge", "suite", "drive")}
    if options.core:  # one boot must do
        of["edge"], of["suite"] = of["edge"] + of["suite"], []
    if of["edge"]:
        in_one_guest(bed, tally, "edge", of["edge"])
    for name in of["suite"]:
        in_one_guest(bed, tally, name.replace("/", "-"), [name])
    for name in of["drive"]:
        tally.tell(name, cases.run_drive(bed, name.split("/")[1]))
    os.unlink(bed.tar)
    print(tally.last_line())
    return 1 if tally.counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
