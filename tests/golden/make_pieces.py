#!/usr/bin/env python3
"""make_pieces.py: adds to tests/golden/tokenizer/ small vocabularies of OPT's and T5's kind, and
what the originals make of the lines in texts.gz with them.

T5's table of replacements is large; here it has one in thirty of its kind of rules, and white space.

    opt/vocab.json, merges.txt   GPT-2's byte pair encoding, 500 symbols trained on the lines themselves
    opt.json                     the same as a tokenizer.json
    t5/spiece.model              600 pieces trained by sentencepiece
    t5.json                      the same as a tokenizer.json of the model hub, ten extra ids
    t5/tokenizer.json            the same as transformers 5 writes it
    pieces.gz                    per line of texts.gz: eight u16 hashes, little-endian.  OPT's ids, and those
                                 decoded; sentencepiece's, the hub's and transformers 5's likewise, the
                                 hub's text with clean_up_tokenization
"""
import gzip
import json
import os
import struct
import sys
import tempfile
import unicodedata

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
top = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, top)
import originals
import texts

FOLDER = os.path.join(top, "tokenizer")
COLUMNS_OF_TEXTS = 8


def lines_of(path):
    with gzip.open(path) as f:
        data = f.read()
    lines, at = [], 0
    while at < len(data):
        size, = struct.unpack_from("<I", data, at)
        lines.append(data[at + 4:at + 4 + size].decode("utf-8", "replace"))
        at += 4 + size + 2 * COLUMNS_OF_TEXTS
    return lines


def some_rules(path):
    """Compatible characters, composed ones and the pairs that they are made of, to NFKC; the code points
    as a table of rules has them."""
    rules = [("9", "20"), ("A", "20"), ("D", "20"), ("A0", "20"), ("2003", "20"), ("3000", "20"), ("200B", "20"),
             ("AD", ""), ("D A", "20"), ("200D", "20")]
    apart = [chr(c) for c in texts.ASSIGNED if unicodedata.normalize("NFKC", chr(c)) != chr(c)]
    pairs = [unicodedata.normalize("NFD", chr(c)) for c in texts.ASSIGNED if unicodedata.decomposition(chr(c))]
    for source in apart[::30] + [p for p in pairs if len(p) == 2][::10]:
        target = unicodedata.normalize("NFKC", source)
        if source != target and source not in "\xa0\u2003\u3000":
            rules.append(tuple(" ".join("%X" % ord(c) for c in t) for t in (source, target)))
    with open(path, "w") as out:
        out.write("".join("%s\t%s\n" % rule for rule in rules))


def hash_bytes(data):
    h = 2166136261
    for b in data:
        h = (h ^ b) * 16777619 & 0xffffffff
    return (h ^ h >> 16) & 0xffff


def hash_ids(ids):
    return hash_bytes(struct.pack("<%di" % len(ids), *ids))


SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def hash_text(text):
    """As a C string without white space around it."""
    return hash_bytes(text.strip(SPACE).split("\0")[0].encode())


def write_compact(tokenizer, path):
    with open(path, "w") as f:
        json.dump(json.loads(tokenizer.to_str()), f, ensure_ascii=False, separators=(",", ":"))


def main():
    lines = lines_of(os.path.join(FOLDER, "texts.gz"))
    os.makedirs(FOLDER + "/opt", exist_ok=True)
    os.makedirs(FOLDER + "/t5", exist_ok=True)
    originals.train_gpt2(lines, 500, FOLDER + "/opt")
    opt = originals.opt(FOLDER + "/opt").backend_tokenizer
    write_compact(opt, FOLDER + "/opt.json")
    with tempfile.TemporaryDirectory() as rules:
        some_rules(rules + "/rules.tsv")
        few = ["".join(c for c in t if ord(c) < 0x250 or 0x3b0 < ord(c) < 0x450) for t in lines]
        originals.train_t5(few, 600, FOLDER + "/t5", rules + "/rules.tsv", 0.99)
    model = FOLDER + "/t5/spiece.model"
    library, hub, newer = originals.t5_library(model), originals.t5_hub(model, 10), originals.t5_newer(model, 10)
    write_compact(hub, FOLDER + "/t5.json")
    write_compact(newer, FOLDER + "/t5/tokenizer.json")
    with gzip.GzipFile(os.path.join(FOLDER, "pieces.gz"), "wb", 9, mtime=0) as f:
        for text in lines:
            ids = [opt.encode(text).ids, library(text), hub.encode(text).ids, newer.encode(text).ids]
            back = [opt.decode(ids[0]), hub.decode(ids[1]), originals.cleaned(hub.decode(ids[2])),
                    newer.decode(ids[3])]
            f.write(struct.pack("<8H", *(h for i, b in zip(ids, back) for h in (hash_ids(i), hash_text(b)))))


main()
