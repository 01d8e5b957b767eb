/* SPDX-License-Identifier: MIT
 * writer.h - a BERT decoder at work: texts about some images, or answers to encoded questions
 */
#ifndef DECODE_WRITER_H
#define DECODE_WRITER_H

#include "decode/decode.h"
#include "nn/bert.h"

struct writer {
    struct bert *decoder;
    struct tape tape, step; /* keys of what is looked at; one step of the texts */
    struct bert_cache *cache;
    struct language_model language;
};
/* states: what the decoder looks at, one sequence an item; `spans` must live as long. */
void writer_open(struct writer *w, struct bert *decoder, struct tensor *states,
                 const struct spans *spans, const struct decoding *d);
void writer_close(struct writer *w);

#endif
