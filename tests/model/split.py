# SPDX-License-Identifier: MIT
"""Which part of the data a thing belongs to.

A concept held out is in no picture of any source that is learnt from; a picture held out is of a
concept that is.  Hashes of names decide, so a new source moves nothing that is there.
"""
import collections
import hashlib

import captions

CONCEPTS = {"test": 14, "valid": 3}    # of 100 concepts
PICTURES = {"test": 34, "valid": 4}    # of 100 known concepts that two styles show: one of the two
WEB = 6                                # of 100 web pictures, and all that show what is held out
COMMON = 12                            # a word in more names than that says too little to hold out


def draw(*what):
    """0 to 99, by name alone."""
    return int.from_bytes(hashlib.sha256("|".join(what).encode()).digest()[:8], "big") % 100


def pick(shares, *what):
    n = draw(*what)
    for split, share in shares.items():
        if n < share:
            return split
        n -= share
    return "train"


def phrases(words):
    for i in range(len(words)):
        for j in range(i + 1, min(len(words), i + 6) + 1):
            yield " ".join(words[i:j])


def choose_concepts(concepts):
    """{concept: split} of those held out.  A concept inside the name of many others, as "face" or
    "hat", stays."""
    inside = collections.Counter(p for c in sorted(concepts) for p in set(phrases(c.split())))
    chosen = {c: pick(CONCEPTS, "concept", c) for c in sorted(concepts) if inside[c] <= COMMON}
    return {c: split for c, split in chosen.items() if split != "train"}


def shown(held, *texts):
    """The split of the held out concepts that texts speak of; None if of none."""
    found = {held[p] for t in texts for p in phrases(captions.words(t)) if p in held}
    return "test" if "test" in found else "valid" if found else None


def split_clean(things, held):
    """Sets "split" of each: train, valid-concepts, test-concepts, valid-pictures, test-pictures."""
    styles = collections.defaultdict(list)
    for t in things:
        part = held.get(t["concept"]) or shown(held, t["text"], t["concept"])
        t["split"] = f"{part}-concepts" if part else "train"
        if not part and t["category"] != "skin":
            styles[t["text"].lower()].append(t)
    for text, same in sorted(styles.items()):
        part = pick(PICTURES, "picture", text)
        if part != "train" and len(same) > 1:
            same[draw("style", text) % len(same)]["split"] = f"{part}-pictures"


def split_more(things, held, part):
    """Those of a style only learnt from that show no concept held out; they go to `part`."""
    for t in things:
        if t["concept"] not in held and not shown(held, t["text"], t["concept"]):
            t["split"] = part
            yield t


def split_web(things, held):
    for t in things:
        out = shown(held, t["text"], t["concept"], *t["more"], *t["keywords"])
        t["split"] = "test-web" if out or draw("web", t["concept"]) < WEB else "train-web"
        t["unseen"] = bool(out)
