/* SPDX-License-Identifier: MIT
 * side.c - OUT.vlm: how OUT was made, and what became of each record of the input
 *
 *     {"vlm":"0.1.0","command":"vlm-caption","options":["--beam=5"],"model":"91c0c3dfd1b0a63e"}
 *     a3c1..  kept  118  77e0..  0  48213:1700000000.250000000
 *
 * The first line is the header.  Then a line a record, in the order of the input, its fields
 * separated by tabs: the hash of the record as it came in; kept, dropped, failed (it left with its
 * error) or skipped (it failed and did not leave); how many bytes of OUT it became, and their hash;
 * how many bytes of --dropped; size and time of its picture, or "-";
 * with --checksum also its hash.  What is hashed is hashed with
 * XXH3, 64 bits.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/random.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/loop.h"

static const char *const kinds[] = {
    [RESULT_KEPT] = "kept",
    [RESULT_DROPPED] = "dropped",
    [RESULT_FAILED] = "failed",
    [RESULT_SKIPPED] = "skipped",
};

char *side_path(const char *out)
{
    return xprintf("%s.vlm", out);
}

void side_header(struct buffer *b, const char *command)
{
    buffer_printf(b, "{\"vlm\":\"%s\",\"command\":\"%s\",\"options\":[", VERSION, command);
    options_list(b, OPTIONS_OF_OUTPUT);
    buffer_string(b, "],\"model\":");
    if (model_hash())
        buffer_printf(b, "\"%016" PRIx64 "\"}", model_hash());
    else
        buffer_string(b, "null}");
}

void side_line(struct buffer *b, const struct result *r)
{
    buffer_printf(b, "%016" PRIx64 "\t%s\t%" PRIu64 "\t%016" PRIx64 "\t%" PRIu64 "\t", r->record,
                  kinds[r->kind], r->bytes, r->content, r->dropped);
    if (!r->picture.known) {
        buffer_string(b, "-\n");
        return;
    }
    buffer_printf(b, "%" PRIu64 ":%" PRId64 ".%09ld", r->picture.size, r->picture.seconds,
                  r->picture.nanoseconds);
    if (r->picture.content)
        buffer_printf(b, ":%016" PRIx64, r->picture.content);
    buffer_byte(b, '\n');
}

int side_open(struct side *s, const char *out)
{
    *s = (struct side){ .path = side_path(out) };
    if (!path_exists(s->path))
        return 0;
    if (file_map(&s->file, s->path))
        return -1;
    side_rewind(s);
    return 0;
}

void side_rewind(struct side *s)
{
    const char *end = s->file.size ? memchr(s->file.data, '\n', s->file.size) : NULL;

    s->at = end ? (size_t)(end - (const char *)s->file.data) + 1 : 0;
    s->header = (struct span){ (const char *)s->file.data, s->at ? s->at - 1 : 0 };
}

static bool read_number(const char **at, int base, uint64_t *value)
{
    char *end;

    *value = strtoull(*at, &end, base);
    if (end == *at || (*end != '\t' && *end != ':' && *end != '.' && *end))
        return false;
    *at = *end ? end + 1 : end;
    return true;
}

static bool read_kind(const char **at, struct result *r)
{
    size_t n = strcspn(*at, "\t");

    for (int i = 0; i < COUNT(kinds); i++) {
        if (strlen(kinds[i]) == n && !memcmp(*at, kinds[i], n)) {
            r->kind = (enum result_kind)i;
            *at += n + ((*at)[n] == '\t');
            return true;
        }
    }
    return false;
}

bool side_next(struct side *s, struct result *r)
{
    const char *start = (const char *)s->file.data + s->at, *at, *end;
    char line[160];
    uint64_t size, seconds, nanoseconds;

    *r = (struct result){ 0 };
    end = s->at < s->file.size ? memchr(start, '\n', s->file.size - s->at) : NULL;
    if (!end || (size_t)(end - start) >= sizeof line)
        return false; /* torn */
    memcpy(line, start, (size_t)(end - start));
    line[end - start] = 0;
    at = line;
    if (!read_number(&at, 16, &r->record) || !read_kind(&at, r) ||
        !read_number(&at, 10, &r->bytes) || !read_number(&at, 16, &r->content) ||
        !read_number(&at, 10, &r->dropped))
        return false;
    if (read_number(&at, 10, &size) && read_number(&at, 10, &seconds) &&
        read_number(&at, 10, &nanoseconds))
        r->picture = (struct picture_stamp){ true, size, (int64_t)seconds, (long)nanoseconds, 0 };
    if (r->picture.known && *at && !read_number(&at, 16, &r->picture.content))
        return false;
    s->at += (size_t)(end - start) + 1;
    return true;
}

void side_close(struct side *s)
{
    file_unmap(&s->file);
    free(s->path);
    *s = (struct side){ 0 };
}

/* Never 0, which says that it was not asked for. */
static uint64_t file_hash(const char *path)
{
    struct buffer b = { 0 };
    uint64_t hash =
        file_read_named(&b, path, path, (size_t)1 << 30) ? 1 : hash_bytes(b.data, b.size, 0);

    buffer_free(&b);
    return hash ? hash : 1;
}

bool picture_same(const struct picture_stamp *a, const struct picture_stamp *b)
{
    if (a->known != b->known || a->size != b->size)
        return false;
    if (settings.checksum)
        return a->content == b->content && (a->content || !a->known);
    return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

/* Of a picture that is a file.  Looked at before it is read: one that changes between is taken for
 * changed later on. */
struct picture_stamp picture_stamp(const struct record *r)
{
    struct picture_stamp stamp = { 0 };
    struct span value;
    struct stat status;
    char *reference, *path;

    if (record_image_member(r, &settings.fields) ||
        !record_image(r, &settings.fields, &value, NULL) || value.data[0] != '"' ||
        !(reference = record_image_reference(r, &settings.fields)))
        return stamp;
    if (strncmp(reference, "data:", 5)) {
        path = path_join(settings.fields.root, reference);
        if (stat(path, &status) == 0)
            stamp = (struct picture_stamp){ true, (uint64_t)status.st_size,
                                            (int64_t)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                                            settings.checksum ? file_hash(path) : 0 };
        free(path);
    }
    free(reference);
    return stamp;
}
