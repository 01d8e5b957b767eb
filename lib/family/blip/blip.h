/* SPDX-License-Identifier: MIT
 * blip.h - BLIP: an image tower and one kind of text transformer in three roles
 *
 *     text encoder           [CLS] text                    itc
 *     image-grounded encoder [ENC] text, looks at image    itm
 *     image-grounded decoder [DEC] text, looks at image    captions, answers
 *     the same encoder       [ENC] text, two images        true or not, NLVR2
 *
 * arXiv 2201.12086; salesforce/BLIP models/; huggingface/transformers models/blip/.  A checkpoint
 * has the roles it was made for; what it lacks has no parameters.
 */
#ifndef BLIP_BLIP_H
#define BLIP_BLIP_H

#include "base/core.h"
#include "nn/bert.h"
#include "nn/tower.h"

static const float blip_first_temperature = 0.07f; /* of a new model */

struct blip_config {
    struct tower_config vision;
    /* Between a tower that stays as it is and the rest: tokens become norm(gelu(x W^T + b)), that
     * wide; 0: nothing is between. */
    long neck;
    bool product;   /* matching also weighs the products of the two embeddings' numbers */
    bool text_mean; /* a text's embedding is of the mean of its states, not of [CLS] */
    struct bert_config text;
    long embedding;               /* of the contrastive space, 256 */
    bool encoder, decoder, match; /* roles: text encoder; decoder; projections and ITM head */
    bool contrastive;             /* Hugging Face's BlipModel: two pooled towers, as CLIP */
    bool answers;                 /* VQA: the decoder reads the encoder's question */
    int classes; /* NLVR2's 2, where the text looks at two images; 0: no such head */
    int begin, encode, end, pad; /* ids of [DEC], what begins an ITM text, [SEP], [PAD] */
};

struct blip {
    struct blip_config config;
    struct tower vision;
    struct linear neck;
    struct norm neck_norm;
    struct bert encoder, decoder;
    struct linear vision_projection, text_projection, match_head, match_product, pooler;
    struct linear class_hidden, class_out; /* relu between */
    struct tensor *temperature;            /* of ITC, for learning alone; or NULL */
    struct tensor *logit_scale;            /* contrastive alone */
    /* While it learns: what of the text side does not. */
    struct text_cache *kept_rows, *kept_below, *kept_causal;
};

void blip_init(struct blip *m, const struct blip_config *config);
void blip_params(struct blip *m, struct params *p);
void blip_close(struct blip *m);

/* pixels [n, 3, size, size] -> the tower's tokens, [n, tokens, width] */
struct tensor *blip_features(struct tape *t, struct blip *m, struct tensor *pixels);
/* What the text side looks at: features as rows, through the neck if there is one */
struct tensor *blip_bridge(struct tape *t, struct blip *m, struct tensor *features);
/* The contrastive space, not normalised: [n, embedding] */
struct tensor *blip_image_embedding(struct tape *t, struct blip *m, struct tensor *image,
                                    int images);
/* The same from pixels, where no other token is wanted. */
struct tensor *blip_embed_image(struct tape *t, struct blip *m, struct tensor *pixels);
struct tensor *blip_text_embedding(struct tape *t, struct blip *m, const int *ids,
                                   const struct spans *texts);
/* The encoder's row of each text, and the embedding made of it. */
struct tensor *blip_text_row(struct tape *t, struct blip *m, const int *ids,
                             const struct spans *texts);
struct tensor *blip_project_text(struct tape *t, struct blip *m, struct tensor *x);
/* What a text's states are behind the layers that never look at an image, of which there are some;
 * causal: the decoder's. */
struct tensor *blip_text_below(struct tape *t, struct blip *m, const int *ids,
                               const struct spans *texts, bool causal);
/* ITM logits of grounded states, text i beside image image_of[i]; the embeddings, rows of which
 * text_of (NULL: i) chooses, count only with config.product. */
struct blip_sides {
    struct tensor *images, *texts; /* embeddings */
    const int *image_of, *text_of;
};
struct tensor *blip_match_logits(struct tape *t, struct blip *m, struct tensor *states,
                                 const struct blip_sides *sides);
/* ITM logits [texts, 2].  in: ids, texts, image, images, image_of; each text begins with
 * config.encode. */
struct tensor *blip_match(struct tape *t, struct blip *m, const struct bert_input *in);
/* The same of one text and its image, with a layer watched. */
struct tensor *blip_match_watched(struct tape *t, struct blip *m, struct tensor *image,
                                  const int *ids, int count, struct bert_watch *watch);
/* in: as for blip_match, and two images: logits [texts, classes] */
struct tensor *blip_classify(struct tape *t, struct blip *m, const struct bert_input *in);
/* Decoder logits [rows, vocabulary] of whole texts that begin with config.begin. */
struct tensor *blip_decode(struct tape *t, struct blip *m, struct tensor *image,
                           const struct spans *images, const int *ids, const struct spans *texts);

/* States that the decoder looks at: image tokens, or the encoded questions. */
struct tensor *blip_questions(struct tape *t, struct blip *m, struct tensor *image,
                              const struct spans *images, const int *ids,
                              const struct spans *texts);

#endif
