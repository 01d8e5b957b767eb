# SPDX-License-Identifier: MIT
"""What WordNet calls a synset."""
import functools

import kinds


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


def article(name):
    return ("an " if name[0].lower() in "aeiou" else "a ") + name
