/* SPDX-License-Identifier: MIT
 * calibrate.c - records that int8 layers are measured with: pictures and texts
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"

enum { MOST_RECORDS = 64 };

static void add_image(struct vlm_samples *s, const struct vlm *m, struct record *r)
{
    size_t size = vlm_pixels(m);
    float *pixels = pixels_read(m, r);

    if (!pixels)
        return;
    s->pixels = xresize(s->pixels, (size_t)(s->images + 1) * size, sizeof *s->pixels);
    memcpy(s->pixels + (size_t)s->images++ * size, pixels, size * sizeof *pixels);
    free(pixels);
}

static void add_text(struct vlm_samples *s, const struct vlm *m, struct record *r)
{
    struct span value;
    struct texts t;
    int *ids, count;
    size_t total = 0;
    bool cut;

    if (!record_text(r, &settings.fields, &value, NULL) ||
        record_texts(r, &settings.fields, &t) <= 0)
        return;
    if (t.count && vlm_read_text(m, t.list[0], t.sizes[0], &ids, &count, &cut) == 0) {
        for (int i = 0; i < s->texts; i++)
            total += (size_t)s->counts[i];
        s->ids = xresize(s->ids, total + (size_t)count, sizeof *s->ids);
        memcpy(s->ids + total, ids, (size_t)count * sizeof *ids);
        s->counts = xresize(s->counts, (size_t)s->texts + 1, sizeof *s->counts);
        s->counts[s->texts++] = count;
        free(ids);
    }
    texts_free(&t);
}

int samples_read(struct vlm_samples *s, const struct vlm *m, const char *path)
{
    const struct reader_options options = { .is_image = vlm_is_image };
    struct reader *reader = reader_open((char *[]){ (char *)(uintptr_t)path }, 1, &options);
    unsigned abilities = vlm_abilities(m);
    struct record *r;
    bool wait;

    for (int i = 0; reader && i < MOST_RECORDS && (r = reader_next(reader, &wait)); i++) {
        if (abilities & (VLM_EMBED_IMAGE | VLM_FEATURES) && record_has_image(r, &settings.fields))
            add_image(s, m, r);
        if (abilities & VLM_EMBED_TEXT)
            add_text(s, m, r);
        record_free(r);
    }
    if (!reader || reader_failed(reader)) {
        reader_close(reader);
        return -1;
    }
    reader_close(reader);
    return s->images + s->texts ? 0 : fail("%s: no record to calibrate with", path);
}

void samples_free(struct vlm_samples *s)
{
    free(s->pixels);
    free(s->ids);
    free(s->counts);
    *s = (struct vlm_samples){ 0 };
}
