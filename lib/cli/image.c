/* SPDX-License-Identifier: MIT
 * image.c - a record's image on its way to a model
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"

/* Features of another tower would be nonsense: they are refused by the hash that came with them. */
static bool take_features(struct record *r, const struct vlm *m, struct image_work *w)
{
    struct member *f = record_member(r, "image_features");
    char *tower = record_string(r, "image_features_tower"), wanted[20];
    int tokens, width;
    long count;

    if (!f && !record_find(r, "image_features", &(struct span){ 0 })) {
        free(tower);
        return false;
    }
    snprintf(wanted, sizeof wanted, "%016" PRIx64, vlm_tower_hash(m));
    vlm_features_shape(m, &tokens, &width);
    w->features = record_floats(r, "image_features", &count);
    if (!tower || strcmp(tower, wanted))
        record_fail(r, "features", "other_tower",
                    "image_features come from another vision tower than this model's");
    else if (!w->features || count != (long)vlm_images(m) * tokens * width)
        record_fail(r, "features", "misshapen", "image_features have not the tower's shape");
    else if (!floats_are_finite(w->features, count))
        record_fail(r, "features", "invalid", "image_features hold NaN or an infinite number");
    free(tower);
    return true;
}

/* One of the pictures that are compared. */
static int read_picture(struct record *r, const struct vlm *m, const char *reference, float *pixels)
{
    struct buffer bytes = { 0 };
    char *why;
    int status = image_reference_read(&bytes, settings.fields.root, reference);
    const char *stage = status ? "read" : "decode";

    if (!status)
        status = image_within_budget(m, &bytes, pixels);
    if (status) {
        bool named =
            strncmp(reference, "data:", 5) && strncmp(error_text(), reference, strlen(reference));
        why = xprintf("%s%s%s", named ? reference : "", named ? ": " : "", error_text());
        record_fail(r, stage, error_code(), why);
        free(why);
    }
    buffer_free(&bytes);
    return status;
}

/* Of a model that compares pictures: the image field, or "images", is a list of as many. */
static void read_pictures(struct record *r, const struct vlm *m, struct image_work *w)
{
    const char *name = "images";
    struct span value;
    struct texts list;
    int found;

    record_image(r, &settings.fields, &value, &name);
    found = record_texts_named(r, name, &list);
    if (found < 0) {
        record_fail_last(r, "read");
    } else if (!found || list.count != vlm_images(m)) {
        record_fail(r, "read", "no_image",
                    "the model compares two images: a list of two is needed");
    } else {
        texts_plain(&list);
        w->pixels = xresize(NULL, (size_t)list.count * vlm_pixels(m), sizeof *w->pixels);
        for (int i = 0; i < list.count && !r->failed; i++)
            read_picture(r, m, list.list[i], w->pixels + (size_t)i * vlm_pixels(m));
    }
    if (found > 0)
        texts_free(&list);
}

void image_work_read(struct record *r, const struct vlm *m, struct image_work *w)
{
    if (take_features(r, m, w))
        return;
    if (vlm_images(m) > 1)
        read_pictures(r, m, w);
    else if (!record_has_image(r, &settings.fields))
        record_fail(r, "read", "no_image", "the record has no image");
    else
        w->pixels = pixels_read(m, r);
}

float *image_work_features(struct vlm *m, struct image_work *const *list, int count)
{
    size_t one = vlm_pixels(m) * (size_t)vlm_images(m), row;
    int tokens, width, fresh = 0;
    float *pixels = xresize(NULL, (size_t)count * one, sizeof *pixels), *made = NULL, *out, *from;

    vlm_features_shape(m, &tokens, &width);
    row = (size_t)vlm_images(m) * (size_t)tokens * (size_t)width;
    for (int i = 0; i < count; i++)
        if (list[i]->pixels)
            memcpy(pixels + one * (size_t)fresh++, list[i]->pixels, one * sizeof *pixels);
    if (fresh && !(made = vlm_image_features(m, pixels, fresh * vlm_images(m), &tokens, &width))) {
        free(pixels);
        return NULL;
    }
    free(pixels);
    if (fresh == count)
        return made;
    out = xresize(NULL, (size_t)count * row, sizeof *out);
    from = made;
    for (int i = 0; i < count; i++) {
        memcpy(out + row * (size_t)i, list[i]->pixels ? from : list[i]->features,
               row * sizeof *out);
        from += list[i]->pixels ? row : 0;
    }
    free(made);
    return out;
}

void image_work_free(struct image_work *w)
{
    free(w->pixels);
    free(w->features);
    *w = (struct image_work){ 0 };
}
