/* SPDX-License-Identifier: MIT
 * layout.h - released layouts: under which names a checkpoint keeps our parameters
 *
 * A layout is a table of renamings in sections.  In names `*` stands for a number, and one that
 * ends in `.` is a prefix: what follows it is the same on both sides.  The table is read both ways:
 * loading asks where a parameter lies, saving writes it there.
 */
#ifndef CHECKPOINT_LAYOUT_H
#define CHECKPOINT_LAYOUT_H

#include "base/memory.h"
#include "tensor/tensor.h"
#include "weights/weights.h"

struct rename {
    const char *ours, *theirs;
    int part, parts; /* rows part/parts of their tensor; parts 0: all of it */
    bool transpose;  /* theirs is [in, out] */
    int axes;        /* of theirs, with ones in front, if that is more than ours has */
};
struct section {
    const char *ours, *theirs;    /* before the names of the renamings */
    const struct rename *renames; /* ends with a row of NULL */
};
struct layout {
    const char *name;
    const struct section *sections; /* ends likewise; NULL: names are the same */
    /* From our name to our name: a parameter that a file lacks is the other one there. */
    const struct layout *ties; /* or NULL */
    /* The image tower's class token and positions, and queries, have ones in front: [1, n, width]
     */
    bool batched;
    const struct section *const *const *others; /* further tables; ends with NULL; NULL: none */
};
/* Ours is rows part_/parts_ of their tensor. */
#define RENAME_PART(ours_, theirs_, part_, parts_)                                                 \
    {                                                                                              \
        .ours = ours_, .theirs = theirs_, .part = part_, .parts = parts_                           \
    }
/* Rows of a self-attention whose query, key and value are the thirds of one tensor: its weight and
 * its bias begin with `theirs`. */
#define RENAME_QKV(theirs_)                                                                        \
    RENAME_PART("attention.query.weight", theirs_ "weight", 0, 3),                                 \
        RENAME_PART("attention.key.weight", theirs_ "weight", 1, 3),                               \
        RENAME_PART("attention.value.weight", theirs_ "weight", 2, 3),                             \
        RENAME_PART("attention.query.bias", theirs_ "bias", 0, 3),                                 \
        RENAME_PART("attention.key.bias", theirs_ "bias", 1, 3),                                   \
        RENAME_PART("attention.value.bias", theirs_ "bias", 2, 3)
struct place { /* where a parameter lies */
    char name[192];
    int part, parts; /* parts >= 1 */
    bool transpose;
    int axes; /* see struct rename */
};
bool layout_place(const struct layout *l, const char *ours, struct place *place);

/* names.c - BERT, OPT, T5 and the towers of CLIP and SigLIP as Hugging Face spells them, timm's
 * vision transformer, and EfficientNet-Lite as its released files do */
extern const struct rename layout_bert[], layout_bert_layer[], layout_bert_head[];
extern const struct rename layout_vit[], layout_vit_block[];
extern const struct rename layout_hf_block[], layout_hf_vision[], layout_hf_text[];
extern const struct rename layout_efficientnet[], layout_efficientnet_block[];
extern const struct rename layout_opt[], layout_opt_block[];
extern const struct rename layout_t5[], layout_t5_stack[];
extern const struct rename layout_t5_encoder_layer[], layout_t5_decoder_layer[];

/* bind.c - tensors of a file become parameters
 *
 * A parameter that lies in one piece points into the mapped file; others, and running statistics,
 * are copied.  Vectors, scalars and position tables are widened to f32.  Bytes (i8) come with a f32
 * factor a row, NAME.scale.  What the file lacks and
 * the layout ties to a parameter before it shares that one's tensor.  `ignored`: endings of names
 * that mean nothing, or behind a '*' beginnings, NULL last.  -1 after fail() with one sentence that
 * names what is missing, misshapen or unknown.
 */
int params_bind(struct params *p, const struct weights *w, const struct layout *l,
                const char *const *ignored, struct arena *memory);
/* The same from several files: the first that has a parameter gives it.  Names in the first file
 * alone must mean something; the others may hold more. */
struct source {
    struct weights *weights;
    const struct layout *layout;
};
int params_bind_all(struct params *p, const struct source *sources, int count,
                    const char *const *ignored, struct arena *memory);
/* A stored tensor of short or whole floats, as f32: a copy. */
bool stored_is_float(const struct stored *s); /* f32, f16 or bf16 */
float *stored_floats(const struct stored *s, struct arena *memory);
void tensor_widen(struct tensor *x, struct arena *memory); /* to f32, a copy */
bool param_wide(const struct param *p); /* small, and added to activations as it is: f32 */

#endif
