# SPDX-License-Identifier: MIT
"""Full-size CLIP models with random weights against the original programs; see clip.large.

    large_clip.py VLM_EMBED
"""
import gzip, json, os, shutil, subprocess, sys, tempfile, time, warnings

warnings.filterwarnings("ignore")
import torch
import torch.nn.functional as F
from PIL import Image
from photographs import photographs

repo = os.environ["VLM_CLIP_REPO"]
sys.path.insert(0, repo)
embed = os.path.abspath(sys.argv[1])
PHOTOGRAPHS, NEEDED, LIMIT = 24, 20, 0.999999
TEXTS = ["a photo of a cat", "two dogs playing on a beach at sunset, one of them with a red ball",
         "a diagram", "An Astronaut's portrait -- in ORANGE, with a flag & a shuttle!", "déjà vu",
         "the quick brown fox jumps over the lazy dog " * 12]
count = 0


def ok(good, text):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {text}", flush=True)


def disturb(model, seed):
    """Moves what initialises to 0 or 1; wide enough for embeddings of photographs to differ."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1 and "class_embedding" not in name:
                p.add_(0.1 * torch.randn_like(p))
            elif "embedding" in name and "patch" not in name:
                p.copy_(0.1 * torch.randn_like(p))
            elif p.dim() > 1:
                p.copy_(torch.randn_like(p) / p[0].numel() ** 0.5)
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(0.1 * torch.randn_like(b))
            if name.endswith("running_var"):
                b.copy_(0.5 + torch.rand_like(b))
    return model


def openai(folder, name, seed, **sizes):
    """The archive as OpenAI publishes it, then read as their code reads it."""
    from clip.clip import _transform, tokenize
    from clip.model import CLIP, build_model, convert_weights

    model = disturb(CLIP(context_length=77, vocab_size=49408, **sizes), seed).eval()
    convert_weights(model)
    for key in ("context_length", "vocab_size"):
        value = getattr(model, key)
        delattr(model, key)
        model.register_buffer(key, torch.tensor(value))
    model.register_buffer("input_resolution", torch.tensor(sizes["image_resolution"]))
    pixels = torch.zeros(2, 3, sizes["image_resolution"], sizes["image_resolution"]).half()
    ids = torch.zeros(2, 77, dtype=torch.int64)
    traced = torch.jit.trace_module(model, {"encode_image": (pixels,), "encode_text": (ids,)},
                                    check_trace=False)
    file = os.path.join(folder, name + ".pt")
    torch.jit.save(traced, file)
    shutil.copy(os.path.join(repo, "clip", "bpe_simple_vocab_16e6.txt.gz"), folder)
    model = build_model(dict(torch.jit.load(file, map_location="cpu").state_dict())).float()
    transform = _transform(sizes["image_resolution"])
    return (file, lambda image: model.encode_image(transform(image)[None]),
            lambda text: model.encode_text(tokenize([text], truncate=True)))


def write_vocabulary(folder):
    lines = gzip.open(os.path.join(repo, "clip", "bpe_simple_vocab_16e6.txt.gz")).read().decode()
    merges = lines.split("\n")[1:49152 - 256 - 2 + 1]
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in shown] + [chr(256 + i) for i in range(256 - len(shown))]
    words = letters + [c + "</w>" for c in letters] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump({w: i for i, w in enumerate(words)}, f)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")


def hugging_face(folder, name, seed, vision, text, embedding):
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip import CLIPImageProcessorPil

    where = os.path.join(folder, name)
    text = dict(text, vocab_size=49408, bos_token_id=49406, eos_token_id=49407, pad_token_id=49407)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=embedding))
    model = disturb(model, seed).eval()
    model.save_pretrained(where)
    write_vocabulary(where)
    processor = CLIPImageProcessorPil()
    processor.save_pretrained(where)
    tokenizer = CLIPTokenizer.from_pretrained(where)
    feature = lambda x: x if torch.is_tensor(x) else x.pooler_output

    def image(picture):
        return feature(model.get_image_features(**processor(picture, return_tensors="pt")))

    def words(line):
        return feature(model.get_text_features(**tokenizer(
            [line], return_tensors="pt", truncation=True, max_length=77)))

    return where, image, words


def run(model, records):
    """The records that vlm-embed writes, and the seconds that it took."""
    data = "".join(json.dumps(r) + "\n" for r in records).encode()
    start = time.time()
    got = subprocess.run([embed, "-m", model], input=data, stdout=subprocess.PIPE)
    spent = time.time() - start
    if got.returncode:
        print(f"# vlm-embed: status {got.returncode}")
    return [json.loads(line) for line in got.stdout.decode().splitlines()], spent


def compare(name, rows, field, references):
    if len(rows) != len(references):
        return ok(False, f"{name}: {len(rows)} records of {len(references)}")
    bad = [r for r in rows if field not in r]
    if bad:
        return ok(False, f"{name}: no {field} in {json.dumps(bad[0])[:200]}")
    got = F.normalize(torch.tensor([r[field] for r in rows], dtype=torch.float64), dim=-1)
    want = F.normalize(torch.cat(references).double(), dim=-1)
    worst = (got * want).sum(-1).min().item()
    others = (want @ want.t() - 2 * torch.eye(len(want))).max().item()
    ok(worst >= LIMIT, f"{name}: {len(rows)} x {field}, cosine >= {worst:.9f}"
       f" (of the two nearest different ones {others:.4f})")


def check(name, made, photos):
    model, image, text = made
    with torch.no_grad():
        images = [image(Image.open(p)) for p in photos]
        texts = [text(t) for t in TEXTS]
    rows, spent = run(model, [{"image": p} for p in photos])
    compare(name, rows, "image_embedding", images)
    print(f"# {name}: {len(photos)} photographs in {spent:.2f} s, start and decoding counted")
    rows, _ = run(model, [{"text": t} for t in TEXTS])
    compare(name, rows, "text_embedding", texts)


def main():
    photos = photographs(PHOTOGRAPHS)
    if len(photos) < NEEDED:
        print(f"1..0 # SKIP {len(photos)} photographs found, {NEEDED} needed: set VLM_PHOTOS")
        return
    print("# photographs:", " ".join(os.path.basename(p) for p in photos))
    torch.set_num_threads(min(2, os.cpu_count()))
    base = dict(transformer_width=512, transformer_heads=8, transformer_layers=12)
    big = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
               num_attention_heads=16, patch_size=14, image_size=224)
    wide = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12)
    models = {
        "ViT-B-32": lambda f: openai(f, "ViT-B-32", 1, embed_dim=512, image_resolution=224,
                                     vision_layers=12, vision_width=768, vision_patch_size=32, **base),
        "RN50": lambda f: openai(f, "RN50", 2, embed_dim=1024, image_resolution=224,
                                 vision_layers=(3, 4, 6, 3), vision_width=64,
                                 vision_patch_size=None, **base),
        "ViT-B-32-hf": lambda f: hugging_face(f, "vit-b-32", 3, {}, {}, 512),
        "ViT-L-14-hf": lambda f: hugging_face(f, "vit-l-14", 4, big, wide, 768),
    }
    for name, make in models.items():
        with tempfile.TemporaryDirectory() as folder:
            check(name, make(folder), photos)
    print(f"1..{count}")


main()
