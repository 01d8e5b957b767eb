/* SPDX-License-Identifier: MIT
 * pooler.c - an image's tokens become fewer, and of another width: learned queries look at them
 *
 * Source: mlfoundations/open_clip src/open_clip/transformer.py, AttentionalPooler.
 */
#include <math.h>
#include "nn/pooler.h"

static void named_norm(struct norm *n, struct params *p, const char *name, long width, float eps)
{
    n->eps = eps;
    params_in(p, "%s", name);
    norm_params(n, p, width);
    params_out(p);
}

void pooler_params(struct pooler *h, struct params *p)
{
    const struct pooler_config *c = &h->config;
    struct linear_initial square = linear_uniform(c->out), across = linear_uniform(c->in);

    param(p, &h->queries, INIT_NORMAL(1), "queries", c->queries, c->out);
    named_norm(&h->norm_queries, p, "norm_queries", c->out, c->eps);
    named_norm(&h->norm_keys, p, "norm_keys", c->in, c->eps);
    linear_params(&h->query, p, "query", c->out, c->out, square);
    linear_params(&h->key_value, p, "key", c->out, c->in, across);
    linear_params(&h->key_value, p, "value", c->out, c->in, across);
    linear_params(&h->last, p, "out", c->out, c->out, square);
    named_norm(&h->norm, p, "norm", c->out, c->eps);
}

/* The queries are the same for every image: they are projected once. */
struct tensor *pooler_forward(struct tape *t, struct pooler *h, struct tensor *x)
{
    const struct pooler_config *c = &h->config;
    int images = (int)x->shape[0], tokens = (int)x->shape[1];
    int *index = tape_alloc(t, (size_t)images * (size_t)c->queries * sizeof *index);
    struct attention_plan plan = {
        .heads = c->heads,
        .scale = 1 / sqrtf((float)c->out / (float)c->heads),
        .queries = spans_even(t, images, c->queries),
        .keys = spans_even(t, images, tokens),
        .wide = true,
    };
    struct tensor *q, *kv;

    for (int i = 0; i < images * c->queries; i++)
        index[i] = i % c->queries;
    q = norm_forward(t, &h->norm_queries, embed(t, h->queries, index, c->queries));
    q = linear(t, &h->query, q, ACTIVATION_NONE);
    q = take_rows(t, q, index, (long)images * c->queries);
    kv = norm_forward(t, &h->norm_keys, tensor_as_rows(t, x));
    kv = linear(t, &h->key_value, kv, ACTIVATION_NONE);
    x = attention(t, &plan, q, tensor_columns(t, kv, 0, c->out),
                  tensor_columns(t, kv, c->out, c->out));
    x = norm_forward(t, &h->norm, linear(t, &h->last, x, ACTIVATION_NONE));
    return tensor_reshape(t, x, 3, (long[]){ images, c->queries, c->out });
}

void pooler_close(struct pooler *h)
{
    linear_close(&h->query);
    linear_close(&h->key_value);
    linear_close(&h->last);
}
