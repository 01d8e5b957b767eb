/* SPDX-License-Identifier: MIT
 * data_inside.h - the index that dataset.c makes and batch.c reads
 */
#ifndef TRAIN_DATA_INSIDE_H
#define TRAIN_DATA_INSIDE_H

#include <stdatomic.h>
#include "base/buffer.h"
#include "train/data.h"

struct picture { /* where an image is */
    int64_t group;
    uint64_t at;     /* PATH, KEPT: in `kept`; PART, PART_URI: in the file */
    uint32_t size;   /* bytes there */
    uint32_t source; /* a PATH's is that of the record */
    uint32_t line;   /* of the record that had it first */
    enum { PATH, KEPT, PART, PART_URI } kind : 8;
    bool wide;          /* of features: f32, not f16 */
    atomic_bool broken; /* could not be decoded */
};
struct pair {
    uint32_t picture;
    uint32_t count; /* ids */
    uint64_t ids;   /* where they are in `ids` */
};
struct dataset {
    struct dataset_options options;
    char *root;
    struct preprocess preprocess;
    size_t image;      /* floats of one: pixels, or features */
    int tokens, width; /* of features */
    char tower[17];    /* that must have made them */
    struct pair *pairs;
    struct picture *pictures;
    char **sources;
    size_t count, capacity, picture_count, picture_capacity;
    int source_count;
    struct buffer kept; /* paths, and encoded images that lie in no file */
    struct buffer ids;  /* seven bits a byte, the last byte of an id below 128 */
    long bad, cut;
    int prefix, context;
    uint64_t hash;
    /* batch.c: the order of one epoch */
    uint32_t *order;
    uint64_t epoch;
};

/* pictures.c - where images are */
struct picture_table {
    uint32_t *slots; /* open; a picture's number + 1 */
    size_t capacity;
};
/* The number of the record's image: a new one if nothing referred to it before.  -1 after fail() */
int picture_add(struct dataset *d, struct picture_table *t, const struct record *r,
                const struct fields *f, uint32_t *number);
/* Of a record that is to bring features: are they there, and of the model's tower?  -1 after fail()
 */
int features_check(const struct dataset *d, const struct record *r);
/* The encoded bytes, or the features; appends to b; -1 after fail().  Any thread. */
int picture_read(const struct dataset *d, const struct picture *p, struct buffer *b);
/* One line on stderr: where it is, error_text(). */
void picture_warn(const struct dataset *d, const struct picture *p);
/* The same of a record. */
void record_warn(const struct dataset *d, const struct record *r, const char *reason);

#endif
