/* SPDX-License-Identifier: MIT
 * dataset.c - records read into an index of pairs
 *
 * Records are read some at a time; their texts are tokenised on all threads, then taken in in
 * order.  A record's bytes are gone after that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "train/data_inside.h"
#include "vlm.h"

enum { BLOCK = 256, BLOCK_BYTES = 64 << 20 }; /* records in hand, and their images' bytes */

struct reading { /* a record in hand */
    struct record *record;
    struct texts texts;
    struct token_ids *ids; /* [texts.count] */
    char *trouble;         /* why it is left out */
};
struct opening {
    struct dataset *d;
    const struct dataset_options *options;
    struct fields fields;
    struct tokenizer *tokenizer;
    enum caption_style style;
    const char *prefix;
    size_t prefix_size;
    int context, nothing; /* ids of a text that says nothing */
    struct picture_table table;
    struct reading block[BLOCK];
    int count;
};

static bool is_blank(int byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool all_blank(const char *text, size_t size)
{
    while (size && is_blank((unsigned char)text[size - 1]))
        size--;
    return !size;
}

/* The prefix without blanks behind it, then one blank, then the text.  A byte-pair tokenizer takes
 * that blank into the text's first word, so the prefix alone is tokenised without it. */
static void tokenise(const struct opening *o, const char *text, size_t size, struct token_ids *ids)
{
    struct buffer whole = { 0 }, clean = { 0 };

    if (o->options->clean_text) {
        clean_caption(&clean, text, size, o->style, o->options->words);
        text = clean.data;
        size = clean.size;
    }
    buffer_add(&whole, o->prefix, o->prefix_size);
    if (!all_blank(text, size)) {
        if (whole.size && !is_blank((unsigned char)*text))
            buffer_byte(&whole, ' ');
        buffer_add(&whole, text, size);
    }
    tokenizer_encode(o->tokenizer, whole.data, whole.size, o->context, ids);
    buffer_free(&whole);
    buffer_free(&clean);
}

/* What an earlier filter said. */
static char *error_of(const struct record *r)
{
    struct span error, message;
    char *text = NULL;

    if (record_find(r, "error", &error) && json_find(error.data, error.size, "message", &message))
        text = json_text(message);
    return text ? text : xstrdup("has an error");
}

/* Whether the image can be found.  It is not decoded: that takes longer than all the rest of
 * opening, and a batch does it anyway. */
static int check_image(const struct opening *o, const struct record *r)
{
    char *reference, *name;
    int result;

    if (o->options->features)
        return features_check(o->d, r);
    if (!record_has_image(r, &o->fields))
        return fail_as("no_image", "the record has no image");
    if (record_image_member(r, &o->fields))
        return 0;
    reference = record_image_reference(r, &o->fields);
    result = reference ? image_reference_check(o->fields.root, reference) : -1;
    free(reference);
    name = record_image_name(r, &o->fields);
    if (result && strncmp(error_text(), name, strlen(name))) {
        char *reason = xstrdup(error_text());

        fail("%s: %s", name, reason);
        free(reason);
    }
    free(name);
    return result;
}

/* On any thread: nothing of the dataset is written here, so that its order is the input's. */
static void examine(void *argument, long index, int worker)
{
    struct opening *o = argument;
    struct reading *one = &o->block[index];
    int found;

    (void)worker;
    if (one->record->failed) {
        one->trouble = error_of(one->record);
        return;
    }
    found = check_image(o, one->record) ? -1 : record_texts(one->record, &o->fields, &one->texts);
    if (found <= 0) {
        one->trouble = xstrdup(found ? error_text() : "the record has no text");
        return;
    }
    one->ids = xalloc((size_t)one->texts.count, sizeof *one->ids);
    for (int i = 0; i < one->texts.count; i++)
        tokenise(o, one->texts.list[i], one->texts.sizes[i], &one->ids[i]);
}

/* Seven bits a byte, the lowest first, the top bit where more follow: most ids take two bytes. */
static void add_id(struct buffer *b, unsigned id)
{
    for (; id > 127; id >>= 7)
        buffer_byte(b, (int)(id & 127) | 128);
    buffer_byte(b, (int)id);
}

/* All pairs stay in memory: each takes 16 bytes and the bytes of its ids. */
static void add_pair(struct dataset *d, uint32_t picture, const struct token_ids *ids)
{
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 1024;
        d->pairs = xresize(d->pairs, d->capacity, sizeof *d->pairs);
    }
    d->pairs[d->count++] = (struct pair){ picture, (uint32_t)ids->count, d->ids.size };
    for (int i = 0; i < ids->count; i++)
        add_id(&d->ids, (unsigned)ids->ids[i]);
    d->cut += ids->truncated;
}

/* In the input's order.  A text that is empty behind the prefix would teach nothing but the frame.
 */
static void take_in(struct opening *o, struct reading *one)
{
    struct dataset *d = o->d;
    uint32_t picture;

    if (!one->trouble && picture_add(d, &o->table, one->record, &o->fields, &picture))
        one->trouble = xstrdup(error_text());
    if (one->trouble) {
        record_warn(d, one->record, one->trouble);
        d->bad++;
        return;
    }
    for (int i = 0; i < one->texts.count; i++) {
        if (one->ids[i].count > o->nothing) {
            add_pair(d, picture, &one->ids[i]);
        } else {
            record_warn(d, one->record, "an empty text");
            d->bad++;
        }
    }
}

static void drop(struct reading *one)
{
    for (int i = 0; one->ids && i < one->texts.count; i++)
        free(one->ids[i].ids);
    free(one->ids);
    texts_free(&one->texts);
    free(one->trouble);
    record_free(one->record);
    *one = (struct reading){ 0 };
}

static size_t bytes_of(const struct record *r)
{
    size_t sum = r->json.size;

    for (int i = 0; i < r->member_count; i++)
        sum += r->members[i].size;
    return sum;
}

/* Up to BLOCK records, fewer where their images are large: they are in memory together. */
static int read_block(struct opening *o, struct reader *reader)
{
    struct record *r;
    size_t bytes = 0;

    o->count = 0;
    while (o->count < BLOCK && bytes < BLOCK_BYTES && (r = reader_next(reader, NULL))) {
        o->block[o->count++].record = r;
        bytes += bytes_of(r);
    }
    return o->count;
}

static int read_all(struct opening *o, char *const *operands, int count)
{
    const struct reader_options options = {
        .from = o->options->from,
        .null = o->options->null,
        .is_image = vlm_is_image,
    };
    struct reader *reader = reader_open(operands, count, &options);
    int result = 0;

    while (!result && !(o->options->stop && *o->options->stop) && read_block(o, reader)) {
        pool_run(examine, o, o->count);
        for (int i = 0; i < o->count; i++) {
            take_in(o, &o->block[i]);
            drop(&o->block[i]);
        }
        if (o->d->count > UINT32_MAX - 2 * BLOCK || o->d->picture_count > UINT32_MAX - 2 * BLOCK)
            result = fail_as("too_large", "more than %zu pairs", o->d->count);
    }
    if (!result && reader_failed(reader))
        result = fail("%s", reader_message(reader));
    reader_close(reader);
    return result;
}

/* A text with the prefix alone ends as one without: those ids are the frame's. */
static int measure_prefix(struct opening *o)
{
    struct token_ids bare, prefix;
    bool ends;

    tokenise(o, "", 0, &prefix);
    tokenizer_encode(o->tokenizer, "", 0, o->context, &bare);
    ends = bare.count && prefix.ids[prefix.count - 1] == bare.ids[bare.count - 1];
    o->nothing = prefix.count;
    o->d->prefix = prefix.count - ends;
    free(bare.ids);
    free(prefix.ids);
    if (o->options->behind_prefix)
        o->context += o->d->prefix;
    o->d->context = o->context;
    if (o->nothing >= o->context)
        return fail("a context of %d ids has no room for a text", o->context);
    return 0;
}

static int open_tokenizer(struct opening *o, const struct model *m)
{
    char *path = o->options->tokenizer ? xstrdup(o->options->tokenizer) : model_tokenizer_path(m);

    if (!path)
        return fail_as("not_found", "%s: there is no tokenizer beside it", m->folder);
    o->tokenizer = model_tokenizer(m, path);
    o->context = o->options->context ? o->options->context : model_context(m, path);
    free(path);
    if (!o->tokenizer)
        return -1;
    o->style = m->reading.caption_style;
    o->prefix = o->options->prefix ? o->options->prefix : "";
    o->prefix_size = strlen(o->prefix);
    while (o->prefix_size && is_blank((unsigned char)o->prefix[o->prefix_size - 1]))
        o->prefix_size--;
    return measure_prefix(o);
}

/* Of everything that decides which pairs there are and in which order: a training that is resumed
 * compares it. */
static uint64_t hash_of(const struct dataset *d)
{
    uint64_t hash = hash_bytes(d->ids.data, d->ids.size, d->count);

    for (size_t i = 0; i < d->count; i++) {
        const struct pair *p = &d->pairs[i];
        const int64_t one[] = { d->pictures[p->picture].group, p->count };

        hash = hash_bytes(one, sizeof one, hash);
    }
    return hash;
}

/* What a batch holds of an image. */
static void set_image(struct dataset *d, const struct model *m)
{
    d->image = preprocess_numbers(&m->image.preprocess);
    if (!d->options.features)
        return;
    d->tokens = m->image.tokens;
    d->width = (int)m->image.width;
    d->image = (size_t)d->tokens * (size_t)d->width;
    snprintf(d->tower, sizeof d->tower, "%016llx", (unsigned long long)model_tower_hash(m));
}

/* NULL after fail(); else to be given to dataset_close(). */
struct dataset *dataset_open(char *const *operands, int count, const struct dataset_options *o,
                             const struct model *m)
{
    struct opening *opening = xalloc(1, sizeof *opening);
    struct dataset *d = xalloc(1, sizeof *d);
    int result = 0;

    *opening = (struct opening){ .d = d, .options = o };
    opening->fields =
        (struct fields){ .root = o->root, .image = o->image_field, .text = o->text_field };
    d->options = (struct dataset_options){ .max_pixels = o->max_pixels,
                                           .memory = o->memory,
                                           .seed = o->seed,
                                           .shuffle = o->shuffle,
                                           .augment = o->augment,
                                           .features = o->features,
                                           .quiet = o->quiet };
    d->root = o->root ? xstrdup(o->root) : NULL;
    d->preprocess = m->image.preprocess;
    set_image(d, m);
    d->epoch = UINT64_MAX;
    if (!m->image.size)
        result = fail_as("unsupported", "%s has no image tower", m->about);
    if (!result)
        result = open_tokenizer(opening, m);
    if (!result)
        result = read_all(opening, operands, count);
    if (!result && !d->count)
        result = fail("no pair of an image and a text");
    tokenizer_close(opening->tokenizer);
    free(opening->table.slots);
    free(opening);
    if (result) {
        dataset_close(d);
        return NULL;
    }
    d->hash = hash_of(d);
    return d;
}

long dataset_count(const struct dataset *d)
{
    return (long)d->count;
}

long dataset_pictures(const struct dataset *d)
{
    return (long)d->picture_count;
}

long dataset_bad(const struct dataset *d)
{
    return d->bad;
}

long dataset_cut(const struct dataset *d)
{
    return d->cut;
}

int dataset_prefix(const struct dataset *d)
{
    return d->prefix;
}

int dataset_context(const struct dataset *d)
{
    return d->context;
}

uint64_t dataset_hash(const struct dataset *d)
{
    return d->hash;
}

void dataset_close(struct dataset *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->source_count; i++)
        free(d->sources[i]);
    free(d->sources);
    free(d->pairs);
    free(d->pictures);
    free(d->order);
    free(d->root);
    buffer_free(&d->kept);
    buffer_free(&d->ids);
    free(d);
}
