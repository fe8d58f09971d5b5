# SPDX-License-Identifier: Apache-2.0
"""As much of gRPC as a client needs that calls one method after the other: HTTP/2 with frames of its own making, so
that etcd is asked as directly as covey is (control.py), and neither by a library that the other has not.

Headers are written as literals and answered ones are not read: a call that succeeded has DATA, one that failed has not.
"""
import socket
import struct

from contender import Failed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEAD = 9
WINDOW_FIRST = 65535  # what may be sent before the other side has said more
WINDOW_OURS = 1 << 30  # what may be sent to us, which we then never need to raise
INITIAL_WINDOW = 4  # of SETTINGS


def frame(kind, flags, stream, body):
    return struct.pack(">I", len(body))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + body


def text(s):
    return bytes((len(s),)) + s.encode()


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes((n,))


def blob(field, v):
    return varint(field << 3 | 2) + varint(len(v)) + v


def numbers(buf):
    """{field: value} of a message: what is nested stays bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = buf[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    while at < len(buf):
        key = number()
        if key & 7 == 0:
            found[key >> 3] = number()
        elif key & 7 == 2:
            n = number()
            found[key >> 3] = bytes(buf[at:at + n])
            at += n
        else:
            raise Failed(f"grpc: a field of wire type {key & 7}")
    return found


class Grpc:
    """One connection that stays open. OSError while nobody answers."""

    def __init__(self, port, timeout_s):
        self.buf, self.stream, self.window, self.said = bytearray(), -1, WINDOW_FIRST, {}
        self.sock = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.authority = f"127.0.0.1:{port}"
        self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, WINDOW_FIRST))
                          + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW_OURS)))

    def headers(self, path):
        """POST, http and the names are out of HPACK's static table; nothing is indexed, so that each call has these."""
        return (b"\x83\x86\x04" + text(path) + b"\x01" + text(self.authority) + b"\x0f\x10" + text("application/grpc")
                + b"\x00" + text("te") + text("trailers"))

    def ask(self, headers, message):
        """Does not wait for the answer; returns the stream that it will come on."""
        self.stream += 2
        body = b"\0" + struct.pack(">I", len(message)) + message
        while self.window < len(body):
            self.read()
        self.window -= len(body)
        self.sock.sendall(frame(HEADERS, END_HEADERS, self.stream, headers)
                          + frame(DATA, END_STREAM, self.stream, body))
        return self.stream

    def read(self):
        """Takes what has come, waiting where nothing has: [(stream, message, or None where it was refused)]."""
        more = self.sock.recv(65536)
        if not more:
            raise ConnectionError("closed by etcd")
        self.buf += more
        ended, at, buf = [], 0, self.buf
        while len(buf) - at >= HEAD:
            n = int.from_bytes(buf[at:at + 3], "big")
            if len(buf) - at < HEAD + n:
                break
            kind, flags, stream = buf[at + 3], buf[at + 4], int.from_bytes(buf[at + 5:at + HEAD], "big")
            self.take(kind, flags, stream, bytes(buf[at + HEAD:at + HEAD + n]), ended)
            at += HEAD + n
        del buf[:at]
        return ended

    def take(self, kind, flags, stream, body, ended):
        if kind == DATA:
            self.said[stream] = self.said.get(stream, b"") + body
        elif kind == WINDOW_UPDATE and stream == 0:
            self.window += int.from_bytes(body, "big")
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self.sock.sendall(frame(kind, ACK, 0, b"" if kind == SETTINGS else body))
        elif kind == GOAWAY:
            raise ConnectionError("etcd says goodbye")
        if (kind in (DATA, HEADERS) and flags & END_STREAM) or kind == RST_STREAM:
            said = self.said.pop(stream, b"")
            ended.append((stream, said[5:] or None))

    def call(self, path, message=b""):
        stream = self.ask(self.headers(path), message)
        while True:
            for ended, answer in self.read():
                if ended == stream:
                    if answer is None:
                        raise Failed(f"etcd: {path} was refused")
                    return numbers(answer)
