/* SPDX-License-Identifier: MIT
 * data.h - records as batches of pairs
 *
 *     struct dataset_options o = { .seed = 1, .shuffle = true };
 *     struct dataset *d = dataset_open(operands, count, &o, m);
 *     struct batch *next = batch_begin(d, 0, 64), *now;
 *
 *     for (long i = 0; i < batches; i++) {
 *         now = next;
 *         next = batch_begin(d, i + 1, 64);
 *         learn from batch_pairs(now);
 *         batch_free(now);
 *     }
 *     batch_free(next);
 *     dataset_close(d);
 */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include "base/core.h"
#include "image/augment.h"
#include "learn/learn.h"
#include "stream/stream.h"

struct dataset_options {
    const char *root, *image_field, *text_field; /* as in struct fields */
    int from;                                    /* enum stream_format */
    bool null;                                   /* names are separated by NUL */
    long max_pixels;                             /* of an image; 0: no limit */
    size_t memory;         /* bytes of images that are decoded at once; 0: of one */
    const char *tokenizer; /* a file or folder; NULL: beside the model */
    const char *prefix;    /* what every text begins with, a blank behind it; NULL: nothing */
    bool clean_text;       /* captions as the authors' training scripts clean them */
    int words;             /* of a cleaned caption */
    int context;           /* most ids of a text; 0: as when the model is used */
    bool behind_prefix;    /* .. those of the prefix aside */
    uint64_t seed;
    bool quiet;               /* bad records are left out without a word */
    bool features;            /* records bring what the image tower makes: image_features */
    volatile const int *stop; /* no more is read once it is set; NULL: never */
    bool shuffle;             /* every epoch in an order of its own; false: as they came */
    struct augment augment;
};

/* dataset.c - an index of pairs in memory
 *
 * A pair is one text of a record and its image.  The index has a few dozen bytes a pair: its ids,
 * and where the image lies.  Images are read when a batch wants them; those in files of records (a
 * tar's members, CBOR's, data: URIs) are found again by their place, those that came through a pipe
 * are kept, encoded.
 */
struct dataset;
/* Reads all records of the operands (none, or "-": standard input).  A bad one is reported on
 * stderr and left out: no image, no such file, no text, an error of its own.  NULL after fail():
 * the input cannot be read on, or no pair is left. */
struct dataset *dataset_open(char *const *operands, int count, const struct dataset_options *o,
                             const struct model *m);
long dataset_count(const struct dataset *d);    /* pairs */
long dataset_pictures(const struct dataset *d); /* different images */
long dataset_bad(const struct dataset *d);      /* records and texts left out */
long dataset_cut(const struct dataset *d);      /* texts that were cut to the context */
int dataset_prefix(const struct dataset *d);  /* ids that every text begins with, the frame's too */
int dataset_context(const struct dataset *d); /* most ids of a text */
uint64_t dataset_hash(const struct dataset *d); /* of texts and image references, in order */
void dataset_close(struct dataset *d);          /* after its batches; NULL is nothing */

/* batch.c - pairs in an order of their own, their images decoded in the background
 *
 * What a batch holds depends on the dataset, its options, the number and the size alone, not on
 * threads, on time, or on the batches before: a run that goes on at batch N gets the same bytes.
 * The choices of augmentation are drawn from the seed, the epoch and the pair.
 * One thread may call these.
 */
/* Of an epoch: the last, short one is left out unless it is the only one. */
long dataset_batches(const struct dataset *d, int size);
struct batch;
/* Batch `number` of the whole run.  Its images are decoded on the pool from now on. */
struct batch *batch_begin(struct dataset *d, long number, int size);
/* Waits.  A pair whose image is broken (reported on stderr once) is replaced by the next one of the
 * dataset whose image is not.  NULL after fail(): all are broken. */
const struct pairs *batch_pairs(struct batch *b);
void batch_free(struct batch *b); /* waits; NULL is nothing */

#endif
