/* SPDX-License-Identifier: MIT
 * flax.c - arrays of Flax's transformers, as big_vision saves them, with the shapes of matrices
 *
 *     .../encoderblock/X              [layers, ..]         -> .../encoderblock_I/X    [..]
 *     .../{query,key,value}/kernel    [width, heads, head] -> [width, heads head]
 *     .../{query,key,value}/bias      [heads, head]        -> [heads head]
 *     .../out/kernel                  [heads, head, width] -> [heads head, width]
 *     .../embedding/kernel            [p, p, 3, width]     -> [width, 3, p, p]
 *
 * Only shapes and strides change: the numbers stay where they are.
 * Source: google-research/big_vision big_vision/models/vit.py.
 */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "weights/container.h"

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);

    return length >= tail && !strcmp(name + length - tail, ending);
}

/* Axes i and i + 1 become one, where the numbers lie in order. */
static void join(struct stored *s, int i)
{
    if (s->stride[i] != s->stride[i + 1] * s->shape[i + 1])
        return; /* by columns: the binder says that the shape does not fit */
    s->shape[i] *= s->shape[i + 1];
    s->stride[i] = s->stride[i + 1];
    for (int k = i + 1; k + 1 < s->rank; k++) {
        s->shape[k] = s->shape[k + 1];
        s->stride[k] = s->stride[k + 1];
    }
    s->rank--;
}

static void shape_heads(struct stored *s)
{
    static const char *const inner[] = { "query", "key", "value" };
    char ending[32];

    for (int i = 0; i < 3; i++) {
        snprintf(ending, sizeof ending, "/%s/kernel", inner[i]);
        if (s->rank == 3 && ends_in(s->name, ending))
            join(s, 1);
        snprintf(ending, sizeof ending, "/%s/bias", inner[i]);
        if (s->rank == 2 && ends_in(s->name, ending))
            join(s, 0);
    }
    if (s->rank == 3 && ends_in(s->name, "/out/kernel"))
        join(s, 0);
}

static void shape_patches(struct stored *s)
{
    static const int from[4] = { 3, 2, 0, 1 };
    const struct stored old = *s;

    if (s->rank != 4 || !ends_in(s->name, "/embedding/kernel"))
        return;
    for (int i = 0; i < 4; i++) {
        s->shape[i] = old.shape[from[i]];
        s->stride[i] = old.stride[from[i]];
    }
}

/* One layer of an array that holds all of them. */
static int add_layer(struct weights *w, const struct stored *all, const char *rest, long layer)
{
    struct stored s = *all;
    char name[192];
    int size =
        snprintf(name, sizeof name, "%.*s_%ld%s", (int)(rest - all->name), all->name, layer, rest);

    if (size < 0 || (size_t)size >= sizeof name)
        return fail("%.60s: its name is too long", all->name);
    s.name = weights_name(w, name, (size_t)size);
    if (!s.name)
        return -1;
    s.data = (const char *)all->data + (size_t)(layer * all->stride[0]) * dtype_size(all->type);
    s.bytes = all->bytes / (size_t)all->shape[0];
    for (int i = 0; i + 1 < all->rank; i++) {
        s.shape[i] = all->shape[i + 1];
        s.stride[i] = all->stride[i + 1];
    }
    s.rank--;
    shape_heads(&s);
    return weights_add(w, &s);
}

int flax_add(struct weights *w, struct stored *s)
{
    static const char layers[] = "/encoderblock";
    const char *at = strstr(s->name, layers), *rest = at ? at + sizeof layers - 1 : NULL;

    if (rest && *rest == '/' && s->rank && s->shape[0] > 0 && s->shape[0] <= 1000) {
        for (long i = 0; i < s->shape[0]; i++)
            if (add_layer(w, s, rest, i))
                return -1;
        return 0;
    }
    shape_heads(s);
    shape_patches(s);
    return weights_add(w, s);
}
