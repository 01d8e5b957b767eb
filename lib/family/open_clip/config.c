/* SPDX-License-Identifier: MIT
 * config.c - open_clip's model_cfg of a model with other towers
 *
 * Source: mlfoundations/open_clip src/open_clip/model.py, timm_model.py, hf_model.py.
 */
#include <string.h>
#include "base/error.h"
#include "checkpoint/config.h"
#include "family/open_clip/open_clip.h"

#define AT(member) .at = offsetof(struct open_clip_config, member)

static float norm_eps(const cJSON *tower)
{
    return (float)json_number(json_get(tower, "norm_kwargs"), "eps", 1e-5);
}

/* act_kwargs of nn.GELU: {"approximate": "tanh"}; any other is refused. */
static enum activation activation_of(struct reader *r, enum activation act)
{
    const cJSON *kwargs = json_get(r->object, "act_kwargs");
    const char *how = json_string(kwargs, "approximate", "none");

    if (!cJSON_IsObject(kwargs) || !strcmp(how, "none"))
        return act;
    if (act == ACTIVATION_GELU && !strcmp(how, "tanh"))
        return ACTIVATION_GELU_TANH;
    read_refuse(r, "act_kwargs", NULL);
    return act;
}

/* --- image --- */

static const struct field own_image[] = {
    FIELD("block_type", REFUSED, .word = "default"),
    FIELD("pos_embed_type", REFUSED, .word = "learnable"),
    FIELD("image_size", SQUARE, AT(image.vit.image), .otherwise = 224),
    FIELD("patch_size", SQUARE, AT(image.vit.patch), .otherwise = 16),
    FIELD("width", LONG, AT(image.vit.width), .otherwise = 768),
    FIELD("layers", INT, AT(image.vit.layers), .otherwise = 12),
    FIELD("no_ln_pre", NOT, AT(image.vit.norm_before), .otherwise = true),
    FIELD("final_ln_after_pool", FLAG, AT(image.norm_after_pool)),
    { 0 },
};

/* Layers that open_clip can have and nobody published. */
static const struct field strange_layers[] = {
    FIELD("qk_norm", REFUSED),
    FIELD("scaled_cosine_attn", REFUSED),
    FIELD("scale_heads", REFUSED),
    FIELD("scale_attn", REFUSED),
    FIELD("scale_attn_inner", REFUSED),
    FIELD("scale_fc", REFUSED),
    { 0 },
};

static bool says(const cJSON *o, const char *name)
{
    const cJSON *item = json_get(o, name);

    return item && !cJSON_IsNull(item) && !cJSON_IsFalse(item);
}

static void read_own_image(struct reader *r, enum activation act, struct open_clip_config *c)
{
    struct image_config *i = &c->image;
    struct vit_config *v = &i->vit;
    long head = read_whole(r, "head_width", 64);

    i->trunk = &trunk_own;
    i->spelling = "own";
    if (cJSON_IsArray(json_get(r->object, "layers")))
        read_refuse(r, "layers", NULL);
    config_read(r, strange_layers, c);
    config_read(r, own_image, c);
    i->size = v->image;
    v->eps = norm_eps(r->object);
    v->activation = activation_of(r, act);
    v->norm_after = true;
    v->scaled = says(r->object, "ls_init_value");
    v->heads = head ? (int)(v->width / head) : 0;
    v->mlp = (long)((double)v->width * read_real(r, "mlp_ratio", 4));
    i->pooling = strcmp(read_word(r, "pool_type", "tok"), "avg") ? IMAGE_CLASS : IMAGE_MEAN;
    if (i->pooling == IMAGE_CLASS)
        read_refuse(r, "pool_type", "tok");
    i->projection = PROJECTION_LINEAR;
    if (says(r->object, "attentional_pool")) {
        if (cJSON_IsString(json_get(r->object, "attentional_pool")))
            read_refuse(r, "attentional_pool", NULL);
        i->pooling = IMAGE_QUERIES;
        v->norm_after = false;
        i->pooler =
            (struct pooler_config){ .queries = (int)read_whole(r, "attn_pooler_queries", 256),
                                    .heads = (int)read_whole(r, "attn_pooler_heads", 8),
                                    .in = v->width,
                                    .out = c->embedding,
                                    .eps = v->eps };
    }
}

/* An empty word is Python's false, as null is. */
static const char *word_of(struct reader *r, const char *name, const char *otherwise)
{
    const cJSON *item = json_get(r->object, name);

    return cJSON_IsNull(item) ? "" : read_word(r, name, otherwise);
}

/* Where nothing projects behind the trunk, its own classifier does. */
static void read_timm_projection(struct reader *r, struct image_config *i)
{
    const char *how = word_of(r, "timm_proj", "linear");

    i->inside = !*how;
    i->projection = !strcmp(how, "mlp")    ? PROJECTION_MLP
                    : !strcmp(how, "none") ? PROJECTION_NONE
                                           : PROJECTION_LINEAR;
    if (*how && i->projection == PROJECTION_LINEAR)
        read_refuse(r, "timm_proj", "linear");
    if (i->inside)
        return;
    i->projection_bias = read_flag(r, "timm_proj_bias", false);
    if (i->projection == PROJECTION_MLP)
        read_refuse(r, "timm_proj_bias", NULL);
}

static int read_timm(struct reader *r, const struct weights *w, struct image_config *i)
{
    const char *pool = word_of(r, "timm_pool", "avg");

    i->size = (int)read_whole(r, "image_size", 224);
    if (open_clip_timm(read_word(r, "timm_model_name", ""), w, i))
        return -1;
    i->pooling = !strcmp(pool, "token") ? IMAGE_CLASS
                 : !strcmp(pool, "map") ? IMAGE_QUERY
                                        : IMAGE_MEAN;
    if (i->pooling == IMAGE_MEAN && *pool && strcmp(pool, "avg"))
        return fail_as("unsupported", "timm_pool \"%.40s\" is not known here", pool);
    if (i->trunk == &trunk_vit && !*pool)
        i->pooling = i->vit.no_class ? IMAGE_MEAN : IMAGE_CLASS; /* the trunk's own way */
    if (i->pooling == IMAGE_CLASS && i->vit.no_class)
        return fail("timm_pool \"token\" of a tower without a class token");
    read_timm_projection(r, i);
    return 0;
}

/* --- text --- */

static const char *const poolings[] = { [POOL_LARGEST] = "argmax",
                                        [POOL_END] = "eos",
                                        [POOL_FIRST] = "first",
                                        [POOL_LAST] = "last",
                                        NULL };

static const struct field own_text[] = {
    FIELD("embed_cls", FLAG, AT(words.text.has_class)),
    FIELD("use_pad_mask", REFUSED),
    FIELD("correct_cls_mask", REFUSED),
    FIELD("block_type", REFUSED, .word = "default"),
    FIELD("vocab_size", LONG, AT(words.text.vocabulary), .otherwise = 49408),
    FIELD("width", LONG, AT(words.text.width), .otherwise = 512),
    FIELD("context_length", INT, AT(words.text.context), .otherwise = 77),
    FIELD("layers", INT, AT(words.text.layers), .otherwise = 12),
    FIELD("heads", INT, AT(words.text.heads), .otherwise = 8),
    FIELD("no_causal_mask", NOT, AT(words.text.causal), .otherwise = true),
    FIELD("pad_id", INT, AT(words.text.pad_id)),
    FIELD("eos_id", INT, AT(words.text.end_id), .otherwise = 2),
    FIELD("final_ln_after_pool", FLAG, AT(words.text.norm_after_pool)),
    FIELD("pool_type", CHOICE, AT(words.text.pooling), .otherwise = POOL_LARGEST,
          .words = poolings),
    FIELD("proj_bias", FLAG, AT(words.projection_bias)),
    { 0 },
};

/* What a text is padded by is the tokenizer's: </s>, which is 1, of SigLIP's first vocabularies. */
static int pad_id(const struct reader *r, int said)
{
    const char *tokenizer = json_string(r->object, "hf_tokenizer_name", "");

    return strstr(tokenizer, "SigLIP") ? !strstr(tokenizer, "SigLIP2") : said;
}

static void read_own_text(struct reader *r, enum activation act, struct open_clip_config *c)
{
    struct text_config *x = &c->words.text;

    c->words.words = &words_own;
    config_read(r, strange_layers, c);
    config_read(r, own_text, c);
    x->eps = norm_eps(r->object);
    x->activation = activation_of(r, act);
    x->mlp = (long)((double)x->width * read_real(r, "mlp_ratio", 4));
    x->pad = !x->causal || x->pooling == POOL_LAST;
    x->pad_id = pad_id(r, x->pad_id);
    x->scaled = says(r->object, "ls_init_value");
    c->words.context = x->context;
    c->words.projection =
        strcmp(read_word(r, "proj_type", "linear"), "none") ? PROJECTION_LINEAR : PROJECTION_NONE;
}

/* The configuration is in another repository, of which the name alone is here; the tower's file
 * has what it says besides the tensors' shapes. */
static int read_hugging_face(struct reader *r, const struct weights *w, struct words_config *c)
{
    const char *how = read_word(r, "hf_proj_type", "mlp");

    c->context = (int)read_whole(r, "context_length", 77);
    if (open_clip_words(read_word(r, "hf_model_name", ""), w, c))
        return -1;
    c->projection = strcmp(how, "linear") ? PROJECTION_MLP : PROJECTION_LINEAR;
    if (c->projection == PROJECTION_MLP)
        read_refuse(r, "hf_proj_type", "mlp");
    read_refuse(r, "hf_pooler_type", c->words->pooler);
    return 0;
}

/* --- both --- */

static int check(const struct open_clip_config *c)
{
    const struct image_config *i = &c->image;

    if (c->embedding < 1 || c->embedding > 1 << 16)
        return fail("an embedding of %ld numbers is not possible", c->embedding);
    if (i->size < 1 || i->size > 1 << 13)
        return fail("pictures of %d pixels are not possible", i->size);
    if (i->trunk->check(i))
        return -1;
    if (i->pooling == IMAGE_QUERIES && (i->pooler.queries < 2 || i->pooler.queries > 1 << 12 ||
                                        i->pooler.heads < 1 || i->pooler.out % i->pooler.heads))
        return fail("%d queries of %d heads in a space of %ld are not possible", i->pooler.queries,
                    i->pooler.heads, i->pooler.out);
    if (i->pooling == IMAGE_QUERY &&
        (i->pool_mlp < 1 || i->pool_heads < 1 || i->vit.width % i->pool_heads))
        return fail("a query of %d heads in a tower of width %ld is not possible", i->pool_heads,
                    i->vit.width);
    if (!i->projection && image_tower_width(i) != c->embedding)
        return fail("images have %ld numbers, and the common space %ld", image_tower_width(i),
                    c->embedding);
    if (i->vit.turns.on && i->vit.width / i->vit.heads % 4)
        return fail("heads %ld wide cannot turn in two dimensions", i->vit.width / i->vit.heads);
    return c->words.words->check(&c->words);
}

/* The decoder has four times its width inside whatever mlp_ratio says, as open_clip builds it. */
static void read_decoder(struct reader *r, const struct weights *w, enum activation act,
                         struct open_clip_config *c)
{
    struct coca_config *d = &c->decoder;

    c->writes = true;
    d->width = read_whole(r, "width", 512);
    d->mlp = 4 * d->width;
    d->layers = (int)read_whole(r, "layers", 12);
    d->heads = (int)read_whole(r, "heads", 8);
    d->context = (int)read_whole(r, "context_length", 77);
    d->vocabulary = open_clip_axis(w, "text_decoder.text_projection", 1);
    d->eps = 1e-5f;
    d->activation = act;
    read_refuse(r, "ls_init_value", NULL);
}

static int check_decoder(const struct open_clip_config *c)
{
    const struct coca_config *d = &c->decoder;
    long states = c->image.pooling == IMAGE_QUERIES ? c->image.pooler.out : c->image.vit.width;

    if (d->width < 1 || d->width > 1 << 16 || d->heads < 1 || d->width % d->heads ||
        d->layers < 1 || d->layers > 1000 || d->vocabulary < 1)
        return fail("a decoder of %d layers, width %ld, %d heads is not possible", d->layers,
                    d->width, d->heads);
    if (states != d->width || words_tower_width(&c->words) != d->width)
        return fail("a decoder of width %ld cannot look at pictures of %ld", d->width, states);
    return 0;
}

int open_clip_config(const cJSON *model, const struct weights *w, struct open_clip_config *c)
{
    struct reader r = { model, "open_clip_config.json: model_cfg", false };
    struct reader image = { json_get(model, "vision_cfg"), "open_clip_config.json: vision_cfg",
                            false };
    struct reader text = { json_get(model, "text_cfg"), "open_clip_config.json: text_cfg", false };
    struct reader decoder = { json_get(model, "multimodal_cfg"),
                              "open_clip_config.json: multimodal_cfg", false };
    bool quick = read_flag(&r, "quick_gelu", false);
    enum activation act = quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;

    *c = (struct open_clip_config){ .embedding = read_whole(&r, "embed_dim", 512) };
    c->sigmoid = weights_find(w, "logit_bias");
    c->flat = weights_find(w, "token_embedding.weight");
    if (r.bad)
        return -1;
    if (!says(image.object, "timm_model_name"))
        read_own_image(&image, act, c);
    else if (read_timm(&image, w, &c->image))
        return -1;
    if (!says(text.object, "hf_model_name"))
        read_own_text(&text, act, c);
    else if (read_hugging_face(&text, w, &c->words))
        return -1;
    if (cJSON_IsObject(decoder.object))
        read_decoder(&decoder, w, act, c);
    if (r.bad || image.bad || text.bad || decoder.bad || check(c))
        return -1;
    return c->writes ? check_decoder(c) : 0;
}
