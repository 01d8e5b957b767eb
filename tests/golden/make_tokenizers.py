#!/usr/bin/env python3
"""make_tokenizers.py SIMPLE_TOKENIZER BLIP ALBEF [TEXTS]: writes tests/golden/tokenizer/, small vocabularies
and what the originals make of 2,000 mixed lines with them.

SIMPLE_TOKENIZER is clip/simple_tokenizer.py of openai/CLIP, BLIP is data/utils.py of
salesforce/BLIP, ALBEF is dataset/utils.py of salesforce/ALBEF.  With TEXTS, an older texts.gz, its lines are
taken again (the mixed ones are partly of the machine's message catalogues), and so are the vocabularies here.

    clip/vocab.json, merges.txt   600 merges trained on the lines themselves
    clip.txt                      the same as openai/CLIP's file: a heading and the merges
    clip.json                     the same as a tokenizer.json from the model hub
    bert/vocab.txt                a WordPiece vocabulary of 1,200 pieces
    bert.json                     the same as a tokenizer.json
    texts.gz                      per line: u32 size, the bytes, eight u16 hashes; little-endian.  Of
                                  the ids: CLIP with OpenAI's cleaning, with Hugging Face's, BERT as in
                                  Python, as in Hugging Face's; of the text: ALBEF's caption of 30
                                  words, BLIP's, ALBEF's question of 5 words, BLIP's
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


def hash_bytes(data):
    h = 2166136261
    for b in data:
        h = (h ^ b) * 16777619 & 0xffffffff
    return (h ^ h >> 16) & 0xffff


def hash_ids(ids):
    return hash_bytes(struct.pack("<%di" % len(ids), *ids))


def lines_of(path):
    with gzip.open(path, "rb") as f:
        while head := f.read(4):
            yield f.read(struct.unpack("<I", head)[0])
            f.read(2 * 8)


def main():
    os.makedirs(FOLDER + "/clip", exist_ok=True)
    os.makedirs(FOLDER + "/bert", exist_ok=True)
    newer = originals.newer()
    again = len(sys.argv) > 4
    lines = list(lines_of(sys.argv[4])) if again else [originals.without(t, newer) for t in texts.mixed(2000, 7)]
    decoded = [t.decode("utf-8", "replace") for t in lines]
    path = os.path.join(FOLDER, "clip.txt.gz")
    if again:
        with gzip.open(path, "wb") as f, open(os.path.join(FOLDER, "clip.txt"), "rb") as text:
            f.write(text.read())
    else:
        train(decoded, path)
    simple = originals.simple_tokenizer(path, sys.argv[1])
    os.remove(path)
    originals.write_hugging_face(simple, FOLDER + "/clip")
    hf = originals.hugging_face(FOLDER + "/clip")
    originals.write_hub_json(hf, FOLDER + "/clip.json")
    vocab = FOLDER + "/bert/vocab.txt" if again else originals.train_bert(decoded, 1200, 400, FOLDER + "/bert")
    originals.write_bert_json(vocab, FOLDER + "/bert.json")
    blip, albef = originals.caption_cleaners(sys.argv[2]), originals.caption_cleaners(sys.argv[3])
    hashes = [lambda t, f=f: hash_ids(f(t)) for f in (originals.framed(simple), lambda t: hf(t)["input_ids"],
                                                     originals.bert_python(vocab), originals.bert_fast(vocab))]
    hashes += [lambda t, f=f, n=n: hash_bytes(f(t, n).encode())
               for f, n in ((albef[0], 30), (blip[0], 30), (albef[1], 5), (blip[1], 5))]
    with gzip.GzipFile(os.path.join(FOLDER, "texts.gz"), "wb", 9, mtime=0) as f:
        for raw, text in zip(lines, decoded):
            f.write(struct.pack("<I", len(raw)) + raw + struct.pack("<8H", *(h(text) for h in hashes)))


main()
