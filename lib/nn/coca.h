/* SPDX-License-Identifier: MIT
 * coca.h - CoCa's decoder (arXiv 2205.01917, section 3.2): a text's states look at a picture's
 */
#ifndef NN_COCA_H
#define NN_COCA_H

#include "nn/nn.h"

struct coca_config {
    long vocabulary, width, mlp, seen; /* seen: width of a picture's tokens */
    int context, layers, heads;
    float eps;
    enum activation activation;
};
struct coca_layer {
    struct block own, cross;
    struct norm seen_norm; /* of the picture's tokens, before cross's keys and values */
};
struct coca {
    struct coca_config config;
    struct coca_layer *layers;
    struct norm norm;
    struct linear head; /* [vocabulary, width] */
};
void coca_init(struct coca *c, const struct coca_config *config);
void coca_params(struct coca *c, struct params *p);
/* Keys and values of pictures for each layer: seen: [pictures * tokens, width] -> as many tensors
 * as layers, on the tape */
struct tensor **coca_pictures(struct tape *t, struct coca *c, struct tensor *seen);
/* states: of texts, as text_class_states() makes them; text i looks at picture picture_of[i], of
 * `pictures` with `tokens` tokens each -> logits of the rows at index[0 .. count) */
struct coca_input {
    struct tensor *states;
    const struct spans *texts;
    struct tensor **keys; /* coca_pictures() */
    int pictures, tokens;
    const int *picture_of;
    const int *index;
    long count;
};
struct tensor *coca_logits(struct tape *t, struct coca *c, const struct coca_input *in);
void coca_close(struct coca *c);

#endif
