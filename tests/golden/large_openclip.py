# SPDX-License-Identifier: MIT
"""Every configuration of open_clip, built small by open_clip's own code, against the library; see openclip.large.

    large_openclip.py GOLDEN        tests/golden/open_clip of the build
    large_openclip.py GOLDEN NAME..
"""
import os, re, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
golden = os.path.abspath(sys.argv[1])


def refusals():
    """What openclip.refused says: pattern and reason."""
    for line in open(os.path.join(here, "openclip.refused")):
        if line.strip() and not line.startswith("#"):
            pattern, reason = line.strip().split(None, 1)
            yield re.compile(pattern + r"\Z"), reason


import open_clip_tiny as tiny

known = list(refusals())
names = sys.argv[2:] or tiny.names()
agree = refused = bad = 0
print(f"1..{len(names)}", flush=True)
for number, name in enumerate(names, 1):
    with tempfile.TemporaryDirectory() as folder:
        c = tiny.small(name)
        model = tiny.build(c)
        at, expected = os.path.join(folder, name), os.path.join(folder, "expect.safetensors")
        tiny.save(model, c, at)
        tiny.expect(model, c, expected)
        run = subprocess.run([golden, at, expected], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = [line for line in run.stdout.splitlines() if line.startswith("not ok")]
        reason = next((r for p, r in known if p.match(name)), None)
        if reason:  # in the table, refused when it is opened, by its name
            good = len(said) == 1 and "opens: " in said[0] and reason in said[0]
            refused += good
        else:
            good = run.returncode == 0 and not said
            agree += good
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}{' is refused: ' + reason if reason else ''}", flush=True)
        if not good:
            print("# " + "\n# ".join(said[:3] or run.stdout.splitlines()[-3:]), flush=True)
print(f"# of {len(names)} configurations {agree} load and agree, {refused} are refused by name, {bad} do neither")
