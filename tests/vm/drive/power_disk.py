# SPDX-License-Identifier: Apache-2.0
"""The disk of drive/power, asked by qemu's own client and without a guest: what was flushed is there after a cut of the
power, what was not is lost, torn or there, and each of these happens.
"""
import os
import shutil
import subprocess
import tempfile
import time

from disk import SECTOR, WHOLE_SECTORS, Disk

SIZE = 1 << 20
BLOCK = 8 * SECTOR
CUTS = 20
BOUND_S = 60


class Bench:
    """A disk and what it is asked."""

    def __init__(self, place, seed):
        self.file, self.socket = os.path.join(place, f"disk-{seed}"), os.path.join(place, f"socket-{seed}")
        self.disk = Disk(self.file, SIZE, self.socket, seed)

    def client(self, *commands):
        """Commands of qemu-io's. It ends as qemu that is killed does: without a flush of its own."""
        arguments = [word for command in (*commands, "abort") for word in ("-c", command)]
        return subprocess.Popen(["stdbuf", "-oL", "qemu-io", "-t", "writeback", "-f", "raw",
                                 f"nbd+unix:///?socket={self.socket}", *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ask(self, *commands):
        said, _ = self.client(*commands).communicate(timeout=BOUND_S)
        assert "failed" not in said and "can't open" not in said, f"{commands}: {said}"

    def cut(self, share=None):
        self.disk.cut()
        return self.disk.settle(share)

    def bytes_at(self, block):
        """The values that stand in a block's sectors; each sector has one."""
        with open(self.file, "rb") as f:
            f.seek(block * BLOCK)
            data = f.read(BLOCK)
        sectors = [set(data[at:at + SECTOR]) for at in range(0, BLOCK, SECTOR)]
        assert all(len(values) == 1 for values in sectors), "a sector is torn"
        return {values.pop() for values in sectors}


def write(block, value, options=""):
    return f"write {options} -P {value} {block * BLOCK} {BLOCK}"


def what_is_flushed_stays(bench):
    bench.ask(write(1, 11), "flush", write(2, 22, "-f"), write(3, 33))
    bench.cut(share=0)
    assert (bench.bytes_at(1), bench.bytes_at(2)) == ({11}, {22}), "what was flushed is lost"
    assert bench.bytes_at(3) == {0}, "what was not flushed is there"


def what_is_not_flushed_is_read(bench):
    bench.ask(write(4, 44), f"read -P 44 {4 * BLOCK} {BLOCK}", f"read -P 44 {4 * BLOCK + SECTOR} {SECTOR}")
    bench.cut(share=1)
    assert bench.bytes_at(4) == {44}


def wait_until(done, client):
    end = time.monotonic() + BOUND_S
    while not done():
        assert time.monotonic() < end and client.poll() is None, "a disk without power has answered"
        time.sleep(0.01)


def a_cut_ends_all_answers(bench):
    bench.disk.cut()
    with bench.client(write(5, 55), "flush") as client:
        wait_until(lambda: bench.disk.unanswered, client)
        client.kill()
    bench.disk.settle(share=1)
    assert bench.bytes_at(5) == {0}, "what came after the cut is there"


def a_cut_comes_with_a_write(bench):
    bench.disk.cut_at_write(2)
    with bench.client(write(5, 55), "flush", write(5, 66), "flush") as client:
        wait_until(lambda: bench.disk.is_cut, client)
        client.kill()
    bench.disk.settle(share=1)
    assert bench.bytes_at(5) == {66}, "the write that came with the cut is not in the cache"
    bench.ask(write(5, 77), "flush")
    assert bench.bytes_at(5) == {77}, "after a cut the disk does not serve"


def each_loss_happens(bench):
    """Old, new, one between, torn, and the first 4 KiB whole; the later without the earlier."""
    seen = set()
    for _ in range(CUTS):
        bench.ask(write(0, 1), write(6, 1), write(7, 1), "flush", write(0, 2), write(6, 2), write(6, 3), write(7, 2))
        bench.cut()
        start, first, second = (bench.bytes_at(block) for block in (0, 6, 7))
        assert len(start) == 1, "the first 4 KiB are torn"
        assert first | second <= {1, 2, 3}
        seen |= {("start", *start)} | {("first", value) for value in first}
        seen |= {"torn"} if len(first) > 1 else set()
        seen |= {"disorder"} if second == {2} and 1 in first else set()
    assert {("start", 1), ("start", 2), ("first", 1), ("first", 2), ("first", 3), "torn"} <= seen, f"only {seen}"


def run(_bed):
    place = tempfile.mkdtemp(prefix="covey-disk-")
    try:
        for seed in range(2):
            bench = Bench(place, seed)
            what_is_flushed_stays(bench)
            what_is_not_flushed_is_read(bench)
            a_cut_ends_all_answers(bench)
            a_cut_comes_with_a_write(bench)
            each_loss_happens(bench)
            bench.disk.close()
    finally:
        shutil.rmtree(place)
