/* SPDX-License-Identifier: MIT
 * augment.c - crops, mirrored pictures, grounds: within their bounds, and the seed's alone
 */
#include <math.h>
#include "base/random.h"
#include "image/augment.h"
#include "image/codec.h"
#include "tests/unit/pictures.h"

enum { SIDE = 16, COUNT_PIXELS = 3 * SIDE * SIDE };

static const struct preprocess plain = {
    .resize = SIDE,
    .width = SIDE,
    .height = SIDE,
    .geometry = GEOMETRY_SQUASH,
    .filter = FILTER_BICUBIC,
    .convert_first = true,
    .scale = 1,
    .std = { 1, 1, 1 },
};

static void crops(void)
{
    const struct augment a = { .crop_least = 0.1f, .crop_most = 0.4f };
    struct random r = { 1 };
    double least = 1, most = 0, narrow = 9, wide = 0, sum = 0;
    bool inside = true, corner = false, end = false;

    for (int i = 0; i < 4000; i++) {
        struct crop c = augment_crop(&a, 200, 150, &r);
        double share = (double)c.width * c.height / (200 * 150),
               aspect = (double)c.width / c.height;

        inside &= c.left >= 0 && c.top >= 0 && c.left + c.width <= 200 && c.top + c.height <= 150;
        corner |= c.left == 0;
        end |= c.left + c.width == 200;
        least = fmin(least, share);
        most = fmax(most, share);
        narrow = fmin(narrow, aspect);
        wide = fmax(wide, aspect);
        sum += share;
    }
    ok(inside && corner && end, "crops lie anywhere inside");
    ok(least > 0.09 && least < 0.12 && most > 0.38 && most < 0.41, "share %.3f to %.3f", least,
       most);
    ok(fabs(sum / 4000 - 0.25) < 0.01, "evenly: %.3f", sum / 4000);
    ok(narrow > 0.73 && narrow < 0.77 && wide > 1.3 && wide < 1.36, "aspect %.3f to %.3f", narrow,
       wide);
}

/* No window of the whole area fits: what torchvision falls back to. */
static void fallbacks(void)
{
    static const struct {
        int width, height;
        struct crop wanted;
    } rows[] = {
        { 100, 20, { 36, 0, 27, 20 } },
        { 20, 101, { 0, 37, 20, 27 } },
        { 1, 1, { 0, 0, 1, 1 } },
    };
    const struct augment a = { .crop_least = 1, .crop_most = 1 };

    for (int i = 0; i < COUNT(rows); i++) {
        struct random r = { 3 };
        struct crop c = augment_crop(&a, rows[i].width, rows[i].height, &r);

        ok(!memcmp(&c, &rows[i].wanted, sizeof c), "of %d x %d: %d x %d at %d, %d", rows[i].width,
           rows[i].height, c.width, c.height, c.left, c.top);
    }
}

static void augmented(const struct augment *a, struct image image, uint64_t seed, float *pixels)
{
    struct random r = { seed };

    ok(augment_image(a, &plain, &image, &r, pixels) == 0, "augmented");
    image_free(&image);
}

static void nothing(void)
{
    struct image image = noise(1, 30, 22, 4);
    float wanted[COUNT_PIXELS], got[COUNT_PIXELS];

    preprocess_image(&plain, &image, wanted);
    image_free(&image);
    augmented(&(struct augment){ 0 }, noise(1, 30, 22, 4), 5, got);
    ok(!memcmp(got, wanted, sizeof got), "no options: as at inference, without alpha");
}

/* The crop that is drawn, cut out by hand and resized as a picture of its own. */
static void cropped(void)
{
    const struct augment a = { .crop_least = 0.5f, .crop_most = 1 };
    struct random r = { 9 };
    struct crop c = augment_crop(&a, 40, 30, &r);
    struct image whole = noise(2, 40, 30, 3), part;
    float wanted[COUNT_PIXELS], got[COUNT_PIXELS];

    image_new(&part, c.width, c.height, 3, MODE_RGB);
    for (int y = 0; y < c.height; y++)
        memcpy(part.pixels + 3 * y * c.width, whole.pixels + 3 * ((y + c.top) * 40 + c.left),
               3 * (size_t)c.width);
    preprocess_image(&plain, &part, wanted);
    augmented(&a, whole, 9, got);
    ok(!memcmp(got, wanted, sizeof got), "a crop is resized by itself");
    image_free(&part);
}

static bool mirrored(const float *a, const float *b)
{
    for (int i = 0; i < COUNT_PIXELS; i++)
        if (a[i] != b[i / SIDE * SIDE + SIDE - 1 - i % SIDE])
            return false;
    return true;
}

static void flips(void)
{
    float straight[COUNT_PIXELS], got[COUNT_PIXELS];
    int turned = 0, same = 0;

    augmented(&(struct augment){ 0 }, noise(4, 20, 20, 3), 0, straight);
    for (uint64_t seed = 0; seed < 100; seed++) {
        augmented(&(struct augment){ .flip = true }, noise(4, 20, 20, 3), seed, got);
        turned += mirrored(straight, got);
        same += !memcmp(straight, got, sizeof got);
    }
    ok(turned + same == 100 && turned > 30 && turned < 70, "%d of 100 are mirrored", turned);
}

static void operations(void)
{
    const struct augment a = { .operations = 2, .magnitude = 5 };
    float straight[COUNT_PIXELS], got[COUNT_PIXELS], again[COUNT_PIXELS];
    int same = 0;

    augmented(&(struct augment){ 0 }, noise(4, 20, 20, 3), 0, straight);
    for (uint64_t seed = 0; seed < 200; seed++) {
        augmented(&a, noise(4, 20, 20, 3), seed, got);
        same += !memcmp(straight, got, sizeof got);
    }
    /* each does something with 7 / 20: Identity never, Brightness and Sharpness not at 5 */
    ok(same > 60 && same < 110, "%d of 200 are left alone", same);
    augmented(&a, noise(4, 20, 20, 3), 199, again);
    ok(!memcmp(got, again, sizeof got), "a seed gives the same");
}

/* The share of `to` in the ground of a picture that is all transparent. */
static void grounds(void)
{
    int flat = 0, steep = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct image image = noise(6, 12, 9, 4), before = noise(6, 12, 9, 4);
        struct random r = { seed };
        bool kept = true, even = true;
        const unsigned char *first = NULL;

        augment_background(&image, &r);
        for (int i = 0; i < 12 * 9; i++) {
            const unsigned char *p = before.pixels + 4 * i, *q = image.pixels + 3 * i;

            if (p[3] == 255)
                kept &= !memcmp(p, q, 3);
            if (p[3] == 0 && !first)
                first = q;
            if (p[3] == 0)
                even &= !memcmp(first, q, 3);
        }
        if (!kept || image.channels != 3 || image.mode != MODE_RGB)
            ok(false, "seed %d changes what is opaque", (int)seed);
        flat += even;
        steep += !even;
        image_free(&image);
        image_free(&before);
    }
    ok(flat > 30 && steep > 30, "%d grounds are of one colour, %d blend", flat, steep);
}

static void mixing(void)
{
    struct image grey = noise(6, 40, 40, 2), opaque = noise(6, 5, 5, 3);
    struct random r = { 2 }, other = { 2 };

    memset(grey.pixels, 128, 40 * 40 * 2);
    augment_background(&grey, &r);
    ok(grey.channels == 3 && grey.pixels[0] >= 64 && grey.pixels[0] <= 192, "grey, half there");
    augment_background(&opaque, &other);
    ok(other.state == 2 && opaque.channels == 3, "what has no alpha draws nothing");
    image_free(&grey);
    image_free(&opaque);
}

int main(void)
{
    crops();
    fallbacks();
    nothing();
    cropped();
    flips();
    operations();
    grounds();
    mixing();
    return done();
}
