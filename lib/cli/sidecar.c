/* SPDX-License-Identifier: MIT
 * sidecar.c - a caption in a file beside its picture: photo.jpg, photo.txt
 *
 * A sidecar appears whole or not at all.  To append or prepend what is there already changes
 * nothing, so a run that was killed and is started again leaves the same files.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/sidecar.h"

enum { MOST_BYTES = 1 << 20 };      /* of a sidecar that is there */
static const char between[] = ", "; /* as trainers separate what a caption says */

static bool is_link(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

char *sidecar_path(const struct record *r, const char *suffix)
{
    char *reference, *picture, *slash, *dot, *path;

    if (record_image_member(r, &settings.fields) ||
        !(reference = record_image_reference(r, &settings.fields)) ||
        !strncmp(reference, "data:", 5)) {
        fail_as("unsupported", "the picture is no file beside which a sidecar could lie");
        return NULL;
    }
    picture = path_join(settings.fields.root, reference);
    slash = strrchr(picture, '/');
    dot = strrchr(slash ? slash : picture, '.');
    if (dot == picture || (slash && dot == slash + 1))
        dot = NULL; /* of a hidden file */
    path =
        xprintf("%.*s%s", (int)(dot ? (size_t)(dot - picture) : strlen(picture)), picture, suffix);
    if (!strcmp(path, picture))
        fail_as("unsupported", "%s: the picture has the sidecar's name", reference);
    else if (settings.fields.confine && is_link(path))
        fail_as("outside", "%s: the sidecar is a link, which --confine does not follow", path);
    else {
        free(reference);
        free(picture);
        return path;
    }
    free(reference);
    free(picture);
    free(path);
    return NULL;
}

static struct timespec began; /* the run: no file of its own is marked with this time or before */

static bool is_after(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Two pictures may share a sidecar, a.jpg and a.png: what this run wrote for the first does not
 * hide the second, whatever the batch. */
bool sidecar_was_there(const char *path)
{
    struct stat status;

    if (!began.tv_sec)
        clock_gettime(CLOCK_REALTIME, &began);
    return path && !stat(path, &status) && !is_after(&status.st_mtim, &began);
}

/* The clock that marks files may be some milliseconds late: waits until it has passed the start. */
static void await_marks(void)
{
    struct timespec now, moment = { .tv_nsec = 1000000 };

    for (;;) {
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        if (is_after(&now, &began) || began.tv_sec - now.tv_sec > 1) /* or the clock was set back */
            return;
        nanosleep(&moment, NULL);
    }
}

static void trim(struct buffer *b)
{
    while (b->size && strchr(" \t\r\n", b->data[b->size - 1]))
        b->size--;
    if (b->data)
        b->data[b->size] = 0;
}

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text), size = strlen(with);

    return n >= size && !strcmp(text + n - size, with);
}

/* What is to stand in the file; NULL: what does. */
static char *join(const char *old, const char *caption, enum existing how)
{
    char *edge;
    bool there;

    if (!*old)
        return xstrdup(caption);
    edge = how == EXISTING_APPEND ? xprintf("%s%s", between, caption)
                                  : xprintf("%s%s", caption, between);
    there = !strcmp(old, caption) || (how == EXISTING_APPEND ? ends(old, edge) : begins(old, edge));
    free(edge);
    if (there)
        return NULL;
    return how == EXISTING_APPEND ? xprintf("%s%s%s", old, between, caption)
                                  : xprintf("%s%s%s", caption, between, old);
}

int sidecar_write(const char *path, const char *caption, enum existing how)
{
    struct buffer old = { 0 };
    char *text = NULL, *line;
    int result = 0;

    if (how == EXISTING_SKIP && path_exists(path))
        return 0; /* of another picture of that name */
    if ((how == EXISTING_APPEND || how == EXISTING_PREPEND) && path_exists(path)) {
        if (file_read_named(&old, path, path, MOST_BYTES))
            return -1;
        trim(&old);
        text = join(old.data, caption, how);
    } else {
        text = xstrdup(caption);
    }
    if (text) {
        await_marks();
        line = xprintf("%s\n", text);
        result = file_write_atomic(path, line, strlen(line));
        free(line);
    }
    free(text);
    buffer_free(&old);
    return result;
}
