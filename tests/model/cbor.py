# SPDX-License-Identifier: MIT
"""The CBOR that vlm-embed --features --binary writes: records one after the other, matrices as RFC 8746 has them."""
import json
import struct

import numpy

def head(kind, value):
    if value < 24:
        return bytes([kind << 5 | value])
    for more, form in ((24, ">BB"), (25, ">BH"), (26, ">BI")):
        if value < 1 << 8 * (struct.calcsize(form) - 1):
            return struct.pack(form, kind << 5 | more, value)
    raise ValueError(value)


def encode(x):
    if isinstance(x, str):
        return head(3, len(x.encode())) + x.encode()
    if isinstance(x, int):
        return head(0, x)
    if isinstance(x, dict):
        return head(5, len(x)) + b"".join(encode(k) + encode(v) for k, v in x.items())
    data = x.astype("<f2").tobytes()
    shape = head(4, len(x.shape)) + b"".join(head(0, n) for n in x.shape)
    return head(6, 40) + head(4, 2) + shape + head(6, 84) + head(2, len(data)) + data


def decode(f):
    """One item of what vlm-embed writes; None at the end."""
    first = f.read(1)
    if not first:
        return None
    kind, value = first[0] >> 5, first[0] & 31
    if kind == 7 and value == 27:
        return struct.unpack(">d", f.read(8))[0]
    if 24 <= value < 28:
        value = int.from_bytes(f.read(1 << value - 24), "big")
    if kind == 0:
        return value
    if kind in (2, 3):
        data = f.read(value)
        return data.decode() if kind == 3 else data
    if kind == 4:
        return [decode(f) for _ in range(value)]
    if kind == 5:
        return {decode(f): decode(f) for _ in range(value)}
    if kind == 6:
        inner = decode(f)
        if value == 40:
            return numpy.frombuffer(inner[1], "<f2").reshape(inner[0])
        return inner
    return {20: False, 21: True, 22: None}.get(value)


def records(path):
    """The JSON of each with its matrices beside."""
    with open(path, "rb") as f:
        while (r := decode(f)) is not None:
            yield {**json.loads(r.pop("json")), **r}


def record(fields, **matrices):
    return encode({"json": json.dumps(fields, ensure_ascii=False, separators=(",", ":")), **matrices})
