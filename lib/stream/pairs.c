/* SPDX-License-Identifier: MIT
 * pairs.c - a folder of pictures with a text file beside each, as trainers of captioned sets have
 * it
 *
 *     set/01.jpg  set/01.txt         {"image":"set/01.jpg","text":"..."}
 *     set/cats/7.png                 {"image":"set/cats/7.png"}
 *
 * A picture is known by its name's ending, as a member of a tar is.  Its text has the same name
 * with .txt or .caption behind the last point.  Folders are read in the order of their names'
 * bytes, so the same files give the same records in the same order.  Names that begin with a point
 * are passed over, and links to folders, which may lead in circles.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/picture.h"
#include "stream/format.h"

struct level { /* a folder that is being read */
    char *path;
    char **names; /* sorted */
    size_t count, next;
};
struct pairs {
    struct level *levels; /* the innermost last */
    int depth, room;
    long alone; /* texts without a picture */
};
static const struct {
    const char *ending, *field;
} texts[] = { { ".txt", "text" }, { ".caption", "caption" } };

enum { TEXT_BYTES = 1 << 20 }; /* of a text file */

static int by_bytes(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void free_level(struct level *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->names[i]);
    free(l->names);
    free(l->path);
}

/* All names of a folder; -1 after fail().  Takes the path. */
static int read_folder(struct level *l, char *path)
{
    DIR *folder = opendir(path);
    size_t room = 0;
    struct dirent *one;

    *l = (struct level){ .path = path };
    if (!folder)
        return fail_errno("%s", path);
    while (errno = 0, (one = readdir(folder))) {
        if (one->d_name[0] == '.')
            continue;
        if (l->count == room) {
            room = 2 * room + 64;
            l->names = xresize(l->names, room, sizeof *l->names);
        }
        l->names[l->count++] = xstrdup(one->d_name);
    }
    if (errno) {
        fail_errno("%s", path);
        closedir(folder);
        return -1;
    }
    closedir(folder);
    if (l->count)
        qsort(l->names, l->count, sizeof *l->names, by_bytes);
    return 0;
}

static int enter(struct pairs *p, char *path)
{
    struct level l;

    if (read_folder(&l, path)) {
        free_level(&l);
        return -1;
    }
    if (p->depth == p->room) {
        p->room = 2 * p->room + 4;
        p->levels = xresize(p->levels, (size_t)p->room, sizeof *p->levels);
    }
    p->levels[p->depth++] = l;
    return 0;
}

struct pairs *pairs_open(const char *folder)
{
    struct pairs *p = xalloc(1, sizeof *p);

    if (enter(p, xstrdup(folder)) == 0)
        return p;
    pairs_close(p);
    return NULL;
}

void pairs_close(struct pairs *p)
{
    if (!p)
        return;
    while (p->depth)
        free_level(&p->levels[--p->depth]);
    free(p->levels);
    free(p);
}

long pairs_alone(const struct pairs *p)
{
    return p->alone;
}

static bool is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    char ending[16];
    size_t n = 0;

    for (; dot && dot[1 + n] && n < sizeof ending - 1; n++)
        ending[n] = (char)tolower((unsigned char)dot[1 + n]);
    ending[n] = 0;
    return dot && dot != name && picture_ending(ending);
}

static bool has_name(const struct level *l, const char *name)
{
    return bsearch(&name, l->names, l->count, sizeof *l->names, by_bytes);
}

/* A picture whose name begins as the text's, up to the point. */
static bool has_picture(const struct level *l, const char *text, size_t stem)
{
    size_t low = 0, high = l->count;

    while (low < high) { /* the first name that begins with the stem and its point, if one does */
        size_t middle = (low + high) / 2;

        if (strncmp(l->names[middle], text, stem + 1) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < l->count && !strncmp(l->names[low], text, stem + 1); low++)
        if (!strchr(l->names[low] + stem + 1, '.') && is_picture(l->names[low]))
            return true;
    return false;
}

static bool is_lonely_text(const struct level *l, const char *name)
{
    const char *dot = strrchr(name, '.');

    for (int i = 0; dot && i < COUNT(texts); i++)
        if (!strcmp(dot, texts[i].ending))
            return !has_picture(l, name, (size_t)(dot - name));
    return false;
}

/* Adds what the file holds, without the newline at its end and a byte order mark. */
static void add_text(struct record *r, const char *path, const char *field)
{
    struct buffer b = { 0 };
    char *text;

    if (file_read_named(&b, path, path, TEXT_BYTES) == 0 &&
        (memchr(b.data, 0, b.size) || !utf8_is_valid(b.data, b.size)))
        fail("%s: the text is not UTF-8", path);
    else if (b.size) {
        bool marked = b.size >= 3 && !memcmp(b.data, "\xef\xbb\xbf", 3);

        text = b.data + 3 * marked;
        b.size -= 3u * marked;
        b.size -= b.size && text[b.size - 1] == '\n';
        b.size -= b.size && text[b.size - 1] == '\r';
        if (b.size)
            record_set_text(r, field, text, b.size);
    }
    if (*error_text())
        record_fail_last(r, "read");
    buffer_free(&b);
}

static struct record *pair(const struct level *l, const char *name)
{
    size_t stem = (size_t)(strrchr(name, '.') - name);
    char *path = path_join(l->path, name);
    struct record *r = record_of_path(path, strlen(path));

    free(path);
    error_clear();
    for (int i = 0; i < COUNT(texts) && !r->failed; i++) {
        char *text = xprintf("%.*s%s", (int)stem, name, texts[i].ending);

        path = path_join(l->path, text);
        if (has_name(l, text))
            add_text(r, path, texts[i].field);
        free(path);
        free(text);
    }
    record_seal(r);
    return r;
}

/* A folder that cannot be read is a record with an error, as such an operand is. */
static struct record *enter_or_trouble(struct pairs *p, char *path)
{
    struct record *r;
    char *name = xstrdup(path);

    if (enter(p, path) == 0) {
        free(name);
        return NULL;
    }
    r = record_of_path(name, strlen(name));
    record_fail_last(r, "read");
    free(name);
    return r;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

struct record *pairs_next(struct pairs *p)
{
    struct record *r = NULL;

    while (!r && p->depth) {
        struct level *l = &p->levels[p->depth - 1];
        const char *name;
        char *path;

        if (l->next == l->count) {
            free_level(l);
            p->depth--;
            continue;
        }
        name = l->names[l->next++];
        path = path_join(l->path, name);
        if (is_folder(path)) {
            r = enter_or_trouble(p, path);
            continue;
        }
        if (is_picture(name) && !path_is_folder(path))
            r = pair(l, name);
        else
            p->alone += is_lonely_text(l, name);
        free(path);
    }
    return r;
}
