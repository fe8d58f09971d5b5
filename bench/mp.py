# SPDX-License-Identifier: Apache-2.0
"""As much of msgpack as the protocols of the peers and ours need: nil, bool, int, str and bytes, list, dict."""
import struct


class Short(Exception):
    """The value is not all there yet."""


def pack(v):
    if v is None:
        return b"\xc0"
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return struct.pack(">B", v) if 0 <= v < 128 else b"\xd3" + struct.pack(">q", v)
    if isinstance(v, (str, bytes)):
        raw = v.encode() if isinstance(v, str) else v
        return (bytes([0xa0 | len(raw)]) if len(raw) < 32 else b"\xda" + struct.pack(">H", len(raw))) + raw
    if isinstance(v, dict):
        return b"\xde" + struct.pack(">H", len(v)) + b"".join(pack(k) + pack(x) for k, x in v.items())
    return b"\xdc" + struct.pack(">H", len(v)) + b"".join(map(pack, v))


FIXED = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i",
         0xd3: ">q"}
SIZED = {0xc4: ">B", 0xc5: ">H", 0xc6: ">I", 0xd9: ">B", 0xda: ">H", 0xdb: ">I", 0xdc: ">H", 0xdd: ">I", 0xde: ">H",
         0xdf: ">I"}


def number(buf, at, form):
    end = at + struct.calcsize(form)
    if end > len(buf):
        raise Short
    return struct.unpack(form, buf[at:end])[0], end


def raw(buf, at, n, is_text):
    if at + n > len(buf):
        raise Short
    v = bytes(buf[at:at + n])
    return (v.decode("utf-8", "replace") if is_text else v), at + n


def several(buf, at, n, is_map):
    items = []
    for _ in range(2 * n if is_map else n):
        v, at = unpack(buf, at)
        items.append(v)
    return (dict(zip(items[::2], items[1::2])) if is_map else items), at


def unpack(buf, at=0):
    """(value, where the next one begins); Short when it is not all there."""
    if at >= len(buf):
        raise Short
    b, at = buf[at], at + 1
    if b < 0x80 or b >= 0xe0:
        return (b if b < 0x80 else b - 256), at
    if b < 0xc0:
        if b >= 0xa0:
            return raw(buf, at, b & 31, True)
        return several(buf, at, b & 15, b < 0x90)
    if b in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[b], at
    if b in FIXED:
        return number(buf, at, FIXED[b])
    if b not in SIZED:
        raise ValueError(f"msgpack: {b:#x}")
    n, at = number(buf, at, SIZED[b])
    if b < 0xdc:
        return raw(buf, at, n, b >= 0xd9)
    return several(buf, at, n, b >= 0xde)
