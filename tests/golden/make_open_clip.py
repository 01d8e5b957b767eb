#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/open_clip: tiny random models of open_clip's other towers, and what open_clip's own code makes of
them.

    make_open_clip.py [FOLDER [NAME..]]

open_clip_torch, timm and transformers are needed; for coca transformers 4.49, the others are made with 5.24.  For each model NAME there is a folder as open_clip saves it, and
NAME.expect.safetensors:

    pixels [n,3,r,r] i8, a pixel is value / 32      ids [n,context] i32, padded as the tokenizer does; counts [n] without that
    image, text [n,e] f32, not normalised           logits [n,n]
    loss [1]                                        CLIP's, or SigLIP's where there is a bias
    grad/NAME                                       its gradient, thinned: every k-th element, k = ceil(elements / 256)
    step [20]                                       losses of twenty AdamW steps
    greedy, beam [n,l] i32                          what CoCa writes with at most eight ids
"""
import os
import shutil
import sys

import open_clip_tiny as tiny
import timm.utils

here = os.path.dirname(os.path.abspath(__file__))
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "open_clip")
wanted = sys.argv[2:]


def make(name, source, width, size, folded=False, **text):
    """One of open_clip's configurations, whose trunk has this width, or widths a stage, for pictures of this size;
    folded: as timm reparametrises it."""
    if wanted and name not in wanted:
        return
    if isinstance(width, tuple):
        tiny.TRUNK.update(widths=width, width=width[-1], size=size)
    else:
        tiny.TRUNK.update(widths=None, width=width, size=size)
    c = tiny.small(source)
    c["embed_dim"] = 16
    c["vision_cfg"]["image_size"] = size
    c["text_cfg"].update(dict(context_length=10, vocab_size=150, width=16, heads=2), **text)
    if "multimodal_cfg" in c:
        c["multimodal_cfg"].update(width=16, heads=2, context_length=c["text_cfg"]["context_length"])
    if "timm_model_name" not in c["vision_cfg"]:
        c["vision_cfg"].update(width=24, head_width=12, patch_size=8)
    if c["vision_cfg"].get("timm_proj") == "none":
        c["embed_dim"] = width
    model = tiny.build(c)
    if "multimodal_cfg" in c:  # texts end now and then: where another word would stand
        w = model.text_decoder.text_projection.data
        pixels, v = tiny.inputs(c, 4)[0].float() / 32, c["text_cfg"]["vocab_size"]
        word = model.generate(pixels, generation_type="top_k", top_k=1, seq_len=8, min_seq_len=3, sot_token_id=v - 2, eos_token_id=v - 1)
        w[:, -1] = 1.05 * w[:, word[0, 4]]
    if folded:
        model.visual.trunk = timm.utils.reparameterize_model(model.visual.trunk).requires_grad_(True)
    target = os.path.join(folder, name)
    shutil.rmtree(target, ignore_errors=True)
    tiny.save(model, c, target)
    tiny.expect(model, c, target + ".expect.safetensors", count=4, learn=True)


os.makedirs(folder, exist_ok=True)
make("siglip", "ViT-B-16-SigLIP", 24, 32)
make("siglip2", "ViT-SO400M-16-SigLIP2-256", 32, 32)
make("mobileclip2-l", "MobileCLIP2-L-14", 32, 28)
make("eva01", "EVA01-g-14", 32, 28)
make("eva02", "EVA02-B-16", 48, 32)
make("eva02-after", "EVA02-E-14", 32, 28)
make("pe", "PE-Core-T-16-384", 24, 48)
make("gap", "vit_medium_patch16_gap_256", 16, 32)
make("convnext", "convnext_tiny", 8, 32)
make("convnext-mlp", "convnext_large_d", 8, 32)
make("mobileclip-b", "MobileCLIP-B", 24, 32)
make("mobileclip2-s0", "MobileCLIP2-S0", (8, 16, 16, 32), 64)
make("mobileclip2-s0-folded", "MobileCLIP2-S0", (8, 16, 16, 32), 64, folded=True)
make("mobileclip2-s3", "MobileCLIP2-S3", (8, 8, 16, 32, 32), 96)
make("vitamin", "ViTamin-S", 24, 64)
make("coca", "coca_ViT-B-32", 24, 32)
make("roberta", "xlm-roberta-base-ViT-B-32", 24, 32)
make("mt5", "mt5-base-ViT-B-32", 24, 32)
make("nllb", "nllb-clip-base", 32, 32)
make("clipa", "ViT-L-14-CLIPA", 24, 32, vocab_size=120)
make("scaled", "ViT-M-16-alt", 24, 32)


def metaclip2(name):
    """MetaCLIP 2 in Hugging Face's layout, by transformers."""
    if wanted and name not in wanted:
        return
    import torch
    import torch.nn.functional as F
    from safetensors.torch import save_file
    from transformers import MetaClip2Config, MetaClip2Model

    config = MetaClip2Config(
        text_config=dict(vocab_size=150, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                         max_position_embeddings=10, eos_token_id=2, bos_token_id=0, hidden_act="gelu"),
        vision_config=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
                           hidden_act="gelu"), projection_dim=16)
    model = tiny.disturb(MetaClip2Model(config), 11).eval()
    target = os.path.join(folder, name)
    shutil.rmtree(target, ignore_errors=True)
    model.save_pretrained(target)
    model.encode_image = lambda x, normalize=False: model.get_image_features(pixel_values=x).pooler_output
    model.encode_text = lambda x, normalize=False: model.get_text_features(input_ids=x).pooler_output
    c = dict(vision_cfg=dict(image_size=32), text_cfg=dict(context_length=10, vocab_size=150, hf_tokenizer_name="facebook/xlm-v-base"))
    tiny.expect(model, c, target + ".expect.safetensors", count=4, learn=True)


metaclip2("metaclip2")


def nllb_texts():
    """NLLB's tokenizer, of 150 pieces, and texts with the ids that transformers gives them."""
    import json

    import originals

    texts = ["a photo of a cat", "A PHOTO of a Dog", "", " ", "  two   cats ", "caf\u00e9", "cafe\u0301", "\u732b and \U0001f431\U0001f431", "a_b-c!",
             "tab\tnew\nline", "\u2581mark", "x" * 40, "\uff21\uff22 \ufb01ne", "</s> in it <mask> eng_Latn"]
    model = originals.nllb(["a photo of a cat", "a photo of a dog on a red bicycle", "two cats and three dogs", "the cat sat on the mat"] * 3, 150)
    model.save(os.path.join(folder, "nllb", "tokenizer.json"))
    with open(os.path.join(folder, "nllb.jsonl"), "w") as f:
        for text in texts:
            f.write(json.dumps({"text": text, "ids": model.encode(text).ids}) + "\n")


if not wanted or "nllb" in wanted:
    nllb_texts()
