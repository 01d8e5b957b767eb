#!/usr/bin/env python3
"""strict.large: the authors' files that vlm-convert and vlm-train write, in the authors' own classes; TAP.

    large_strict.py BUILD [blip | albef | lavis]

The scripts that made the tiny models are run again, with what they would save kept as models in
memory.  Each takes the file that vlm-convert makes of its golden one, and the file of a step of
training, by load_state_dict(strict=True); where the class has momentum encoders and queues, which a
file for use has not, these alone may be missing.  Each of the originals is a process of its own,
because they put modules of one name in each other's place.
"""
import os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1])
ORIGINALS = {  # the script, the function that makes the models, the checkout, the library
    "blip": ("make_blip", "original", "VLM_BLIP", "VLM_TRANSFORMERS_4_15"),
    "albef": ("make_albef", "original", "VLM_ALBEF", "VLM_TRANSFORMERS_4_8"),
    "lavis": ("make_albef", "lavis", "VLM_LAVIS", "VLM_TRANSFORMERS_4_15"),
}
TAUGHT = {"blip/pretrain.pth": "itc,itm,lm", "blip/itm.pth": "itc,itm", "blip/caption.pth": "lm",
          "albef/pretrain.pth": "itc,itm,mlm", "albef/retrieval.pth": "itc,itm"}


def say(good, name, why=""):
    print(("ok" if good else "not ok") + " - " + name, flush=True)
    if not good and why:
        print("#", why, flush=True)


def run(program, *arguments):
    done = subprocess.run([os.path.join(BUILD, program), *arguments], text=True, capture_output=True)
    return done.returncode == 0, done.stderr.strip()


def made_by(kind):
    """{file: its model}"""
    import importlib
    import torch
    script, function, checkout, library = ORIGINALS[kind]
    sys.path.insert(0, HERE)
    module = importlib.import_module(script)
    models, last, randomise = {}, [None], module.randomise

    def remember(*a, **k):
        last[0] = randomise(*a, **k)
        return last[0]

    module.OUT, module.randomise, module.save = os.getcwd(), remember, lambda *a: None
    torch.save = lambda what, path, **k: models.update({os.path.basename(path): last[0]})
    getattr(module, function)(os.environ[checkout], os.environ[library])
    return models


def load(model, file, name):
    import torch
    state = torch.load(file, weights_only=True)["model"]
    extra = {k for k in model.state_dict() if "_m." in k or "queue" in k or k.endswith("queue_ptr")}
    try:
        model.load_state_dict({**{k: v for k, v in model.state_dict().items() if k in extra}, **state}, strict=True)
        same = all(torch.equal(model.state_dict()[k], v) for k, v in state.items())
        say(same, f"{name}: {len(state)} tensors, all taken{f', {len(extra)} of momentum and queues apart' if extra else ''}")
    except RuntimeError as e:
        say(False, f"{name}: load_state_dict(strict=True)", str(e).replace("\n", " ")[:600])


def retrieval():
    """BLIP's class for fine-tuning a matcher: BLIP_ITM with the temperature that is learnt."""
    import make_blip
    import models.blip_retrieval
    return models.blip_retrieval.BLIP_Retrieval(med_config=os.path.abspath("med.json"), image_size=make_blip.IMAGE,
                                                vit="base", embed_dim=make_blip.EMBED, queue_size=6)


def pairs():
    with open("pairs.jsonl", "w") as f:
        for i, text in enumerate(("a red dog runs", "two cats", "the blue house", "a man")):
            with open(f"{i}.ppm", "wb") as p:
                p.write(b"P6 2 2 255\n" + bytes(range(i, i + 12)))
            f.write(f'{{"image":"{i}.ppm","text":"{text}"}}\n')


def check(kind):
    folder = "blip" if kind == "blip" else "albef"
    pairs()
    for name, model in made_by(kind).items():
        golden = f"{folder}/{name}"
        good, why = run("vlm-convert", "--to", "original", os.path.join(HERE, golden), "converted.pth")
        say(good, f"{golden} is converted", why)
        if good:
            load(model, "converted.pth", golden)
        if golden not in TAUGHT:
            continue
        good, why = run("vlm-train", "-q", "--model", os.path.join(HERE, golden), "--objective", TAUGHT[golden],
                        "--steps", "1", "--batch", "2", "--lr", "1e-3", "-o", "taught-" + name, "pairs.jsonl")
        say(good, f"{golden} is taught", why)
        good = good and run("vlm-convert", "--to", "original", "taught-" + name, "taught.pth")[0]
        if good:
            load(retrieval() if golden == "blip/itm.pth" else model, "taught.pth", golden + ", taught")
        os.path.exists("taught.pth") and os.remove("taught.pth")


def main():
    """All originals, their checks counted."""
    count = failed = 0
    for kind in ORIGINALS:
        done = subprocess.run([sys.executable, os.path.abspath(__file__), BUILD, kind], text=True, capture_output=True)
        for line in done.stdout.splitlines():
            if line.startswith(("ok", "not ok")):
                count += 1
                failed += line.startswith("not")
                line = line.replace("ok", f"ok {count}", 1)
            if line.startswith(("ok", "not ok", "#")):
                print(line)
        if done.returncode:
            count, failed = count + 1, failed + 1
            print(f"not ok {count} - {kind} ends\n# " + done.stderr.strip().replace("\n", "\n# ")[-1500:])
    print(f"1..{count}")
    return failed > 0


if len(sys.argv) > 2:
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        check(sys.argv[2])
else:
    sys.exit(main())
