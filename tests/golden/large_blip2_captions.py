# SPDX-License-Identifier: MIT
"""BLIP-2's language models at full width with random weights against transformers; see blip2_captions.large.

    large_blip2_captions.py VLM_CAPTION

Weights are stored in f16 and multiplied in f32 by both.  Every id that may come is a word of its own, so equal
captions are equal ids.
"""
import gc, json, os, subprocess, sys, tempfile, time, warnings

warnings.filterwarnings("ignore")
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import Blip2Config, Blip2ForConditionalGeneration, OPTConfig, T5Config
from transformers.initialization import no_init_weights
from transformers.models.blip import BlipImageProcessorPil
from transformers.utils import logging

import large_blip2

PICTURES, NEW = 6, 20
TOWER, LAYERS = (int(n) for n in os.environ.get("VLM_LAYERS", "4 4").split())
KINDS = os.environ.get("VLM_KINDS", "opt t5").split()
WORDS = {"opt": (300, 50000), "t5": (3, 32000)}  # ids that may come: the others' scores are 0
IMAGE = {"opt": 50265, "t5": 32100}


def config(kind):
    text = OPTConfig(hidden_size=2560, num_hidden_layers=LAYERS, ffn_dim=10240, num_attention_heads=32,
                     vocab_size=50304, word_embed_proj_dim=2560, eos_token_id=50118) if kind == "opt" else T5Config(
        d_model=2048, d_ff=5120, num_layers=LAYERS, num_decoder_layers=LAYERS, num_heads=32, vocab_size=32128,
        feed_forward_proj="gated-gelu", dense_act_fn="gelu", tie_word_embeddings=False, bos_token_id=1,
        scale_decoder_outputs=False, decoder_start_token_id=0)
    return Blip2Config(vision_config=dict(num_hidden_layers=TOWER), text_config=text.to_dict(), num_query_tokens=32,
                       image_token_index=IMAGE[kind])


def fill(name, p, kind):
    """Of a size that lets what a picture shows through to the words."""
    if p.dim() == 1:
        p.normal_(0, 0.1)
        p.add_(1 if name.endswith("weight") else 0)
    elif "relative_attention_bias" in name:
        p.normal_()
    elif p.dim() == 3 or "position" in name or "class" in name:
        p.normal_(0, 0.5)
    else:
        p.normal_(0, (2 if "crossattention.attention" in name else 1) / p[0].numel() ** 0.5)
    if name.endswith(("embed_tokens.weight", "lm_head.weight", "shared.weight")):
        first, last = WORDS[kind]
        p[:first], p[last:] = 0, 0


def make(kind, folder):
    torch.manual_seed(1)
    logging.disable_progress_bar()
    with no_init_weights():
        model = Blip2ForConditionalGeneration(config(kind))
    with torch.no_grad():
        for name, p in model.named_parameters():
            fill(name, p, kind)
    tied = {"opt": "language_model.lm_head.weight", "t5": None}[kind]
    save_file({k: v.half().contiguous().clone() for k, v in model.state_dict().items()
               if k != tied and not k.endswith(("encoder.embed_tokens.weight", "t5.decoder.embed_tokens.weight"))
               and not (kind == "t5" and k == "language_model.decoder.embed_tokens.weight")},
              os.path.join(folder, "model.safetensors"), {"format": "pt"})
    model.config.architectures, model.config.dtype = ["Blip2ForConditionalGeneration"], "float16"
    model.config.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(folder)
    tokenizer(kind, folder)


def tokenizer(kind, folder):
    if kind == "opt":
        return large_blip2.tokenizer(folder)
    pieces = [["<pad>", 0], ["</s>", 0], ["<unk>", 0]] + [["\u2581" + spell(i), -1 - i] for i in range(3, 32100)]
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump({"added_tokens": [{"id": i, "content": pieces[i][0], "special": True, "single_word": False,
                                     "lstrip": False, "rstrip": False, "normalized": False} for i in range(3)],
                   "normalizer": None, "pre_tokenizer": space, "decoder": space,
                   "post_processor": {"type": "TemplateProcessing", "single": [
                       {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                       "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
                   "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces}}, f)


def spell(id):
    return "w%d" % id


def theirs(kind, folder, paths):
    model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    process = BlipImageProcessorPil.from_pretrained(folder)
    captions = []
    for path in paths:
        pixels = process(Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            out = model.generate(pixels, num_beams=5, do_sample=False, max_new_tokens=NEW)[0].tolist()
        first, last = WORDS[kind]
        captions.append(("" if kind == "opt" else " ").join(spell(i) for i in out if first <= i < last))
    return captions


def compare(kind, caption, count):
    with tempfile.TemporaryDirectory() as folder:
        make(kind, folder)
        gc.collect()
        paths = [os.path.join(folder, "%d.ppm" % i) for i in range(PICTURES)]
        for i, path in enumerate(paths):
            large_blip2.picture(path, 7 * i + 2)
        start = time.time()
        got = subprocess.run([caption, "-m", folder, *paths], stdout=subprocess.PIPE, text=True)
        print("# %s: %.1f s, the start counted" % (kind, time.time() - start))
        mine = [json.loads(line).get("caption") for line in got.stdout.splitlines()]
        want = theirs(kind, folder, paths)
    for a, b in zip(mine, want):
        if a != b:
            print("# ours   %r\n# theirs %r" % (a, b))
    different = len(set(want))
    print("%sok %d - %s: captions differ among pictures: %d of %d" % (
        "" if different > 1 else "not ", count, kind, different, PICTURES))
    print("%sok %d - %s: the same tokens, %d layers of the tower, %d of the language model" % (
        "" if mine == want else "not ", count + 1, kind, TOWER, LAYERS), flush=True)


def main(caption):
    torch.set_num_threads(min(2, os.cpu_count()))
    print("1..%d" % (2 * len(KINDS)))
    for i, kind in enumerate(KINDS):
        compare(kind, os.path.abspath(caption), 2 * i + 1)
        gc.collect()


main(sys.argv[1])
