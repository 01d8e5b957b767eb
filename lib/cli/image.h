/* SPDX-License-Identifier: MIT
 * image.h - a record's image on its way to a model: pixels, or features that came with the record
 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include "cli/cli.h"
#include "vlm.h"

struct image_work {
    float *pixels;   /* either this, of vlm_images() pictures ... */
    float *features; /* ... or these, [tokens, width] of each */
};
/* From any thread: decodes the image, or takes the record's `image_features` if the hash beside
 * them is this model's.  On failure the record fails. */
void cli_image_read(struct record *r, const struct vlm *m, struct image_work *w);
/* [count, tokens, width]: the vision tower runs once over the images that came as pixels; to free;
 * NULL after fail(). */
float *cli_image_features(struct vlm *m, struct image_work *const *list, int count);
void cli_image_free(struct image_work *w);

#endif
