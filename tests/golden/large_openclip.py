# SPDX-License-Identifier: MIT
"""Every configuration of open_clip, built small by open_clip's own code, against the library; see openclip.large.

    large_openclip.py BUILD
    large_openclip.py BUILD NAME..

Those that agree and keep open_clip's layout are written by vlm-convert, and open_clip's own model loads what was
written, strictly: every tensor is the same.
"""
import os, re, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
build = os.path.abspath(sys.argv[1])
golden, convert = os.path.join(build, "tests/golden/open_clip"), os.path.join(build, "vlm-convert")


def refusals():
    """What openclip.refused says: pattern and reason."""
    for line in open(os.path.join(here, "openclip.refused")):
        if line.strip() and not line.startswith("#"):
            pattern, reason = line.strip().split(None, 1)
            yield re.compile(pattern + r"\Z"), reason


import open_clip_tiny as tiny

from safetensors.torch import load_file


def comes_back(c, model, folder, at):
    """Whether what vlm-convert writes of `at` is the model again; also where it becomes Hugging Face's."""
    copy = os.path.join(folder, "copy")
    if subprocess.run([convert, at, copy]).returncode:
        return False
    file = os.path.join(copy, "open_clip_model.safetensors")
    if not os.path.exists(file):
        return os.path.exists(os.path.join(copy, "config.json"))
    again = tiny.build(c, seed=12)
    again.load_state_dict(load_file(file), strict=False)
    theirs = again.state_dict()
    return all((theirs[k] == v).all() for k, v in model.state_dict().items() if "num_batches_tracked" not in k)


def already(file):
    """Configurations that this build answered rightly before: a run that was stopped goes on."""
    program = str(os.stat(golden).st_mtime_ns)
    lines = [line.split() for line in open(file)] if file and os.path.exists(file) else []
    return program, {line[1] for line in lines if line[0] == program}


known = list(refusals())
names = sys.argv[2:] or tiny.names()
kept = os.environ.get("VLM_DONE")
program, done = already(kept)
agree = refused = bad = 0
print(f"1..{len(names)}", flush=True)
for number, name in enumerate(names, 1):
    if name in done:
        reason = next((r for p, r in known if p.match(name)), None)
        refused, agree = refused + bool(reason), agree + (not reason)
        print(f"ok {number} - {name}{' is refused: ' + reason if reason else ''} (before)", flush=True)
        continue
    with tempfile.TemporaryDirectory() as folder:
        c = tiny.small(name)
        model = tiny.build(c)
        at, expected = os.path.join(folder, name), os.path.join(folder, "expect.safetensors")
        tiny.save(model, c, at)
        tiny.expect(model, c, expected, f64=True)
        run = subprocess.run([golden, at, expected], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = [line for line in run.stdout.splitlines() if line.startswith("not ok")]
        reason = next((r for p, r in known if p.match(name)), None)
        if reason:  # in the table, refused when it is opened, by its name
            good = len(said) == 1 and "opens: " in said[0] and reason in said[0]
            refused += good
        else:
            good = run.returncode == 0 and not said and comes_back(c, model, folder, at)
            agree += good
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}{' is refused: ' + reason if reason else ''}", flush=True)
        if good and kept:
            with open(kept, "a") as f:
                f.write(f"{program} {name}\n")
        if not good:
            print("# " + "\n# ".join(said[:3] or run.stdout.splitlines()[-3:]), flush=True)
print(f"# of {len(names)} configurations {agree} load and agree, {refused} are refused by name, {bad} do neither")
