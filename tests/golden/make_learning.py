#!/usr/bin/env python3
"""Twenty steps of training by the originals' own code -> learning/

    make_learning.py blip BLIP_CHECKOUT TRANSFORMERS_4_15     salesforce/BLIP on its own library
    make_learning.py dropout BLIP_CHECKOUT TRANSFORMERS_4_15
    make_learning.py albef ALBEF_CHECKOUT TRANSFORMERS_4_8    salesforce/ALBEF
    make_learning.py blip2 LAVIS_CHECKOUT                     salesforce/LAVIS on transformers 4.33.2
    make_learning.py opt LAVIS_CHECKOUT                       the same, from records: learning/opt
    make_learning.py clip                                     the transformers that is installed

BLIP begins with blip/pretrain.pth and the queues in it, the momentum model as a copy, ALBEF likewise with
albef/pretrain.pth and retrieval.pth; BLIP-2 with blip2/stage1, opt and t5; CLIP with clip/hf-vit.
NAME.safetensors holds what went in (a pool of images and texts; by step which of them, their groups, alpha and
the numbers that negatives are drawn by) and what came out: every loss before every step, and the gradients
of each loss before the first, thinned to at most 32 a tensor, with the tensor's norm.
"""
import os, sys

import make_albef, make_blip

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "learning")
STEPS, BATCH, IMAGES = 20, 3, 8
TEXTS = make_blip.TEXTS + ["a photo of a big tree", "the dog runs with the cat", "blue", "no man is on the car",
                           "a small green house , red tree - and two cats", "what is this ?"]


def plan(torch, seed, size=make_blip.IMAGE, draws=2 * BATCH):
    """Which image and text each pair of each step is; the draws; alpha rising."""
    g = torch.Generator().manual_seed(seed)
    picked = lambda n: torch.stack([torch.randperm(n, generator=g)[:BATCH] for _ in range(STEPS)]).int()
    return {
        "images": torch.randint(-64, 64, (IMAGES, 3, size, size), generator=g).to(torch.int8),
        "image": picked(IMAGES), "text": picked(len(TEXTS)),
        "draws": torch.rand(STEPS, draws, generator=g, dtype=torch.float64),
        "alpha": torch.arange(STEPS).float() / STEPS * 0.4 + 0.1,
    }


def thin(torch, out, losses, model):
    named = [(k, p) for k, p in model.named_parameters() if p.requires_grad]
    for label, loss in losses.items():
        for (k, p), grad in zip(named, torch.autograd.grad(loss, [p for _, p in named], retain_graph=True,
                                                           allow_unused=True)):
            if grad is not None:
                flat = grad.flatten()
                out[f"{label}.{k}"] = flat[::(flat.numel() + 31) // 32].clone()
                out[f"{label}.norm.{k}"] = grad.norm().reshape(1)


def drawer(torch, numbers):
    """torch.multinomial by inverse distribution, from the given numbers."""
    numbers = iter(numbers)

    def draw(p, count):
        assert p.ndim == 1 and count == 1
        c = torch.cumsum(p.double(), 0)
        u = next(numbers) * float(c[-1])
        return torch.searchsorted(c, torch.tensor([u], dtype=torch.float64), right=True)
    return draw


def save(name, out):
    from safetensors.torch import save_file
    save_file({k: v.detach().contiguous() for k, v in out.items()}, os.path.join(OUT, name + ".safetensors"))


def begin(torch, m, path=os.path.join(make_blip.OUT, "pretrain.pth")):
    state = torch.load(path)["model"]
    state = {k: v for k, v in state.items() if k in m.state_dict()}
    m.load_state_dict(state, strict=False)
    m.copy_params()
    return m.train()


def run(torch, name, m, out, step_losses, optimiser, temperature):
    """step_losses(step, pixels, texts, alpha) -> {label: loss}; the sum is what is learnt by."""
    lists = {}
    for step in range(STEPS):
        torch.multinomial = drawer(torch, out["draws"][step].tolist())
        pixels = out["images"][out["image"][step].long()].float() / 32
        losses = step_losses(step, pixels, out["text"][step].tolist(), float(out["alpha"][step]))
        if step == 0:
            thin(torch, out, losses, m)
        for label, loss in losses.items():
            lists.setdefault(label, []).append(loss.detach())
        lists.setdefault("temperature", []).append(temperature())
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    for label, values in lists.items():
        out["loss." + label] = torch.stack(values)
        print(name, label, [round(float(v), 4) for v in values])
    save(name, out)


def blip(checkout, old):
    models, config = make_blip.tiny(checkout, old)
    import torch
    torch.manual_seed(0)
    for module in (models.blip_pretrain, models.blip_retrieval):
        module.concat_all_gather = lambda x: x

    m = begin(torch, make_blip.pretrainer(models, config))
    out = plan(torch, 31)
    rows = m.tokenizer(TEXTS, padding="longest", return_tensors="pt")
    out["ids"], out["mask"] = rows.input_ids.int(), rows.attention_mask.int()
    def pretrain(step, pixels, texts, alpha):
        return dict(zip(("itc", "itm", "lm"), m(pixels, [TEXTS[i] for i in texts], alpha)))
    def teach(name, m, out, step_losses):
        optimiser = torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.05)
        run(torch, name, m, out, step_losses, optimiser, lambda: m.temp.detach().clone())
    teach("pretrain", m, out, pretrain)

    m = begin(torch, models.blip_retrieval.BLIP_Retrieval(med_config=config, image_size=make_blip.IMAGE, vit="base",
                                                          embed_dim=make_blip.EMBED, queue_size=6))
    again = plan(torch, 32)
    again["ids"], again["mask"] = out["ids"], out["mask"]
    again["group"] = torch.randint(0, 4, (STEPS, BATCH), generator=torch.Generator().manual_seed(33))
    def retrieval(step, pixels, texts, alpha):  # its negatives are weighed otherwise; they are not compared
        same = again["group"][step]
        if len(set(same.tolist())) == 1:
            same[-1] = (same[0] + 1) % 4
        return {"itc": m(pixels, [TEXTS[i] for i in texts], alpha, same)[0]}
    teach("retrieval", m, again, retrieval)


class Mixed:
    """splitmix64, and what lib/op/dropout.c keeps by it: four numbers are drawn at once."""
    def __init__(self, state):
        self.state = state

    def next(self):
        mask = (1 << 64) - 1
        self.state = z = (self.state + 0x9e3779b97f4a7c15) & mask
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & mask
        z = (z ^ z >> 27) * 0x94d049bb133111eb & mask
        return z ^ z >> 31

    def kept(self, count, rate):
        four = [self.next() for _ in range((count + 3) // 4)]
        return [float((four[i // 4] >> i % 4 * 16 & 65535) >= int(rate * 65536)) for i in range(count)]


def dropper(torch, m, dropout, drop_path):
    """Dropout of the text decoder, attention's weights left out, and stochastic depth of the image tower, from
    the numbers that are in the returned list."""
    numbers = []

    class Drop(torch.nn.Module):
        def __init__(self, rate, whole):
            super().__init__()
            self.rate, self.whole = rate, whole

        def forward(self, x):
            kept = numbers[0].kept(len(x) if self.whole else x.numel(), self.rate)
            return x * torch.tensor(kept).reshape([-1] + [1] * (x.ndim - 1) if self.whole else x.shape) / (1 - self.rate)

    for name, part in list(m.text_decoder.named_modules()):
        if isinstance(getattr(part, "dropout", None), torch.nn.Dropout) and not name.endswith(".self"):
            part.dropout = Drop(dropout, False)
    blocks = m.visual_encoder.blocks
    for i, block in enumerate(blocks):
        if i:
            block.drop_path = Drop(drop_path * i / (len(blocks) - 1), True)
    return numbers


def hider(torch, numbers, tokens, words):
    """torch.bernoulli and torch.randint as ALBEF's mask() calls them: which words are hidden, which of these become
    [MASK], which of the rest another word, and which.  Numbers are taken word by word."""
    shape = tokens.input_ids.shape
    hidden, replaced, other = (torch.zeros(shape) for _ in range(3))
    word = torch.zeros(shape, dtype=torch.long)
    for i, row in enumerate(tokens.attention_mask.sum(1).tolist()):
        for k in range(1, row):
            if next(numbers) >= 0.15:
                continue
            hidden[i, k] = 1
            if next(numbers) < 0.8:
                replaced[i, k] = 1
            elif next(numbers) < 0.5:
                other[i, k], word[i, k] = 1, int(next(numbers) * words)
    answers = iter((hidden, replaced, other))
    torch.bernoulli = lambda p: next(answers)
    torch.randint = lambda high, size, dtype: word


def dropout(checkout, old):
    """BLIP's captioning loss with numbers and layers left out by chance; all texts are as long, so that there is no
    padding to leave out."""
    models, config = make_blip.tiny(checkout, old)
    import torch
    torch.manual_seed(0)
    m = begin(torch, make_blip.pretrainer(models, config))
    rows = m.tokenizer(TEXTS, padding="longest", return_tensors="pt")
    lengths = rows.attention_mask.sum(1).tolist()
    length = max(set(lengths), key=lengths.count)
    same = [i for i, n in enumerate(lengths) if n == length]
    out = plan(torch, 36, draws=1)
    out["ids"], out["mask"] = rows.input_ids.int(), rows.attention_mask.int()
    out["text"] = torch.tensor(same, dtype=torch.int32)[out["text"].long() % len(same)]
    numbers = dropper(torch, m, 0.25, 0.5)
    def write(step, pixels, texts, alpha):
        numbers[:] = [Mixed(int(float(out["draws"][step][0]) * 2 ** 53))]
        image = m.visual_encoder(pixels)
        ids = rows.input_ids[texts][:, :length].clone()
        ids[:, 0] = m.tokenizer.bos_token_id
        return {"lm": m.text_decoder(ids, attention_mask=torch.ones_like(ids), encoder_hidden_states=image,
                                     encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                     return_dict=True, labels=ids).loss}
    optimiser = torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.05)
    run(torch, "dropout", m, out, write, optimiser, lambda: m.temp.detach().clone())


def albef(checkout, old):
    models, tokenizer, config = make_albef.tiny(checkout, old)
    import torch
    torch.manual_seed(0)
    real = torch.randint
    def teach(name, m, out, step_losses):
        rows = tokenizer(TEXTS, padding="longest", return_tensors="pt")
        out["ids"], out["mask"] = rows.input_ids.int(), rows.attention_mask.int()
        named = [(k, p) for k, p in m.named_parameters() if p.requires_grad]
        bare = lambda k, p: p.ndim == 1 or k.endswith(".bias")
        optimiser = torch.optim.AdamW([{"params": [p for k, p in named if bare(k, p)], "weight_decay": 0},
                                       {"params": [p for k, p in named if not bare(k, p)], "weight_decay": 0.02}], lr=5e-4)
        run(torch, name, m, out, step_losses, optimiser, lambda: m.temp.detach().clone())

    m = begin(torch, models.model_pretrain.ALBEF("bert", tokenizer, config, init_deit=False),
              os.path.join(make_albef.OUT, "pretrain.pth"))
    out = plan(torch, 41, draws=120)
    def pretrain(step, pixels, texts, alpha):
        numbers = iter(out["draws"][step].tolist())
        negatives = [next(numbers) for _ in range(2 * BATCH)]
        torch.multinomial = drawer(torch, negatives)
        tokens = tokenizer([TEXTS[i] for i in texts], padding="longest", return_tensors="pt")
        hider(torch, numbers, tokens, m.text_encoder.config.vocab_size)
        mlm, itc, itm = m(pixels, tokens, alpha)
        return {"itc": itc, "itm": itm, "mlm": mlm} if mlm == mlm else {"itc": itc, "itm": itm, "mlm": 0 * itc}
    teach("albef-pretrain", m, out, pretrain)

    torch.randint = real
    m = begin(torch, models.model_retrieval.ALBEF("bert", tokenizer, config),
              os.path.join(make_albef.OUT, "retrieval.pth"))
    again = plan(torch, 42)
    again["group"] = torch.randint(0, 4, (STEPS, BATCH), generator=torch.Generator().manual_seed(43))
    def retrieval(step, pixels, texts, alpha):
        same = again["group"][step]
        if len(set(same.tolist())) == 1:
            same[-1] = (same[0] + 1) % 4
        tokens = tokenizer([TEXTS[i] for i in texts], padding="longest", return_tensors="pt")
        return dict(zip(("itc", "itm"), m(pixels, tokens, alpha, same)))
    teach("albef-retrieval", m, again, retrieval)


def blip2(checkout):
    import torch
    import make_blip2
    make_blip2.stubs(checkout)
    m = make_blip2.first_stage("eva", 31)
    folder = os.path.join(make_blip2.OUT, "stage1")
    state = torch.load(os.path.join(folder, "blip2_pretrained.pth"))["model"]
    tower = torch.load(os.path.join(folder, "eva_vit_g.pth"))
    state.update({"visual_encoder." + k: v for k, v in tower.items() if k != "head.weight"})
    m.load_state_dict(state)
    m.train()
    for p in m.visual_encoder.parameters():
        p.requires_grad = False
    out = plan(torch, 51)
    rows = m.tokenizer(TEXTS, padding="longest", return_tensors="pt")
    out["ids"], out["mask"] = rows.input_ids.int(), rows.attention_mask.int()
    out["group"] = torch.randint(0, 4, (STEPS, BATCH), generator=torch.Generator().manual_seed(53))
    optimiser = torch.optim.AdamW(m.get_optimizer_params(0.05), lr=1e-3)

    def losses(step, pixels, texts, alpha):
        same = out["group"][step]
        if len(set(same.tolist())) == 1:
            same[-1] = (same[0] + 1) % 4
        from lavis.models.blip2_models.blip2_qformer import Blip2Qformer
        sample = {"image": pixels, "text_input": [TEXTS[i] for i in texts], "image_id": same}
        r = Blip2Qformer.forward(m, sample)
        return {"itc": r.loss_itc, "itm": r.loss_itm, "itg": r.loss_lm}
    m.visual_encoder.get_num_layer = lambda *a: 0
    run(torch, "blip2", m, out, losses, optimiser, lambda: m.temp.detach().clone())
    for kind, seed in (("opt", 61), ("t5", 71)):
        speaker(torch, make_blip2, kind, seed)


def speaker(torch, make_blip2, kind, seed):
    """The second stage: a caption behind "a photo of", which OPT is told before it, T5's encoder beside it."""
    from transformers import AutoConfig
    from safetensors.torch import load_file
    m = make_blip2.second_stage(kind, seed)
    folder = os.path.join(make_blip2.OUT, kind)
    language = os.path.join(folder, {"opt": "opt-2.7b", "t5": "flan-t5-xl"}[kind], "model.safetensors")
    state = torch.load(os.path.join(folder, "blip2.pth"))["model"]
    state |= {"visual_encoder." + k: v for k, v in torch.load(os.path.join(folder, "eva_vit_g.pth")).items()}
    state |= {kind + "_model." + k: v for k, v in load_file(language).items()}
    missing = m.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys, missing
    m.train()
    frozen = m.opt_model if kind == "opt" else m.t5_model
    for p in list(m.visual_encoder.parameters()) + list(frozen.parameters()):
        p.requires_grad = False
    tokenizer = m.opt_tokenizer if kind == "opt" else m.t5_tokenizer
    out = plan(torch, seed + 5)
    captions = ["a photo of " + t for t in TEXTS]
    rows = tokenizer(captions, padding="longest", return_tensors="pt")
    out["ids"], out["mask"] = rows["input_ids"].int(), rows["attention_mask"].int()
    short = torch.tensor([i for i, c in enumerate(captions) if len(tokenizer(c)["input_ids"]) < 32], dtype=torch.int32)
    out["text"] = short[out["text"].long() % len(short)]  # those that are not cut
    out["prompt"] = torch.tensor([len(tokenizer("a photo of")["input_ids"]) - (kind == "t5")], dtype=torch.int32)
    optimiser = torch.optim.AdamW(m.get_optimizer_params(0.05), lr=1e-4)

    def losses(step, pixels, texts, alpha):
        if kind == "opt":
            return {"lm": m({"image": pixels, "text_input": [captions[i] for i in texts]})["loss"]}
        return {"lm": m({"image": pixels, "text_input": ["a photo of"] * BATCH,
                         "text_output": [TEXTS[i] for i in texts]})["loss"]}
    run(torch, "blip2-" + kind, m, out, losses, optimiser, lambda: torch.zeros(()))


def opt(checkout):
    """The second stage with OPT, from LAVIS's own file and from records: 15 steps over all of them, with a prompt
    and without.  losses.json holds what Blip2OPT.forward said before each step."""
    import json, torch
    import make_blip2
    from safetensors.torch import load_file
    make_blip2.stubs(checkout)
    folder = os.path.join(OUT, "opt")
    os.makedirs(folder, exist_ok=True)
    g = torch.Generator().manual_seed(81)
    side = make_blip2.IMAGE
    texts = ["two cats", "a red dog runs with the cat", "blue", "no man is on the car", "what is this ?",
             "a small green house , red tree - and two cats sits in the big house with the man and the woman"]
    images = torch.randint(0, 256, (len(texts), side, side, 3), generator=g).to(torch.uint8)
    with open(os.path.join(folder, "records.jsonl"), "w") as f:
        for i, text in enumerate(texts):
            with open(os.path.join(folder, f"{i}.ppm"), "wb") as picture:
                picture.write(b"P6 %d %d 255\n" % (side, side) + images[i].numpy().tobytes())
            f.write(json.dumps({"image": f"{i}.ppm", "text": text}) + "\n")
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((images / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()

    losses = {}
    for name, prompt in (("prompted", "a photo of"), ("plain", "")):
        m = make_blip2.second_stage("opt", 61)
        source = os.path.join(make_blip2.OUT, "opt")
        state = torch.load(os.path.join(source, "blip2.pth"))["model"]
        state |= {"visual_encoder." + k: v for k, v in torch.load(os.path.join(source, "eva_vit_g.pth")).items()}
        state |= {"opt_model." + k: v
                  for k, v in load_file(os.path.join(source, "opt-2.7b", "model.safetensors")).items()}
        assert not m.load_state_dict(state, strict=False).unexpected_keys
        m.train()
        for p in list(m.visual_encoder.parameters()) + list(m.opt_model.parameters()):
            p.requires_grad = False
        m.prompt = prompt
        m.prompt_length = m.opt_tokenizer(prompt, return_tensors="pt").attention_mask.sum(1)
        optimiser = torch.optim.AdamW(m.get_optimizer_params(0.05), lr=1e-3)
        losses[name] = []
        for step in range(15):
            loss = m({"image": pixels, "text_input": [(prompt + " " if prompt else "") + t for t in texts]})["loss"]
            losses[name].append(float(loss))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        print(name, losses[name])
    with open(os.path.join(folder, "losses.json"), "w") as f:
        json.dump(losses, f)
        f.write("\n")


def clip():
    import torch
    from transformers import CLIPModel
    m = CLIPModel.from_pretrained(os.path.join(HERE, "clip", "hf-vit")).train()
    begin, end = m.config.text_config.bos_token_id, m.config.text_config.eos_token_id
    out = plan(torch, 34, m.config.vision_config.image_size)
    g = torch.Generator().manual_seed(35)
    rows = [[begin] + torch.randint(0, begin, (i % 5 + 1,), generator=g).tolist() + [end] for i in range(len(TEXTS))]
    longest = max(map(len, rows))
    out["ids"] = torch.tensor([r + [end] * (longest - len(r)) for r in rows], dtype=torch.int32)
    out["mask"] = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in rows], dtype=torch.int32)
    optimiser = torch.optim.AdamW([{"params": [p for p in m.parameters() if p.ndim > 1], "weight_decay": 0.2},
                                   {"params": [p for p in m.parameters() if p.ndim < 2], "weight_decay": 0}],
                                  lr=1e-3, betas=(0.9, 0.98), eps=1e-6)
    def contrast(step, pixels, texts, alpha):
        with torch.no_grad():
            m.logit_scale.clamp_(0, 4.6051702)
        return {"itc": m(pixel_values=pixels, input_ids=out["ids"][texts].long(),
                         attention_mask=out["mask"][texts].long(), return_loss=True).loss}
    run(torch, "clip", m, out, contrast, optimiser, lambda: (-m.logit_scale).exp().detach().clone())


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    {"albef": albef, "blip": blip, "blip2": blip2, "clip": clip, "dropout": dropout, "opt": opt}[sys.argv[1]](*sys.argv[2:4])
