/* SPDX-License-Identifier: MIT
 * config.c - SigLIP's sizes, read from config.json and written
 *
 * Source: huggingface/transformers models/siglip/configuration_siglip.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/error.h"
#include "base/json.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"
#include "checkpoint/sizes.h"
#include "family/registry.h"
#include "family/siglip/siglip.h"

#define AT(member) .at = offsetof(struct siglip_config, member)

/* The defaults of transformers' classes. */
static const struct vit_config usual_vit = {
    .image = 224,
    .patch = 16,
    .width = 768,
    .mlp = 3072,
    .layers = 12,
    .heads = 12,
    .eps = 1e-6f,
    .activation = ACTIVATION_GELU_TANH,
    .no_class = true,
    .patch_bias = true,
    .norm_after = true,
};
static const struct text_config usual_text = {
    .vocabulary = 32000,
    .width = 768,
    .mlp = 3072,
    .context = 64,
    .layers = 12,
    .heads = 12,
    .eps = 1e-6f,
    .activation = ACTIVATION_GELU_TANH,
    .pad = true,
    .pooling = POOL_LAST,
};

static const struct field hf_channels[] = {
    FIELD("num_channels", IS_NUMBER, .otherwise = 3),
    { 0 },
};
static const struct field hf_head[] = {
    FIELD("vision_use_head", IS_FLAG, .otherwise = true),
    { 0 },
};
static const struct field hf_shapes[] = {
    FIELD("num_patches", INT, AT(squares), .otherwise = 256),
    { 0 },
};
static const struct field hf_projection[] = {
    FIELD("projection_size", LONG, AT(embedding)),
    { 0 },
};

/* SigLIP 2 reads texts with Gemma's tokenizer; SigLIP's own has 32,000 pieces. */
enum { GEMMA_VOCABULARY = 256000 };

/* Images have no projection: their width is the embedding's. */
static int check(const struct siglip_config *c)
{
    if ((c->has_vision && sizes_check_vit("SigLIP", &c->vit)) ||
        (c->has_text && sizes_check_text("SigLIP", &c->text)))
        return -1;
    if (c->embedding < 1 || c->embedding > 65536 || (c->has_vision && c->embedding != c->vit.width))
        return fail("images have %ld numbers and texts %ld: they cannot be compared", c->vit.width,
                    c->embedding);
    return 0;
}

/* The tokenizer of SigLIP pads by </s>, which is 1, that of SigLIP 2 by <pad>, which is 0; what
 * config.json says of it is a default that neither uses. */
static void read_text(struct reader *r, struct siglip_config *c)
{
    c->has_text = true;
    c->text = usual_text;
    config_read(r, fields_text, &c->text);
    config_read(r, hf_projection, c);
    c->text.pad_id = c->text.vocabulary < GEMMA_VOCABULARY;
    if (!c->embedding)
        c->embedding = c->text.width;
}

/* The kinds of folders: what "model_type" and "architectures" are.  Where pictures keep their shape
 * transformers calls the model Siglip2; SigLIP 2 of fixed resolution is a Siglip there. */
static const struct kind {
    const char *types[3]; /* of both towers, images alone, texts alone */
    const char *classes[3];
} kinds[] = {
    { { "siglip", "siglip_vision_model", "siglip_text_model" },
      { "SiglipModel", "SiglipVisionModel", "SiglipTextModel" } },
    { { "siglip2", "siglip2_vision_model", "siglip2_text_model" },
      { "Siglip2Model", "Siglip2VisionModel", "Siglip2TextModel" } },
};

bool siglip_is_hf(const char *type, bool shapes)
{
    for (int i = 0; i < 3; i++)
        if (!strcmp(type, kinds[shapes].types[i]))
            return true;
    return false;
}

/* The grid of a table of that many places is as a picture of so many pixels would have it. */
static void read_shapes(struct reader *r, struct siglip_config *c)
{
    struct vit_config *v = &c->vit;
    int grid = 0;

    config_read(r, hf_shapes, c);
    while (grid < 1024 && grid * grid < c->squares)
        grid++;
    if (grid * grid != c->squares && !r->bad) {
        fail("%s: %d patches make no square", r->where, c->squares);
        r->bad = true;
    }
    v->squares = SQUARES_IN_SHAPES;
    v->image = v->patch > 0 && v->patch < 1 << 10 ? grid * v->patch : 0;
}

/* A folder of one tower has that tower's fields at the top. */
int siglip_config_hf(const cJSON *root, struct siglip_config *c)
{
    const char *type = json_string(root, "model_type", "siglip");
    bool shapes = siglip_is_hf(type, true);
    bool vision_alone = !strcmp(type, kinds[shapes].types[1]);
    bool text_alone = !strcmp(type, kinds[shapes].types[2]);
    struct reader vision = { root, "config.json: vision_config", false };
    struct reader text = { root, "config.json: text_config", false };

    *c = (struct siglip_config){ 0 };
    if (!vision_alone && !text_alone) {
        vision.object = json_get(root, "vision_config");
        text.object = json_get(root, "text_config");
    }
    if (!text_alone) {
        c->has_vision = true;
        c->vit = usual_vit;
        config_read(&vision, hf_channels, c);
        config_read(&vision, fields_vit, &c->vit);
        config_read(&vision, fields_vit_kind, &c->vit);
        config_read(&vision, hf_head, c);
        if (shapes)
            read_shapes(&vision, c);
    }
    if (!vision_alone)
        read_text(&text, c);
    else
        c->embedding = c->vit.width;
    return vision.bad || text.bad ? -1 : check(c);
}

/* --- big_vision: the shapes of its arrays say everything but the heads --- */

#define IMAGE "params/img/"
#define TEXT  "params/txt/"

static long axis(const struct weights *w, const char *name, int which)
{
    const struct stored *s = weights_find(w, name);

    return s && which < s->rank && s->shape[which] < 1 << 24 ? s->shape[which] : 0;
}

/* big_vision/models/vit.py, decode_variant: 64 wide but for these, and for the smallest, which has
 * two. */
static int heads_of(long width)
{
    static const struct {
        long width;
        int heads;
    } others[] = { { 1152, 16 }, { 1280, 16 }, { 1408, 16 },
                   { 1536, 16 }, { 1664, 16 }, { 1792, 16 } };

    for (int i = 0; i < COUNT(others); i++)
        if (others[i].width == width)
            return others[i].heads;
    return width < 64 ? 2 : (int)(width / 64);
}

static int layers_of(const struct weights *w, const char *before)
{
    int count = 0;

    for (bool there = true; there && count <= 1000;) {
        char *name = xprintf("%sencoderblock_%d/LayerNorm_0/scale", before, count);

        there = weights_find(w, name);
        count += there;
        free(name);
    }
    return count;
}

bool siglip_is_big_vision(const struct weights *w)
{
    return weights_find(w, IMAGE "MAPHead_0/probe") && weights_find(w, TEXT "Embed_0/embedding") &&
           weights_find(w, "params/b");
}

int siglip_config_big_vision(const struct weights *w, struct siglip_config *c)
{
    struct vit_config *v = &c->vit;
    struct text_config *x = &c->text;
    long squares = axis(w, IMAGE "pos_embedding", 1);

    *c = (struct siglip_config){ .has_vision = true, .has_text = true };
    *v = usual_vit;
    v->width = axis(w, IMAGE "embedding/kernel", 0);
    v->patch = (int)axis(w, IMAGE "embedding/kernel", 3);
    v->mlp = axis(w, IMAGE "Transformer/encoderblock_0/MlpBlock_0/Dense_0/kernel", 1);
    v->layers = layers_of(w, IMAGE "Transformer/");
    v->heads = heads_of(v->width);
    v->image = (int)lround(sqrt((double)squares)) * v->patch;
    *x = usual_text;
    x->vocabulary = axis(w, TEXT "Embed_0/embedding", 0);
    x->width = axis(w, TEXT "Embed_0/embedding", 1);
    x->mlp = axis(w, TEXT "Encoder_0/encoderblock_0/MlpBlock_0/Dense_0/kernel", 1);
    x->context = (int)axis(w, TEXT "pos_embedding", 1);
    x->layers = layers_of(w, TEXT "Encoder_0/");
    x->heads = heads_of(x->width);
    x->pad_id = x->vocabulary < GEMMA_VOCABULARY;
    c->embedding = axis(w, TEXT "head/kernel", 1);
    return check(c);
}

cJSON *siglip_save_config(const struct model *m, const struct tokenizer *t,
                          const struct layout **layout)
{
    const struct siglip_config *c = &((const struct siglip *)m->self)->config;
    const struct kind *k = &kinds[siglip_is_hf(json_string(m->config, "model_type", ""), true)];
    bool both = c->has_vision && c->has_text;
    int which = both ? 0 : c->has_vision ? 1 : 2;
    cJSON *root = config_begin(k->types[which]), *part;

    (void)t;
    *layout = &siglip_layout_hf;
    config_words(root, "architectures", (const char *const[]){ k->classes[which], NULL });
    if (c->has_vision) {
        part = both ? config_object(root, "vision_config") : root;
        config_word(part, "model_type", k->types[1]);
        config_write(part, hf_channels, c);
        config_write(part, fields_vit, &c->vit);
        config_write(part, fields_vit_kind, &c->vit);
        config_write(part, hf_head, c);
        if (c->squares) {
            cJSON_DeleteItemFromObjectCaseSensitive(part, "image_size");
            config_write(part, hf_shapes, c);
        }
    }
    if (c->has_text) {
        part = both ? config_object(root, "text_config") : root;
        config_word(part, "model_type", k->types[2]);
        config_write(part, fields_text, &c->text);
        config_write(part, hf_projection, c);
        config_whole(part, "pad_token_id", c->text.pad_id);
    }
    return root;
}
