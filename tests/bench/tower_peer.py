#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Image towers in int8 and bf16 beside OpenVINO, ONNX Runtime and PyTorch: the same weights and pictures.

    tower_peer.py BUILD [WORKLOAD ...]     a workload is NAME:BATCH:TYPE, e.g. ViT-B/32:8:int8

A model of random weights, whose layer norms have a few large channels as trained ones do, is written
as Hugging Face does.  vlm-convert makes int8 of it, with pieces chosen for a least cosine of 0.999,
and another of one piece a number, which is what peers do.  OpenVINO's is quantised by nncf, with the
photographs that vlm-convert gets; ONNX Runtime's dynamically, a scale for each channel of the
weights.  All take turns, PEER_ROUNDS (3) times; medians count.  Behind each is its least cosine to
PyTorch's f32, over the photographs (VLM_PHOTOS names their folders), which vlm-convert has seen too.
PEER_FOLDER is where models are kept for another time.  With one thread (taskset -c 0) processor time
counts, so that other processes do less harm.
"""
import json, os, statistics, subprocess, sys, tempfile, time, warnings

from turns import THREADS as threads, clock
warnings.filterwarnings("ignore")
import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden"))
from photographs import photographs

#        image, patch, width, layers, heads
VIT = {"ViT-B/32": (224, 32, 768, 12, 12), "ViT-B/16-384": (384, 16, 768, 12, 12),
       "ViT-L/14": (224, 14, 1024, 24, 16)}
DEFAULT = ["ViT-B/32:1:int8", "ViT-B/32:16:int8", "ViT-L/14:16:int8", "ViT-B/16-384:4:int8",
           "ViT-B/32:16:bf16", "ViT-L/14:16:bf16"]
ROUNDS = int(os.environ.get("PEER_ROUNDS", "3"))
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def make_model(name, folder):
    image, patch, width, layers, heads = VIT[name]
    torch.manual_seed(1)
    config = CLIPConfig(
        projection_dim=512,
        vision_config=dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
                           num_attention_heads=heads, image_size=image, patch_size=patch,
                           projection_dim=512),
        text_config=dict(vocab_size=1000, hidden_size=64, intermediate_size=64, num_hidden_layers=1,
                         num_attention_heads=1, projection_dim=512, bos_token_id=998, eos_token_id=999))
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for key, p in model.vision_model.named_parameters():
            if p.ndim > 1 and "position" not in key:
                p.normal_(0, p[0].numel() ** -0.5)
            elif "norm" in key and key.endswith("weight"):
                p.copy_(torch.exp(0.3 * torch.randn_like(p)))
                p[torch.randperm(len(p))[:3]] *= 8
            elif key.endswith("bias"):
                p.normal_(0, 0.1)
    model.save_pretrained(folder)
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(dict(image_processor_type="CLIPImageProcessor", size=dict(shortest_edge=image),
                       crop_size=dict(height=image, width=image), resample=3, do_resize=True,
                       do_center_crop=True, do_rescale=True, do_normalize=True, image_mean=MEAN,
                       image_std=STD, rescale_factor=1 / 255, do_convert_rgb=True), f)

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vision, self.project = model.vision_model, model.visual_projection

        def forward(self, pixels):
            return self.project(self.vision(pixel_values=pixels).pooler_output)

    return Tower().eval()


def some_photographs(folder):
    """64 JPEG files of 640 x 480: the photographs, and where they are fewer, parts of them."""
    found, out = photographs(64), []
    for part in range(8):
        for path in found:
            if len(out) == 64:
                return len(found), out
            picture = Image.open(path).convert("RGB")
            wide, high = picture.size
            if part:
                x, y = (part - 1) % 4 * wide // 8, (part - 1) // 4 * high // 4
                picture = picture.crop((x, y, x + wide // 2, y + high // 2))
            out.append(os.path.join(folder, f"{len(out):02}.jpg"))
            picture.resize((640, 480), Image.BICUBIC).save(out[-1], quality=90)
    return len(found), out


def pictures(paths, size):
    out = []
    for path in paths:
        picture = Image.open(path).convert("RGB")
        scale = size / min(picture.size)
        wide, high = (max(size, round(x * scale)) for x in picture.size)
        picture = picture.resize((wide, high), Image.BICUBIC)
        left, top = (wide - size) // 2, (high - size) // 2
        x = np.asarray(picture.crop((left, top, left + size, top + size)), np.float32) / 255
        out.append(((x - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1))
    return np.ascontiguousarray(out, np.float32)


def rows(x):
    x = np.asarray(x, np.float32).reshape(-1, 512)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


class Ours:
    def __init__(self, build, folder, precision=None):
        self.process = subprocess.Popen(
            [os.path.join(build, "tests/bench/model"), folder] + [precision] * bool(precision),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()

    def seconds(self, batch):
        return float(self.ask(f"time {batch}"))

    def embed(self, x):
        with tempfile.NamedTemporaryFile() as given, tempfile.NamedTemporaryFile() as out:
            x.tofile(given.name)
            self.ask(f"embed {given.name} {len(x)} {out.name}")
            return rows(np.fromfile(out.name, np.float32))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """run: pictures to embeddings."""
    def __init__(self, run):
        self.run = run

    def seconds(self, batch):
        if getattr(self, "batch", None) != batch:
            self.batch = batch
            self.x = np.random.default_rng(3).standard_normal((batch, 3, self.side, self.side), np.float32)
        start = clock()
        self.run(self.x)
        return clock() - start

    def embed(self, x):
        return rows(np.concatenate([self.run(x[i:i + 1]) for i in range(len(x))]))

    def close(self):
        pass


def openvino_peer(tower, size, kind, x, batch):
    import openvino as ov
    core = ov.Core()
    model = ov.convert_model(tower, example_input=torch.zeros(1, 3, size, size),
                             input=[-1, 3, size, size])
    if kind == "int8":
        import nncf
        nncf.set_log_level(40)
        model = nncf.quantize(model, nncf.Dataset([x[i:i + 1] for i in range(len(x))]),
                              model_type=nncf.ModelType.TRANSFORMER, subset_size=len(x))
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
              "INFERENCE_PRECISION_HINT": "bf16" if kind == "bf16" else "f32"}
    compiled = {}

    def run(pixels):
        if len(pixels) not in compiled:
            model.reshape([len(pixels), 3, size, size])
            compiled[len(pixels)] = core.compile_model(model, "CPU", config)
        return compiled[len(pixels)](pixels)[0]
    return run


def onnx_peer(tower, size, folder):
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic
    plain, narrow = os.path.join(folder, "f32.onnx"), os.path.join(folder, "int8.onnx")
    if not os.path.exists(narrow):
        torch.onnx.export(tower, (torch.zeros(1, 3, size, size),), plain, input_names=["x"],
                          output_names=["y"], dynamic_axes={"x": {0: "n"}}, opset_version=17,
                          dynamo=False)
        quantize_dynamic(plain, narrow, weight_type=QuantType.QInt8, per_channel=True,
                         extra_options={"DefaultTensorType": 1})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(narrow, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {"x": pixels})[0]


def torch_bf16(tower):
    import copy
    model = copy.deepcopy(tower).bfloat16()

    def run(pixels):
        with torch.inference_mode():
            return model(torch.from_numpy(pixels).bfloat16()).float().numpy()
    return run


def convert(build, source, to, *options):
    subprocess.run([os.path.join(build, "vlm-convert"), "--dtype", "int8", *options, source, to],
                   check=True, stdout=subprocess.DEVNULL)


def contestants(build, name, kind, batch, folder, state):
    """Name of each, and what it is."""
    size = VIT[name][0]
    hf = os.path.join(folder, name.replace("/", "-"))
    if "tower" not in state:
        os.makedirs(hf, exist_ok=True)
        state["tower"] = make_model(name, hf)
        state["x"] = pictures(state["photos"], size)
        with torch.inference_mode():
            state["true"] = rows(np.concatenate(
                [state["tower"](torch.from_numpy(state["x"][i:i + 8])).numpy()
                 for i in range(0, len(state["x"]), 8)]))
    tower, x = state["tower"], state["x"]
    if kind == "bf16":
        yield "vlm", Ours(build, hf, "medium")
        peers = [("OpenVINO bf16", openvino_peer(tower, size, kind, x, batch)),
                 ("PyTorch bf16", torch_bf16(tower))]
    else:
        measured, forced = hf + "-measured", hf + "-1"
        if not os.path.exists(measured):
            lines = os.path.join(folder, "photos.jsonl")
            with open(lines, "w") as f:
                f.writelines(json.dumps({"image": path}) + "\n" for path in state["photos"])
            convert(build, hf, measured, "--packed", "--calibrate", lines)
            convert(build, hf, forced, "--packed", "--pieces", "1")
        yield "vlm", Ours(build, measured)
        yield "vlm, 1 piece", Ours(build, forced)
        peers = [("OpenVINO nncf", openvino_peer(tower, size, kind, x[:32], batch)),
                 ("ONNX Runtime dynamic", onnx_peer(tower, size, hf))]
    for who, run in peers:
        peer = Peer(run)
        peer.side = size
        yield who, peer


def compare(build, workload, folder, states, photos):
    name, batch, kind = workload.split(":")
    batch = int(batch)
    if name not in states:
        states.clear()
        states[name] = {"photos": photos}
    state = states[name]
    who = dict(contestants(build, name, kind, batch, folder, state))
    cosine = {w: float((c.embed(state["x"]) * state["true"]).sum(1).min()) for w, c in who.items()}
    times = {w: [] for w in who}
    for i in range(ROUNDS + 1):
        for w, c in who.items():
            time.sleep(0.5)  # the threads of the one before may still wait busily
            if c.seconds(batch) < 1:
                c.seconds(batch)
            times[w].append(c.seconds(batch))
    median = {w: statistics.median(t[1:]) for w, t in times.items()}
    for ours in [w for w in who if w.startswith("vlm")]:
        label = f"{name} {kind} x{batch}" + ours[3:]
        line = f"{label} vlm {1e3 * median[ours]:.1f} ms (cosine {cosine[ours]:.5f})"
        for w in who:
            if not w.startswith("vlm"):
                line += (f" | {w} {1e3 * median[w]:.1f} ms (cosine {cosine[w]:.5f}; ours {cosine[ours]:.5f}),"
                         f" vlm {median[w] / median[ours]:.2f}x")
        print(line, flush=True)
    for c in who.values():
        c.close()


def main():
    torch.set_num_threads(threads)
    keep = os.environ.get("PEER_FOLDER")
    with tempfile.TemporaryDirectory() as temporary:
        count, photos = some_photographs(keep or temporary)
        print(f"# {threads} threads, 64 pictures of {count} photographs, load {os.getloadavg()[0]:.1f}")
        states = {}
        for workload in sys.argv[2:] or DEFAULT:
            compare(sys.argv[1], workload, keep or temporary, states, photos)


main()
