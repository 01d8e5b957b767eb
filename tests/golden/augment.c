/* SPDX-License-Identifier: MIT
 * augment.c - the operations of RandomAugment against BLIP's, to the last bit
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "image/augment.h"
#include "image/codec.h"
#include "weights/weights.h"
#include "tests/unit/tap.h"

static const char *const names[OPERATION_COUNT] = { "identity",  "autocontrast", "brightness",
                                                    "sharpness", "equalize",     "shear_x",
                                                    "shear_y",   "translate_x",  "translate_y",
                                                    "rotate" };
static int seen[OPERATION_COUNT];

static struct image image_of(const struct stored *s)
{
    struct image image;

    image_new(&image, (int)s->shape[1], (int)s->shape[0], 3, MODE_RGB);
    memcpy(image.pixels, s->data, s->bytes);
    return image;
}

static enum operation operation_named(const char *name, size_t size)
{
    for (int i = 0; i < OPERATION_COUNT; i++)
        if (strlen(names[i]) == size && !memcmp(names[i], name, size))
            return (enum operation)i;
    return OPERATION_COUNT;
}

/* IMAGE/OPERATION/ARGUMENT */
static void check(const struct weights *w, const struct stored *wanted)
{
    const char *slash = strchr(wanted->name, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
    const unsigned char *bytes = wanted->data;
    enum operation o;
    char *name;
    struct image got;
    size_t first = 0;

    if (!second)
        return;
    name = xmemdup(wanted->name, (size_t)(slash - wanted->name));
    got = image_of(weights_find(w, name));
    free(name);
    o = operation_named(slash + 1, (size_t)(second - slash) - 1);
    if (!ok(o != OPERATION_COUNT, "an operation: %s", wanted->name))
        return;
    seen[o]++;
    operation_apply(o, strtod(second + 1, NULL), &got);
    while (first < wanted->bytes && got.pixels[first] == bytes[first])
        first++;
    if (!ok(first == wanted->bytes, "%s", wanted->name))
        note("byte %zu is %d, expected %d", first, got.pixels[first], bytes[first]);
    image_free(&got);
}

int main(void)
{
    struct weights *w = weights_open("tests/golden/augment.safetensors");

    if (!ok(w != NULL, "the fixture opens: %s", error_text()))
        return done();
    for (int i = 0; i < weights_count(w); i++)
        check(w, weights_at(w, i));
    for (int i = 1; i < OPERATION_COUNT; i++)
        ok(seen[i] >= 4, "%d times %s", seen[i], names[i]);
    weights_close(w);
    return done();
}
