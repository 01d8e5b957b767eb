/* SPDX-License-Identifier: MIT
 * image.c - fuzz target: any bytes as a picture, prepared in both orders
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "image/image.h"
#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIDE = 8, MOST_PIXELS = 1 << 18 };

static void prepare(const uint8_t *data, size_t size, enum geometry geometry, bool convert_first)
{
    struct preprocess p = { .resize = SIDE,
                            .width = SIDE,
                            .height = SIDE,
                            .geometry = geometry,
                            .filter = FILTER_BICUBIC,
                            .convert_first = convert_first,
                            .orient = convert_first,
                            .lay_on = convert_first,
                            .ground = { 255, 0, 90 },
                            .center_crop = true,
                            .scale = 1.0 / 255,
                            .std = { 1, 1, 1 } };
    float pixels[3 * SIDE * SIDE];

    if (preprocess_bytes(&p, data, size, MOST_PIXELS, pixels) < 0) {
        if (!*error_code() || !*error_text())
            abort();
        return;
    }
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        if (!(pixels[i] >= 0 && pixels[i] <= 1))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_info info;

    if (image_probe(data, size, &info) == 0 &&
        (!image_format(data, size) || info.width <= 0 || info.height <= 0))
        abort();
    prepare(data, size, GEOMETRY_SHORTEST, false);
    prepare(data, size, GEOMETRY_LONGEST, true);
    return 0;
}
