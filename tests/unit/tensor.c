/* SPDX-License-Identifier: MIT
 * tensor.c - shapes, views, the tape's memory, the list of parameters and what learns of it
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "tensor/tensor.h"
#include "tests/unit/tap.h"

static void doubled_back(const struct node *n)
{
    float *scratch = tape_floats(n->tape, 1 << 20); /* dropped when this returns */

    for (long i = 0; i < tensor_count(n->out); i++)
        scratch[i] = 2 * n->out->grad[i];
    for (long i = 0; i < tensor_count(n->out); i++)
        n->in[0]->grad[i] += scratch[i];
}

static const struct op op_doubled = { .name = "doubled", .backward = doubled_back };

static struct tensor *doubled(struct tape *t, struct tensor *x)
{
    struct tensor *y = tensor_like(t, x);

    for (long i = 0; i < tensor_count(x); i++)
        y->data[i] = 2 * x->data[i];
    return REMEMBER(t, &op_doubled, y, NULL, x);
}

static void halved_back(const struct node *n)
{
    for (long i = 0; i < tensor_count(n->out); i++)
        n->in[0]->grad[i] += n->out->grad[i] / 2;
}

static const struct op op_halved = { .name = "halved", .backward = halved_back };

static struct tensor *halved(struct tape *t, struct tensor *x)
{
    struct tensor *y = tensor_like(t, x);

    for (long i = 0; i < tensor_count(x); i++)
        y->data[i] = x->data[i] / 2;
    return REMEMBER(t, &op_halved, y, NULL, x);
}

static void test_shapes(void)
{
    struct tape t = { 0 };
    struct tensor *x = tensor_make(&t, 2, 3, 8), *scalar = tensor_new(&t, 0, NULL), *v;

    is_long(rows(x), 6, "rows are all axes but the last");
    is_long(width(x), 8, "width is the last");
    is_long(rows(scalar) * width(scalar), 1, "a scalar is one number");
    for (long i = 0; i < 48; i++)
        x->data[i] = (float)i;
    v = tensor_columns(&t, tensor_rows(&t, x, 2, 3), 5, 2);
    ok(v->data[0] == 21 && v->data[v->stride + 1] == 30, "a view of a view sees its base");
    v = tensor_reshape(&t, x, 2, (long[]){ 12, 4 });
    is_long(v->stride, 4, "rows without gaps may be cut anew");
    v = tensor_reshape(&t, tensor_columns(&t, x, 0, 3), 2, (long[]){ 6, 3 });
    is_long(v->stride, 8, "rows with gaps may be grouped anew");
    tape_free(&t);
}

static void test_short_floats(void)
{
    struct tape t = { 0 };
    uint16_t half[] = { float_to_half(1.5f), float_to_half(-0.25f) };
    struct tensor x = { .type = DTYPE_F16, .rank = 1, .shape = { 2 }, .stride = 2, .bytes = half };
    const float *wide = tensor_floats(&t, &x);

    ok(wide[0] == 1.5f && wide[1] == -0.25f, "halves are widened");
    ok(!tensor_floats(&t, NULL), "nothing stays nothing");
    tape_free(&t);
}

static void test_scaled(void)
{
    static int8_t bytes[] = { 1, -2, 3, 127, -127, 0 };
    static const float scale[] = { 0.5f, 2 };
    struct tensor x = {
        .type = DTYPE_I8, .rank = 2, .shape = { 2, 3 }, .stride = 3, .bytes = bytes, .scale = scale
    };
    static const float want[] = { 0.5f, -1, 1.5f, 254, -254, 0 };
    struct tape t = { 0 };
    float part[3];

    is_close(tensor_floats(&t, &x), want, 6, 0, 0, "bytes times the scale of their row");
    tensor_read(&x, 2, 3, part);
    is_close(part, want + 2, 3, 0, 0, "from the middle of a row on");
    tape_free(&t);
}

static void test_trail(void)
{
    float data[] = { 3 }, grad[] = { 10 };
    struct tensor x = { .rank = 0, .stride = 1, .data = data, .grad = grad, .needs_grad = true };
    struct tape t = { 0 };
    struct tensor *y;
    size_t peak;

    y = doubled(&t, doubled(&t, &x));
    is_long(t.count, 2, "two operations are remembered");
    tape_backward(&t, y);
    ok(y->data[0] == 12 && grad[0] == 14, "the gradient is added");
    peak = t.arena.peak;
    tape_backward(&t, y);
    is_long((long)(t.arena.peak - peak), 0, "backward's scratch is dropped");
    tape_clear(&t);
    x.needs_grad = false;
    y = doubled(&t, doubled(&t, &x));
    ok(t.count == 0 && !y->grad && !y->needs_grad, "frozen, nothing is remembered");
    tape_backward(&t, y);
    ok(true, "backward of a constant does nothing");
    tape_free(&t);
}

/* Of a hundred gradients two are out at a time; halves of a tensor have halves of its gradient. */
static void test_loans(void)
{
    enum { SIZE = 1 << 16 };
    static float data[SIZE], grad[SIZE];
    struct tensor x = { .rank = 1, .shape = { SIZE }, .stride = SIZE, .data = data, .grad = grad };
    struct tape t = { 0 };
    struct tensor *y = &x, *unused;

    x.needs_grad = true;
    unused = doubled(&t, &x);
    for (int i = 0; i < 100; i++)
        y = doubled(&t, i % 20 ? y : halved(&t, y));
    y = tensor_columns(&t, doubled(&t, y), SIZE - 1, 1);
    tape_backward(&t, y);
    ok(grad[0] == 0 && grad[SIZE - 1] == ldexpf(1, 96),
       "a view's gradient is a part of its base's");
    ok(!unused->grad && !y->base->grad, "afterwards nothing is out");
    ok(t.loaned.peak < 3 * (sizeof data + 4096), "two of a hundred were at a time (%zu bytes)",
       t.loaned.peak);
    tape_free(&t);
}

static void test_marks(void)
{
    float data[] = { 3 }, grad[] = { 0 };
    struct tensor x = { .rank = 0, .stride = 1, .data = data, .grad = grad };
    struct tape t = { 0 };
    struct tape_mark mark;
    void *before, *after;

    tape_floats(&t, 100);
    mark = tape_mark(&t);
    before = doubled(&t, &x);
    tape_drop(&t, mark);
    after = doubled(&t, &x);
    ok(before == after, "a layer's scratch is used again");
    tape_drop(&t, mark);
    x.needs_grad = true;
    before = doubled(&t, &x);
    tape_drop(&t, mark);
    after = doubled(&t, &x);
    ok(before != after, "what is remembered is not dropped");
    tape_free(&t);
}

struct part {
    struct tensor *weight, *bias, *absent;
};
struct model {
    struct part parts[2];
    struct tensor *scale, *running, *tied;
};

static void part_params(struct part *m, struct params *p)
{
    param(p, &m->weight, INIT_VALUE(0), "weight", 3, 5);
    param(p, &m->bias, INIT_VALUE(0), "bias", 3);
    param(p, &m->absent, INIT_VALUE(0), "absent", 7);
    params_optional(p);
}

static void model_params(struct model *m, struct params *p)
{
    params_in(p, "tower.%s", "deep");
    for (int i = 0; i < 2; i++) {
        params_in(p, "part.%d", i);
        part_params(&m->parts[i], p);
        params_out(p);
    }
    params_out(p);
    param_scalar(p, &m->scale, INIT_VALUE(0), "scale");
    param(p, &m->running, INIT_VALUE(0), "running", 4);
    params_buffer(p);
    param(p, &m->tied, INIT_VALUE(0), "tied", 3, 5);
}

/* Numbers 1, 2, 3 ... from 100 times the parameter's place in the list on */
static void load(struct tape *t, struct params *p)
{
    for (int i = 0; i < p->count; i++) {
        struct param *one = &p->list[i];
        struct tensor *x;

        if (one->optional)
            continue;
        x = *one->slot = tensor_new(t, one->rank, one->shape);
        for (long j = 0; j < tensor_count(x); j++)
            x->data[j] = (float)(100 * i + j);
    }
}

static void test_params(void)
{
    struct model m = { 0 };
    struct params p = { 0 };
    struct tape t = { 0 };

    model_params(&m, &p);
    is_long(p.count, 9, "nine parameters");
    is_text(p.list[3].name, "tower.deep.part.1.weight", "prefixes are joined");
    is_text(p.list[6].name, "scale", "and taken off again");
    ok(p.list[5].optional && p.list[7].buffer && !p.list[6].buffer, "kinds are noted");
    is_long(params_total(&p), 0, "nothing is loaded yet");
    load(&t, &p);
    is_long(params_total(&p), 15 + 3 + 15 + 3 + 1 + 4 + 15, "numbers are counted");
    params_free(&p);
    tape_free(&t);
}

static void test_learning(void)
{
    struct model m = { 0 };
    struct params p = { 0 };
    struct tape t = { 0 };
    struct learning *l, *more;

    model_params(&m, &p);
    load(&t, &p);
    m.tied = m.parts[0].weight;
    kernels.narrow(m.parts[1].bias->bytes, (float[]){ 1, -2, 0.5f }, DTYPE_BF16, 3);
    m.parts[1].bias->type = DTYPE_BF16;
    params_freeze(&p, "tower.deep.part.0.bias");
    l = params_learn(&p, "tower.");
    is_long(l->params, 3, "a prefix chooses, frozen and absent ones are left out");
    is_long(l->count, 16 + 16 + 16, "each starts on a line of its own");
    ok(m.parts[0].weight->data == l->data && m.parts[0].weight->data[14] == 14, "moved, kept");
    ok(m.parts[1].bias->type == DTYPE_F32 && m.parts[1].bias->data[1] == -2, "widened");
    ok(m.parts[1].bias->grad == l->grad + 32, "gradients lie as the data");
    ok(!m.parts[0].bias->needs_grad && !m.running->needs_grad && !m.scale->needs_grad,
       "others rest");
    more = params_learn(&p, NULL);
    is_long(more->params, 1, "who learns already is passed by, under a second name too");
    l->grad[40] = 3;
    learning_zero(l);
    ok(l->grad[40] == 0, "gradients are zeroed");
    learning_free(l);
    learning_free(more);
    params_free(&p);
    tape_free(&t);
}

int main(void)
{
    test_shapes();
    test_short_floats();
    test_scaled();
    test_trail();
    test_loans();
    test_marks();
    test_params();
    test_learning();
    return done();
}
