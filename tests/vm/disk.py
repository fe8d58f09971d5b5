# SPDX-License-Identifier: Apache-2.0
"""A disk with a cache that a cut of the power loses: what was not flushed is gone, or half of it is there.

qemu that is killed leaves all it has written in the host's page cache, flushed or not: a guest that never flushes
would pass. So the disk is here, on the host's side of a socket (NBD, as doc/proto.md of the nbd project has it, the
part of it that qemu needs), and knows what was flushed:

- a write is answered once it is in the cache, and is read from there;
- a flush is answered once all that was answered before it is in the file, which is what lives through a cut;
- a write with FUA is in the file when it is answered. (qemu 7.2's nvme drops that flag, and ext4 trusts it for its
  journal's commits. virtio-blk does not offer it, and the guest flushes instead: the disk must be of that kind.)
- a cut ends all answers at once. Of what is in the cache then a random part is in the file, in no order: each sector
  as it was at the last flush, or as any write since left it. So writes are torn, and later ones may be there without
  earlier ones. The first 4 KiB alone are never torn: a file system whose superblock is cannot be mounted.

What is random comes from the seed, and with the same requests is the same. The cache is bounded: what has been in it
longest goes to the file when it is full, as in any disk.
"""
import os
import random
import socket
import struct
import threading

SECTOR = 512
CACHE_SECTORS_MAX = 64 << 11  # 64 MiB
VERSIONS_MAX = 8  # of a sector that are told apart; of more the newest
WHOLE_SECTORS = 8  # at the disk's start, never torn
REQUEST_MAX = 32 << 20
IDLE_BOUND_S = 60

OPTION_MAGIC, OPTION_REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698
OPTION_ABORT, OPTION_GO = 2, 7
REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 1, 3, (1 << 31) + 1
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
READ, WRITE, DISCONNECT, FLUSH = range(4)
FLAG_FUA = 1
CAN = 1 | 4 | 8  # has flags, flush, FUA
EINVAL = 22


class Gone(Exception):
    """The other end has closed, or says what no client says."""


class Disk:
    """A file of `size` bytes, made when absent, served at the socket `path` to one client at a time."""

    def __init__(self, file, size, path, seed):
        self.fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self.fd, size)
        self.size, self.path = size, path
        self.rng = random.Random(seed)
        self.cache = {}  # sector: what it was told to be since the last flush, oldest first
        self.lock = threading.Lock()  # of all above and of `cut`: held while a request is carried out
        self.is_cut = False
        self.unanswered = 0  # requests that came after the cut
        self.writes_left = None  # until a cut
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.listener.bind(path)
        self.listener.listen(1)
        self.idle = threading.Event()  # no client is being served
        self.idle.set()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # which ends the thread's accept, as close does not
        self.listener.close()
        os.unlink(self.path)
        with self.lock:
            os.close(self.fd)
            self.fd = -1

    # -- a cut of the power -------------------------------------------------------------------------------------

    def cut(self):
        """From now on nothing is answered, and nothing gets into the cache or the file. The guest may go on for a
        while: what it then says is done, it says without its disk.
        """
        with self.lock:
            self.is_cut = True
            self.unanswered = 0

    def cut_at_write(self, number):
        """The same, once so many writes from now on are in the cache: with the last of them the power goes, and
        nobody hears that it was written.
        """
        with self.lock:
            self.writes_left = number

    def settle(self, share=None):
        """After a cut, with the guest gone: decides what is in the file, and serves again. share: the probability
        that a sector in the cache was written; None draws that as well. Returns what happened, in words.
        """
        if not self.idle.wait(IDLE_BOUND_S):  # what a guest that is gone had sent must not be carried out now
            raise TimeoutError(f"the disk's client has not ended within {IDLE_BOUND_S} s")
        with self.lock:
            if share is None:
                share = self.rng.choice((0, 0.1, 0.5, 0.9, 1))
            lost = 0
            start = self.rng.random() < share  # one decision for all that is never torn
            for sector, versions in self.cache.items():
                whole = sector < WHOLE_SECTORS
                data = versions[-1] if whole else self.rng.choice(versions)
                if start if whole else self.rng.random() < share:
                    os.pwrite(self.fd, data, sector * SECTOR)
                lost += os.pread(self.fd, SECTOR, sector * SECTOR) != versions[-1]
            text = f"{lost} of {len(self.cache)} sectors that were not flushed are lost"
            self.cache.clear()
            self.is_cut, self.writes_left = False, None
            return text

    # -- what is asked of the disk, under the lock ----------------------------------------------------------------

    def _read(self, offset, length):
        data = bytearray(os.pread(self.fd, length, offset))
        first = offset // SECTOR
        if self.cache:
            for i in range(length // SECTOR):
                versions = self.cache.get(first + i)
                if versions:
                    data[i * SECTOR:(i + 1) * SECTOR] = versions[-1]
        return data

    def _write(self, offset, data):
        for at in range(0, len(data), SECTOR):
            versions = self.cache.setdefault((offset + at) // SECTOR, [])
            if len(versions) == VERSIONS_MAX:
                versions.pop()
            versions.append(bytes(data[at:at + SECTOR]))
        over = len(self.cache) - CACHE_SECTORS_MAX
        if over > 0:
            self._keep([sector for sector, _ in zip(self.cache, range(over))])

    def _keep(self, sectors):
        for sector in sectors:
            versions = self.cache.pop(sector, None)
            if versions:
                os.pwrite(self.fd, versions[-1], sector * SECTOR)

    def _do(self, kind, flags, offset, length, data):
        """(error, what was read) of one request; None when the disk has no power."""
        with self.lock:
            if self.is_cut or self.fd < 0:
                self.unanswered += 1
                return None
            if kind == FLUSH:
                self._keep(list(self.cache))
                return 0, b""
            if kind not in (READ, WRITE) or offset % SECTOR or length % SECTOR or offset + length > self.size:
                return EINVAL, b""
            if kind == READ:
                return 0, self._read(offset, length)
            self._write(offset, data)
            if self.writes_left is not None:
                self.writes_left -= 1
                if self.writes_left <= 0:
                    self.is_cut = True
                    return None
            if flags & FLAG_FUA:
                self._keep(range(offset // SECTOR, (offset + length) // SECTOR))
            return 0, b""

    # -- the protocol -------------------------------------------------------------------------------------------

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            self.idle.clear()
            with client:
                try:
                    if self._shake_hands(client):
                        self._answer(client)
                except (Gone, OSError):
                    pass  # qemu was killed: the next one comes
            self.idle.set()

    def _shake_hands(self, client):
        client.sendall(struct.pack(">8sQH", b"NBDMAGIC", OPTION_MAGIC, 1 | 2))
        receive(client, 4)
        while True:
            magic, option, length = struct.unpack(">QII", receive(client, 16))
            if magic != OPTION_MAGIC or length > 4096:
                raise Gone
            receive(client, length)
            if option == OPTION_GO:
                for info in (struct.pack(">HQH", INFO_EXPORT, self.size, CAN),
                             struct.pack(">HIII", INFO_BLOCK_SIZE, SECTOR, 4096, REQUEST_MAX)):
                    reply_option(client, option, REPLY_INFO, info)
            reply_option(client, option, REPLY_ACK if option in (OPTION_GO, OPTION_ABORT) else REPLY_UNSUPPORTED)
            if option in (OPTION_GO, OPTION_ABORT):
                return option == OPTION_GO

    def _answer(self, client):
        while True:
            magic, flags, kind, cookie, offset, length = struct.unpack(">IHHQQI", receive(client, 28))
            if magic != REQUEST_MAGIC or length > REQUEST_MAX or kind == DISCONNECT:
                return
            done = self._do(kind, flags, offset, length, receive(client, length) if kind == WRITE else None)
            if done:
                client.sendall(struct.pack(">IIQ", REPLY_MAGIC, done[0], cookie) + done[1])


def reply_option(client, option, kind, data=b""):
    client.sendall(struct.pack(">QIII", OPTION_REPLY_MAGIC, option, kind, len(data)) + data)


def receive(client, length):
    """Exactly so many bytes."""
    data = bytearray(length)
    view, got = memoryview(data), 0
    while got < length:
        n = client.recv_into(view[got:])
        if not n:
            raise Gone
        got += n
    return data
