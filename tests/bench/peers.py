#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole towers beside PyTorch and ONNX Runtime: the same sizes, random weights, in the same minutes.

    peers.py BUILD [WORKLOAD ...]        a workload is NAME:BATCH, e.g. ViT-B/32:8

The three take turns, five rounds (PEER_ROUNDS); each turn is one timed stretch of at least 50 ms
after a warm-up, and medians are compared.  PyTorch runs pre-norm blocks with one product for query,
key and value, scaled_dot_product_attention and inference_mode, eagerly and (PEER_COMPILE=1) through
torch.compile with frozen weights; its better figure counts.  ONNX Runtime gets the plain graph of
the same tower and optimises it as it can.  Neither skips rows that nobody sees; ours does.
"""
import importlib, os, statistics, subprocess, sys, tempfile, time

threads = len(os.sched_getaffinity(0))
os.environ.setdefault("OMP_NUM_THREADS", str(threads))
import numpy as np

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None
try:
    import onnx, onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    onnxruntime = None

#        image, patch, width, layers, heads
VIT = {"ViT-B/32": (224, 32, 768, 12, 12), "ViT-B/16": (224, 16, 768, 12, 12),
       "ViT-B/16-384": (384, 16, 768, 12, 12), "ViT-L/14": (224, 14, 1024, 24, 16)}
DEFAULT = ["ViT-B/32:1", "ViT-B/32:8", "ViT-L/14:1", "ViT-L/14:8", "ViT-B/16-384:1",
           "ViT-B/16-384:8"]
ROUNDS = int(os.environ.get("PEER_ROUNDS", "5"))


def timed(run):
    """Seconds of one pass."""
    run()
    count, start = 0, time.perf_counter()
    while True:
        run()
        count += 1
        spent = time.perf_counter() - start
        if spent > 0.05:
            return spent / count


class Ours:
    def __init__(self, build):
        self.process = subprocess.Popen([os.path.join(build, "tests/bench/tower"), "-"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [float(x) for x in self.process.stdout.readline().split()]


# --- PyTorch ---------------------------------------------------------------------------------------


def torch_tower(name):
    image, patch, width, layers, heads = VIT[name]

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
            self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
            self.fc1, self.fc2 = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

        def forward(self, x):
            n, tokens, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(n, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v)
            x = x + self.out(a.transpose(1, 2).reshape(n, tokens, width))
            h = self.fc1(self.norm2(x))
            return x + self.fc2(h * torch.sigmoid(1.702 * h))

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = torch.nn.Conv2d(3, width, patch, patch, bias=False)
            self.first = torch.nn.Parameter(torch.randn(width))
            self.position = torch.nn.Parameter(torch.randn((image // patch) ** 2 + 1, width))
            self.before, self.after = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
            self.blocks = torch.nn.ModuleList([Block() for _ in range(layers)])
            self.project = torch.nn.Linear(width, 512, bias=False)

        def forward(self, pixels):
            x = self.patches(pixels).flatten(2).transpose(1, 2)
            x = torch.cat([self.first.expand(len(x), 1, -1), x], 1) + self.position
            x = self.before(x)
            for block in self.blocks:
                x = block(x)
            return self.project(self.after(x[:, 0]))

    return Tower().eval()


def torch_runs(name, batch):
    torch.set_num_threads(threads)
    tower = torch_tower(name)
    pixels = torch.randn(batch, 3, VIT[name][0], VIT[name][0])

    def run():
        with torch.inference_mode():
            tower(pixels)

    runs = [run]
    if os.environ.get("PEER_COMPILE"):
        importlib.import_module("torch._inductor.config").freezing = True
        with torch.no_grad():
            compiled = torch.compile(tower)
            compiled(pixels)

        def run_compiled():
            with torch.no_grad():
                compiled(pixels)

        runs.append(run_compiled)
    return runs


# --- ONNX Runtime ----------------------------------------------------------------------------------


class Graph:
    def __init__(self, seed=1):
        self.nodes, self.values, self.random = [], [], np.random.default_rng(seed)

    def value(self, array):
        name = f"v{len(self.values)}"
        self.values.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, *shape):
        numbers = self.random.standard_normal(shape, np.float32)
        return self.value(numbers * np.float32(shape[0] ** -0.5))

    def ints(self, *numbers):
        return self.value(np.array(numbers, np.int64))

    def node(self, kind, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def linear(self, x, into, out):
        return self.node("Add", self.node("MatMul", x, self.weight(into, out)), self.weight(out))

    def norm(self, x, width):
        return self.node("LayerNormalization", x, self.weight(width), self.weight(width), axis=-1,
                         epsilon=1e-5)


def onnx_tower(name, batch):
    image, patch, width, layers, heads = VIT[name]
    tokens, g = (image // patch) ** 2 + 1, Graph()
    split = g.ints(batch, tokens, heads, width // heads)

    def head(x, order):
        return g.node("Transpose", g.node("Reshape", x, split), perm=order)

    x = g.node("Conv", "pixels", g.weight(width, 3, patch, patch), strides=[patch, patch],
               kernel_shape=[patch, patch])
    x = g.node("Transpose", g.node("Reshape", x, g.ints(batch, width, tokens - 1)), perm=[0, 2, 1])
    first = g.value(np.ones((batch, 1, width), np.float32))
    x = g.node("Add", g.node("Concat", first, x, axis=1), g.weight(tokens, width))
    x = g.norm(x, width)
    scale = g.value(np.float32((width // heads) ** -0.5))
    for _ in range(layers):
        h = g.norm(x, width)
        q = head(g.linear(h, width, width), [0, 2, 1, 3])
        k = head(g.linear(h, width, width), [0, 2, 3, 1])
        v = head(g.linear(h, width, width), [0, 2, 1, 3])
        a = g.node("Softmax", g.node("Mul", g.node("MatMul", q, k), scale), axis=-1)
        a = g.node("Transpose", g.node("MatMul", a, v), perm=[0, 2, 1, 3])
        a = g.node("Reshape", a, g.ints(batch, tokens, width))
        x = g.node("Add", x, g.linear(a, width, width))
        h = g.linear(g.norm(x, width), width, 4 * width)
        h = g.node("Mul", h, g.node("Sigmoid", g.node("Mul", h, g.value(np.float32(1.702)))))
        x = g.node("Add", x, g.linear(h, 4 * width, width))
    x = g.node("Gather", x, g.value(np.int64(0)), axis=1)
    x = g.node("MatMul", g.norm(x, width), g.weight(width, 512))
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, image, image])
    result = helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, 1, 512])
    graph = helper.make_graph(g.nodes, "tower", [given], [result], g.values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def onnx_run(name, batch):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:  # from bytes it would keep those too
        onnx.save(onnx_tower(name, batch), file.name)
        session = onnxruntime.InferenceSession(file.name, options,
                                               providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(2).standard_normal((batch, 3, VIT[name][0], VIT[name][0]),
                                                      np.float32)
    return lambda: session.run(None, {"pixels": pixels})


# --- taking turns ----------------------------------------------------------------------------------


def compare(ours, workload, peak):
    name, batch = workload.split(":")
    batch = int(batch)
    runs = {}
    if torch:
        for i, run in enumerate(torch_runs(name, batch)):
            runs["PyTorch" + " compiled" * i] = run
    if onnxruntime:
        runs["ONNX Runtime"] = onnx_run(name, batch)
    times = {who: [] for who in ["vlm", *runs]}
    gflop = 0
    for _ in range(ROUNDS):
        seconds, gflop = ours.ask(f"{name} {batch}")
        times["vlm"].append(seconds)
        for who, run in runs.items():
            times[who].append(timed(run))
    mine = statistics.median(times["vlm"])
    line = f"{name:<13} x{batch:<3} vlm {1e3 * mine:8.1f} ms {batch / mine:7.2f} /s"
    if peak:
        line += f" {100 * gflop / mine / peak:3.0f} % of peak"
    for who in runs:
        theirs = statistics.median(times[who])
        line += f" | {who} {1e3 * theirs:8.1f} ms, vlm {theirs / mine:.2f}x"
    print(line, flush=True)


def main():
    ours = Ours(sys.argv[1])
    peak = ours.ask("peak")[0]
    load = os.getloadavg()[0]
    print(f"# {threads} threads, {peak:.0f} GFLOP/s peak, load {load:.1f} at the start"
          + (f", torch {torch.__version__}" if torch else ", no torch")
          + (f", onnxruntime {onnxruntime.__version__}" if onnxruntime else ", no onnxruntime"))
    for workload in sys.argv[2:] or DEFAULT:
        compare(ours, workload, peak)


main()
