/* SPDX-License-Identifier: MIT
 * open_clip.h - open_clip's models of other towers: an image tower of timm, a text tower of Hugging
 * Face, the sigmoid's bias, tokenizers that are not CLIP's
 *
 * What has OpenAI's two towers and tokenizer is family/clip's.  Of timm's towers the configuration
 * has the name alone: the name says what a layer is and how many heads it has, the tensors' shapes
 * say how wide and deep the tower is.
 */
#ifndef OPEN_CLIP_OPEN_CLIP_H
#define OPEN_CLIP_OPEN_CLIP_H

#include "base/json.h"
#include "checkpoint/layout.h"
#include "decode/decode.h"
#include "nn/bert.h"
#include "nn/coca.h"
#include "nn/convnext.h"
#include "nn/fastvit.h"
#include "nn/mbconv.h"
#include "nn/pool_head.h"
#include "nn/pooler.h"
#include "nn/stem.h"
#include "nn/t5.h"
#include "nn/text.h"
#include "nn/vit.h"

/* A tower is its file and its row here, with what it keeps in the structs below.  timm's are asked
 * in this order whether they know a name: trunk_NAME.c has trunk_NAME; Hugging Face's are found by
 * their names: words_NAME.c has words_NAME.  open_clip's own are trunk_own and words_own. */
#define TRUNKS(row) row(vit) row(stem) row(mbconv) row(convnext) row(fastvit)
#define WORDS(row)  row(bert) row(t5) row(nllb)

enum image_pooling { IMAGE_CLASS, IMAGE_MEAN, IMAGE_QUERY, IMAGE_QUERIES };
enum projection { PROJECTION_NONE, PROJECTION_LINEAR, PROJECTION_MLP };

struct image_config {
    const struct trunk *trunk;
    const char *spelling;  /* how its tensors are called: a word of its sections */
    int size;              /* pixels a side */
    struct vit_config vit; /* of what is a vision transformer, or ends in one */
    struct stem_config stem;
    struct mbconv_config mbconv;
    struct convnext_config convnext;
    struct fastvit_config fastvit;
    enum image_pooling pooling;
    bool norm_after_pool;
    int pool_heads; /* of IMAGE_QUERY */
    long pool_mlp;
    enum activation pool_activation;
    struct pooler_config pooler; /* of IMAGE_QUERIES: the first is the class token's */
    enum projection projection;
    bool projection_bias;
    bool inside; /* the projection is the trunk's own head */
};
struct words_config {
    const struct words *words;
    struct text_config text; /* of open_clip's own, and NLLB's */
    struct bert_config bert;
    struct t5_config t5;
    int context;
    enum projection projection;
    bool projection_bias;
};
struct open_clip_config {
    long embedding; /* width of the common space */
    bool sigmoid;   /* a pair has a probability of its own: there is a bias */
    bool flat;      /* tensors of the text tower have no "text." before their names */
    struct image_config image;
    struct words_config words;
    bool writes; /* CoCa */
    struct coca_config decoder;
};

struct image_tower {
    struct image_config config;
    struct vit vit;
    struct stem stem;
    struct mbconv mbconv;
    struct convnext convnext;
    struct fastvit fastvit;
    struct pool_head pool;
    struct pooler pooler;
    struct linear projection, second; /* second: of PROJECTION_MLP */
};
struct words_tower {
    struct words_config config;
    struct text text;
    struct bert bert;
    struct t5 t5;
    struct linear projection, second;
};
struct open_clip {
    struct open_clip_config config;
    struct image_tower image;
    struct words_tower words;
    struct coca decoder;
    struct tensor *logit_scale, *logit_bias; /* scalars; the scale's logarithm; bias may be NULL */
};

/* model.c */
void open_clip_init(struct open_clip *o, const struct open_clip_config *c);
void open_clip_params(struct open_clip *o, struct params *p);

/* config.c - what model_cfg and the tensors' shapes say; -1 after fail() */
int open_clip_config(const cJSON *model, const struct weights *w, struct open_clip_config *c);

/* trunk.c - timm's tower of that name, for pictures of c->size pixels: what the name and the
 * tensors' shapes say.  -1 after fail() */
int open_clip_timm(const char *name, const struct weights *w, struct image_config *c);
long open_clip_axis(const struct weights *w, const char *name, int which); /* 0: not there */
/* How many numbers from 0 on make a name that is there. */
int open_clip_count(const struct weights *w, const char *before, const char *after);

/* What a kind of image tower does. */
#define TRUNK "visual.trunk." /* before timm's names of tensors */
struct trunk {
    /* Does it know that name?  Then it says what the tower is. */
    bool (*describe)(const char *name, const struct weights *w, struct image_config *c);
    int (*check)(const struct image_config *c); /* -1 after fail(): sizes that cannot be */
    const struct section *sections;             /* its tensors' names */
    void (*init)(struct image_tower *v);
    void (*params)(struct image_tower *v, struct params *p);
    int (*tokens)(const struct image_config *c);
    long (*width)(const struct image_config *c);
    long (*room)(const struct image_config *c); /* see struct image_side; NULL: 0 */
    /* pixels: [n, 3, size, size] -> [n, tokens, width] */
    struct tensor *(*forward)(struct tape *t, struct image_tower *v, struct tensor *pixels);
    /* x: their mean, [n, width]; NULL: a vision transformer, which has a last norm, and may have a
     * class token */
    struct tensor *(*finish)(struct tape *t, struct image_tower *v, struct tensor *x);
    const struct tensor *(*matrix)(const struct image_tower *v);
    void (*close)(struct image_tower *v);
};
#define DECLARE(name) extern const struct trunk trunk_##name;
DECLARE(own)
TRUNKS(DECLARE)
#undef DECLARE
/* trunk_vit.c - of towers that end in a vision transformer: what timm's classes begin with */
void trunk_vit_begin(const struct weights *w, int heads, enum activation act,
                     struct image_config *c);

/* image.c - pixels: [n, 3, size, size] -> behind the last layer: [n, tokens, width]; and these to
 * embeddings, not normalised: [n, embedding] */
void image_tower_init(struct image_tower *v, const struct image_config *config);
void image_tower_params(struct image_tower *v, struct params *p, long embedding);
void image_tower_close(struct image_tower *v);
int image_tower_tokens(const struct image_config *c);
long image_tower_width(const struct image_config *c);
long image_tower_room(const struct image_config *c); /* see struct image_side */
struct tensor *image_tower_features(struct tape *t, struct image_tower *v, struct tensor *pixels);
struct tensor *image_tower_embed(struct tape *t, struct image_tower *v, struct tensor *features);
/* CoCa: what its decoder looks at of the features: [n, tokens, width] */
struct tensor *image_tower_states(struct tape *t, struct image_tower *v, struct tensor *features);
const struct tensor *image_tower_matrix(const struct image_tower *v);
/* What stands between a tower and the common space; NULL projection: x itself. */
void projection_params(struct linear *first, struct linear *second, struct params *p,
                       const long widths[3], bool bias);

/* words.c - texts as in nn/text.h -> embeddings: [texts, embedding] */
void words_tower_init(struct words_tower *x, const struct words_config *config);
void words_tower_params(struct words_tower *x, struct params *p, long embedding);
void words_tower_close(struct words_tower *x);
struct tensor *words_tower_embed(struct tape *t, struct words_tower *x, const int *ids,
                                 const int *counts, int texts);
long words_tower_vocabulary(const struct words_config *c);
long words_tower_width(const struct words_config *c);
/* Hugging Face's tower of that name, for texts of c->context ids.  -1 after fail() */
int open_clip_words(const char *name, const struct weights *w, struct words_config *c);

/* What a kind of text tower does; pooled: [texts, width]. */
#define WORDS_AT "text.transformer." /* before Hugging Face's names of tensors */
struct words {
    const struct words_name { /* of repositories, without who made them; ends with NULL */
        const char *name;
        int heads;
    } * names;
    const char *called; /* before its parameters; NULL: nothing is */
    const char *pooler; /* the hf_pooler_type that it has */
    void (*describe)(const struct weights *w, int heads, struct words_config *c);
    int (*check)(const struct words_config *c);
    const struct section *sections;
    void (*init)(struct words_tower *x);
    void (*params)(struct words_tower *x, struct params *p);
    long (*vocabulary)(const struct words_config *c);
    long (*width)(const struct words_config *c);
    struct tensor *(*pooled)(struct tape *t, struct words_tower *x, const int *ids,
                             const int *counts, int texts);
    void (*close)(struct words_tower *x);
};
#define DECLARE(name) extern const struct words words_##name;
DECLARE(own)
WORDS(DECLARE)
#undef DECLARE

/* write.c - CoCa: texts about pictures, of which these are the features; as decode() */
int open_clip_write(struct open_clip *o, struct tensor *features, const struct prompt *prompts,
                    const struct decoding *d, struct hypothesis *out);

#define PLAIN(ours_, theirs_)                                                                      \
    {                                                                                              \
        .ours = ours_, .theirs = theirs_                                                           \
    }
/* layout.c - flat: of a text tower without "text." before its names */
extern const struct layout open_clip_layout_flat, open_clip_layout_custom;

#endif
