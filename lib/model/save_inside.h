/* SPDX-License-Identifier: MIT
 * save_inside.h - what the sources of saving share among themselves
 */
#ifndef MODEL_SAVE_INSIDE_H
#define MODEL_SAVE_INSIDE_H

#include "model/save.h"

/* save_tensors.c - a model's parameters as a layout stores them: renamed, joined, turned, rounded
 */
struct piece {
    enum { PIECE_NUMBERS, PIECE_ROWS, PIECE_SCALES } form; /* as they are; int8, and its factors */
    const struct param *part[PACK_PARTS];
    int parts;
    bool transpose;
};
struct pieces {
    struct saving *list;  /* data NULL where pieces_make() has something to do */
    struct piece *pieces; /* one each */
    int count, capacity;
    struct arena names;
};
int pieces_gather(struct pieces *p, const struct model *m, const struct layout *l,
                  const struct save_options *o); /* -1 after fail() */
void pieces_make(void *pieces, int index, void *out);
void pieces_free(struct pieces *p);

/* save_words.c - the tokenizer's files into a folder: t, which was read from `from` */
int save_tokenizer(const struct model *m, const struct tokenizer *t, const char *from,
                   const char *folder);

/* save.c */
int save_json(const char *folder, const char *name, const cJSON *object); /* -1 after fail() */

/* save_config.c - values of a configuration: set, or put in place of what is there */
cJSON *config_begin(const struct model *m, const char *type); /* as it was read, or a new one */
cJSON *config_object(cJSON *o, const char *name);             /* the one of that name */
void config_whole(cJSON *o, const char *name, long value);
void config_real(cJSON *o, const char *name, float value); /* as short as reads back */
void config_flag(cJSON *o, const char *name, bool value);
void config_word(cJSON *o, const char *name, const char *value);
void config_words(cJSON *o, const char *name, const char *const *values); /* NULL last */
void config_activation(cJSON *o, const char *name, enum activation which);

#endif
