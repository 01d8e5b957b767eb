#!/usr/bin/env python3
"""albef.large: ITM and ITC of photographs by vlm-itm and by salesforce/ALBEF, in TAP.

    large_albef.py PROGRAM

The model has the pre-trained one's size, momentum copies and queues of 65536 among it, and random
weights that are larger than its first ones, so that scores differ among pictures.  Images are read
by Pillow as in the original's dataset.
"""
import json, os, subprocess, sys, tempfile, time

import numpy
import torch
from PIL import Image

import make_albef
from photographs import photographs

PROGRAM, CLOSE, PHOTOGRAPHS = sys.argv[1], 1e-5, 20
WORDS, SPECIAL = 30522, {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def spell(id):
    """Four letters; nothing that a tokenizer would cut."""
    return "".join(chr(ord("a") + id // 26 ** k % 26) for k in range(4))


def build():
    torch.manual_seed(1)
    model = make_albef.full(os.environ["VLM_ALBEF"], os.environ["VLM_TRANSFORMERS_4_8"], queue=65536).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "_m." in name or name == "temp":
                continue
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
            elif "embeddings" in name or "pos_embed" in name or "cls_token" in name:
                p.copy_(0.1 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) / p[0].numel() ** 0.5)
            if "crossattention.self" in name and p.dim() > 1:
                p.mul_(2)  # looks at few squares, so that what a picture shows matters
    model.copy_params()
    return model


def save(model, folder):
    path = os.path.join(folder, "ALBEF.pth")
    torch.save({"model": model.state_dict(), "optimizer": {"state": {}, "param_groups": []}, "lr_scheduler": {},
                "config": {"image_res": 256, "queue_size": 65536}, "epoch": 29}, path)
    with open(os.path.join(folder, "vocab.txt"), "w") as f:
        f.writelines(SPECIAL.get(i, spell(i)) + "\n" for i in range(WORDS))
    return path


def pixels(path):
    image = Image.open(path).convert("RGB").resize((256, 256), Image.BICUBIC)
    x = numpy.asarray(image, dtype=numpy.float32) / 255
    return torch.from_numpy((x - numpy.float32(MEAN)) / numpy.float32(STD)).permute(2, 0, 1)[None]


def theirs(model, path, ids):
    ids = torch.tensor([[101] + ids])
    mask = torch.ones_like(ids)
    norm = torch.nn.functional.normalize
    with torch.inference_mode():
        image = model.visual_encoder(pixels(path))
        text = model.text_encoder.bert(ids, attention_mask=mask, return_dict=True, mode="text").last_hidden_state
        x = model.text_encoder.bert(encoder_embeds=text, attention_mask=mask, encoder_hidden_states=image,
                                    encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                    return_dict=True, mode="fusion").last_hidden_state
        itc = (norm(model.vision_proj(image[:, 0]), dim=-1) * norm(model.text_proj(text[:, 0]), dim=-1)).sum()
        return torch.softmax(model.itm_head(x[:, 0]), 1)[0, 1].item(), itc.item()


def main():
    photos = photographs(PHOTOGRAPHS)
    if len(photos) < PHOTOGRAPHS:
        return print(f"1..0 # SKIP {len(photos)} photographs found, {PHOTOGRAPHS} needed: set VLM_PHOTOS")
    torch.set_num_threads(min(2, os.cpu_count()))
    model = build()
    texts = [[1000 + (37 * i + 991 * k) % 29000 for k in range(5 + i % 9)] for i in range(len(photos))]
    with tempfile.TemporaryDirectory() as folder:
        path = save(model, folder)
        print(f"# {os.path.getsize(path) / 1e6:.0f} MB")
        records = "".join(json.dumps({"image": p, "text": " ".join(map(spell, t))}) + "\n" for p, t in zip(photos, texts))
        start = time.time()
        got = subprocess.run([PROGRAM, "-v", "-m", path], input=records, stdout=subprocess.PIPE, text=True)
        print(f"# {len(photos)} pairs in {time.time() - start:.1f} s, the start counted, status {got.returncode}")
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    wanted = [theirs(model, p, t) for p, t in zip(photos, texts)]
    itm = max(abs(r.get("itm", 9) - w[0]) for r, w in zip(rows, wanted))
    itc = max(abs(r.get("itc", 9) - w[1]) for r, w in zip(rows, wanted))
    spread = numpy.std([w[0] for w in wanted])
    print(f"# probabilities from {min(w[0] for w in wanted):.3f} to {max(w[0] for w in wanted):.3f}")
    print(f"{'ok' if spread > 0.02 else 'not ok'} 1 - scores differ among pictures: {spread:.3f}")
    print(f"{'ok' if len(rows) == len(photos) and itm < CLOSE else 'not ok'} 2 - the same ITM probability to {itm:.1e}")
    print(f"{'ok' if len(rows) == len(photos) and itc < CLOSE else 'not ok'} 3 - the same ITC to {itc:.1e}")
    print("1..3")


main()
