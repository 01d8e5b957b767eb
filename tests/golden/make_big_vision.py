#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the tiny SigLIP of tests/golden/siglip once more, as big_vision saves it: tests/golden/open_clip/big_vision.npz,
whose layers lie apart, and big_vision-scan.npz, where one array holds all layers, as SigLIP 2's.

    make_big_vision.py

numpy and safetensors are needed.  Names and shapes are those of google-research/big_vision (commit 0127fb6)
big_vision/models/vit.py, proj/image_text/text_transformer.py and proj/image_text/two_towers.py; what is expected is
what transformers made of the same numbers, see make_siglip.py.
"""
import os

import numpy as np
from safetensors.numpy import load_file, save_file

here = os.path.dirname(os.path.abspath(__file__))
h = load_file(os.path.join(here, "siglip/hf/model.safetensors"))
e = load_file(os.path.join(here, "siglip/hf.expect.safetensors"))
HEADS = 2
P = {}


def attention(to, query, key, value, out):
    for name, (w, b) in (("query", query), ("key", key), ("value", value)):
        P[f"{to}/{name}/kernel"] = w.T.reshape(w.shape[1], HEADS, -1)
        P[f"{to}/{name}/bias"] = b.reshape(HEADS, -1)
    P[to + "/out/kernel"] = out[0].T.reshape(HEADS, -1, out[0].shape[0])
    P[to + "/out/bias"] = out[1]


def both(name):
    return h[name + ".weight"], h[name + ".bias"]


def feed_forward(to, source):
    for i in (1, 2):
        w, b = both(f"{source}.fc{i}")
        P[f"{to}/MlpBlock_0/Dense_{i - 1}/kernel"], P[f"{to}/MlpBlock_0/Dense_{i - 1}/bias"] = w.T, b


def norm(to, source):
    P[to + "/scale"], P[to + "/bias"] = both(source)


def layers(to, source, scan):
    for i in range(2):
        s, d = f"{source}.encoder.layers.{i}", f"{to}/encoderblock_{i}"
        attention(d + "/MultiHeadDotProductAttention_0", *(both(f"{s}.self_attn.{n}") for n in ("q_proj", "k_proj", "v_proj", "out_proj")))
        feed_forward(d, s + ".mlp")
        norm(d + "/LayerNorm_0", s + ".layer_norm1")
        norm(d + "/LayerNorm_1", s + ".layer_norm2")
    for key in [k for k in P if scan and k.startswith(to + "/encoderblock_0/")]:
        P[key.replace("block_0", "block")] = np.stack([P.pop(key), P.pop(key.replace("block_0", "block_1"))])


def write(name, scan):
    P.clear()
    layers("img/Transformer", "vision_model", scan)
    norm("img/Transformer/encoder_norm", "vision_model.post_layernorm")
    w, P["img/embedding/bias"] = both("vision_model.embeddings.patch_embedding")
    P["img/embedding/kernel"] = w.transpose(2, 3, 1, 0)
    P["img/pos_embedding"] = h["vision_model.embeddings.position_embedding.weight"][None]
    w, b = (np.split(h["vision_model.head.attention.in_proj_" + k], 3) for k in ("weight", "bias"))
    attention("img/MAPHead_0/MultiHeadDotProductAttention_0", *zip(w, b), both("vision_model.head.attention.out_proj"))
    P["img/MAPHead_0/probe"] = h["vision_model.head.probe"]
    norm("img/MAPHead_0/LayerNorm_0", "vision_model.head.layernorm")
    feed_forward("img/MAPHead_0", "vision_model.head.mlp")
    layers("txt/Encoder_0", "text_model", scan)
    norm("txt/Encoder_0/encoder_norm", "text_model.final_layer_norm")
    P["txt/Embed_0/embedding"] = h["text_model.embeddings.token_embedding.weight"]
    P["txt/pos_embedding"] = h["text_model.embeddings.position_embedding.weight"][None]
    P["txt/head/kernel"], P["txt/head/bias"] = h["text_model.head.weight"].T, h["text_model.head.bias"]
    P["t"], P["b"] = h["logit_scale"].reshape(1), h["logit_bias"].reshape(1)
    target = os.path.join(here, "open_clip", name)
    np.savez_compressed(target, **{"params/" + k: np.ascontiguousarray(v) for k, v in P.items()})
    save_file({"pixels": e["pixels"], "ids": e["ids"], "image": e["image"], "text": e["text"], "logits": e["logits"].T.copy(),
               "counts": np.full(len(e["ids"]), e["ids"].shape[1], np.int32)}, target + ".expect.safetensors")


write("big_vision.npz", False)
write("big_vision-scan.npz", True)
