/* SPDX-License-Identifier: MIT
 * pretrained.c - a new model begins with the weights of other ones, where names and shapes agree
 *
 * Read are BERT, as Hugging Face spells it with and without "bert." in front, and vision
 * transformers as timm spells them (DeiT), and EfficientNet-Lite.  A text transformer in several
 * roles takes BERT's into each; what BERT lacks, cross-attention and heads, stays as it was drawn.
 * Positions of another image size are interpolated.
 */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "learn/learn.h"
#include "checkpoint/position.h"

enum { APPENDED = 16 }; /* entries of a vocabulary at most, behind those of the other model */

#define TEXT(role, prefix)                                                                         \
    { role "layer.*.", prefix "encoder.layer.*.", layout_bert_layer },                             \
        { role "head.", "cls.predictions.", layout_bert_head },                                    \
    {                                                                                              \
        role, prefix, layout_bert                                                                  \
    }

static const struct section bert_inside[] = { TEXT("encoder.", "bert."),
                                              TEXT("decoder.", "bert."),
                                              { 0 } };
static const struct section bert_alone[] = { TEXT("encoder.", ""), TEXT("decoder.", ""), { 0 } };
static const struct section vit[] = { { "vision.block.*.", "blocks.*.", layout_vit_block },
                                      { "vision.", "", layout_vit },
                                      { 0 } };
static const struct section net[] = { { "vision.block.*.", "_blocks.*.",
                                        layout_efficientnet_block },
                                      { "vision.", "", layout_efficientnet },
                                      { 0 } };
static const struct origin {
    const char *sign; /* a tensor that tells it */
    struct layout layout;
} origins[] = {
    { "bert.embeddings.word_embeddings.weight", { .sections = bert_inside } },
    { "embeddings.word_embeddings.weight", { .sections = bert_alone } },
    { "cls_token", { .sections = vit } },
    { "_conv_stem.weight", { .sections = net } },
};

/* Sides of the grids, if the table differs from ours in nothing but their size. */
static bool other_grid(const struct param *p, const struct stored *s, int *from, int *to)
{
    long wide = p->shape[1], have;

    if (strcmp(p->name, "vision.position") || s->rank < 1 || s->shape[s->rank - 1] != wide)
        return false;
    have = stored_count(s) / wide - 1;
    *from = (int)lround(sqrt((double)have));
    *to = (int)lround(sqrt((double)p->shape[0] - 1));
    return have > 0 && (long)*from * *from == have;
}

/* The last axis and the number of all agree, ones in front or not. */
static bool fits(const struct param *p, const struct stored *s, int parts)
{
    const struct tensor *x = *p->slot;

    return stored_count(s) == tensor_count(x) * parts &&
           (p->rank < 2 || s->shape[s->rank - 1] == p->shape[p->rank - 1]);
}

/* Entries that were appended to the vocabulary, as BLIP's [DEC] and [ENC], stay as they were drawn.
 */
static bool shorter_vocabulary(const struct param *p, const struct stored *s)
{
    const char *dot = strrchr(p->name, '.');

    return dot && !strcmp(dot, ".words") && s->rank == 2 && s->shape[1] == p->shape[1] &&
           s->shape[0] < p->shape[0] && p->shape[0] - s->shape[0] <= APPENDED;
}

static bool take(struct param *p, const struct stored *s, int part, int parts)
{
    struct tensor *x = *p->slot;
    struct arena memory = { 0 };
    int from, to;
    bool taken = true;

    if (fits(p, s, parts))
        memcpy(x->data, stored_floats(s, &memory) + part * tensor_count(x),
               (size_t)tensor_count(x) * sizeof *x->data);
    else if (shorter_vocabulary(p, s))
        memcpy(x->data, stored_floats(s, &memory), (size_t)stored_count(s) * sizeof *x->data);
    else if (other_grid(p, s, &from, &to))
        position_resize(x->data, to, stored_floats(s, &memory), from, p->shape[1], false);
    else
        taken = false;
    arena_free(&memory);
    return taken;
}

static int init_from_layout(struct model *m, const struct weights *w, const struct layout *l,
                            int *unfit)
{
    int count = 0;

    for (int i = 0; i < m->params.count; i++) {
        struct param *p = &m->params.list[i];
        struct place place;
        const struct stored *s = NULL;

        if (*p->slot && (*p->slot)->type == DTYPE_F32 && !(*p->slot)->mapped &&
            layout_place(l, p->name, &place))
            s = weights_find(w, place.name);
        if (!s || !stored_is_float(s))
            continue;
        if (take(p, s, place.part, place.parts))
            count++;
        else
            ++*unfit;
    }
    return count;
}

int model_init_from(struct model *m, const char *path)
{
    struct weights *w = weights_open(path);
    int count = 0, unfit = 0;

    if (!w)
        return -1;
    for (int i = 0; i < COUNT(origins) && !count; i++)
        if (weights_find(w, origins[i].sign))
            count = init_from_layout(m, w, &origins[i].layout, &unfit);
    weights_close(w);
    if (unfit)
        return fail("%s: %d tensors have other shapes than the model's", path, unfit);
    return count ? count : fail("%s: neither BERT nor an image tower for this model", path);
}
