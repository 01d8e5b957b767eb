/* SPDX-License-Identifier: MIT
 * image.c - a record's image on its way to a model
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/image.h"

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
    else if (!w->features || count != (long)tokens * width)
        record_fail(r, "features", "misshapen", "image_features have not the tower's shape");
    free(tower);
    return true;
}

void cli_image_read(struct record *r, const struct vlm *m, struct image_work *w)
{
    if (take_features(r, m, w))
        return;
    if (!record_has_image(r, &settings.fields))
        record_fail(r, "read", "no_image", "the record has no image");
    else
        w->pixels = pixels_read(m, r);
}

float *cli_image_features(struct vlm *m, struct image_work *const *list, int count)
{
    size_t one = vlm_pixels(m), row;
    int tokens, width, fresh = 0;
    float *pixels = xresize(NULL, (size_t)count * one, sizeof *pixels), *made = NULL, *out, *from;

    vlm_features_shape(m, &tokens, &width);
    row = (size_t)tokens * (size_t)width;
    for (int i = 0; i < count; i++)
        if (list[i]->pixels)
            memcpy(pixels + one * (size_t)fresh++, list[i]->pixels, one * sizeof *pixels);
    if (fresh && !(made = vlm_image_features(m, pixels, fresh, &tokens, &width))) {
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

void cli_image_free(struct image_work *w)
{
    free(w->pixels);
    free(w->features);
    *w = (struct image_work){ 0 };
}
