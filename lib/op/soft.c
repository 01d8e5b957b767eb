/* SPDX-License-Identifier: MIT
 * soft.c - targets that are distributions
 *
 *     soft_cross_entropy   mean over rows of  - sum of y log softmax(z)        z, y: [rows,
 * classes]
 *
 *     dz += dloss / rows * (sum(y) softmax(z) - y)
 */
#include <assert.h>
#include <math.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *logits;
    const float *targets;
    float *log_sum;  /* [rows]: log of the sum of exp(logits) */
    float *mass;     /* [rows]: sum of the targets */
    float *row_loss; /* [rows] */
    float *softmax;  /* [rows, classes]: softmax_rows alone */
    float scale;     /* backward: dloss / rows */
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i), *y = p->targets + i * classes;
        float *dz = grad_of(p->logits, i);

        for (long j = 0; j < classes; j++)
            dz[j] += p->scale * (p->mass[i] * expf(z[j] - p->log_sum[i]) - y[j]);
    }
}

static void backward(const struct node *n)
{
    struct pass p = *(const struct pass *)n->saved;

    p.scale = n->out->grad[0] / (float)rows(p.logits);
    over_rows(backward_rows, &p, rows(p.logits), width(p.logits));
}

static const struct op op_soft_cross_entropy = { .name = "soft_cross_entropy",
                                                 .backward = backward };

static double log_sum_of(const float *z, long classes)
{
    float most = z[0];
    double sum = 0;

    for (long j = 1; j < classes; j++)
        most = fmaxf(most, z[j]);
    for (long j = 0; j < classes; j++)
        sum += expf(z[j] - most);
    return most + log(sum);
}

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i), *y = p->targets + i * classes;
        double log_sum = log_sum_of(z, classes), mass = 0, along = 0;

        for (long j = 0; j < classes; j++) {
            mass += y[j];
            along += (double)y[j] * z[j];
        }
        p->log_sum[i] = (float)log_sum;
        p->mass[i] = (float)mass;
        p->row_loss[i] = (float)(mass * log_sum - along);
    }
}

struct tensor *soft_cross_entropy(struct tape *t, struct tensor *logits, const float *targets)
{
    struct tensor *loss = tensor_new(t, 0, NULL);
    struct pass *p = tape_alloc(t, sizeof *p);
    long count = rows(logits);
    double sum = 0;

    assert(count > 0);
    *p = (struct pass){ .logits = logits, .targets = targets };
    p->log_sum = tape_floats(t, count);
    p->mass = tape_floats(t, count);
    p->row_loss = tape_floats(t, count);
    over_rows(forward_rows, p, count, width(logits));
    for (long i = 0; i < count; i++)
        sum += p->row_loss[i];
    loss->data[0] = (float)(sum / (double)count);
    return REMEMBER(t, &op_soft_cross_entropy, loss, p, logits);
}

static void softmax_of_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i);
        float log_sum = (float)log_sum_of(z, classes), *y = p->softmax + i * classes;

        for (long j = 0; j < classes; j++)
            y[j] = expf(z[j] - log_sum);
    }
}

float *softmax_rows(struct tape *t, const struct tensor *logits)
{
    struct pass p = { .logits = logits, .softmax = tape_floats(t, tensor_count(logits)) };

    over_rows(softmax_of_rows, &p, rows(logits), width(logits));
    return p.softmax;
}
