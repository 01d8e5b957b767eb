/* SPDX-License-Identifier: MIT
 * write.c - the page: a template, its parts, and the records and pictures that were collected
 *
 * In page.html @NAME@ is a place.  The nonce of the content-security policy is a hash of what the
 * page holds, so the same records give the same bytes.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "page/parts.h"
#include "vlm.h"

extern const char page_html[], page_css[], page_script[]; /* made of the files of that name */

enum {
    SHEET = 1024 /* pixels a side of a sprite sheet: a browser decodes all of it for one picture */
};

struct writing {
    struct page *p;
    struct entry *list;
    long count;
    int *picture; /* numbers in the temporary file, in the order of the page */
    int pictures;
    int across;   /* pictures of a row, and rows, of a sprite sheet */
    char *folder; /* of the sheets; NULL: they are inline */
    int (*put)(void *self, const void *data, size_t n);
    void *self;
};

static int put_text(struct writing *w, const char *text)
{
    return w->put(w->self, text, strlen(text));
}

static int read_back(struct page *p, long long at, int size, struct buffer *b)
{
    buffer_clear(b);
    buffer_reserve(b, (size_t)size);
    if (fseeko(p->store, (off_t)at, SEEK_SET) ||
        fread(b->data, 1, (size_t)size, p->store) != (size_t)size)
        return fail_errno("temporary file");
    b->size = (size_t)size;
    b->data[size] = 0;
    return 0;
}

/* --- parts of the page --- */

/* The option's field first. */
static void add_list(struct buffer *b, const char *name, const char *option,
                     const char *const *names)
{
    buffer_printf(b, ",\"%s\":[", name);
    if (option)
        json_escape(b, option, strlen(option));
    for (int i = 0; names[i]; i++) {
        buffer_string(b, i || option ? "," : "");
        json_escape(b, names[i], strlen(names[i]));
    }
    buffer_byte(b, ']');
}

static void add_counts(struct buffer *b, const char *name, const struct counts *c)
{
    buffer_printf(b, ",\"%s\":{", name);
    for (int i = 0; i < c->used; i++) {
        buffer_string(b, i ? "," : "");
        json_escape(b, c->words[i], strlen(c->words[i]));
        buffer_printf(b, ":%ld", c->times[i]);
    }
    buffer_byte(b, '}');
}

/* A file's name as part of a URL: of any bytes, and never with a scheme or a query. */
static void add_reference(struct buffer *b, const char *name)
{
    for (; *name; name++)
        if (isalnum((unsigned char)*name) || strchr("-._~", *name))
            buffer_byte(b, *name);
        else
            buffer_printf(b, "%%%02X", (unsigned char)*name);
}

static int put_head(struct writing *w)
{
    const struct page *p = w->p;
    struct buffer b = { 0 };
    int status;

    buffer_printf(&b, "{\"kept\":%ld,\"dropped\":%ld,\"errors\":%ld,\"sampled\":%s",
                  p->totals[PAGE_KEPT], p->totals[PAGE_DROPPED], p->totals[PAGE_ERROR],
                  (uint64_t)w->count < p->seen ? "true" : "false");
    buffer_printf(&b, ",\"hash\":\"%016" PRIx64 "\",\"score\":", p->hash);
    json_escape(&b, p->o.score, strlen(p->o.score));
    add_list(&b, "texts", p->o.fields->text, record_text_names);
    add_list(&b, "images", p->o.fields->image, record_image_names);
    add_counts(&b, "reasons", &p->reasons);
    add_counts(&b, "codes", &p->codes);
    add_counts(&b, "provenance", &p->provenance);
    buffer_string(&b, ",\"sizes\":[");
    for (int i = 0; i < w->pictures; i++)
        buffer_printf(&b, "%s[%d,%d]", i ? "," : "", p->pictures[w->picture[i]].width,
                      p->pictures[w->picture[i]].height);
    buffer_byte(&b, ']');
    if (w->folder) {
        const char *slash = strrchr(w->folder, '/');

        buffer_printf(&b, ",\"sprites\":{\"across\":%d,\"side\":%ld,\"folder\":\"", w->across,
                      p->o.side);
        add_reference(&b, slash ? slash + 1 : w->folder);
        buffer_string(&b, "\"}");
    }
    buffer_byte(&b, '}');
    buffer_substitute(&b, "<", "\\u003c");
    status = w->put(w->self, b.data, b.size);
    buffer_free(&b);
    return status;
}

/* Pictures are numbered as gather() lists them. */
static int put_records(struct writing *w)
{
    struct buffer row = { 0 }, line = { 0 };
    int status = put_text(w, "["), next = 0;

    for (long i = 0; i < w->count && !status; i++) {
        const struct entry *e = &w->list[i];

        buffer_clear(&line);
        buffer_printf(&line, "%s[%d,%d,[", i ? ",\n" : "\n", e->stratum / (SCORE_BINS + 1),
                      e->picture < 0 ? -1 : next);
        next += e->picture >= 0;
        for (int k = 0; k < e->heatmaps; k++)
            buffer_printf(&line, "%s%d", k ? "," : "", next++);
        buffer_string(&line, "],");
        status = read_back(w->p, e->at, e->size, &row);
        buffer_add(&line, row.data, row.size);
        buffer_byte(&line, ']');
        status = status ? status : w->put(w->self, line.data, line.size);
    }
    buffer_free(&row);
    buffer_free(&line);
    return status ? status : put_text(w, "\n]");
}

static int put_pictures(struct writing *w)
{
    struct buffer jpeg = { 0 }, line = { 0 };
    int status = 0;

    for (int i = 0; i < w->pictures && !w->folder && !status; i++) {
        const struct picture *x = &w->p->pictures[w->picture[i]];

        buffer_clear(&line);
        status = read_back(w->p, x->at, x->size, &jpeg);
        base64_write(&line, jpeg.data, jpeg.size);
        buffer_byte(&line, '\n');
        status = status ? status : w->put(w->self, line.data, line.size);
    }
    buffer_free(&jpeg);
    buffer_free(&line);
    return status;
}

static int put_title(struct writing *w)
{
    struct buffer b = { 0 };
    int status;

    buffer_string(&b, w->p->o.title);
    buffer_substitute(&b, "&", "&amp;");
    buffer_substitute(&b, "<", "&lt;");
    status = w->put(w->self, b.data, b.size);
    buffer_free(&b);
    return status;
}

static int put_nonce(struct writing *w)
{
    char nonce[32];

    snprintf(nonce, sizeof nonce, "%016" PRIx64, hash_bytes("nonce", 5, w->p->hash));
    return put_text(w, nonce);
}

static int put_css(struct writing *w)
{
    return put_text(w, page_css);
}

static int put_script(struct writing *w)
{
    return put_text(w, page_script);
}

static int put_policy(struct writing *w)
{
    return put_text(w, w->folder ? " file: 'self'" : "");
}

static const struct place {
    const char *name;
    int (*put)(struct writing *w);
} places[] = {
    { "@TITLE@", put_title },       { "@NONCE@", put_nonce },    { "@CSS@", put_css },
    { "@SCRIPT@", put_script },     { "@HEAD@", put_head },      { "@RECORDS@", put_records },
    { "@PICTURES@", put_pictures }, { "@SPRITES@", put_policy },
};

static int put_page(struct writing *w)
{
    int status = 0;

    for (const char *at = page_html, *mark; *at && !status;) {
        const struct place *here = NULL;

        mark = strchr(at, '@');
        for (int i = 0; mark && i < COUNT(places); i++)
            if (!strncmp(mark, places[i].name, strlen(places[i].name)))
                here = &places[i];
        if (!mark)
            return put_text(w, at);
        status = w->put(w->self, at, (size_t)(mark - at) + !here);
        at = mark + (here ? strlen(here->name) : 1);
        status = status || !here ? status : here->put(w);
    }
    return status;
}

/* --- sprite sheets --- */

static int write_sheet(struct writing *w, const struct folder *f, int sheet)
{
    int most = w->across * w->across, count = 0, status = 0;
    struct buffer *jpegs = xalloc((size_t)most, sizeof *jpegs);
    struct vlm_bytes *list = xalloc((size_t)most, sizeof *list);
    char name[32], *path;
    void *made = NULL;
    size_t size;

    for (int i = sheet * most; i < w->pictures && count < most && !status; i++, count++) {
        const struct picture *x = &w->p->pictures[w->picture[i]];

        status = read_back(w->p, x->at, x->size, &jpegs[count]);
        list[count] = (struct vlm_bytes){ jpegs[count].data, jpegs[count].size };
    }
    status = status ? status : vlm_sprites(list, count, w->across, (int)w->p->o.side, &made, &size);
    snprintf(name, sizeof name, "%04d.jpg", sheet);
    path = path_join(f->temporary, name);
    status = status ? status : file_write_atomic(path, made, size);
    for (int i = 0; i < most; i++)
        buffer_free(&jpegs[i]);
    free(jpegs);
    free(list);
    free(path);
    free(made);
    return status;
}

static int write_sheets(struct writing *w)
{
    static const char *const ours[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL };
    struct folder f;
    int most = w->across * w->across, sheets = (w->pictures + most - 1) / most, status = 0;

    if (folder_begin(&f, w->folder, "0000.jpg", ours))
        return -1;
    for (int i = 0; i < sheets && !status; i++)
        status = write_sheet(w, &f, i);
    if (!status)
        return folder_commit(&f);
    folder_drop(&f);
    return -1;
}

/* --- all of it --- */

static void gather(struct writing *w)
{
    struct page *p = w->p;

    w->picture = xalloc((size_t)p->picture_count + 1, sizeof *w->picture);
    for (long i = 0; i < w->count; i++) {
        const struct entry *e = &w->list[i];

        p->hash = hash_bytes(&e->hash, sizeof e->hash, p->hash);
        if (e->picture >= 0)
            w->picture[w->pictures++] = e->picture;
        for (int k = 0; k < e->heatmaps; k++)
            w->picture[w->pictures++] = e->heatmap + k;
    }
}

static int choose_place(struct writing *w, const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    long long bytes = 0;

    for (int i = 0; i < w->pictures; i++)
        bytes += w->p->pictures[w->picture[i]].size;
    if (bytes <= w->p->o.inline_bytes)
        return 0;
    if (!path)
        return fail("the pictures take %lld bytes: give --output, so that they can lie beside the "
                    "page, or a larger --inline",
                    bytes);
    w->folder =
        xprintf("%.*s.sprites",
                (int)(dot && !strchr(dot, '/') ? (size_t)(dot - path) : strlen(path)), path);
    return 0;
}

int page_write(struct page *p, const char *path, int (*put)(void *self, const void *data, size_t n),
               void *self)
{
    struct writing w = { .p = p, .put = put, .self = self, .across = SHEET / (int)p->o.side };
    int status;

    if (fflush(p->store))
        return fail_errno("temporary file");
    w.list = page_entries(p, &w.count);
    gather(&w);
    status = choose_place(&w, path);
    if (!status && w.folder)
        status = write_sheets(&w);
    status = status ? status : put_page(&w);
    free(w.folder);
    free(w.picture);
    free(w.list);
    return status;
}
