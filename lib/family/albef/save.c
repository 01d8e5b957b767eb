/* SPDX-License-Identifier: MIT
 * save.c - an ALBEF model's config.json, and its authors' file
 *
 * There is no class for it in transformers; names of values are as there all the same.  Tensors
 * keep the authors' names.
 */
#include "base/error.h"
#include "family/albef/files.h"
#include "checkpoint/save_parts.h"
#include "checkpoint/sizes.h"

static const char *architecture(const struct albef_config *c)
{
    return c->decoder.layers ? "AlbefForQuestionAnswering"
           : c->images == 2  ? "AlbefForTwoImages"
           : c->classes      ? "AlbefForVisualEntailment"
           : c->text.head    ? "AlbefForPretraining"
                             : "AlbefForRetrieval";
}

static void set_text(cJSON *o, const struct bert_config *t)
{
    config_whole(o, "vocab_size", t->vocabulary);
    config_whole(o, "hidden_size", t->width);
    config_whole(o, "intermediate_size", t->mlp);
    config_whole(o, "num_hidden_layers", t->layers);
    config_whole(o, "num_attention_heads", t->heads);
    config_whole(o, "max_position_embeddings", t->positions);
    config_whole(o, "type_vocab_size", t->token_types);
    config_whole(o, "fusion_layer", t->cross_from);
    config_whole(o, "encoder_width", t->cross_width);
}

static void set_vision(cJSON *o, const struct vit_config *v)
{
    config_whole(o, "image_size", v->image);
    config_whole(o, "patch_size", v->patch);
    config_whole(o, "hidden_size", v->width);
    config_whole(o, "intermediate_size", v->mlp);
    config_whole(o, "num_hidden_layers", v->layers);
    config_whole(o, "num_attention_heads", v->heads);
}

cJSON *albef_save_config(const struct model *m, const struct tokenizer *t,
                         const struct layout **layout)
{
    const struct albef *a = m->self;
    cJSON *root = config_begin("albef");

    (void)t;
    *layout = m->layout;
    config_words(root, "architectures", (const char *const[]){ architecture(&a->config), NULL });
    if (a->config.embedding)
        config_whole(root, "projection_dim", a->config.embedding);
    set_text(config_object(root, "text_config"), &a->config.text);
    set_vision(config_object(root, "vision_config"), &a->vision.config);
    return root;
}

int albef_save_original(const struct model *m, struct original *o)
{
    const struct albef_config *c = &((const struct albef *)m->self)->config;

    if (c->vision.heads != sizes_heads(c->vision.width) ||
        c->text.heads != sizes_heads(c->text.width))
        return fail_as("unsupported", "the authors' file cannot say that heads are not 64 wide");
    *o = (struct original){
        .layout = m->layout,
        .wrapper = "model",
        .aliases = { { "text_encoder.cls.predictions.decoder.weight",
                       "text_encoder.bert.embeddings.word_embeddings.weight" },
                     { "text_encoder.cls.predictions.decoder.bias",
                       "text_encoder.cls.predictions.bias" },
                     { "text_decoder.cls.predictions.decoder.weight",
                       "text_decoder.bert.embeddings.word_embeddings.weight" },
                     { "text_decoder.cls.predictions.decoder.bias",
                       "text_decoder.cls.predictions.bias" } },
    };
    return 0;
}
