#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_weights.py - checkpoints of some kilobytes, as PyTorch and safetensors write them

    python3 tests/golden/make_weights.py [FOLDER]      default: tests/golden/weights

For NAME.pt, what a reader should find is NAME.safetensors; several share one.
"""
import io
import json
import os
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict

import torch
from safetensors.torch import save_file

torch.manual_seed(7)
folder = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/weights"
os.makedirs(folder, exist_ok=True)


def at(name):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def expect(name, tensors, metadata=None):
    """The same numbers, each contiguous and alone."""
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, at(name), metadata)


# A state dict with everything that a tensor can be.
shared = torch.randn(6, 4)
square = torch.randn(5, 7)
state = OrderedDict()
state["f32"] = torch.randn(3, 5)
state["f16"] = torch.randn(4, 3).half()
state["bf16"] = torch.randn(2, 3, 4).bfloat16()
state["f64"] = torch.randn(3).double()
state["i64"] = torch.tensor([[-1, 2**40], [3, 4]])
state["i32"] = torch.tensor([-7, 8], dtype=torch.int32)
state["i16"] = torch.tensor([-300, 300], dtype=torch.int16)
state["i8"] = torch.tensor([-3, 3, 5], dtype=torch.int8)
state["u8"] = torch.tensor([0, 255], dtype=torch.uint8)
state["bool"] = torch.tensor([True, False, True])
state["scalar"] = torch.tensor(4.6052)
state["empty"] = torch.zeros(0, 3)
state["parameter"] = torch.nn.Parameter(torch.randn(2, 2))
state["shared.all"] = shared
state["shared.rows"] = shared[2:4]
state["shared.column"] = shared[:, 1]
state["transposed"] = square.t()
state["permuted"] = torch.randn(2, 3, 4, 5).permute(0, 2, 3, 1)
state["expanded"] = torch.randn(3, 1).expand(3, 4)
state["embeddings.LayerNorm.gamma"] = torch.randn(4)
state["embeddings.LayerNorm.beta"] = torch.randn(4)
state._metadata = OrderedDict([("", {"version": 1})])
torch.save(state, at("zip.pt"))
torch.save(state, at("legacy.pt"), _use_new_zipfile_serialization=False)
found = OrderedDict((k.replace(".gamma", ".weight").replace(".beta", ".bias"), v) for k, v in state.items())
expect("zip.safetensors", found)

# The reference writer's bytes, which ours has to give too; and the shards of the same.
plain = OrderedDict((k, v) for k, v in found.items() if "LayerNorm" in k or k in (
    "f32", "f16", "bf16", "i64", "i32", "i8", "bool", "scalar", "empty"))
expect("plain.safetensors", plain, {"format": "pt"})
halves = {"a": {}, "b": {}}
for i, (name, tensor) in enumerate(plain.items()):
    halves["ab"[i % 2]][name] = tensor.clone()
for kind, end in ("safetensors", "safetensors"), ("torch", "bin"):
    stem = "model" if kind == "safetensors" else "pytorch_model"
    where = {}
    for i, half in enumerate("ab", 1):
        shard = f"{stem}-{i:05}-of-00002.{end}"
        where.update({name: shard for name in halves[half]})
        # a name that the index gives to the other shard must not be taken from this one
        extra = {"f32": torch.zeros(9)} if half == "b" else {}
        path = at(f"sharded-{kind}/{shard}")
        if kind == "safetensors":
            save_file({**halves[half], **extra}, path)
        else:
            torch.save({**halves[half], **extra}, path)
    with open(at(f"sharded-{kind}/{stem}.{end}.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": 0}, "weight_map": where}, f, indent=1)

# A training checkpoint, of a model that was trained on several devices.
net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
net(torch.randn(4, 3)).sum().backward()
optimizer.step()
torch.save({
    "model": OrderedDict(("module." + k, v) for k, v in net.state_dict().items()),
    "optimizer": optimizer.state_dict(),
    "lr_scheduler": {"base": 1e-5, "steps": [1, 2, 300, 70000, -5, 2**40, 2**70], "mode": None},
    "config": {"image_res": 224, "train": ["a.json", "b.json"], "queue": (1, 2.5, "x", b"y")},
    "scaler": {},
    "epoch": 3,
}, at("wrapped.pt"))
torch.save({"state_dict": net.state_dict(), "name": "x", "epoch": 1}, at("wrapped2.pt"))
expect("wrapped.safetensors", net.state_dict())


# A TorchScript archive as OpenAI's are: mixed precision, settings as tensors and as integers.
class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(4, 3).half())
        self.bias = torch.nn.Parameter(torch.randn(4))
        self.sizes = [1, 2]
        self.flag = True

    def forward(self, x):
        return torch.nn.functional.linear(x, self.weight.float(), self.bias)


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Inner()
        self.transformer = torch.nn.Sequential(Inner(), torch.nn.LayerNorm(4))
        self.logit_scale = torch.nn.Parameter(torch.tensor(4.6))
        self.register_buffer("input_resolution", torch.tensor(224))
        self.register_buffer("context_length", torch.tensor(77))
        self.vocab_size = 49408

    def forward(self, x):
        return self.transformer[1](self.visual(x)) * self.logit_scale


outer = Outer()
torch.jit.save(torch.jit.script(outer), at("script.pt"))
expect("script.safetensors", {k: v for k, v in outer.state_dict().items()
                              if k not in ("input_resolution", "context_length")})


# What other writers make of the same archive.
def entries(path):
    with zipfile.ZipFile(path) as z:
        return [(i.filename.split("/", 1)[1], z.read(i)) for i in z.infolist()]


small = OrderedDict((k, state[k]) for k in ("f32", "f16", "i64", "transposed"))
torch.save(small, at("small.pt"))
expect("small.safetensors", small)
parts = entries(at("small.pt"))
os.remove(at("small.pt"))
with zipfile.ZipFile(at("deflated.pt"), "w") as z:
    for name, data in parts:
        z.writestr("archive/" + name, data,
                   zipfile.ZIP_DEFLATED if name == "data.pkl" else zipfile.ZIP_STORED)
buffer = io.BytesIO()
with zipfile.ZipFile(at("big.pt"), "w") as z:
    for name, data in parts:
        if name == "byteorder":
            data = b"big"
        if name.startswith("data/"):
            width = {0: 4, 1: 2, 2: 8, 3: 4}[int(name[5:])]
            data = b"".join(data[i:i + width][::-1] for i in range(0, len(data), width))
        z.writestr("archive/" + name, data)

# Every 32-bit field saturated, as if each entry were larger than 4 GiB and far into the file.
out, directory = bytearray(), bytearray()
full = 0xFFFFFFFF
for name, data in parts:
    name = ("archive/" + name).encode()
    header = len(out)
    out += struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0x808, 0, 0, 0, 0, 0, 0, len(name), 0) + name + data
    extra = struct.pack("<2H3Q", 1, 24, len(data), len(data), header)
    extra = struct.pack("<2H4s", 0x4246, 4, b"ZZZZ") + extra  # behind another block
    directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, 45, 0x808, 0, 0, 0, zlib.crc32(data), full, full,
                             len(name), len(extra), 0, 0, 0, 0, full) + name + extra
start = len(out)
out += directory
end64 = len(out)
out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(parts), len(parts), len(directory), start)
out += struct.pack("<4sLQL", b"PK\6\7", 0, end64, 1)
out += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, full, full, 0)
with open(at("zip64.pt"), "wb") as f:
    f.write(out)
