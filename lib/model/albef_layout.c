/* SPDX-License-Identifier: MIT
 * albef_layout.c - ALBEF's released layouts
 *
 *     pre-training   ALBEF.pth, ALBEF_4M.pth          text_encoder.bert.X, text_encoder.cls.X
 *     task           mscoco.pth, refcoco.pth, vqa.pth,  text_encoder.X
 *                    NLVR2, visual entailment, ..
 *
 * LAVIS' files are spelt alike.
 */
#include "model/albef_files.h"
#include "model/sizes.h"

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
const struct layout albef_layout_pretraining = { .name = "original", .sections = pretraining };

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
const struct layout albef_layout_task = { .name = "original", .sections = task };

const struct layout *albef_layout(const struct weights *w)
{
    return sizes_has(w, "text_encoder.bert.embeddings.word_embeddings.weight")
               ? &albef_layout_pretraining
               : &albef_layout_task;
}
