#!/usr/bin/env python3
"""A full-size BLIP-2 OPT-2.7B with random weights in float16, as Hugging Face lays it out, captions a picture.

    large_blip2.py BUILD FOLDER     FOLDER is made, or what is there already is used; FOLDER-int8 is made and removed

What is asked, of it and of what vlm-convert makes of it in int8: a caption comes, the same alone and among others;
the most memory ever resident is at most the size of the weights and 1.5 GiB; vlm-convert --info foretells it within
a tenth; and the conversion itself takes no more than 1.5 GiB.
"""
import json, os, shutil, subprocess, sys, time

ROOM = 3 << 29
NAMES = ("a", "b", "c")


def make(folder):
    import numpy, torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration, OPTConfig
    opt = OPTConfig(hidden_size=2560, num_hidden_layers=32, ffn_dim=10240, num_attention_heads=32, vocab_size=50304,
                    word_embed_proj_dim=2560, eos_token_id=50118)
    config = Blip2Config(text_config=opt.to_dict(), num_query_tokens=32, image_token_index=50265)
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in Blip2ForConditionalGeneration(config).state_dict().items()
                  if k != "language_model.lm_head.weight"}
    os.makedirs(folder, exist_ok=True)
    config.architectures, config.dtype = ["Blip2ForConditionalGeneration"], "float16"
    config.save_pretrained(folder)
    draw = (numpy.random.default_rng(1).standard_normal(1 << 22, dtype=numpy.float32) * 0.02).astype(numpy.float16)
    header, at = {}, 0
    for k, s in shapes.items():
        size = 2 * int(numpy.prod(s))
        header[k] = {"dtype": "F16", "shape": s, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for i, (k, s) in enumerate(shapes.items()):
            count = int(numpy.prod(s))
            if len(s) == 1:
                out.write(numpy.full(count, 1 if k.endswith("weight") else 0, numpy.float16).tobytes())
                continue
            while count:
                some = min(count, len(draw) - i % 4096)
                out.write(draw[i % 4096:i % 4096 + some].tobytes())
                count -= some
    tokenizer(folder)


def tokenizer(folder):
    """OPT's bytes, its end of line, and a word for each other id."""
    words = {**{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}, **byte_words(), "\u010a": 50118}
    used = set(words.values())
    words.update({"w%d" % i: i for i in range(50265) if i not in used})
    json.dump({"added_tokens": [{"id": 2, "content": "</s>", "special": True, "single_word": False, "lstrip": False,
                                 "rstrip": False, "normalized": False}],
               "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
               "decoder": {"type": "ByteLevel"},
               "post_processor": {"type": "TemplateProcessing", "single": [
                   {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                   "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}},
               "model": {"type": "BPE", "vocab": words, "merges": []}}, open(os.path.join(folder, "tokenizer.json"), "w"))


def byte_words():
    """GPT-2's letters for bytes."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    more = [b for b in range(256) if b not in plain]
    letters = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(more)}
    return {letters[b]: 4 + b for b in range(256) if letters[b] != "\u010a"}


def picture(path, shade):
    with open(path, "wb") as f:
        f.write(b"P6 64 48 255\n" + bytes((x * shade + y * 3 + c * 70) % 256 for y in range(48) for x in range(64) for c in range(3)))


class Tests:
    count = 0

    def ok(self, good, what):
        self.count += 1
        print("%sok %d - %s" % ("" if good else "not ", self.count, what), flush=True)


def run(*args):
    """Its output, the most memory that it had resident, and how long it took."""
    start = time.time()
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as child:
        out = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = status
    if status:
        sys.exit("# %s: status %d" % (args[0], status))
    return out, used.ru_maxrss * 1024, time.time() - start


def captions(tests, build, folder):
    weights = os.path.getsize(os.path.join(folder, "model.safetensors"))
    paths = [os.path.join(folder, n + ".ppm") for n in NAMES]
    for i, p in enumerate(paths):
        picture(p, i + 2)
    one, peak, seconds = run(build + "/vlm-caption", "-m", folder, paths[0])
    tests.ok('"caption":"' in one, "a caption comes")
    print("# %.1f s for one picture, five beams, at most 20 tokens" % seconds)
    tests.ok(peak <= weights + ROOM, "at most %.2f GiB were resident, weights are %.2f" % (peak / 2**30, weights / 2**30))
    foretold = json.loads(run(build + "/vlm-convert", "--info", "--batch", "1", folder)[0])["memory_bytes"]
    tests.ok(abs(foretold - peak) <= 0.1 * peak, "--info foretold %.2f" % (foretold / 2**30))
    all_, _, seconds = run(build + "/vlm-caption", "-m", folder, *paths)
    print("# %.1f s for three" % seconds)
    tests.ok(one == all_.splitlines(True)[0], "the same alone and among others")


def main(build, folder):
    tests, small = Tests(), folder + "-int8"
    if not os.path.exists(os.path.join(folder, "tokenizer.json")):
        make(folder)
    print("1..9")
    captions(tests, build, folder)
    try:
        _, peak, seconds = run(build + "/vlm-convert", "--dtype", "int8", folder, small)
        print("# %.1f s to convert" % seconds)
        tests.ok(peak <= ROOM, "int8: at most %.2f GiB were resident" % (peak / 2**30))
        captions(tests, build, small)
    finally:
        shutil.rmtree(small, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
