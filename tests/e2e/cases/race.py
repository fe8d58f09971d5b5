# SPDX-License-Identifier: Apache-2.0
"""Changes of one agent on all nodes at once: each is answered, one came after the other, and all know the last. Of those
that name the version that they change, one is done. A name that was removed and is used again goes on from its epochs.
"""
import concurrent.futures
import json

from fleet import wait_for
from work import Work

NODES = (3, 5)
ROUNDS = 5


def at_once(fleet, ask):
    with concurrent.futures.ThreadPoolExecutor(len(fleet.nodes)) as pool:
        return list(pool.map(ask, fleet.nodes))


def versions(fleet, name):
    return [a["version"] for a in (Work.agent(node, name) for node in fleet.nodes) if a]


def applies(work, fleet):
    """Each with a text of its own."""
    n, before = len(fleet.nodes), 0
    for i in range(ROUNDS):
        texts = {x.name: work.text("raced", 1, more=f"stop: {{timeout: {1 + i * n + x.i}s}}\n") for x in fleet.nodes}
        done = at_once(fleet, lambda x: x.ask("apply", files=[{"name": "raced", "text": texts[x.name]}]))
        found = sorted(d["changes"][0]["version"] for d in done)
        assert found == list(range(before + 1, before + n + 1)), (before, found)
        before += n
        wait_for(lambda: versions(fleet, "raced") == [before] * n, f"all to know version {before}")
        last = next(x.name for x, d in zip(fleet.nodes, done) if d["changes"][0]["version"] == before)
        for node in fleet.nodes:  # to the letter: nothing is changed by it
            same = node.ask("apply", files=[{"name": "raced", "text": texts[last]}])["changes"][0]
            assert (same["change"], same["version"]) == ("unchanged", before), (node.name, same)
    return before


def if_version(work, fleet, version):
    paths = {x.name: work.file(f"raced-{x.i}", 1) for x in fleet.nodes}
    for x in fleet.nodes:
        with open(paths[x.name], "w", encoding="ascii") as f:
            f.write(work.text("raced", 1, more=f"stop: {{timeout: {100 + x.i}s}}\n"))
    done = at_once(fleet, lambda x: x.covey("apply", paths[x.name], "--if-version", str(version), check=False))
    assert sorted(d.returncode for d in done) == [0] + [1] * (len(fleet.nodes) - 1), done
    for d in done:
        assert d.returncode == 0 or str(version) in d.stderr, d
    wait_for(lambda: versions(fleet, "raced") == [version + 1] * len(fleet.nodes), "all to know who was first")


def one_operation(fleet):
    """The same one, asked of all: done once."""
    before = max(a["decision"] for a in (Work.agent(x, "raced") for x in fleet.nodes))
    at_once(fleet, lambda x: x.covey("scale", "raced", "2", "--op", "twice-told"))
    wait_for(lambda: {Work.agent(x, "raced")["running"] for x in fleet.nodes} == {2}, "all to see two")
    told = json.loads(fleet.node(1).covey("explain", "raced", "--json").stdout)
    scaled = [d for d in told["decisions"] if "the number of replicas was set" in d["why"]]
    assert len(scaled) == 1, (before, told["decisions"])


def used_again(work, fleet):
    top = 0
    for i in range(2 * len(fleet.nodes)):
        node, other = fleet.nodes[i % len(fleet.nodes)], fleet.nodes[(i + 1) % len(fleet.nodes)]
        work.apply(node, "again", 2, more=f"isolation: {'keep' if i % 2 else 'stop'}\n")
        epochs = [at[1] for at in work.wait_runs(node, "again", 2).values()]
        assert min(epochs) > top, (i, top, epochs)
        top = max(epochs)
        other.covey("remove", "again")
        for x in fleet.nodes:
            wait_for(lambda x=x: Work.agent(x, "again") is None, f"{x.name} to forget it")
    diary = work.diary("again")
    assert not diary.falls() and not diary.overlaps(), (diary.falls(), diary.overlaps())


def run(fleet):
    work = Work(fleet)
    fleet.form()
    version = applies(work, fleet)
    if_version(work, fleet, version)
    one_operation(fleet)
    used_again(work, fleet)
