#!/usr/bin/env python3
"""Tiny random ALBEF models by the originals' own code, with what they answer -> albef/

    make_albef.py original ALBEF_CHECKOUT TRANSFORMERS_4_8     salesforce/ALBEF
    make_albef.py lavis LAVIS_CHECKOUT TRANSFORMERS_4_15       salesforce/LAVIS' port

Every model comes with NAME.expect.safetensors: pixels and ids that went in; features, logits,
losses, maps, answers and gradients that came out.  Sizes that the originals have written into their
code (768, 12 layers, 18 for NLVR2, fusion at 6) are made small by classes put in their place.
"""
import importlib.machinery, json, os, sys, types

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "albef")
sys.path.insert(0, HERE)
IMAGE, PATCH, WIDTH, HEADS, DEPTH, MLP, EMBED, FUSION, LAYERS = 16, 8, 16, 2, 2, 32, 12, 2, 4
WORDS = ("a picture of the dog cat red blue green house tree man woman on in with and sits runs two small "
         "big car photo what is this color how many , . ? ' - yes no one three").split()
TEXTS = ["a red dog runs", "the blue house with a tree", "two cats sit on a car , and a man"]
QUESTIONS = ["what color is the dog", "how many cats", "is this a photo"]
ANSWERS = ["red", "two", "yes no", "green tree", "a dog", "three", "no"]


class Stub(types.ModuleType):
    """A module of which every name is a class that does nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *a, **k: None, "__call__": lambda self, *a, **k: None})


def stub(*names):
    for name in names:
        m = Stub(name)
        m.__spec__ = importlib.machinery.ModuleSpec(name, None)
        m.__path__ = []
        sys.modules[name] = m
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], child, m)


def companions(old):
    """The libraries of that time: an old transformers, and what it and timm ask for."""
    import collections.abc
    import torch
    from torch import nn
    sys.path.insert(0, old)
    for name in ("torch._six", "huggingface_hub", "timm", "timm.models", "timm.models.vision_transformer",
                 "timm.models.registry", "timm.models.layers", "timm.models.helpers", "timm.models.hub",
                 "transformers.dependency_versions_check", "requests", "sacremoses"):
        stub(name)
    six = sys.modules["torch._six"]
    six.string_classes, six.int_classes, six.container_abcs = (str,), (int,), collections.abc
    sys.modules["huggingface_hub"].__version__ = "0.1"

    class PatchEmbed(nn.Module):
        def __init__(self, img_size, patch_size, in_chans=3, embed_dim=768):
            super().__init__()
            self.num_patches = (img_size // patch_size) ** 2
            self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, patch_size)

        def forward(self, x):
            return self.proj(x).flatten(2).transpose(1, 2)

    sys.modules["timm.models.vision_transformer"].PatchEmbed = PatchEmbed
    sys.modules["timm.models.vision_transformer"]._cfg = dict
    sys.modules["timm.models.registry"].register_model = lambda f: f
    sys.modules["timm.models.layers"].trunc_normal_ = nn.init.trunc_normal_
    sys.modules["timm.models.layers"].DropPath = nn.Identity


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    words += [c for c in letters if c not in words] + ["##" + c for c in letters]
    path = os.path.join(OUT, "vocab.txt")
    open(path, "w").write("\n".join(words) + "\n")
    return path, len(words)


def randomise(model, seed):
    """Larger than the library's 0.02, so that activations and softmax are not all alike; a momentum
    copy begins as the original has it, with its model's numbers."""
    import torch
    g = torch.Generator().manual_seed(seed)
    done = set()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.data_ptr() in done or "_m." in name:
                continue
            done.add(p.data_ptr())
            if p.ndim >= 2:
                p.copy_(torch.randn(p.shape, generator=g) * (0.25 if "embeddings" not in name else 0.5))
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=g) * 0.1)
            elif p.ndim == 1:
                p.copy_(1 + torch.randn(p.shape, generator=g) * 0.1)
        for name, b in model.named_buffers():
            if name.endswith("_queue") and b.is_floating_point():
                b.copy_(torch.nn.functional.normalize(torch.randn(b.shape, generator=g), dim=0))
    if hasattr(model, "model_pairs"):
        model.copy_params()
    return model.eval()


def save(name, out):
    from safetensors.torch import save_file
    save_file({k: v.detach().contiguous().clone() for k, v in out.items()},
              os.path.join(OUT, name + ".expect.safetensors"))
    print(name, {k: tuple(v.shape) for k, v in out.items() if "grad" not in k})


def config_file(name, count, **more):
    path = os.path.join(OUT, name)
    json.dump(dict(architectures=["BertForMaskedLM"], attention_probs_dropout_prob=0.0, hidden_act="gelu",
                   hidden_dropout_prob=0.0, hidden_size=WIDTH, initializer_range=0.02, intermediate_size=MLP,
                   layer_norm_eps=1e-12, max_position_embeddings=48, model_type="bert",
                   num_attention_heads=HEADS, num_hidden_layers=LAYERS, pad_token_id=0, vocab_size=count,
                   fusion_layer=FUSION, encoder_width=WIDTH, **more), open(path, "w"))
    return path


def small_configs(module):
    """18 layers become the tiny model's, two for each of fusion; 6 of a decoder become 2."""
    class Small(module.BertConfig):
        def __setattr__(self, name, value):
            if name == "num_hidden_layers":
                value = {18: FUSION + 2 * (LAYERS - FUSION), 6: 2}.get(value, value)
            super().__setattr__(name, value)
    return Small


def share(self, model):
    """As share_cross_attention, from the tiny model's fusion on."""
    for i in range(FUSION, len(model.layer), 2):
        first, second = (model.layer[k].crossattention.self for k in (i, i + 1))
        for name in ("key", "value"):
            getattr(first, name).weight = getattr(second, name).weight
            getattr(first, name).bias = getattr(second, name).bias


def text_in(tokens):
    return {"ids": tokens.input_ids.int(), "mask": tokens.attention_mask.int()}


def ones(x):
    import torch
    return torch.ones(x.shape[:2], dtype=torch.long)


def multimodal(encoder, tokens, image, **k):
    mask = [ones(i) for i in image] if isinstance(image, list) else ones(image)
    return encoder(tokens.input_ids, attention_mask=tokens.attention_mask, encoder_hidden_states=image,
                   encoder_attention_mask=mask, return_dict=True, **k)


def gradcam(layer, logits):
    """[texts, length, squares]: the attention map times the positive part of its gradient, the mean over heads, as
    visualization.ipynb has it.  logits(): ITM's."""
    layer.save_attention = True
    logits()[:, 1].sum().backward()
    cam = layer.get_attention_map()[:, :, :, 1:] * layer.get_attn_gradients()[:, :, :, 1:].clamp(0)
    layer.save_attention = False
    return cam.mean(1)


def task_outputs(m, tokens, pixels):
    """Features, embeddings, ITM and the map of a model with the retrieval heads."""
    import torch
    out = {"pixels": pixels, **text_in(tokens)}
    bert = getattr(m.text_encoder, "bert", m.text_encoder)
    with torch.no_grad():
        image = m.visual_encoder.forward_features(pixels) if hasattr(m.visual_encoder, "forward_features") \
            else m.visual_encoder(pixels)
        text = bert(tokens.input_ids, attention_mask=tokens.attention_mask, return_dict=True, mode="text").last_hidden_state
        out["features"] = image
        out["text_states"] = text
        out["image_embedding"] = torch.nn.functional.normalize(m.vision_proj(image[:, 0]), dim=-1)
        out["text_embedding"] = torch.nn.functional.normalize(m.text_proj(text[:, 0]), dim=-1)
        out["itm"] = m.itm_head(multimodal(bert, tokens, image).last_hidden_state[:, 0])
        rolled = image.roll(1, 0)
        out["itm_other"] = m.itm_head(bert(encoder_embeds=text, attention_mask=tokens.attention_mask,
                                           encoder_hidden_states=rolled, encoder_attention_mask=ones(rolled),
                                           return_dict=True, mode="fusion").last_hidden_state[:, 0])
    layer = bert.encoder.layer[FUSION + (LAYERS - FUSION) // 3].crossattention.self
    m.zero_grad()
    out["map"] = gradcam(layer, lambda: m.itm_head(multimodal(bert, tokens, image).last_hidden_state[:, 0]))
    return out


def import_original(checkout, old):
    """salesforce/ALBEF's modules, whose models begin with their own random numbers."""
    companions(old)
    sys.path.insert(0, checkout)
    import models.model_pretrain, models.model_retrieval, models.model_vqa, models.model_nlvr, models.model_ve
    import models.xbert
    for name in ("BertForMaskedLM", "BertModel", "BertLMHeadModel"):
        getattr(models.xbert, name).from_pretrained = classmethod(
            lambda c, n, config, **k: c(config, **{x: y for x, y in k.items() if x == "add_pooling_layer"}))
    return models


def full(checkout, old, queue):
    """The pre-trained model in its own size."""
    models = import_original(checkout, old)
    config = dict(bert_config=os.path.join(checkout, "configs", "config_bert.json"), image_res=256, vision_width=768,
                  embed_dim=256, temp=0.07, queue_size=queue, momentum=0.995, mlm_probability=0.15)
    return models.model_pretrain.ALBEF("bert", None, config, init_deit=False)


def tiny(checkout, old):
    """salesforce/ALBEF's models with small towers: the modules, their tokenizer, a configuration."""
    models = import_original(checkout, old)
    from models.tokenization_bert import BertTokenizer
    from models.vit import VisionTransformer
    vocab, count = vocabulary()
    tokenizer = BertTokenizer(vocab)
    tokenizer.sanitize_special_tokens()  # as from_pretrained() does: a text may spell [SEP]
    bert_config = config_file("config_bert.json", count, type_vocab_size=2)
    small = small_configs(models.xbert)
    for mod in (models.model_pretrain, models.model_retrieval, models.model_vqa, models.model_nlvr, models.model_ve):
        mod.BertConfig = small
        mod.VisionTransformer = lambda img_size, norm_layer, **k: VisionTransformer(
            img_size=img_size, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, mlp_ratio=4,
            qkv_bias=True, norm_layer=norm_layer)
        mod.concat_all_gather = lambda x: x
    models.model_nlvr.ALBEF.share_cross_attention = share
    config = dict(bert_config=bert_config, image_res=IMAGE, vision_width=WIDTH, embed_dim=EMBED, temp=0.07, queue_size=6,
                  momentum=0.995, mlm_probability=0.15, distill=True)
    return models, tokenizer, config


def original(checkout, old):
    models, tokenizer, config = tiny(checkout, old)
    import torch
    g = torch.Generator().manual_seed(1)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=g)
    tokens = tokenizer(TEXTS, padding="longest", truncation=True, max_length=30, return_tensors="pt")

    # pre-training
    m = randomise(models.model_pretrain.ALBEF("bert", tokenizer, config, init_deit=False), 31)
    out = task_outputs(m, tokens, pixels)
    masked = tokens.input_ids.clone()
    masked[0, 3], masked[1, 2], masked[1, 5], masked[2, 1] = (tokenizer.mask_token_id,) * 4
    with torch.no_grad():
        image = m.visual_encoder(pixels)
        out["masked_ids"] = masked.int()
        out["masked_logits"] = m.text_encoder(masked, attention_mask=tokens.attention_mask, encoder_hidden_states=image,
                                              encoder_attention_mask=ones(image), return_dict=True, return_logits=True)
    torch.save({"model": m.state_dict(), "optimizer": {"state": {}, "param_groups": []}, "lr_scheduler": {"t": 3},
                "config": config, "epoch": 29}, os.path.join(OUT, "pretrain.pth"))
    save("pretrain", out)

    # retrieval, as the releases before PyTorch 1.6 wrote it; grounding has the same tensors
    m = randomise(models.model_retrieval.ALBEF("bert", tokenizer, config), 32)
    save("retrieval", task_outputs(m, tokens, pixels))
    torch.save({"model": m.state_dict(), "epoch": 4}, os.path.join(OUT, "retrieval.pth"),
               _use_new_zipfile_serialization=False)

    # question answering
    m = randomise(models.model_vqa.ALBEF("bert", "bert", tokenizer, {**config, "distill": False}), 33)
    q = tokenizer(QUESTIONS, padding="longest", return_tensors="pt")
    a = tokenizer([x + "[SEP]" for x in ANSWERS], padding="longest", return_tensors="pt")
    out = {"pixels": pixels, **text_in(q), "answer_ids": a.input_ids.int(), "answer_mask": a.attention_mask.int()}
    with torch.no_grad():
        image = m.visual_encoder(pixels)
        states = multimodal(m.text_encoder, q, image).last_hidden_state
        out["states"] = states
        out["logits"] = m.text_decoder(a.input_ids[2:5], attention_mask=a.attention_mask[2:5], encoder_hidden_states=states,
                                       encoder_attention_mask=q.attention_mask, return_dict=True).logits
        ids, probs = m(pixels, q, a, k=4, train=False)
        out["best"], out["best_probs"] = ids.int(), probs
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "vqa.pth"))
    save("vqa", out)

    # NLVR2: two pictures and a sentence
    m = randomise(models.model_nlvr.ALBEF("bert", tokenizer, {**config, "distill": False}), 34)
    out = {"pixels": pixels, **text_in(tokens)}
    both = torch.cat([pixels, pixels.roll(1, 0)])
    with torch.no_grad():
        out["logits"] = m(both, tokens, torch.zeros(3), train=False)
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "nlvr.pth"))
    save("nlvr", out)

    # visual entailment
    m = randomise(models.model_ve.ALBEF("bert", tokenizer, {**config, "distill": False}), 35)
    out = {"pixels": pixels, **text_in(tokens)}
    with torch.no_grad():
        out["logits"] = m(pixels, tokens, torch.zeros(3), train=False)
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "ve.pth"))
    save("ve", out)


def lavis(checkout, old):
    companions(old)
    import torch
    for name in ("lavis", "lavis.common", "lavis.models"):
        m = types.ModuleType(name)
        m.__path__ = [os.path.join(checkout, *name.split("."))]
        m.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        sys.modules[name] = m
    stub("omegaconf", "iopath", "iopath.common", "iopath.common.download", "iopath.common.file_io", "pandas", "fairscale",
         "fairscale.nn", "fairscale.nn.checkpoint", "fairscale.nn.checkpoint.checkpoint_activations", "torchvision",
         "torchvision.datasets", "torchvision.datasets.utils", "cv2", "webdataset")
    from transformers import BertTokenizer
    from lavis.models.base_model import BaseModel
    sys.modules["lavis.models"].BaseModel = BaseModel
    from lavis.models.albef_models import AlbefBase
    from lavis.models.albef_models import albef_retrieval, albef_vqa, albef_nlvr, albef_classification
    from lavis.models.med import BertModel, XBertEncoder, XBertLMHeadDecoder
    from lavis.models.vit import VisionTransformerEncoder
    from transformers import BertConfig
    vocab, count = vocabulary()
    tokenizer = BertTokenizer(vocab)
    AlbefBase.init_tokenizer = classmethod(lambda c: tokenizer)
    albef_nlvr.AlbefNLVR.share_cross_attention = share
    path = config_file("config_lavis.json", count, add_type_embeddings=False, add_cross_attention=True)

    def config(**k):
        c = BertConfig.from_json_file(path)
        for name, value in k.items():
            setattr(c, name, value)
        return c

    def tower():
        from functools import partial
        v = VisionTransformerEncoder(img_size=IMAGE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS,
                                     mlp_ratio=4, qkv_bias=True, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6))
        v.vision_width = WIDTH
        return v

    g = torch.Generator().manual_seed(2)
    pixels = torch.randn(3, 3, IMAGE, IMAGE, generator=g)
    tokens = tokenizer(TEXTS, padding="longest", truncation=True, max_length=35, return_tensors="pt")

    m = randomise(albef_retrieval.AlbefRetrieval(tower(), XBertEncoder(config(), add_pooling_layer=False), queue_size=6,
                                                 embed_dim=EMBED), 41)
    out = {"pixels": pixels, **text_in(tokens)}
    with torch.no_grad():
        image = m.visual_encoder.forward_features(pixels)
        text = m.text_encoder.forward_text(tokens).last_hidden_state
        out["features"] = image
        out["image_embedding"] = torch.nn.functional.normalize(m.vision_proj(image[:, 0]), dim=-1)
        out["text_embedding"] = torch.nn.functional.normalize(m.text_proj(text[:, 0]), dim=-1)
        out["itm"] = m.itm_head(m.text_encoder.forward_automask(tokens, image).last_hidden_state[:, 0])
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "lavis-retrieval.pt"))
    save("lavis-retrieval", out)

    m = randomise(albef_classification.AlbefClassification(tower(), XBertEncoder(config(), add_pooling_layer=False), 3,
                                                           use_distill=False), 42)
    out = {"pixels": pixels, **text_in(tokens)}
    with torch.no_grad():
        out["logits"] = m({"image": pixels, "text_input": TEXTS, "label": torch.zeros(3)}, is_train=False)["predictions"]
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "lavis-ve.pt"))
    save("lavis-ve", out)

    m = randomise(albef_nlvr.AlbefNLVR(tower(), BertModel(config(num_hidden_layers=FUSION + 2 * (LAYERS - FUSION)),
                                                          add_pooling_layer=False), 2, use_distill=False), 43)
    out = {"pixels": pixels, **text_in(tokens)}
    with torch.no_grad():
        out["logits"] = m({"image0": pixels, "image1": pixels.roll(1, 0), "text_input": TEXTS, "label": torch.zeros(3)},
                          is_train=False)["predictions"]
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "lavis-nlvr.pt"))
    save("lavis-nlvr", out)

    m = randomise(albef_vqa.AlbefVQA(tower(), XBertEncoder(config(), add_pooling_layer=False),
                                     XBertLMHeadDecoder(config(num_hidden_layers=2, fusion_layer=0)), use_distill=False), 44)
    q = tokenizer(QUESTIONS, padding="longest", return_tensors="pt")
    a = tokenizer(ANSWERS, padding="longest", return_tensors="pt")
    out = {"pixels": pixels, **text_in(q), "answer_ids": a.input_ids.int(), "answer_mask": a.attention_mask.int()}
    with torch.no_grad():
        samples = {"image": pixels, "text_input": QUESTIONS}
        answers = m.predict_answers(samples, ANSWERS, num_ans_candidates=4)
        out["first"] = torch.tensor([ANSWERS.index(x) for x in answers], dtype=torch.int32)
    torch.save({"model": m.state_dict()}, os.path.join(OUT, "lavis-vqa.pt"))
    save("lavis-vqa", out)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    (original if sys.argv[1] == "original" else lavis)(*sys.argv[2:4])
