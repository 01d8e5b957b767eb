/* SPDX-License-Identifier: MIT
 * preprocess.c - pixels for a tower against torchvision, open_clip and transformers, to the last
 * bit
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "tests/unit/pictures.h"

static int cases, wrong, skipped;

static const struct kind {
    const char *name;
    struct preprocess p;
} kinds[] = {
    { "openai", { .center_crop = true } },
    { "squash", { .geometry = GEOMETRY_SQUASH, .center_crop = true } },
    { "longest", { .geometry = GEOMETRY_LONGEST, .center_crop = true } },
    { "ratio", { .center_crop = true } },
    { "bilinear",
      { .center_crop = true,
        .filter = FILTER_BILINEAR,
        .mean = { .5, .5, .5 },
        .std = { .5, .5, .5 } } },
    { "hf", { .rounding = CROP_FLOOR, .convert_first = true, .center_crop = true } },
    { "blip",
      { .geometry = GEOMETRY_SQUASH,
        .rounding = CROP_FLOOR,
        .convert_first = true,
        .center_crop = false } },
};

static struct preprocess settings_of(char **field)
{
    static const float mean[] = { 0.48145466f, 0.4578275f, 0.40821073f };
    static const float std[] = { 0.26862954f, 0.26130258f, 0.27577711f };
    struct preprocess p = { 0 };

    for (int i = 0; i < COUNT(kinds); i++)
        if (!strcmp(kinds[i].name, field[0]))
            p = kinds[i].p;
    p.resize = atoi(field[2]);
    p.width = atoi(field[3]);
    p.height = atoi(field[4]);
    p.fill = atoi(field[5]);
    p.scale = 1.0 / 255;
    if (!p.filter)
        p.filter = FILTER_BICUBIC;
    if (p.std[0] == 0) {
        memcpy(p.mean, mean, sizeof mean);
        memcpy(p.std, std, sizeof std);
    }
    return p;
}

static int prepare(const struct preprocess *p, const char *source, float *pixels)
{
    struct image image;
    struct buffer bytes = { 0 };
    unsigned seed;
    int width, height, result;
    char path[200];

    if (sscanf(source, "%u:%dx%d", &seed, &width, &height) == 3) {
        image = noise(seed, width, height, 3);
        result = preprocess_image(p, &image, pixels);
        image_free(&image);
        return result;
    }
    snprintf(path, sizeof path, "tests/golden/images/%s", source);
    result =
        file_read(&bytes, path) < 0 ? -1 : preprocess_bytes(p, bytes.data, bytes.size, 0, pixels);
    buffer_free(&bytes);
    return result;
}

/* A decoder that is not Pillow's libjpeg or libwebp gives other pixels, or none. */
static bool other_decoder(const char *source)
{
    (void)source;
#ifndef HAVE_LIBJPEG
    if (strstr(source, ".jpg"))
        return true;
#endif
#ifndef HAVE_LIBWEBP
    if (strstr(source, ".webp"))
        return true;
#endif
    return false;
}

static void check(char **field, int fields)
{
    struct preprocess p = settings_of(field);
    size_t count = 3 * (size_t)p.width * (size_t)p.height;
    float *pixels;

    if (fields < 13 || other_decoder(field[1])) {
        skipped++;
        return;
    }
    pixels = xalloc(count, sizeof *pixels);
    cases++;
    if (prepare(&p, field[1], pixels) < 0) {
        wrong++;
        note("%s of %s: %s", field[0], field[1], error_text());
    } else if (sum_of(pixels, count * sizeof *pixels) != strtoul(field[6], NULL, 16)) {
        wrong++;
        note("%s of %s, resize %s, %s x %s, fill %s:", field[0], field[1], field[2], field[3],
             field[4], field[5]);
        for (int i = 0; i < 6; i++)
            note("  pixel %zu is %.9g, expected %s", (size_t)i * (count / 6),
                 (double)pixels[(size_t)i * (count / 6)], field[7 + i]);
    }
    free(pixels);
}

int main(void)
{
    each_expectation("prepare", check);
    ok(cases >= 100 && wrong == 0, "%d of %d pictures equal the originals'", cases - wrong, cases);
    if (skipped)
        ok(true, "pictures of other decoders # SKIP %d of them", skipped);
    return done();
}
