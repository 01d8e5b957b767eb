#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/clip: tiny random CLIP models in every released layout, and what the original
programs make of them.

    VLM_CLIP_REPO=CHECKOUT make_clip.py [FOLDER]

CHECKOUT is openai/CLIP; torch, transformers, tokenizers, open_clip and Pillow are needed.  For each
model NAME there is NAME.expect.safetensors:

    pixels [n,3,r,r] i8, a pixel is value / 32      ids [n,context] i32, padded as the original does
    image, text [n,e] f32, not normalised           logits [n,n], logits_per_image
    stage.image.I, stage.text.I [tokens,width]      the first sample before block I; the last, behind all
    loss.0 .. loss.3                                before each of three AdamW steps, and after them
    grad/NAME, step/NAME                            gradient at the start; parameter after three steps
    norm/NAME                                       Euclidean norms of the two, over all elements

A long tensor is thinned: every k-th element, k = ceil(elements / 256).  ResNets learn in training
mode (batch statistics), everything else is in evaluation mode.
"""
import io, json, os, shutil, sys, zipfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "clip")
sys.path.insert(0, os.environ["VLM_CLIP_REPO"])
KEPT = 256
ADAMW = dict(lr=1e-3, betas=(0.9, 0.98), eps=1e-4)  # below the noise of a key bias, whose gradient is 0
DECAY = 0.2  # of matrices and higher; vectors and scalars have none


def path(*names):
    return os.path.join(folder, *names)


def disturb(model, seed):
    """Moves what initialises to 0 or 1, so that every parameter matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1 and "class_embedding" not in name:
                p.add_(0.2 * torch.randn_like(p))
            elif "embedding" in name:
                p.copy_(0.5 * torch.randn_like(p))
            elif p.dim() > 1:
                p.copy_(1.2 * torch.randn_like(p) / p[0].numel() ** 0.5)
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(0.2 * torch.randn_like(b))
            if name.endswith("running_var"):
                b.copy_(0.5 + torch.rand_like(b))
    return model


def inputs(count, size, context, vocabulary, pad, seed):
    torch.manual_seed(seed)
    pixels = torch.randint(-64, 64, (count, 3, size, size), dtype=torch.int8)
    ids = torch.full((count, context), pad, dtype=torch.int64)
    for i in range(count):
        length = [context, 3, context // 2, 5, 2][i]
        ids[i, :length] = torch.randint(0, vocabulary - 2, (length,))
        ids[i, 0], ids[i, length - 1] = vocabulary - 2, vocabulary - 1
    return pixels, ids


def thin(x):
    x = x.detach().float().reshape(-1)
    return x[:: -(-x.numel() // KEPT)].clone()


def contrastive(image, text, scale):
    logits = scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).t()
    target = torch.arange(len(logits))
    return logits, (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2


def expect(name, model, image, text, pixels, ids, stages=(), learn=True, train=False):
    """image, text: functions of the model; stages: (label, module, rows first) whose inputs count."""
    out = {"pixels": pixels, "ids": ids.to(torch.int32)}
    x = pixels.float() / 32

    def watch(key, first, what):
        def hook(module, given, got):
            value = given[0] if what == "in" else got
            value = value[0] if isinstance(value, tuple) else value
            out[key] = (value[:, 0] if first else value[0]).detach().clone()
        return hook

    hooks = []
    for label, blocks, first in stages:
        for i, block in enumerate(blocks):
            hooks.append(block.register_forward_hook(watch(f"stage.{label}.{i}", first, "in")))
        if len(blocks):
            hooks.append(blocks[-1].register_forward_hook(
                watch(f"stage.{label}.{len(blocks)}", first, "out")))
    model.eval()
    with torch.no_grad():
        out["image"], out["text"] = image(x).clone(), text(ids).clone()
        out["logits"], _ = contrastive(out["image"], out["text"], model.logit_scale)
    for hook in hooks:
        hook.remove()
    if learn:
        model.train(train)
        named = dict(model.named_parameters())
        optimizer = torch.optim.AdamW(
            [{"params": [p for p in named.values() if p.dim() > 1], "weight_decay": DECAY},
             {"params": [p for p in named.values() if p.dim() <= 1], "weight_decay": 0}], **ADAMW)
        for step in range(4):
            optimizer.zero_grad()
            logits, loss = contrastive(image(x), text(ids), model.logit_scale)
            loss.backward()
            out[f"loss.{step}"] = loss.detach().reshape(1)
            if step == 0:
                out["logits.learn"] = logits.detach().clone()
                for key, p in named.items():
                    out[f"grad/{key}"] = thin(p.grad)
                    out[f"norm/{key}"] = torch.stack([p.grad.norm(), p.grad.norm()])
            if step < 3:
                optimizer.step()
        for key, p in named.items():
            out[f"step/{key}"] = thin(p)[:64].clone()
            out[f"norm/{key}"][1] = p.detach().norm()
    save_file({k: v.contiguous() for k, v in out.items()}, path(name + ".expect.safetensors"))


# --- openai/CLIP -------------------------------------------------------------------------------


def strip_archive(data):
    """Drops the debug tables of a TorchScript archive, keeping the other members' bytes."""
    source, kept = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(kept, "w") as target:
        for info in source.infolist():
            if info.filename.endswith(".debug_pkl"):
                continue
            stem = info.filename
            payload = source.read(info)
            entry = zipfile.ZipInfo(stem, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = info.compress_type
            if info.compress_type == zipfile.ZIP_STORED:  # 64-byte alignment, as PyTorch pads it
                at = kept.tell() + 30 + len(stem.encode()) + 4
                gap = -at % 64
                entry.extra = b"FB" + gap.to_bytes(2, "little") + b"Z" * gap
            target.writestr(entry, payload)
    return kept.getvalue()


def openai(name, seed, resolution, train, **sizes):
    from clip.model import CLIP, build_model, convert_weights

    torch.manual_seed(seed)
    model = disturb(CLIP(image_resolution=resolution, **sizes), seed)
    convert_weights(model)
    vocabulary, context = sizes["vocab_size"], sizes["context_length"]
    model.eval()
    for key, value in (("context_length", context), ("vocab_size", vocabulary)):
        delattr(model, key)
        model.register_buffer(key, torch.tensor(value))
    model.register_buffer("input_resolution", torch.tensor(resolution))
    pixels, ids = inputs(4, resolution, context, vocabulary, 0, seed + 1)
    traced = torch.jit.trace_module(model, {
        "forward": (pixels.half(), ids), "encode_image": (pixels.half(),), "encode_text": (ids,)}, check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    with open(path(name + ".pt"), "wb") as f:
        f.write(strip_archive(buffer.getvalue()))
    state = torch.jit.load(path(name + ".pt")).state_dict()
    model = build_model(dict(state)).float()
    stages = [("text", model.transformer.resblocks, True)]
    if not train:
        stages.append(("image", model.visual.transformer.resblocks, True))
    expect(name, model, model.encode_image, model.encode_text, pixels, ids, stages, True, train)


# --- transformers -------------------------------------------------------------------------------

CORPUS = """a photo of a red circle. a drawing of two blue squares on a white background.
the small green triangle is above the large yellow circle. a dog and a cat. a picture of the sea.
three black lines; a photo of a house with a red door. it's a bicycle, isn't it?"""


def byte_alphabet():
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    return [chr(b) for b in shown] + [chr(256 + i) for i in range(len(hidden))]


def merges(count):
    words = [[*w[:-1], w[-1] + "</w>"] for w in CORPUS.replace(".", " .").replace(",", " ,").split()]
    found = []
    while len(found) < count:
        pairs = {}
        for w in words:
            for pair in zip(w, w[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        best = max(sorted(pairs), key=lambda p: pairs[p])
        found.append(best)
        for w in words:
            i = 0
            while i + 1 < len(w):
                if (w[i], w[i + 1]) == best:
                    w[i:i + 2] = [w[i] + w[i + 1]]
                i += 1
    return found


def write_tokenizer(where, context, slow):
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters, pairs = byte_alphabet(), merges(60)
    words = letters + [c + "</w>" for c in letters] + ["".join(p) for p in pairs]
    words += ["<|startoftext|>", "<|endoftext|>"]
    ids = {w: i for i, w in enumerate(words)}
    if slow:
        with open(os.path.join(where, "vocab.json"), "w") as f:
            json.dump(ids, f)
        with open(os.path.join(where, "merges.txt"), "w") as f:
            f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    else:
        t = Tokenizer(models.BPE(ids, pairs, unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
        t.normalizer = normalizers.Sequence([
            normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(
                r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", True),
            pre_tokenizers.ByteLevel(False)])
        t.post_processor = processors.RobertaProcessing(
            ("<|endoftext|>", len(words) - 1), ("<|startoftext|>", len(words) - 2), False, False)
        t.decoder = decoders.ByteLevel()
        t.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
        t.save(os.path.join(where, "tokenizer.json"), pretty=False)
    with open(os.path.join(where, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "CLIPTokenizer", "model_max_length": context,
                   "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
                   "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}, f, indent=1)
    return len(words)


def photograph():
    """A small picture with colours, edges and slopes; its sides leave 40 - 32 and 3 mod 4."""
    from PIL import Image

    y, x = np.mgrid[0:40, 0:59]
    picture = np.stack([x * 4, 255 - y * 6, (x * x + y * y) // 20 % 256], 2).astype(np.uint8)
    picture[(x - 20) ** 2 + (y - 18) ** 2 < 90] = (250, 30, 20)
    picture[10:30, 40:50] = (20, 40, 240)
    Image.fromarray(picture).save(path("picture.png"), optimize=True)
    return Image.fromarray(picture)


TEXTS = ["a photo of a red circle", "Two BLUE squares!", "the sea " * 12]
SMALL_VISION = dict(hidden_size=24, intermediate_size=44, num_hidden_layers=2,
                    num_attention_heads=2, image_size=32, patch_size=8)
SMALL_TEXT = dict(hidden_size=20, intermediate_size=36, num_hidden_layers=2,
                  num_attention_heads=2, max_position_embeddings=16)


def hugging_face(name, seed, kind, stages=True, learn=False, texts=(), **config):
    from transformers import CLIPConfig, CLIPModel

    os.makedirs(path(name))
    vocabulary = 72 if kind == "bin" else write_tokenizer(path(name), 16, kind == "old")
    text = dict(SMALL_TEXT, vocab_size=vocabulary, bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1)
    text.update(config.pop("text", {}))
    vision = dict(SMALL_VISION, **config.pop("vision", {}))
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    model = disturb(model, seed)
    model.to(dict(new=torch.float32, old=torch.float16, bin=torch.bfloat16)[kind])
    if kind == "bin":
        torch.save(model.state_dict(), path(name, "pytorch_model.bin"))
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=12).save_pretrained(path(name))
    else:
        model.save_pretrained(path(name), max_shard_size="30KB" if kind == "old" else "5GB")
    for extra in ("generation_config.json",):
        if os.path.exists(path(name, extra)):
            os.remove(path(name, extra))
    if kind == "old":  # partial, with the dictionaries that override, and the early end token
        short = {k: text[k] for k in SMALL_TEXT} | {"vocab_size": vocabulary, "eos_token_id": 2}
        old = {"model_type": "clip", "projection_dim": 12, "text_config": {"hidden_size": 99},
               "text_config_dict": short, "vision_config": {}, "vision_config_dict": vision}
        with open(path(name, "config.json"), "w") as f:
            json.dump(old, f, indent=1)
    size = vision["image_size"]
    new = {"do_resize": True, "size": {"shortest_edge": size}, "resample": 3,
           "do_center_crop": True, "crop_size": {"height": size, "width": size},
           "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
           "image_mean": [0.48145466, 0.4578275, 0.40821073],
           "image_std": [0.26862954, 0.26130258, 0.27577711], "do_convert_rgb": True,
           "image_processor_type": "CLIPImageProcessor"}
    if kind == "old":
        new = {k: v for k, v in new.items() if "scale" not in k and "rgb" not in k}
        new |= {"size": size, "crop_size": size}
    with open(path(name, "preprocessor_config.json"), "w") as f:
        json.dump(new, f, indent=1)
    model = CLIPModel.from_pretrained(path(name), dtype=torch.float32)
    pixels, ids = inputs(4, size, 16, vocabulary, vocabulary - 1, seed + 1)
    feature = lambda x: x if torch.is_tensor(x) else x.pooler_output
    if texts:
        pair(name, model, feature)
    expect(name, model, lambda x: feature(model.get_image_features(pixel_values=x)),
           lambda i: feature(model.get_text_features(input_ids=i)), pixels, ids,
           [("image", model.vision_model.encoder.layers, False),
            ("text", model.text_model.encoder.layers, False)] if stages else [], learn)


def pair(name, model, feature):
    """From the encoded picture and the texts on, through the processors of transformers."""
    from transformers import AutoTokenizer
    from transformers.models.clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil.from_pretrained(path(name))
    pixels = processor(images=photograph(), return_tensors="pt")["pixel_values"]
    tokens = AutoTokenizer.from_pretrained(path(name))(
        list(TEXTS), padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    with torch.no_grad():
        save_file({"pixels": pixels, "ids": tokens["input_ids"].to(torch.int32),
                   "image": feature(model.get_image_features(pixel_values=pixels)).clone(),
                   "text": feature(model.get_text_features(
                       input_ids=tokens["input_ids"])).clone()},
                  path("picture.expect.safetensors"))


# --- open_clip -----------------------------------------------------------------------------------


def open_clip(name, seed, config, learn, custom=False):
    from open_clip.model import CLIP, CustomTextCLIP

    os.makedirs(path(name))
    made = {k: v for k, v in config.items() if k != "custom_text"}
    model = disturb((CustomTextCLIP if custom else CLIP)(**made), seed)
    state = {k: v.contiguous() for k, v in model.state_dict().items() if k != "attn_mask"}
    save_file(state, path(name, "open_clip_model.safetensors"), metadata={"format": "pt"})
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic",
                  "resize_mode": "squash"}
    with open(path(name, "open_clip_config.json"), "w") as f:
        json.dump({"model_cfg": config, "preprocess_cfg": preprocess}, f, indent=1)
    vision, text = config["vision_cfg"], config["text_cfg"]
    pixels, ids = inputs(4, vision["image_size"], text["context_length"], text["vocab_size"], 0,
                         seed + 1)
    if text.get("pool_type") == "last":
        ids[:, -1] = text["vocab_size"] - 1
        ids[ids == 0] = 1
    tower = model.text if custom else model
    expect(name, model, model.encode_image, model.encode_text, pixels, ids,
           [("image", model.visual.transformer.resblocks, False),
            ("text", tower.transformer.resblocks, False)], learn)


# --- ours: the only layout of a bag of words ----------------------------------------------------


class Bag(torch.nn.Module):
    """OpenAI's image tower beside the text encoder that the paper's listing calls CBOW."""

    def __init__(self, vocabulary, width, embed_dim, image):
        from clip.model import VisionTransformer

        super().__init__()
        self.visual = VisionTransformer(output_dim=embed_dim, **image)
        self.token = torch.nn.Embedding(vocabulary, width)
        self.projection = torch.nn.Linear(width, embed_dim, bias=False)
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.6592))

    def text(self, ids):
        lengths = ids.argmax(1) + 1
        return self.projection(torch.stack(
            [self.token(row[:n]).mean(0) for row, n in zip(ids, lengths)]))


def own_names(state):
    simple = {"conv1": "patch", "class_embedding": "class", "positional_embedding": "position",
              "ln_pre": "norm_before", "ln_post": "norm_after", "resblocks": "block",
              "ln_1": "norm1", "ln_2": "norm2", "c_fc": "fc1", "c_proj": "fc2", "attn": "attention",
              "out_proj": "out", "visual": "vision"}
    out = {}
    for name, x in state.items():
        parts = [simple.get(p, p) for p in name.split(".") if p != "transformer"]
        ours = ".".join(parts)
        if parts[-1].startswith("in_proj"):
            for part, row in zip(("query", "key", "value"), x.chunk(3)):
                out[ours.replace("in_proj_", part + ".")] = row.clone()
        elif ours == "vision.proj":
            out["vision.projection.weight"] = x.t().contiguous()
        elif ours == "token.weight":
            out["text.token"] = x
        else:
            out["text." + ours if parts[0] == "projection" else ours] = x
    return out


def bag(name, seed):
    os.makedirs(path(name))
    image = dict(input_resolution=24, patch_size=8, width=24, layers=1, heads=2)
    model = disturb(Bag(72, 20, 16, image), seed)
    save_file(own_names(model.state_dict()), path(name, "model.safetensors"))
    with open(path(name, "config.json"), "w") as f:
        json.dump({"model_type": "vlm-clip", "embedding": 16,
                   "vision": {"image": 24, "patch": 8, "width": 24, "mlp": 96, "layers": 1,
                              "heads": 2, "activation": "quick_gelu"},
                   "text": {"bag": True, "vocabulary": 72, "width": 20, "context": 12}}, f, indent=1)
    pixels, ids = inputs(4, 24, 12, 72, 0, seed + 1)
    expect(name, model, model.visual, model.text, pixels, ids, learn=False)


def main():
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    text = dict(context_length=12, vocab_size=72, transformer_width=64, transformer_heads=1)
    openai("openai-vit", 1, 24, False, embed_dim=24, vision_layers=1, vision_width=64,
           vision_patch_size=8, transformer_layers=1, **text)
    openai("openai-rn", 2, 64, True, embed_dim=24, vision_layers=(1, 2, 1, 1), vision_width=2,
           vision_patch_size=None, transformer_layers=1, **text)
    hugging_face("hf-vit", 3, "new", learn=True, texts=TEXTS)
    hugging_face("hf-sharded", 4, "old", stages=False)
    hugging_face("hf-bf16", 5, "bin", stages=False, text=dict(hidden_act="gelu"),
                 vision=dict(hidden_act="gelu", layer_norm_eps=1e-3))
    vision = dict(layers=2, width=24, head_width=12, mlp_ratio=2.5, patch_size=8, image_size=24)
    words = dict(context_length=10, vocab_size=72, width=20, heads=2, layers=2)
    open_clip("open_clip-gelu", 6, dict(embed_dim=16, vision_cfg=vision, text_cfg=dict(words, layers=1)), True)
    open_clip("open_clip-mean", 7, dict(
        embed_dim=16, quick_gelu=True, custom_text=True,
        vision_cfg=dict(vision, layers=1, no_ln_pre=True, pool_type="avg", final_ln_after_pool=True),
        text_cfg=dict(words, layers=1, no_causal_mask=True, pool_type="last")), False, custom=True)
    bag("own-bag", 8)


main()
