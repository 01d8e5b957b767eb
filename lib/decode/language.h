/* SPDX-License-Identifier: MIT
 * language.h - OPT and T5 behind a picture: its rows stand in front of the text
 *
 * What a picture says is `rows` embeddings an item, as wide as the language model's words; OPT has
 * them before the prompt, T5's encoder before the text it reads.  The model may be frozen:
 * gradients pass through it to the picture's rows.
 */
#ifndef DECODE_LANGUAGE_H
#define DECODE_LANGUAGE_H

#include "decode/decode.h"
#include "nn/opt.h"
#include "nn/t5.h"

/* The rows of item i: those of its picture, as many for each, then those of its counts[i] words.
 * pictures: [items * rows, width], words: [all counts, width]; *spans: which rows are an item. */
struct tensor *join_rows(struct tape *t, struct tensor *pictures, struct tensor *words,
                         const int *counts, int items, const struct spans **spans);

/* OPT at work on some pictures.  Prompts begin with the id that begins every text; lengths count
 * the prompt, not the picture's rows.  pictures: as above, NULL for none; it must live as long. */
struct opt_writer {
    struct opt *model;
    struct tensor *pictures;
    int each, rows; /* rows of a picture; of the cache, an item */
    struct tape step;
    struct key_cache *cache;
    struct language_model language;
};
void opt_writer_open(struct opt_writer *w, struct opt *m, struct tensor *pictures, int each,
                     int items, const struct decoding *d);
void opt_writer_close(struct opt_writer *w);

/* T5's decoder at work on encoded texts.  Prompts begin with the pad token. */
struct t5_writer {
    struct t5 *model;
    struct tape tape, step;
    struct t5_cache *cache;
    int rows; /* of the cache, an item */
    struct language_model language;
};
void t5_writer_open(struct t5_writer *w, struct t5 *m, struct tensor *states,
                    const struct spans *spans, const struct decoding *d);
void t5_writer_close(struct t5_writer *w);

/* Texts of some pictures, one after the other. */
struct language_texts {
    const int *ids, *counts;
    int items;
};
/* Mean over the ids of all texts, but the first `skip` of each, of -log p(id | picture, ids
 * before); as huggingface/transformers has it.  A text is whole: what begins it, and what ends it.
 */
struct tensor *opt_loss(struct tape *t, struct opt *m, struct tensor *pictures, int each,
                        const struct language_texts *texts, int skip);
/* The encoder reads the picture and `read`, the decoder learns `written`, which begins with no pad
 * token: that is put in front here. */
struct tensor *t5_loss(struct tape *t, struct t5 *m, struct tensor *pictures,
                       const struct language_texts *read, const struct language_texts *written,
                       int pad);

#endif
