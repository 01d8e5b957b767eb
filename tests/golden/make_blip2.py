#!/usr/bin/env python3
"""Tiny random BLIP-2 models by the originals' own code, with what they answer -> blip2/

    make_blip2.py lavis LAVIS_CHECKOUT     salesforce/LAVIS on transformers 4.33.2, as it asks for
    make_blip2.py hf                       the transformers that is installed

Every model comes with NAME.expect.safetensors: pixels and ids that went in, features, scores,
losses, texts (ids, padded with -1) and gradients that came out.
"""
import json, os, shutil, sys, types

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "blip2")
sys.path.insert(0, HERE)
import make_blip
from make_blip import DRAWS, EMBED, TEXTS, cut, fed_draws, gradients, padded, randomise

make_blip.OUT = OUT
IMAGE, PATCH, WIDTH, HEADS, MLP, QUERIES, LAYERS, TOWER = 16, 8, 16, 2, 32, 4, 4, 24
VOCAB = os.path.join(HERE, "blip", "vocab.txt")
WORDS = len(open(VOCAB).read().split("\n")[:-1])
BERT = dict(vocab_size=WORDS + 1, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            intermediate_size=MLP, max_position_embeddings=48, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0)


def stub(name, **what):
    m = types.ModuleType(name)
    for k, v in what.items():
        setattr(m, k, v)
    sys.modules[name] = m
    return m


def nothing(*a, **k):
    raise RuntimeError("nothing is fetched here")


def stubs(checkout):
    """LAVIS without its data sets, its downloads and the packages that they need."""
    import transformers  # looks for timm before there is a stub
    def same(f=None, *a, **k):
        return f if callable(f) else (lambda g: g)
    for name in ("timm", "timm.models", "fairscale", "fairscale.nn", "fairscale.nn.checkpoint"):
        stub(name, __path__=[])
    stub("timm.models.layers", drop_path=lambda x, *a: x, to_2tuple=lambda x: (x, x),
         trunc_normal_=lambda x, **k: x.data.normal_(0, 0.02))
    stub("timm.models.registry", register_model=same)
    stub("fairscale.nn.checkpoint.checkpoint_activations", checkpoint_wrapper=same)
    stub("omegaconf", OmegaConf=object)
    for name in ("", ".models", ".models.blip2_models", ".models.blip_models", ".common"):
        stub("lavis" + name, __path__=[os.path.join(checkout, "lavis", *name.split(".")[1:])])
    stub("lavis.common.utils", is_url=nothing, get_abs_path=nothing)
    sys.modules["lavis.common"].dist_utils = stub(
        "lavis.common.dist_utils", download_cached_file=nothing, is_dist_avail_and_initialized=lambda: False)
    stub("lavis.common.logger", MetricLogger=object)
    from lavis.models.base_model import BaseModel
    sys.modules["lavis.models"].BaseModel = BaseModel


def lavis_parts(tower):
    """Blip2Base with tiny towers."""
    import torch
    from functools import partial
    from transformers import BertTokenizer
    from lavis.models.eva_vit import VisionTransformer
    from lavis.models.clip_vit import VisionTransformer as ClipTransformer
    from lavis.models.blip2_models import blip2
    torch.distributed.get_rank, torch.distributed.get_world_size = (lambda: 0), (lambda: 1)

    def tokenizer(cls, truncation_side="right"):
        t = BertTokenizer(VOCAB, truncation_side=truncation_side)
        t.add_special_tokens({"bos_token": "[DEC]"})
        return t

    def vision(self, *a):
        if tower == "eva":
            v = VisionTransformer(img_size=IMAGE, patch_size=PATCH, use_mean_pooling=False, embed_dim=TOWER, depth=3,
                                  num_heads=2, mlp_ratio=2, qkv_bias=True, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6))
        else:
            v = ClipTransformer(input_resolution=IMAGE, patch_size=PATCH, width=TOWER, layers=2, heads=2,
                                use_grad_checkpointing=False)
        return v, blip2.LayerNorm(TOWER)

    def qformer(cls, n, width, freq=2):
        c = blip2.BertConfig(**BERT)
        c.encoder_width, c.add_cross_attention, c.cross_attention_freq, c.query_length = width, True, freq, n
        return blip2.BertLMHeadModel(c), torch.nn.Parameter(torch.zeros(1, n, WIDTH))

    blip2.Blip2Base.init_tokenizer = classmethod(tokenizer)
    blip2.Blip2Base.init_vision_encoder = vision
    blip2.Blip2Base.init_Qformer = classmethod(qformer)


def first_stage(tower, seed):
    import torch
    from lavis.models.blip2_models.blip2_image_text_matching import Blip2ITM
    lavis_parts(tower)
    m = randomise(Blip2ITM(num_query_token=QUERIES, embed_dim=EMBED, img_size=IMAGE), seed)
    m.query_tokens.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(seed))
    m.temp.data.fill_(0.2)
    return m


def stage1(name, tower, seed):
    import torch
    m = first_stage(tower, seed)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(seed + 1))
    t = m.tokenizer(TEXTS, padding="max_length", truncation=True, max_length=32, return_tensors="pt")
    out = {"pixels": pixels, "ids": t.input_ids.int(), "mask": t.attention_mask.int()}
    with torch.no_grad():
        queries, features = m.forward_image(pixels)
        out["features"], out["queries"] = features, queries
        norm = torch.nn.functional.normalize
        out["image_embedding"] = norm(m.vision_proj(queries), dim=-1)
        out["text_embedding"] = norm(m.text_proj(m.forward_text(t)), dim=-1)
        sample = {"image": pixels, "text_input": TEXTS}
        out["itm"] = torch.cat([m({"image": pixels[i:i + 1], "text_input": TEXTS[i]}) for i in range(3)])
        out["itc"] = torch.cat([m({"image": pixels[i:i + 1], "text_input": TEXTS[i]}, "itc") for i in range(3)])

        def write(i=None, **k):
            f = features if i is None else features[i:i + 1]
            y = m.Qformer.generate(input_ids=torch.full((len(f), 1), m.tokenizer.bos_token_id),
                                   query_embeds=m.query_tokens.expand(len(f), -1, -1),
                                   eos_token_id=m.tokenizer.sep_token_id, pad_token_id=0,
                                   encoder_hidden_states=f,
                                   encoder_attention_mask=torch.ones(f.shape[:2], dtype=torch.long), **k)
            return cut(y, m.tokenizer.sep_token_id, -1 if i is not None else 0)  # alone, none is padded
        out["greedy"] = write(max_length=20, min_length=5, num_beams=1)
        out["beam3"] = write(max_length=30, min_length=10, num_beams=3, top_p=0.9)
        out["beam3_other"] = write(max_length=20, min_length=3, num_beams=3, repetition_penalty=1.3, length_penalty=0.5)
        rows, multinomial = [], torch.multinomial
        for i in range(3):
            torch.multinomial = fed_draws(i)
            rows += write(i, max_length=20, min_length=5, do_sample=True, top_p=0.9).tolist()
        out["sampled"] = padded([[x for x in r if x >= 0] for r in rows])
        out["draws"] = torch.tensor(DRAWS[:32], dtype=torch.float64)
    for p in m.visual_encoder.parameters():
        p.requires_grad = False
    if tower == "eva":
        learn(m, sample, out, "")
        sample["image_id"] = torch.tensor([5, 9, 5])
        learn(m, sample, out, "id_")
    torch.multinomial = multinomial
    state = m.state_dict()
    if tower == "eva":  # frozen towers are not in the file, but in one of their own
        folder = os.path.join(OUT, name)
        os.makedirs(folder, exist_ok=True)
        torch.save({"model": {k: v for k, v in state.items() if not k.startswith("visual_encoder.")},
                    "config": {"model": {"arch": "blip2"}}, "epoch": 9}, os.path.join(folder, "blip2_pretrained.pth"))
        shutil.copy(VOCAB, folder)
        torch.save({k[15:]: v for k, v in state.items() if k.startswith("visual_encoder.")} |
                   {"head.weight": torch.zeros(2, TOWER)}, os.path.join(folder, "eva_vit_g.pth"))
    else:
        torch.save({"model": state, "epoch": 0}, os.path.join(OUT, name + ".pth"))
    make_blip.save(name, out)


def learn(m, sample, out, prefix):
    """Losses, and gradients of the three objectives together, with draws that are told."""
    import torch
    from lavis.models.blip2_models.blip2_qformer import Blip2Qformer
    torch.multinomial = lambda p, n: one(p)
    at = [0]
    def one(p):
        u = DRAWS[at[0]]
        at[0] += 1
        c = torch.cumsum(p.double(), 0)
        return torch.searchsorted(c, torch.tensor([u * float(c[-1])], dtype=torch.double), right=True)
    r = Blip2Qformer.forward(m, sample)
    out[prefix + "itc_loss"], out[prefix + "itm_loss"], out[prefix + "itg_loss"] = (
        r.loss_itc.detach(), r.loss_itm.detach(), r.loss_lm.detach())
    gradients(m, r.loss, out, prefix + "grad")


PROMPTS = ["a photo of", "Question: what is it? Answer:", ""]


class Tokenizer:
    """As much of a tokenizer as LAVIS asks for, by a tokenizer.json; texts that are decoded are lists of ids."""
    def __init__(self, kind):
        from tokenizers import Tokenizer as Fast
        d = json.load(open(os.path.join(HERE, "tokenizer", kind + ".json")))
        if "merges" in d["model"]:  # as older versions of the package read them
            d["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in d["model"]["merges"]]
        text = json.dumps(d).replace('"prepend_scheme": "always", "split": true', '"add_prefix_space": true')
        self.fast = Fast.from_str(text.replace('"prepend_scheme": "always"', '"add_prefix_space": true'))
        self.padding_side, self.pad_token_id = "right", {"opt": 1, "t5": 0}[kind]

    def __call__(self, texts, return_tensors=None, padding=None, truncation=False, max_length=None, add_special_tokens=True):
        import torch
        from transformers import BatchEncoding
        rows = [self.fast.encode(t, add_special_tokens=add_special_tokens).ids for t in ([texts] if isinstance(texts, str) else texts)]
        if truncation:
            rows = [r if len(r) <= max_length else r[:max_length - (self.pad_token_id == 0)] + [1] * (self.pad_token_id == 0) for r in rows]
        n = max(map(len, rows))
        pad = lambda r, x: [x] * (n - len(r)) if self.padding_side == "left" else []
        after = lambda r, x: [x] * (n - len(r)) if self.padding_side == "right" else []
        if return_tensors is None:
            return BatchEncoding({"input_ids": rows[0]})
        ids = [pad(r, self.pad_token_id) + r + after(r, self.pad_token_id) for r in rows]
        mask = [pad(r, 0) + [1] * len(r) + after(r, 0) for r in rows]
        return BatchEncoding({"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)})

    def batch_decode(self, rows, skip_special_tokens):
        return [json.dumps(r) for r in rows.tolist()]


def language_folder(name, model, tokenizer):
    path = os.path.join(OUT, name)
    model.save_pretrained(path, safe_serialization=True)
    if os.path.exists(os.path.join(path, "generation_config.json")):
        os.remove(os.path.join(path, "generation_config.json"))
    shutil.copy(os.path.join(HERE, "tokenizer", tokenizer + ".json"), os.path.join(path, "tokenizer.json"))


def opt_config():
    from transformers import OPTConfig
    return OPTConfig(vocab_size=504, hidden_size=24, word_embed_proj_dim=24, ffn_dim=48, num_hidden_layers=2,
                     num_attention_heads=2, max_position_embeddings=64, dropout=0.0, attention_dropout=0.0,
                     pad_token_id=1, bos_token_id=2, eos_token_id=2)


def t5_config(**k):
    from transformers import T5Config
    return T5Config(vocab_size=616, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_decoder_layers=2, num_heads=2,
                    feed_forward_proj="gated-gelu", dropout_rate=0.0, tie_word_embeddings=False,
                    decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, **k)


def ending(weight, token, push=1.6):
    """Texts end now and then: the end's scores spread more."""
    import torch
    with torch.no_grad():
        weight[token] *= push


def second_stage(kind, seed):
    import torch
    lavis_parts("eva")
    from lavis.models.blip2_models import blip2_opt, blip2_t5
    module = blip2_opt if kind == "opt" else blip2_t5
    made = lambda cls, config: type(cls.__name__, (), {"from_pretrained": staticmethod(lambda *a, **k: config(k))})
    if kind == "opt":
        from transformers import OPTForCausalLM
        module.AutoTokenizer = made(Tokenizer, lambda k: Tokenizer("opt"))
        module.OPTForCausalLM = made(OPTForCausalLM, lambda k: OPTForCausalLM(opt_config()))
        m = module.Blip2OPT(num_query_token=QUERIES, img_size=IMAGE, prompt="a photo of")
    else:
        real = module.T5ForConditionalGeneration
        module.T5TokenizerFast = made(Tokenizer, lambda k: Tokenizer("t5"))
        module.T5Config = made(module.T5Config, lambda k: t5_config())
        module.T5ForConditionalGeneration = made(real, lambda k: real(k["config"]))
        m = module.Blip2T5(num_query_token=QUERIES, img_size=IMAGE, prompt="a photo of")
        m.t5_model.float()  # where the original has bfloat16
        module.T5ForConditionalGeneration = real
    m = randomise(m, seed)
    m.query_tokens.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(seed))
    if kind == "opt":
        ending(m.opt_model.model.decoder.embed_tokens.weight, m.eos_token_id)
    else:
        ending(m.t5_model.lm_head.weight, 1)
    return m


def stage2(name, kind, seed):
    """LAVIS's second stage: its own file, the image tower's, the language model's folder."""
    import torch
    m = second_stage(kind, seed)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(seed + 1))
    language, projection = (m.opt_model, m.opt_proj) if kind == "opt" else (m.t5_model, m.t5_proj)
    tokenizer = m.opt_tokenizer if kind == "opt" else m.t5_tokenizer
    out = {"pixels": pixels}
    with torch.no_grad():
        features = m.ln_vision(m.visual_encoder(pixels))
        q = m.Qformer.bert(query_embeds=m.query_tokens.expand(3, -1, -1), encoder_hidden_states=features,
                           encoder_attention_mask=torch.ones(features.shape[:2], dtype=torch.long), return_dict=True)
        out["features"], out["prefix"] = features, projection(q.last_hidden_state)
        rows = tokenizer(PROMPTS, padding="longest", return_tensors="pt")
        out["ids"], out["mask"] = rows.input_ids.int(), rows.attention_mask.int()
        end, pad = (m.eos_token_id, 1) if kind == "opt" else (1, 0)
        skip = 0 if kind == "opt" else 1

        def write(i, **k):
            rows = m.generate({"image": pixels[i:i + 1], "prompt": PROMPTS[i]}, **k)
            return [json.loads(r)[skip:] for r in rows]

        def texts(**k):  # each with a prompt of its own
            found = [write(i, **k)[0] for i in range(3)]
            return padded([r[:r.index(end)] if end in r else r for r in found])
        out["greedy"] = texts(num_beams=1, max_length=12)
        out["beam3"] = texts(num_beams=3, max_length=14, min_length=3)
        out["beam3_other"] = texts(num_beams=3, max_length=10, min_length=1, repetition_penalty=1.4, length_penalty=-0.5)
        answers = m.predict_answers({"image": pixels, "text_input": PROMPTS}, num_beams=3, max_len=8,
                                    length_penalty=0 if kind == "opt" else -1)
        answers = [json.loads(r)[skip:] for r in answers]
        out["answers"] = padded([r[:r.index(end)] if end in r else [x for x in r if x != pad] for r in answers])
        multinomial, rows = torch.multinomial, []
        for i in range(3):
            torch.multinomial = fed_draws(i)
            rows += write(i, use_nucleus_sampling=True, num_beams=1, max_length=10, top_p=0.8, temperature=0.9)
        torch.multinomial = multinomial
        out["sampled"] = padded([r[:r.index(end)] if end in r else r for r in rows])
        out["draws"] = torch.tensor(DRAWS[:24], dtype=torch.float64)
    print(name, {k: out[k].tolist() for k in ("greedy", "beam3", "beam3_other", "answers", "sampled")})
    captions = ["a photo of " + t for t in TEXTS]
    for p in list(m.visual_encoder.parameters()) + list(language.parameters()):
        p.requires_grad = False
    tokenizer.padding_side = "right"
    learned = tokenizer(captions, padding="longest", return_tensors="pt")
    prompt = tokenizer("a photo of")["input_ids"]
    if kind == "opt":
        sample = {"image": pixels, "text_input": captions}
    else:
        sample = {"image": pixels, "text_input": ["a photo of"] * 3, "text_output": TEXTS}
        prompt = prompt[:-1]
    assert all(row[:len(prompt)] == prompt for row in learned.input_ids.tolist())
    out["prompt_length"] = torch.tensor([len(prompt)], dtype=torch.int32)
    out["text_ids"], out["text_mask"] = learned.input_ids.int(), learned.attention_mask.int()
    loss = m(sample)["loss"]
    out["lm_loss"] = loss.detach()
    gradients(m, loss, out, "grad")
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    state = m.state_dict()
    frozen = ("visual_encoder.", "opt_model.", "t5_model.")
    torch.save({"model": {k: v for k, v in state.items() if not k.startswith(frozen)}},
               os.path.join(folder, "blip2.pth"))
    torch.save({k[15:]: v for k, v in state.items() if k.startswith("visual_encoder.")},
               os.path.join(folder, "eva_vit_g.pth"))
    if kind == "t5":
        language.config.dense_act_fn = "gelu_new"  # as published; BLIP-2 takes gelu all the same
    language_folder(os.path.join(name, {"opt": "opt-2.7b", "t5": "flan-t5-xl"}[kind]), language, kind)
    make_blip.save(name, out)


def lavis(checkout):
    stubs(checkout)
    os.makedirs(OUT, exist_ok=True)
    stage2("opt", "opt", 61)
    stage2("t5", "t5", 71)
    stage1("stage1", "eva", 31)
    stage1("vitL", "clip", 41)


def hf_folder(name, model, tokenizer, **how):
    path = os.path.join(OUT, name)
    model.save_pretrained(path, **how)
    if os.path.exists(os.path.join(path, "generation_config.json")):
        os.remove(os.path.join(path, "generation_config.json"))
    tokenizer(path)
    json.dump({"image_processor_type": "BlipImageProcessor", "do_resize": True, "size": {"height": IMAGE, "width": IMAGE},
               "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
               "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
               "do_convert_rgb": True}, open(os.path.join(path, "preprocessor_config.json"), "w"))
    return path


def hf_language(kind, seed):
    """The second stage as transformers has it: images and prompts in, ids behind the prompt out."""
    import torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration
    image_token = {"opt": 503, "t5": 615}[kind]
    text = opt_config() if kind == "opt" else t5_config(dense_act_fn="gelu")
    if kind == "opt":
        text.eos_token_id = 202
    else:
        text.bos_token_id = 1
    c = Blip2Config(vision_config=dict(hidden_size=TOWER, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
                                       image_size=IMAGE, patch_size=PATCH),
                    qformer_config=dict(BERT, encoder_hidden_size=TOWER), text_config=text.to_dict(),
                    num_query_tokens=QUERIES, image_token_index=image_token)
    m = randomise(Blip2ForConditionalGeneration(c), seed)
    m.query_tokens.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(seed))
    end, pad = (202, 1) if kind == "opt" else (1, 0)
    ending(m.language_model.get_output_embeddings().weight, end)
    tokenizer = Tokenizer(kind)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(seed + 1))
    rows = tokenizer(PROMPTS, padding="longest", return_tensors="pt")
    out = {"pixels": pixels, "ids": rows["input_ids"].int(), "mask": rows["attention_mask"].int()}
    with torch.no_grad():
        out["features"] = m.vision_model(pixels)[0]

        def texts(**k):
            found = []
            for i in range(3):
                ids = torch.tensor([[image_token] * QUERIES + tokenizer(PROMPTS[i])["input_ids"]])
                y = m.generate(pixel_values=pixels[i:i + 1], input_ids=ids, attention_mask=torch.ones_like(ids),
                               pad_token_id=pad, **k)[0].tolist()
                assert kind != 'opt' or y[:ids.shape[1]] == ids[0].tolist(), (y, ids)
                y = y[ids.shape[1]:] if kind == "opt" else y[1:]
                found.append(y[:y.index(end)] if end in y else y)
            return padded(found)
        out["greedy"] = texts(num_beams=1, do_sample=False, max_new_tokens=12)
        out["beam3"] = texts(num_beams=3, do_sample=False, max_new_tokens=14, min_new_tokens=3)
        out["beam3_other"] = texts(num_beams=3, do_sample=False, max_new_tokens=10, repetition_penalty=1.4, length_penalty=-0.5)
    print(name_of(kind), {k: out[k].tolist() for k in ("greedy", "beam3", "beam3_other")})
    path = hf_folder(name_of(kind), m, lambda path: shutil.copy(
        os.path.join(HERE, "tokenizer", kind + ".json"), os.path.join(path, "tokenizer.json")), max_shard_size="60KB")
    make_blip.save(name_of(kind), out)


def name_of(kind):
    return "hf-" + kind


def hf():
    hf_language("opt", 81)
    hf_language("t5", 91)
    hf_matcher()


def hf_matcher():
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import Blip2Config, Blip2ForImageTextRetrieval
    words = {w: i for i, w in enumerate(open(VOCAB).read().split("\n")[:-1])}
    raw = BertWordPieceTokenizer(words, lowercase=True)
    raw.add_special_tokens(["[DEC]"])
    rows = [raw.encode(t).ids for t in TEXTS]
    n = max(map(len, rows))
    ids = torch.tensor([r + [0] * (n - len(r)) for r in rows])
    mask = (ids != 0).long()
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(51))
    vision = dict(hidden_size=TOWER, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=IMAGE,
                  patch_size=PATCH)
    qformer = dict(BERT, encoder_hidden_size=TOWER)
    c = Blip2Config(vision_config=vision, qformer_config=dict(qformer, use_qformer_text_input=True),
                    num_query_tokens=QUERIES, image_text_hidden_size=EMBED)
    m = randomise(Blip2ForImageTextRetrieval(c), 52)
    m.query_tokens.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(53))
    out = {"pixels": pixels, "ids": ids.int(), "mask": mask.int()}
    with torch.no_grad():
        out["features"] = m.vision_model(pixels)[0]
        out["itm"] = m(pixel_values=pixels, input_ids=ids, attention_mask=mask, use_image_text_matching_head=True).logits_per_image
        r = m(pixel_values=pixels, input_ids=ids, attention_mask=mask, use_image_text_matching_head=False)
        out["itc"] = r.logits_per_image
        out["image_embedding"], out["text_embedding"] = r.image_embeds, r.text_embeds

    def bert_files(path):
        raw.save(os.path.join(path, "tokenizer.json"))
        json.dump({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512},
                  open(os.path.join(path, "tokenizer_config.json"), "w"))
    hf_folder("hf-itm", m, bert_files)
    from transformers import Blip2VisionModelWithProjection
    c.qformer_config.use_qformer_text_input = False
    seeing = Blip2VisionModelWithProjection(c)
    parts = {k: v for k, v in m.state_dict().items() if k in seeing.state_dict()}
    seeing.load_state_dict(parts)
    hf_folder("hf-vision", seeing, lambda path: None)
    make_blip.save("hf-itm", out)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    lavis(*sys.argv[2:3]) if sys.argv[1] == "lavis" else hf()
