# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what is asked of covey, what each contender reached, pass or short.

A row is one entry of ROWS; --row, the text, the JSON and the markdown come from there.
"""
from kills import KINDS
from stats import median, percentile, ratios

PASS, SHORT, NONE = "pass", "short", "-"
NAMES = ("covey", "covey-default", "floor", "floor-linear", "plain", "s6", "runit", "supervisord", "serf", "covey-tls",
         "covey-wan", "etcd")


def figure(x):
    """Three digits are what a loaded machine gives."""
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def verdict(is_ok):
    return NONE if is_ok is None else PASS if is_ok else SHORT


def times(n):
    metric = f"start-{n}"

    def cell(res, name):
        mine, floor = res.of(metric, name), res.of(metric, "floor")
        if not mine:
            return None
        text = f"{figure(median(mine))} ms"
        if name == "floor" or not floor:
            return f"{text} (worst {figure(max(mine))})"
        r = ratios(mine, floor)
        return f"{figure(median(r))} (worst {figure(max(r))}; {text})"

    return cell


def start_ok(n, bar):
    def ok(res):
        r = ratios(res.of(f"start-{n}", "covey"), res.of(f"start-{n}", "floor"))
        return median(r) <= bar if r else None

    return ok


def death(n):
    def cell(res, name):
        mine = res.of(f"death-{n}", name)
        return mine and f"{figure(median(mine))} / {figure(percentile(mine, 99))} ms (worst {figure(max(mine))})"

    return cell


def death_ok(n):
    def ok(res):
        mine, floor = res.of(f"death-{n}", "covey"), res.of(f"death-{n}", "floor")
        if not mine or not floor:
            return None
        return median(mine) <= 1.3 * median(floor) and percentile(mine, 99) <= 6

    return ok


def memory(res, name):
    kind = "logged" if res.of("logged-pss", name) else "memory"
    if not res.of(f"{kind}-pss", name):
        return None
    pss, kernel, slab, number = (median(res.of(f"{kind}-{k}", name)) for k in ("pss", "kernel", "slab", "processes"))
    return (f"{figure(pss / 1024)} kB ({round(number * 1000)} processes; kernel {figure(kernel / 1024)} "
            f"+ slab {figure(slab / 1024)} kB)")


def daemon(res, name):
    empty, full = res.of("daemon-0", name), res.of("memory-daemon", name)
    if not empty or not full:
        return None
    return f"{figure(median(empty) / 2**20)} / {figure(median(full) / 2**20)} MB"


def rate(metric):
    def cell(res, name):
        mine = res.of(metric, name)
        return mine and f"{figure(median(mine))} ms/s"

    return cell


def span(metric):
    def cell(res, name):
        mine = res.of(metric, name)
        return mine and f"{figure(median(mine))} ms (worst {figure(max(mine))})"

    return cell


def logs(res, name):
    mine = res.of("logs", name)
    if name == "floor":
        mine = res.of("logs", "cat")
        return mine and f"cat: {figure(median(mine))} MB/s (worst {figure(min(mine))})"
    if not mine:
        return None
    text = f"{figure(median(mine))} MB/s (worst {figure(min(mine))})"
    if name == "covey":
        early, late = (figure(max(res.of(f"logs-pss{k}", name)) / 1024) for k in ("-early", ""))
        text += f"; shim {early} kB once it is locked, {late} kB at the end; {sum(res.of('logs-wrong', name))} faults"
    return text


def logs_ok(res):
    mine, cat = res.of("logs", "covey"), res.of("logs", "cat")
    if not mine or not cat:
        return None
    is_flat = max(res.of("logs-pss", "covey")) <= 1.1 * max(res.of("logs-pss-early", "covey"))
    return median(mine) >= min(300, median(cat)) and is_flat and not any(res.of("logs-wrong", "covey"))


def kills(res, name):
    if not res.of("kills", name):
        return None
    counts = ", ".join(f"{res.of(f'kills-{k}', name)[0]} {k}" for k in KINDS)
    return f"{counts} in {res.of('kills', name)[0]} kills, {res.of('kills-ends', name)[0]} ends noted"


def kills_ok(res):
    if not res.of("kills", "covey"):
        return None
    return not any(res.of(f"kills-{k}", "covey")[0] for k in KINDS)


def below(metric, bar, of=median):
    def ok(res):
        mine = res.of(metric, "covey")
        return of(mine) <= bar if mine else None

    return ok


def both(*oks):
    def ok(res):
        all_ = [o(res) for o in oks]
        return None if None in all_ else all(all_)

    return ok


MB = 2**20
DEATH_BAR = "p50 ≤ 1.3 × floor, p99 ≤ 6 ms"
ROWS = {
    "start-1000": ("1000 agents: apply → all running, ratio to the floor", "≤ 1.3", times(1000), start_ok(1000, 1.3)),
    "start-100": ("100 agents: the same", "≤ 1.5", times(100), start_ok(100, 1.5)),
    "death-1000": ("death → replacement at 1000, p50 / p99", DEATH_BAR, death(1000), death_ok(1000)),
    "death-100": ("death → replacement at 100, p50 / p99", DEATH_BAR, death(100), death_ok(100)),
    "memory": ("PSS of daemon and shims, a replica at 1000, logs included", "≤ 45 kB", memory,
               below("memory-pss", 45 * 1024)),
    "daemon": ("PSS of the daemon at 0 / 1000", "≤ 4 / ≤ 10 MB", daemon,
               both(below("daemon-0", 4 * MB), below("memory-daemon", 10 * MB))),
    "idle": ("idle at 1000, no probes", "≤ 1 ms/s", rate("idle"), below("idle", 1)),
    "idle-tcp": ("idle at 1000, tcp probes every 10 s", "≤ 20 ms/s", rate("idle-tcp"), below("idle-tcp", 20)),
    "metrics": ("metrics of 1000 every 5 s", "≤ 30 ms/s", rate("metrics"), below("metrics", 30)),
    "readopt": ("daemon killed at 1000: exec of the new one → all shown", "≤ 500 ms", span("readopt"),
                below("readopt", 500)),
    "kills": ("daemon with 20 replicas killed again and again", "0 lost, doubled, restarted, exits unknown", kills,
              kills_ok),
    "logs": ("one replica writing lines of 120 bytes", "≥ 300 MB/s or cat > file; exact", logs, logs_ok),
    "stop": ("stop of 1000", "≤ 2 s", span("stop-1000"), below("stop-1000", 2000)),
}


def table(res, wanted, of=None):
    """[{row, what, bar, verdict, cells: {contender: text}}]; of: another set of rows than ROWS."""
    rows = []
    for name in wanted:
        what, bar, cell, ok = (of or ROWS)[name]
        cells = {c: cell(res, c) or None for c in NAMES}
        rows.append({"row": name, "what": what, "bar": bar, "verdict": verdict(ok(res)), "cells": cells})
    return rows


def shown(rows):
    """Contenders that have a figure at all."""
    return [c for c in NAMES if any(r["cells"][c] for r in rows)]


def text(rows):
    out = []
    for r in rows:
        out.append(f"{r['what']}   [{r['row']}]")
        out.append(f"  {'bar':<14}{r['bar']}   {r['verdict']}")
        out += [f"  {c:<14}{r['cells'][c]}" for c in shown(rows) if r["cells"][c]]
        out.append("")
    return "\n".join(out)


def markdown(rows):
    names = shown(rows)
    out = ["| what | bar | verdict | " + " | ".join(names) + " |", "|---" * (3 + len(names)) + "|"]
    for r in rows:
        cells = " | ".join(r["cells"][c] or "–" for c in names)
        out.append(f"| {r['what']} | {r['bar']} | {r['verdict']} | {cells} |")
    return "\n".join(out) + "\n"
