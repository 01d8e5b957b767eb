/* SPDX-License-Identifier: MIT
 * layout.c - ALBEF's released layouts
 *
 *     pre-training   ALBEF.pth, ALBEF_4M.pth          text_encoder.bert.X, text_encoder.cls.X
 *     task           mscoco.pth, refcoco.pth, vqa.pth,  text_encoder.X
 *                    NLVR2, visual entailment, ..
 *
 * LAVIS' files are spelt alike.
 */
#include "family/albef/files.h"
#include "checkpoint/sizes.h"

static const struct rename heads[] = {
    { .ours = "vision_projection.", .theirs = "vision_proj." },
    { .ours = "text_projection.", .theirs = "text_proj." },
    { .ours = "match_head.", .theirs = "itm_head." },
    { .ours = "class_head.hidden.", .theirs = "cls_head.0." },
    { .ours = "class_head.out.", .theirs = "cls_head.2." },
    { .ours = "temperature", .theirs = "temp" },
    { 0 },
};

#define VISION                                                                                     \
    { "vision.block.*.", "visual_encoder.blocks.*.", layout_vit_block },                           \
    {                                                                                              \
        "vision.", "visual_encoder.", layout_vit                                                   \
    }

static const struct section pretraining[] = {
    VISION,
    { "encoder.layer.*.", "text_encoder.bert.encoder.layer.*.", layout_bert_layer },
    { "encoder.head.", "text_encoder.cls.predictions.", layout_bert_head },
    { "encoder.", "text_encoder.bert.", layout_bert },
    { "", "", heads },
    { 0 },
};
const struct layout albef_layout_pretraining = { .name = "original",
                                                 .sections = pretraining,
                                                 .batched = true };

/* NLVR2: a layer of the pre-trained model became two, which share what they know of images. */
static const struct rename pairs[] = {
    { .ours = "layer.1.cross.key.", .theirs = "layer.0.cross.key." },
    { .ours = "layer.1.cross.value.", .theirs = "layer.0.cross.value." },
    { .ours = "layer.3.cross.key.", .theirs = "layer.2.cross.key." },
    { .ours = "layer.3.cross.value.", .theirs = "layer.2.cross.value." },
    { .ours = "layer.5.cross.key.", .theirs = "layer.4.cross.key." },
    { .ours = "layer.5.cross.value.", .theirs = "layer.4.cross.value." },
    { .ours = "layer.7.cross.key.", .theirs = "layer.6.cross.key." },
    { .ours = "layer.7.cross.value.", .theirs = "layer.6.cross.value." },
    { .ours = "layer.9.cross.key.", .theirs = "layer.8.cross.key." },
    { .ours = "layer.9.cross.value.", .theirs = "layer.8.cross.value." },
    { .ours = "layer.11.cross.key.", .theirs = "layer.10.cross.key." },
    { .ours = "layer.11.cross.value.", .theirs = "layer.10.cross.value." },
    { .ours = "layer.13.cross.key.", .theirs = "layer.12.cross.key." },
    { .ours = "layer.13.cross.value.", .theirs = "layer.12.cross.value." },
    { .ours = "layer.15.cross.key.", .theirs = "layer.14.cross.key." },
    { .ours = "layer.15.cross.value.", .theirs = "layer.14.cross.value." },
    { .ours = "layer.17.cross.key.", .theirs = "layer.16.cross.key." },
    { .ours = "layer.17.cross.value.", .theirs = "layer.16.cross.value." },
    { 0 },
};
static const struct section ties[] = { { "encoder.", "encoder.", pairs }, { 0 } };
static const struct layout albef_ties = { .name = "shared", .sections = ties };

static const struct section task[] = {
    VISION,
    { "encoder.layer.*.", "text_encoder.encoder.layer.*.", layout_bert_layer },
    { "encoder.", "text_encoder.", layout_bert },
    { "decoder.layer.*.", "text_decoder.bert.encoder.layer.*.", layout_bert_layer },
    { "decoder.head.", "text_decoder.cls.predictions.", layout_bert_head },
    { "decoder.", "text_decoder.bert.", layout_bert },
    { "", "", heads },
    { 0 },
};
const struct layout albef_layout_task = {
    .name = "original", .sections = task, .ties = &albef_ties, .batched = true
};

const struct layout *albef_layout(const struct weights *w)
{
    return sizes_has(w, "text_encoder.bert.embeddings.word_embeddings.weight")
               ? &albef_layout_pretraining
               : &albef_layout_task;
}
