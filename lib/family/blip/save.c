/* SPDX-License-Identifier: MIT
 * save.c - a BLIP model's config.json, as transformers reads it
 *
 * All roles go into one folder: each of transformers' classes takes the tensors that it knows.
 */
#include <string.h>
#include "base/error.h"
#include "family/blip/files.h"
#include "checkpoint/save_parts.h"
#include "checkpoint/sizes.h"

enum { BERT_END = 102 }; /* [SEP] of bert-base-uncased */

static void set_architectures(cJSON *root, const struct blip_config *c)
{
    static const char *const pooled[] = { "BlipModel", NULL };
    static const char *const answers[] = { "BlipForQuestionAnswering", NULL };
    static const char *const both[] = { "BlipForConditionalGeneration", "BlipForImageTextRetrieval",
                                        NULL };
    static const char *const writes[] = { "BlipForConditionalGeneration", NULL };
    static const char *const matches[] = { "BlipForImageTextRetrieval", NULL };

    config_words(root, "architectures",
                 c->contrastive             ? pooled
                 : c->answers               ? answers
                 : c->decoder && c->encoder ? both
                 : c->decoder               ? writes
                                            : matches);
}

static void set_text(cJSON *o, const struct blip_config *c, int end)
{
    const struct bert_config *t = &c->text;

    config_word(o, "model_type", "blip_text_model");
    config_whole(o, "vocab_size", t->vocabulary);
    config_whole(o, "hidden_size", t->width);
    config_whole(o, "encoder_hidden_size", t->cross_width);
    config_whole(o, "intermediate_size", t->mlp);
    config_whole(o, "num_hidden_layers", t->layers);
    config_whole(o, "num_attention_heads", t->heads);
    config_whole(o, "max_position_embeddings", t->positions);
    config_word(o, "hidden_act", "gelu");
    config_real(o, "layer_norm_eps", t->eps);
    config_whole(o, "bos_token_id", c->begin);
    config_whole(o, "sep_token_id", end);
    config_whole(o, "pad_token_id", c->pad);
    if (c->contrastive)
        config_whole(o, "projection_dim", c->embedding);
    if (c->text_mean)
        config_word(o, "pooling", "mean");
    if (t->token_types)
        config_whole(o, "type_vocab_size", t->token_types);
}

static void set_net(cJSON *o, const struct efficientnet_config *c)
{
    config_word(o, "model_type", "efficientnet_lite");
    config_whole(o, "image_size", c->image);
    config_real(o, "width_coefficient", c->width);
    config_real(o, "depth_coefficient", c->depth);
    config_whole(o, "stem_size", c->stem);
    config_whole(o, "hidden_size", c->head);
    config_real(o, "batch_norm_eps", c->eps);
}

static void set_vision(cJSON *o, const struct vit_config *v)
{
    config_word(o, "model_type", "blip_vision_model");
    config_whole(o, "hidden_size", v->width);
    config_whole(o, "intermediate_size", v->mlp);
    config_whole(o, "num_hidden_layers", v->layers);
    config_whole(o, "num_attention_heads", v->heads);
    config_whole(o, "image_size", v->image);
    config_whole(o, "patch_size", v->patch);
    config_word(o, "hidden_act", "gelu");
    config_real(o, "layer_norm_eps", v->eps);
}

cJSON *blip_save_config(const struct model *m, const struct tokenizer *t,
                        const struct layout **layout)
{
    const struct blip *b = m->self;
    cJSON *root = config_begin("blip");
    int end = m->writing.rules.end ? m->writing.rules.end : t ? tokenizer_id(t, "[SEP]") : BERT_END;

    *layout = b->config.contrastive ? &blip_layout_hf_pooled : &blip_layout_hf;
    set_architectures(root, &b->config);
    if (b->config.contrastive)
        config_whole(root, "projection_dim", b->config.embedding);
    else if (b->config.match)
        config_whole(root, "image_text_hidden_size", b->config.embedding);
    set_text(config_object(root, "text_config"), &b->config, end);
    if (b->config.neck)
        config_whole(root, "bridge_hidden_size", b->config.neck);
    if (b->config.vision.convolves)
        set_net(config_object(root, "vision_config"), &b->config.vision.net);
    else
        set_vision(config_object(root, "vision_config"), &b->vision.vit.config);
    return root;
}

/* What the authors' code takes for granted. */
int blip_save_original(const struct model *m, struct original *o)
{
    const struct blip_config *c = &((const struct blip *)m->self)->config;

    if (c->contrastive)
        return fail_as("unsupported", "BLIP's authors have no model of two pooled towers");
    if (c->vision.convolves || c->neck || c->text_mean || c->text.token_types)
        return fail_as("unsupported", "BLIP's authors have no such image tower or text encoder");
    if (c->vision.vit.heads != sizes_heads(c->vision.vit.width) ||
        c->text.heads != sizes_heads(c->text.width) || c->begin != c->text.vocabulary - 2)
        return fail_as("unsupported", "the authors' file cannot say that heads are not 64 wide, or "
                                      "that [DEC] is not the last id but one");
    *o = (struct original){
        .layout = &blip_layout_original,
        .wrapper = "model",
        .aliases = { { "text_decoder.cls.predictions.decoder.weight",
                       "text_decoder.bert.embeddings.word_embeddings.weight" },
                     { "text_decoder.cls.predictions.decoder.bias",
                       "text_decoder.cls.predictions.bias" } },
    };
    return 0;
}
