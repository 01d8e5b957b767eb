/* SPDX-License-Identifier: MIT
 * vlm-sim.c - compare vectors: pairs, queries, labels, near duplicates
 *
 * All vectors have length 1, so a cosine is a product.  In all modes but the first, a record is as
 * close to something as the closest of its vectors: a list of texts has one for each.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "cli/cli.h"

enum by { BY_ANY, BY_IMAGE, BY_TEXT };
enum { BLOCK = 4096 }; /* vectors compared at once */

static struct option_list queries, templates, labels;
static const char *queries_path, *labels_path;
static long top;
static float scale, threshold = -2;
static int by;
static struct filter filter;
static struct vlm *model;

static float *targets;   /* of queries or labels: [count, width] */
static struct top *best; /* one a query; its items are struct kept */
static struct {          /* what near duplicates are compared with */
    char **names;        /* JSON */
    float *vectors;
    long count, room, width;
} kept;

static const char *const by_names[] = { "any", "image", "text", NULL };

static const struct option_spec options[] = {
    OPTION_LIST(0, "query", "TEXT", &queries, "the records closest to TEXT; may be repeated"),
    OPTION_FILE(0, "queries", "FILE", &queries_path, "the same for every line of FILE"),
    OPTION_LONG(0, "top", "K", &top, 1, 1000000,
                "records for a query [10], or labels for a record [1]"),
    OPTION_FILE(0, "labels", "FILE", &labels_path, "add the likeliest of the lines of FILE"),
    OPTION_LIST(0, "template", "TEXT", &templates,
                "a label in a sentence, such as 'a photo of a {}'; if repeated, their mean [{}]"),
    OPTION_FLOAT(0, "scale", "X", &scale, 0, 1e6, "what cosines are multiplied by [the model's]"),
    OPTION_FLOAT(0, "near-duplicates", "T", &threshold, -1, 1,
                 "add duplicate_of where the cosine with an earlier record is T or more"),
    OPTION_CHOICE(0, "by", "SIDE", &by, by_names,
                  "which vector counts: image, text or any [any: the image's if there is one]"),
    OPTIONS_MODEL,
    OPTIONS_STREAM,
    OPTIONS_END,
};

static const char *const writes[] = {
    "sim", "label", "prob", "labels", "probs", "truncated", NULL
};

/* Vectors, or what they are made from */

static unsigned sides_of(const struct record *r)
{
    struct span value;

    if (!best && !labels.count && threshold < -1)
        return EMBED_IMAGE | EMBED_TEXT;
    if (by != BY_ANY)
        return by == BY_IMAGE ? EMBED_IMAGE : EMBED_TEXT;
    return record_member(r, "image_embedding") || record_find(r, "image_embedding", &value) ||
                   field_has_image(r)
               ? EMBED_IMAGE
               : EMBED_TEXT;
}

/* Without -m, a stream of vectors needs no model; the first record that does opens it. */
static struct vlm *model_when_needed(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool tried;
    static char *reason;

    pthread_mutex_lock(&lock);
    if (!model && !tried && !(model = model_open(VLM_EMBED_IMAGE | VLM_EMBED_TEXT)))
        reason = xstrdup(error_text());
    tried = true;
    pthread_mutex_unlock(&lock);
    if (!model)
        fail("it has no vectors, and there is no model: %s", reason);
    return model;
}

static void prepare(struct record *r)
{
    struct embedding *e = xalloc(1, sizeof *e);
    unsigned sides = sides_of(r);
    struct span value;

    r->work = e;
    if (embed_known(e, r, sides))
        return;
    sides &= ~((e->image ? EMBED_IMAGE : 0u) | (e->text ? EMBED_TEXT : 0u));
    if (sides & EMBED_IMAGE && !field_has_image(r))
        record_fail(r, "read", "nothing_to_compare", "neither image nor image_embedding");
    else if (sides & EMBED_TEXT && !field_text(r, &value, NULL))
        record_fail(r, "read", "nothing_to_compare", "neither text nor text_embedding");
    else if (sides && !model_when_needed())
        record_fail(r, "model", "no_model", error_text());
    else if (sides && e->width && e->width != vlm_width(model))
        record_fail(r, "read", "mismatch", "its vector and the model's differ in length");
    else if (sides && !embed_read(e, model, r, sides) && sides & EMBED_TEXT && !e->ids)
        record_fail(r, "read", "nothing_to_compare", "an empty list of texts");
}

/* One row of scores for each target: the highest of the record's vectors' cosines. */
static void score(const struct embedding *e, const float *to, long count, float *scores)
{
    const float *from = e->image ? e->image : e->text;
    int rows = e->image ? 1 : e->texts;
    float *dots = xresize(NULL, (size_t)rows * (size_t)count, sizeof *dots);

    vlm_dot(from, rows, to, count, (int)e->width, dots);
    for (long i = 0; i < count; i++) {
        scores[i] = dots[i];
        for (int k = 1; k < rows; k++)
            scores[i] = fmaxf(scores[i], dots[k * count + i]);
    }
    for (long i = 0; i < count; i++)
        scores[i] = fminf(fmaxf(scores[i], -1), 1); /* rounding may lead past 1 */
    free(dots);
}

/* Pairs */

static void add_pair(struct record *r, const struct embedding *e)
{
    float *sims = xalloc((size_t)e->texts, sizeof *sims);

    score(e, e->text, e->texts, sims);
    if (e->list)
        record_set_numbers(r, "sim", sims, e->texts);
    else
        record_set_number(r, "sim", sims[0]);
    free(sims);
}

/* Queries: a record that is among the best of several is shared by them. */

struct kept_record {
    struct record *record;
    int users;
};

static void let_go(struct kept_record *k)
{
    if (k && --k->users == 0) {
        record_free(k->record);
        free(k);
    }
}

static bool consider(struct record *r, const struct embedding *e)
{
    float *scores = xalloc((size_t)queries.count, sizeof *scores);
    struct kept_record *k = xalloc(1, sizeof *k);
    bool taken;

    *k = (struct kept_record){ r, 1 };
    score(e, targets, queries.count, scores);
    for (int q = 0; q < queries.count; q++) {
        if (top_wants(&best[q], scores[q], r->index)) {
            k->users++;
            let_go(top_add(&best[q], (struct ranked){ scores[q], r->index, k }));
        }
    }
    taken = k->users > 1;
    r->dropped = !taken;
    if (taken)
        let_go(k);
    else
        free(k);
    free(scores);
    return taken;
}

/* A copy, by way of the binary form. */
static struct record *copy(const struct record *r)
{
    struct buffer b = { 0 };
    struct record *same;
    size_t used;

    cbor_write_record(&b, r);
    same = cbor_read_record(b.data, b.size, &used);
    buffer_free(&b);
    return same;
}

static int emit_best(void)
{
    for (int q = 0; q < queries.count; q++) {
        top_sort(&best[q]);
        for (int i = 0; i < best[q].count; i++) {
            struct kept_record *k = best[q].heap[i].item;
            struct record *r = copy(k->record);

            record_set_number(r, "sim", best[q].heap[i].score);
            if (queries.count > 1)
                record_set_string(r, "query", queries.items[q]);
            emit(r);
            let_go(k);
        }
        top_free(&best[q]);
    }
    return 0;
}

/* Labels */

static void set_labels(struct record *r, const struct top *likely)
{
    struct buffer names = { 0 }, probs = { 0 };

    for (int i = 0; i < likely->count; i++) {
        const char *name = labels.items[likely->heap[i].index];
        char number[24];

        float_format(likely->heap[i].score, number);
        buffer_printf(&probs, "%c%s", i ? ',' : '[', number);
        buffer_byte(&names, i ? ',' : '[');
        json_escape(&names, name, strlen(name));
    }
    buffer_byte(&names, ']');
    buffer_byte(&probs, ']');
    record_set_string(r, "label", labels.items[likely->heap[0].index]);
    record_set_number(r, "prob", likely->heap[0].score);
    if (top > 1) {
        record_set_json(r, "labels", names.data, names.size);
        record_set_json(r, "probs", probs.data, probs.size);
    }
    buffer_free(&names);
    buffer_free(&probs);
}

/* prob = softmax(scale x cosine) over all labels */
static void add_label(struct record *r, const struct embedding *e)
{
    float *scores = xalloc((size_t)labels.count, sizeof *scores), most = -2;
    double sum = 0;
    struct top likely;

    score(e, targets, labels.count, scores);
    for (int i = 0; i < labels.count; i++)
        most = fmaxf(most, scores[i]);
    for (int i = 0; i < labels.count; i++)
        sum += exp((double)scale * ((double)scores[i] - (double)most));
    top_open(&likely, (int)top);
    for (int i = 0; i < labels.count; i++) {
        double prob = exp((double)scale * ((double)scores[i] - (double)most)) / sum;

        top_add(&likely, (struct ranked){ (float)prob, (uint64_t)i, NULL });
    }
    top_sort(&likely);
    set_labels(r, &likely);
    top_free(&likely);
    free(scores);
}

/* Near duplicates: only the vectors of records that are no duplicates are kept. */

static long closest_before(const struct embedding *e)
{
    float *scores = xalloc(BLOCK, sizeof *scores);
    long found = -1;

    for (long at = 0; at < kept.count && found < 0; at += BLOCK) {
        long n = kept.count - at < BLOCK ? kept.count - at : BLOCK;

        score(e, kept.vectors + at * kept.width, n, scores);
        for (long i = 0; i < n && found < 0; i++)
            if (scores[i] >= threshold)
                found = at + i;
    }
    free(scores);
    return found;
}

static void keep(const struct record *r, const struct embedding *e)
{
    const float *vector = e->image ? e->image : e->text;
    struct span name;

    if (kept.count == kept.room) {
        kept.room = kept.room ? 2 * kept.room : BLOCK;
        kept.names = xresize(kept.names, (size_t)kept.room, sizeof *kept.names);
        kept.vectors =
            xresize(kept.vectors, (size_t)kept.room * (size_t)e->width, sizeof *kept.vectors);
    }
    kept.width = e->width;
    memcpy(kept.vectors + kept.count * e->width, vector, (size_t)e->width * sizeof *vector);
    kept.names[kept.count++] =
        field_id(r, &name, NULL) || (!record_member(r, "image") && field_image(r, &name, NULL))
            ? xmemdup(name.data, name.size)
            : xprintf("%llu", (unsigned long long)r->index + 1);
}

static void mark_duplicate(struct record *r, const struct embedding *e)
{
    long found;

    if (kept.count && e->width != kept.width) {
        record_fail(r, "compare", "mismatch", "its vector and those before differ in length");
        return;
    }
    if (!e->image && e->texts != 1) {
        record_fail(r, "compare", "mismatch", "a list of texts is not one vector");
        return;
    }
    found = closest_before(e);
    if (found < 0)
        keep(r, e);
    else
        record_set_json(r, "duplicate_of", kept.names[found], strlen(kept.names[found]));
}

/* The loop's callbacks */

static bool compare(struct record *r, struct embedding *e)
{
    if (!embed_unit(e)) {
        record_fail(r, "compare", "invalid", "a vector has no direction: zero, or not finite");
        return false;
    }
    if (e->truncated)
        record_set_bool(r, "truncated", true);
    if ((best || labels.count) && e->width != vlm_width(model)) {
        record_fail(r, "compare", "mismatch", "its vector and the model's differ in length");
        return false;
    }
    if (best)
        return consider(r, e);
    if (labels.count)
        add_label(r, e);
    else if (threshold >= -1)
        mark_duplicate(r, e);
    else
        add_pair(r, e);
    return false;
}

static int batch(struct record *records[], int count)
{
    struct embedding **list = xalloc((size_t)count, sizeof *list);
    int result;

    for (int i = 0; i < count; i++)
        list[i] = records[i]->work;
    result = model ? embed_batch(model, list, count, true) : 0;
    for (int i = 0; i < count && !result; i++) {
        if (compare(records[i], list[i])) {
            records[i]->work = NULL;
            records[i] = NULL;
            embed_free(list[i]);
        }
    }
    free(list);
    return result;
}

static void release(struct record *r)
{
    embed_free(r->work);
}

static void check_options(void)
{
    bool asks = queries.count || queries_path, classifies = labels_path;
    bool deduplicates = threshold >= -1;

    if (asks + classifies + deduplicates > 1)
        options_mistake("--query, --labels and --near-duplicates exclude each other");
    if ((templates.count || scale > 0) && !classifies)
        options_mistake("--template and --scale go with --labels");
    if (top && !asks && !classifies)
        options_mistake("--top goes with --query or --labels");
    if (by != BY_ANY && !asks && !classifies && !deduplicates)
        options_mistake("--by goes with --query, --labels or --near-duplicates");
    if (settings.resume && (asks || deduplicates))
        options_mistake("--resume does not go with %s, which depends on the whole input",
                        asks ? "--query" : "--near-duplicates");
    for (int i = 0; i < templates.count; i++)
        if (!strstr(templates.items[i], "{}"))
            options_mistake("--template=%s: has no {} for the label", templates.items[i]);
    filter.whole = asks || deduplicates;
    filter.keeps_records = filter.drops_failed = asks;
}

static int begin(void)
{
    const char *given = getenv("VLM_MODEL");

    check_options();
    if ((queries_path && lines_read(queries_path, &queries)) ||
        (labels_path && lines_read(labels_path, &labels)))
        return 1;
    if (!top)
        top = queries.count ? 10 : 1;
    if (settings.model || (given && *given) || queries.count || labels.count) {
        model = model_open(VLM_EMBED_TEXT | (by == BY_TEXT ? 0 : VLM_EMBED_IMAGE));
        if (!model)
            return -1;
    }
    if (queries.count || labels.count)
        targets = labels_embed(model, queries.count ? &queries : &labels, &templates);
    if ((queries.count || labels.count) && !targets)
        return -1;
    best = queries.count ? xalloc((size_t)queries.count, sizeof *best) : NULL;
    for (int q = 0; q < queries.count; q++)
        top_open(&best[q], (int)top);
    if (model && scale == 0)
        scale = vlm_scale(model);
    return 0;
}

static int finish(void)
{
    return best ? emit_best() : 0;
}

static void end(void)
{
    for (long i = 0; i < kept.count; i++)
        free(kept.names[i]);
    free(kept.names);
    free(kept.vectors);
    free(targets);
    free(best);
    vlm_close(model);
}

static struct filter filter = {
    .name = "vlm-sim",
    .args = "[FILE...]",
    .about = "Compare vectors: pairs, queries, labels, near duplicates.",
    .options = options,
    .begin = begin,
    .prepare = prepare,
    .batch = batch,
    .finish = finish,
    .release = release,
    .end = end,
    .writes = writes,
};

int main(int argc, char **argv)
{
    return filter_main(&filter, argc, argv);
}
