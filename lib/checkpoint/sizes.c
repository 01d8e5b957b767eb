/* SPDX-License-Identifier: MIT
 * sizes.c - what the shapes of a checkpoint's tensors say about its towers
 *
 * Heads are 64 wide in every released file of ALBEF and BLIP; no tensor tells.  Tiny ones, whose
 * width 64 does not divide, have two.
 */
#include <math.h>
#include <stdio.h>
#include "base/error.h"
#include "checkpoint/sizes.h"

enum { NAME = 192, LAYERS = 1000 };

bool sizes_has(const struct weights *w, const char *name)
{
    return weights_find(w, name) != NULL;
}

long sizes_dim(const struct weights *w, const char *name, int axis)
{
    const struct stored *s = weights_find(w, name);

    return s && axis < s->rank ? s->shape[axis] : 0;
}

int sizes_layers(const struct weights *w, const char *pattern)
{
    char name[NAME];
    int n = 0;

    do
        snprintf(name, sizeof name, pattern, n);
    while (sizes_has(w, name) && ++n < LAYERS);
    return n;
}

static long dim_of(const struct weights *w, const char *prefix, const char *name, int axis)
{
    char full[NAME];

    snprintf(full, sizeof full, "%s%s", prefix, name);
    return sizes_dim(w, full, axis);
}

static int layers_of(const struct weights *w, const char *prefix, const char *pattern)
{
    char full[NAME];

    snprintf(full, sizeof full, "%s%s", prefix, pattern);
    return sizes_layers(w, full);
}

int sizes_heads(long width)
{
    return width % 64 ? 2 : (int)(width / 64);
}

void sizes_vit(const struct weights *w, const char *prefix, struct vit_config *c)
{
    long tokens = dim_of(w, prefix, "pos_embed", 1);

    *c = (struct vit_config){
        .patch = (int)dim_of(w, prefix, "patch_embed.proj.weight", 3),
        .width = dim_of(w, prefix, "patch_embed.proj.weight", 0),
        .mlp = dim_of(w, prefix, "blocks.0.mlp.fc1.weight", 0),
        .layers = layers_of(w, prefix, "blocks.%d.norm1.weight"),
        .eps = 1e-6f,
        .activation = ACTIVATION_GELU,
        .patch_bias = true,
        .norm_after = true,
    };
    c->image = tokens > 0 ? (int)lround(sqrt((double)tokens - 1)) * c->patch : 0;
    c->heads = sizes_heads(c->width);
}

void sizes_bert(const struct weights *w, const char *prefix, struct bert_config *c)
{
    char name[NAME];

    *c = (struct bert_config){
        .vocabulary = dim_of(w, prefix, "embeddings.word_embeddings.weight", 0),
        .width = dim_of(w, prefix, "embeddings.word_embeddings.weight", 1),
        .positions = dim_of(w, prefix, "embeddings.position_embeddings.weight", 0),
        .token_types = dim_of(w, prefix, "embeddings.token_type_embeddings.weight", 0),
        .mlp = dim_of(w, prefix, "encoder.layer.0.intermediate.dense.weight", 0),
        .layers = layers_of(w, prefix, "encoder.layer.%d.output.dense.weight"),
        .eps = 1e-12f,
        .cross_every = 1,
    };
    c->heads = sizes_heads(c->width);
    for (int i = 0; i < c->layers && !c->cross_width; i++) {
        snprintf(name, sizeof name, "encoder.layer.%d.crossattention.self.key.weight", i);
        c->cross_width = dim_of(w, prefix, name, 1);
        snprintf(name, sizeof name, "encoder.layer.%d.crossattention.self0.key.weight", i);
        c->pairs = !c->cross_width && dim_of(w, prefix, name, 1);
        c->cross_width += dim_of(w, prefix, name, 1);
        c->cross_from = i;
    }
    for (c->merge_from = 0; c->pairs && c->merge_from < c->layers; c->merge_from++) {
        snprintf(name, sizeof name, "encoder.layer.%d.crossattention.output.merge_layer.weight",
                 c->merge_from);
        if (dim_of(w, prefix, name, 0))
            break;
    }
}

/* A size out of a file is checked before memory is taken for it. */
int sizes_check_vit(const char *family, const struct vit_config *v)
{
    if (v->width < 1 || v->width > 65536 || v->layers < 1 || v->layers > LAYERS || v->heads < 1 ||
        v->width % v->heads || v->patch < 1 || v->patch > 1024 || v->image < v->patch ||
        v->image > 16384 || v->mlp < 1 || v->mlp > 1 << 20)
        return fail("the %s model's image tower makes no sense: width %ld, %d heads, %d layers, "
                    "image %d, patch %d",
                    family, v->width, v->heads, v->layers, v->image, v->patch);
    return 0;
}

int sizes_check_text(const char *family, const struct text_config *x)
{
    bool layers = x->layers >= 0 && x->layers <= LAYERS && x->heads >= 1 && x->heads <= 1 << 10 &&
                  x->width % x->heads == 0 && x->mlp >= 1 && x->mlp <= 1 << 20;

    if (x->width < 1 || x->width > 65536 || x->vocabulary < 1 || x->vocabulary > 1 << 24 ||
        x->context < 1 || x->context > 1 << 16 || (!layers && !x->bag))
        return fail("the %s model's text tower makes no sense: width %ld, %d heads, %d layers, "
                    "vocabulary %ld, %d places",
                    family, x->width, x->heads, x->layers, x->vocabulary, x->context);
    if (x->pad_id >= x->vocabulary)
        return fail("the %s model's pad_id is not in its vocabulary", family);
    return 0;
}

int sizes_check_bert(const char *family, const struct bert_config *t)
{
    if (t->width < 1 || t->width > 65536 || t->layers < 1 || t->layers > LAYERS || t->heads < 1 ||
        t->width % t->heads || t->vocabulary < 8 || t->vocabulary > 1 << 24 || t->positions < 2 ||
        t->positions > 1 << 20 || t->mlp < 1 || t->mlp > 1 << 20 || t->cross_width < 1)
        return fail("the %s model's text transformer makes no sense: width %ld, %d heads, %d "
                    "layers, vocabulary %ld",
                    family, t->width, t->heads, t->layers, t->vocabulary);
    return 0;
}
