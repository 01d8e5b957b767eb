# SPDX-License-Identifier: MIT
# albef_peer.py - albef.c's workloads by salesforce/ALBEF's own code in PyTorch, random weights
#
#     albef_peer.py BUILD [WORKLOAD...]     alternates with BUILD/tests/bench/albef, medians of 5
#                                           (PEER_ROUNDS): "NAME OURS THEIRS UNIT RATIO"; above 1
#                                           we are faster
#
# VLM_ALBEF names a checkout of the original, VLM_TRANSFORMERS_4_8 a folder with the transformers
# that it was written for (as tests/golden/make_albef.py takes them).  The steps are those of its
# Retrieval.py: text states once for itc and itm; to rank again, an image's tokens repeated for
# every text.
import os
import sys

sys.dont_write_bytecode = True
from turns import THREADS, clock, in_turns  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
CHECKOUT, OLD = os.environ.get("VLM_ALBEF"), os.environ.get("VLM_TRANSFORMERS_4_8")
if not CHECKOUT or not OLD:
    sys.exit("# VLM_ALBEF and VLM_TRANSFORMERS_4_8 name no original to compare with")

import torch

import make_albef

TOKENS, SIDE = 12, 256
WORKLOADS = {"pair.1": (1, 1), "pair.8": (8, 8), "itm.1": (1, 1), "itm.8": (1, 8), "itm.32": (1, 32)}


class Peer:
    def __init__(self):
        torch.manual_seed(0)
        torch.set_num_threads(THREADS)
        self.model = make_albef.full(CHECKOUT, OLD, queue=8).eval()
        self.ids = torch.arange(32 * TOKENS).view(32, TOKENS) + 1000
        self.ids[:, 0] = 101
        self.mask = torch.ones_like(self.ids)
        self.image = self.model.visual_encoder(torch.zeros(1, 3, SIDE, SIDE))

    def judge(self, image, texts, states=None):
        m = self.model
        if states is None:
            states = m.text_encoder.bert(self.ids[:texts], attention_mask=self.mask[:texts], return_dict=True,
                                         mode="text").last_hidden_state
        x = m.text_encoder.bert(encoder_embeds=states, attention_mask=self.mask[:texts],
                                encoder_hidden_states=image,
                                encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                return_dict=True, mode="fusion").last_hidden_state
        return m.itm_head(x[:, 0])

    def pair(self, images, texts):
        m, norm = self.model, torch.nn.functional.normalize
        image = m.visual_encoder(torch.zeros(images, 3, SIDE, SIDE))
        states = m.text_encoder.bert(self.ids[:texts], attention_mask=self.mask[:texts], return_dict=True,
                                     mode="text").last_hidden_state
        u, v = norm(m.vision_proj(image[:, 0]), dim=-1), norm(m.text_proj(states[:, 0]), dim=-1)
        return (u * v).sum(1), self.judge(image, texts, states)

    def seconds(self, name):
        images, texts = WORKLOADS[name]
        start = clock()
        if name.startswith("pair"):
            self.pair(images, texts)
        else:
            self.judge(self.image.repeat(texts, 1, 1), texts)
        return (clock() - start) / texts


def main():
    build, names = sys.argv[1], sys.argv[2:] or list(WORKLOADS)
    rounds = int(os.environ.get("PEER_ROUNDS", 5))
    program = os.path.join(build, "tests/bench/albef")
    with torch.inference_mode():
        for name, own, their in in_turns([program, "-"], names, Peer().seconds, rounds):
            print(f"{name}: vlm {1 / own:.2f} pairs/s | PyTorch {1 / their:.2f}, "
                  f"vlm {their / own:.2f}x", flush=True)


main()
