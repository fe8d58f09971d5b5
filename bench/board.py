# SPDX-License-Identifier: Apache-2.0
"""The board that benchmark agents note their starts and ends on, as the harness reads it: bench/board.h in Python.

The file lies on tmpfs and is written through once here, so that none of its pages is charged to an agent's cgroup.
"""
import mmap
import os
import struct
import time

MAGIC = 0x636F76657962656E
HEAD = struct.Struct("<QIIIIII")
SLOT = struct.Struct("<IIIIQQQiIQQ")
NOTE = struct.Struct("<QIIIiQ")
HEAD_SIZE = 4096
STARTED_AT, ENDED_AT, NOTED_AT, DOUBLED_AT = 16, 20, 24, 28
KIND_STARTED, KIND_ENDED, KIND_DOUBLED = 1, 2, 3
U32 = struct.Struct("<I")


def now_ns():
    """The clock that agents stamp with: CLOCK_MONOTONIC."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Slot:
    """What one agent's place says."""

    __slots__ = ("pid", "starts", "ends", "doubled", "start_ns", "end_ns", "bytes", "code", "port")

    def __init__(self, fields):
        (self.pid, self.starts, self.ends, self.doubled, self.start_ns, self.end_ns, self.bytes, self.code,
         self.port, _, _) = fields


class Board:
    """Made new for every session; close() removes the file."""

    def __init__(self, path, slots, notes=0):
        self.path, self.slots, self.notes = path, slots, notes
        size = HEAD_SIZE + slots * SLOT.size + notes * NOTE.size
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            os.fchmod(fd, 0o666)  # agents run as users of their own
            os.ftruncate(fd, size)
            self.map = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        self.map[:] = bytes(size)
        HEAD.pack_into(self.map, 0, MAGIC, slots, notes, 0, 0, 0, 0)

    def close(self):
        self.map.close()
        os.unlink(self.path)

    def started(self):
        return U32.unpack_from(self.map, STARTED_AT)[0]

    def ended(self):
        return U32.unpack_from(self.map, ENDED_AT)[0]

    def doubled(self):
        return U32.unpack_from(self.map, DOUBLED_AT)[0]

    def slot(self, i):
        return Slot(SLOT.unpack_from(self.map, HEAD_SIZE + i * SLOT.size))

    def starts(self, i):
        return U32.unpack_from(self.map, HEAD_SIZE + i * SLOT.size + 4)[0]

    def all(self):
        return [self.slot(i) for i in range(self.slots)]

    def pids(self):
        return [s.pid for s in self.all() if s.pid]

    def noted(self):
        """Complete notes in the order they were taken, and how many did not fit: ([(ns, id, pid, kind, value)], n)."""
        n = U32.unpack_from(self.map, NOTED_AT)[0]
        at = HEAD_SIZE + self.slots * SLOT.size
        fit = min(n, self.notes)
        rows = [NOTE.unpack_from(self.map, at + i * NOTE.size) for i in range(fit)]
        return [r[:5] for r in rows if r[5]], n - fit
