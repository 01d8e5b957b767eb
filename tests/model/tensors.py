# SPDX-License-Identifier: MIT
"""Safetensors files as {name: (entry, bytes)}; an entry has "dtype" and "shape"."""
import json
import struct


def read(path):
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        head, body = json.loads(f.read(size)), f.read()
    head.pop("__metadata__", None)
    return {name: ({"dtype": e["dtype"], "shape": e["shape"]}, body[slice(*e["data_offsets"])])
            for name, e in head.items()}


def write(path, tensors):
    """In the order of their names."""
    head, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (entry, data) in sorted(tensors.items()):
        head[name] = {**entry, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, (_, data) in sorted(tensors.items()):
            f.write(data)
