/* SPDX-License-Identifier: MIT
 * save.c - a BLIP-2 model's config.json, as transformers reads it
 *
 * transformers has no place for the Q-Former's head and the temperature: it passes them by.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "family/blip2/files.h"
#include "checkpoint/save_parts.h"

static void set_vision(cJSON *o, const struct vit_config *v)
{
    config_word(o, "model_type", "blip_2_vision_model");
    config_whole(o, "hidden_size", v->width);
    config_whole(o, "intermediate_size", v->mlp);
    config_whole(o, "num_hidden_layers", v->layers);
    config_whole(o, "num_attention_heads", v->heads);
    config_whole(o, "image_size", v->image);
    config_whole(o, "patch_size", v->patch);
    config_word(o, "hidden_act", "gelu");
    config_real(o, "layer_norm_eps", v->eps);
    config_flag(o, "qkv_bias", true);
}

static void set_qformer(cJSON *o, const struct bert_config *q)
{
    config_word(o, "model_type", "blip_2_qformer");
    if (!q->wordless) {
        config_whole(o, "vocab_size", q->vocabulary);
        config_whole(o, "max_position_embeddings", q->positions);
    }
    config_whole(o, "hidden_size", q->width);
    config_whole(o, "intermediate_size", q->mlp);
    config_whole(o, "num_hidden_layers", q->layers);
    config_whole(o, "num_attention_heads", q->heads);
    config_real(o, "layer_norm_eps", q->eps);
    config_whole(o, "encoder_hidden_size", q->cross_width);
    config_whole(o, "cross_attention_frequency", q->cross_every);
    config_flag(o, "use_qformer_text_input", !q->wordless);
}

static void set_opt(cJSON *o, const struct opt_config *c)
{
    config_word(o, "model_type", "opt");
    config_whole(o, "vocab_size", c->vocabulary);
    config_whole(o, "max_position_embeddings", c->positions);
    config_whole(o, "hidden_size", c->width);
    config_whole(o, "word_embed_proj_dim", c->width);
    config_whole(o, "ffn_dim", c->mlp);
    config_whole(o, "num_hidden_layers", c->layers);
    config_whole(o, "num_attention_heads", c->heads);
    config_whole(o, "pad_token_id", 1);
}

static void set_t5(cJSON *o, const struct t5_config *c)
{
    config_word(o, "model_type", "t5");
    config_whole(o, "vocab_size", c->vocabulary);
    config_whole(o, "d_model", c->width);
    config_whole(o, "d_ff", c->mlp);
    config_whole(o, "d_kv", c->head_width);
    config_whole(o, "num_layers", c->layers);
    config_whole(o, "num_decoder_layers", c->decoder_layers);
    config_whole(o, "num_heads", c->heads);
    config_whole(o, "relative_attention_num_buckets", c->buckets);
    config_whole(o, "relative_attention_max_distance", c->distance);
    config_real(o, "layer_norm_epsilon", c->eps);
    config_word(o, "feed_forward_proj", "gated-gelu");
    config_activation(o, "dense_act_fn", c->activation);
    config_flag(o, "scale_decoder_outputs", false);
    config_flag(o, "tie_word_embeddings", false);
    config_whole(o, "pad_token_id", 0);
}

static void set_language(const struct model *m, cJSON *o, const struct blip2 *b,
                         const struct tokenizer *t)
{
    const struct blip2_config *c = &b->config;

    if (c->language == LANGUAGE_OPT)
        set_opt(o, &c->opt);
    else
        set_t5(o, &c->t5);
    config_whole(o, c->language == LANGUAGE_OPT ? "bos_token_id" : "decoder_start_token_id",
                 c->begin);
    if (c->language == LANGUAGE_T5)
        config_whole(o, "bos_token_id", 1);
    if (m->writing.rules.end > 0 || t)
        config_whole(o, "eos_token_id",
                     m->writing.rules.end > 0 ? m->writing.rules.end
                                              : tokenizer_id(t, m->writing.end_word));
}

cJSON *blip2_save_config(const struct model *m, const struct tokenizer *t,
                         const struct layout **layout)
{
    static const char *const matcher[] = { "Blip2ForImageTextRetrieval", NULL };
    static const char *const writer[] = { "Blip2ForConditionalGeneration", NULL };
    const struct blip2 *b = m->self;
    const struct blip2_config *c = &b->config;
    cJSON *root;

    *layout = &blip2_layout_hf;
    if (c->vision.norm_before) {
        fail_as("unsupported", "Hugging Face's BLIP-2 has no place for CLIP's image tower");
        return NULL;
    }
    root = config_begin("blip-2");
    config_words(root, "architectures", c->language ? writer : matcher);
    config_whole(root, "num_query_tokens", c->qformer.queries);
    if (c->embedding)
        config_whole(root, "image_text_hidden_size", c->embedding);
    if (c->image_token >= 0)
        config_whole(root, "image_token_index", c->image_token);
    if (*m->writing.prompt)
        config_word(root, "vlm_prompt", m->writing.prompt);
    set_vision(config_object(root, "vision_config"), &b->vision.config);
    set_qformer(config_object(root, "qformer_config"), &c->qformer);
    if (c->language) {
        config_flag(root, "use_decoder_only_language_model", c->language == LANGUAGE_OPT);
        set_language(m, config_object(root, "text_config"), b, t);
    }
    return root;
}
