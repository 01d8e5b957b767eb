# SPDX-License-Identifier: MIT
"""A WordPiece vocabulary from texts, in the form of BERT's vocab.txt.

Pieces are found as in byte pair encoding: begin with letters, and join the pair of neighbours that
is most frequent until there are enough.  Ties go to the pair that sorts first, so the same texts
give the same file.
"""
import collections
import re
import unicodedata

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def split(text):
    """As BERT's uncased models: small letters, no accents, punctuation apart."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+|[^\w\s]|_", text)


def neighbours(pieces):
    return zip(pieces, pieces[1:])


def joined(pieces, pair, new):
    out, i = [], 0
    while i < len(pieces):
        if i + 1 < len(pieces) and (pieces[i], pieces[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out


def learn(counts, size, least=2):
    """counts: how often each word comes.  At most `size` entries; a pair that comes less than
    `least` times is not worth one."""
    vocabulary = SPECIAL + list(PUNCTUATION) + list(LETTERS) + ["##" + c for c in LETTERS]
    known = set(vocabulary)
    spelt, pairs, where = {}, collections.Counter(), collections.defaultdict(set)
    for word, n in counts.items():
        if word in PUNCTUATION or not set(word) <= set(LETTERS):
            continue
        spelt[word] = [word[0]] + ["##" + c for c in word[1:]]
        for p in neighbours(spelt[word]):
            pairs[p] += n
            where[p].add(word)
    while len(vocabulary) < size and pairs:
        pair = min(pairs, key=lambda p: (-pairs[p], p))
        if pairs[pair] < least:
            break
        new = pair[0] + pair[1][2:]
        for word in sorted(where.pop(pair)):
            n, old = counts[word], spelt[word]
            spelt[word] = joined(old, pair, new)
            for p in neighbours(old):
                pairs[p] -= n
                where[p].discard(word)
            for p in neighbours(spelt[word]):
                pairs[p] += n
                where[p].add(word)
        pairs = +pairs  # without those that are gone
        if new not in known:
            known.add(new)
            vocabulary.append(new)
    return vocabulary
