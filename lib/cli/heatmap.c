/* SPDX-License-Identifier: MIT
 * heatmap.c - pictures of where in an image a text is
 *
 * A file is called by the record's id, or its image's name, and the text: 42-a-red-dog.png.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/json.h"
#include "cli/match.h"

enum { LONGEST = 1024 /* pixels of a picture */, LETTERS = 60 /* of a text in a name */ };

int heatmap_folder(const char *folder)
{
    if (mkdir(folder, 0777) && errno != EEXIST)
        return fail_errno("%s", folder);
    return path_is_folder(folder) ? 0 : fail("%s: not a folder", folder);
}

/* Letters and digits of ASCII, small; anything else parts them.  A hash stands for what is lost. */
static void add_slug(struct buffer *b, const char *text)
{
    size_t begin = b->size, letters = 0;
    bool lost = false, part = false;

    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;

        if (!isalnum(c) || c > 127) {
            part = true;
            lost |= c > 127;
            continue;
        }
        if (letters == LETTERS) {
            lost = true;
            break;
        }
        if (part && b->size > begin)
            buffer_byte(b, '-');
        part = false;
        buffer_byte(b, tolower(c));
        letters++;
    }
    if (lost || b->size == begin)
        buffer_printf(b, "%s%08x", b->size > begin ? "-" : "",
                      (unsigned)hash_bytes(text, strlen(text), 0));
}

/* FOLDER/ID-TEXT.png. Two pairs of one id and one text have the same picture. */
static char *file_name(const struct record *r, const char *folder, const char *text)
{
    struct buffer b = { 0 };
    struct span value;
    char *name = NULL, *slash, *dot;

    if (record_id(r, &value, NULL)) {
        name = json_text(value);
        name = name ? name : xmemdup(value.data, value.size);
    } else {
        name = record_image_name(r, &settings.fields);
        dot = strrchr(name, '.');
        if (dot && dot > name)
            *dot = 0;
        if ((slash = strrchr(name, '/')))
            memmove(name, slash + 1, strlen(slash));
    }
    buffer_printf(&b, "%s/", folder);
    add_slug(&b, name);
    buffer_byte(&b, '-');
    add_slug(&b, text);
    buffer_string(&b, ".png");
    free(name);
    return b.data;
}

/* The picture is read again: what the model looked at was cropped and small. */
static int draw(const struct vlm *m, struct record *r, const char *path, const float *map)
{
    struct buffer bytes = { 0 };
    void *png = NULL;
    size_t size;
    int status = record_image_bytes(r, &settings.fields, &bytes);

    if (status) {
        record_image_fail(r, &settings.fields, "read");
    } else if ((status =
                    vlm_draw_map(m,
                                 &(struct vlm_drawing){ bytes.data, bytes.size, settings.max_pixels,
                                                        map, vlm_map_side(m), LONGEST },
                                 &png, &size))) {
        record_image_fail(r, &settings.fields, "decode");
    } else {
        status = file_write_atomic(path, png, size);
    }
    buffer_free(&bytes);
    free(png);
    return status;
}

/* The path, to free; NULL after fail(), or when the record has failed. */
char *heatmap_write(struct vlm *m, struct record *r, const char *folder,
                    const struct heatmap_text *text, const float *features)
{
    int side = vlm_map_side(m);
    float *map = xalloc((size_t)side * (size_t)side, sizeof *map);
    char *path = file_name(r, folder, text->text);
    int status = vlm_ground(m, features, text->ids, text->count, map, NULL);

    if (!status)
        status = draw(m, r, path, map);
    free(map);
    if (!status)
        return path;
    free(path);
    return NULL;
}
