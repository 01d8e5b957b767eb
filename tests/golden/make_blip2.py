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


def lavis(checkout):
    stubs(checkout)
    os.makedirs(OUT, exist_ok=True)
    stage1("stage1", "eva", 31)
    stage1("vitL", "clip", 41)


def hf_folder(name, model, tokenizer):
    path = os.path.join(OUT, name)
    model.save_pretrained(path)
    if os.path.exists(os.path.join(path, "generation_config.json")):
        os.remove(os.path.join(path, "generation_config.json"))
    tokenizer(path)
    json.dump({"image_processor_type": "BlipImageProcessor", "do_resize": True, "size": {"height": IMAGE, "width": IMAGE},
               "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
               "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
               "do_convert_rgb": True}, open(os.path.join(path, "preprocessor_config.json"), "w"))
    return path


def hf():
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
    make_blip.save("hf-itm", out)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    lavis(*sys.argv[2:3]) if sys.argv[1] == "lavis" else hf()
