#!/usr/bin/env python3
"""compare_tokenizers.py FOLDER VOCABULARY LINES [BERT]: our tokenizers against the originals, as TAP.

FOLDER holds the programs bpe and wordpiece (build/tests/unit).  VOCABULARY is CLIP's
bpe_simple_vocab_16e6.txt.gz; where openai/CLIP's simple_tokenizer.py lies beside it, that is the
original, else open_clip's copy of it.  BERT is a vocab.txt; without one, 30,000 pieces are trained.
"""
import os
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import originals
import texts

VECTORS = {
    "a photo of a cat": "320 1125 539 320 2368", "a diagram": "320 22697",
    "A Photo of a DOG!": "320 1125 539 320 1929 256",
    "it's 2023, isn't it?": "585 568 273 271 273 274 267 2923 713 585 286",
    "naïve café": "1097 35689 563 15304", "日本語": "39121 44353 34002 508",
    "  multiple   spaces\n\ttabs ": "6470 9006 29163", "&lt;b&gt;bold&amp;amp;": "283 321 285 8911 261",
    "don't": "847 713", "hello_world": "3306 318 1002",
    "e-mail: foo@bar.com": "324 268 2614 281 23435 287 2411 269 2464", "🙂": "14860",
    "ß ẞ İ": "127 509 127 509 328 16384",
}
tests = 0


def ours(filter, vocabulary, cleaning, list):
    data = b"".join(struct.pack("<I", len(t)) + t for t in list)
    out = subprocess.run([filter, vocabulary, cleaning], input=data, stdout=subprocess.PIPE, check=True).stdout
    return [[int(i) for i in line.split()] for line in out.decode().splitlines()]


def check(name, got, list, reference):
    """One test; differences are shown, the first five."""
    global tests
    bad = 0
    if len(got) != len(list):
        print("# %d answers to %d texts" % (len(got), len(list)))
        bad = 1
    for raw, ids in zip(list, got):
        want = reference(raw.decode("utf-8", "replace"))
        if want != ids:
            bad += 1
            if bad <= 5:
                print("# %r\n#   wanted %s\n#   got    %s" % (raw, want, ids))
    tests += 1
    print("%s %d - %s: %d differences in %d lines" % ("not ok" if bad else "ok", tests, name, bad, len(list)))
    sys.stdout.flush()


def check_clip(program, vocabulary, lines, older):
    simple = originals.simple_tokenizer(vocabulary)
    vectors = [t.encode() for t in VECTORS]
    check("CLIP, test vectors", ours(program, vocabulary, "openai", vectors), vectors,
          lambda t: [49406] + [int(i) for i in VECTORS[t].split()] + [49407])
    got = ours(program, vocabulary, "openai", lines)
    check("OpenAI's", got, lines, originals.framed(simple))
    every = texts.systematic()
    check("OpenAI's, every entity, most characters", ours(program, vocabulary, "openai", every), every,
          originals.framed(simple))
    wrong = texts.misread(int(sys.argv[3]))
    check("OpenAI's, decoded in a wrong encoding", ours(program, vocabulary, "openai", wrong), wrong,
          originals.framed(simple))
    check("open_clip's", ours(program, vocabulary, "open_clip", lines), lines,
          originals.framed(originals.open_clip_tokenizer(vocabulary)))
    with tempfile.TemporaryDirectory() as folder:
        originals.write_hugging_face(simple, folder)
        hf = originals.hugging_face(folder)
        check("Hugging Face's CLIP, vocab.json and merges.txt", ours(program, folder, "hf", older), older,
              lambda t: hf(t)["input_ids"])
        hub = originals.write_hub_json(hf, folder + "/tokenizer.json")
        check("Hugging Face's CLIP, tokenizer.json", ours(program, folder, "hf", older), older,
              lambda t: hub(t)["input_ids"])


def ours_bert(program, vocabulary, style, list):
    """Ids, and the texts they are decoded to."""
    data = b"".join(struct.pack("<I", len(t)) + t for t in list)
    out = subprocess.run([program, vocabulary, style], input=data, stdout=subprocess.PIPE, check=True).stdout
    out = out.decode().split("\n")
    return [[int(i) for i in line.split()] for line in out[:-1:2]], out[1::2]


def check_bert(program, vocabulary, lines, older):
    check("BERT as in Python", ours_bert(program, vocabulary, "python", lines)[0], lines,
          originals.bert_python(vocabulary))
    got, decoded = ours_bert(program, vocabulary, "hf", older)
    check("Hugging Face's BERT", got, older, originals.bert_fast(vocabulary))
    back = originals.bert_text(vocabulary)
    check("BERT, decoded", decoded, [" ".join(map(str, ids)).encode() for ids in got],
          lambda t: back([int(i) for i in t.split()]).strip())


def main():
    folder, vocabulary, count = sys.argv[1:4]
    lines = texts.mixed(int(count))
    characters = originals.newer()
    print("# %d characters are newer than the tokenizers package: taken out of its texts" % len(characters))
    older = [originals.without(raw, characters) for raw in lines]
    check_clip(folder + "/bpe", vocabulary, lines, older)
    with tempfile.TemporaryDirectory() as trained:
        bert = sys.argv[4] if len(sys.argv) > 4 else originals.train_bert(
            [t.decode("utf-8", "replace") for t in texts.mixed(30000, 99)], 30000, 6000, trained)
        check_bert(folder + "/wordpiece", bert, lines, older)
    print("1..%d" % tests)


main()
