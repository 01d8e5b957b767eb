/* SPDX-License-Identifier: MIT
 * checkpoint.c - what a run needs beside the model to go on as if it had never stopped
 *
 * training.json has the step, the steps in all and the options; training.safetensors has the two
 * moments of AdamW under mean.NAME and square.NAME, the momentum encoder under teacher.NAME, and
 * the queue of features. The weights themselves are those of the folder's model. A run that is done
 * keeps no tensors here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "checkpoint/model.h"
#include "train/checkpoint.h"

struct list {
    struct saving *items;
    int count;
};

/* Takes the name. */
static void keep(struct list *l, char *name, enum dtype type, int rank, const long *shape,
                 const void *data)
{
    struct saving *s;

    l->items = xresize(l->items, (size_t)l->count + 1, sizeof *l->items);
    s = &l->items[l->count++];
    *s = (struct saving){ .name = name, .type = type, .rank = rank, .data = data };
    for (int i = 0; i < rank; i++)
        s->shape[i] = shape[i];
}

/* The moments lie in one block in the order of the parameters, as the numbers do: the same offset
 * finds them. */
static void add_moments(struct list *l, const struct checkpoint *s)
{
    for (int i = 0; i < s->learning->params; i++) {
        const struct param *p = s->learning->list[i];
        const struct tensor *x = *p->slot;
        long at = x->data - s->learning->data;

        keep(l, xprintf("mean.%s", p->name), DTYPE_F32, x->rank, x->shape, s->adam->mean + at);
        keep(l, xprintf("square.%s", p->name), DTYPE_F32, x->rank, x->shape, s->adam->square + at);
    }
}

/* A tensor that has several names is stored under the first. */
static void add_teacher(struct list *l, const struct params *p)
{
    for (int i = 0; i < p->count; i++) {
        const struct tensor *x = *p->list[i].slot;

        if (x && params_first(p, i) == i)
            keep(l, xprintf("teacher.%s", p->list[i].name), x->type, x->rank, x->shape, x->bytes);
    }
}

/* The place is copied as 64 bits: a long need not have them. */
static void add_queue(struct list *l, const struct feature_queue *q)
{
    const long rows[] = { q->size, q->width }, place[] = { q->next, q->filled };
    int64_t *copy = (int64_t *)(uintptr_t)xmemdup(place, sizeof place);

    keep(l, xstrdup("queue.images"), DTYPE_F32, 2, rows, q->images);
    keep(l, xstrdup("queue.texts"), DTYPE_F32, 2, rows, q->texts);
    keep(l, xstrdup("queue.group"), DTYPE_I64, 1, rows, q->group);
    keep(l, xstrdup("queue.place"), DTYPE_I64, 1, (const long[]){ 2 }, copy);
}

static int write_tensors(const struct checkpoint *s, const char *folder)
{
    char *path = path_join(folder, "training.safetensors");
    struct list l = { 0 };
    int status;

    add_moments(&l, s);
    if (s->teacher)
        add_teacher(&l, &s->teacher->params);
    if (s->queue)
        add_queue(&l, s->queue);
    status = weights_save(path, l.items, l.count, NULL);
    if (s->queue)
        free((void *)(uintptr_t)l.items[l.count - 1].data);
    for (int i = 0; i < l.count; i++)
        free((char *)(uintptr_t)l.items[i].name);
    free(l.items);
    free(path);
    return status;
}

/* training.json says how far it came. It is written into the new folder, which replaces the old one
 * whole, so both files are always of one step. */
int checkpoint_write(const struct checkpoint *s, const char *folder)
{
    char *path = path_join(folder, "training.json");
    struct buffer b = { 0 };
    int status;

    buffer_printf(&b, "{\"step\":%ld,\"steps\":%ld,\"options\":%s}\n", s->step, s->steps,
                  s->options);
    status = file_write_atomic(path, b.data, b.size);
    buffer_free(&b);
    free(path);
    return status || s->step >= s->steps ? status : write_tensors(s, folder);
}

/* The message shows both, so that the one that differs can be seen. */
static int other_options(const struct training *t, const struct training_facts *f, const cJSON *had)
{
    char *theirs = cJSON_PrintUnformatted(had), *ours = training_describe(t, f);

    fail("%s was trained with other options: %s, not %s", t->folder, theirs ? theirs : "none",
         ours);
    cJSON_free(theirs);
    free(ours);
    return -1;
}

/* 0: there is none; 1: to be read; 2: the training is done; -1 after fail(). */
int checkpoint_find(const struct training *t, const struct training_facts *f, long *step)
{
    char *path = path_join(t->folder, "training.json");
    cJSON *root = path_exists(path) ? json_read(path) : NULL;
    const cJSON *had = json_get(root, "options");
    int found = root ? 1 : path_exists(path) ? -1 : 0;

    *step = (long)json_number(root, "step", 0);
    if (found == 1 && !training_same(had, t, f))
        found = other_options(t, f, had);
    if (found == 1 && *step >= (long)json_number(root, "steps", 0))
        found = 2;
    cJSON_Delete(root);
    free(path);
    return found;
}

/* The stored numbers of a name to `to`, whose count they must have. */
static int take(const struct weights *w, const char *prefix, const char *name, enum dtype type,
                long count, void *to)
{
    char *full = xprintf("%s%s", prefix, name);
    const struct stored *s = weights_find(w, full);
    int status = 0;

    if (!s || s->type != type || stored_count(s) != count)
        status = fail("%s: %s is missing or of another size", weights_path(w), full);
    else
        stored_copy(s, false, to);
    free(full);
    return status;
}

static int read_moments(const struct checkpoint *s, const struct weights *w)
{
    for (int i = 0; i < s->learning->params; i++) {
        const struct param *p = s->learning->list[i];
        const struct tensor *x = *p->slot;
        long at = x->data - s->learning->data, count = tensor_count(x);

        if (take(w, "mean.", p->name, DTYPE_F32, count, s->adam->mean + at) ||
            take(w, "square.", p->name, DTYPE_F32, count, s->adam->square + at))
            return -1;
    }
    return 0;
}

static int read_teacher(const struct params *p, const struct weights *w)
{
    for (int i = 0; i < p->count; i++) {
        struct tensor *x = *p->list[i].slot;

        if (x && params_first(p, i) == i &&
            take(w, "teacher.", p->list[i].name, x->type, tensor_count(x), x->bytes))
            return -1;
    }
    return 0;
}

static int read_queue(struct feature_queue *q, const struct weights *w)
{
    int64_t place[2];

    if (take(w, "queue.", "images", DTYPE_F32, q->size * q->width, q->images) ||
        take(w, "queue.", "texts", DTYPE_F32, q->size * q->width, q->texts) ||
        take(w, "queue.", "group", DTYPE_I64, q->size, q->group) ||
        take(w, "queue.", "place", DTYPE_I64, 2, place))
        return -1;
    if (place[0] < 0 || place[0] >= q->size || place[1] < 0 || place[1] > q->size)
        return fail("%s: queue.place makes no sense", weights_path(w));
    q->next = (long)place[0];
    q->filled = (long)place[1];
    return 0;
}

/* AdamW continues with the corrections of its step: without them the first steps after a break
 * would be too large. */
int checkpoint_read(struct checkpoint *s, const char *folder)
{
    char *path = path_join(folder, "training.safetensors");
    struct weights *w = weights_open(path);
    int status = w ? 0 : -1;

    if (!status)
        status = read_moments(s, w);
    if (!status && s->teacher)
        status = read_teacher(&s->teacher->params, w);
    if (!status && s->queue)
        status = read_queue(s->queue, w);
    if (!status)
        adamw_resume(s->adam, s->learning, s->step);
    weights_close(w);
    free(path);
    return status;
}
