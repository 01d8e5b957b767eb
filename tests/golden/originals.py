"""The tokenizers that ours are compared with, as functions from text to framed ids."""
import ast
import functools
import importlib.util
import json
import os
import re
import unicodedata

import ftfy
from tokenizers import BertWordPieceTokenizer, normalizers, pre_tokenizers
from transformers import BertTokenizerFast, CLIPTokenizerFast, PreTrainedTokenizerFast
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

import texts

REAL_FTFY = ftfy.fix_text
WITHOUT_REPAIR = functools.partial(REAL_FTFY, fix_encoding=False)


def simple_tokenizer(vocabulary, path=None):
    """The class in openai/CLIP's simple_tokenizer.py: in `path`, beside the vocabulary, or
    open_clip's, which is the same code with other special tokens."""
    path = path or os.path.join(os.path.dirname(vocabulary), "simple_tokenizer.py")
    if os.path.exists(path):
        spec = importlib.util.spec_from_file_location("simple_tokenizer", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.SimpleTokenizer(vocabulary)
    return open_clip_tokenizer(vocabulary)


def open_clip_tokenizer(vocabulary):
    from open_clip.tokenizer import SimpleTokenizer
    return SimpleTokenizer(vocabulary)


def framed(tokenizer):
    begin, end = sorted(tokenizer.encoder.values())[-2:]
    return lambda text: [begin] + tokenizer.encode(text) + [end]


def write_hugging_face(tokenizer, folder):
    """vocab.json and merges.txt of the same vocabulary."""
    encoder = {{"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}.get(k, k): v
               for k, v in tokenizer.encoder.items()}
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump(encoder, f, ensure_ascii=False, separators=(",", ":"))
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
        f.write("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges))


def hugging_face(folder):
    """Of vocab.json and merges.txt."""
    return CLIPTokenizerFast(vocab=folder + "/vocab.json", merges=folder + "/merges.txt")


def write_hub_json(tokenizer, path):
    """tokenizer.json as the model hub has it: merges as strings, no special tokens in the pattern,
    one of them normalized."""
    tokenizer.backend_tokenizer.save(path)
    with open(path) as f:
        data = json.load(f)
    split = data["pre_tokenizer"]["pretokenizers"][0]["pattern"]
    split["Regex"] = split["Regex"].split("|>|", 2)[2]
    data["added_tokens"][0]["normalized"] = True
    data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]
    with open(path, "w") as f:
        json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
    return PreTrainedTokenizerFast(tokenizer_file=path)


def train_bert(lines, size, alphabet, folder):
    """vocab.txt of a WordPiece vocabulary."""
    trainer = BertWordPieceTokenizer()
    trainer.train_from_iterator(lines, vocab_size=size, min_frequency=2, limit_alphabet=alphabet,
                                show_progress=False)
    trainer.save_model(folder)
    return os.path.join(folder, "vocab.txt")


def write_bert_json(vocabulary, path):
    BertTokenizerFast(vocab=vocabulary).backend_tokenizer.save(path, pretty=False)


def bert_fast(vocabulary):
    tokenizer = BertTokenizerFast(vocab=vocabulary)
    return lambda text: tokenizer(text)["input_ids"]


def bert_python(vocabulary):
    """The tokenizer in Python.  The releases that ALBEF and BLIP were written with (4.8, 4.15) lower
    every character but the special tokens' by itself before anything else; later ones do not."""
    tokenizer = BertTokenizerLegacy(vocabulary)
    special = re.compile("(" + "|".join(map(re.escape, tokenizer.all_special_tokens)) + ")")

    def encode(text):
        parts = special.split(text)
        parts[::2] = ["".join(c.lower() for c in part) for part in parts[::2]]
        return tokenizer("".join(parts))["input_ids"]
    return encode


def bert_text(vocabulary):
    tokenizer = BertTokenizerFast(vocab=vocabulary)
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)


def caption_cleaners(path):
    """pre_caption and pre_question as a training script's utils.py defines them."""
    with open(path) as f:
        tree = ast.parse(f.read())
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in ("pre_caption", "pre_question")]
    names = {"re": re}
    exec(compile(tree, path, "exec"), names)
    return names["pre_caption"], names["pre_question"]


def knows(ch):
    """Whether the tokenizers package's BERT has the same idea of a character as Python."""
    category = unicodedata.category(ch)
    folded = "".join(c for c in unicodedata.normalize("NFD", ch) if unicodedata.category(c) != "Mn").lower()
    normal = normalizers.BertNormalizer().normalize_str("a" + ch + "b")
    space = ch.isspace()
    if ch == "\ufffd" or category[0] == "C" and ch not in "\t\n\r":
        wanted = ["ab"]
    else:
        wanted = ["a b"] if space else ["a" + folded + "b", "a " + folded + " b"]
    alone = category[0] == "P" or ch < "\x7f" and not ch.isalnum() and not space and category[0] != "C"
    words = [w for w, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str("a" + ch + "b")]
    return normal in wanted and (category[0] in "CZ" or words == (["a", ch, "b"] if alone else ["a" + ch + "b"]))


def newer():
    """Characters whose normal forms, cases or categories the tokenizers package does not know yet: it carries
    older tables than Python.  They are taken out of the texts that it is compared on."""
    nfc, nfd, lower = normalizers.NFC(), normalizers.NFD(), normalizers.Lowercase()
    found = {}
    for c in texts.ASSIGNED:
        ch = chr(c)
        probes = [ch]
        if unicodedata.combining(ch):
            probes += [t for m in "\u0301\u0316\u0334\u3099\u0345" for t in ("a" + ch + m, "a" + m + ch)]
        if any(nfc.normalize_str(p) != unicodedata.normalize("NFC", p)
               or nfd.normalize_str(p) != unicodedata.normalize("NFD", p) for p in probes):
            found[c] = None
        elif not knows(ch) or c != 0x3a3 and lower.normalize_str(ch) != ch.lower():
            found[c] = None
    return found


def without(raw, characters):
    text = raw.decode("utf-8", "replace")
    return text.translate(characters).encode() if any(ord(c) in characters for c in text) else raw
