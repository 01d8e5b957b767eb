# SPDX-License-Identifier: MIT
"""A full-size BLIP captioner with random weights against transformers; see blip.large.

    large_blip.py VLM_CAPTION

Every id of the vocabulary is a word of its own, so equal captions are equal ids.  Where a caption
differs, another one must have been as good: the two means of log-probabilities differ by less than
CLOSE.
"""
import json, os, subprocess, sys, tempfile, time, warnings

warnings.filterwarnings("ignore")
import torch
from PIL import Image
from photographs import photographs

caption = os.path.abspath(sys.argv[1])
PHOTOGRAPHS, NEEDED, CLOSE = 20, 19, 1e-4
WORDS, SPECIAL = 30522, {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
END = 102


def spell(id):
    """Four letters of the alphabet; nothing that a tokenizer would cut."""
    return "".join(chr(ord("a") + id // 26 ** k % 26) for k in range(4))


def build():
    from transformers import BlipConfig, BlipForConditionalGeneration
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(1)
    model = BlipForConditionalGeneration(BlipConfig(
        text_config=dict(num_attention_heads=12), vision_config=dict(image_size=384))).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
            elif "embedding" in name and "patch" not in name:
                p.copy_(0.1 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) / p[0].numel() ** 0.5)
            if "crossattention.self" in name and p.dim() > 1:
                p.mul_(2)  # looks at few squares, so that what a picture shows matters
        model.text_decoder.cls.predictions.bias[END] += 4  # some captions end by themselves
    return model


def save(model, folder):
    from transformers.models.blip import BlipImageProcessorPil

    model.save_pretrained(folder)
    processor = BlipImageProcessorPil()
    processor.save_pretrained(folder)
    with open(os.path.join(folder, "vocab.txt"), "w") as f:
        f.writelines(SPECIAL.get(i, spell(i)) + "\n" for i in range(WORDS))
    return processor


def theirs(model, processor, photos):
    captions = []
    for path in photos:
        pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            out = model.generate(pixels, num_beams=3, do_sample=False, max_length=20,
                                 output_scores=True, return_dict_in_generate=True)
        ids = [i for i in out.sequences[0].tolist() if i < WORDS and i not in SPECIAL]
        captions.append((" ".join(map(spell, ids)), out.sequences_scores[0].item()))
    return captions


def ours(folder, photos):
    records = "".join(json.dumps({"image": p}) + "\n" for p in photos)
    start = time.time()
    got = subprocess.run([caption, "-m", folder], input=records, stdout=subprocess.PIPE, text=True)
    print(f"# {len(photos)} captions in {time.time() - start:.1f} s, the start counted, status",
          got.returncode)
    return [json.loads(line) for line in got.stdout.splitlines()]


def main():
    photos = photographs(PHOTOGRAPHS)
    if len(photos) < PHOTOGRAPHS:
        return print(f"1..0 # SKIP {len(photos)} photographs found, {PHOTOGRAPHS} needed:"
                     " set VLM_PHOTOS")
    torch.set_num_threads(min(2, os.cpu_count()))
    model = build()
    with tempfile.TemporaryDirectory() as folder:
        processor = save(model, folder)
        rows = ours(folder, photos)
    want = theirs(model, processor, photos)
    same = close = 0
    for path, row, (text, score) in zip(photos, rows, want):
        if row.get("caption") == text:
            same += 1
            close += abs(row["logprob"] - score) < CLOSE
            continue
        print(f"# {os.path.basename(path)}: {json.dumps(row)}\n# {score}: {text}")
        close += abs(row.get("logprob", 1) - score) < CLOSE
    different = len({text for text, _ in want})
    lengths = sorted({len(text.split()) for text, _ in want})
    print(f"# {different} different captions, of {lengths[0]} to {lengths[-1]} words")
    print(f"{'ok' if different > len(photos) // 2 else 'not ok'} 1 - captions differ among pictures")
    print(f"{'ok' if same >= NEEDED else 'not ok'} 2 - the same tokens: {same} of {len(photos)}")
    print(f"{'ok' if close == len(photos) else 'not ok'} 3 - the same score: {close}")
    print("1..3")


main()
