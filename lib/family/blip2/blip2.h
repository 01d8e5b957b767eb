/* SPDX-License-Identifier: MIT
 * blip2.h - BLIP-2: a frozen image tower, a Q-Former, and behind it a language model
 *
 *     tower     image -> tokens
 *     Q-Former  32 learned queries look at the tokens -> 32 vectors
 *     stage 1   queries alone     32 image vectors; the text's is that of [CLS]      itc
 *               queries and text  a logit for each query, and their mean           itm
 *               text after queries  [DEC] text                                        captions
 *     stage 2   the vectors, projected, stand before a language model's words: OPT's prompt, or
 *               what T5's encoder reads                                   captions, answers
 *
 * arXiv 2301.12597; salesforce/LAVIS models/blip2_models/; huggingface/transformers models/blip_2/.
 */
#ifndef BLIP2_BLIP2_H
#define BLIP2_BLIP2_H

#include "base/core.h"
#include "decode/language.h"
#include "nn/bert.h"
#include "nn/nn.h"
#include "nn/vit.h"

static const float blip2_first_temperature = 0.07f; /* of a new model */

struct blip2_config {
    struct vit_config vision;
    struct bert_config qformer; /* its head writes captions of stage 1 */
    long embedding; /* of the contrastive space, 256; 0: none.  Images' alone, without words */
    bool match;     /* the ITM head */
    int begin, end; /* ids of [DEC], [SEP]; or of the language model's texts */
    enum { LANGUAGE_NONE, LANGUAGE_OPT, LANGUAGE_T5 } language;
    struct opt_config opt;
    struct t5_config t5;
    int image_token; /* Hugging Face's, which stands for a query among ids; -1: none */
};

struct blip2 {
    struct blip2_config config;
    struct vit vision; /* norm_after is ln_vision */
    struct bert qformer;
    struct linear vision_projection, text_projection, match_head;
    struct tensor *temperature; /* NULL where the file has none */
    struct linear language_projection;
    struct opt opt; /* one of the two */
    struct t5 t5;
};

void blip2_init(struct blip2 *m, const struct blip2_config *config);
void blip2_params(struct blip2 *m, struct params *p);
void blip2_close(struct blip2 *m);

/* pixels [n, 3, size, size] -> [n * tokens, width] */
struct tensor *blip2_image(struct tape *t, struct blip2 *m, struct tensor *pixels);
/* What the queries saw: [n * queries, width of the Q-Former] */
struct tensor *blip2_queries(struct tape *t, struct blip2 *m, struct tensor *image,
                             const struct spans *images);
/* The contrastive space, not normalised: [n * queries, embedding], [texts, embedding] */
struct tensor *blip2_image_embedding(struct tape *t, struct blip2 *m, struct tensor *queries);
struct tensor *blip2_text_embedding(struct tape *t, struct blip2 *m, const int *ids,
                                    const struct spans *texts);
/* ITM logits [texts, 2].  in: ids, texts, image, images, image_of. */
struct tensor *blip2_match(struct tape *t, struct blip2 *m, const struct bert_input *in);
/* States of whole texts that begin with config.begin, for bert_logits(); text i sees image i.  In
 * *queries, unless NULL, what blip2_queries() gives.  in: ids, texts, image, images, causal. */
struct tensor *blip2_decode(struct tape *t, struct blip2 *m, const struct bert_input *in,
                            struct tensor **queries);

/* What the queries saw as the language model takes it: [n * queries, its width] */
struct tensor *blip2_pictures(struct tape *t, struct blip2 *m, struct tensor *queries);

/* The Q-Former at work as a captioner. */
struct blip2_writer {
    struct blip2 *model;
    struct tape step;
    struct bert_cache *cache; /* queries, then text */
    struct language_model language;
};
void blip2_writer_open(struct blip2_writer *w, struct blip2 *m, struct tensor *image,
                       const struct spans *images, const struct decoding *d);
void blip2_writer_close(struct blip2_writer *w);

/* write.c - the language model at work: a text for each image and prompt, as decode() has it.
 * What is written begins with config.begin, which lengths count; of the prompt they count nothing.
 * pictures: of blip2_pictures(); one prompt each. */
int blip2_speak(struct tape *t, struct blip2 *m, struct tensor *pictures,
                const struct prompt *prompts, const struct decoding *d, struct hypothesis *out);

#endif
