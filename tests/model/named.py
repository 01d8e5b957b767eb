# SPDX-License-Identifier: MIT
"""Photographs, drawings and rendered things with names, out of packages that were only unpacked.

photos-learn.txt, photos-calibrate.txt and photos.txt name files of gcompris, pysiogame, Scratch and others, a line
each; furniture has its names in catalogues of its own.  `packages` unpacks what is needed.
"""
import glob
import os
import re
import struct
import zipfile
import zlib

import captions
import kinds

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = {
    "skimage": "usr/lib/python3/dist-packages/skimage/data",
    "lomiri": "usr/share/backgrounds",
    "pysiogame": "usr/share/games/pysiogame/res/images/art4apps",
    "scratch": "usr/share/scratch/Media/Costumes",
}
RESOURCES = "usr/share/gcompris-qt/rcc/*.rcc"
INSIDE = "/gcompris/src/activities/"
CATALOGUES = "usr/share/sweethome3d/furniture/*.sh3f"
LICENCES = {
    "gcompris": "GPL-3+, parts CC-BY-SA (gcompris-qt-data)",
    "pysiogame": "GPL-3+ as packaged, Art4Apps CC-BY-SA-3.0 (pysiogame)",
}
FURNITURE = {
    "BlendSwap-CC-0": "CC0", "BlendSwap-CC-BY": "CC-BY-3.0", "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US", "Scopia": "CC-BY-3.0",
}
# Names of furniture that are no caption: what to write; None leaves it out.
FIXED = {
    "tool": "a kitchen tool", "male": "a man", "female": "a woman", "sitting male": "a sitting man",
    "sitting female": "a sitting woman", "holding female": "a standing woman", "holding male": "a standing man",
    "lying down male": "a lying man", "lying down female": "a lying woman", "puff": "a pouf", "flipper": "a pinball machine",
    "barnum": "a garden tent", "screen": "a folding screen", "island": "a kitchen island", "number lock": "a padlock",
    "hashtray": "an ashtray", "island extension": None, "drawers cabinet": "a cabinet with drawers",
    "toilets unit": "a toilet", "short": "shorts", "hood": "a cooker hood", "furnace": "a stove",
    "letters box": "a letter box", "wood bank": "a wooden bench", "little bank": "a bench", "rails": "rails",
    "sitting girl": "a sitting girl", "sitting boy": "a sitting boy", "lying down boy": "a lying boy",
    "contemporary living room": "a living room", "island bath": "a bathtub", "bath": "a bathtub",
    "vertical shelves": "shelves", "kitchen tools": "kitchen tools", "keys": "keys", "sugar": "a sugar bowl",
    "glasses": "a pair of glasses", "sunglasses": "a pair of sunglasses", "scissors": "a pair of scissors",
    "socket": None, "abdominal bench": "a weight bench", "clear sofa": "a sofa", "mocassin": "a shoe",
    "bootie": "a boot", "cup cake": "a cupcake", "lip stick": "a lipstick", "mannequin female": "a mannequin",
    "mannequin male": "a mannequin", "trunck": "a trunk", "double vanity": "a washbasin", "vanity": "a washbasin", "cooktop": "a cooker", "class seat": "a school chair", "tape": "adhesive tape",
}
BRANDS = re.compile(r"\d|[^ -~]|\b(renault|ford|peugeot|seat leon|yamaha|chevrolet|apple i|vw |playstation|osaka|ryokan|"
                    r"chambord|concept|smart car|parking slot|square|rounded|wall type|wall r|arrow|unit)", re.I)


# --- files ---

def resources(path):
    """Files of Qt's binary resources: (name, bytes)."""
    with open(path, "rb") as f:
        b = f.read()
    version, tree, data, names = struct.unpack(">4I", b[4:20])
    size = 22 if version >= 2 else 14

    def walk(i, inside):
        at = tree + i * size
        offset, flags = struct.unpack(">IH", b[at:at + 6])
        length, = struct.unpack(">H", b[names + offset:names + offset + 2])
        own = b[names + offset + 6:names + offset + 6 + 2 * length].decode("utf-16be") if i else ""
        name = f"{inside}/{own}" if i else ""
        if flags & 2:
            count, first = struct.unpack(">II", b[at + 6:at + 14])
            for k in range(count):
                yield from walk(first + k, name)
        elif not flags & 4:
            start = data + struct.unpack(">I", b[at + 10:at + 14])[0]
            body = b[start + 4:start + 4 + struct.unpack(">I", b[start:start + 4])[0]]
            yield name, zlib.decompress(body[4:]) if flags & 1 else body

    if b[:4] == b"qres":
        yield from walk(0, "")


def bodies(root, wanted):
    """{source: bytes} of "package:file"."""
    have = {}
    for path in sorted(glob.glob(os.path.join(root, RESOURCES))):
        for name, body in resources(path):
            source = "gcompris:" + name[len(INSIDE):]
            if name.startswith(INSIDE) and source in wanted:
                have[source] = body
    for source in wanted:
        package, name = source.split(":")
        if package in FOLDERS:
            with open(os.path.join(root, FOLDERS[package], name), "rb") as f:
                have[source] = f.read()
    return have


def rows(name):
    """(file, classes, text) of NAME.txt."""
    with open(os.path.join(HERE, f"{name}.txt"), encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                source, classes, text = line.rstrip("\n").split("\t")
                yield source, [int(c) for c in classes.split()], text


# --- things ---

def called(name):
    """What a catalogue's name says: "Wooden table" is "a wooden table"; None if WordNet does not know it."""
    low = name.lower()
    if low in FIXED:
        return FIXED[low]
    if BRANDS.search(name) or not kinds.about(low):
        return None
    return captions.article(low)


def furniture(root):
    """(catalogue, name, text, bytes)"""
    for path in sorted(glob.glob(os.path.join(root, CATALOGUES))):
        with zipfile.ZipFile(path) as z:
            told = z.read("PluginFurnitureCatalog.properties").decode("latin-1")
            names = dict(re.findall(r"^name#(\d+)=(.*?)\r?$", told, re.M))
            icons = dict(re.findall(r"^icon#(\d+)=/(.*?)\r?$", told, re.M))
            for key in sorted(icons, key=int):
                text = called(names[key]) if key in names else None
                if text:
                    yield os.path.basename(path)[:-5], os.path.basename(icons[key]), text, z.read(icons[key])


def named(root, folder):
    """As sources.py has things; the files are written to FOLDER."""
    os.makedirs(folder, exist_ok=True)

    def thing(source, name, text, licence, body, kind):
        file = os.path.join(folder, name)
        with open(file, "wb") as f:
            f.write(body)
        return {"source": source, "name": os.path.splitext(name)[0], "text": text, "more": [],
                "concept": captions.concept(text), "category": kind, "licence": licence, "file": file, "cut": True}

    listed = list(rows("photos-learn"))
    have = bodies(root, {source for source, _, _ in listed})
    for source, _, text in listed:
        package, name = source.split(":")
        kind = "photo" if package == "gcompris" and name.endswith(".webp") and "words_sample" not in name else "drawing"
        yield thing(package, name.replace("resource/", "").replace("/", "+"), text, LICENCES[package], have[source], kind)
    for catalogue, name, text, body in furniture(root):
        yield thing("furniture", f"{catalogue}+{name}", text, f"{FURNITURE[catalogue]} (sweethome3d-furniture)", body,
                    "photo")
