#!/usr/bin/env python3
"""Tiny random OPT and T5 models by transformers' code, with what they answer -> language/

    opt.safetensors   OPTForCausalLM in f16      t5.safetensors   T5ForConditionalGeneration in bf16

The answers are of the same numbers in f32.  NAME.expect.safetensors: rows of pictures and ids that
went in; logits of every text, losses, their gradients with respect to the rows of pictures, and
captions (ids, padded with -1) that came out.  Texts are run one by one, as none is padded here.
"""
import os

import torch
from safetensors.torch import save_file
from transformers import OPTConfig, OPTForCausalLM, T5Config, T5ForConditionalGeneration

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "language")
EACH, VOCABULARY = 3, 40
TEXTS = [[2, 17, 5, 30, 8, 3], [2, 9, 9]]
READ = [[11, 4, 25, 7, 39, 13, 6, 21, 33, 10, 2, 19, 28, 5, 31, 14, 22, 1], [12, 30, 1]]
WRITTEN = [[8, 27, 3, 16, 1], [35, 1]]


def randomise(model, seed, type):
    g = torch.Generator().manual_seed(seed)
    done = set()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.data_ptr() in done:
                continue
            done.add(p.data_ptr())
            if p.ndim == 2:
                size = 2.0 if "positions" in name or "bias.weight" in name else 0.4 if "embed" in name else 0.7
                p.copy_(torch.randn(p.shape, generator=g) * size)
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=g) * 0.1)
            else:
                p.copy_(1 + torch.randn(p.shape, generator=g) * 0.1)
            p.copy_(p.to(type).float())
    return model.eval()


def padded(rows):
    n = max(len(r) for r in rows)
    return torch.tensor([list(r) + [-1] * (n - len(r)) for r in rows], dtype=torch.int32)


def until(row, end):
    row = row.tolist()
    return row[:row.index(end)] if end in row else row


def save(name, model, type, out, drop):
    weights = {k: v.detach().to(type).contiguous().clone() for k, v in model.state_dict().items() if k not in drop}
    save_file(weights, os.path.join(OUT, name + ".safetensors"))
    save_file({k: v.detach().contiguous().clone() for k, v in out.items()},
              os.path.join(OUT, name + ".expect.safetensors"))


def pictures(width):
    return torch.randn(len(TEXTS), EACH, width, generator=torch.Generator().manual_seed(4))


def opt():
    model = OPTForCausalLM(OPTConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, ffn_dim=24,
                                     num_attention_heads=2, max_position_embeddings=30, word_embed_proj_dim=16,
                                     do_layer_norm_before=True, pad_token_id=1, bos_token_id=2, eos_token_id=7))
    randomise(model, 3, torch.float16)
    rows = pictures(16).requires_grad_()
    embed = model.model.decoder.embed_tokens

    def joined(i, ids):
        return torch.cat([rows[i], embed(torch.tensor(ids))])[None]

    logits = torch.cat([model(inputs_embeds=joined(i, t)).logits[0] for i, t in enumerate(TEXTS)])
    out = {"pictures": rows, "ids": padded(TEXTS), "logits": logits}
    for skip in (0, 2):
        total, count = 0, 0
        for i, t in enumerate(TEXTS):
            labels = torch.tensor([[-100] * (EACH + skip) + t[skip:]])
            n = int((labels[:, 1:] >= 0).sum())
            total, count = total + model(inputs_embeds=joined(i, t), labels=labels).loss * n, count + n
        model.zero_grad()
        rows.grad = None
        (total / count).backward(retain_graph=True)
        out["loss.%d" % skip], out["loss.%d.gradient" % skip] = (total / count)[None], rows.grad
    for name, beams in (("greedy", 1), ("beams", 3)):
        texts = []
        for i, t in enumerate(TEXTS):
            made = model.generate(inputs_embeds=joined(i, t).detach(), num_beams=beams, do_sample=False, eos_token_id=7,
                                  max_new_tokens=9, length_penalty=1.0)
            texts.append(until(made[0], 7))
        print("opt", name, texts)
        out[name] = padded(texts)
    save("opt", model, torch.float16, out, {"lm_head.weight"})


def t5():
    out = {}
    for act in ("gelu", "gelu_new"):
        model = T5ForConditionalGeneration(T5Config(
            vocab_size=VOCABULARY, d_model=16, d_kv=6, d_ff=20, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu",
            relative_attention_num_buckets=8, relative_attention_max_distance=16, tie_word_embeddings=False,
            pad_token_id=0, eos_token_id=1, decoder_start_token_id=0))
        for block in list(model.encoder.block) + list(model.decoder.block):
            dense = block.layer[-1].DenseReluDense
            dense.act = torch.nn.GELU() if act == "gelu" else torch.nn.GELU(approximate="tanh")
        model.lm_head.weight = torch.nn.Parameter(torch.zeros(VOCABULARY, 16))  # 5 ties it to the words, T5 1.1 did not
        randomise(model, 7, torch.bfloat16)
        assert not torch.equal(model.lm_head.weight, model.shared.weight)
        rows = pictures(16).requires_grad_()

        def joined(i):
            return torch.cat([rows[i], model.shared(torch.tensor(READ[i]))])[None]

        logits, total, count, states = [], 0, 0, []
        for i, t in enumerate(WRITTEN):
            made = model(inputs_embeds=joined(i), labels=torch.tensor([t]))
            logits.append(made.logits[0])
            states.append(made.encoder_last_hidden_state[0])
            total, count = total + made.loss * len(t), count + len(t)
        (total / count).backward()
        out.update({act + ".states": torch.cat(states), act + ".logits": torch.cat(logits),
                    act + ".loss": (total / count)[None], act + ".loss.gradient": rows.grad})
        for name, beams in (("greedy", 1), ("beams", 3)):
            texts = []
            for i in range(len(READ)):
                made = model.generate(inputs_embeds=joined(i).detach(), num_beams=beams, do_sample=False,
                                      max_new_tokens=9, length_penalty=-1.0)
                texts.append(until(made[0][1:], 1))
            print("t5", act, name, texts)
            out["%s.%s" % (act, name)] = padded(texts)
    out.update({"pictures": rows, "read": padded(READ), "written": padded(WRITTEN)})
    save("t5", model, torch.bfloat16, out, {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
    buckets = [[int(model.encoder.block[0].layer[0].SelfAttention._relative_position_bucket(
        torch.tensor(d), bidirectional=b, num_buckets=32, max_distance=128)) for d in range(-400, 401)]
        for b in (True, False)]
    save_file({"buckets": torch.tensor(buckets, dtype=torch.uint8)}, os.path.join(OUT, "buckets.safetensors"))


os.makedirs(OUT, exist_ok=True)
opt()
t5()
