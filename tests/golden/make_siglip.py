#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/siglip: tiny random SigLIP models in Hugging Face's layout, and what transformers makes of
them.

    make_siglip.py [FOLDER]

torch, transformers, tokenizers and sentencepiece are needed.  For each model NAME there is NAME.expect.safetensors:

    pixels [n,3,r,r] i8, a pixel is value / 32      ids [n,context] i32, padded as the processor does
    image, text [n,e] f32, not normalised           logits [n,n], logits_per_text
    loss [1]                                        SiglipModel's loss
                                                    naflex, where pictures keep their shape, has instead of pixels
    picture.I [bytes] i8                            a PPM file
    squares [n,most,3 p p] f32, shapes [n,2] i32    what Siglip2ImageProcessorPil makes of them
    grad/NAME                                       its gradient, thinned: every k-th element, k = ceil(elements / 256)
    step [20]                                       losses of twenty AdamW steps
"""
import os
import shutil
import sys

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

here = os.path.dirname(os.path.abspath(__file__))
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "siglip")
KEPT = 256
ADAMW = dict(lr=1e-3, betas=(0.9, 0.98), eps=1e-4, weight_decay=0)


def thin(x):
    x = x.detach().float().reshape(-1)
    return x[:: -(-x.numel() // KEPT)].clone()


def disturb(model, seed):
    """Moves what initialises to 0 or 1, so that every parameter matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
            elif "embedding" in name or "probe" in name:
                p.copy_(0.5 * torch.randn_like(p))
            else:
                p.copy_(1.2 * torch.randn_like(p) / p[0].numel() ** 0.5)
        model.logit_scale.fill_(1.5)
        model.logit_bias.fill_(-2.5)
    return model


WORDS = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=12,
             projection_size=32)
VISION = dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=2)


def squares(target, out):
    """Squares of pictures that are tall, wide, tiny, large and square, and one line; more squares than the table has
    places along one side, and fewer."""
    processor = Siglip2ImageProcessorPil(patch_size=4, max_num_patches=14, do_convert_rgb=True)
    processor.save_pretrained(target)
    random, pictures = numpy.random.RandomState(3), []
    for i, (width, height) in enumerate([(7, 30), (41, 9), (3, 2), (24, 24), (30, 1), (16, 11)]):
        pixels = random.randint(0, 256, (height, width, 3), dtype=numpy.uint8)
        ppm = b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()
        out[f"picture.{i}"] = torch.frombuffer(bytearray(ppm), dtype=torch.int8)
        pictures.append(Image.fromarray(pixels))
    given = processor(pictures, return_tensors="pt")
    out["squares"], out["shapes"] = given["pixel_values"].float(), given["spatial_shapes"].to(torch.int32)
    return dict(given)


def make(name, vocabulary, pad, end, shapes=False):
    words = dict(WORDS, vocab_size=vocabulary)
    target, out, n = os.path.join(folder, name), {}, 6 if shapes else 4
    shutil.rmtree(target, ignore_errors=True)
    torch.manual_seed(11)
    if shapes:
        config = Siglip2Config(text_config=words, vision_config=dict(VISION, patch_size=4, num_patches=9))
        model = disturb(Siglip2Model(config), 11).eval()
        seen = squares(target, out)
    else:
        config = SiglipConfig(text_config=words, vision_config=dict(VISION, image_size=24, patch_size=8))
        model = disturb(SiglipModel(config), 11).eval()
    model.save_pretrained(target)
    torch.manual_seed(5)
    if not shapes:
        out["pixels"] = torch.randint(-64, 64, (n, 3, 24, 24), dtype=torch.int8)
        seen = dict(pixel_values=out["pixels"].float() / 32)
    ids = torch.full((n, 12), pad)
    for i, length in enumerate([12, 3, 7, 1, 9, 5][:n]):
        ids[i, :length] = torch.randint(3, vocabulary, (length,))
        ids[i, length - 1] = end
    given = dict(seen, input_ids=ids)
    out["ids"] = ids.to(torch.int32)
    answer = model(**given, return_loss=True)
    out["image"], out["text"] = answer.vision_model_output.pooler_output, answer.text_model_output.pooler_output
    out["logits"] = answer.logits_per_text
    out["loss"] = answer.loss.reshape(1)
    model.zero_grad()
    answer.loss.backward()
    for key, p in model.named_parameters():
        out["grad/" + key] = thin(p.grad)
    optimiser, losses = torch.optim.AdamW(model.parameters(), **ADAMW), []
    for _ in range(20):
        loss = model(**given, return_loss=True).loss
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    out["step"] = torch.tensor(losses)
    save_file({k: v.detach().contiguous() for k, v in out.items()}, os.path.join(folder, name + ".expect.safetensors"))


os.makedirs(folder, exist_ok=True)
make("hf", 340, 1, 1)
make("naflex", 340, 1, 1, shapes=True)


# A tokenizer of Gemma's kind, as SigLIP 2 has it: tokenizer.json, and texts with the ids that tokenizers gives
# them behind the lower-casing of transformers' Siglip2Tokenizer.
import json

from tokenizers import AddedToken, Tokenizer, models, normalizers, trainers

TRAINED = ["a photo of a cat", "a photo of a dog on a red bicycle", "two cats and three dogs", "the cat sat on the mat",
           "photographs of bicycles", "over the red dog", "caf\u00e9 au lait"] * 3
TEXTS = ["a photo of a cat", "A PHOTO of a Dog", "", " ", "  two   cats ", "caf\u00e9", "CAF\u00c9 \u00df \u0130", "\u732b and \U0001f431",
         "a_b-c!", "<eos>", "tab\tnew\nline", "\u2581mark", "x" * 40]
special = ["<pad>", "<eos>", "<bos>", "<unk>"]
gemma = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
gemma.normalizer = normalizers.Replace(" ", "\u2581")
gemma.train_from_iterator(TRAINED, trainers.BpeTrainer(vocab_size=340, special_tokens=special + [f"<0x{i:02X}>" for i in range(256)],
                                                       show_progress=False))
state = json.loads(gemma.to_str())
state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] in special]
target = os.path.join(folder, "hf")
os.makedirs(target, exist_ok=True)
with open(os.path.join(target, "tokenizer.json"), "w") as f:
    json.dump(state, f, ensure_ascii=False, separators=(",", ":"))
ours = Tokenizer.from_str(json.dumps(state))
ours.normalizer = normalizers.Sequence([normalizers.Lowercase(), ours.normalizer])
eos = ours.token_to_id("<eos>")
with open(os.path.join(folder, "gemma.jsonl"), "w") as f:
    for text in TEXTS:
        f.write(json.dumps({"text": text, "ids": ours.encode(text).ids + [eos]}, ensure_ascii=False) + "\n")

# Of spiece.model: transformers' SiglipTokenizer, which finds special tokens before it cleans a text.
from transformers import SiglipTokenizer

spiece = SiglipTokenizer(vocab_file=os.path.join(folder, "../tokenizer/t5/spiece.model"))
with open(os.path.join(folder, "spiece.jsonl"), "w") as f:
    for text in ["a photo of a cat", "a <unk> dog", "a dog</s>", "</s>", "a </s> b", "A Dog<pad>!", "\u2581a  b", "<unk><unk>x", "",
                 "a" * 30]:
        f.write(json.dumps({"text": text, "ids": spiece(text)["input_ids"]}) + "\n")
