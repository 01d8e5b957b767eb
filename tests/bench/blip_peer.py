# SPDX-License-Identifier: MIT
# blip_peer.py - blip.c's workloads by transformers and PyTorch, random weights
#
#     blip_peer.py BUILD [WORKLOAD...]      alternates with BUILD/tests/bench/blip, medians of 5
#                                           (PEER_ROUNDS): "NAME OURS THEIRS UNIT RATIO"; above 1
#                                           we are faster
#     blip_peer.py - [WORKLOAD...]          alone: "NAME VALUE UNIT"
#
# Without names also ours in int8, beside PyTorch's f32, and its bf16 where the processor multiplies such.
#
# Captions are those of BlipForConditionalGeneration.  Matching is plain PyTorch around the modules
# of BlipForImageTextRetrieval: keys and values of an image are computed once and shared, and texts
# are folded into the query axis; which is faster than the class itself.  Image towers beside ONNX
# Runtime are peers.py's affair.  With OMP_NUM_THREADS=1 processor time counts, as in blip.c.
import os
import statistics
import sys

sys.dont_write_bytecode = True
from turns import THREADS, clock, in_turns  # noqa: E402

try:
    import torch
    import transformers
    import transformers.utils.logging
    from torch.nn import functional as F
except ImportError:
    sys.exit("# transformers is not installed")

SIDE, TOKENS, WIDTH, HEADS, STEPS = 384, 577, 768, 12, 20


def config():
    return transformers.BlipConfig(
        text_config=dict(hidden_size=WIDTH, num_attention_heads=HEADS, encoder_hidden_size=WIDTH),
        vision_config=dict(hidden_size=WIDTH, image_size=SIDE, patch_size=16),
        image_text_hidden_size=256)


INT8 = ["image.keys", "step.3", "caption", "itm.16x8", "itm.35x8"]


def has_bf16():
    with open("/proc/cpuinfo") as lines:
        return any("avx512_bf16" in line or "amx_bf16" in line for line in lines)


class Peer:
    def __init__(self):
        torch.manual_seed(0)
        torch.set_num_threads(THREADS)
        self.writer = transformers.BlipForConditionalGeneration(config()).eval()
        self.matcher = transformers.BlipForImageTextRetrieval(config()).eval()
        self.image = torch.randn(1, TOKENS, WIDTH)

    def vit(self, count, _):
        pixels = torch.zeros(count, 3, SIDE, SIDE)
        return timed(lambda: self.writer.vision_model(pixels)) / count

    def keys(self, *_):
        layers = self.writer.text_decoder.bert.encoder.layer
        return timed(lambda: [(at.key(self.image), at.value(self.image)) for at in
                              (layer.crossattention.self for layer in layers)])

    def write(self, beams, length):
        ids = torch.tensor([[self.writer.config.text_config.bos_token_id]])
        return self.writer.text_decoder.generate(
            input_ids=ids, encoder_hidden_states=self.image, num_beams=beams, do_sample=False,
            encoder_attention_mask=torch.ones(1, TOKENS, dtype=torch.long), eos_token_id=102,
            pad_token_id=0, min_length=length, max_length=length)

    def step(self, beams, _):
        return (timed(lambda: self.write(beams, STEPS + 4))
                - timed(lambda: self.write(beams, 4))) / STEPS

    def caption(self, beams, length):
        pixels = torch.zeros(1, 3, SIDE, SIDE)
        return timed(lambda: self.writer.generate(
            pixels, num_beams=beams, do_sample=False, min_length=length, max_length=length))

    def pairs(self, texts, tokens):
        def heads(x):
            return x.view(x.shape[0], -1, HEADS, WIDTH // HEADS).transpose(1, 2)
        m = self.matcher.text_encoder
        x = m.embeddings(torch.arange(texts * tokens).view(texts, tokens))
        for layer in m.encoder.layer:
            at = layer.attention.self
            a = F.scaled_dot_product_attention(heads(at.query(x)), heads(at.key(x)),
                                               heads(at.value(x)))
            x = layer.attention.output(a.transpose(1, 2).reshape(texts, tokens, WIDTH), x)
            at = layer.crossattention.self
            q = heads(at.query(x).view(1, texts * tokens, WIDTH))
            a = F.scaled_dot_product_attention(q, heads(at.key(self.image)),
                                               heads(at.value(self.image)))
            x = layer.crossattention.output(a.transpose(1, 2).reshape(texts, tokens, WIDTH), x)
            x = layer.output(layer.intermediate(x), x)
        return self.matcher.itm_head(x[:, 0])

    def match(self, texts, tokens):
        return timed(lambda: self.pairs(texts, tokens)) / texts


WORKLOADS = {
    "vit.1": (Peer.vit, 1, 0, "images/s"), "vit.8": (Peer.vit, 8, 0, "images/s"),
    "image.keys": (Peer.keys, 1, 0, "ms"), "step.1": (Peer.step, 1, 0, "ms"),
    "step.3": (Peer.step, 3, 0, "ms"), "step.5": (Peer.step, 5, 0, "ms"),
    "caption": (Peer.caption, 3, 20, "/s"), "itm.16x1": (Peer.match, 1, 16, "pairs/s"),
    "itm.16x8": (Peer.match, 8, 16, "pairs/s"), "itm.35x1": (Peer.match, 1, 35, "pairs/s"),
    "itm.35x8": (Peer.match, 8, 35, "pairs/s"),
}


def timed(run):
    start = clock()
    run()
    return clock() - start


def spell(seconds, unit):
    return f"{1e3 * seconds:.2f}" if unit == "ms" else f"{1 / seconds:.2f}"


def beside(command, peer, names, rounds, who="PyTorch"):
    def step(name):
        pass_, count, tokens, _ = WORKLOADS[name]
        return pass_(peer, count, tokens)
    kind = " int8" if "int8" in command else ""
    for name, own, their in in_turns(command, names, step, rounds):
        unit = WORKLOADS[name][3]
        print(f"BLIP{kind} {name}: vlm {spell(own, unit)} {unit} | {who} {spell(their, unit)}, "
              f"vlm {their / own:.2f}x", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: blip_peer.py BUILD|- [WORKLOAD...]")
    build, names = sys.argv[1], sys.argv[2:] or list(WORKLOADS)
    rounds = int(os.environ.get("PEER_ROUNDS", 5))
    transformers.utils.logging.set_verbosity_error()
    with torch.inference_mode():
        peer = Peer()
        if build != "-":
            program = os.path.join(build, "tests/bench/blip")
            beside([program, "-"], peer, names, rounds)
            if len(sys.argv) == 2:
                beside([program, "int8", "-"], peer, INT8, rounds, "PyTorch f32")
            if len(sys.argv) == 2 and has_bf16():
                torch.set_default_dtype(torch.bfloat16)
                beside([program, "int8", "-"], Peer(), INT8, rounds, "PyTorch bf16")
            return None
        for name in names:
            pass_, count, tokens, unit = WORKLOADS[name]
            pass_(peer, count, tokens)
            times = [pass_(peer, count, tokens) for _ in range(rounds)]
            print(name, spell(statistics.median(times), unit), unit, flush=True)


main()
