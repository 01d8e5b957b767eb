# SPDX-License-Identifier: MIT
"""Icons of themes: what they draw is told by their names, which themes share.

icons.txt says it once for each name.  A theme may be held out whole; icons-judged.txt tells more of
what it draws.
"""
import fnmatch
import os

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = "usr/share/icons"     # where packages are installed, or unpacked
# theme: package, licence.  Paper is in no list: Papirus, which is judged by, began as its fork.
LEARNT = {
    "Adwaita": ("adwaita-icon-theme", "CC-BY-SA or LGPL-3+"),
    "Faenza": ("faenza-icon-theme", "GPL-3+"),
    "Nuovo": ("gnome-icon-theme-nuovo", "GPL-2+"),
    "Tango": ("tango-icon-theme", "public domain"),
    "breeze": ("breeze-icon-theme", "LGPL-3+"),
    "elementary-xfce": ("elementary-xfce-icon-theme", "GPL-2+"),
    "gartoon": ("gnome-icon-theme-gartoon", "GPL-2+"),
    "gnome": ("gnome-icon-theme", "GPL-2+"),
    "mate": ("mate-icon-theme", "CC-BY-SA or LGPL-3+"),
    "nuoveXT2": ("lxde-icon-theme", "LGPL-3+"),
}
MORE = {    # of the second round
    "Numix": ("numix-icon-theme", "GPL-3+"),
    "Numix-Circle": ("numix-icon-theme-circle", "GPL-3+"),
    "Obsidian": ("obsidian-icon-theme", "GPL-3+"),
    "Sea": ("deepin-icon-theme", "LGPL-3+"),
    "Vintage": ("deepin-icon-theme", "LGPL-3+"),
    "bloom": ("deepin-icon-theme", "LGPL-3+"),
    "bloom-classic": ("deepin-icon-theme", "LGPL-3+"),
    "elementary": ("elementary-icon-theme", "GPL-3+"),
    "sugar": ("sugar-icon-theme", "LGPL-2+"),
    "suru": ("suru-icon-theme", "CC-BY-SA-3.0"),
}
VALID = {"Moka": ("moka-icon-theme", "CC-BY-SA-4.0 or GPL-3+")}
TEST = {"Papirus": ("papirus-icon-theme", "GPL-3")}
SMALLEST = 32   # pixels a side: smaller ones are other drawings, of few pixels


def table(lists=("icons.txt",)):
    """{name or pattern: (caption, kind)}"""
    rows = {}
    for name in lists:
        with open(os.path.join(HERE, name), encoding="utf-8") as f:
            for line in f:
                if not line.startswith("#"):
                    caption, kind, names = line.rstrip("\n").split("\t")
                    rows.update({stem: (caption, kind) for stem in names.split()})
    return rows


def size_of(path):
    """The side that the folders of a path tell; scalable ones are largest."""
    for part in path.split("/"):
        part = part.split("x")[0].split("@")[0]
        if part.isdigit():
            return int(part)
    return 1000 if "scalable" in path else 0


def largest(theme, unpacked):
    """{name: file} of the largest drawing of each; no symbolic ones."""
    best = {}
    root = next((r for r in (os.path.join(unpacked, ROOT), os.path.join("/", ROOT)) if os.path.isdir(os.path.join(r, theme))), ROOT)
    for folder, inside, names in os.walk(os.path.join(root, theme)):
        inside.sort()
        for name in sorted(names):
            stem, end = os.path.splitext(name)
            path = os.path.join(folder, name)
            size = size_of(os.path.relpath(path, root))
            if end in (".svg", ".png") and "symbolic" not in path and size >= SMALLEST:
                real = os.path.realpath(path)
                if os.path.exists(real) and (stem not in best or size > best[stem][0]):
                    best[stem] = (size, real)
    return {stem: path for stem, (_, path) in best.items()}


def icons(themes, unpacked):
    rows = table(("icons.txt", "icons-judged.txt") if themes is TEST else ("icons.txt",))
    patterns = [(p, told) for p, told in rows.items() if "*" in p]
    for theme, (package, licence) in sorted(themes.items()):
        seen = set()
        for stem, path in sorted(largest(theme, unpacked).items()):
            told = rows.get(stem) or next((t for p, t in patterns if fnmatch.fnmatch(stem, p)), None)
            if not told or path in seen:
                continue
            seen.add(path)
            yield {"source": "icons", "name": f"{theme}+{stem}", "text": told[0], "more": [],
                   "concept": told[0], "category": told[1], "licence": f"{licence} ({package})",
                   "file": path, "cut": False}
