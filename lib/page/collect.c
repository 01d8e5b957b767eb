/* SPDX-License-Identifier: MIT
 * collect.c - what a page needs of every record, kept in a temporary file
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/json.h"
#include "page/parts.h"
#include "vlm.h"

enum { HEATMAPS = 4 /* heat maps of a record that are shown */, PICTURES = 1 + HEATMAPS };

struct page *page_open(const struct page_options *o)
{
    const char *folder = getenv("TMPDIR");
    char *name = xprintf("%s/vlm-page-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkostemp(name, 02000000); /* O_CLOEXEC */
    FILE *store = fd < 0 ? NULL : fdopen(fd, "w+b");
    struct page *p = NULL;

    if (!store) {
        fail_errno("%s", name);
    } else {
        remove(name);
        p = xalloc(1, sizeof *p);
        p->o = *o;
        p->store = store;
    }
    free(name);
    return p;
}

void page_free(struct page *p)
{
    if (!p)
        return;
    fclose(p->store);
    for (int i = 0; i < STRATA; i++)
        free(p->strata[i].list);
    counts_free(&p->reasons);
    counts_free(&p->codes);
    counts_free(&p->provenance);
    free(p->pictures);
    free(p);
}

static int keep(struct page *p, const void *data, size_t size)
{
    if (size && fwrite(data, 1, size, p->store) != size)
        return fail_errno("temporary file");
    p->end += (long long)size;
    return 0;
}

/* --- counts over everything --- */

/* A number that every record has differently is left out: "itm 0.31 is below 0.5" is "itm … is
 * below 0.5".  The last number of a reason is the rule's. */
static char *common_reason(const char *reason)
{
    struct buffer b = { 0 };
    const char *last = NULL;

    for (const char *at = reason; *at; at++)
        if (strchr("0123456789", *at) && (at == reason || !strchr("0123456789.e-+", at[-1])))
            last = at;
    for (const char *at = reason; *at;) {
        size_t number = strspn(at, "0123456789.e-+"), digits = strspn(at, "0123456789");

        if (digits && at < last && (at == reason || at[-1] == ' ')) {
            buffer_string(&b, "\xe2\x80\xa6");
            at += number;
        } else {
            buffer_byte(&b, *at++);
        }
    }
    buffer_reserve(&b, 1);
    return b.data;
}

static void count(struct page *p, const struct record *r, enum page_state state)
{
    struct span error;
    char *text;

    p->totals[state]++;
    if ((text = record_string(r, "reason"))) {
        char *common = common_reason(text);

        counts_add(&p->reasons, common);
        free(common);
        free(text);
    }
    if (state == PAGE_ERROR) {
        text = record_error_code(r);
        counts_add(&p->codes, text);
        free(text);
    }
    if (record_find(r, "provenance", &error)) {
        text = xmemdup(error.data, error.size < 2000 ? error.size : 2000);
        counts_add(&p->provenance, text);
        free(text);
    }
}

static enum page_state state_of(const struct record *r, bool dropped)
{
    struct span error;

    if (r->failed || (record_find(r, "error", &error) && error.data[0] == '{'))
        return PAGE_ERROR;
    return dropped ? PAGE_DROPPED : PAGE_KEPT;
}

/* --- small pictures, made on all threads --- */

struct small { /* of one record: its picture, then its heat maps */
    void *jpeg[PICTURES];
    size_t size[PICTURES];
    int sides[PICTURES][2];
    int count;
    bool wanted;
    enum page_state state;
    uint64_t priority;
    int stratum;
};
struct making {
    const struct page *p;
    struct record *const *list;
    struct small *small;
};

static void make_one(const struct page *p, struct buffer *bytes, struct small *s)
{
    static struct budget decoded = BUDGET_INITIALIZER; /* bytes, over all threads */
    size_t size = bytes->size ? vlm_image_memory(bytes->data, bytes->size, p->o.max_pixels) : 0;
    int at = s->count;

    budget_take(&decoded, size, p->o.memory);
    if (bytes->size &&
        vlm_thumbnail((struct vlm_bytes){ bytes->data, bytes->size }, p->o.max_pixels,
                      (int)p->o.side, &s->jpeg[at], &s->size[at], s->sides[at]))
        s->jpeg[at] = NULL;
    budget_give(&decoded, size);
    if (s->jpeg[at] || at == 0) /* without its picture a record stays on the page */
        s->count++;
    buffer_free(bytes);
}

/* vlm-itm --heatmap names its pictures from the folder it runs in, whatever --root says; who moved
 * them beside the images has them there. */
static int read_heatmap(const struct record *r, const struct fields *f, const char *path,
                        struct buffer *b)
{
    struct fields here = *f;

    here.root = NULL;
    if (!r->archived && record_reference_bytes(r, &here, path, b) == 0)
        return 0;
    return record_reference_bytes(r, f, path, b);
}

static void make_heatmap(const struct making *m, const struct record *r, struct span value,
                         struct small *s)
{
    struct buffer bytes = { 0 };
    char *path = s->count < PICTURES ? json_path(value) : NULL;

    if (path && read_heatmap(r, m->p->o.fields, path, &bytes) == 0)
        make_one(m->p, &bytes, s);
    buffer_free(&bytes);
    free(path);
}

/* `heatmap` and heatmap.FIELD: a path, or a list of as many as there are texts. */
static void make_heatmaps(const struct making *m, const struct record *r, struct small *s)
{
    for (int i = 0; i < r->fields.count; i++) {
        char *name = record_field_name(r, i);
        struct span value, item, none;
        size_t at = 0;

        if (name && !strncmp(name, "heatmap", 7) && strchr(".", name[7]) &&
            record_find(r, name, &value)) {
            if (value.data[0] == '"')
                make_heatmap(m, r, value, s);
            else
                while (json_each(value, &at, &none, &item))
                    make_heatmap(m, r, item, s);
        }
        free(name);
    }
}

static void make(void *argument, long index, int worker)
{
    const struct making *m = argument;
    struct small *s = &m->small[index];
    const struct record *r = m->list[index];
    struct buffer bytes = { 0 };

    (void)worker;
    if (!s->wanted)
        return;
    if (record_has_image(r, m->p->o.fields) &&
        record_image_bytes(r, m->p->o.fields, &bytes)) /* gone: a card without a picture */
        buffer_free(&bytes);
    make_one(m->p, &bytes, s);
    make_heatmaps(m, r, s);
}

static int keep_picture(struct page *p, struct small *s, int which)
{
    if (p->picture_count == p->picture_room) {
        p->picture_room = p->picture_room ? 2 * p->picture_room : 256;
        p->pictures = xresize(p->pictures, (size_t)p->picture_room, sizeof *p->pictures);
    }
    p->pictures[p->picture_count] = (struct picture){
        .at = p->end,
        .size = (int)s->size[which],
        .width = s->sides[which][0],
        .height = s->sides[which][1],
    };
    if (keep(p, s->jpeg[which], s->size[which]))
        return -1;
    p->picture_count++;
    return 0;
}

static int keep_record(struct page *p, const struct record *r, struct small *s, struct buffer *row)
{
    struct entry e = { .index = p->seen, .priority = s->priority, .stratum = s->stratum };

    e.picture = s->jpeg[0] ? p->picture_count : -1;
    e.heatmap = p->picture_count + (s->jpeg[0] != NULL);
    e.heatmaps = s->count > 1 ? s->count - 1 : 0;
    for (int i = 0; i < s->count; i++)
        if (s->jpeg[i] && keep_picture(p, s, i))
            return -1;
    buffer_clear(row);
    row_write(row, r, p->o.fields);
    e.at = p->end;
    e.size = (int)row->size;
    e.hash = hash_bytes(row->data, row->size, 0);
    if (keep(p, row->data, row->size))
        return -1;
    stratum_add(p, e);
    return 0;
}

int page_add(struct page *p, struct record *const list[], int n, bool dropped)
{
    struct small *small = xalloc((size_t)n + 1, sizeof *small);
    struct making m = { p, list, small };
    struct buffer row = { 0 };
    int status = 0;

    for (int i = 0; i < n; i++) {
        struct small *s = &small[i];

        s->state = state_of(list[i], dropped);
        s->priority = hash_bytes(list[i]->json.data, list[i]->json.size, p->o.seed);
        s->stratum = stratum_of(p, list[i], s->state);
        s->wanted = stratum_wants(p, s->stratum, s->priority);
        count(p, list[i], s->state);
    }
    pool_run(make, &m, n);
    for (int i = 0; i < n; i++) {
        if (!status && small[i].wanted)
            status = keep_record(p, list[i], &small[i], &row);
        p->seen++;
        for (int k = 0; k < PICTURES; k++)
            free(small[i].jpeg[k]);
    }
    buffer_free(&row);
    free(small);
    return status;
}
