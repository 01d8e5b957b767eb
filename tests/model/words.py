# SPDX-License-Identifier: MIT
"""What WordNet calls a synset."""
import functools
import re

import kinds

GLOSS = 14      # words of a gloss


@functools.cache
def lemmas():
    """{offset: its words}"""
    found = {}
    with open(f"{kinds.FOLDER}/data.noun", encoding="utf-8") as f:
        for line in f:
            if not line.startswith(" "):
                parts = line.split()
                count = int(parts[3], 16)
                found[parts[0]] = [w.replace("_", " ") for w in parts[4:4 + 2 * count:2]]
    return found


@functools.cache
def glosses():
    """{offset: what WordNet says that it is, without examples and what is in brackets}"""
    found = {}
    with open(f"{kinds.FOLDER}/data.noun", encoding="utf-8") as f:
        for line in f:
            if not line.startswith(" "):
                said = re.sub(r"\([^)]*\)", "", line.split(" | ", 1)[1].split(';')[0])
                found[line[:8]] = " ".join(said.split()[:GLOSS])
    return found


def article(name):
    return ("an " if name[0].lower() in "aeiou" else "a ") + name
