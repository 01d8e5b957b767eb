/* SPDX-License-Identifier: MIT
 * vlm-sim.c - compare vectors: pairs, queries, labels, near duplicates
 *
 * All vectors have length 1, so a cosine is a product.  In all modes but the first, a record is as
 * close to something as the closest of its vectors: a list of texts has one for each.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/search.h"

enum by { BY_ANY, BY_IMAGE, BY_TEXT };

static struct option_list queries, templates, labels;
static const char *queries_path, *labels_path;
static long top;
static float scale, threshold = -2;
static struct labels_rule rule;
static int by;
static struct filter filter;
static struct vlm *model;

static float *targets; /* of queries or labels: [count, width] */
static struct search search;
static struct duplicates kept;

static const char *const by_names[] = { "any", "image", "text", NULL };

static const struct option_spec options[] = {
    OPTION_LIST(0, "query", "TEXT", &queries, "write the records closest to TEXT (repeatable)",
                .without = "labels near-duplicates", .utf8 = true),
    OPTION_FILE(0, "queries", "FILE", &queries_path,
                "write the records closest to each line of FILE",
                .without = "labels near-duplicates"),
    OPTION_LONG(0, "top", "K", &top, 1, 1000000,
                "write K records for a query, or labels for a record",
                .standard = "10 records, 1 label", .with = "query queries labels"),
    OPTION_FILE(0, "labels", "FILE", &labels_path, "add the likeliest of the lines of FILE",
                .without = "near-duplicates"),
    OPTION_LIST(0, "template", "TEXT", &templates,
                "put each label into TEXT, such as 'a photo of a {}'; if repeated, take their mean",
                .standard = "{}", .with = "labels", .utf8 = true),
    OPTION_FLOAT(0, "scale", "X", &scale, 0, 1e6, "multiply cosines by X",
                 .standard = "the model's", .with = "labels"),
    OPTION_FLOAT(0, "near-duplicates", "T", &threshold, -1, 1,
                 "mark records whose cosine with an earlier one is T or more"),
    OPTION_CHOICE(0, "by", "SIDE", &by, by_names, "compare the vector of image, text or any",
                  .standard = "any, the image's if there is one",
                  .with = "query queries labels near-duplicates"),
    OPTION_PRECISION,
    OPTION_PROVENANCE(),
    OPTIONS_MODEL,
    OPTIONS_STREAM,
    OPTIONS_END,
};

static unsigned uses(void)
{
    bool asks = queries.count || queries_path || labels_path, pairs = !asks && threshold < -1;
    unsigned images = pairs || by != BY_TEXT ? USES_IMAGES : 0;
    unsigned texts = pairs || by != BY_IMAGE ? USES_TEXTS : 0;

    return images | texts | (texts || asks ? USES_TOKENIZER | USES_CLEANED : 0) |
           (images || threshold >= -1 ? USES_IMAGE_NAMES : 0) | /* duplicates are named by images */
           (asks ? 0 : USES_STREAM);
}

static const char *const writes[] = {
    "sim", "label", "prob", "labels", "probs", "truncated", NULL
};

/* Vectors, or what they are made from */

/* Pairs need both sides; the other modes take the image's vector if there is one. */
static unsigned sides_of(const struct record *r)
{
    struct span value;

    if (!queries.count && !labels.count && threshold < -1)
        return EMBED_IMAGE | EMBED_TEXT;
    if (by != BY_ANY)
        return by == BY_IMAGE ? EMBED_IMAGE : EMBED_TEXT;
    return record_member(r, "image_embedding") || record_find(r, "image_embedding", &value) ||
                   record_has_image(r, &settings.fields)
               ? EMBED_IMAGE
               : EMBED_TEXT;
}

/* What the mode cannot do without; near duplicates of any side take what there is. */
static unsigned abilities(void)
{
    bool asks = queries.count || labels.count, pairs = !asks && threshold < -1;

    return (asks || pairs || by == BY_TEXT ? VLM_EMBED_TEXT : 0) |
           (pairs || by == BY_IMAGE || (asks && by == BY_ANY) ? VLM_EMBED_IMAGE : 0);
}

/* Without -m, a stream of vectors needs no model; the first record that does opens it. */
static struct vlm *model_when_needed(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool tried;
    static char *reason;

    pthread_mutex_lock(&lock);
    if (!model && !tried && !(model = model_open(abilities())))
        reason = xstrdup(error_text());
    tried = true;
    pthread_mutex_unlock(&lock);
    if (!model)
        fail("it has no vectors, and there is no model: %s", reason);
    return model;
}

/* Vectors that the record has are used; only what is missing is computed, and only then a model is
 * needed. */
static void prepare(struct record *r)
{
    struct embedding *e = xalloc(1, sizeof *e);
    unsigned sides = sides_of(r);
    struct span value;

    r->work = e;
    if (embed_known(e, r, sides))
        return;
    sides &= ~((e->image ? EMBED_IMAGE : 0u) | (e->text ? EMBED_TEXT : 0u));
    if (sides & EMBED_IMAGE && !record_has_image(r, &settings.fields))
        record_fail(r, "read", "nothing_to_compare", "neither image nor image_embedding");
    else if (sides & EMBED_TEXT && !record_text(r, &settings.fields, &value, NULL))
        record_fail(r, "read", "nothing_to_compare", "neither text nor text_embedding");
    else if (sides && !model_when_needed())
        record_fail(r, "model", "no_model", error_text());
    else if (sides && e->width && e->width != vlm_width(model))
        record_fail(r, "read", "mismatch", "its vector and the model's differ in length");
    else if (sides && !embed_read(e, model, r, sides) && sides & EMBED_TEXT && !e->ids)
        record_fail(r, "read", "nothing_to_compare", "an empty list of texts");
}

/* One record's vectors: of its image, else of its texts. */
static const float *rows_of(const struct embedding *e, int *count)
{
    *count = e->image ? e->images : e->texts;
    return e->image ? e->image : e->text;
}

/* What each mode does to a record */

/* One cosine a text. */
static void add_pair(struct record *r, const struct embedding *e)
{
    float *sims = xalloc((size_t)e->texts, sizeof *sims);

    vector_cosines(e->image, e->images, e->text, e->texts, e->width, sims);
    if (e->list)
        record_set_numbers(r, "sim", sims, e->texts);
    else
        record_set_number(r, "sim", sims[0]);
    free(sims);
}

/* Several vectors of an image, which the same queries gave, are one long one: the cosine of two
 * such is the mean over the queries. */
static void add_arrival(struct record *r, struct embedding *e)
{
    float *vector = e->image ? e->image : e->text;
    long width = e->image ? e->images * e->width : e->width;

    if (kept.width && width != kept.width) {
        record_fail(r, "compare", "mismatch", "its vector and those before differ in length");
    } else if (!e->image && e->texts != 1) {
        record_fail(r, "compare", "mismatch", "a list of texts is not one vector");
    } else {
        if (width != e->width)
            vector_unit(vector, width);
        duplicates_add(&kept, r, vector, width);
    }
}

/* The records' vectors times those of queries or labels, all at once. */

struct rows {
    float *rows, *dots; /* [count, width], [count, targets] */
    long count, width;
};

static void add_rows(struct rows *all, const struct embedding *e)
{
    int count;
    const float *rows = rows_of(e, &count);

    all->width = e->width;
    all->rows =
        xresize(all->rows, (size_t)(all->count + count) * (size_t)e->width, sizeof *all->rows);
    memcpy(all->rows + all->count * e->width, rows,
           (size_t)count * (size_t)e->width * sizeof *rows);
    all->count += count;
}

/* One product for the batch: rows of all records with all targets. */
static void multiply(struct rows *all, long count)
{
    all->dots = xresize(NULL, (size_t)all->count * (size_t)count + 1, sizeof *all->dots);
    vlm_dot(all->rows, all->count, targets, count, (int)all->width, all->dots);
}

/* Whether the search keeps the record. */
static bool answer(struct record *r, const struct embedding *e, const float *dots, long count)
{
    float *scores = xalloc((size_t)count, sizeof *scores);
    bool taken = false;
    int rows;

    rows_of(e, &rows);
    vector_closest(dots, rows, count, scores);
    if (queries.count)
        taken = search_offer(&search, r, scores);
    else
        labels_mark(r, &labels, scores, &rule, (int)top);
    free(scores);
    return taken;
}

/* The loop's callbacks */

/* A vector without a direction would have a cosine of NaN with everything. */
static bool is_fit(struct record *r, struct embedding *e)
{
    if (!embed_unit(e)) {
        record_fail(r, "compare", "invalid", "a vector has no direction: zero, or not finite");
        return false;
    }
    if (e->truncated)
        record_set_bool(r, "truncated", true);
    if (targets && e->width != vlm_width(model)) {
        record_fail(r, "compare", "mismatch", "its vector and the model's differ in length");
        return false;
    }
    return true;
}

/* A record that the search keeps is not written now, so the loop must not have it any more. */
static void compare_with_targets(struct record *records[], struct embedding **list, int count)
{
    long columns = queries.count ? queries.count : labels.count, at = 0;
    struct rows all = { 0 };

    for (int i = 0; i < count; i++)
        if (!records[i]->failed)
            add_rows(&all, list[i]);
    multiply(&all, columns);
    for (int i = 0; i < count; i++) {
        int rows;

        if (records[i]->failed)
            continue;
        rows_of(list[i], &rows);
        if (answer(records[i], list[i], all.dots + at * columns, columns)) {
            records[i]->work = NULL;
            records[i] = NULL;
            embed_free(list[i]);
        }
        at += rows;
    }
    free(all.rows);
    free(all.dots);
}

static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    struct embedding **list = xalloc((size_t)count, sizeof *list);
    int result;

    for (int i = 0; i < count; i++)
        list[i] = records[i]->work;
    result = model ? embed_batch(model, list, count, true) : 0;
    for (int i = 0; i < count && !result; i++) {
        outcomes[i] = COMPUTED;
        if (!is_fit(records[i], list[i]) || targets)
            continue;
        if (threshold >= -1)
            add_arrival(records[i], list[i]);
        else
            add_pair(records[i], list[i]);
    }
    if (!result && targets)
        compare_with_targets(records, list, count);
    if (!result && threshold >= -1)
        duplicates_mark(&kept, threshold);
    free(list);
    return RUN_GOES_ON;
}

/* Vectors that came with the record need no model, but for those of queries and labels. */
static uint64_t model_of(const struct record *r)
{
    const struct embedding *e = r->work;

    return targets || (e && e->computed) ? model_hash() : 0;
}

static void release(struct record *r)
{
    embed_free(r->work);
}

static void check_options(void)
{
    bool asks = queries.count || queries_path, deduplicates = threshold >= -1;

    if (settings.resume && (asks || deduplicates))
        options_mistake("--resume does not go with %s, which depends on the whole input",
                        asks ? "--query" : "--near-duplicates");
    for (int i = 0; i < templates.count; i++)
        if (!strstr(templates.items[i], "{}"))
            options_mistake("--template=%s: has no {} for the label", templates.items[i]);
    filter.whole = asks || deduplicates;
    filter.keeps_records = filter.drops_failed = asks;
}

/* Without -m and $VLM_MODEL nothing is opened yet: records may bring their vectors. */
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
        model = model_open(abilities());
        if (!model)
            return -1;
    }
    if (queries.count || labels.count)
        targets = labels_embed(model, queries.count ? &queries : &labels, &templates);
    if ((queries.count || labels.count) && !targets)
        return -1;
    search_open(&search, queries.count, (int)top);
    if (threshold >= -1 && !model)
        filter.most = 128; /* vectors are compared faster in large batches */
    if (model && scale == 0)
        scale = vlm_scale(model);
    if (model)
        rule.sigmoid = vlm_uses_sigmoid(model, &rule.bias);
    rule.scale = scale;
    return 0;
}

static int finish(void)
{
    search_emit(&search, &queries);
    return 0;
}

static void end(void)
{
    search_close(&search);
    duplicates_free(&kept);
    free(targets);
    vlm_close(model);
}

static struct filter filter = {
    .name = "vlm-sim",
    .args = "[FILE...]",
    .about = "Compare vectors: pairs, queries, labels, near duplicates.",
    .options = options,
    .uses = uses,
    .begin = begin,
    .prepare = prepare,
    .batch = batch,
    .finish = finish,
    .release = release,
    .model_of = model_of,
    .end = end,
    .writes = writes,
};

int main(int argc, char **argv)
{
    return filter_main(&filter, argc, argv);
}
