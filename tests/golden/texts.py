"""Mixed lines that a tokenizer may meet: many languages, emoji, entities, controls, broken UTF-8.

Only characters assigned in Unicode 14 are used, whose properties agree in the later versions that
the compared programs have.  mixed(count, seed) always gives the same bytes on the same machine; real
sentences come from the message catalogues under /usr/share/locale, where there are some.
"""
import gettext
import glob
import html.entities
import random
import unicodedata

ASSIGNED = [c for c in range(0x110000)
            if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
BY_BLOCK = {}
for c in ASSIGNED:
    BY_BLOCK.setdefault(c >> 7, []).append(chr(c))
BLOCKS = sorted(BY_BLOCK)
MARKS = [chr(c) for c in ASSIGNED if unicodedata.category(chr(c))[0] == "M"]
UPPER = [chr(c) for c in ASSIGNED if unicodedata.category(chr(c)) in ("Lu", "Lt")]
COMPOSED = [chr(c) for c in ASSIGNED if unicodedata.decomposition(chr(c))]
SPACES = [chr(c) for c in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xa0, 0x1680, 0x2000, 0x2003,
                           0x2009, 0x200a, 0x200b, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000,
                           0xfeff)]
CONTROLS = [chr(c) for c in list(range(32)) + list(range(127, 160))] + list("\u206a\u206f\ufff9\ufffc\u200e\u200f\u202b\u00ad")
QUOTES = list("\u02bc\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb'\"`\u00b4\u2032")
LIGATURES = list("\u0132\u0133\u0149\u01f1\u01f2\u01f3\u01c4\u01c5\u01c6\u01c7\u01c8\u01c9\u01ca"
                 "\u01cb\u01cc\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06\u00e6\u0153\u00df\u1e9e")
WIDE = [chr(c) for c in ASSIGNED if 0xff00 <= c <= 0xffef] + ["\u3000"]
EMOJI = ["\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
         "\U0001f1e9\U0001f1ea", "\U0001f3f3\ufe0f\u200d\U0001f308", "1\ufe0f\u20e3", "\U0001f600",
         "\U0001f9d1\U0001f3ff\u200d\U0001f4bb", "\U0001f3f4\U000e0067\U000e0062\U000e007f"]
WORDS = """a an the photo of picture dog cat red bicycle street two people sitting on bench near
water with white black small large man woman child riding horse beach playing ball at night in front
New York's don't it's they're we've I'm you'll he'd can't O'Neill rock'n'roll e-mail U.S.A. 2023 3.14
12:30 $9.99 100% #1 @user foo_bar C++ http://a.b/c?d=e&f=g naïve café Zürich ŒUVRE İstanbul ΟΔΟΣ
ΣΊΣΥΦΟΣ Σ ΑΣ. ΑΣ'Β straße STRASSE ﬁne ǅ""".split()
NAMES = sorted(html.entities.html5)


def is_assigned(text):
    return all(unicodedata.category(c) not in ("Cn", "Cs", "Co") for c in text)


def catalogues():
    lines = []
    for path in sorted(glob.glob("/usr/share/locale/*/LC_MESSAGES/*.mo")):
        try:
            with open(path, "rb") as f:
                found = [v for v in gettext.GNUTranslations(f)._catalog.values()
                         if isinstance(v, str) and 0 < len(v) < 200]
                lines += found[::1 + len(found) // 40]
        except (OSError, ValueError, LookupError):
            pass
    return sorted(set(filter(is_assigned, lines)))


def caption(r):
    words = [r.choice(WORDS) for _ in range(r.randint(1, 12))]
    words = [w.upper() if r.random() < .1 else w.title() if r.random() < .1 else w for w in words]
    return r.choice([" ", " ", " ", "  ", "\t", ", "]).join(words) + r.choice(["", ".", "!", "?!", "..."])


def block(r):
    letters = BY_BLOCK[r.choice(BLOCKS)]
    return "".join(r.choice(letters) if r.random() < .85 else r.choice(" .'-,") for _ in range(r.randint(1, 24)))


def scattered(r):
    return "".join(chr(r.choice(ASSIGNED)) for _ in range(r.randint(1, 12)))


def entity(r):
    kind = r.random()
    name = r.choice(NAMES)
    if kind < .35:
        return "&" + name
    if kind < .45:
        return "&" + name.upper()
    if kind < .5:
        return "&" + name.lower()
    if kind < .6:
        return "&" + name.rstrip(";") + r.choice(["", "x", " ", ";", "=", "1", "é"])
    if kind < .75:
        return "&#%d%s" % (r.choice([0, 10, 13, 28, 59, 127, 128, 133, 150, 0xd800, 0xfdd0, 0xffff, 0x110000,
                                     99999999999, r.choice(ASSIGNED)]), r.choice([";", "", "x"]))
    if kind < .9:
        return "&#%s%x%s" % (r.choice("xX"), r.choice(ASSIGNED + [0x80, 0x9f, 0x26, 0x3b]), r.choice([";", ""]))
    return r.choice(["&amp;amp;lt;", "&amp;#39;", "&amp;eacute;", "&;", "&#;", "&#x;", "&", "&&amp;", "&lt;b&gt;",
                     "&am&#112;;", "&#38;#38;#38;", "&ampamp;", "&\uff41mp;", "&notit;", "&notin;"])


def special(r):
    return r.choice(["<|startoftext|>", "<|endoftext|>", "<|EndOfText|>", "<|\u017ftartoftext|>", "<|startoftext",
                     "<start_of_text>", "<end_of_text>", "<END_OF_TEXT>", "</w>", "<|endoftext|>'s", "'\u017f", "'\u017fa",
                     "'RE", "'Ve", "a'lls", "'''s", "!'s", "\u0345a\u0345", "<\uff5cendoftext|>", "[CLS]", "[SEP]", "[MASK]",
                     "[UNK]", "[PAD]", "[cls]", "[ENC]", "[DEC]", "##ing"])


def marked(r):
    return "".join(r.choice("aeiouAEIOUncs\u0915\u05d0\u0627\u1100\u1161\uac00\u03b1") + "".join(
        r.choice(MARKS) for _ in range(r.randint(0, 4))) for _ in range(r.randint(1, 6)))


def escapes(r):
    return "\033[" + r.choice(["", "0", "1;31", "\u0663", ";;", "38;5;"]) + r.choice(["m", "K", "\u00e9", "", "["]) + "x"


def mojibake(r):
    text = r.choice(["café", "naïve", "Zürich", "it\u2019s", "日本", "\u201cquoted\u201d"])
    return text.encode().decode(r.choice(["latin-1", "cp437"]))


# Real words, and what was done to them before they reached us.
WORDS = ["caf\u00e9", "na\u00efve", "Z\u00fcrich", "it\u2019s", "\u65e5\u672c\u8a9e", "\u201cquoted\u201d",
         "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",
         "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u00e7a co\u00fbte 5 \u20ac",
         "\u00e0 la carte", "\u2013 dash \u2014", "\u2026", "\U0001f600 smile", "\u0141\u00f3d\u017a", "\u0163ar\u0103", "\u017e",
         "\u00f1and\u00fa", "\u00c5ngstr\u00f6m", "\u00bd cup", "x\u00b2 + y\u00b3", "\u00a9 2020", "\u2122",
         "\u2022 bullet", "\u00a0space", "\u00e0 quel point", "\u00e0quele", "\u00e0s", "\u0110\u00e0 N\u1eb5ng"]
ENCODINGS = ["latin-1", "windows-1252", "windows-1251", "windows-1250", "windows-1253", "windows-1254", "windows-1257",
             "iso-8859-2", "macroman", "cp437"]


def read_wrongly(r, text):
    """Once, twice or three times; what an encoding has no character for is lost, or stays a control."""
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        encoding = r.choice(ENCODINGS)
        raw = text.encode("utf-8", "surrogatepass")
        sloppy = encoding.startswith("windows") and r.random() < 0.5
        text = raw.decode(("sloppy-" if sloppy else "") + encoding, "replace")
    return text


def misread(count, seed=3):
    """Decoding may make a character that is not assigned yet, U+208F of "â‚Ź": texts that ftfy makes one in are
    left out, for what splits them has newer tables than Python."""
    import ftfy.bad_codecs  # knows the sloppy ones
    r = random.Random(seed)
    lines = []
    while len(lines) < count:
        text = read_wrongly(r, " ".join(r.choice(WORDS) for _ in range(r.randint(1, 3))))
        if r.random() < 0.3:
            text = text.replace("\u00a0", " ")
        if r.random() < 0.3:
            text = r.choice(["plain ", "<b>", "\u00c9t\u00e9 "]) + text + r.choice(["", " tail", " \u2013 x", "\u00e9"])
        if r.random() < 0.2:
            at = r.randrange(len(text) + 1)
            text = text[:at] + r.choice(["\ufffd", "?", "\x1a", "\x80", " "]) + text[at + r.choice([0, 1]):]
        text = "".join(c for c in text if unicodedata.category(c) != "Cn")
        if is_assigned(ftfy.fix_text(text)):
            lines.append(text.encode("utf-8", "replace"))
    return lines


MAKERS = [caption, caption, caption, block, block, scattered, entity, entity, special, marked, escapes, mojibake,
          lambda r: "".join(r.choice(CONTROLS) + r.choice("ab&1") for _ in range(r.randint(1, 4))),
          lambda r: "".join(r.choice(SPACES) + r.choice(["", "x", "x", "1"]) for _ in range(r.randint(1, 6))),
          lambda r: "".join(r.choice(QUOTES) + r.choice(["", "s", "t ", "word", "LL"]) for _ in range(r.randint(1, 5))),
          lambda r: "".join(r.choice(LIGATURES) + r.choice(["", "a", "T"]) for _ in range(r.randint(1, 5))),
          lambda r: "".join(r.choice(WIDE) for _ in range(r.randint(1, 8))),
          lambda r: "".join(r.choice(EMOJI) for _ in range(r.randint(1, 3))),
          lambda r: "".join(r.choice(UPPER) for _ in range(r.randint(1, 8))),
          lambda r: "".join(r.choice(COMPOSED) for _ in range(r.randint(1, 8))),
          lambda r: "".join(r.choice("\u03a3\u03c3\u0391\u00aa.':\u00ad \u24b6\u2160\U0001f130\u02b0\u0345!1") for _ in range(r.randint(2, 9))),
          lambda r: str(r.randrange(10 ** r.randint(1, 12))) + r.choice(["", "\u00bd", "\u2167", "\u0664", "th", "px"]),
          lambda r: "".join(chr(r.randrange(33, 127)) for _ in range(r.randint(1, 15)))]


def spoil(r, raw):
    raw = bytearray(raw)
    for _ in range(r.randint(1, 3)):
        at = r.randrange(len(raw) + 1)
        raw[at:at + r.choice([0, 0, 1])] = bytes(r.choice([0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xa0, 0xf0, 0xf4, 0x90, 0xff])
                                                 for _ in range(r.randint(1, 3)))
    return bytes(raw)


def mixed(count, seed=1):
    r = random.Random(seed)
    real = catalogues()
    texts = [b"", b" ", b"\0", b"<", "a" .encode() * 300]
    while len(texts) < count:
        if real and r.random() < .35:
            text = r.choice(real)
        else:
            text = r.choice(["", " ", " "]).join(r.choice(MAKERS)(r) for _ in range(r.randint(1, 4)))
        if r.random() < .03:
            text += "\n<b>" + entity(r) + "\n" + entity(r)
        raw = text.encode()
        raw = spoil(r, raw) if r.random() < .06 else raw
        if is_assigned(raw.decode("utf-8", "replace")):
            texts.append(raw)
    return texts


def systematic():
    """Every entity in several spellings, numbers, and most characters beside letters and sigmas."""
    found = []
    for name in NAMES:
        bare = name.rstrip(";")
        for x in (name, name.upper(), name.lower(), bare, bare.upper(), bare + "x;", name[:-2]):
            found += ["&" + x, "<&" + x + "a"]
    for c in list(range(0x3000)) + [0xd800, 0xfdd0, 0xfffe, 0x1ffff, 0x10ffff, 0x110000]:
        found += ["&#%d;" % c, "&#x%x " % c]
    for c in ASSIGNED:
        if c < 0x3000 or 0xa000 <= c < 0xac00 or 0xf900 <= c < 0x20000 or c > 0xe0000:
            ch = chr(c)
            found += ["a" + ch + "b", "A" + ch + "\u03a3" + ch + "B " + ch + "\u03a3 A\u03a3" + ch]
    return [t.encode() for t in found if is_assigned(t)]
