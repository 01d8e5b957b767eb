/* SPDX-License-Identifier: MIT
 * sigmoid_loss.c - a probability for each pair of an image and a text, whatever the others
 *
 *     loss = 1/n sum over i, j of log(1 + exp(-z (logits + bias)))      z: 1 or -1
 *
 *     dlogits += dloss / n * -z sigmoid(-z (logits + bias));  dbias is the sum of these
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

static double term(const struct node *n, long i, double *slope)
{
    const struct tensor *bias = n->in[1];
    const bool *same = n->saved;
    double z = same[i] ? 1 : -1;
    double x = -z * ((double)n->in[0]->data[i] + (bias ? (double)bias->data[0] : 0));
    double e = exp(-fabs(x)); /* log(1 + exp(x)) without overflow */

    *slope = -z * (x > 0 ? 1 / (1 + e) : e / (1 + e));
    return log1p(e) + (x > 0 ? x : 0);
}

static void backward(const struct node *n)
{
    struct tensor *logits = n->in[0], *bias = n->in[1];
    double by = (double)n->out->grad[0] / (double)rows(logits), sum = 0;

    for (long i = 0; i < tensor_count(logits); i++) {
        double slope;

        term(n, i, &slope);
        if (wants(logits))
            logits->grad[i] += (float)(by * slope);
        sum += slope;
    }
    if (bias && wants(bias))
        bias->grad[0] += (float)(by * sum);
}

static const struct op op_sigmoid_contrastive = { .name = "sigmoid_contrastive",
                                                  .backward = backward };

struct tensor *sigmoid_contrastive(struct tape *t, struct tensor *logits, struct tensor *bias,
                                   const bool *same)
{
    struct tensor *loss = tensor_new(t, 0, NULL);
    size_t count = (size_t)tensor_count(logits);
    bool *copy = tape_alloc(t, count);
    struct node forward = { .saved = copy, .in = { logits, bias } };
    double sum = 0, slope;

    assert(rows(logits) == width(logits));
    memcpy(copy, same, count);
    for (long i = 0; i < (long)count; i++)
        sum += term(&forward, i, &slope);
    loss->data[0] = (float)(sum / (double)rows(logits));
    return REMEMBER(t, &op_sigmoid_contrastive, loss, copy, logits, bias);
}
