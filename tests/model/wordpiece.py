# SPDX-License-Identifier: MIT
"""Words as BERT's uncased tokenizer splits texts."""
import re
import unicodedata

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def split(text):
    """As BERT's uncased models: small letters, no accents, punctuation apart."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+|[^\w\s]|_", text)
