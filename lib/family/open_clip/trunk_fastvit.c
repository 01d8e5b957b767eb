/* SPDX-License-Identifier: MIT
 * trunk_fastvit.c - FastViT, of MobileCLIP and MobileCLIP2
 *
 * Source: huggingface/pytorch-image-models 1.0.31, timm/models/fastvit.py.
 */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/open_clip/open_clip.h"

/* Which of the two is there says what a layer is.  The first stage halves nothing. */
static void describe_stage(const struct weights *w, int at, struct fastvit_stage_config *s)
{
    char before[48], name[96];

    snprintf(before, sizeof before, TRUNK "stages.%d.", at);
    snprintf(name, sizeof name, "%sblocks.", before);
    s->blocks = open_clip_count(w, name, ".mlp.fc1.weight");
    snprintf(name, sizeof name, "%sblocks.0.mlp.fc1.weight", before);
    s->mlp = open_clip_axis(w, name, 0);
    s->width = open_clip_axis(w, name, 1);
    snprintf(name, sizeof name, "%sdownsample.proj.0.se.fc1.weight", before);
    s->squeeze = open_clip_axis(w, name, 0);
    s->halves = at > 0;
    snprintf(name, sizeof name, "%spos_emb.pos_enc.weight", before);
    s->placed = weights_find(w, name);
    snprintf(name, sizeof name, "%spos_emb.reparam_conv.weight", before);
    s->placed |= weights_find(w, name) != NULL;
    snprintf(name, sizeof name, "%sblocks.0.token_mixer.qkv.weight", before);
    s->attends = weights_find(w, name);
}

static bool describe(const char *name, const struct weights *w, struct image_config *c)
{
    struct fastvit_config *f = &c->fastvit;

    if (strncmp(name, "fastvit_mci", strlen("fastvit_mci")))
        return false;
    c->spelling = "fastvit";
    c->projection_bias = true;
    f->image = c->size;
    f->stages = open_clip_count(w, TRUNK "stages.", ".blocks.0.mlp.fc1.weight");
    f->stages = f->stages < FASTVIT_STAGES ? f->stages : FASTVIT_STAGES;
    for (int i = 0; i < f->stages; i++)
        describe_stage(w, i, &f->stage[i]);
    f->folded = weights_find(w, TRUNK "stem.0.reparam_conv.weight");
    f->stem_no_scale = !weights_find(w, TRUNK "stem.0.conv_scale.conv.weight");
    f->layer_norm = f->stages == FASTVIT_STAGES; /* MCi3, MCi4 */
    f->squeeze = open_clip_axis(w, TRUNK "final_conv.se.fc1.weight", 0);
    f->out = open_clip_axis(w, TRUNK "final_conv.se.fc1.weight", 1);
    return true;
}

static int check(const struct image_config *c)
{
    const struct fastvit_config *f = &c->fastvit;

    for (int k = 0; k < f->stages; k++)
        if (f->stage[k].blocks < 1 || f->stage[k].width < 1 || f->stage[k].width > 1 << 16 ||
            (f->stage[k].attends && f->stage[k].width % 32))
            return fail("FastViT with %d blocks of width %ld is not possible", f->stage[k].blocks,
                        f->stage[k].width);
    return 0;
}

static void init(struct image_tower *v)
{
    fastvit_init(&v->fastvit, &v->config.fastvit);
}

static void params(struct image_tower *v, struct params *p)
{
    fastvit_params(&v->fastvit, p);
}

static int tokens(const struct image_config *c)
{
    return fastvit_tokens(&c->fastvit);
}

static long wide(const struct image_config *c)
{
    return c->fastvit.out;
}

static long room(const struct image_config *c)
{
    return fastvit_room(&c->fastvit);
}

static struct tensor *forward(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return fastvit_forward(t, &v->fastvit, pixels);
}

static struct tensor *finish(struct tape *t, struct image_tower *v, struct tensor *x)
{
    (void)t;
    (void)v;
    return x;
}

static const struct tensor *matrix(const struct image_tower *v)
{
    return v->fastvit.stage[0].blocks[0].fc1.weight[0];
}

static void close(struct image_tower *v)
{
    fastvit_close(&v->fastvit);
}

/* Its names are ours, but for what is one tensor there. */
static const struct rename mixer[] = {
    RENAME_QKV("qkv."),
    PLAIN("proj.", "proj."),
    { 0 },
};

static const struct rename outside[] = {
    PLAIN("stem.", "stem."),
    PLAIN("stages.", "stages."),
    PLAIN("final_conv.", "final_conv."),
    PLAIN("projection.", "head.fc."),
    { 0 },
};

static const struct section sections[] = {
    { "vision.fastvit.stages.*.blocks.*.token_mixer.", TRUNK "stages.*.blocks.*.token_mixer.",
      mixer },
    { "vision.fastvit.", TRUNK, outside },
    { 0 },
};

const struct trunk trunk_fastvit = {
    .describe = describe,
    .check = check,
    .sections = sections,
    .init = init,
    .params = params,
    .tokens = tokens,
    .width = wide,
    .room = room,
    .forward = forward,
    .finish = finish,
    .matrix = matrix,
    .close = close,
};
