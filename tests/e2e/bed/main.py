#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs cases of tests/e2e/cases with real daemons on a network of namespaces: main.py --build DIR [CASE…]

A case is a file with NODES, how many hosts it wants (or several such numbers: it is run with each), and run(fleet),
which raises when something is not as it must be.
Status 77 and a word of it where the host cannot.
"""
import argparse
import importlib
import os
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(os.path.dirname(HERE), "cases")
sys.path[:0] = [HERE, CASES]

import net  # noqa: E402
from fleet import Fleet  # noqa: E402

SKIPPED = 77


def names():
    return sorted(f[:-3] for f in os.listdir(CASES) if f.endswith(".py"))


def run(name, build):
    """Whether it passed."""
    case = importlib.import_module(name)
    sizes = case.NODES if isinstance(case.NODES, tuple) else (case.NODES,)
    return all([run_with(case, name if len(sizes) == 1 else f"{name} {n}", build, n) for n in sizes])


def run_with(case, name, build, nodes):
    t0 = time.monotonic()
    try:
        with Fleet(build, nodes) as fleet:
            case.run(fleet)
    except Exception:  # whatever a case stumbles over is its fault, told with its place
        traceback.print_exc()
        print(f"FAIL  {name}", flush=True)
        return False
    print(f"ok    {name:<20}{time.monotonic() - t0:.1f} s", flush=True)
    return True


def main(argv):
    p = argparse.ArgumentParser(description="Runs cases with real daemons on a network of namespaces.")
    p.add_argument("--build", metavar="DIR", required=True, help="where coveyd and covey are")
    p.add_argument("--list", action="store_true", help="names the cases, and does nothing")
    p.add_argument("case", nargs="*", help="default: all")
    args = p.parse_args(argv)
    if args.list:
        print("\n".join(names()))
        return 0
    unknown = [c for c in args.case if c not in names()]
    if unknown:
        p.error(f"no case {unknown[0]}; there are: {', '.join(names())}")
    lacks = net.missing()
    if lacks:
        print(f"skipped, this host lacks: {lacks}", file=sys.stderr)
        return SKIPPED
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(1))  # the fleet is ended on the way out
    results = [run(name, args.build) for name in args.case or names()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
