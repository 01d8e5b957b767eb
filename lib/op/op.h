/* SPDX-License-Identifier: MIT
 * op.h - operations, forward beside backward; one a file
 *
 * Shapes stand beside each.  [.., d] is any number of rows of width d.  Every operation adds to the
 * gradients of those inputs that need one.
 */
#ifndef OP_OP_H
#define OP_OP_H

#include "base/core.h"
#include "tensor/tensor.h"

/* linear.c - y = activation(x W^T + b) + residual         x: [.., in]  W: [out, in]  b: [out]
 *
 * A layer may have up to three weights with one input (query, key, value): their outputs stand side
 * by side.  Frozen layers are packed at first use; layers that learn go through BLAS.
 */
struct linear {
    struct tensor *weight[PACK_PARTS], *bias[PACK_PARTS]; /* bias entries may be NULL */
    int parts;
    struct pack *pack; /* made at first use, dropped by linear_close: call it if weights changed */
    float *folded;     /* bias of a pack that holds a normalisation too; see conv.c */
    bool memory_bound; /* mostly some rows at a time, as words that are written; see pack.c */
    bool same;         /* a convolution whose zeros around are TensorFlow's SAME, not k/2 */
};
struct tensor *linear(struct tape *t, struct linear *l, struct tensor *x, enum activation act);
/* x + (h W^T + b).  Where nothing is remembered the sum is written over x and x returned. */
struct tensor *linear_onto(struct tape *t, struct linear *l, struct tensor *x, struct tensor *h);
void linear_close(struct linear *l);

/* layernorm.c - y = (x - mean) * rstd * gain + shift      x, y: [.., d]  gain, shift: [d] */
struct tensor *layernorm(struct tape *t, struct tensor *x, struct tensor *gain,
                         struct tensor *shift, float eps);
/* The same; where nothing is remembered it is written over x and x returned. */
struct tensor *layernorm_over(struct tape *t, struct tensor *x, struct tensor *gain,
                              struct tensor *shift, float eps);

/* attention.c - softmax(scale q k^T + bias + mask) v over many sequences; see kernel.h for `spans`
 */
struct spans {
    int count;         /* sequences */
    const int *start;  /* [count + 1]: rows start[i] .. start[i + 1] are sequence i */
    const int *length; /* [count], of keys in a cache, whose rows are not all in use; or NULL */
};
struct attention_plan {
    int heads;
    float scale;
    bool causal;
    const struct spans *queries, *keys;
    const int *key_of; /* NULL: query sequence i attends to key sequence i */
    const struct packed_keys
        *packed; /* keys and values of attention_keys(); k and v are not used */
    /* [distances, heads]: row bias_zero + d is added to the scores of keys d places behind their
     * query, whose last is the last key; NULL: none */
    struct tensor *bias;
    int bias_zero;
    bool wide; /* many query rows; see kernel.h */
};
struct tensor *attention(struct tape *t, const struct attention_plan *plan, struct tensor *q,
                         struct tensor *k, struct tensor *v); /* [rows, heads * head_width] */
/* k and v of plan->keys, arranged once for many calls that remember nothing; packed_keys_free() */
struct packed_keys *attention_keys(struct tape *t, const struct attention_plan *plan,
                                   const struct tensor *k, const struct tensor *v);
/* relevance.c - Grad-CAM over attention: p = softmax(scale q k^T), y = attention(..) with its
 * gradient: [query rows, keys], the mean over heads of p max(0, dL/dp).  All sequences of keys are
 * equally long; not causal. */
float *attention_relevance(struct tape *t, const struct attention_plan *plan,
                           const struct tensor *q, const struct tensor *k, const struct tensor *v,
                           const struct tensor *y);
/* Equal sequences of `tokens` rows; lives as long as the tape's pass. */
const struct spans *spans_even(struct tape *t, int count, int tokens);
const struct spans *spans_of(struct tape *t, int count, const int *lengths);

/* rmsnorm.c - y = x / sqrt(mean(x^2) + eps) * gain         x, y: [.., d]  gain: [d] */
struct tensor *rmsnorm(struct tape *t, struct tensor *x, struct tensor *gain, float eps);

/* gate.c - y = act(a) b for x = [a b] side by side          x: [.., 2 d]  y: [.., d] */
struct tensor *gate(struct tape *t, struct tensor *x, enum activation act);

/* activation.c - element by element */
struct tensor *activate(struct tape *t, struct tensor *x, enum activation which);
struct tensor *tensor_tanh(struct tape *t, struct tensor *x);
struct tensor *tensor_sigmoid(struct tape *t, struct tensor *x);

/* factors.c - y = x g, where row i of g counts for the i-th of rows(g) equal blocks of x's rows: a
 * gain for each column where g is [d], or [d, 1, 1] as files of convolutions have it
 * x, y: [.., d]  g: [blocks, d] */
struct tensor *factors(struct tape *t, struct tensor *x, struct tensor *g);

/* repeat.c - every column `times` times, one beside the other: [.., d] -> [.., d times] */
struct tensor *repeat_columns(struct tape *t, struct tensor *x, long times);

/* rotary.c - pairs of numbers turned by an angle: [a b] -> [a cos - b sin, b cos + a sin], in every
 * head alike.  Of each `tokens` rows the first `skipped` stay; the angles are those of the others:
 * sine, cosine: [tokens - skipped, head / 2] */
struct rotary {
    int tokens, skipped, head;
    const float *sine, *cosine;
};
struct tensor *rotate(struct tape *t, const struct rotary *r, struct tensor *x);

/* add.c - x + y; y: as x, or [tokens, d] repeated over the batch, or [d] over the rows */
struct tensor *add(struct tape *t, struct tensor *x, struct tensor *y);

/* dropout.c - each number, or all rows of a sequence, is 0 with probability `rate` in [0, 1); the
 * others grow by 1 / (1 - rate).  x itself where it needs no gradient.  Drawn from t->random. */
struct tensor *dropout(struct tape *t, struct tensor *x, float rate);
struct tensor *drop_sequences(struct tape *t, struct tensor *x, const struct spans *spans,
                              float rate);
/* x + (h W^T + b), of which something is left out: whole sequences, or numbers where spans is NULL.
 * Where nothing is remembered, linear_onto(). */
struct tensor *linear_onto_dropping(struct tape *t, struct linear *l, struct tensor *x,
                                    struct tensor *h, const struct spans *spans, float rate);

/* multiply.c - x z, element by element; both of one shape */
struct tensor *multiply(struct tape *t, struct tensor *x, struct tensor *z);

/* scale.c - x times a number: by, exp(s), s, 1/s; s a scalar parameter */
struct tensor *scale(struct tape *t, struct tensor *x, float by);
struct tensor *scale_exp(struct tape *t, struct tensor *x, struct tensor *s);
struct tensor *scaled_by(struct tape *t, struct tensor *x, struct tensor *s);
struct tensor *divided_by(struct tape *t, struct tensor *x, struct tensor *s);

/* embed.c - rows by index, which is copied; backward scatters    table, x: [n, d]  y: [count, d] */
struct tensor *embed(struct tape *t, struct tensor *table, const int *ids, long count);
struct tensor *take_rows(struct tape *t, struct tensor *x, const int *index, long count);

/* blend.c - weighted sums of rows: y[i] is the sum of weight[k] table[index[k]] for the k from
 * start[i] to start[i + 1]; the lists live as long as the pass.     table: [n, d]  y: [count, d] */
struct blend {
    const int *start, *index;
    const float *weight;
};
struct tensor *blend(struct tape *t, struct tensor *table, const struct blend *b, long count);

/* sequence.c - a token before every sequence, means over sequences, rows of two tensors */
struct tensor *prepend(struct tape *t, struct tensor *x,
                       struct tensor *token); /* [n,k,d] [d] -> [n,k+1,d] */
struct tensor *mean_rows(struct tape *t, struct tensor *x,
                         const struct spans *spans); /* -> [count, d] */
struct tensor *prepend_mean(struct tape *t,
                            struct tensor *x); /* [n,k,d] -> [n,k+1,d], row 0 the mean */
struct tensor *concat_rows(struct tape *t, struct tensor *x, struct tensor *z); /* x, then z */
/* Of sequences that belong together two by two, the first ones or the second ones:
 * [2 n, k, d] -> [n k, d] */
struct tensor *every_second(struct tape *t, struct tensor *x, int first);

/* max.c - the largest of every `each` rows, column by column: [n each, m] -> [n, m], or where
 * `transposed` [m, n] */
struct tensor *max_rows(struct tape *t, struct tensor *x, int each, bool transposed);

/* patches.c - squares of pixels times a matrix    pixels: [n, 3, h, w]  weight: [d, 3, p, p]
 * -> [n, (h/p)(w/p), d], row-major over y, x.  bias may be NULL.  `layer` keeps the packed weight.
 */
struct tensor *patches(struct tape *t, struct linear *layer, struct tensor *pixels, int patch);

/* normalize.c - y = x / max(||x||, floor) row by row */
struct tensor *normalize(struct tape *t, struct tensor *x, float floor);
struct tensor *unit_rows(struct tape *t, struct tensor *x); /* with PyTorch's floor, 1e-12 */

/* matmul.c - a b^T     a: [m, d]  b: [n, d] -> [m, n] */
struct tensor *matmul_transposed(struct tape *t, struct tensor *a, struct tensor *b);

/* loss.c - scalars */
/* mean over rows of -log softmax(logits)[target], label smoothing e: (1-e) nll + e mean(-log p);
 * a row whose target is negative counts nothing; 0 if none counts.   logits: [.., classes] */
struct tensor *cross_entropy(struct tape *t, struct tensor *logits, const int *target,
                             float smoothing);
/* Symmetric contrastive loss of CLIP (arXiv 2103.00020, figure 3): u, v: [n, d] unit rows,
 * s = exp(logit_scale): (CE(s u v^T, i) + CE(s v u^T, i)) / 2 */
struct tensor *contrastive(struct tape *t, struct tensor *u, struct tensor *v,
                           struct tensor *logit_scale);

/* Targets that are distributions: mean over rows of -sum y log softmax(logits).
 * targets: [rows, classes], not copied: they live as long as the pass */
struct tensor *soft_cross_entropy(struct tape *t, struct tensor *logits, const float *targets);
float *softmax_rows(struct tape *t, const struct tensor *logits); /* [rows, classes], a copy */

/* sigmoid_loss.c - SigLIP (arXiv 2303.15343, algorithm 1): z = 1 where row i and column j belong
 * together, else -1: sum over all i, j of log(1 + exp(-z (logits + bias))), divided by the rows.
 * logits: [n, n]  bias: scalar, or NULL  same: [n, n], copied */
struct tensor *sigmoid_contrastive(struct tape *t, struct tensor *logits, struct tensor *bias,
                                   const bool *same);

/* conv.c, batchnorm.c, pool.c - ResNet's; images lie as [n, h, w, c] */
struct tensor *to_channels_last(struct tape *t, struct tensor *pixels); /* [n,c,h,w] -> [n,h,w,c] */
/* weight: [out, in, k, k] as PyTorch stores it; zero padding k/2 unless layer->same; `layer` keeps
 * the packed weight */
struct tensor *convolve(struct tape *t, struct linear *layer, struct tensor *x, int stride);
struct batchnorm {
    struct tensor *gain, *shift, *mean, *variance; /* [c]; the last two are running statistics */
    float eps;
};
/* Running statistics while gain needs no gradient; else those of the batch, and the running ones
 * move by momentum 0.1 (variance unbiased), as torch.nn.BatchNorm2d in training. */
struct tensor *batchnorm(struct tape *t, struct batchnorm *b, struct tensor *x,
                         enum activation act);
/* act(batchnorm(convolve(x))); where nothing is remembered the normalisation goes into
 * the packed weight, so linear_close() `layer` when the statistics change. */
struct tensor *convolve_norm(struct tape *t, struct linear *layer, struct batchnorm *norm,
                             struct tensor *x, int stride, enum activation act);
/* relu(x + batchnorm(convolve(h))) at stride 1, then written over x and x returned */
struct tensor *convolve_norm_onto(struct tape *t, struct linear *layer, struct batchnorm *norm,
                                  struct tensor *x, struct tensor *h);
/* depthwise.c - every channel has filters of its own, m of them    x: [n, h, w, c]
 * weight: [m c, 1, k, k]  y: [n, h', w', m c], the m of one channel side by side */
struct tensor *depthwise(struct tape *t, struct linear *layer, struct tensor *x, int stride);
/* act(batchnorm(depthwise(x))), folded as convolve_norm does */
struct tensor *depthwise_norm(struct tape *t, struct linear *layer, struct batchnorm *norm,
                              struct tensor *x, int stride, enum activation act);
struct tensor *average_pool(struct tape *t, struct tensor *x,
                            int size); /* size x size, stride size */

#endif
