#!/usr/bin/env python3
"""Writes lib/text/entity_table.c: HTML5's named characters, as Python's html.entities lists them."""
from html.entities import html5

print("""/* SPDX-License-Identifier: MIT
 * entity_table.c - HTML5's named characters, sorted; made by tests/golden/make_entities.py
 *
 * E: the name counts with its semicolon only.  L: also without, as old pages write it.
 */
#include "text/vocabulary.h"

/* clang-format off */
#define E(name, ...) { name, false, { __VA_ARGS__ } },
#define L(name, ...) { name, true, { __VA_ARGS__ } },

const struct entity entities[] = {""")
line = "    "
for name in sorted(n[:-1] for n in html5 if n.endswith(";")):
    kind = "L" if name in html5 else "E"
    codes = ",".join("0x%x" % ord(c) for c in html5[name + ";"])
    item = '%s("%s",%s)' % (kind, name, codes)
    if len(line) + len(item) > 100:
        print(line)
        line = "    "
    line += item
print(line)
print("""};
/* clang-format on */

const int entity_count = COUNT(entities);""")
