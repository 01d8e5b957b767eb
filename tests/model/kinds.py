# SPDX-License-Identifier: MIT
"""What kind of thing a caption names, by WordNet's hypernyms: "a Sumatran tiger" is an animal.

A drawing that is hard to make out is better called "a drawing of an animal" than by a wrong name.
The first senses of the last noun decide (wordnet-base, /usr/share/wordnet).
"""
import functools
import re

FOLDER = "/usr/share/wordnet"
# synsets by a word and its place among the word's senses: what is below them is of that kind
KINDS = [
    ("flag", 1, "a flag"), ("face", 1, "a face"), ("bird", 1, "a bird"), ("fish", 1, "a fish"), ("insect", 1, "an insect"), ("reptile", 1, "a reptile"),
    ("dog", 1, "a dog"), ("animal", 1, "an animal"), ("flower", 1, "a flower"), ("tree", 1, "a tree"),
    ("edible_fruit", 1, "a fruit"), ("vegetable", 1, "a vegetable"), ("plant", 2, "a plant"),
    ("beverage", 1, "a drink"), ("food", 1, "food"), ("food", 2, "food"),
    ("ship", 1, "a ship"), ("boat", 1, "a boat"), ("aircraft", 1, "an aircraft"), ("car", 1, "a car"),
    ("vehicle", 1, "a vehicle"), ("building", 1, "a building"), ("structure", 1, "a building"),
    ("musical_instrument", 1, "a musical instrument"), ("weapon", 1, "a weapon"),
    ("computer", 1, "a computer"), ("clock", 1, "a clock"), ("tool", 1, "a tool"),
    ("ball", 1, "a ball"), ("garment", 1, "clothes"), ("clothing", 1, "clothes"), ("footwear", 2, "a shoe"),
    ("headdress", 1, "a hat"), ("furniture", 1, "furniture"), ("container", 1, "a container"),
    ("device", 1, "a device"), ("book", 1, "a book"), ("person", 1, "a person"),
    ("body_part", 1, "a part of the body"), ("symbol", 1, "a symbol"), ("sign", 1, "a sign"),
    ("signal", 1, "a symbol"), ("celestial_body", 1, "something in the sky"), ("artifact", 1, "a thing"),
]
PERSON = "a person"
SENSES = 2  # of a word that are looked at
STEPS = 3   # up, to which a general name says what a thing is: a procyonid is a panda, a mammal says little


@functools.cache
def senses():
    """{noun: offsets of its synsets, the most frequent first}"""
    found = {}
    with open(f"{FOLDER}/index.noun", encoding="utf-8") as f:
        for line in f:
            if not line.startswith(" "):
                parts = line.split()
                found[parts[0]] = parts[-int(parts[2]):]
    return found


@functools.cache
def above():
    """{offset: offsets of its hypernyms}"""
    found = {}
    with open(f"{FOLDER}/data.noun", encoding="utf-8") as f:
        for line in f:
            if not line.startswith(" "):
                found[line[:8]] = re.findall(r" @i? (\d{8}) n", line)
    return found


@functools.cache
def roots():
    return [(senses()[word][place - 1], kind) for word, place, kind in KINDS]


def ancestors(offset):
    """It, then what is above, nearest first."""
    row, seen = [offset], set()
    while row:
        for one in row:
            if one not in seen:
                seen.add(one)
                yield one
        row = [up for one in row for up in above().get(one, []) if up not in seen]


def noun(word):
    for end, other in (("", ""), ("s", ""), ("es", ""), ("ies", "y"), ("ves", "f")):
        if word.endswith(end) and word[:len(word) - len(end)] + other in senses():
            return word[:len(word) - len(end)] + other
    return None


def of_sense(offset):
    offsets = set(ancestors(offset))
    return next((k for root, k in roots() if root in offsets), None)


def about(caption):
    """The noun that a caption is about, of up to three words; None where WordNet has none."""
    words = re.findall(r"[a-z']+", re.split(r" (?:with|of|in|on|for|from|and|that) |,", caption.lower())[0])
    for length in range(min(3, len(words)), 0, -1):
        name = noun("_".join(words[-length:]))
        if name:
            return name
    return None


def kind(caption):
    """A general caption's noun; None where WordNet does not know what it is."""
    name = about(caption)
    if not name:
        return None
    found = [of_sense(offset) for offset in senses()[name][:SENSES]]
    known = [k for k in found if k]
    # a tiger and a calculator are first of all persons there
    return next((k for k in known if k != PERSON), known[0] if known else None)


def includes(wide, narrow, steps=STEPS):
    """Whether what a caption is about is what another is about, or at most that many steps above it."""
    wide, narrow = about(wide), about(narrow)
    if not wide or not narrow:
        return False
    up = set(senses()[narrow][:SENSES])
    for _ in range(steps):
        up |= {a for one in up for a in above().get(one, [])}
    return any(offset in up for offset in senses()[wide][:SENSES])


def general(caption, medium):
    """As kind(), in a sentence: "a drawing of an animal"."""
    found = kind(caption)
    return f"{medium} of {found}" if found else None
