#!/usr/bin/env python3
"""Tiny random BLIP models by the originals' own code, with what they answer -> blip/

    make_blip.py original BLIP_CHECKOUT TRANSFORMERS_4_15     salesforce/BLIP on its own library
    make_blip.py nlvr BLIP_CHECKOUT TRANSFORMERS_4_15         of that the model for NLVR2 alone
    make_blip.py hf                                           the transformers that is installed

Every model comes with NAME.expect.safetensors: pixels and ids that went in, features, logits,
losses, captions (ids, padded with -1) and gradients that came out.
"""
import importlib.machinery, json, os, sys, types

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "blip")
IMAGE, PATCH, WIDTH, HEADS, DEPTH, MLP, EMBED = 16, 8, 16, 2, 2, 32, 12
WORDS = ("a picture of the dog cat red blue green house tree man woman on in with and sits runs two small "
         "big car photo what is this color how many , . ? ' - yes no one three").split()
TEXTS = ["a red dog runs", "the blue house with a tree", "two cats sit on a car , and a man"]
QUESTIONS = ["what color is the dog ?", "how many cats", "is this a photo"]
ANSWERS = ["red", "two", "yes no"]
DRAWS = [0.31, 0.72, 0.05, 0.93, 0.48, 0.66, 0.12, 0.87, 0.25, 0.59, 0.41, 0.78, 0.02, 0.97, 0.36, 0.54] * 8


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    words += [c for c in letters if c not in words] + ["##" + c for c in letters]
    path = os.path.join(OUT, "vocab.txt")
    open(path, "w").write("\n".join(words) + "\n")
    return path, len(words)


def old_companions(folder):
    sys.path.insert(0, folder)
    for name, names in (("torch._six", ()), ("huggingface_hub", (
            "HfFolder", "Repository", "create_repo", "list_repo_files", "whoami"))):
        stub = types.ModuleType(name)
        stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
        stub.__version__ = "0.1"
        stub.string_classes = (str,)
        import collections.abc
        stub.container_abcs = collections.abc
        stub.int_classes = (int,)
        for n in names:
            setattr(stub, n, type(n, (), {}))
        sys.modules[name] = stub


def randomise(model, seed, end=3.0):
    """Larger than the library's 0.02, so that activations and softmax are not all alike."""
    import torch
    g = torch.Generator().manual_seed(seed)
    done = set()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.data_ptr() in done:
                continue
            done.add(p.data_ptr())
            if p.ndim >= 2:
                p.copy_(torch.randn(p.shape, generator=g) * (0.25 if "embeddings" not in name else 0.5))
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=g) * 0.1)
            elif p.ndim == 1:
                p.copy_(1 + torch.randn(p.shape, generator=g) * 0.1)
        for name, p in model.named_parameters():
            if name.endswith("predictions.bias"):
                p[3] += end  # texts end now and then
    return model.eval()


def padded(rows):
    import torch
    n = max(len(r) for r in rows)
    return torch.tensor([list(r) + [-1] * (n - len(r)) for r in rows], dtype=torch.int32)


def fed_draws(first):
    """torch.multinomial by inverse distribution over ids in their order, from DRAWS[first:]."""
    import torch
    state = {"at": first}
    def draw(p, num_samples=1, **k):
        out = []
        for row in p:
            u = DRAWS[state["at"]]
            state["at"] += 1
            c = torch.cumsum(row.double(), 0)
            out.append([int(torch.searchsorted(c, torch.tensor(u * float(c[-1]), dtype=torch.double), right=True))])
        return torch.tensor(out)
    return draw


def cut(rows, end, pad):
    out = []
    for row in rows.tolist():
        n = len(row)
        for i, t in enumerate(row):
            if i > 0 and t in (end, pad):
                n = i
                break
        out.append(row[:n])
    return padded(out)


def gradients(model, loss, out, prefix):
    model.zero_grad()
    loss.backward()
    seen = {}
    for name, p in model.named_parameters():
        if p.grad is not None and p.data_ptr() not in seen:
            seen[p.data_ptr()] = name
            out[f"{prefix}.{name}"] = p.grad.detach().clone()


def save(name, out):
    import torch
    from safetensors.torch import save_file
    save_file({k: v.detach().contiguous().clone() for k, v in out.items()},
              os.path.join(OUT, name + ".expect.safetensors"))
    print(name, {k: tuple(v.shape) for k, v in out.items() if "grad" not in k})


def symmetric(a, b, temp):
    import torch
    s = a @ b.t() / temp
    n = torch.arange(len(a))
    ce = torch.nn.functional.cross_entropy
    return (ce(s, n) + ce(s.t(), n)) / 2


def tiny(checkout, old):
    """The originals' package `models`, with a small tokenizer and image tower; the text side's config file."""
    old_companions(old)
    sys.path.insert(0, checkout)
    from transformers import BertTokenizer
    import models.blip, models.blip_itm, models.blip_vqa, models.blip_retrieval, models.blip_pretrain
    from models.vit import VisionTransformer
    vocab, count = vocabulary()

    def tokenizer():
        t = BertTokenizer(vocab)
        t.add_special_tokens({"bos_token": "[DEC]"})
        t.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
        t.enc_token_id = t.additional_special_tokens_ids[0]
        return t

    def vit(kind, image_size, *a, **k):
        return VisionTransformer(img_size=image_size, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH,
                                 num_heads=HEADS), WIDTH

    config = os.path.join(OUT, "med.json")
    json.dump(dict(architectures=["BertModel"], attention_probs_dropout_prob=0.0, hidden_act="gelu",
                   hidden_dropout_prob=0.0, hidden_size=WIDTH, initializer_range=0.02,
                   intermediate_size=MLP, layer_norm_eps=1e-12, max_position_embeddings=48,
                   model_type="bert", num_attention_heads=HEADS, num_hidden_layers=DEPTH,
                   pad_token_id=0, add_type_embeddings=False, vocab_size=count + 2, encoder_width=WIDTH,
                   add_cross_attention=True), open(config, "w"))
    for m in (models.blip, models.blip_itm, models.blip_vqa, models.blip_retrieval, models.blip_pretrain):
        m.init_tokenizer = tokenizer
        m.create_vit = vit
    return models, config


def pretrainer(models, config):
    """BLIP_Pretrain without the weights that it would fetch to begin with."""
    import torch
    from models.med import BertModel, BertLMHeadModel
    from models.vit import VisionTransformer
    class Loose(VisionTransformer):
        def load_state_dict(self, d, strict=True):
            return super().load_state_dict(d, strict=False) if not d else super().load_state_dict(d, strict)
    plain = BertModel.from_pretrained
    BertModel.from_pretrained = classmethod(lambda c, n, config, **k: c(config, **{x: y for x, y in k.items() if x == "add_pooling_layer"}))
    BertLMHeadModel.from_pretrained = classmethod(lambda c, n, config, **k: c(config))
    torch.hub.load_state_dict_from_url = lambda **k: {"model": {}}
    models.blip_pretrain.create_vit = lambda kind, image_size, *a, **k: (Loose(
        img_size=image_size, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS), WIDTH)
    try:
        return models.blip_pretrain.BLIP_Pretrain(med_config=config, image_size=IMAGE, vit="base", embed_dim=EMBED,
                                                  queue_size=6)
    finally:
        BertModel.from_pretrained = plain


def original(checkout, old):
    models, config = tiny(checkout, old)
    import torch
    g = torch.Generator().manual_seed(1)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=g)

    # captioning
    m = models.blip.BLIP_Decoder(med_config=config, image_size=IMAGE, vit="base")
    m = randomise(m, 11)
    ids = m.tokenizer([m.prompt + t for t in TEXTS], padding="longest", return_tensors="pt")
    ids.input_ids[:, 0] = m.tokenizer.bos_token_id
    out = {"pixels": pixels, "ids": ids.input_ids.int(), "mask": ids.attention_mask.int()}
    image = m.visual_encoder(pixels)
    out["features"] = image
    out["logits"] = m.text_decoder(ids.input_ids, attention_mask=ids.attention_mask,
                                   encoder_hidden_states=image,
                                   encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                   return_dict=True).logits
    loss = m(pixels, [m.prompt + t for t in TEXTS])
    out["loss"] = loss.detach()
    gradients(m, loss, out, "grad")
    def caption(image=image, **k):
        prompt = m.tokenizer([m.prompt] * len(image), return_tensors="pt").input_ids
        prompt[:, 0] = m.tokenizer.bos_token_id
        prompt = prompt[:, :-1]
        beams = k.get("num_beams", 1)
        im = image if k.get("do_sample") else image.repeat_interleave(beams, dim=0)
        mask = torch.ones(im.shape[:2], dtype=torch.long)
        with torch.no_grad():
            y = m.text_decoder.generate(input_ids=prompt, eos_token_id=m.tokenizer.sep_token_id,
                                        pad_token_id=m.tokenizer.pad_token_id,
                                        encoder_hidden_states=im, encoder_attention_mask=mask, **k)
        return cut(y, m.tokenizer.sep_token_id, m.tokenizer.pad_token_id)
    out["greedy"] = caption(max_length=20, min_length=5, num_beams=1)
    out["beam3"] = caption(max_length=20, min_length=5, num_beams=3, repetition_penalty=1.0)
    out["beam3_long"] = caption(max_length=30, min_length=10, num_beams=3, repetition_penalty=1.1)
    rows = []
    for i in range(3):  # one at a time: a row that has ended would draw on in a batch
        torch.multinomial = fed_draws(i)
        rows += caption(image[i:i + 1], max_length=20, min_length=5, do_sample=True, top_p=0.9,
                        repetition_penalty=1.1).tolist()
    out["sampled"] = padded([[t for t in r if t >= 0] for r in rows])
    out["draws"] = torch.tensor(DRAWS[:24], dtype=torch.float64)
    torch.save({"model": m.state_dict(), "epoch": 4, "config": {"vit": "base"}}, os.path.join(OUT, "caption.pth"))
    save("caption", out)

    # matching
    m = randomise(models.blip_itm.BLIP_ITM(med_config=config, image_size=IMAGE, vit="base", embed_dim=EMBED), 12)
    t = m.tokenizer(TEXTS, padding="max_length", truncation=True, max_length=35, return_tensors="pt")
    out = {"pixels": pixels, "ids": t.input_ids.int(), "mask": t.attention_mask.int()}
    image = m.visual_encoder(pixels)
    out["features"] = image
    u = torch.nn.functional.normalize(m.vision_proj(image[:, 0]), dim=-1)
    v = torch.nn.functional.normalize(m.text_proj(m.text_encoder(
        t.input_ids, attention_mask=t.attention_mask, return_dict=True, mode="text").last_hidden_state[:, 0]), dim=-1)
    out["image_embedding"], out["text_embedding"] = u, v
    out["itc"] = m(pixels, TEXTS, "itc")
    out["itm_cls"] = m(pixels, TEXTS, "itm")
    enc = t.input_ids.clone()
    enc[:, 0] = m.tokenizer.enc_token_id
    def match(images, ids, mask):
        x = m.text_encoder(ids, attention_mask=mask, encoder_hidden_states=images,
                           encoder_attention_mask=torch.ones(images.shape[:2], dtype=torch.long), return_dict=True)
        return m.itm_head(x.last_hidden_state[:, 0])
    out["itm_enc"] = match(image, enc, t.attention_mask)
    loss = symmetric(u, v, 0.07)
    out["itc_loss"] = loss.detach()
    gradients(m, loss, out, "itc_grad")
    image = m.visual_encoder(pixels)
    both = match(torch.cat([image, image.roll(1, 0)]), torch.cat([enc, enc]), torch.cat([t.attention_mask] * 2))
    loss = torch.nn.functional.cross_entropy(both, torch.tensor([1, 1, 1, 0, 0, 0]))
    out["itm_loss"] = loss.detach()
    gradients(m, loss, out, "itm_grad")
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "itm.pth"))
    save("itm", out)

    # question answering
    m = models.blip_vqa.BLIP_VQA(med_config=config, image_size=IMAGE, vit="base")
    m = randomise(m, 13, 0.5)
    q = m.tokenizer(QUESTIONS, padding="longest", truncation=True, max_length=35, return_tensors="pt")
    out = {"pixels": pixels, "ids": q.input_ids.int(), "mask": q.attention_mask.int()}
    rows = []
    torch.manual_seed(0)
    for i in range(3):  # one at a time: in a batch the original attends to padding
        n = int(q.attention_mask[i].sum())
        ids = q.input_ids[i:i + 1, :n].clone()
        ids[:, 0] = m.tokenizer.enc_token_id
        im = m.visual_encoder(pixels[i:i + 1])
        states = m.text_encoder(ids, attention_mask=torch.ones_like(ids), encoder_hidden_states=im,
                                encoder_attention_mask=torch.ones(im.shape[:2], dtype=torch.long),
                                return_dict=True).last_hidden_state.repeat_interleave(3, dim=0)
        y = m.text_decoder.generate(input_ids=torch.full((1, 1), m.tokenizer.bos_token_id), max_length=10,
                                    min_length=1, num_beams=3, eos_token_id=m.tokenizer.sep_token_id,
                                    pad_token_id=m.tokenizer.pad_token_id, encoder_hidden_states=states,
                                    encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long))
        rows.append(cut(y, m.tokenizer.sep_token_id, m.tokenizer.pad_token_id)[0].tolist())
    out["answers"] = padded(rows)
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "vqa.pth"))
    save("vqa", out)

    # pre-training: only its layout, with momentum copies and queues
    m = randomise(pretrainer(models, config), 14)
    out = {"pixels": pixels, "ids": t.input_ids.int(), "mask": t.attention_mask.int()}
    image = m.visual_encoder(pixels)
    x = m.text_encoder(enc, attention_mask=t.attention_mask, encoder_hidden_states=image,
                       encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long), return_dict=True)
    out["itm_enc"] = m.itm_head(x.last_hidden_state[:, 0])
    dec = t.input_ids.clone()
    dec[:, 0] = m.tokenizer.bos_token_id
    out["logits"] = m.text_decoder(dec, attention_mask=t.attention_mask, encoder_hidden_states=image,
                                   encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                   return_dict=True).logits
    torch.save({"model": m.state_dict(), "epoch": 0, "optimizer": {"state": {}, "param_groups": []}},
               os.path.join(OUT, "pretrain.pth"))
    save("pretrain", out)
    nlvr(checkout, old)


def nlvr(checkout, old):
    """Two pictures and a sentence: of eight layers, as the code has it that the last two join what they see of both
    by a matrix."""
    models, config = tiny(checkout, old)
    import torch
    import models.blip_nlvr
    models.blip_nlvr.init_tokenizer, models.blip_nlvr.create_vit = models.blip.init_tokenizer, models.blip.create_vit
    with open(config) as f:
        deep = {**json.load(f), "num_hidden_layers": 8}
    path = os.path.join(OUT, "nlvr.json")
    with open(path, "w") as f:
        json.dump(deep, f)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(1))
    m = randomise(models.blip_nlvr.BLIP_NLVR(med_config=path, image_size=IMAGE, vit="base"), 15)
    os.remove(path)
    t = m.tokenizer(TEXTS, padding="longest", return_tensors="pt")
    out = {"pixels": pixels, "ids": t.input_ids.int(), "mask": t.attention_mask.int()}
    both, target = torch.cat([pixels, pixels.roll(1, 0)]), torch.tensor([0, 1, 1])
    with torch.no_grad():
        out["features"] = m.visual_encoder(pixels)
        out["logits"] = m(both, TEXTS, target, train=False)
    loss = m(both, TEXTS, target, train=True)
    out["loss"] = loss.detach()
    gradients(m, loss, out, "grad")
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "nlvr.pth"))
    save("nlvr", out)


def hf():
    import torch
    from transformers import (BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval,
                              BlipForQuestionAnswering)
    vocab, count = vocabulary()
    g = torch.Generator().manual_seed(2)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=g)
    text = dict(vocab_size=count + 2, hidden_size=WIDTH, encoder_hidden_size=WIDTH, intermediate_size=MLP,
                projection_dim=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
                max_position_embeddings=48, bos_token_id=count, pad_token_id=0, sep_token_id=3, eos_token_id=2,
                label_smoothing=0.0)
    vision = dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
                  image_size=IMAGE, patch_size=PATCH)
    def config():
        return BlipConfig(text_config=dict(text), vision_config=dict(vision), projection_dim=WIDTH, image_text_hidden_size=EMBED)
    from tokenizers import BertWordPieceTokenizer
    words = {w: i for i, w in enumerate(open(vocab).read().split("\n")[:-1])}
    raw = BertWordPieceTokenizer(words, lowercase=True)
    rows = [raw.encode(t).ids for t in TEXTS]
    n = max(map(len, rows))
    ids = torch.tensor([r + [0] * (n - len(r)) for r in rows])
    mask = (ids != 0).long()

    def folder(name, model):
        path = os.path.join(OUT, name)
        model.save_pretrained(path)
        for extra in ("generation_config.json",):
            if os.path.exists(os.path.join(path, extra)):
                os.remove(os.path.join(path, extra))
        raw.save(os.path.join(path, "tokenizer.json"))
        json.dump({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512},
                  open(os.path.join(path, "tokenizer_config.json"), "w"))
        json.dump({"image_processor_type": "BlipImageProcessor", "do_resize": True, "size": {"height": IMAGE, "width": IMAGE},
                   "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
                   "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
                   "do_convert_rgb": True}, open(os.path.join(path, "preprocessor_config.json"), "w"))

    m = randomise(BlipForConditionalGeneration(config()), 21)
    dec = ids.clone()
    dec[:, 0] = count
    out = {"pixels": pixels, "ids": dec.int(), "mask": mask.int()}
    image = m.vision_model(pixels)[0]
    out["features"] = image
    r = m.text_decoder(input_ids=dec, attention_mask=mask, encoder_hidden_states=image)
    out["logits"] = r.logits
    r = m(pixel_values=pixels, input_ids=dec, attention_mask=mask, labels=dec.masked_fill(dec == 0, -100))
    out["loss"] = r.loss.detach()
    gradients(m, r.loss, out, "grad")
    def caption(pixels=pixels, **k):
        with torch.no_grad():
            y = m.generate(pixel_values=pixels, max_length=20, **k)
        return cut(y, 3, 0)
    out["greedy"] = caption(num_beams=1, do_sample=False)
    out["beam3"] = caption(num_beams=3, do_sample=False)
    out["beam3_min"] = caption(num_beams=3, do_sample=False, min_length=8, repetition_penalty=1.2, length_penalty=1.5)
    rows = []
    for i in range(3):
        torch.multinomial = fed_draws(i)
        rows += caption(pixels[i:i + 1], do_sample=True, top_p=0.9, top_k=50, num_beams=1).tolist()
    out["sampled"] = padded([[t for t in r if t >= 0] for r in rows])
    out["draws"] = torch.tensor(DRAWS[:24], dtype=torch.float64)
    folder("hf-caption", m)
    save("hf-caption", out)

    m = randomise(BlipForImageTextRetrieval(config()), 22)
    out = {"pixels": pixels, "ids": ids.int(), "mask": mask.int()}
    out["features"] = m.vision_model(pixels)[0]
    with torch.no_grad():
        out["itm_cls"] = m(input_ids=ids, pixel_values=pixels, attention_mask=mask, use_itm_head=True).itm_score
        out["itc"] = m(input_ids=ids, pixel_values=pixels, attention_mask=mask, use_itm_head=False).itm_score
    folder("hf-itm", m)
    save("hf-itm", out)

    hf_pooled(folder, config, ids, mask, pixels)

    m = randomise(BlipForQuestionAnswering(config()), 23, 0.0)
    rows = [raw.encode(t).ids for t in QUESTIONS]
    n = max(map(len, rows))
    q = torch.tensor([r + [0] * (n - len(r)) for r in rows])
    out = {"pixels": pixels, "ids": q.int(), "mask": (q != 0).long().int()}
    answers = []
    for i in range(3):
        k = len(rows[i])
        with torch.no_grad():
            y = m.generate(input_ids=q[i:i + 1, :k], pixel_values=pixels[i:i + 1], max_length=10, num_beams=3)
        answers.append(cut(y, 3, 0)[0].tolist())
    out["answers"] = padded(answers)
    folder("hf-vqa", m)
    save("hf-vqa", out)


def hf_pooled(folder, config, ids, mask, pixels):
    import torch
    from transformers import BlipModel
    m = randomise(BlipModel(config()), 24)
    out = {"pixels": pixels, "ids": ids.int(), "mask": mask.int()}
    with torch.no_grad():
        u = m.get_image_features(pixel_values=pixels).pooler_output
        v = m.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
    out["image_embedding"] = u / u.norm(dim=-1, keepdim=True)
    out["text_embedding"] = v / v.norm(dim=-1, keepdim=True)
    folder("hf-pooled", m)
    save("hf-pooled", out)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    {"original": original, "nlvr": nlvr, "hf": hf}[sys.argv[1]](*sys.argv[2:4])
