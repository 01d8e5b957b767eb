#!/usr/bin/env python3
"""Writes lib/text/mojibake_table.c: what kind of character ftfy takes each for when it looks for text that was
decoded in a wrong encoding, and the encodings that it tries."""
import re

from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import CHARMAP_ENCODINGS, UTF8_CLUES

KINDS = ["common", "c1", "bad", "law", "currency", "start_punctuation", "end_punctuation", "numeric", "kaomoji",
         "upper_accented", "lower_accented", "upper_common", "lower_common", "box", "utf8_first_of_2",
         "utf8_first_of_3", "utf8_first_of_4", "utf8_continuation", "utf8_continuation_strict"]

assert set(KINDS) == set(MOJIBAKE_CATEGORIES) | set(UTF8_CLUES)
kinds = [re.compile("[%s]" % (MOJIBAKE_CATEGORIES | UTF8_CLUES)[k]) for k in KINDS]


def rows(items):
    line = "   "
    for item in items:
        if len(line) + len(item) > 99:
            print(line)
            line = "   "
        line += " " + item
    print(line)


print("""/* SPDX-License-Identifier: MIT
 * mojibake_table.c - kinds of characters, and encodings, of ftfy 6.3; made by
 * tests/golden/make_mojibake.py
 */
#include "input/text.h"

/* clang-format off */
const struct mojibake_kind mojibake_kinds[] = {""")
found = [(c, sum(1 << i for i, k in enumerate(kinds) if k.match(chr(c)))) for c in range(0x10000)
         if not 0xd800 <= c < 0xe000]
rows("{ 0x%x, 0x%x }," % row for row in found if row[1])
print("""};
const int mojibake_kind_count = COUNT(mojibake_kinds);

const struct mojibake_encoding mojibake_encodings[MOJIBAKE_ENCODINGS] = {""")
for name in CHARMAP_ENCODINGS:
    codes = [ord(c) for c in bytes(range(128, 256)).decode(name)]
    assert len(set(codes)) == 128 and min(codes) > 127
    lost = ord(b"\x1a".decode(name)) == 0xfffd
    print("    { %s, /* %s */" % ("true" if lost else "false", name))
    print("      {")
    rows("0x%x," % c for c in codes)
    print("      } },")
print("""};
/* clang-format on */""")
