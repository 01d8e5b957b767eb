#!/usr/bin/env python3
"""compare_tokenizers.py FILTER VOCABULARY [LINES]: our tokenizer against the originals, as TAP.

FILTER is the program build/tests/unit/bpe.  VOCABULARY is bpe_simple_vocab_16e6.txt.gz; where
openai/CLIP's simple_tokenizer.py lies beside it, that is the original, else open_clip's copy of it.
"""
import os
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ftfy
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


def main():
    filter, vocabulary = sys.argv[1:3]
    lines = texts.mixed(int(sys.argv[3]) if len(sys.argv) > 3 else 100000)
    simple = originals.simple_tokenizer(vocabulary)
    vectors = [t.encode() for t in VECTORS]
    check("test vectors", ours(filter, vocabulary, "openai", vectors), vectors,
          lambda t: [49406] + [int(i) for i in VECTORS[t].split()] + [49407])
    got = ours(filter, vocabulary, "openai", lines)
    ftfy.fix_text = originals.WITHOUT_REPAIR
    check("OpenAI's, ftfy without repair of encodings", got, lines, originals.framed(simple))
    untouched = [i for i, raw in enumerate(lines)
                 if originals.REAL_FTFY(raw.decode("utf-8", "replace"))
                 == originals.WITHOUT_REPAIR(raw.decode("utf-8", "replace"))]
    ftfy.fix_text = originals.REAL_FTFY
    check("OpenAI's, ftfy as it is, where it repairs no encoding", [got[i] for i in untouched],
          [lines[i] for i in untouched], originals.framed(simple))
    ftfy.fix_text = originals.WITHOUT_REPAIR
    check("open_clip's", ours(filter, vocabulary, "open_clip", lines), lines,
          originals.framed(originals.open_clip_tokenizer(vocabulary)))
    characters = originals.newer()
    print("# %d characters are newer than the tokenizers package: taken out of its texts" % len(characters))
    lines = [originals.without(raw, characters) for raw in lines]
    with tempfile.TemporaryDirectory() as folder:
        originals.write_hugging_face(simple, folder)
        hf = originals.hugging_face(folder)
        check("Hugging Face's, vocab.json and merges.txt", ours(filter, folder, "hf", lines), lines,
              lambda t: hf(t)["input_ids"])
        hub = originals.write_hub_json(hf, folder + "/tokenizer.json")
        check("Hugging Face's, tokenizer.json", ours(filter, folder, "hf", lines), lines,
              lambda t: hub(t)["input_ids"])
    print("1..%d" % tests)


main()
