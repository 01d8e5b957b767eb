# SPDX-License-Identifier: MIT
# opt_peer.py - opt.c's workloads by transformers and PyTorch, random weights
#
#     opt_peer.py BUILD [TYPE...]     alternates with BUILD/tests/bench/opt, TYPE f16, f16.medium, int8;
#                                     medians of 5 (PEER_ROUNDS): "TYPE PRECISION NAME OURS THEIRS ms RATIO";
#                                     above 1 we are faster
#     opt_peer.py -                   alone: "PRECISION NAME VALUE ms"
#
# A step is one pass of OPTForCausalLM with its cache of keys and values, for one text or five, behind
# the rows of a picture and a prompt; the choice of tokens is on neither side.  Which of PyTorch's
# precisions is fastest differs (bf16, f32, or f32 multiplied as bf16: "medium"); PEER_PRECISION names
# those to try.  With OMP_NUM_THREADS=1 processor time counts, as in opt.c.  The
# largest takes 11 GB beside our 6; what the memory does not hold is passed by.
import gc
import os
import statistics
import sys
import warnings

sys.dont_write_bytecode = True
from turns import THREADS, clock, in_turns  # noqa: E402

try:
    import torch
    import transformers.utils.logging
    from transformers import OPTConfig, OPTForCausalLM
except ImportError:
    sys.exit("# transformers is not installed")

ROWS, STEPS, WORDS = 36, 4, 50304
NUMBERS = 2.65e9
PRECISIONS = {"f32": (torch.float32, "highest"), "medium": (torch.float32, "medium"),
              "bf16": (torch.bfloat16, "highest")}
WORKLOADS = {"one": 1, "five": 5, "picture": 0}
warnings.filterwarnings("ignore", category=FutureWarning)  # of names that older releases need


def available():
    with open("/proc/meminfo") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


class Peer:
    def __init__(self, precision):
        self.type, multiply = PRECISIONS[precision]
        torch.set_float32_matmul_precision(multiply)
        torch.set_default_dtype(self.type)
        with torch.device("meta"):  # nothing is drawn that is written over at once
            self.model = OPTForCausalLM(OPTConfig(
                hidden_size=2560, num_hidden_layers=32, ffn_dim=10240, num_attention_heads=32,
                vocab_size=WORDS, word_embed_proj_dim=2560))
        self.model.to_empty(device="cpu").eval().tie_weights()
        self.caches = {}
        block = (torch.rand(1 << 20) - 0.5) / 8
        for p in self.model.parameters():
            some = p.data.view(-1)
            for at in range(0, len(some), len(block)):
                some[at:at + len(block)] = block[:len(some) - at]

    def rows(self, texts):
        return self.model(inputs_embeds=torch.zeros(texts, ROWS, 2560), use_cache=True)

    def step(self, name):
        texts = WORKLOADS[name]
        if not texts:
            start = clock()
            self.rows(1)
            return clock() - start
        if texts not in self.caches:
            self.caches[texts] = self.rows(texts).past_key_values
        cache = self.caches[texts]
        ids = torch.full((texts, 1), 1234)
        start = clock()
        for _ in range(STEPS):
            self.model(input_ids=ids, past_key_values=cache, use_cache=True)
        start = clock() - start
        cache.crop(-STEPS)
        return start / STEPS


def beside(program, peer, precision, kind, rounds):
    for name, own, their in in_turns([program, "-", kind], WORKLOADS, peer.step, rounds):
        print(f"{kind} {precision} {name}: vlm {1e3 * own:.0f} ms | PyTorch {1e3 * their:.0f} ms, "
              f"vlm {their / own:.2f}x", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: opt_peer.py BUILD|- [TYPE...]")
    build, kinds = sys.argv[1], sys.argv[2:] or ["f16", "f16.medium", "int8"]
    rounds = int(os.environ.get("PEER_ROUNDS", 5))
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(THREADS)
    for precision in os.environ.get("PEER_PRECISION", " ".join(PRECISIONS)).split():
        wanted = NUMBERS * torch.finfo(PRECISIONS[precision][0]).bits / 8 + 7.5e9
        if available() < wanted:
            print(f"# {precision}: skipped, {1e-9 * wanted:.0f} GB of memory wanted")
            continue
        with torch.inference_mode():
            peer = Peer(precision)
            for kind in kinds if build != "-" else []:
                beside(os.path.join(build, "tests/bench/opt"), peer, precision, kind, rounds)
            for name in WORKLOADS if build == "-" else []:
                peer.step(name)
                times = [peer.step(name) for _ in range(rounds)]
                print(precision, name, f"{1e3 * statistics.median(times):.0f} ms", flush=True)
        del peer
        gc.collect()


main()
