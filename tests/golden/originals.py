"""The tokenizers that ours are compared with, as functions from text to framed ids."""
import ast
import importlib.util
import json
import os
import re
import unicodedata

import regex
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (AddedToken, BertWordPieceTokenizer, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)
from transformers import (BertTokenizerFast, CLIPTokenizerFast, GPT2Tokenizer, NllbTokenizer, PreTrainedTokenizerFast,
                          Siglip2Tokenizer, SiglipTokenizer, T5Tokenizer, XLMRobertaTokenizer)
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

import texts



def simple_tokenizer(vocabulary, path=None):
    """The class in openai/CLIP's simple_tokenizer.py: in `path`, beside the vocabulary, or
    open_clip's, which is the same code with other special tokens."""
    path = path or os.path.join(os.path.dirname(vocabulary), "simple_tokenizer.py")
    if os.path.exists(path):
        spec = importlib.util.spec_from_file_location("simple_tokenizer", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.SimpleTokenizer(vocabulary)
    return renamed(open_clip_tokenizer(vocabulary))


def renamed(tokenizer):
    """open_clip's with the names that OpenAI's code has for its two special tokens."""
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    tokenizer.encoder = {names.get(k, k): v for k, v in tokenizer.encoder.items()}
    tokenizer.decoder = {v: k for k, v in tokenizer.encoder.items()}
    tokenizer.cache = {k: k for k in names.values()}
    pattern = tokenizer.pat.pattern
    for ours, theirs in names.items():
        pattern = pattern.replace(ours, re.escape(theirs))
    tokenizer.pat = regex.compile(pattern, regex.IGNORECASE)
    return tokenizer


def open_clip_tokenizer(vocabulary):
    """The file alone: the package asks for a torchvision that fits its torch."""
    folder = importlib.util.find_spec("open_clip").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", os.path.join(folder, "tokenizer.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer(vocabulary)


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


OPT_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def train_gpt2(lines, size, folder):
    """vocab.json and merges.txt of a byte pair encoding, with OPT's special tokens in front."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=OPT_SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines, trainer)
    data = json.loads(tokenizer.to_str())["model"]
    write_gpt2(data["vocab"], data["merges"], folder)


def write_gpt2(vocab, merges, folder):
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump(vocab, f, ensure_ascii=False, separators=(",", ":"))
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges))


def real_gpt2(source, folder):
    """OPT's arrangement of OpenAI's encoder.json and vocab.bpe: the special tokens come first."""
    with open(os.path.join(source, "encoder.json")) as f:
        vocab = {t: i + len(OPT_SPECIAL) for t, i in json.load(f).items()}
    with open(os.path.join(source, "vocab.bpe")) as f:
        merges = [tuple(line.split()) for line in f.read().split("\n")[1:-1]]
    write_gpt2({**{t: i for i, t in enumerate(OPT_SPECIAL)}, **vocab}, merges, folder)


def opt(folder):
    """OPT's tokenizer: GPT-2's, with </s> in front."""
    tokenizer = GPT2Tokenizer(vocab=folder + "/vocab.json", merges=folder + "/merges.txt", unk_token="</s>",
                              bos_token="</s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", tokenizer.convert_tokens_to_ids("</s>"))])
    return tokenizer


def train_t5(lines, size, folder, rules=None, coverage=0.995):
    """spiece.model as T5 has it.  `rules` replaces the table of replacements, which is large."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=os.path.join(folder, "spiece"), vocab_size=size,
        character_coverage=coverage, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, num_threads=2,
        **({"normalization_rule_tsv": rules} if rules else {"normalization_rule_name": "nmt_nfkc"}))
    os.remove(os.path.join(folder, "spiece.vocab"))


def spiece(path):
    """Pieces with scores, and the table of replacements."""
    model = sentencepiece_model_pb2.ModelProto()
    with open(path, "rb") as f:
        model.ParseFromString(f.read())
    return [(p.piece, p.score) for p in model.pieces], model.normalizer_spec.precompiled_charsmap


def read(path):
    return Tokenizer.from_file(path)


def t5_library(path):
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=path)
    return lambda text: tokenizer.encode(text) + [1]


def t5_hub(path, extra=100, scheme="always"):
    """As convert_slow_tokenizer.py of transformers 4 has it, and so the files on the model hub."""
    vocab, table = spiece(path)
    vocab += [("<extra_id_%d>" % i, 0.0) for i in reversed(range(extra))]
    tokenizer = Tokenizer(models.Unigram(vocab, 2))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(table), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<pad>", "</s>", "<unk>")])
    tokenizer.add_special_tokens([AddedToken("<extra_id_%d>" % i, lstrip=True, rstrip=True, normalized=False)
                                  for i in range(extra)])
    return tokenizer


def xlm(path):
    """XLM-RoBERTa's and XLM-V's, as convert_slow_tokenizer.py of transformers has them: four tokens before the pieces."""
    vocab, table = spiece(path)
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + vocab[3:] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, 3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(table), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<s>", "<pad>", "</s>", "<unk>")])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    return tokenizer


def train_gemma(lines, size):
    """Byte pairs over characters with bytes for what is unknown, as Gemma's tokenizer.json has it."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    gemma = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    gemma.normalizer = normalizers.Replace(" ", "\u2581")
    gemma.train_from_iterator([t.replace("\0", "") for t in lines], trainers.BpeTrainer(
        vocab_size=size, special_tokens=special + ["<0x%02X>" % i for i in range(256)], limit_alphabet=1000, show_progress=False))
    state = json.loads(gemma.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] in special]
    return Tokenizer.from_str(json.dumps(state))


def nllb(lines, size, table=None):
    """NLLB's, as transformers' NllbTokenizer has it: merges of characters, five languages and <mask> behind them.  table: of
    replacements, as sentencepiece has it."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator([t.replace("\0", "") for t in lines], trainers.BpeTrainer(
        vocab_size=size - 7, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], limit_alphabet=1000, show_progress=False))
    state = json.loads(trained.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=state["vocab"], merges=[tuple(m) for m in state["merges"]], _spm_precompiled_charsmap=table,
                              extra_special_tokens=["ace_Arab", "eng_Latn", "deu_Latn", "fra_Latn", "zul_Latn"]).backend_tokenizer
    return tokenizer


def classes(path, gemma):
    """transformers' own XLMRobertaTokenizer and SiglipTokenizer of a spiece.model, Siglip2Tokenizer of a tokenizer.json."""
    vocab, table = spiece(path)
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + vocab[3:] + [("<mask>", 0.0)]
    with open(gemma) as f:
        model = json.load(f)["model"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    return (XLMRobertaTokenizer(vocab=vocab, _spm_precompiled_charsmap=table).backend_tokenizer,
            SiglipTokenizer(vocab_file=path), Siglip2Tokenizer(vocab=model["vocab"], merges=merges).backend_tokenizer)


def t5_newer(path, extra=100):
    """As transformers 5 has it."""
    vocab, table = spiece(path)
    vocab += [("<extra_id_%d>" % i, 0.0) for i in reversed(range(extra))]
    return T5Tokenizer(vocab=vocab, _spm_precompiled_charsmap=table, extra_ids=extra).backend_tokenizer


CLEAN_UP = [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
            (" 's", "'s"), (" 've", "'ve"), (" 're", "'re")]


def cleaned(text):
    """clean_up_tokenization, which transformers until 4.44 did in every decode()."""
    for a, b in CLEAN_UP:
        text = text.replace(a, b)
    return text
