#!/usr/bin/env python3
"""Settings of Hugging Face's folders, changed one at a time, beside transformers.

    large_settings.py BUILD

Each row changes one value of the tiny CLIP's, BLIP's or SigLIP's folder.  The programs must give what
transformers gives (vectors and logits within 3e-6), or refuse the folder; where transformers refuses
it, nothing is asked.  Prints TAP.
"""
import json, os, shutil, subprocess, sys, tempfile
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import numpy, torchvision_shapes, torch, transformers
from PIL import Image

BUILD = os.path.abspath(sys.argv[1])
CLOSE = 3e-6
GONE = object()
TEXTS = ["a red dog runs", "The BLUE house, with a TREE!",
         "a red dog runs and two cats sit on a car and a man with the blue house it's here 12 THE"]
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
count = failed = 0


class Refused(Exception):
    pass


def run(program, folder, records):
    lines = "".join(json.dumps(r) + "\n" for r in records)
    done = subprocess.run([os.path.join(BUILD, program), "-m", folder], input=lines, text=True, capture_output=True)
    if done.returncode < 0 or done.returncode > 128:
        raise SystemExit(f"{program} died: {done.stderr}")
    out = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or not out or any("error" in r for r in out):
        raise Refused(done.stderr.strip() or str(out[0].get("error")))
    return out


def unit(x):
    x = x if torch.is_tensor(x) else x.pooler_output
    return (x / x.norm(dim=-1, keepdim=True))[0].tolist()


def clip_theirs(folder):
    # torchvision's, which is taken where it is installed, resizes otherwise than Pillow
    p = transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    m = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    out = []
    for name, text in zip(PICTURES, TEXTS):
        x = p(images=Image.open(name), text=text, truncation=True, return_tensors="pt",
              **({"max_length": 16} if p.tokenizer.model_max_length > 1000 else {}))
        with torch.no_grad():
            out.append(unit(m.get_image_features(pixel_values=x.pixel_values)) + unit(
                m.get_text_features(input_ids=x.input_ids, attention_mask=x.attention_mask)))
    return out


def clip_ours(folder):
    return [r["image_embedding"] + r["text_embedding"] for r in run(
        "vlm-embed", folder, [{"image": n, "text": t} for n, t in zip(PICTURES, TEXTS)])]


def blip_theirs(folder):
    p = transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    m = transformers.BlipForImageTextRetrieval.from_pretrained(folder, dtype=torch.float32).eval()
    out = []
    for name, text in zip(PICTURES, TEXTS):
        x = p.tokenizer(text, truncation=True, return_tensors="pt", return_token_type_ids=False,
                        **({"max_length": 35} if p.tokenizer.model_max_length > 35 else {}))
        pixels = p.image_processor(images=Image.open(name), return_tensors="pt").pixel_values
        with torch.no_grad():
            y = m(**x, pixel_values=pixels, use_itm_head=True).itm_score[0]
        out.append([float(y[1] - y[0])])
    return out


def blip_ours(folder):
    return [[r["itm_logit"]] for r in run("vlm-itm", folder,
                                          [{"image": n, "text": t} for n, t in zip(PICTURES, TEXTS)])]


def siglip_theirs(folder):
    p = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    m = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    words = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, FAST))
    room, out = m.config.text_config.max_position_embeddings, []
    for name in PICTURES:
        ids = words.encode(SIGLIP_TEXT) + [1]
        x = torch.tensor([ids + [1] * (room - len(ids))])
        pixels = p(images=Image.open(name), return_tensors="pt").pixel_values
        with torch.no_grad():
            out.append(unit(m.get_image_features(pixel_values=pixels)) + unit(m.get_text_features(input_ids=x)))
    return out


def siglip_ours(folder):
    return [r["image_embedding"] + r["text_embedding"] for r in run(
        "vlm-embed", folder, [{"image": n, "text": SIGLIP_TEXT} for n in PICTURES])]


SIGLIP_TEXT = "a dog"
PRE, CONFIG, WORDS, FAST = "preprocessor_config.json", "config.json", "tokenizer_config.json", "tokenizer.json"
BOTH = [
    (PRE, "size", [32, {"shortest_edge": 40}, {"shortest_edge": 28}, {"height": 40, "width": 40}, {"height": 16, "width": 16},
                   {"height": 40, "width": 32}, {"longest_edge": 32}, {"shortest_edge": 32, "longest_edge": 48}, {}, GONE]),
    (PRE, "do_resize", [False]), (PRE, "do_center_crop", [False, True]), (PRE, "do_rescale", [False]),
    (PRE, "do_normalize", [False]), (PRE, "rescale_factor", [1 / 127.5]), (PRE, "image_mean", [[.5, .4, .3], .5, GONE]),
    (PRE, "image_std", [[.5, .6, .7], GONE]), (PRE, "resample", [0, 1, 2, 3, 4, 5, GONE]),
    (PRE, "crop_size", [32, {"height": 24, "width": 24}, {"height": 32, "width": 24}, GONE]),
    (PRE, "do_pad", [True]), (PRE, "do_convert_rgb", [False]),
    (PRE, "image_processor_type", ["CLIPImageProcessorFast", "BlipImageProcessor", "SiglipImageProcessor",
                                   "ViTImageProcessor", "BitImageProcessor", "ConvNextImageProcessor", GONE]),
    (CONFIG, "vision_config.layer_norm_eps", [.01]), (CONFIG, "text_config.layer_norm_eps", [.01]),
    (CONFIG, "vision_config.num_attention_heads", [4]), (CONFIG, "text_config.num_attention_heads", [4]),
    (CONFIG, "vision_config.hidden_act", ["gelu", "gelu_new", "relu", "silu", "quick_gelu"]),
    (CONFIG, "text_config.hidden_act", ["gelu", "gelu_fast", "gelu_python"]),
    (CONFIG, "vision_config.num_hidden_layers", [1]), (CONFIG, "text_config.eos_token_id", [2, 300]),
    (WORDS, "model_max_length", [8, 12, 10 ** 30]), (WORDS, "truncation_side", ["left"]),
    (WORDS, "padding_side", ["left"]), (WORDS, "do_lower_case", [False]), (WORDS, "bos_token", ["a"]),
    (WORDS, "cls_token", ["a"]), (WORDS, "clean_up_tokenization_spaces", [False, True]),
    (FAST, "normalizer", [None]), (FAST, "post_processor", [None]), (FAST, "model.dropout", [.5]),
    (FAST, "truncation", [{"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}]),
]

SIGLIP_PRE = {"image_processor_type": "SiglipImageProcessor", "do_resize": True, "size": {"height": 24, "width": 24},
              "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
              "image_mean": [.5] * 3, "image_std": [.5] * 3}
SIGLIP = [
    (PRE, "size", [{"height": 24, "width": 24}, {"height": 32, "width": 32}, {"shortest_edge": 24}, 24, GONE]),
    (PRE, "resample", [0, 1, 2, 3, 4, GONE]), (PRE, "do_resize", [False]), (PRE, "do_rescale", [False]),
    (PRE, "do_normalize", [False]), (PRE, "rescale_factor", [1 / 127.5]), (PRE, "image_mean", [[.4, .5, .6], GONE]),
    (PRE, "image_std", [[.2, .3, .4], GONE]), (PRE, "do_convert_rgb", [False, None]), (PRE, "do_center_crop", [True]),
    (PRE, "do_pad", [True]), (PRE, "image_processor_type", ["SiglipImageProcessorFast", "CLIPImageProcessor",
                                                            "ViTImageProcessor"]),
    (CONFIG, "vision_config.layer_norm_eps", [.01]), (CONFIG, "text_config.layer_norm_eps", [.01]),
    (CONFIG, "vision_config.num_attention_heads", [4]), (CONFIG, "text_config.num_attention_heads", [4]),
    (CONFIG, "vision_config.hidden_act", ["gelu", "relu"]), (CONFIG, "text_config.hidden_act", ["quick_gelu", "relu"]),
    (CONFIG, "vision_config.vision_use_head", [False]), (CONFIG, "vision_config.num_hidden_layers", [1]),
    (CONFIG, "text_config.num_hidden_layers", [1]), (CONFIG, "text_config.projection_size", [16]),
    (CONFIG, "vision_config.image_size", [32]), (CONFIG, "vision_config.num_channels", [1]),
    (CONFIG, "text_config.max_position_embeddings", [8]),
]


def rows():
    for generic in (False, True):
        for file, field, values in BOTH:
            if not generic or file == FAST:
                for value in values:
                    yield file, field, value, generic


def change(folder, file, field, value):
    path = os.path.join(folder, file)
    with open(path) as f:
        root = json.load(f)
    at, *inner = root, *field.split(".")
    for name in inner[:-1]:
        at = at.setdefault(name, {})
    if value is GONE:
        at.pop(inner[-1], None)
    else:
        at[inner[-1]] = value
    with open(path, "w") as f:
        json.dump(root, f)


def report(name, ours, theirs):
    global count, failed
    try:
        want = numpy.array(theirs())
    except Exception:  # whatever transformers says
        want = None
    try:
        got = numpy.array(ours())
    except Refused as e:
        got, why = None, str(e)
    if want is None:
        good, how = True, "transformers refuses it"
    elif got is None:
        good, how = True, "refused: " + why[-90:]
    else:
        good = got.shape == want.shape and abs(got - want).max() <= CLOSE
        how = f"off by {abs(got - want).max():.1e}" if got.shape == want.shape else "another shape"
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}: {how}", flush=True)


def main():
    for base, ours, theirs in (("clip/hf-vit", clip_ours, clip_theirs), ("blip/hf-itm", blip_ours, blip_theirs)):
        for file, field, value, generic in rows():
            shutil.rmtree("m", ignore_errors=True)
            shutil.copytree(os.path.join(HERE, base), "m", copy_function=shutil.copyfile)
            change("m", file, field, value)
            if generic:
                change("m", WORDS, "tokenizer_class", "PreTrainedTokenizerFast")
            what = "nothing" if value is GONE else json.dumps(value)
            report(f"{base} {file} {field} = {what}{', of no class' if generic else ''}", lambda: ours("m"),
                   lambda: theirs("m"))
    for file, field, values in SIGLIP:
        for value in values:
            shutil.rmtree("m", ignore_errors=True)
            shutil.copytree(os.path.join(HERE, "siglip/hf"), "m", copy_function=shutil.copyfile)
            with open(os.path.join("m", PRE), "w") as f:
                json.dump(SIGLIP_PRE, f)
            change("m", file, field, value)
            report(f"siglip/hf {file} {field} = {'nothing' if value is GONE else json.dumps(value)}",
                   lambda: siglip_ours("m"), lambda: siglip_theirs("m"))
    print(f"1..{count}")
    return failed > 0


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    PICTURES = []
    random = numpy.random.default_rng(3)
    for i, (w, h) in enumerate([(32, 32), (64, 40), (33, 57)]):
        small = random.integers(0, 256, (5, 5, 3), dtype=numpy.uint8)
        Image.fromarray(small).resize((w, h), Image.BICUBIC).save(f"{i}.png")
        PICTURES.append(f"{i}.png")
    sys.exit(main())
