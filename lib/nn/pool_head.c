/* SPDX-License-Identifier: MIT
 * pool_head.c - an image's tokens become one vector: a learned query looks at all of them
 */
#include <math.h>
#include <string.h>
#include "nn/pool_head.h"

/* Xavier's bound of a matrix [out, in]. */
static struct linear_initial xavier(long out, long in)
{
    return (struct linear_initial){ INIT_UNIFORM(sqrtf(6 / (float)(out + in))), INIT_VALUE(0),
                                    false };
}

void pool_head_params(struct pool_head *h, struct params *p, long width, long mlp)
{
    const struct linear_initial square = xavier(width, width), up = xavier(mlp, width);

    param(p, &h->probe, INIT_UNIFORM(sqrtf(6 / (float)(1 + width))), "probe", 1, width);
    params_in(p, "attention");
    linear_params(&h->query, p, "query", width, width, square);
    linear_params(&h->key_value, p, "key", width, width, square);
    linear_params(&h->key_value, p, "value", width, width, square);
    linear_params(&h->out, p, "out", width, width, square);
    params_out(p);
    params_in(p, "norm");
    norm_params(&h->norm, p, width);
    params_out(p);
    params_in(p, "mlp");
    linear_params(&h->fc1, p, "fc1", mlp, width, up);
    linear_params(&h->fc2, p, "fc2", width, mlp, up);
    params_out(p);
}

struct tensor *pool_head_forward(struct tape *t, struct pool_head *h, struct tensor *x)
{
    return pool_head_rows(t, h, tensor_as_rows(t, x),
                          spans_even(t, (int)x->shape[0], (int)x->shape[1]));
}

struct tensor *pool_head_rows(struct tape *t, struct pool_head *h, struct tensor *x,
                              const struct spans *pictures)
{
    int images = pictures->count, *same = tape_alloc(t, (size_t)images * sizeof *same);
    long wide = width(x);
    struct attention_plan plan = {
        .heads = h->heads,
        .scale = 1 / sqrtf((float)wide / (float)h->heads),
        .queries = spans_even(t, images, 1),
        .keys = pictures,
    };
    struct tensor *q, *kv, *y;

    memset(same, 0, (size_t)images * sizeof *same);
    q = linear(t, &h->query, embed(t, h->probe, same, images), ACTIVATION_NONE);
    kv = linear(t, &h->key_value, x, ACTIVATION_NONE);
    y = attention(t, &plan, q, tensor_columns(t, kv, 0, wide), tensor_columns(t, kv, wide, wide));
    y = linear(t, &h->out, y, ACTIVATION_NONE);
    return linear_onto(t, &h->fc2, y,
                       linear(t, &h->fc1, norm_forward(t, &h->norm, y), h->activation));
}

void pool_head_close(struct pool_head *h)
{
    linear_close(&h->query);
    linear_close(&h->key_value);
    linear_close(&h->out);
    linear_close(&h->fc1);
    linear_close(&h->fc2);
}
