# SPDX-License-Identifier: Apache-2.0
"""The tests that run in virtual machines, of three kinds.

edge/NAME    a program of tests/edge in the guest, in a unit of its own with a delegated subtree of cgroup v2; all of
             them in one guest, one after the other
suite/NAME   a script of tests/vm/suite that root runs in a guest of its own; 0 passed, 77 skipped
drive/NAME   a module of tests/vm/drive, whose run(bed) drives guests from outside; raises Skip, or any other fault
"""
import importlib
import os
import time

from bed import HERE, PLACE, Skip

EDGE_BOUND_S = 1800
SUITE_BOUND_S = 3600
# What dev/test has time for: where the kernel's version of control groups makes the difference.
CORE_EDGE = ("test_cgroup", "test_shim", "test_agents", "test_adoption", "test_takeover")
CORE_SUITE = ("limits", "package-install")


class Outcome:
    """How one test went."""

    def __init__(self, word, text, output=""):
        self.word, self.text, self.output = word, text, output


def judge(result, seconds):
    """Of a command's status, as automake judges it."""
    if result.status == 0:
        return Outcome("ok", f"{seconds:.0f} s", result.output)
    last = [line for line in result.output.splitlines() if line.strip()] or ["it said nothing"]
    if result.status == 77:
        said = [line for line in last if "skipped" in line] or last
        return Outcome("skip", said[-1].split("lacks: ")[-1], result.output)
    return Outcome("FAIL", f"status {result.status} after {seconds:.0f} s", result.output)


def timed(guest, script, bound_s):
    begun = time.monotonic()
    result = guest.run(script, bound_s)
    return judge(result, time.monotonic() - begun)


def names_in(folder, end):
    path = os.path.join(HERE, folder)
    if not os.path.isdir(path):
        return []
    return sorted(name[:-len(end)] for name in os.listdir(path) if name.endswith(end))


def all_names(bed, core):
    """Every test there is, or those of the short form."""
    edge = [f"edge/{name}" for name in bed.edge_tests() if not core or name in CORE_EDGE]
    suite = [f"suite/{name}" for name in names_in("suite", ".sh") if not core or name in CORE_SUITE]
    drive = [] if core else [f"drive/{name}" for name in names_in("drive", ".py")]
    return edge + suite + drive


def run_edge(bed, guest, name):
    """In a unit that systemd has delegated a subtree to, as it will to covey's own."""
    settings = " ".join(f"-E {key}={value}" for key, value in bed.environment().items())
    return timed(guest, f"cd {PLACE}/build; systemd-run --quiet --wait --pipe --collect --unit=covey-test "
                 f"--working-directory={PLACE}/build -p Delegate=yes -p TasksMax=infinity -p LimitNOFILE=1048576 "
                 f"-p TimeoutStopSec=60 {settings} sh {PLACE}/tests/vm/guest/run-test.sh tests/edge/{name} </dev/null",
                 EDGE_BOUND_S)


def run_suite(bed, guest, name):
    return timed(guest, f"{bed.told()}; cd /root; sh {PLACE}/tests/vm/suite/{name}.sh", SUITE_BOUND_S)


def run_drive(bed, name):
    begun = time.monotonic()
    module = importlib.import_module(f"drive.{name}")
    bed.said.clear()
    try:
        module.run(bed)
    except Skip as e:
        return Outcome("skip", str(e))
    except Exception as e:  # whatever it is, it is this test's fault and no other's
        return Outcome("FAIL", f"after {time.monotonic() - begun:.0f} s", f"{type(e).__name__}: {e}")
    return Outcome("ok", f"{time.monotonic() - begun:.0f} s", "\n".join(bed.said))
