/* SPDX-License-Identifier: MIT
 * tar_write.c - records as a WebDataset shard
 *
 *     KEY.jpg     each member of bytes, as it came; a picture that the record names by its path
 *     KEY.json    the record as its line would be, without these
 *     KEY.txt     its text, where it has one, for readers that look for no .json
 *
 * The bytes depend on the records alone: no times, no owners, mode 0644, names of more than 100
 * bytes in a pax header (POSIX.1-2001), two blocks of zeros at the end.  What stays together is
 * read back as one sample: a key that came before in this shard gets a number behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/picture.h"
#include "stream/stream.h"
#include "stream/tarfile.h"

struct tar_writer {
    const struct fields *fields;
    struct key_set keys;
    unsigned long long count; /* records */
};

struct tar_writer *tar_writer_open(const struct fields *fields)
{
    struct tar_writer *w = xalloc(1, sizeof *w);

    w->fields = fields;
    return w;
}

void tar_writer_close(struct tar_writer *w)
{
    if (!w)
        return;
    key_set_clear(&w->keys);
    free(w);
}

static void pad(struct buffer *out, size_t size)
{
    static const char zeros[TAR_BLOCK];

    if (size % TAR_BLOCK)
        buffer_add(out, zeros, TAR_BLOCK - size % TAR_BLOCK);
}

static void add_block(struct buffer *out, const char *name, char type, size_t size)
{
    unsigned char block[TAR_BLOCK] = { 0 };
    unsigned sum = 0;
    char digits[16];

    memcpy(block, name, strnlen(name, 100));
    memcpy(block + 100,
           "0000644\0"
           "0000000\0"
           "0000000",
           24);
    snprintf(digits, sizeof digits, "%011llo", (unsigned long long)size);
    memcpy(block + 124, digits, 12);
    memcpy(block + 136, "00000000000", 12);
    memset(block + 148, ' ', 8);
    block[156] = (unsigned char)type;
    memcpy(block + 257,
           "ustar\0"
           "00",
           8);
    memcpy(block + 329,
           "0000000\0"
           "0000000",
           16);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += block[i];
    snprintf(digits, sizeof digits, "%06o", sum);
    memcpy(block + 148, digits, 7);
    buffer_add(out, block, sizeof block);
}

/* "LENGTH path=NAME\n", LENGTH counting its own digits. */
static void add_long_name(struct buffer *out, const char *name)
{
    size_t rest = strlen(" path=\n") + strlen(name), length = rest + 1;
    char digits[24];

    while ((size_t)snprintf(digits, sizeof digits, "%zu", length) + rest != length)
        length++;
    add_block(out, "PaxHeader", 'x', length);
    buffer_printf(out, "%s path=%s\n", digits, name);
    pad(out, length);
}

static void add_file(struct buffer *out, const char *key, const char *ending, const void *data,
                     size_t size)
{
    char *name = xprintf("%s.%s", key, ending);

    if (strlen(name) > 100)
        add_long_name(out, name);
    add_block(out, name, '0', size);
    buffer_add(out, data, size);
    pad(out, size);
    free(name);
}

static void replace(char *text, const char *these)
{
    for (; *text; text++)
        if (strchr(these, *text) || (unsigned char)*text < ' ')
            *text = '_';
}

/* A path below the folder where the archive is unpacked. */
static char *key_below(char *key)
{
    char *from = key + strspn(key, "/"), *below;

    for (char *dots = from; (dots = strstr(dots, "..")); dots += 2)
        if ((dots == from || dots[-1] == '/') && (dots[2] == '/' || !dots[2]))
            dots[0] = dots[1] = '_';
    replace(from, "");
    below = xstrdup(from);
    free(key);
    return below;
}

/* A name without folders, up to its first dot: what a reader takes for the key. */
static char *key_of_name(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    char *key = xmemdup(base, strcspn(base, "."));

    replace(key, "/");
    return key;
}

/* The sample's key; an id; the picture's name; else the record's number. */
static char *key_of(const struct tar_writer *w, const struct record *r)
{
    char *text = NULL, *key = NULL;
    struct span id;

    if (record_find(r, "__key__", &id))
        text = json_path(id);
    if (text && *text)
        return key_below(text);
    free(text);
    if (record_id(r, &id, NULL) && id.data[0] != '{' && id.data[0] != '[') {
        text = id.data[0] == '"' ? json_text(id) : xmemdup(id.data, id.size);
        replace(text, "/.");
        if (*text && strlen(text) < 200)
            return text;
        free(text);
    }
    if (!record_image_member(r, w->fields) && record_has_image(r, w->fields)) {
        text = record_image_name(r, w->fields);
        key = strcmp(text, "image") ? key_of_name(text) : NULL; /* else it has no name */
        free(text);
    }
    if (key && *key)
        return key;
    free(key);
    return xprintf("%09llu", w->count);
}

static char *fresh_key(struct tar_writer *w, const struct record *r)
{
    char *key = key_of(w, r), *numbered;

    if (key_set_add(&w->keys, key))
        return key;
    for (int i = 1;; i++) {
        numbered = xprintf("%s_%d", key, i);
        if (key_set_add(&w->keys, numbered))
            break;
        free(numbered);
    }
    free(key);
    return numbered;
}

/* The first of the endings that such pictures have: "jpg". */
static void ending_of(const void *data, size_t size, char ending[static 16])
{
    enum picture_type known = picture_of(data, size);
    const char *list = known == PICTURE_NONE ? "bin" : picture_formats[known].endings;

    snprintf(ending, 16, "%.*s", (int)strcspn(list, " "), list);
}

static void add_member(struct buffer *out, const char *key, const struct member *m)
{
    char usual[16], *ending;

    ending_of(m->data, m->size, usual);
    ending = xstrdup(m->ending ? m->ending : !strcmp(m->name, "image") ? usual : m->name);
    replace(ending, "/");
    add_file(out, key, ending, m->data, m->size);
    free(ending);
}

static bool lies_outside(const struct record *r, const struct fields *f)
{
    return !record_image_member(r, f) && record_has_image(r, f);
}

/* A sample of an archive that came without a picture may name a file: it leaves as it came. */
int record_load_picture(struct record *r, const struct fields *f)
{
    if (!lies_outside(r, f) || r->picture.data || (r->archived && !f->root))
        return 0;
    return record_image_bytes(r, f, &r->picture);
}

/* A picture that travels in the record by its name, or in it as text: true, it is a member now. */
static bool add_picture(struct tar_writer *w, struct buffer *out, const char *key,
                        const struct record *r)
{
    struct buffer bytes = { 0 };
    char ending[16];
    bool good = lies_outside(r, w->fields) &&
                (r->picture.data || record_image_bytes(r, w->fields, &bytes) == 0);

    if (good) {
        const struct buffer *b = r->picture.data ? &r->picture : &bytes;

        ending_of(b->data, b->size, ending);
        add_file(out, key, ending, b->data, b->size);
    }
    buffer_free(&bytes);
    return good;
}

/* The line without what has become a member. */
static void add_json(struct tar_writer *w, struct buffer *out, const char *key,
                     const struct record *r, bool with_picture)
{
    struct record *plain = record_new(r->json.data, r->json.size);
    struct buffer line = { 0 };
    struct span value;
    const char *name;
    float *list;
    long count;

    for (int i = 0; i < r->member_count; i++) {
        const struct member *m = &r->members[i];

        if ((list = member_floats(m, &count)))
            record_set_floats(plain, m->name, list, m->rank, m->shape);
        else
            record_remove(plain, m->name);
        free(list);
    }
    if (with_picture && record_image(plain, w->fields, &value, &name) &&
        (value.data[0] == '{' || value.size > 1000 ||
         (value.size > 5 && !memcmp(value.data, "\"data:", 6))))
        record_remove(plain, name);
    record_write(&line, plain, RECORD_JSON);
    add_file(out, key, "json", line.data, line.size - 1);
    buffer_free(&line);
    record_free(plain);
}

static void add_text(struct tar_writer *w, struct buffer *out, const char *key,
                     const struct record *r)
{
    static const char *const ends[] = { "", "\n", "\r\n" };
    struct buffer b = { 0 };
    struct span value;
    const char *name;
    size_t size;
    char *text;

    if (!record_text(r, w->fields, &value, &name) || !(text = json_bytes_sized(value, &size)))
        return;
    buffer_add(&b, text, size);
    buffer_string(&b, ends[r->text_end]);
    add_file(out, key, "txt", b.data, b.size);
    buffer_free(&b);
    free(text);
}

void tar_write_record(struct tar_writer *w, struct buffer *out, const struct record *r)
{
    char *key = fresh_key(w, r);
    bool picture;

    w->count++;
    for (int i = 0; i < r->member_count; i++)
        if (r->members[i].kind == MEMBER_BYTES)
            add_member(out, key, &r->members[i]);
    picture = add_picture(w, out, key, r);
    add_json(w, out, key, r, picture);
    add_text(w, out, key, r);
    free(key);
}

void tar_write_end(struct tar_writer *w, struct buffer *out)
{
    static const char zeros[2 * TAR_BLOCK];

    buffer_add(out, zeros, sizeof zeros);
    key_set_clear(&w->keys);
}
