#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dev/bench's harness: our figures and the packaged peers' in the same run. See doc/BENCHMARKS.md.

This file has the command line and the two processes: the guard, which ends and removes whatever is left behind, and the
worker, which measures (sessions.py) and prints (rows.py).
"""
import argparse
import os
import platform
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True

import cgroups  # noqa: E402
import decisions  # noqa: E402
import gossip  # noqa: E402
import procs  # noqa: E402
import rows  # noqa: E402
from contender import Env, Failed  # noqa: E402
from covey import Covey, CoveyDefault  # noqa: E402
from peers import Bare, Linear, PEERS, Plain  # noqa: E402
from results import Results  # noqa: E402
from sessions import Plan, Sessions  # noqa: E402
import smoke  # noqa: E402

SKIPPED = 77
APART = {"gossip": gossip, "decisions": decisions}  # each with ROWS, and measure(): a run of its own
SMOKED = [c.name for c in (Bare, Linear, Plain, *PEERS)]


def arguments(argv):
    p = argparse.ArgumentParser(prog="dev/bench",
                                description="Measures covey beside a bare C loop, s6, runit and supervisord.")
    p.add_argument("--build", metavar="DIR", required=True, help="a build directory: coveyd, covey, covey-shim, bench/")
    p.add_argument("--row", metavar="NAME", action="append", choices=[*rows.ROWS, *gossip.ROWS, *decisions.ROWS],
                   help=f"one row (again for more): {', '.join(rows.ROWS)}; of --gossip: {', '.join(gossip.ROWS)}; "
                   f"of --decisions: {', '.join(decisions.ROWS)}")
    p.add_argument("--gossip", action="store_true", help="the rows of N daemons that find each other, beside serf")
    p.add_argument("--decisions", action="store_true", help="the rows of 3 and 5 that decide, beside etcd")
    p.add_argument("--only", metavar="NAME", action="append", choices=rows.NAMES,
                   help=f"one contender (again for more): {', '.join(rows.NAMES)}")
    p.add_argument("--quick", action="store_true", help="fewer rounds: about three minutes")
    p.add_argument("--kills", type=int, metavar="N", help="kills of the daemon (1000; quick: 50; --decisions: 24)")
    p.add_argument("--rounds", type=int, metavar="N",
                   help="rounds of starts and deaths (1000: 5, 100: 7; quick: 1, 2)")
    p.add_argument("--json", nargs="?", const="-", metavar="FILE",
                   help="the figures as one document, to standard output or FILE")
    p.add_argument("--markdown", nargs="?", const="-", metavar="FILE", help="the table for doc/BENCHMARKS.md, likewise")
    p.add_argument("--smoke", action="store_true",
                   help="only start and stop five agents of each contender (make check)")
    p.add_argument("--rows", action="store_true", help="name the rows and their bars, and do nothing")
    p.add_argument("--verbose", action="store_true", help="keep the directories of the sessions, and say where")
    args = p.parse_args(argv)
    named = {name for name in APART if getattr(args, name)}
    named |= {next((name for name, suite in APART.items() if row in suite.ROWS), None) for row in args.row or ()}
    if len(named) > 1:
        p.error("rows of --gossip, of --decisions, and others are a run each")
    args.suite = APART.get(named.pop()) if named else None
    return args


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        models = [line.partition(":")[2].strip() for line in f if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "cgroups": "v2" if cgroups.is_v2() else "v1",
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "load_before": os.getloadavg()[0]}


def contenders(args, tell):
    """Names of those that can run here."""
    found = [c.name for c in (Bare, Linear, Plain)]
    for cls in PEERS:
        if cls.missing():
            tell(f"{cls.name} is left out: {', '.join(cls.missing())} not installed")
        else:
            found.append(cls.name)
    if Covey.ready(args.build):
        found += [Covey.name, CoveyDefault.name]
    else:
        tell(f"covey is left out: no coveyd, covey, covey-shim in {args.build}")
    return [name for name in found if not args.only or name in args.only]


def emit(where, text):
    if where == "-":
        sys.stdout.write(text)
    elif where:
        with open(where, "w", encoding="utf-8") as f:
            f.write(text)


def supervise(args, env, results, tell):
    """The table of the rows of one host."""
    wanted = args.row or list(rows.ROWS)
    plan = Plan(args.quick, wanted, args.kills)
    if args.rounds:
        plan.rounds = {n: args.rounds for n in plan.rounds}
    results.options = {"quick": args.quick, "rounds": plan.rounds, "deaths": plan.deaths, "kills": plan.kills}
    Sessions(env, plan, results, contenders(args, tell), tell).run()
    return rows.table(results, wanted)


def measure(args, env, tell):
    results = Results()
    results.machine = machine()
    t0 = time.monotonic()
    if args.suite:
        table = rows.table(results, args.suite.measure(args, env, results, tell), args.suite.ROWS)
    else:
        table = supervise(args, env, results, tell)
    results.machine["load_after"] = os.getloadavg()[0]
    results.options["seconds"] = round(time.monotonic() - t0)
    emit(args.json, results.json(table) + "\n")
    emit(args.markdown, rows.markdown(table))
    if "-" not in (args.json, args.markdown):
        print(rows.text(table))
        for fault in results.faults:
            print(f"fault: {fault}")
        print(", ".join(f"{k} {v}" for k, v in results.machine.items()))
    return 1 if results.faults or any(r["verdict"] == rows.SHORT for r in table) else 0


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted(*_):
    """Ends the worker the ordinary way; once: the guard has what a second signal would interrupt."""
    for sig in SIGNALS:
        signal.signal(sig, signal.SIG_IGN)
    print("bench: interrupted", file=sys.stderr)
    sys.exit(1)


def work(args, root, shm, guard):
    """The worker."""
    for sig in SIGNALS:
        signal.signal(sig, interrupted)

    def tell(what):
        print(f"bench: {what}", file=sys.stderr, flush=True)

    env = Env(root, shm, args.build, guard, args.verbose)
    try:
        if args.smoke:
            return smoke.run(env, args.only or SMOKED, tell)
        return measure(args, env, tell)
    except Failed as e:
        tell(e)
        return 1


def watch(worker):
    """The guard: reaps, passes signals on, and returns how the worker ended."""
    for sig in SIGNALS:
        signal.signal(sig, lambda s, _: procs.kill(worker, s))
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 1
        if pid == worker:
            return os.waitstatus_to_exitcode(status)


def clean(root, shm, verbose):
    """Ends all that is left and removes it."""
    left = procs.kill_tree(os.getpid())
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    for mount in cgroups.hierarchies():
        for name in os.listdir(mount):
            if name.startswith(os.path.basename(root) + "."):
                cgroups.remove(name)
    shutil.rmtree(shm, ignore_errors=True)
    if verbose:
        print(f"bench: sessions are kept in {root}", file=sys.stderr)
    else:
        shutil.rmtree(root, ignore_errors=True)
    for pid, comm in left.items():
        print(f"bench: process {pid} ({comm}) could not be ended", file=sys.stderr)


def main(argv):
    args = arguments(argv)
    if args.rows:
        every = {**rows.ROWS, **gossip.ROWS, **decisions.ROWS}
        print("\n".join(f"{name:<12}{row[0]}: {row[1]}" for name, row in every.items()))
        return 0
    args.build = os.path.abspath(args.build)
    if os.geteuid() != 0:
        print("bench: needs root (cgroups, other users' memory)", file=sys.stderr)
        return SKIPPED
    procs.raise_files_limit()
    procs.become_subreaper()
    name = f"covey-bench-{os.getpid()}"
    root, shm = os.path.join("/var/lib", name), os.path.join("/dev/shm", name)
    for d in (root, shm):
        os.mkdir(d, 0o755)
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        return work(args, root, shm, guard)
    try:
        code = watch(worker)
    finally:
        clean(root, shm, args.verbose)
    return code if code >= 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
