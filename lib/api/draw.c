/* SPDX-License-Identifier: MIT
 * draw.c - the public calls that make pictures for people to look at
 */
#include "draw/draw.h"
#include "vlm.h"

static int hand_out(struct buffer *b, int status, void **data, size_t *size)
{
    if (status) {
        buffer_free(b);
        return -1;
    }
    *data = b->data;
    *size = b->size;
    return 0;
}

int vlm_thumbnail(struct vlm_bytes image, long max_pixels, int longest, void **jpeg,
                  size_t *jpeg_size, int sides[2])
{
    struct thumbnail t = { .longest = longest };
    struct buffer b = { 0 };
    int status = thumbnail_write(&b, image.data, image.size, max_pixels, &t);

    sides[0] = t.width;
    sides[1] = t.height;
    return hand_out(&b, status, jpeg, jpeg_size);
}

int vlm_sprites(const struct vlm_bytes *thumbnails, int count, int across, int side, void **jpeg,
                size_t *jpeg_size)
{
    struct buffer b = { 0 };

    return hand_out(&b, sprites_write(&b, thumbnails, count, across, side), jpeg, jpeg_size);
}
