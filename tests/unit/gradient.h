/* SPDX-License-Identifier: MIT
 * gradient.h - an operation's backward against differences of its forward
 *
 * A row's result y is projected on fixed random weights, L = sum w y, summed in double.  For each
 * input and a random direction v, of length 1, the slope of L along v is taken from four
 * points,
 *
 *     (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12 h        h = 1/64
 *
 * and compared with the sum of gradient times v.  They may differ by 5e-4 of the root of the sum of
 * the squares of the sum's terms: the formula is off by h^4 / 30 = 2e-9 of a fifth derivative, and
 * the gradient itself by some roundings of 2^-24; a wrong term is off by much more.  To that comes
 * what rounding on the way to y makes of L: 16 times 2^-24 of the root of the sum of (w y)^2, over
 * h; a transformer layer needs about half of it.
 *
 * Each row runs again with no input wanting a gradient: nothing may be remembered, and the same y
 * has to come out, through packed products instead of BLAS, within 2e-5 of its largest value.  And
 * again with three threads, where gradients may not differ by a byte.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "op/op.h"
#include "tests/unit/tap.h"

enum { INPUTS = 8, TRIALS = 3 };
static const double step = 1.0 / 64, tolerance = 5e-4, some = 16, same = 2e-5;

struct shape {
    int rank;
    long at[TENSOR_RANK];
    enum { LEARNS, FROZEN, WIDE, POSITIVE } kind; /* WIDE: no number within 1/4 of 0 */
};
/* clang-format off */
#define S0()           { 0, { 0 }, LEARNS }
#define S1(a)          { 1, { a }, LEARNS }
#define S2(a, b)       { 2, { a, b }, LEARNS }
#define S3(a, b, c)    { 3, { a, b, c }, LEARNS }
#define S4(a, b, c, d) { 4, { a, b, c, d }, LEARNS }
#define F1(a)          { 1, { a }, FROZEN }
#define F2(a, b)       { 2, { a, b }, FROZEN }
#define F4(a, b, c, d) { 4, { a, b, c, d }, FROZEN }
#define P1(a)          { 1, { a }, POSITIVE }
#define W2(a, b)       { 2, { a, b }, WIDE }
/* clang-format on */

struct row {
    const char *name;
    struct tensor *(*run)(struct tape *t, struct tensor *const *in);
    struct shape in[INPUTS];
    int inputs;
    /* Where no input wants a gradient it computes something else: running statistics in place of
     * the batch's, or nothing is left out. */
    bool another;
};

/* ---- how a row is tried ---- */

struct trial {
    const struct row *row;
    struct tensor in[INPUTS], *inputs[INPUTS];
    struct tape tape;
};

static inline float *floats(long count)
{
    return xalloc((size_t)(count ? count : 1), sizeof(float));
}

static inline float number(struct random *r, const struct tensor *x, int kind)
{
    float value = random_normal(r);

    if (kind == POSITIVE)
        return 1.0f + 0.5f * (float)random_uniform(r);
    if (kind == WIDE)
        return value < 0 ? value - 0.25f : value + 0.25f;
    if (x->rank == 1) /* gains around 1 */
        return 1.0f + 0.25f * value;
    return x->rank == 0 ? 0.5f : x->rank == 2 && width(x) > 40 ? 0.2f * value : 0.6f * value;
}

static inline void trial_begin(struct trial *a, const struct row *row, uint64_t seed)
{
    struct random r = { seed };

    *a = (struct trial){ .row = row };
    for (int i = 0; i < row->inputs; i++) {
        struct tensor *x = &a->in[i];
        const struct shape *s = &row->in[i];

        x->rank = s->rank;
        memcpy(x->shape, s->at, sizeof x->shape);
        x->stride = width(x);
        x->data = floats(tensor_count(x));
        x->needs_grad =
            s->kind == LEARNS || s->kind == WIDE || (s->kind == POSITIVE && tensor_count(x) == 1);
        x->grad = x->needs_grad ? floats(tensor_count(x)) : NULL;
        for (long j = 0; j < tensor_count(x); j++)
            x->data[j] = number(&r, x, s->kind);
        a->inputs[i] = x;
    }
}

static inline void trial_end(struct trial *a)
{
    for (int i = 0; i < a->row->inputs; i++) {
        free(a->in[i].data);
        free(a->in[i].grad);
    }
    tape_free(&a->tape);
}

static inline float weight_of(long i)
{
    struct random r = { (uint64_t)i * 7919 + 17 };

    return random_normal(&r);
}

static inline double projection(const struct tensor *y)
{
    double sum = 0;

    for (long i = 0; i < rows(y); i++)
        for (long j = 0; j < width(y); j++)
            sum += (double)weight_of(i * width(y) + j) * y->data[i * y->stride + j];
    return sum;
}

static inline void backward_projection(const struct node *n)
{
    struct tensor *y = n->in[0];

    for (long i = 0; i < rows(y); i++)
        for (long j = 0; j < width(y); j++)
            y->grad[i * y->stride + j] += weight_of(i * width(y) + j) * n->out->grad[0];
}

static const struct op op_projection = { .name = "projection", .backward = backward_projection };

/* What float32 roundings of y may change in a slope of the projection */
static inline double rounding_noise(const struct tensor *y)
{
    double squares = 0;

    for (long i = 0; i < rows(y); i++)
        for (long j = 0; j < width(y); j++)
            squares += pow((double)weight_of(i * width(y) + j) * y->data[i * y->stride + j], 2);
    return some * ldexp(sqrt(squares), -24) / step;
}

static inline double forward(struct trial *a)
{
    tape_clear(&a->tape);
    return projection(a->row->run(&a->tape, a->inputs));
}

/* Returns the noise to be expected in slopes. */
static inline double backward(struct trial *a)
{
    struct tensor *y, *loss;

    tape_clear(&a->tape);
    y = a->row->run(&a->tape, a->inputs);
    loss = tensor_new(&a->tape, 0, NULL);
    loss->data[0] = (float)projection(y);
    tape_backward(&a->tape, REMEMBER(&a->tape, &op_projection, loss, NULL, y));
    return rounding_noise(y);
}

static inline double forward_at(struct trial *a, struct tensor *x, const float *from,
                                const float *along, double h)
{
    double loss;

    for (long j = 0; j < tensor_count(x); j++)
        x->data[j] = from[j] + (float)h * along[j];
    loss = forward(a);
    memcpy(x->data, from, (size_t)tensor_count(x) * sizeof *from);
    return loss;
}

/* A random direction of length 1 */
static inline float *direction(long count, struct random *r)
{
    float *along = floats(count), length = 0;

    for (long j = 0; j < count; j++) {
        along[j] = random_normal(r);
        length += along[j] * along[j];
    }
    for (long j = 0; j < count; j++)
        along[j] *= 1 / sqrtf(length);
    return along;
}

/* The difference of the two slopes along one direction of input i, in units of what it may be */
static inline double slope_error(struct trial *a, int i, double noise, struct random *r)
{
    struct tensor *x = a->inputs[i];
    long count = tensor_count(x);
    void *from = xmemdup(x->data, (size_t)count * sizeof *x->data);
    float *along = direction(count, r);
    double found = 0, squares = 0, wanted;

    for (long j = 0; j < count; j++) {
        double term = (double)along[j] * x->grad[j];

        found += term;
        squares += term * term;
    }
    wanted =
        (8 * (forward_at(a, x, from, along, step) - forward_at(a, x, from, along, -step)) -
         (forward_at(a, x, from, along, 2 * step) - forward_at(a, x, from, along, -2 * step))) /
        (12 * step);
    free(from);
    free(along);
    return fabs(found - wanted) / (tolerance * sqrt(squares) + noise);
}

static inline void try_slopes(const struct row *row, uint64_t seed)
{
    struct random r = { seed + 1 };
    double worst = 0, noise;
    int where = 0;
    struct trial a;

    trial_begin(&a, row, seed);
    noise = backward(&a);
    for (int i = 0; i < row->inputs; i++) {
        for (int j = 0; wants(a.inputs[i]) && j < TRIALS; j++) {
            double error = slope_error(&a, i, noise, &r);

            if (!(error <= worst)) {
                worst = error;
                where = i;
            }
        }
    }
    if (!ok(worst <= 1, "%s: slopes agree", row->name))
        note("%.3g times what may be, at input %d", worst, where);
    trial_end(&a);
}

static inline void copy_out(float *to, const struct tensor *y)
{
    for (long i = 0; i < rows(y); i++)
        memcpy(to + i * width(y), y->data + i * y->stride, (size_t)width(y) * sizeof *to);
}

static inline void try_frozen(const struct row *row, uint64_t seed)
{
    struct trial a;
    struct tensor *y;
    float *learning, *frozen;
    double worst;

    trial_begin(&a, row, seed);
    y = row->run(&a.tape, a.inputs);
    learning = floats(tensor_count(y));
    frozen = floats(tensor_count(y));
    copy_out(learning, y);
    tape_clear(&a.tape);
    for (int i = 0; i < row->inputs; i++)
        a.in[i].needs_grad = false;
    y = row->run(&a.tape, a.inputs);
    copy_out(frozen, y);
    is_long(a.tape.count, 0, "frozen, nothing is remembered");
    worst = worst_difference(frozen, learning, tensor_count(y));
    if (!row->another && !ok(worst <= same, "%s: frozen and learning agree", row->name))
        note("relative difference %.3g, at most %.3g", worst, same);
    free(learning);
    free(frozen);
    trial_end(&a);
}

static inline void try_threads(const struct row *row, uint64_t seed)
{
    struct trial a, b;
    bool equal = true;

    trial_begin(&a, row, seed);
    backward(&a);
    pool_start(3);
    trial_begin(&b, row, seed);
    backward(&b);
    pool_stop();
    for (int i = 0; i < row->inputs; i++)
        equal &= !wants(a.inputs[i]) || !memcmp(a.in[i].grad, b.in[i].grad,
                                                (size_t)tensor_count(&a.in[i]) * sizeof(float));
    ok(equal, "%s: one thread and three give the same gradients", row->name);
    trial_end(&a);
    trial_end(&b);
}

static inline int try_rows(const struct row *table, int count)
{
    for (int i = 0; i < count; i++) {
        try_slopes(&table[i], 100 + (uint64_t)i);
        try_frozen(&table[i], 100 + (uint64_t)i);
        try_threads(&table[i], 100 + (uint64_t)i);
    }
    return done();
}
