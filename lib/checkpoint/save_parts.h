/* SPDX-License-Identifier: MIT
 * save_parts.h - what the sources of saving share among themselves
 */
#ifndef CHECKPOINT_SAVE_PARTS_H
#define CHECKPOINT_SAVE_PARTS_H

#include "base/memory.h"
#include "base/number.h"
#include "checkpoint/config.h"
#include "checkpoint/fold.h"
#include "checkpoint/save.h"

/* save_tensors.c - a model's parameters as a layout stores them: renamed, joined, turned, rounded
 */
struct piece {
    enum { PIECE_NUMBERS, PIECE_ROWS, PIECE_SCALES } form; /* as they are; int8, and its factors */
    const struct param *part[PACK_PARTS];
    int parts;
    bool transpose;
    const struct order *order; /* NULL: by rows */
};
struct pieces {
    struct saving *list;  /* data NULL where pieces_make() has something to do */
    struct piece *pieces; /* one each */
    int count, capacity;
    int int8_pieces; /* of save_options */
    /* likewise; int8: i8 alone, as what else there is is small, and the file may then serve every
     * processor */
    bool packed, packed_int8;
    struct folds folds; /* of a model that becomes int8 */
    struct arena names;
};
/* The parameter before p that has its numbers and that the layout ties it to; or NULL. */
const struct param *save_tied(const struct model *m, const struct layout *l, const struct param *p);
int pieces_gather(struct pieces *p, const struct model *m, const struct layout *l,
                  const struct save_options *o); /* -1 after fail() */
/* `name` has the numbers of `of`, which is there. */
void pieces_alias(struct pieces *p, const char *name, const char *of);
/* Beside each of BERT's tables of positions the buffer that its authors' strict loaders ask for:
 * position_ids, [1, n], 0 to n - 1. */
void pieces_positions(struct pieces *p);
void pieces_number(struct pieces *p, const char *name, long value); /* an integer */
void pieces_make(void *pieces, int index, void *out);
void pieces_free(struct pieces *p);

/* What an original file has besides the renamed parameters. */
struct original {
    const struct layout *layout;
    const char *wrapper; /* {"wrapper": {..}}; or NULL */
    bool position_ids;   /* pieces_positions() */
    struct alias {
        const char *name, *of;
    } aliases[4]; /* more names of stored tensors */
    struct number {
        const char *name;
        long value;
    } numbers[3];
};

/* save.c */
enum dtype save_type(const struct model *m); /* of most numbers in matrices */
int save_json(const char *folder, const char *name, const cJSON *object); /* -1 after fail() */

#endif
