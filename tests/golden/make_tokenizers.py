#!/usr/bin/env python3
"""make_tokenizers.py SIMPLE_TOKENIZER: writes tests/golden/tokenizer/, small vocabularies and what the originals make
of 2,000 mixed lines with them.  SIMPLE_TOKENIZER is clip/simple_tokenizer.py of openai/CLIP.

    clip/vocab.json, merges.txt   600 merges trained on the lines themselves
    clip.txt                      the same as openai/CLIP's file: a heading and the merges
    clip.json                     the same as a tokenizer.json from the model hub
    texts.gz                      per line: u32 size, the bytes, u32 hash of the ids with OpenAI's
                                  cleaning, u32 with Hugging Face's; little-endian
"""
import gzip
import json
import os
import struct
import sys

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
top = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, top)
from tokenizers import Tokenizer, models, trainers
from tokenizers.pre_tokenizers import WhitespaceSplit
import ftfy
import originals
import texts

FOLDER = os.path.join(top, "tokenizer")


def train(lines, path):
    """A bpe_simple_vocab of merges learnt by the tokenizers package."""
    with gzip.open(path, "wb") as f:
        f.write(b"heading")
    splitter = originals.simple_tokenizer(path, sys.argv[1])
    words = [["".join(splitter.byte_encoder[b] for b in p.encode()) for p in splitter.pat.findall(t.lower())]
             for t in lines]
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=100000, end_of_word_suffix="</w>", show_progress=False, min_frequency=2,
                                  initial_alphabet=list(splitter.byte_encoder.values()))
    tokenizer.train_from_iterator([" ".join(w) for w in words], trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"][:600]
    text = "trained by make_tokenizers.py\n" + "\n".join(" ".join(m) for m in merges)
    with open(os.path.join(FOLDER, "clip.txt"), "w") as f:
        f.write(text)
    with gzip.open(path, "wb") as f:
        f.write(text.encode())


def hash_ids(ids):
    h = 2166136261
    for b in struct.pack("<%di" % len(ids), *ids):
        h = (h ^ b) * 16777619 & 0xffffffff
    return h


def main():
    os.makedirs(FOLDER + "/clip", exist_ok=True)
    newer = originals.newer()
    lines = [originals.without(t, newer) for t in texts.mixed(2000, 7)]
    path = os.path.join(FOLDER, "clip.txt.gz")
    train([t.decode("utf-8", "replace") for t in lines], path)
    simple = originals.simple_tokenizer(path, sys.argv[1])
    os.remove(path)
    originals.write_hugging_face(simple, FOLDER + "/clip")
    hf = originals.hugging_face(FOLDER + "/clip")
    originals.write_hub_json(hf, FOLDER + "/clip.json")
    ftfy.fix_text = originals.WITHOUT_REPAIR
    openai = originals.framed(simple)
    with gzip.GzipFile(os.path.join(FOLDER, "texts.gz"), "wb", 9, mtime=0) as f:
        for raw in lines:
            text = raw.decode("utf-8", "replace")
            f.write(struct.pack("<I", len(raw)) + raw)
            f.write(struct.pack("<II", hash_ids(openai(text)), hash_ids(hf(text)["input_ids"])))


main()
