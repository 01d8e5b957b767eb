/* SPDX-License-Identifier: MIT
 * order.c - matrices in every order: read back, and multiplied as if they lay by rows
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

static const char *const variants[] = {
    "scalar", "avx2", "avxvnni", "avx512", "vnni", "bf16", "amx"
};
static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8 };
static const struct shape {
    long rows, inputs;
} shapes[] = { { 1, 1 }, { 16, 64 }, { 33, 7 }, { 100, 70 }, { 7, 130 } };

static char *make(enum dtype type, long count, struct random *r)
{
    float *wide = xalloc((size_t)count, sizeof *wide);
    char *to = xalloc((size_t)count, dtype_size(type));

    for (long i = 0; i < count; i++) {
        wide[i] = random_normal(r);
        if (type == DTYPE_I8)
            ((int8_t *)to)[i] = (int8_t)((long)random_below(r, 255) - 127);
    }
    if (type != DTYPE_I8)
        kernels.narrow(to, wide, type, count);
    free(wide);
    return to;
}

static void test_round_trip(const struct order *o, enum dtype type, const struct shape *s)
{
    struct random r = { 3 };
    size_t size = dtype_size(type), bytes = order_size(o, type, s->rows, s->inputs);
    size_t row_bytes = (size_t)s->inputs * size;
    char *from = make(type, s->rows * s->inputs, &r), *to = xalloc(bytes + 1, 1);
    char *back = xalloc(row_bytes, 1);
    const struct ordered m = { o, type, to, s->rows, s->inputs };
    bool same = true, some = true;

    to[bytes] = 77;
    order_fill(o, type, to, from, s->rows, s->inputs);
    for (long i = 0; i < s->rows; i++) {
        long first = i % s->inputs, count = (s->inputs - first + 1) / 2;

        order_read(&m, i, 0, s->inputs, back);
        same = same && !memcmp(back, from + (size_t)i * row_bytes, row_bytes);
        order_read(&m, i, first, count, back);
        some = some && !memcmp(back, from + (size_t)i * row_bytes + (size_t)first * size,
                               (size_t)count * size);
    }
    ok(same && some && to[bytes] == 77 && bytes % ORDER_ALIGN == 0, "%s, %s, %ld x %ld: read back",
       order_name(o), dtype_name(type), s->rows, s->inputs);
    free(from);
    free(to);
    free(back);
}

/* Two parts, of which one, the other or both lie in the order. */
static void multiply(const struct order *const *orders, enum dtype type, int pieces,
                     const struct shape *s, float *y)
{
    struct random r = { 5 };
    struct matrix parts[2];
    float *x = xalloc((size_t)(3 * s->inputs), sizeof *x), *scale;
    char *stored[2], *ordered[2];
    struct pack *pack;

    scale = xalloc((size_t)s->rows, sizeof *scale);
    for (long i = 0; i < 3 * s->inputs; i++)
        x[i] = random_normal(&r);
    for (long i = 0; i < s->rows; i++)
        scale[i] = 0.01f * (float)(i + 1);
    for (int i = 0; i < 2; i++) {
        stored[i] = make(type, s->rows * s->inputs, &r);
        ordered[i] =
            orders[i] ? pages_alloc(order_size(orders[i], type, s->rows, s->inputs)) : NULL;
        if (orders[i])
            order_fill(orders[i], type, ordered[i], stored[i], s->rows, s->inputs);
        parts[i] = (struct matrix){ .data = orders[i] ? ordered[i] : stored[i],
                                    .type = type,
                                    .rows = s->rows,
                                    .scale = type == DTYPE_I8 ? scale : NULL,
                                    .pieces = pieces,
                                    .order = orders[i] };
    }
    pack = pack_weights(parts, 2, s->inputs, false);
    for (int i = 0; i < 2; i++)
        if (pack_in_place(pack, i) != (orders[i] && orders[i] == order_here(type, pieces, false)))
            ok(0, "read in place where the order is the one of here");
    multiply_packed(&(struct product){ .weights = pack,
                                       .x = x,
                                       .rows = 3,
                                       .x_stride = s->inputs,
                                       .pieces = pieces,
                                       .y = y,
                                       .y_stride = 2 * s->rows });
    pack_free(pack);
    for (int i = 0; i < 2; i++) {
        free(stored[i]);
        pages_free(ordered[i]);
    }
    free(scale);
    free(x);
}

static void test_products(const char *variant, const struct order *o, enum dtype type, int pieces)
{
    for (int i = 0; i < COUNT(shapes); i++) {
        size_t bytes = (size_t)(6 * shapes[i].rows) * sizeof(float);
        float *want = xalloc(bytes, 1), *got = xalloc(bytes, 1);
        bool same = true;

        multiply((const struct order *[]){ NULL, NULL }, type, pieces, &shapes[i], want);
        for (int which = 1; which < 4; which++) {
            multiply((const struct order *[]){ which & 1 ? o : NULL, which & 2 ? o : NULL }, type,
                     pieces, &shapes[i], got);
            same = same && !memcmp(want, got, bytes);
        }
        ok(same, "%s: products with %s in %s, %d pieces, %ld x %ld", variant, dtype_name(type),
           order_name(o), pieces, shapes[i].rows, shapes[i].inputs);
        free(want);
        free(got);
    }
}

int main(void)
{
    pool_start(2);
    for (int i = 0; order_at(i); i++)
        for (int t = 0; t < COUNT(types); t++)
            for (int s = 0; s < COUNT(shapes); s++)
                if (order_holds(order_at(i), types[t], 0) || order_holds(order_at(i), types[t], 1))
                    test_round_trip(order_at(i), types[t], &shapes[s]);
    for (int v = 0; v < COUNT(variants); v++) {
        if (!kernels_supported(variants[v]))
            continue;
        kernels_use(variants[v]);
        for (int i = 0; order_at(i); i++)
            for (int t = 0; t < COUNT(types); t++)
                for (int pieces = 0; pieces < (types[t] == DTYPE_I8 ? 2 : 1); pieces++)
                    if (order_holds(order_at(i), types[t], pieces))
                        test_products(variants[v], order_at(i), types[t], pieces);
    }
    ok(order_named("panels8x16") && !order_named("panels8"), "orders have names");
    kernels_use(NULL);
    pool_stop();
    return done();
}
