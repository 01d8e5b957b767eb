/* SPDX-License-Identifier: MIT
 * clip.h - CLIP: two towers meeting in one space (arXiv 2103.00020)
 */
#ifndef CLIP_CLIP_H
#define CLIP_CLIP_H

#include "base/core.h"
#include "base/json.h"
#include "checkpoint/layout.h"
#include "nn/resnet.h"
#include "nn/text.h"
#include "nn/vit.h"

struct clip_config {
    long embedding; /* width of the common space */
    bool has_vision, has_text;
    bool is_resnet; /* else a vision transformer */
    bool mean_pool; /* of the squares, instead of the class token */
    bool norm_after_pool;
    bool worldwide; /* MetaCLIP 2: XLM-V's vocabulary, whose end is not its largest id */
    struct vit_config vit;
    struct resnet_config resnet;
    struct text_config text;
    float first_scale; /* logit_scale of a new model */
};

struct clip {
    struct clip_config config;
    struct vit vit;
    struct resnet resnet;
    struct text text;
    struct linear image_projection, text_projection; /* [embedding, width]; none for ResNets */
    struct tensor *logit_scale;                      /* log of the temperature's inverse */
};

/* forward.c */
void clip_init(struct clip *m, const struct clip_config *config);
void clip_params(struct clip *m, struct params *p);
void clip_close(struct clip *m);
int clip_image_size(const struct clip_config *c);
int clip_feature_tokens(const struct clip_config *c);
long clip_feature_width(const struct clip_config *c);
/* pixels: [n, 3, size, size] -> behind the last layer, before pooling: [n, tokens, width] */
struct tensor *clip_features(struct tape *t, struct clip *m, struct tensor *pixels);
struct tensor *clip_image_of(struct tape *t, struct clip *m, struct tensor *features);
/* Embeddings, not normalised: [n, embedding].  Texts as in nn/text.h. */
struct tensor *clip_image(struct tape *t, struct clip *m, struct tensor *pixels);
struct tensor *clip_text(struct tape *t, struct clip *m, const int *ids, const int *counts,
                         int texts);
/* Image i and text i belong together; n of each. */
struct tensor *clip_loss(struct tape *t, struct clip *m, struct tensor *pixels, const int *ids,
                         const int *counts);

/* layout.c */
extern const struct layout clip_layout_openai, clip_layout_open_clip_custom, clip_layout_hf,
    clip_layout_own;
extern const struct rename clip_names_block[], clip_names_vit[]; /* OpenAI's spelling */

/* shapes.c - OpenAI's own file: the archive of a program, or its tensors alone */
struct model;
struct clip *model_clip(const struct model *m); /* NULL if it is none */
bool clip_is_openai(const struct weights *w);
bool clip_is_spelt_openai(
    const struct weights *w); /* OpenAI's names, but perhaps open_clip's model */

/* config.c - 0, or -1 after fail() */
bool clip_is_hf(const char *type); /* a model_type of transformers' */
int clip_config_hf(const cJSON *root, struct clip_config *c);
int clip_config_own(const cJSON *root, struct clip_config *c);
int clip_config_open_clip(const cJSON *model, struct clip_config *c);
int clip_config_shapes(const struct weights *w, struct clip_config *c); /* shapes.c */
int clip_config_check(const struct clip_config *c);
const char *clip_pooling_name(enum pooling pooling); /* in our config.json */

/* config.c, shapes.c - as family's config() and original(); see model.h */
struct model;
struct tokenizer;
cJSON *clip_save_config(const struct model *m, const struct tokenizer *t,
                        const struct layout **layout);
struct original;
int clip_save_original(const struct model *m, struct original *o);

#endif
