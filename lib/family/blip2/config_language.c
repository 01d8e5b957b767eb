/* SPDX-License-Identifier: MIT
 * config_language.c - which OPT or T5 stands behind BLIP-2's queries
 */
#include <string.h>
#include "base/error.h"
#include "family/blip2/files.h"
#include "checkpoint/config.h"

static bool sensible(long value, long most)
{
    return value >= 1 && value <= most;
}

static int read_opt(struct reader *r, struct blip2_config *c)
{
    struct opt_config *o = &c->opt;

    *o = (struct opt_config){
        .vocabulary = read_whole(r, "vocab_size", 50272),
        .positions = read_whole(r, "max_position_embeddings", 2048),
        .width = read_whole(r, "hidden_size", 768),
        .mlp = read_whole(r, "ffn_dim", 3072),
        .layers = (int)read_whole(r, "num_hidden_layers", 12),
        .heads = (int)read_whole(r, "num_attention_heads", 12),
    };
    c->begin = (int)read_whole(r, "bos_token_id", 2);
    if (r->bad)
        return -1;
    if (!sensible(o->vocabulary, 1 << 24) || !sensible(o->positions, 1 << 20) ||
        !sensible(o->width, 65536) || !sensible(o->mlp, 1 << 20) || !sensible(o->layers, 1000) ||
        !sensible(o->heads, o->width) || o->width % o->heads || c->begin >= o->vocabulary)
        return fail("%s: OPT of width %ld, %d heads, %d layers makes no sense", r->where, o->width,
                    o->heads, o->layers);
    if (read_whole(r, "word_embed_proj_dim", o->width) != o->width ||
        !read_flag(r, "do_layer_norm_before", true) ||
        read_activation(r, "activation_function", "relu") != ACTIVATION_RELU)
        return fail_as("unsupported", "%s: this form of OPT is not supported", r->where);
    return 0;
}

/* LAVIS takes the exact gelu, whatever T5's own file says. */
static int read_t5(struct reader *r, bool lavis, struct blip2_config *c)
{
    struct t5_config *o = &c->t5;

    *o = (struct t5_config){
        .vocabulary = read_whole(r, "vocab_size", 32128),
        .width = read_whole(r, "d_model", 512),
        .mlp = read_whole(r, "d_ff", 2048),
        .head_width = read_whole(r, "d_kv", 64),
        .layers = (int)read_whole(r, "num_layers", 6),
        .heads = (int)read_whole(r, "num_heads", 8),
        .buckets = (int)read_whole(r, "relative_attention_num_buckets", 32),
        .distance = (int)read_whole(r, "relative_attention_max_distance", 128),
        .eps = (float)read_real(r, "layer_norm_epsilon", 1e-6),
        .activation = lavis ? ACTIVATION_GELU : read_activation(r, "dense_act_fn", "gelu_new"),
    };
    o->decoder_layers = (int)read_whole(r, "num_decoder_layers", o->layers);
    c->begin = (int)read_whole(r, "decoder_start_token_id", 0);
    if (r->bad)
        return -1;
    if (!sensible(o->vocabulary, 1 << 24) || !sensible(o->width, 65536) ||
        !sensible(o->mlp, 1 << 20) || !sensible(o->head_width, 4096) ||
        !sensible(o->layers, 1000) || !sensible(o->decoder_layers, 1000) ||
        !sensible(o->heads, 4096) || o->buckets < 4 || o->buckets > 4096 ||
        o->distance < o->buckets || c->begin >= o->vocabulary)
        return fail("%s: T5 of width %ld, %d heads, %d layers makes no sense", r->where, o->width,
                    o->heads, o->layers);
    if (strcmp(read_word(r, "feed_forward_proj", "relu"), "gated-gelu") ||
        read_flag(r, "scale_decoder_outputs", read_flag(r, "tie_word_embeddings", true)))
        return fail_as("unsupported", "%s: this form of T5 is not supported, only that of 1.1",
                       r->where);
    return 0;
}

int blip2_config_language(const cJSON *o, bool lavis, struct blip2_config *c)
{
    struct reader r = { o, lavis ? "the language model's config.json" : "text_config", false };
    const char *kind = read_word(&r, "model_type", "opt");

    if (strcmp(kind, c->language == LANGUAGE_OPT ? "opt" : "t5"))
        return fail("%s: model_type is \"%s\"", r.where, kind);
    if (c->language == LANGUAGE_OPT ? read_opt(&r, c) : read_t5(&r, lavis, c))
        return -1;
    /* LAVIS ends OPT's texts with a line's end, which the tokenizer knows */
    c->end = (int)read_whole(&r, "eos_token_id", c->language == LANGUAGE_OPT ? 2 : 1);
    if (lavis && c->language == LANGUAGE_OPT)
        c->end = 0;
    return r.bad ? -1 : 0;
}
