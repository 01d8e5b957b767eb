#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seconds a picture and memory of the models in vlm-models(7): random numbers in their shapes, this machine.

    models.py BUILD [NAME ...]

Shapes come from transformers' and open_clip's classes, without their numbers.  Each model is written into a folder,
run by its command with 2 and with 10 pictures of 640 by 480 pixels, and removed.  A picture takes the difference
divided by 8, in seconds of the clock with two threads; memory is what the longer run had at most.  Runs are before all
others (chrt -r 1) where that is allowed, or others' work would be measured.  BENCH_FOLDER is where models are written
(the largest takes 7.5 GB), else a temporary folder.
"""
import json, os, re, shutil, subprocess, sys, tempfile, time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../golden"))
os.environ.update(HF_HUB_OFFLINE="1")
import numpy, torch, torchvision_shapes
import open_clip, transformers
from transformers import (Blip2Config, Blip2ForConditionalGeneration, BlipConfig, BlipForConditionalGeneration,
                          BlipForImageTextRetrieval, BlipForQuestionAnswering, CLIPConfig, CLIPModel, OPTConfig,
                          Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel)

BUILD = os.path.abspath(sys.argv[1])
PIECE = numpy.random.default_rng(1).standard_normal(1 << 22, numpy.float32) * numpy.float32(0.02)


def numbers(name, shape, dtype):
    count = int(numpy.prod(shape))
    if name.endswith("logit_scale"):
        x = numpy.full(count, 4.6, numpy.float32)
    elif len(shape) <= 1 and re.search(r"(norm|ln_|bn|LayerNorm|layernorm).*weight|running_var|gamma", name):
        x = numpy.ones(count, numpy.float32)
    else:
        x = numpy.resize(PIECE, count)
    return x.astype(dtype)


def write(path, shapes, dtype="float32"):
    """A safetensors file, tensor by tensor: none of it stays in memory."""
    at, header, size = 0, {}, numpy.dtype(dtype).itemsize
    for name, shape in shapes.items():
        end = at + int(numpy.prod(shape)) * size
        header[name] = {"dtype": {2: "F16", 4: "F32"}[size], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            f.write(numbers(name, shape, dtype).tobytes())
    return at // size


def shapes_of(make):
    with torch.device("meta"):
        model = make()
    return {k: tuple(v.shape) for k, v in model.state_dict().items() if v.is_floating_point() and not k.startswith("lm_head")}


def vocabulary(folder, name, copy):
    shutil.copy(os.path.join(here, "../../lib/share/vocabularies", name), os.path.join(folder, copy))


def hugging_face(cls, config, dtype="float32"):
    def make(folder):
        config.architectures = [cls.__name__]
        config.save_pretrained(folder)
        if "Blip" in cls.__name__:
            vocabulary(folder, "bert-base-uncased.txt", "vocab.txt")
        return write(os.path.join(folder, "model.safetensors"), shapes_of(lambda: cls(config)), dtype)
    return make


def of_open_clip(name):
    def make(folder):
        with open(os.path.join(os.path.dirname(open_clip.__file__), "model_configs", name + ".json")) as f:
            config = json.load(f)
        with open(os.path.join(folder, "open_clip_config.json"), "w") as f:
            json.dump({"model_cfg": config, "preprocess_cfg": {}}, f)
        vocabulary(folder, "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt.gz")
        arguments = {k: v for k, v in config.items() if k != "custom_text"}
        cls = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP if "custom_text" in config or \
            "timm_model_name" in config["vision_cfg"] else open_clip.CLIP
        return write(os.path.join(folder, "open_clip_model.safetensors"), shapes_of(lambda: cls(**arguments)))
    return make


def clip(patch, width, layers, heads, text, dtype="float32"):
    vision = dict(patch_size=patch, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                  intermediate_size=4 * width, image_size=224)
    words = dict(hidden_size=text, intermediate_size=4 * text, num_attention_heads=text // 64)
    return hugging_face(CLIPModel, CLIPConfig(vision_config=vision, text_config=words, projection_dim=text), dtype)


def siglip(cls, kind, vocabulary, vision):
    words = dict(vocab_size=vocabulary, hidden_size=768, intermediate_size=3072, num_attention_heads=12)
    vision = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, **vision)
    return hugging_face(cls, kind(vision_config=vision, text_config=words))


def blip(cls, image, width=768, layers=12, heads=12):
    vision = dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads,
                  image_size=image)
    words = dict(vocab_size=30524, hidden_size=768, encoder_hidden_size=width, intermediate_size=3072,
                 num_attention_heads=12, projection_dim=256, is_decoder=True, eos_token_id=2, bos_token_id=30522,
                 sep_token_id=102, pad_token_id=0)
    return hugging_face(cls, BlipConfig(vision_config=vision, text_config=words, image_text_hidden_size=256))


def blip2(folder):
    words = OPTConfig(hidden_size=2560, ffn_dim=10240, num_hidden_layers=32, num_attention_heads=32,
                      word_embed_proj_dim=2560, vocab_size=50304)
    count = hugging_face(Blip2ForConditionalGeneration, Blip2Config(text_config=words.to_dict()), "float16")(folder)
    os.remove(os.path.join(folder, "vocab.txt"))
    words = {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    signs = [chr(c) for c in list(range(33, 127)) + list(range(161, 173)) + list(range(174, 324))]
    for sign in signs + ["Ġ%d" % i for i in range(50265 - 4 - len(signs))]:
        words[sign] = len(words)
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump(words, f)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n")
    return count


EMBED, CAPTION, MATCH = ["vlm-embed", "--image"], ["vlm-caption"], ["vlm-itm"]
ROWS = [
    ("CLIP ViT-B/32", EMBED, clip(32, 768, 12, 12, 512)),
    ("CLIP ViT-B/32, f16", EMBED, clip(32, 768, 12, 12, 512, "float16")),
    ("CLIP ViT-B/16", EMBED, clip(16, 768, 12, 12, 512)),
    ("CLIP ViT-L/14", EMBED, clip(14, 1024, 24, 16, 768)),
    ("MobileCLIP-S2", EMBED, of_open_clip("MobileCLIP-S2")),
    ("SigLIP ViT-B/16", EMBED, siglip(SiglipModel, SiglipConfig, 32000, dict(image_size=224, patch_size=16))),
    ("SigLIP 2 ViT-B/16", EMBED, siglip(SiglipModel, SiglipConfig, 256000, dict(image_size=224, patch_size=16))),
    ("SigLIP 2 NaFlex ViT-B/16", EMBED, siglip(Siglip2Model, Siglip2Config, 256000, dict(num_patches=256, patch_size=16))),
    ("BLIP base, captions", CAPTION, blip(BlipForConditionalGeneration, 384)),
    ("BLIP large, captions", CAPTION, blip(BlipForConditionalGeneration, 384, 1024, 24, 16)),
    ("BLIP base, answers", CAPTION + ["--prompt", "what is it"], blip(BlipForQuestionAnswering, 384)),
    ("CoCa ViT-L/14, captions", CAPTION, of_open_clip("coca_ViT-L-14")),
    ("BLIP-2 with OPT 2.7B, f16", CAPTION, blip2),
    ("BLIP base, matching", MATCH, blip(BlipForImageTextRetrieval, 384)),
]


def first():
    """Before all others, if that is allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pass


def run(command, folder, records):
    """Seconds, and memory at most."""
    program = [os.path.join(BUILD, command[0]), "-q", "-j2", "-m", folder] + command[1:]
    lines = "".join(json.dumps(r) + "\n" for r in records).encode()
    start = time.monotonic()
    child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=first)
    child.stdin.write(lines)
    child.stdin.close()
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    spent = time.monotonic() - start
    if status or len(out.splitlines()) != len(records) or b'"error"' in out:
        raise SystemExit(f"{command[0]}: status {status}: {out[:300]}")
    return spent, usage.ru_maxrss / 1024


def pictures(folder):
    names = []
    for i in range(10):
        names.append(os.path.join(folder, f"{i}.ppm"))
        with open(names[-1], "wb") as f:
            f.write(b"P6 640 480 255\n" + numpy.random.default_rng(i).integers(0, 255, 640 * 480 * 3, numpy.uint8).tobytes())
    return [{"image": n, "text": "a dog runs on a beach"} for n in names]


def main():
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as scratch:
        records = pictures(scratch)
        for name, command, make in ROWS:
            if wanted and name not in wanted:
                continue
            folder = os.path.join(scratch, "model")
            os.makedirs(folder)
            count = make(folder)
            size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
            subprocess.run(["cat"] + [os.path.join(folder, f) for f in os.listdir(folder)], stdout=subprocess.DEVNULL)
            run(command, folder, records[:1])
            (few, _), (many, memory) = run(command, folder, records[:2]), run(command, folder, records)
            print(f"{name}: {count:,} parameters, {size / 1e6:.0f} MB, memory {memory:.0f} MiB, "
                  f"{(many - few) / 8:.3f} s a picture", flush=True)
            shutil.rmtree(folder)


main()
