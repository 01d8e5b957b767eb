/* SPDX-License-Identifier: MIT
 * measure.c - fuzz target: records of any format as vlm-eval takes them: vectors for recall,
 * scores, classes, captions with references
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "eval/eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64 }; /* measuring is quadratic */

/* A vector of the record, or NULL; its width. */
static float *vector(const struct record *r, const char *name, long *width)
{
    float *list = record_floats(r, name, width);

    for (long i = 0; i < *width; i++) /* reads every number */
        if (isnan(list[i]))
            list[i] = 0;
    return list;
}

static void take(const struct record *r, struct recall_set *recalls, struct labelled_list *judged,
                 struct caption_set *captions)
{
    long width, wide;
    float *image = vector(r, "image_embedding", &width), *text = vector(r, "text_embedding", &wide);
    char *caption = record_string(r, "caption"), *given = record_string(r, "id");
    const char *id = given ? given : "none";
    struct texts references = { 0 };
    struct span score, truth;

    if (text && wide > 0 && (!image || width == wide))
        recall_add(recalls, &(struct recall_item){ id, image, 1, text, 1, wide });
    if (record_find(r, "itm", &score) && record_find(r, "truth", &truth))
        labelled_read(judged, score, truth);
    if (caption && record_texts_named(r, "references", &references) == 1 && references.count)
        caption_add(captions, caption, (const char *const *)references.list, references.count);
    texts_free(&references);
    free(given);
    free(caption);
    free(image);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct reader_options o = { .max_record = 100000 };
    struct caption_set *captions = caption_open(false);
    struct recall_set recalls = { 0 };
    struct labelled_list judged = { 0 };
    struct record *out = record_new("{}", 2), *r;
    struct reader *reader;
    bool wait;

    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size ||
        lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
        abort();
    reader = reader_open(NULL, 0, &o);
    for (int n = 0; n < MOST && (r = reader_next(reader, &wait)); n++) {
        take(r, &recalls, &judged, captions);
        record_free(r);
    }
    reader_close(reader);
    metrics_recall(out, &recalls);
    metrics_matching(out, &judged, 0.5);
    metrics_captions(out, captions, NULL);
    if (json_check(out->json.data, out->json.size))
        abort();
    record_free(out);
    recall_free(&recalls);
    free(judged.list);
    caption_close(captions);
    return 0;
}
