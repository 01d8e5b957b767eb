#!/usr/bin/env python3
"""Folders and files that vlm-convert writes, read by transformers and PyTorch.

    large_save.py BUILD

The tiny models of this folder are converted; transformers' classes must load each folder without a
missing key, and say of pictures and texts, through the folder's own processor, what vlm-itm,
vlm-embed and vlm-caption say: probabilities and cosines within 2e-5 (float32; pictures whose
resizing agrees to the last bit), captions word for word.  Prints TAP.
"""
import json, os, subprocess, sys, tempfile
import numpy, torch, transformers
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1])
TEXTS = ["a red dog runs", "the blue house with a tree", "two cats sit on a car , and a man"]
CLOSE = 2e-5
transformers.logging.set_verbosity_error()
count = failed = 0


def ok(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good and why:
        print("#", why)


def run(program, *arguments, records=None):
    lines = "".join(json.dumps(r) + "\n" for r in records or [])
    done = subprocess.run([os.path.join(BUILD, program), *arguments], input=lines, text=True,
                          capture_output=True)
    if done.returncode:
        raise SystemExit(f"{program} {arguments}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()] if done.stdout else []


def convert(model, out, *options):
    run("vlm-convert", *options, os.path.join(HERE, model), out)
    return out


def pictures():
    g = numpy.random.default_rng(3)
    names = []
    for i, (w, h) in enumerate([(16, 16), (48, 32), (33, 57)]):
        small = g.integers(0, 256, (4, 4, 3), dtype=numpy.uint8)
        Image.fromarray(small).resize((w, h), Image.BICUBIC).save(f"{i}.png")
        names.append(f"{i}.png")
    return names


def load(kind, folder):
    m, info = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True,
                                                          dtype=torch.float32)
    bad = [k for k in info["missing_keys"]] + [k[0] for k in info.get("mismatched_keys", [])]
    ok(not bad, f"{folder}: {kind} misses no tensor", f"missing: {bad[:5]}")
    return m.eval()


def near(a, b, name):
    worst = max(abs(x - y) for x, y in zip(a, b)) if len(a) == len(b) and len(a) else 9
    ok(worst <= CLOSE, f"{name}: off by {worst:.1e}")


def processor(folder):
    # torchvision's, which is taken where it is installed, resizes otherwise than Pillow
    p = transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    ok(True, f"{folder}: {type(p).__name__}")
    return p


def caption(folder, names, p):
    m = load("BlipForConditionalGeneration", folder)
    ours = run("vlm-caption", "--compat", "hf", "-m", folder, records=[{"image": n} for n in names])
    theirs = []
    for n in names:
        x = p(images=Image.open(n), return_tensors="pt")
        with torch.no_grad():
            y = m.generate(**x, num_beams=3, max_length=20)
        theirs.append(p.decode(y[0], skip_special_tokens=True).strip())
    ok([r["caption"] for r in ours] == theirs, f"{folder}: captions", f"{[r['caption'] for r in ours]} {theirs}")


def match(folder, names, p):
    m = load("BlipForImageTextRetrieval", folder)
    ours = run("vlm-itm", "--compat", "hf", "-m", folder,
               records=[{"image": n, "text": t} for n, t in zip(names, TEXTS)])
    itm, itc = [], []
    for n, t in zip(names, TEXTS):
        x = p(images=Image.open(n), text=t, return_tensors="pt")
        with torch.no_grad():
            itm.append(float(m(**x, use_itm_head=True).itm_score.softmax(-1)[0, 1]))
            itc.append(float(m(**x, use_itm_head=False).itm_score[0, 0]))
    near([r["itm"] for r in ours], itm, f"{folder}: match probabilities")
    near([r["itc"] for r in ours], itc, f"{folder}: cosines")


def answer(folder, names, p):
    m = load("BlipForQuestionAnswering", folder)
    ours = run("vlm-caption", "--compat", "hf", "--prompt", "how many cats", "-m", folder,
               records=[{"image": n} for n in names])
    theirs = []
    for n in names:
        x = p(images=Image.open(n), text="how many cats", return_tensors="pt")
        with torch.no_grad():
            y = m.generate(**x, num_beams=3, max_length=20)
        theirs.append(p.decode(y[0], skip_special_tokens=True).strip())
    ok([r["caption"] for r in ours] == theirs, f"{folder}: answers", f"{ours} {theirs}")


def clip(folder, names, p):
    m = load("CLIPModel", folder)
    ours = run("vlm-embed", "--compat", "hf", "-m", folder,
               records=[{"image": n, "text": t} for n, t in zip(names, TEXTS)])
    for r, n, t in zip(ours, names, TEXTS):
        x = p(images=Image.open(n), text=t, return_tensors="pt", truncation=True)
        with torch.no_grad():
            y = m(**x)
        near(r["image_embedding"], y.image_embeds[0].tolist(), f"{folder}: {n}")
        near(r["text_embedding"], y.text_embeds[0].tolist(), f"{folder}: {t}")


def speak(folder, names, p):
    """BLIP-2 with a language model: what is written without a prompt, and behind one."""
    m = load("Blip2ForConditionalGeneration", folder)
    for prompt in (None, "a photo of"):
        ours = run("vlm-caption", "--compat", "hf", "--beam", "1", "--max-length", "12", "-m", folder,
                   *(["--prompt", prompt] if prompt else []), records=[{"image": n} for n in names])
        theirs = []
        for n in names:
            x = p(images=Image.open(n), text=prompt, return_tensors="pt")
            new = 11  # the first of ours is the begin
            with torch.no_grad():
                y = m.generate(**x, num_beams=1, do_sample=False, max_new_tokens=new)
            theirs.append(p.tokenizer.decode(y[0], skip_special_tokens=True).strip())
        theirs = [t[len(prompt):].strip() if prompt and t.startswith(prompt) else t for t in theirs]
        ok([r["caption"] for r in ours] == theirs, f"{folder}: behind {prompt!r}",
           f"{[r['caption'] for r in ours]} {theirs}")


def match2(folder, names, p):
    m = load("Blip2ForImageTextRetrieval", folder)
    ours = run("vlm-itm", "--compat", "hf", "-m", folder,
               records=[{"image": n, "text": t} for n, t in zip(names, TEXTS)])
    itm, itc = [], []
    tokenizer, images = p.tokenizer, p.image_processor
    for n, t in zip(names, TEXTS):
        x = {**images(images=Image.open(n), return_tensors="pt"), **tokenizer(t, return_tensors="pt")}
        x.pop("token_type_ids", None)
        with torch.no_grad():
            itm.append(float(m(**x, use_image_text_matching_head=True).logits_per_image.softmax(-1)[0, 1]))
            itc.append(float(m(**x, use_image_text_matching_head=False).logits_per_image[0, 0]))
    near([r["itm"] for r in ours], itm, f"{folder}: match probabilities")
    near([r["itc"] for r in ours], itc, f"{folder}: cosines")


def special_tokens(folder):
    """[DEC] and [ENC] are ids of their own, and no text spells them."""
    t = transformers.AutoTokenizer.from_pretrained(folder)
    size = json.load(open(os.path.join(folder, "config.json")))["text_config"]["vocab_size"]
    ids = t("[DEC] a [ENC]", add_special_tokens=False).input_ids
    ok(ids[0] == size - 2 and ids[-1] == size - 1 and {size - 2, size - 1} <= set(t.all_special_ids),
       f"{folder}: [DEC] and [ENC] are special", f"{ids} of {size}, special {t.all_special_ids}")


def same_state(file, original, wrapper):
    """Each tensor of ours is that of the file it was made from."""
    a = torch.load(file, weights_only=True)
    try:
        b = torch.jit.load(original, map_location="cpu").state_dict()
    except RuntimeError:
        b = torch.load(original, weights_only=True)
    a, b = (a[wrapper], b[wrapper]) if wrapper else (a, b)
    integers = {"input_resolution", "context_length", "vocab_size"}
    bad = [k for k in a if k not in integers and not (k in b and torch.equal(a[k].float(), b[k].float()))]
    left = [k for k in b if k not in a and "_m." not in k and "queue" not in k
            and "num_batches_tracked" not in k and k not in integers and not k.endswith("attn_mask")]
    ok(not bad and not left, f"{os.path.basename(file)}: torch.load gives the tensors of the original",
       f"{bad[:4]} {left[:4]}")
    return a


def main():
    names = pictures()
    for model, tasks in (("blip/pretrain.pth", (caption, match)), ("blip/caption.pth", (caption,)),
                         ("blip/itm.pth", (match,)), ("blip/vqa.pth", (answer,)),
                         ("blip/hf-caption", (caption,)), ("blip/hf-itm", (match,)),
                         ("clip/hf-vit", (clip,))):
        folder = convert(model, os.path.basename(model).replace(".", "-"))
        p = processor(folder)
        for task in tasks:
            task(folder, names, p)
    for model, task, options in (("blip2/opt/blip2.pth", speak, []), ("blip2/t5/blip2.pth", speak, []),
                                 ("blip2/hf-opt", speak, []), ("blip2/hf-t5", speak, []),
                                 ("blip2/stage1/blip2_pretrained.pth", match2, [])):
        folder = convert(model, model.replace("/", "-").replace(".", "-"), *options)
        task(folder, names, processor(folder))
    for model in ("blip/pretrain.pth", "blip/caption.pth"):
        special_tokens(os.path.basename(model).replace(".", "-"))
    for dtype in ("f16", "bf16"):
        folder = convert("blip/pretrain.pth", dtype, "--dtype", dtype)
        m = transformers.BlipForConditionalGeneration.from_pretrained(folder)
        ok(next(m.parameters()).dtype == {"f16": torch.float16, "bf16": torch.bfloat16}[dtype],
           f"{dtype} is loaded as such")
    load("CLIPModel", convert("clip/openai-vit.pt", "openai-vit"))
    for model, wrapper in (("blip/pretrain.pth", "model"), ("blip/caption.pth", "model"), ("blip/vqa.pth", "model"),
                           ("clip/openai-vit.pt", None), ("clip/openai-rn.pt", None)):
        file = convert(model, "out-" + os.path.basename(model))
        a = same_state(file, os.path.join(HERE, model), wrapper)
        again = convert(os.path.abspath(file), "again-" + os.path.basename(model))
        ok(open(file, "rb").read() == open(again, "rb").read(), f"{file}: written again, the same bytes")
        if "text_decoder.cls.predictions.decoder.weight" in a:
            ok(a["text_decoder.cls.predictions.decoder.weight"].data_ptr() ==
               a["text_decoder.bert.embeddings.word_embeddings.weight"].data_ptr(),
               f"{file}: tied tensors share their storage")
    print(f"1..{count}")
    return failed > 0


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    sys.exit(main())
