# SPDX-License-Identifier: MIT
"""open_clip's configurations, built small by open_clip's own code: widths divided by 8, vocabularies by 64, two
layers a tower (a stage), heads, pictures' sizes and everything else as they are.

    from open_clip_tiny import names, build, save, expect
"""
import copy, glob, json, os, warnings

warnings.filterwarnings("ignore")
import torch

import torchvision_shapes
import open_clip
import open_clip.hf_model
import timm.models.convnext, timm.models.eva, timm.models.fastvit, timm.models.swin_transformer
import timm.models.vision_transformer, timm.models.vision_transformer_hybrid, timm.models.vision_transformer_relpos
import timm.models.vitamin
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import M2M100Config, MT5Config, RobertaConfig, XLMRobertaConfig

WIDTH, VOCABULARY, LAYERS = 8, 64, 2
TRUNK = {}  # width or widths, size: of timm's towers, instead of the eighth and of what the name says
KEPT = 256
ADAMW = dict(lr=1e-3, betas=(0.9, 0.98), eps=1e-4, weight_decay=0)
configs = os.path.join(os.path.dirname(open_clip.__file__), "model_configs")


def names():
    return sorted(os.path.basename(f)[:-5] for f in glob.glob(os.path.join(configs, "*.json")))


def config(name):
    with open(os.path.join(configs, name + ".json")) as f:
        return json.load(f)


# --- timm's towers: what makes them is given smaller numbers ---


def few(depths):
    return tuple(min(d, 2 if i == 2 else 1) for i, d in enumerate(depths))


def wrap(module, name, change):
    make = getattr(module, name)

    def smaller(*given, **kwargs):
        change(kwargs)
        return make(*given, **kwargs)

    setattr(module, name, smaller)


def thin_vit(k):
    k["embed_dim"] = TRUNK.get("width", k.get("embed_dim", 768) // WIDTH)
    k["depth"] = LAYERS
    if TRUNK:
        k["img_size"] = TRUNK["size"]


def thin_convnext(k):
    k["dims"] = tuple(TRUNK["width"] * (i + 1) for i in range(4)) if TRUNK else tuple(d // WIDTH for d in k["dims"])
    k["depths"] = few(k["depths"])


def thin_fastvit(k):
    k["embed_dims"] = TRUNK.get("widths") or tuple(d // 4 for d in k["embed_dims"])  # heads are 32 wide
    k["layers"] = few(k["layers"])


def thin_swin(k):
    k["embed_dim"] //= WIDTH
    k["depths"] = few(k["depths"])


def thin_vitamin(k):
    from dataclasses import replace

    k["embed_dim"] = TRUNK.get("width", k["embed_dim"] // WIDTH)
    cfg = k["embed_cfg"]
    dims = tuple(d // WIDTH for d in cfg.embed_dim[:2]) + (k["embed_dim"],)
    if TRUNK:
        k["img_size"] = TRUNK["size"]
    k["embed_cfg"] = replace(cfg, embed_dim=dims, depths=(1, 1), stem_width=cfg.stem_width // WIDTH)
    k["depth"] = LAYERS


wrap(timm.models.vision_transformer, "_create_vision_transformer", thin_vit)
wrap(timm.models.eva, "_create_eva", thin_vit)
wrap(timm.models.vision_transformer_relpos, "_create_vision_transformer_relpos", thin_vit)
wrap(timm.models.convnext, "_create_convnext", thin_convnext)
wrap(timm.models.fastvit, "_create_fastvit", thin_fastvit)
wrap(timm.models.swin_transformer, "_create_swin_transformer", thin_swin)
wrap(timm.models.vitamin, "_create_vitamin", thin_vitamin)
_hybrid = timm.models.vision_transformer_hybrid
_stem = _hybrid.ConvStem


def thin_mci(k):
    thin_vit(k)


wrap(_hybrid, "_create_vision_transformer_hybrid", thin_mci)
_hybrid.ConvStem = lambda channels, **k: _stem(channels=tuple(c * TRUNK.get("width", 96) // 768 for c in channels), **k)

# --- transformers' towers ---


def hugging_face(name):
    if TRUNK and "mt5" in name:
        return MT5Config(vocab_size=150, d_model=TRUNK["width"], d_kv=2, d_ff=32, num_layers=LAYERS, num_heads=12)
    if TRUNK and "nllb" in name:
        return M2M100Config(vocab_size=150, d_model=TRUNK["width"], encoder_layers=LAYERS, decoder_layers=1, encoder_attention_heads=16,
                            encoder_ffn_dim=32, decoder_ffn_dim=8, scale_embedding=True, dropout=0, encoder_layerdrop=0)
    if TRUNK:
        return XLMRobertaConfig(vocab_size=150, hidden_size=TRUNK["width"], num_hidden_layers=LAYERS, num_attention_heads=12,
                                intermediate_size=32, max_position_embeddings=14, type_vocab_size=1, layer_norm_eps=1e-5)
    small = dict(vocab_size=250002 // VOCABULARY, hidden_size=768 // WIDTH, num_hidden_layers=LAYERS, num_attention_heads=12,
                 intermediate_size=3072 // WIDTH, max_position_embeddings=514)
    if name == "xlm-roberta-large":
        small.update(hidden_size=1024 // WIDTH, num_attention_heads=16, intermediate_size=4096 // WIDTH)
    if "xlm-roberta" in name:
        return XLMRobertaConfig(**small, type_vocab_size=1, layer_norm_eps=1e-5)
    if "roberta" in name:
        return RobertaConfig(**dict(small, vocab_size=50265 // VOCABULARY), type_vocab_size=1, layer_norm_eps=1e-5)
    if "mt5" in name:
        large = "xl" in name
        return MT5Config(vocab_size=250112 // VOCABULARY, d_model=(2048 if large else 768) // WIDTH, d_kv=64 // WIDTH,
                         d_ff=(5120 if large else 2048) // WIDTH, num_layers=LAYERS, num_heads=32 if large else 12)
    return M2M100Config(vocab_size=256206 // VOCABULARY, d_model=1024 // WIDTH, encoder_layers=LAYERS, decoder_layers=1,
                        encoder_attention_heads=16, encoder_ffn_dim=(8192 if "1.3B" in name else 4096) // WIDTH, decoder_ffn_dim=8,
                        max_position_embeddings=1024, scale_embedding=True)


class _Auto:
    @staticmethod
    def from_pretrained(name, **k):
        return hugging_face(name)


open_clip.hf_model.AutoConfig = _Auto

# --- open_clip's own towers ---


def small(name):
    c = config(name)
    c["embed_dim"] //= WIDTH
    v, t = c["vision_cfg"], c["text_cfg"]
    v["width"] = v.get("width", 768) // WIDTH
    v["head_width"] = v.get("head_width", 64) // WIDTH if not isinstance(v.get("layers"), list) else 64
    v["layers"] = few(v["layers"]) if isinstance(v.get("layers"), list) else LAYERS
    t["vocab_size"] = t.get("vocab_size", 49408) // VOCABULARY
    t["width"] = t.get("width", 512) // WIDTH
    t["layers"] = LAYERS
    if "hf_model_name" in t:
        t["hf_model_pretrained"] = False
    if v.get("attn_pooler_queries", 256) == 256 and v.get("attentional_pool"):
        v["attn_pooler_queries"] = 8
    m = c.get("multimodal_cfg")
    if m:
        m["width"] = m.get("width", 512) // WIDTH
        m["layers"] = LAYERS
        m["vocab_size"] = m.get("vocab_size", 49408) // VOCABULARY
    return c


def disturb(model, seed):
    """Moves what initialises to 0 or 1, so that every parameter matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "position_bias" in name or "relative" in name:
                p.copy_(0.5 * torch.randn_like(p))
            elif "gamma" in name or "layer_scale" in name:
                p.copy_(0.5 + 0.2 * torch.randn_like(p))
            elif p.dim() <= 1 or max(p.shape) == p.numel():
                p.add_(0.2 * torch.randn_like(p))
            elif "embed" in name and "patch" not in name and "blocks" not in name and "backbone" not in name:
                p.copy_(0.5 * torch.randn_like(p))
            else:
                p.copy_(1.2 * torch.randn_like(p) / p[0].numel() ** 0.5)
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(0.2 * torch.randn_like(b))
            if name.endswith("running_var"):
                b.copy_(0.5 + torch.rand_like(b))
        model.logit_scale.fill_(1.5)
        if getattr(model, "logit_bias", None) is not None:
            model.logit_bias.fill_(-2.5)
    return model


def build(c, seed=11):
    """As open_clip.factory.create_model makes it of a configuration."""
    c = copy.deepcopy(c)
    torch.manual_seed(seed)
    custom = c.pop("custom_text", False) or "hf_model_name" in c["text_cfg"]
    if custom and "multimodal_cfg" in c:
        model = open_clip.CoCa(**c)
    elif custom:
        model = open_clip.CustomTextCLIP(**c)
    else:
        model = open_clip.CLIP(**c)
    return disturb(model, seed).eval()


def save(model, c, folder):
    """As open_clip.push_to_hf_hub.save_for_hf saves it, the tokenizer left aside."""
    os.makedirs(folder, exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, os.path.join(folder, "open_clip_model.safetensors"))
    with open(os.path.join(folder, "open_clip_config.json"), "w") as f:
        json.dump({"model_cfg": c, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}, f, indent=1)


def thin(x):
    x = x.detach().float().reshape(-1)
    return x[:: -(-x.numel() // KEPT)].clone()


def kinds(c):
    """The vocabulary, and the ids that begin, end and pad a text."""
    t = c["text_cfg"]
    name = t.get("hf_model_name", t.get("hf_tokenizer_name", ""))
    if t.get("hf_model_name"):
        vocabulary = hugging_face(name).vocab_size
        if "roberta" in name:
            return vocabulary, 0, 2, 1
        return vocabulary, None, 1 if "mt5" in name else 2, 0 if "mt5" in name else 1
    vocabulary = t["vocab_size"]
    if "xlm-v" in name:
        return vocabulary, 0, 2, 1
    if "SigLIP" in name:
        return vocabulary, None, 1, 0 if "SigLIP2" in name else 1
    if "bert" in name:
        return vocabulary, 101, None, 0
    return vocabulary, vocabulary - 2, vocabulary - 1, 0


def inputs(c, count, seed=5):
    torch.manual_seed(seed)
    size = c["vision_cfg"].get("image_size", 224)
    context = c["text_cfg"].get("context_length", 77)
    vocabulary, begin, end, pad = kinds(c)
    pixels = torch.randint(-64, 64, (count, 3, size, size), dtype=torch.int8)
    ids = torch.full((count, context), pad)
    counts = [[context - (end is None and begin is not None), 3, 7, 2][i % 4] for i in range(count)]  # [SEP] becomes padding
    for i, length in enumerate(counts):
        ids[i, :length] = torch.randint(3, min(vocabulary, begin or vocabulary) if begin and begin > 101 else vocabulary, (length,))
        if begin is not None:
            ids[i, 0] = begin
        if end is not None:
            ids[i, length - 1] = end
    return pixels, ids, counts


def loss_of(model, x, ids, learn=False):
    image = F.normalize(model.encode_image(x), dim=-1)
    text = F.normalize(model.encode_text(ids), dim=-1)
    logits = model.logit_scale.exp() * image @ text.t()
    if getattr(model, "logit_bias", None) is not None:
        logits = logits + model.logit_bias
        sign = 2 * torch.eye(len(logits)) - 1
        return logits, -F.logsigmoid(sign * logits).sum() / len(logits)
    target, caption = torch.arange(len(logits)), 0
    if learn and hasattr(model, "text_decoder"):  # CoCaLoss, both of whose weights are 1
        out = model(x, ids)
        caption = F.cross_entropy(out["logits"].permute(0, 2, 1), out["labels"], ignore_index=0)
    return logits, caption + (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2


def exact(model, x, ids, out):
    """Vectors and logits in f64, and by how much those in f32 are off: deep towers of random numbers enlarge what
    rounding does."""
    off = []
    with torch.no_grad():
        model.double()
        for key, y in ("image", model.encode_image(x.double())), ("text", model.encode_text(ids)):
            off.append((F.normalize(y, dim=-1) - F.normalize(out[key].double(), dim=-1)).abs().max())
            out[key] = y.float()
        out["logits"] = loss_of(model, x.double(), ids)[0].float()
        out["off"] = torch.stack(off).max().float().reshape(1)
        model.float()


CAPTION = 8  # ids of a text, the first among them


def captions(model, x, vocabulary, out):
    """What CoCa.generate writes; its beam search is transformers' BeamSearchScorer, which 4.49 has and 5 has not."""
    ids = dict(seq_len=CAPTION, min_seq_len=3, sot_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=0)
    out["greedy"] = model.generate(x, generation_type="top_k", top_k=1, **ids).to(torch.int32)
    out["beam"] = model.generate(x, generation_type="beam_search", **ids).to(torch.int32)


def expect(model, c, file, count=2, learn=False, f64=False):
    """What the model makes of inputs: see make_open_clip.py; f64: see exact()."""
    pixels, ids, counts = inputs(c, count)
    if "multimodal_cfg" in c:
        ids[1, 1] = 0  # what CoCa takes for padding may stand inside a text
    x = pixels.float() / 32
    out = {"pixels": pixels, "ids": ids.to(torch.int32), "counts": torch.tensor(counts, dtype=torch.int32)}
    with torch.no_grad():
        out["image"] = model.encode_image(x, normalize=False)
        out["text"] = model.encode_text(ids, normalize=False)
        out["logits"], _ = loss_of(model, x, ids)
    if learn and "multimodal_cfg" in c and open_clip.coca_model._has_transformers:  # of transformers 4.49
        captions(model, x, kinds(c)[0], out)
    if f64:
        exact(model, x, ids, out)
    if learn:
        model.train(any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()))  # the batch's own statistics
        _, loss = loss_of(model, x, ids, learn)
        out["loss"] = loss.detach().reshape(1)
        model.zero_grad()
        loss.backward()
        for key, p in model.named_parameters():
            if p.grad is not None:
                out["grad/" + key] = thin(p.grad)
        learning = [p for p in model.parameters() if p.grad is not None]
        optimiser, losses = torch.optim.AdamW(learning, **ADAMW), []
        for _ in range(20):
            _, loss = loss_of(model, x, ids, learn)
            losses.append(loss.item())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        out["step"] = torch.tensor(losses)
    save_file({k: v.detach().contiguous() for k, v in out.items()}, file)
