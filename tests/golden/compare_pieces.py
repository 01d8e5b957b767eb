#!/usr/bin/env python3
"""compare_pieces.py PROGRAM LINES [GPT2]: our tokenizers of OPT and T5 against the originals, as TAP.

PROGRAM is build/tests/unit/pieces.  GPT2 is a folder with OpenAI's encoder.json and vocab.bpe; without
it a byte pair encoding is trained, as T5's pieces always are.
"""
import html
import json
import os
import random
import string
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ftfy
import originals
import texts

SPECIAL = ["</s>", "<pad>", "<s>", "<unk>", "<extra_id_0>", "<extra_id_7>", "<extra_id_99>", "<extra_id_100>", "▁",
           " ▁", "<image>", "\r\n", "'s", " 'll", "\u200d", "a\u0301", "\u0915\u094d\u0937", "  "]
SPACE = "".join(c for c in texts.SPACES if c not in "\x1c\x1d\x1e\x1f\u200b\u2060\ufeff") + \
    "\u2001\u2002\u2004\u2005\u2006\u2007\u2008"
tests = 0


def with_special(lines):
    r = random.Random(5)
    for line in lines:
        text = line.decode("utf-8", "replace")
        if r.random() < .3:
            at = r.randrange(len(text) + 1)
            text = text[:at] + "".join(r.choice(SPECIAL) for _ in range(r.randint(1, 3))) + text[at:]
        yield text


def ours(program, kind, vocabulary, style, lines):
    data = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in lines)
    out = subprocess.run([program, kind, vocabulary, style], input=data, stdout=subprocess.PIPE, check=True).stdout
    out = out.decode().split("\n")
    return [[int(i) for i in line.split()] for line in out[:-1:2]], [json.loads(line) for line in out[1::2]]


def report(name, lines, got, wanted):
    global tests
    bad = 0 if len(got) == len(lines) else 1
    for text, g, w in zip(lines, got, wanted):
        if g != w:
            bad += 1
            if bad <= 5:
                print("# %r\n#   wanted %s\n#   got    %s" % (text, w, g))
    tests += 1
    print("%s %d - %s: %d differences in %d lines" % ("not ok" if bad else "ok", tests, name, bad, len(lines)))
    sys.stdout.flush()


def check(name, program, kind, vocabulary, style, lines, encode, decode):
    ids, back = ours(program, kind, vocabulary, style, lines)
    wanted = [encode(t) for t in lines]
    report(name, lines, ids, wanted)
    report(name + ", decoded", lines, back, [decode(i).strip(SPACE).split("\0")[0] for i in ids])


def encoder(tokenizer):
    return lambda text: tokenizer.encode(text).ids


def train(folder, gpt2):
    """Vocabularies of 30,000 pieces, as large as the real ones in kind; those that are there stay."""
    kept = lambda name: os.path.exists(os.path.join(folder, name))
    if kept("nllb.json"):
        return
    sample = [t.decode("utf-8", "replace") for t in texts.mixed(45000, 99)]
    if not kept("spiece.model"):
        originals.train_t5(["".join(c for c in t if ord(c) < 0x1200) for t in sample], 30000, folder, coverage=0.98)
    if gpt2:
        originals.real_gpt2(gpt2, folder)
    elif not kept("vocab.json"):
        originals.train_gpt2(sample, 30000, folder)
    if not kept("gemma.json"):
        originals.train_gemma(sample, 30000).save(folder + "/gemma.json")
    originals.nllb(sample, 30000, originals.spiece(folder + "/spiece.model")[1]).save(folder + "/nllb.json")


def main():
    program, lines = sys.argv[1], list(with_special(texts.mixed(int(sys.argv[2]), 3)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.environ.get("VLM_TRAINED", scratch)
        train(folder, sys.argv[3] if len(sys.argv) > 3 else None)
        check_open_clip(program, folder + "/spiece.model", folder, lines)
        check_opt_and_t5(program, folder, lines)
    print("1..%d" % tests)


def check_opt_and_t5(program, folder, lines):
    opt = originals.opt(folder).backend_tokenizer
    check("OPT's", program, "opt", folder, "hf", lines, encoder(opt), opt.decode)
    opt.save(folder + "/opt.json")
    check("OPT's, tokenizer.json, spaces cleaned up", program, "opt", folder + "/opt.json", "python", lines,
          encoder(opt), lambda ids: originals.cleaned(opt.decode(ids)))
    model = folder + "/spiece.model"
    hub, newer = originals.t5_hub(model), originals.t5_newer(model)
    first = originals.t5_hub(model, scheme="first")
    check("T5's, sentencepiece", program, "t5", model, "hf", lines, originals.t5_library(model), hub.decode)
    for name, tokenizer in (("hub", hub), ("newer", newer), ("first", first)):
        tokenizer.save(folder + "/%s.json" % name)
        check("T5's, tokenizer.json, " + name, program, "t5", folder + "/%s.json" % name, "hf", lines,
              encoder(tokenizer), tokenizer.decode)


def basic_clean(text):
    """open_clip's tokenizer.py: basic_clean."""
    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def spaces(text):
    """What open_clip's HFTokenizer does to a text: clean="whitespace"."""
    return " ".join(basic_clean(text).split()).strip()


def canonical(text):
    """clean="canonicalize"."""
    text = basic_clean(text).replace("_", " ").translate(str.maketrans("", "", string.punctuation))
    return " ".join(text.lower().split()).strip()


def classes(only_ids, model, folder):
    """The classes of transformers that folders of SigLIP and MetaCLIP 2 name."""
    xlm, siglip, gemma = originals.classes(model, folder + "/gemma.json")
    only_ids("XLMRobertaTokenizer", "xlm", folder + "/xlm.json", "hf", str, encoder(xlm))
    only_ids("SiglipTokenizer", "siglip", model, "letters", str, lambda t: siglip(t)["input_ids"])
    eos = gemma.token_to_id("<eos>")
    only_ids("Siglip2Tokenizer", "siglip", folder + "/gemma.json", "lower", str, lambda t: gemma.encode(t).ids + [eos])


def check_open_clip(program, model, folder, lines):
    """The tokenizers of open_clip's other towers: XLM-V's and XLM-RoBERTa's, SigLIP's, Gemma's."""
    cleaned = {}

    def only_ids(name, kind, vocabulary, style, clean, encode):
        if clean not in cleaned:
            cleaned[clean] = [clean(t) for t in lines]
        report(name, lines, ours(program, kind, vocabulary, style, lines)[0], [encode(t) for t in cleaned[clean]])

    xlm, siglip, newer = originals.xlm(model), originals.t5_hub(model), originals.t5_newer(model)
    for name, tokenizer in (("xlm", xlm), ("siglip", siglip), ("newer", newer)):
        tokenizer.save(folder + "/%s.json" % name)
    gemma, nllb = (originals.read(folder + name) for name in ("/gemma.json", "/nllb.json"))
    eos = gemma.token_to_id("<eos>")
    classes(only_ids, model, folder)
    only_ids("Gemma's, as open_clip cleans", "siglip", folder + "/gemma.json", "canonical", canonical,
             lambda t: gemma.encode(t).ids + [eos])
    only_ids("SigLIP's, as open_clip cleans", "siglip", folder + "/siglip.json", "canonical", canonical, encoder(siglip))
    only_ids("NLLB's", "nllb", folder + "/nllb.json", "hf", str, encoder(nllb))
    only_ids("NLLB's, as open_clip cleans", "nllb", folder + "/nllb.json", "spaces", spaces, encoder(nllb))
    only_ids("mT5's, as open_clip cleans", "t5", folder + "/newer.json", "spaces", spaces, encoder(newer))
    only_ids("XLM's", "xlm", folder + "/xlm.json", "hf", str, encoder(xlm))
    only_ids("XLM's, as open_clip cleans", "xlm", folder + "/xlm.json", "spaces", spaces, encoder(xlm))


if __name__ == "__main__":
    main()
