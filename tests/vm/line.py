# SPDX-License-Identifier: Apache-2.0
"""The host's end of the line to a guest's agent (guest/agent.sh): a Unix socket that qemu connects to as a virtio port.

What comes is lines: `hello BOOT-ID` at each boot, `done ID STATUS OUTPUT` for each command. The line knows nothing of
virtual machines; who waits says for how long, and what tells that waiting is vain.
"""
import base64
import os
import select
import socket
import time


class LineError(Exception):
    """The guest did not answer: too late, or it cannot any more."""


class Line:
    """Listens at `path` for one guest."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.listener.bind(path)
        self.listener.listen(1)
        self.guest = None
        self.boot_id = None
        self.answers = {}
        self.rest = b""
        self.last_id = 0

    def close(self):
        for end in (self.guest, self.listener):
            if end:
                end.close()
        os.unlink(self.path)

    def restarted(self):
        """A new qemu is about to connect: what the old one had begun to say is void."""
        if self.guest:
            self.guest.close()
        self.guest = self.boot_id = None
        self.answers = {}
        self.rest = b""

    def _take(self, words):
        if words[0] == b"hello" and len(words) == 2:
            self.boot_id = words[1].decode()
        elif words[0] == b"done" and len(words) in (3, 4):
            try:
                output = base64.b64decode(words[3]) if len(words) == 4 else b""
                self.answers[int(words[1])] = (int(words[2]), output.decode(errors="replace"))
            except ValueError:
                pass  # cut off by a boot: nobody waits for that one any more

    def _read(self):
        got = self.guest.recv(1 << 16)
        if not got:
            raise LineError("the virtual machine is gone")
        *lines, self.rest = (self.rest + got).split(b"\n")
        for line in lines:
            if line:
                self._take(line.split())

    def wait(self, done, bound_s, watch, what):
        """Until done() is true. watch() is called all along, and raises when waiting is vain."""
        end = time.monotonic() + bound_s
        while not done():
            watch()
            if time.monotonic() > end:
                raise LineError(f"waited {bound_s} s for {what}")
            ready, _, _ = select.select([self.guest or self.listener], [], [], 0.5)
            if not ready:
                continue
            if self.guest:
                self._read()
            else:
                self.guest, _ = self.listener.accept()

    def ask(self, script, seconds):
        """Hands a command over; the number to find its answer by in `answers`."""
        self.last_id += 1
        text = base64.b64encode(script.encode()).decode()
        self.guest.sendall(f"{self.last_id} {seconds} {text}\n".encode())
        return self.last_id
