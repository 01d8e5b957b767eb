/* SPDX-License-Identifier: MIT
 * vlm-itm.c - does this text describe this image?
 *
 * Every text of a record is scored against one pass over its image.  The record's text gets `itm`,
 * `itm_logit` and `itc`; other fields FIELD that hold texts get `itm.FIELD` and so on.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/json.h"
#include "cli/match.h"
#include "vlm.h"

static struct vlm *model;
static const char *fields, *queries, *candidates, *heatmap;
static long rerank_count = 16;
static struct queries *search;
static struct candidates *ranking;
static struct filter filter;

static const struct option_spec options[] = {
    OPTION_STRING('f', "fields", "NAMES", &fields,
                  "score each of these fields, separated by commas",
                  .without = "queries candidates"),
    OPTION_FILE(0, "queries", "FILE", &queries,
                "write the images that match each line of FILE best",
                .without = "candidates heatmap"),
    OPTION_FILE(
        0, "candidates", "FILE", &candidates,
        "add the lines of FILE that match each image best, instead of its own texts' scores",
        .without = "heatmap"),
    OPTION_LONG(0, "rerank", "K", &rerank_count, 1, 100000,
                "score the K with the highest itc by itm", .standard = "16",
                .with = "queries candidates"),
    OPTION_FOLDER(0, "heatmap", "DIR", &heatmap,
                  "write a picture for each pair into DIR: where in the image the text is",
                  .carries = true),
    OPTION_PRECISION,
    OPTION_PROVENANCE(),
    OPTIONS_MODEL,
    OPTIONS_STREAM,
    OPTIONS_END,
};

static unsigned uses(void)
{
    return USES_IMAGES | USES_IMAGE_NAMES | USES_TOKENIZER | USES_CLEANED |
           (fields || queries || candidates ? 0 : USES_TEXTS) | (queries ? 0 : USES_STREAM);
}

/* The texts of one field, as the model reads them. */
struct scored {
    char *field; /* NULL: the record's text, scored without a suffix */
    bool list, truncated;
    int count, *counts, **ids;
    char **texts; /* with --heatmap */
};
struct work {
    struct image_work image;
    struct scored *fields;
    int count;
};

static const char *const writes[] = { "itm",     "itm.",     "itm_logit", "itm_logit.", "itc",
                                      "itc.",    "label",    "label.",    "prob",       "prob.",
                                      "heatmap", "heatmap.", "ranked",    "truncated",  NULL };
static bool cosines; /* the model has them */

static int begin(void)
{
    bool ranks = queries || candidates;

    model = model_open(VLM_MATCH | (ranks ? VLM_EMBED_IMAGE | VLM_EMBED_TEXT : 0) |
                       (heatmap ? VLM_GROUND : 0));
    if (!model || (heatmap && heatmap_folder(heatmap)))
        return -1;
    cosines = vlm_abilities(model) & VLM_EMBED_IMAGE;
    if (candidates)
        return (ranking = candidates_open(model, candidates, (int)rerank_count)) ? 0 : -1;
    if (!queries)
        return 0;
    filter.keeps_records = filter.whole = true;
    search = queries_open(model, queries, (int)rerank_count);
    return search ? 0 : -1;
}

static void read_texts(struct record *r, struct work *w, const struct texts *t, const char *field)
{
    struct scored *s;

    w->fields = xresize(w->fields, (size_t)w->count + 1, sizeof *w->fields);
    s = &w->fields[w->count++];
    *s = (struct scored){ .field = field ? xstrdup(field) : NULL, .list = t->is_list };
    s->counts = xalloc((size_t)t->count, sizeof *s->counts);
    s->ids = xalloc((size_t)t->count, sizeof *s->ids);
    s->texts = xalloc((size_t)t->count, sizeof *s->texts);
    for (int i = 0; i < t->count && !r->failed; i++) {
        bool cut = false;

        if (vlm_read_text(model, t->list[i], t->sizes[i], &s->ids[i], &s->counts[i], &cut))
            record_fail_last(r, "text");
        s->texts[i] = heatmap ? xstrdup(t->list[i]) : NULL;
        s->truncated |= cut;
        s->count++;
    }
}

/* A record without that field is scored by its others. */
static void read_field(struct record *r, struct work *w, const char *name)
{
    struct texts t;

    int found = record_texts_named(r, name, &t);

    if (found < 0)
        record_fail_last(r, "read");
    if (found <= 0)
        return;
    read_texts(r, w, &t, name);
    texts_free(&t);
}

/* Without --fields: the record's text, and the captions written beside it. */
static void read_usual(struct record *r, struct work *w)
{
    static const char *const others[] = { "caption", "captions", "synthetic", "synthetics" };
    struct span value;
    const char *name = NULL;
    struct texts t;

    int found = record_texts(r, &settings.fields, &t);

    if (found < 0)
        record_fail_last(r, "read");
    if (found <= 0)
        return;
    read_texts(r, w, &t, NULL);
    texts_free(&t);
    record_text(r, &settings.fields, &value, &name);
    for (int i = 0; i < COUNT(others); i++)
        if (strcmp(name, others[i]) && (strncmp(name, "caption", 7) || i > 1))
            read_field(r, w, others[i]);
}

/* With queries or candidates the texts come from there, and the record gives its image alone. */
static void prepare(struct record *r)
{
    struct work *w = r->work = xalloc(1, sizeof *w);
    char *names = xstrdup(fields ? fields : ""), *rest = names, *name;

    if (!fields && !queries && !candidates)
        read_usual(r, w);
    while (!queries && (name = strtok_r(rest, ",", &rest)))
        read_field(r, w, name);
    free(names);
    if (!w->count && !queries && !candidates && !r->failed)
        record_fail(r, "read", "no_text", "the record has no text to score");
    if (!r->failed)
        image_work_read(r, model, &w->image);
}

/* One number for one text, a list of equal length for a list of texts. */
static void set_scores(struct record *r, const struct scored *s, const char *name,
                       const float *values)
{
    char *field = s->field ? xprintf("%s.%s", name, s->field) : xstrdup(name);

    if (s->list)
        record_set_numbers(r, field, values, s->count);
    else
        record_set_number(r, field, values[0]);
    free(field);
}

/* Of a text's classes: the last is a match, so the difference is of its logit and the log of the
 * sum of the others' exponentials, and the probability 1/(1 + e^-d). */
struct match {
    float itm, difference, prob;
    int label;
};

/* Visual entailment has three classes; itm is then the probability of entailment against the other
 * two. */
static struct match match_probability(const float *logits, int classes)
{
    struct match j = { .label = 0 };
    double others = 0, sum = 0, most = logits[0];

    for (int i = 1; i < classes - 1; i++)
        most = fmax(most, (double)logits[i]);
    for (int i = 0; i < classes - 1; i++)
        others += exp(logits[i] - most);
    j.difference = classes == 2 ? logits[1] - logits[0]
                                : (float)((double)logits[classes - 1] - most - log(others));
    j.itm = (float)(1 / (1 + exp(-(double)j.difference)));
    for (int i = 0; i < classes; i++)
        j.label = logits[i] > logits[j.label] ? i : j.label;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - (double)logits[j.label]);
    j.prob = (float)(1 / sum);
    return j;
}

/* Visual entailment: the likeliest class by its name. */
static void set_labels(struct record *r, const struct scored *s, const struct match *list)
{
    char *field = s->field ? xprintf("label.%s", s->field) : xstrdup("label");
    struct buffer text = { 0 };

    for (int i = 0; i < s->count; i++) {
        const char *name = vlm_class(model, list[i].label);

        buffer_byte(&text, i ? ',' : '[');
        json_escape(&text, name, strlen(name));
    }
    buffer_byte(&text, ']');
    if (s->list)
        record_set_json(r, field, text.data, text.size);
    else
        record_set_json(r, field, text.data + 1, text.size - 2);
    buffer_free(&text);
    free(field);
}

static void set_field(struct record *r, const struct scored *s, const float *logits,
                      const float *itc)
{
    int classes = vlm_classes(model);
    size_t count = (size_t)s->count;
    struct match *list = xalloc(count + 1, sizeof *list);
    float *itm = xalloc(count + 1, 3 * sizeof *itm), *difference = itm + count;
    float *prob = difference + count;

    for (int k = 0; k < s->count; k++) {
        list[k] = match_probability(logits + k * classes, classes);
        itm[k] = list[k].itm;
        difference[k] = list[k].difference;
        prob[k] = list[k].prob;
    }
    set_scores(r, s, "itm", itm);
    set_scores(r, s, "itm_logit", difference);
    if (cosines)
        set_scores(r, s, "itc", itc);
    if (vlm_class(model, 0) && s->count) {
        set_labels(r, s, list);
        set_scores(r, s, "prob", prob);
    }
    free(list);
    free(itm);
}

/* One picture a text; their paths into the record. */
static void draw_field(struct record *r, const struct scored *s, const float *features)
{
    char *name = s->field ? xprintf("heatmap.%s", s->field) : xstrdup("heatmap");
    struct buffer list = { 0 };
    bool drawn = true;

    for (int k = 0; k < s->count && drawn; k++) {
        const struct heatmap_text text = { s->texts[k], s->ids[k], s->counts[k] };
        char *path = heatmap_write(model, r, heatmap, &text, features);

        if (!(drawn = path))
            break;
        buffer_byte(&list, k ? ',' : '[');
        json_escape(&list, path, strlen(path));
        free(path);
    }
    buffer_byte(&list, ']');
    if (drawn && s->list)
        record_set_json(r, name, list.data, list.size);
    else if (drawn && s->count)
        record_set_json(r, name, list.data + 1, list.size - 2);
    buffer_free(&list);
    free(name);
    if (!drawn && !r->failed)
        record_fail_last(r, "heatmap");
}

static void draw_all(struct record *r, const struct work *w, const float *features)
{
    for (int i = 0; i < w->count && !r->failed; i++)
        draw_field(r, &w->fields[i], features);
}

/* logits: [all texts of the record, classes], in the order of its fields. */
static void set_all(struct record *r, const struct work *w, const float *logits, const float *itc)
{
    for (int i = 0; i < w->count; i++) {
        const struct scored *s = &w->fields[i];

        if (s->count || s->list)
            set_field(r, s, logits, itc);
        if (s->truncated)
            record_set_bool(r, "truncated", true);
        logits += vlm_classes(model) * s->count;
        itc += s->count;
    }
}

/* All texts of all records in one call; the library groups those that look at the same image. */
static void batch_of_pairs(struct record *records[], enum outcome outcomes[], int count)
{
    int texts = 0, ids = 0, *all, *counts, *image_of, n = 0, at = 0, status;
    int classes = vlm_classes(model), tokens, width;
    struct image_work **images = xalloc((size_t)count, sizeof *images);
    float *features, *logits, *itc;

    for (int i = 0; i < count; i++) {
        struct work *w = records[i]->work;

        images[i] = &w->image;
        for (int f = 0; f < w->count; f++)
            for (int k = 0; k < w->fields[f].count; k++, texts++)
                ids += w->fields[f].counts[k];
    }
    all = xalloc((size_t)ids, sizeof *all);
    counts = xalloc((size_t)texts, 2 * sizeof *counts);
    image_of = counts + texts;
    for (int i = 0; i < count; i++) {
        struct work *w = records[i]->work;

        for (int f = 0; f < w->count; f++) {
            for (int k = 0; k < w->fields[f].count; k++, n++) {
                counts[n] = w->fields[f].counts[k];
                image_of[n] = i;
                memcpy(all + at, w->fields[f].ids[k], (size_t)counts[n] * sizeof *all);
                at += counts[n];
            }
        }
    }
    logits = xalloc((size_t)texts, (size_t)(classes + 1) * sizeof *logits);
    itc = logits + (size_t)classes * (size_t)texts;
    features = image_work_features(model, images, count);
    status =
        features
            ? vlm_match(model, &(struct vlm_pairs){ features, count, all, counts, image_of, texts },
                        logits, cosines ? itc : NULL)
            : -1;
    for (int i = 0, done = 0; i < count && !status; i++) {
        const struct work *w = records[i]->work;

        set_all(records[i], w, logits + classes * done, itc + done);
        outcomes[i] = COMPUTED;
        for (int f = 0; f < w->count; f++)
            done += w->fields[f].count;
    }
    vlm_features_shape(model, &tokens, &width);
    for (int i = 0; heatmap && i < count && !status; i++)
        draw_all(records[i], records[i]->work,
                 features + (size_t)i * (size_t)tokens * (size_t)width);
    free(features);
    free(logits);
    free(counts);
    free(all);
    free(images);
}

static void release(struct record *r)
{
    struct work *w = r->work;

    for (int i = 0; w && i < w->count; i++) {
        for (int k = 0; k < w->fields[i].count; k++)
            free(w->fields[i].ids[k]);
        for (int k = 0; k < w->fields[i].count; k++)
            free(w->fields[i].texts[k]);
        free(w->fields[i].texts);
        free(w->fields[i].ids);
        free(w->fields[i].counts);
        free(w->fields[i].field);
    }
    if (w) {
        image_work_free(&w->image);
        free(w->fields);
    }
    free(w);
    r->work = NULL;
}

/* The images' embeddings alone; the texts are the queries. */
static void batch_of_images(struct record *records[], enum outcome outcomes[], int count)
{
    struct image_work **images = xalloc((size_t)count, sizeof *images);
    size_t each = (size_t)vlm_image_vectors(model) * (size_t)vlm_width(model);
    float *vectors = xalloc((size_t)count * each, sizeof *vectors), *features;
    int status;

    for (int i = 0; i < count; i++)
        images[i] = &((struct work *)records[i]->work)->image;
    features = image_work_features(model, images, count);
    status = features ? vlm_embed_features(model, features, count, true, vectors) : -1;
    for (int i = 0; i < count && !status; i++) {
        release(records[i]);
        queries_add(search, records[i], vectors + (size_t)i * each);
        records[i] = NULL;
        outcomes[i] = COMPUTED;
    }
    free(features);
    free(vectors);
    free(images);
}

/* Of all texts the best for each image. */
static void batch_of_lists(struct record *records[], enum outcome outcomes[], int count)
{
    struct image_work **images = xalloc((size_t)count, sizeof *images);
    int tokens, width;
    float *features;

    for (int i = 0; i < count; i++)
        images[i] = &((struct work *)records[i]->work)->image;
    features = image_work_features(model, images, count);
    vlm_features_shape(model, &tokens, &width);
    for (int i = 0; features && i < count; i++)
        if (candidates_rank(ranking, records[i],
                            features + (size_t)i * (size_t)tokens * (size_t)width) == 0)
            outcomes[i] = COMPUTED;
    free(features);
    free(images);
}

static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    if (candidates)
        batch_of_lists(records, outcomes, count);
    else if (queries)
        batch_of_images(records, outcomes, count);
    else
        batch_of_pairs(records, outcomes, count);
    return RUN_GOES_ON;
}

static int finish(void)
{
    return search ? queries_finish(search) : 0;
}

static void end(void)
{
    queries_free(search);
    candidates_free(ranking);
    vlm_close(model);
}

static struct filter filter = {
    .name = "vlm-itm",
    .args = "[FILE...]",
    .about = "Score how well each text describes its image.",
    .options = options,
    .uses = uses,
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
