#!/usr/bin/env python3
"""Captions of a toy language model as transformers of four eras write them -> decode/*.json

    make_decode.py ERA FOLDER      ERA: A B C D; FOLDER: where that transformers lies unpacked, or -
    make_decode.py tables          writes the toy's tables, decode/tables.safetensors

The toy's logits after a row of ids are first[last id] + second[the one before]; so the C test needs
no network of layers.  Era A is 4.15, B 4.33, C 4.44, D the one installed.
"""
import importlib.machinery, json, os, sys, types

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY, END, PAD = 40, 3, 0


def unpacked(folder):
    """Old releases want old companions at import; none of those is used by generation."""
    sys.path.insert(0, folder)
    import torch
    for name, names in (("torch._six", ()), ("huggingface_hub", (
            "HfFolder", "Repository", "create_repo", "list_repo_files", "whoami"))):
        try:
            if name == "huggingface_hub" and "4.15" not in folder:
                continue
            if name == "torch._six":
                __import__(name)
                continue
            raise ImportError
        except ImportError:
            stub = types.ModuleType(name)
            stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
            stub.__version__ = "0.1"
            stub.string_classes = (str,)
            for n in names:
                setattr(stub, n, type(n, (), {}))
            sys.modules[name] = stub


def tables():
    import torch
    g = torch.Generator().manual_seed(5)
    first = torch.randn(VOCABULARY, VOCABULARY, generator=g) * 2
    second = torch.randn(VOCABULARY, VOCABULARY, generator=g)
    first[:, END] += 1.0
    first[:, PAD] = -1e4
    return first, second


def toy():
    import torch
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutput
    try:
        from transformers import GenerationMixin
    except ImportError:
        GenerationMixin = object
    bases = (PreTrainedModel,) if issubclass(PreTrainedModel, GenerationMixin) or \
        GenerationMixin is object else (PreTrainedModel, GenerationMixin)

    class Config(PretrainedConfig):
        model_type = "toy"
        num_hidden_layers = 1
        def __init__(self, **k):
            super().__init__(**k)
            self.vocab_size = VOCABULARY

    class Toy(*bases):
        config_class = Config
        main_input_name = "input_ids"
        def __init__(self, config):
            super().__init__(config)
            first, second = tables()
            self.first = torch.nn.Parameter(first)
            self.second = torch.nn.Parameter(second)
            if hasattr(self, "post_init"):
                try:
                    self.post_init()
                except Exception:
                    pass
            with torch.no_grad():
                self.first.copy_(first)
                self.second.copy_(second)
        def _init_weights(self, module):
            pass
        def get_output_embeddings(self):
            return None
        def forward(self, input_ids=None, **k):
            before = torch.cat([input_ids[:, :1], input_ids[:, :-1]], 1)
            return CausalLMOutput(logits=self.first[input_ids] + self.second[before])
        def prepare_inputs_for_generation(self, input_ids, **k):
            return {"input_ids": input_ids}
        def _reorder_cache(self, past, beam):
            return past
    return Toy(Config(pad_token_id=PAD, eos_token_id=END, bos_token_id=1)).eval()


CASES = [dict(beams=b, length_penalty=lp, min_length=mi, max_length=ma, repetition_penalty=rp, early=e)
         for b, lp, mi, ma, rp, e in [
             (1, 1.0, 0, 12, 1.0, False), (1, 1.0, 8, 14, 1.3, False),
             (3, 1.0, 0, 20, 1.0, False), (3, 1.0, 5, 20, 1.0, False), (3, 1.0, 10, 30, 1.1, False),
             (2, 0.0, 0, 12, 1.0, False), (5, 2.0, 0, 16, 1.0, False), (4, -1.0, 6, 16, 1.5, False),
             (3, 1.0, 0, 20, 1.0, True), (5, 0.6, 4, 9, 1.0, True), (4, 1.0, 0, 7, 1.0, False)]]
# beams that are drawn: the numbers behind torch.multinomial are DRAWS, from the start for each prompt
SAMPLED = [dict(beams=b, top_p=p, top_k=k, temperature=t, length_penalty=lp, min_length=mi, max_length=ma,
                repetition_penalty=rp, early=e)
           for b, p, k, t, lp, mi, ma, rp, e in [
               (5, 0.9, 50, 1.0, 1.0, 1, 20, 1.0, False), (3, 1.0, 0, 1.0, 1.0, 0, 12, 1.0, False),
               (2, 0.5, 5, 0.7, 2.0, 6, 14, 1.2, False), (4, 0.9, 1, 1.5, -1.0, 0, 9, 1.0, True),
               (5, 0.01, 50, 0.3, 1.0, 8, 16, 1.0, False)]]
DRAWS = [(i * 0.6180339887498949) % 1 for i in range(1, 401)]
PROMPTS = [[1, a, b] for a, b in [(4, 5), (6, 7), (8, 9), (10, 31), (12, 13), (14, 35), (39, 17), (18, 19)]]


def numbers_behind_multinomial():
    """Draws without replacement by inverse distribution over the ids in their order.  When no chance
    is left, ids of none follow, as torch has it, and use up no number."""
    import torch
    at = [0]
    def multinomial(p, num_samples=1, **k):
        out = []
        for row in p:
            row, ids = row.double().clone(), []
            for _ in range(num_samples):
                c = torch.cumsum(row, 0)
                if not c[-1] > 0:
                    ids.append(next(i for i in range(len(row)) if i not in ids))
                    continue
                u = torch.tensor(DRAWS[at[0]] * float(c[-1]), dtype=torch.double)
                at[0] += 1
                ids.append(int(torch.searchsorted(c, u, right=True)))
                row[ids[-1]] = 0
            out.append(ids)
        return torch.tensor(out)
    torch.multinomial = multinomial
    return at


def main():
    era = sys.argv[1]
    if era == "tables":
        from safetensors.torch import save_file
        first, second = tables()
        save_file({"first": first, "second": second}, os.path.join(HERE, "decode", "tables.safetensors"))
        return
    if sys.argv[2] != "-":
        unpacked(sys.argv[2])
    import torch, transformers
    model, out = toy(), []
    at = numbers_behind_multinomial()
    for case in CASES + SAMPLED:
        drawn = "top_p" in case
        for returned in sorted({1, min(2, case["beams"])} if not drawn or era != "A" else {1}):
            rows, used = [], []
            for prompt in PROMPTS:
                at[0] = 0
                with torch.no_grad():
                    y = model.generate(
                        torch.tensor([prompt]), num_beams=case["beams"], do_sample=drawn,
                        num_return_sequences=returned, length_penalty=case["length_penalty"],
                        min_length=case["min_length"], max_length=case["max_length"],
                        repetition_penalty=case["repetition_penalty"], early_stopping=case["early"],
                        pad_token_id=PAD, eos_token_id=END,
                        **{k: case[k] for k in ("top_p", "top_k", "temperature") if drawn},
                        **({"use_cache": False} if era != "A" else {}))
                used.append(at[0])
                for row in y.tolist():
                    text = row[len(prompt):]
                    cut = [i for i, t in enumerate(text) if t in (END, PAD)]
                    rows.append(row[:len(prompt) + (cut[0] if cut else len(text))])
            out.append(dict(case, sequences=returned, results=rows, **({"draws": max(used)} if drawn else {})))
    json.dump({"transformers": transformers.__version__, "prompts": PROMPTS, "end": END, "cases": out},
              open(os.path.join(HERE, "decode", f"era_{era}.json"), "w"), separators=(",", ":"))
    print(era, transformers.__version__, sum(len(c["results"]) for c in out), "results")


main()
