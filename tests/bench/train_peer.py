# SPDX-License-Identifier: MIT
# train_peer.py - train.c's workloads by transformers' BLIP and PyTorch, random weights and pairs
#
#     train_peer.py BUILD [WORKLOAD...]     alternates with BUILD/tests/bench/train, medians of 5
#                                           (PEER_ROUNDS): "NAME OURS THEIRS pairs/s RATIO"; above 1
#                                           we are faster
#     train_peer.py - [WORKLOAD...]         alone: "NAME VALUE pairs/s"
#
# A step is that of train.c: ITC within the batch, ITM of every pair and of a drawn negative either
# way, LM with smoothed targets, AdamW; encoder and decoder share all but self-attention.
# PEER_PRECISION is given to torch.set_float32_matmul_precision ("highest": f32; "medium" multiplies
# in bf16 where the processor can).  With OMP_NUM_THREADS=1 processor time counts, as in train.c.
import os
import statistics
import sys

sys.dont_write_bytecode = True
from turns import THREADS, clock, in_turns  # noqa: E402

try:
    import torch
    import transformers.utils.logging
    from torch import nn
    from torch.nn import functional as F
    from transformers.models.blip import configuration_blip as configurations
    from transformers.models.blip import modeling_blip, modeling_blip_text
except ImportError:
    sys.exit("# transformers is not installed")

TOKENS, EMBEDDING = 16, 256
#        image, patch, width, layers, text width, text layers, heads, vocabulary
KINDS = {"small": (64, 8, 192, 6, 192, 4, 6, 5002),
         "base": (224, 16, 768, 12, 768, 12, 12, 30524)}
TABLE = ["small.64", "base.8"]


class Blip(nn.Module):
    def __init__(self, kind):
        super().__init__()
        image, patch, width, layers, text_width, text_layers, heads, vocabulary = KINDS[kind]
        text = dict(vocab_size=vocabulary, hidden_size=text_width, encoder_hidden_size=width,
                    intermediate_size=4 * text_width, num_hidden_layers=text_layers,
                    num_attention_heads=heads, max_position_embeddings=64, hidden_dropout_prob=0.0,
                    attention_probs_dropout_prob=0.0)
        self.vision = modeling_blip.BlipVisionModel(configurations.BlipVisionConfig(
            hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
            num_attention_heads=heads, image_size=image, patch_size=patch))
        self.encoder = modeling_blip_text.BlipTextModel(
            configurations.BlipTextConfig(is_decoder=True, **text), add_pooling_layer=False)
        self.decoder = modeling_blip_text.BlipTextLMHeadModel(
            configurations.BlipTextConfig(is_decoder=True, **text))
        self.decoder.bert.embeddings = self.encoder.embeddings
        for mine, other in zip(self.decoder.bert.encoder.layer, self.encoder.encoder.layer):
            mine.crossattention = other.crossattention
            mine.intermediate, mine.output = other.intermediate, other.output
        head = self.decoder.cls.predictions.decoder
        head.weight = self.encoder.embeddings.word_embeddings.weight
        self.image_projection = nn.Linear(width, EMBEDDING)
        self.text_projection = nn.Linear(text_width, EMBEDDING)
        self.match = nn.Linear(text_width, 2)
        self.temperature = nn.Parameter(torch.tensor(0.07))

    def look(self, ids, image):
        return self.encoder(input_ids=ids, encoder_hidden_states=image).last_hidden_state[:, 0]

    def forward(self, pixels, ids):
        count = len(ids)
        image = self.vision(pixels).last_hidden_state
        text = self.encoder(input_ids=ids).last_hidden_state[:, 0]
        u = F.normalize(self.image_projection(image[:, 0]), dim=-1)
        v = F.normalize(self.text_projection(text), dim=-1)
        similar = u @ v.t() / self.temperature
        same = torch.arange(count)
        contrast = (F.cross_entropy(similar, same) + F.cross_entropy(similar.t(), same)) / 2

        with torch.no_grad():
            weights = F.softmax(similar, 1).fill_diagonal_(0) + 1e-4
            wrong_text = torch.multinomial(weights.fill_diagonal_(0), 1).flatten()
            weights = F.softmax(similar.t(), 1).fill_diagonal_(0) + 1e-4
            wrong_image = torch.multinomial(weights.fill_diagonal_(0), 1).flatten()
        right = self.look(ids, image)
        wrong = self.look(torch.cat([ids, ids[wrong_text]]),
                          torch.cat([image[wrong_image], image]))
        target = torch.cat([torch.ones(count), torch.zeros(2 * count)]).long()
        match = F.cross_entropy(self.match(torch.cat([right, wrong])), target)

        hidden = self.decoder.bert(input_ids=ids, encoder_hidden_states=image, is_decoder=True)
        logits = self.decoder.cls(hidden.last_hidden_state[:, :-1])
        write = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), label_smoothing=0.1)
        return contrast + match + write


class Peer:
    def __init__(self):
        self.name = None
        torch.manual_seed(0)
        torch.set_num_threads(THREADS)
        torch.set_float32_matmul_precision(os.environ.get("PEER_PRECISION", "highest"))

    def begin(self, name):
        kind, count = name.split(".")
        self.name, self.count = name, int(count)
        self.model = Blip(kind).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4, weight_decay=0.05)
        side, vocabulary = KINDS[kind][0], KINDS[kind][-1]
        self.pixels = torch.randn(self.count, 3, side, side)
        self.ids = torch.randint(4, vocabulary - 4, (self.count, TOKENS))

    def step(self, name):
        if self.name != name:
            self.begin(name)
        start = clock()
        self.optimizer.zero_grad()
        with torch.no_grad():
            self.model.temperature.clamp_(0.001, 0.5)
        self.model(self.pixels, self.ids).backward()
        self.optimizer.step()
        return clock() - start


def beside(program, peer, names, rounds):
    for name, own, their in in_turns([program, "-"], names, peer.step, rounds):
        print(f"{name}: vlm {peer.count / own:.2f} pairs/s | PyTorch {peer.count / their:.2f}, "
              f"vlm {their / own:.2f}x", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: train_peer.py BUILD|- [WORKLOAD...]")
    build, names = sys.argv[1], sys.argv[2:] or TABLE
    rounds = int(os.environ.get("PEER_ROUNDS", 5))
    transformers.utils.logging.set_verbosity_error()
    peer = Peer()
    if build != "-":
        return beside(os.path.join(build, "tests/bench/train"), peer, names, rounds)
    for name in names:
        peer.step(name)
        times = [peer.step(name) for _ in range(rounds)]
        print(f"{name} {peer.count / statistics.median(times):.2f} pairs/s", flush=True)


main()
