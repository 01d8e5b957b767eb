/* SPDX-License-Identifier: MIT
 * text.h - texts to token ids and back
 *
 * All functions here may run on several threads at once.
 */
#ifndef TEXT_TEXT_H
#define TEXT_TEXT_H

#include "base/buffer.h"

/* tokenizer.c - text to ids and back; one kind a file (clip.c, wordpiece.c) */
/* What is done to a text before it is split; see clean.c. */
enum text_clean {
    CLEAN_OPENAI,    /* ftfy's fixes, HTML unescaped twice, spaces, lower case */
    CLEAN_OPEN_CLIP, /* the same; spells its frame <start_of_text>, <end_of_text> */
    CLEAN_HF,        /* NFC, spaces, lower case: tokenizer.json of Hugging Face's CLIP */
    /* SigLIP's: lower case without ASCII punctuation and without spaces in a row. */
    CLEAN_CANONICAL,    /* big_vision, open_clip: '_' becomes a space first */
    CLEAN_CANONICAL_HF, /* Hugging Face's SiglipTokenizer: '_' goes as well */
    CLEAN_LOWER,        /* Hugging Face's Siglip2Tokenizer: lower case alone */
    /* open_clip's before tokenizers of Hugging Face: ftfy's fixes, HTML unescaped twice, then */
    CLEAN_OPEN_SPACES,    /* spaces */
    CLEAN_OPEN_LOWER,     /* spaces, lower case */
    CLEAN_OPEN_CANONICAL, /* as CLEAN_CANONICAL */
};
struct tokenizer;
struct token_ids {
    int *ids; /* framed: begin .. end; to be freed */
    int count;
    bool truncated;
};
/* CLIP's byte pair encoding, from a folder or file: tokenizer.json, vocab.json + merges.txt, or
 * bpe_simple_vocab_16e6.txt(.gz).  NULL after fail(). */
struct tokenizer *tokenizer_clip(const char *path, enum text_clean clean);
/* BERT's uncased WordPiece, from a folder or file: tokenizer.json or vocab.txt; framed by [CLS] and
 * [SEP].  CLEAN_HF does as Hugging Face's tokenizers, anything else as the originals in Python.
 * NULL after fail(). */
struct tokenizer *tokenizer_bert(const char *path, enum text_clean clean);
/* GPT-2's byte pair encoding as OPT has it, from a folder or file: tokenizer.json, or vocab.json +
 * merges.txt; framed by </s> in front alone.  Decoded, CLEAN_HF leaves every space, anything else
 * takes those before punctuation out, as transformers did until 4.44.  NULL after fail(). */
struct tokenizer *tokenizer_opt(const char *path, enum text_clean clean);
/* T5's pieces, from a folder or file: tokenizer.json, then as Hugging Face's tokenizers, or
 * spiece.model, then as sentencepiece; framed by </s> at the end alone.  Decoding as above.
 * NULL after fail(). */
struct tokenizer *tokenizer_t5(const char *path, enum text_clean clean);
/* XLM-RoBERTa's pieces, from a folder or file: tokenizer.json; framed by <s> and </s>.  NULL after
 * fail(). */
struct tokenizer *tokenizer_xlm(const char *path, enum text_clean clean);
/* NLLB's pieces, likewise, which merges make of characters; framed by the language, English, and
 * </s>. */
struct tokenizer *tokenizer_nllb(const char *path, enum text_clean clean);
/* SigLIP's, from a folder or file: spiece.model as T5's pieces, or a tokenizer.json of Gemma's byte
 * pair encoding, whose unknown characters are spelt in bytes; framed by the end alone.  `clean` is
 * one of the last three.  NULL after fail(). */
struct tokenizer *tokenizer_siglip(const char *path, enum text_clean clean);
/* A special token: the vocabulary's, or a new one behind it, as BLIP adds [DEC] and [ENC] to
 * BERT's.  Its id. */
int tokenizer_add(struct tokenizer *t, const char *token);
/* Other ids to put around a text; -1: none, as ALBEF's own tokenizer has it at the end. */
void tokenizer_frame(struct tokenizer *t, int begin, int end);
/* BERT's texts are decoded with spaces around apostrophes, as transformers 5 does, or without. */
void tokenizer_keep_apart(struct tokenizer *t, bool apart);
int tokenizer_begin(const struct tokenizer *t); /* the first id of a text, and the last; -1: none */
int tokenizer_end(const struct tokenizer *t);
/* tokenizer_save.c - vocab.txt, or vocab.json and merges.txt, into a folder; -1 after fail() */
int tokenizer_save(const struct tokenizer *t, const char *folder);
void tokenizer_close(struct tokenizer *t);                      /* NULL is nothing */
int tokenizer_size(const struct tokenizer *t);                  /* ids are below it */
int tokenizer_id(const struct tokenizer *t, const char *token); /* of a vocabulary's entry; or -1 */
/* At most `limit` ids with the frame; a longer text is cut and keeps its end token. */
void tokenizer_encode(const struct tokenizer *t, const char *text, size_t size, int limit,
                      struct token_ids *out);
/* Without special tokens and outer spaces; to free.  Ids that are none are skipped. */
char *tokenizer_decode(const struct tokenizer *t, const int *ids, int count);

/* caption.c - captions and questions as the training scripts of ALBEF and BLIP clean them */
enum caption_style {
    CAPTION_ALBEF, /* punctuation is deleted, '-' and '/' separate */
    CAPTION_BLIP,  /* punctuation but , ' ? - / separates */
    QUESTION_ALBEF,
    QUESTION_BLIP, /* the same characters as in captions are deleted */
};
/* Adds the text, at most `words` words of it. */
void clean_caption(struct buffer *out, const char *text, size_t size, enum caption_style style,
                   int words);

#endif
