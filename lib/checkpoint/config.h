/* SPDX-License-Identifier: MIT
 * config.h - the JSON beside a checkpoint, read and written
 */
#ifndef CHECKPOINT_CONFIG_H
#define CHECKPOINT_CONFIG_H

#include <stddef.h>
#include "base/core.h"
#include "base/json.h"
#include "image/image.h"
#include "text/text.h"
#include "tensor/tensor.h"

struct model;

/* config.c
 *
 * Values with defaults.  The first that is not what it should be is reported by fail() and marks
 * the reader, so that one check at the end is enough. */
struct reader {
    const cJSON *object; /* NULL: every value has its default */
    const char *where;   /* for messages: "text_config" */
    bool bad;
};
long read_whole(struct reader *r, const char *name, long otherwise); /* 0 .. 2^24 */
double read_real(struct reader *r, const char *name, double otherwise);
bool read_flag(struct reader *r, const char *name, bool otherwise);
const char *read_word(struct reader *r, const char *name, const char *otherwise);
/* Marks the reader if the value is there and is neither null, false, 0 nor `harmless`. */
void read_refuse(struct reader *r, const char *name, const char *harmless);

/* A field of a configuration: its name in the file, its place in a struct of ours, and its value
 * where the file does not say it.  A table of fields is read and written. */
struct field {
    const char *name; /* NULL ends a table */
    enum field_kind {
        FIELD_INT,
        FIELD_LONG,
        FIELD_REAL, /* float */
        FIELD_FLAG, /* bool */
        FIELD_NOT,  /* bool, the other way round than in the file */
        FIELD_ACTIVATION,
        FIELD_CHOICE, /* int: which of `words` */
        FIELD_SQUARE, /* int, in the file n or [n, n] */
        FIELD_SAME,   /* long that is there already; another value is refused */
        /* No place: any other value is refused, and this one is written. */
        FIELD_IS_NUMBER,
        FIELD_IS_FLAG,
        FIELD_IS_WORD, /* `word` */
        FIELD_REFUSED, /* any value but null, false, 0 and `word` is refused; not written */
    } kind;
    size_t at;
    double otherwise; /* the value where the file has none .. */
    bool kept;        /* .. or the one that is in the struct when it is read */
    const char *word;
    const char *const *words;      /* NULL last */
    enum { BOTH, READ, WRITE } to; /* in which direction the row counts */
};
/* FIELD("hidden_size", LONG, .at = offsetof(..), .otherwise = 768) */
#define FIELD(name_, kind_, ...)                                                                   \
    {                                                                                              \
        .name = name_, .kind = FIELD_##kind_, __VA_ARGS__                                          \
    }
/* fields.c - those that several families share, as transformers names them.  The defaults are what
 * the struct holds when it is read. */
extern const struct field fields_vit[];      /* of struct vit_config: the sizes .. */
extern const struct field fields_vit_kind[]; /* .. epsilon and activation */
extern const struct field fields_text[];     /* of struct text_config */

void config_read(struct reader *r, const struct field *fields, void *object);
void config_write(cJSON *o, const struct field *fields, const void *object);

/* Values that no table has: set, or put in place of what is there. */
cJSON *config_begin(const char *type);            /* {"model_type": type} */
cJSON *config_object(cJSON *o, const char *name); /* the one of that name */
void config_whole(cJSON *o, const char *name, long value);
void config_real(cJSON *o, const char *name, float value); /* as short as reads back */
void config_flag(cJSON *o, const char *name, bool value);
void config_word(cJSON *o, const char *name, const char *value);
void config_reals(cJSON *o, const char *name, const float *values, int count);
void config_put(cJSON *o, const char *name, cJSON *value);                /* takes the value */
void config_words(cJSON *o, const char *name, const char *const *values); /* NULL last */

/* preprocess.c - how images are prepared; size: what the image tower takes */
void preprocess_clip(struct preprocess *p, int size);    /* as openai/CLIP does */
void preprocess_squash(struct preprocess *p, int size);  /* as ALBEF and BLIP do */
void preprocess_shapes(struct preprocess *p, int patch); /* in squares, as SigLIP 2's NaFlex does */
void preprocess_as_stored(struct preprocess *p);         /* neither turned nor laid on a ground */
/* As transformers' processor of that name; root NULL: as it does where nothing is said, for a model
 * of this size. */
struct preprocess_source {
    const cJSON *root;
    const char *where;     /* for messages; NULL: preprocessor_config.json */
    const char *processor; /* unless the file names another: "CLIPImageProcessor" */
};
int preprocess_hf(struct preprocess *p, const struct preprocess_source *from, int size);
/* m->image.preprocess as the folder says it, for a model of this size; then m->image.size, where
 * the caller asked for another.  What is there before is the default.  -1 after fail(). */
int preprocess_model(struct model *m, bool hf, int size);
/* What the user asks for: NULL keeps the model's own; see struct vlm_options.  -1 after fail(). */
int preprocess_choose(struct preprocess *p, const char *orient, const char *background);
int preprocess_open_clip(struct preprocess *p, const cJSON *root, int size);
/* The same as Hugging Face's processor of that name reads it; to delete.  NULL after fail(). */
cJSON *preprocess_config(const struct preprocess *p, const char *processor);

#endif
