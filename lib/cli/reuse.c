/* SPDX-License-Identifier: MIT
 * reuse.c - results of an earlier run, found by the record that they came from
 *
 * The earlier output's side file says which bytes belong to which record; a table with open
 * addressing finds them by the record's hash.  The bytes' own hash is checked when they are used,
 * so an output that was changed is computed anew where it was.
 */
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/loop.h"

struct reused {
    bool taken; /* a place of the table that holds one */
    struct result result;
    uint64_t at, dropped_at; /* where its bytes begin */
};

static void add(struct reuse *u, const struct reused *one)
{
    size_t i = one->result.record & (u->room - 1);

    while (u->table[i].taken)
        i = (i + 1) & (u->room - 1);
    u->table[i] = *one;
}

static bool is_failure(enum result_kind kind)
{
    return kind == RESULT_FAILED || kind == RESULT_SKIPPED;
}

static bool is_usable(const struct reuse *u, const struct result *r)
{
    return !(is_failure(r->kind) && (u->retry || settings.retry_errors));
}

/* Every line whose bytes are there. */
static void fill(struct reuse *u)
{
    struct reused one = { .taken = true };
    uint64_t lines = 0;

    for (side_rewind(&u->side); side_next(&u->side, &one.result);)
        lines++;
    for (u->room = 16; u->room < 2 * lines;)
        u->room *= 2;
    u->table = xalloc(u->room, sizeof *u->table);
    for (side_rewind(&u->side); side_next(&u->side, &one.result);) {
        if (one.at + one.result.bytes > u->out.size ||
            one.dropped_at + one.result.dropped > u->dropped.size)
            break;
        if (is_usable(u, &one.result)) {
            add(u, &one);
            u->usable++;
        }
        one.at += one.result.bytes;
        one.dropped_at += one.result.dropped;
    }
}

/* Made by the same command, options, model and version? */
static bool same_header(const struct reuse *u, const struct filter *f)
{
    struct buffer b = { 0 };
    bool same;

    side_header(&b, f->name);
    same = b.size == u->side.header.size && !memcmp(b.data, u->side.header.data, b.size);
    buffer_free(&b);
    return same;
}

int reuse_open(struct reuse *u, const char *old, bool retry, const struct filter *f)
{
    *u = (struct reuse){ .retry = retry };
    if (!path_exists(old))
        return 0;
    if (side_open(&u->side, old) || file_map(&u->out, old))
        return -1;
    if (!u->side.header.size)
        options_mistake("--reuse=%s: there is no %s, which runs with --reuse or --resume write",
                        old, u->side.path);
    if (settings.dropped && path_exists(settings.dropped) &&
        file_map(&u->dropped, settings.dropped))
        return -1;
    if (retry || same_header(u, f))
        fill(u);
    else
        warn("%s was made by other options, another model or version: all is computed", old);
    return 0;
}

void reuse_find(struct reuse *u, struct item *item)
{
    const struct result *wanted = &item->result;

    for (size_t i = wanted->record & (u->room - 1); u->room && u->table[i].taken;
         i = (i + 1) & (u->room - 1)) {
        struct reused *one = &u->table[i];
        const char *bytes = (const char *)u->out.data + one->at;

        if (one->result.record != wanted->record ||
            !(u->retry || picture_same(&one->result.picture, &wanted->picture)) ||
            hash_bytes(bytes, one->result.bytes, 0) != one->result.content)
            continue;
        item->ready = true;
        item->kept = (struct span){ bytes, one->result.bytes };
        item->dropped =
            (struct span){ (const char *)u->dropped.data + one->dropped_at, one->result.dropped };
        item->result.kind = one->result.kind;
        u->used++;
        return;
    }
}

void reuse_close(struct reuse *u)
{
    side_close(&u->side);
    file_unmap(&u->out);
    file_unmap(&u->dropped);
    free(u->table);
    *u = (struct reuse){ 0 };
}
