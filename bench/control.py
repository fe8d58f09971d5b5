# SPDX-License-Identifier: Apache-2.0
"""covey's control socket as any nng program would use it (node/control_frame.h): one connection that stays open, one
request at a time.
"""
import socket
import struct

from contender import Failed
from mp import pack, unpack

HELLO = bytes((0, 0x53, 0x50, 0, 0, 0x30, 0, 0))  # "SP", req
HEAD = 13  # a type, a length of 8 bytes, a request id of 4 that the length counts
LAST = 0x80000000


class Control:
    """OSError while nobody answers."""

    def __init__(self, path, timeout_s):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.buf, self.id = bytearray(), 0
        try:
            self.sock.settimeout(timeout_s)
            self.sock.connect(path)
            self.sock.sendall(HELLO)
            self.take(len(HELLO))
        except OSError:
            self.sock.close()
            raise

    def take(self, n):
        while len(self.buf) < n:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("closed by coveyd")
            self.buf += more
        found = bytes(self.buf[:n])
        del self.buf[:n]
        return found

    def ask(self, verb, **args):
        """Does not wait."""
        self.id += 1
        body = pack({"v": 1, "verb": verb, "args": args})
        self.sock.sendall(struct.pack(">BQI", 1, len(body) + 4, LAST | self.id) + body)

    def answer(self):
        """To the last question; those before it go unread."""
        at = 0
        while at != LAST | self.id:
            _, length, at = struct.unpack(">BQI", self.take(HEAD))
            reply, _ = unpack(self.take(length - 4))
        if not reply["ok"] and reply.get("code") == "stopping":
            raise ConnectionError("coveyd ends, or begins again: the next one answers")
        if not reply["ok"]:
            raise Failed(f"covey: {reply['error']}")
        return reply["result"]

    def call(self, verb, **args):
        self.ask(verb, **args)
        return self.answer()
