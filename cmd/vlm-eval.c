/* SPDX-License-Identifier: MIT
 * vlm-eval.c - one object of metrics over all records
 *
 * A task reads what it needs from a record (on any thread), adds it to what it has (in order), and
 * at the end sets its metrics.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "eval/eval.h"

enum task { RETRIEVAL, CLASSIFY, CAPTION, ITM, RANKED /* by --ranked */ };
static const char *const task_names[] = { "retrieval", "classify", "caption", "itm", NULL };

static int task = -1;
static const char *field, *truth, *id_field, *references_path, *results_path, *split;
static bool tokenized, ranked;
static float threshold = 0.5f;

static const struct option_spec options[] = {
    OPTION_CHOICE('t', "task", "TASK", &task, task_names,
                  "measure retrieval, classify, caption or itm; has to be given"),
    OPTION_STRING('f', "field", "NAME", &field, "measure the field NAME",
                  .standard = "caption, label or itm"),
    OPTION_STRING(0, "truth", "NAME", &truth, "compare with the field NAME",
                  .standard = "truth; captions: references, captions or text",
                  .without = "references"),
    OPTION_STRING(0, "id-field", "NAME", &id_field, "tell images apart by the field NAME",
                  .without = "ranked"),
    OPTION_FILE(0, "references", "FILE", &references_path,
                "captions: compare with a data set's, by COCO, Karpathy or BLIP"),
    OPTION_FILE(0, "results", "FILE", &results_path,
                "captions: measure COCO results, FILE, instead of records", .with = "references",
                .without = "field id-field"),
    OPTION_STRING(0, "split", "NAME", &split, "use only this split of Karpathy's references",
                  .with = "references"),
    OPTION_FLAG(0, "tokenized", &tokenized, "captions: take words as they are separated by blanks"),
    OPTION_FLAG(0, "ranked", &ranked,
                "retrieval: read what vlm-itm --queries or --candidates writes"),
    OPTION_FLOAT(0, "threshold", "P", &threshold, -1e6, 1e6,
                 "itm: count a score of P or more as a yes", .standard = "0.5"),
    OPTIONS_STREAM,
    OPTIONS_END,
};

static unsigned uses(void)
{
    return (references_path && !id_field && !results_path ? USES_IMAGE_NAMES : 0) |
           (ranked && !truth ? USES_TEXTS : 0);
}

/* What a record holds, and what all have held */

struct work {
    char *name, *caption, *truth; /* or NULL */
    bool right;                   /* classify, ranked */
    long place;              /* ranked: of the first right one of the texts; -1: there is none */
    struct texts references; /* caption */
    long image;              /* among those of --references */
    float *vectors[2];       /* retrieval: image, texts; NULL: none */
    int rows[2];
    long width;
    struct span score, answer; /* itm; they belong to the record */
};

static struct {
    long records, failed; /* measured; results that were not */
    struct references *references;
    struct caption_set *captions;
    struct recall_set recall;
    struct answers answers, texts; /* ranked: images for texts; texts for images */
    struct classes classes;
    struct labelled_list labelled;
} all;

static bool find(const struct record *r, const char *name, struct span *value)
{
    return record_find(r, name, value) && value->data[0] != 'n';
}

/* A string, or a number as it is written; to free; NULL after fail(). */
static char *value_text(const struct record *r, const char *name)
{
    struct span value;
    char *text;

    if (!find(r, name, &value)) {
        fail_as("not_found", "no field %s", name);
        return NULL;
    }
    text = json_text(value);
    if (!text && (value.data[0] == '[' || value.data[0] == '{'))
        fail("field %s is neither a string nor a number", name);
    else if (!text)
        text = xmemdup(value.data, value.size);
    return text;
}

/* Captions */

static long find_by(const struct record *r, const char *name, bool may_be_path)
{
    struct span value;
    char *text = find(r, name, &value) ? value_text(r, name) : NULL;
    long image = text ? references_find_id(all.references, text) : -1;

    if (image < 0 && text && may_be_path)
        image = references_find_file(all.references, text);
    free(text);
    return image;
}

/* The record's image in --references: by --id-field, or image_id, the image's name, id. */
static long find_image(const struct record *r)
{
    long image = find_by(r, id_field ? id_field : "image_id", id_field);
    char *path = record_image_name(r, &settings.fields);

    if (image < 0 && !id_field)
        image = references_find_file(all.references, path);
    if (image < 0 && !id_field)
        image = find_by(r, "id", false);
    free(path);
    return image < 0 ? fail_as("not_found", "its image is not among the references") : image;
}

/* The first list of references that the record has. */
static int own_references(const struct record *r, struct texts *t)
{
    const char *const names[] = { truth ? truth : "references", truth ? NULL : "captions",
                                  truth ? NULL : "text" };
    int found = 0;

    for (int i = 0; i < 3 && !found && names[i]; i++)
        found = record_texts_named(r, names[i], t);
    if (found > 0)
        texts_plain(t);
    return found ? found : fail_as("not_found", "no %s", truth ? truth : "references");
}

static int read_caption(const struct record *r, struct work *w)
{
    const char *name = field ? field : "caption";
    struct texts t;
    int found = record_texts_named(r, name, &t);

    if (found == 0)
        fail_as("not_found", "no field %s", name);
    if (found == 1 && t.count != 1)
        found = fail("field %s holds %d captions: one is measured", name, t.count);
    if (found > 0) {
        texts_plain(&t);
        w->caption = xstrdup(t.list[0]);
    }
    texts_free(&t);
    if (found <= 0)
        return -1;
    if (!all.references)
        return own_references(r, &w->references) < 0 ? -1 : 0;
    w->image = find_image(r);
    return w->image < 0 ? -1 : 0;
}

static int add_caption(struct work *w)
{
    const char *const *list = (const char *const *)w->references.list;
    int count = w->references.count;

    if (all.references)
        list = references_take(all.references, w->image, &count);
    return list ? caption_add(all.captions, w->caption, list, count) : -1;
}

/* An entry of --results. */
static int add_result(const char *id, const char *caption)
{
    struct work w = { .image = references_find_id(all.references, id), .caption = (char *)caption };

    if (w.image < 0)
        fail_as("not_found", "its image is not among the references");
    if (w.image >= 0 && add_caption(&w) == 0) {
        all.records++;
        return 0;
    }
    all.failed++;
    if (!settings.quiet)
        warn("%s: image_id %s: %s", results_path, id, error_text());
    return settings.errors.action == ON_ERROR_FAIL ? fail("a result was not usable") : 0;
}

/* Retrieval */

static int read_vectors(const struct record *r, struct work *w)
{
    static const char *const names[] = { "image_embedding", "text_embedding" };

    for (int side = 0; side < 2; side++) {
        long width;
        bool list;
        float *v = vectors_read(r, names[side], &w->rows[side], &width, &list);

        w->vectors[side] = v;
        if (!v && *error_text())
            return -1;
        if (!v && !id_field)
            return fail_as("not_found", "no field %s", names[side]);
        if (!v)
            continue;
        if (w->width && w->width != width)
            return fail_as("mismatch", "its two vectors differ in length");
        w->width = width;
        for (int i = 0; i < w->rows[side]; i++)
            if (!vector_unit(v + i * width, width))
                return fail("field %s has no direction: zero, or not finite", names[side]);
    }
    if (!w->width)
        return fail_as("not_found", "neither image_embedding nor text_embedding");
    w->name = id_field ? value_text(r, id_field) : NULL;
    return id_field && !w->name ? -1 : 0;
}

static int add_vectors(struct work *w)
{
    struct recall_item item = {
        w->name, w->vectors[0], w->rows[0], w->vectors[1], w->rows[1], w->width,
    };

    return recall_add(&all.recall, &item);
}

/* Where in the list `ranked` one of the record's own texts is first. */
static int read_list(const struct texts *own, const struct texts *list, struct work *w)
{
    w->place = -1;
    for (int i = 0; i < list->count && w->place < 0; i++)
        for (int k = 0; k < own->count; k++)
            if (!strcmp(list->list[i], own->list[k]))
                w->place = i;
    return own->count ? 0 : fail_as("not_found", "no text that would be right");
}

/* An answer to a query is right if the query is one of the record's texts. */
static int read_answer(const struct record *r, struct work *w)
{
    struct texts t, list;
    int found = truth ? record_texts_named(r, truth, &t) : record_texts(r, &settings.fields, &t);
    int listed = found < 0 ? -1 : record_texts_named(r, "ranked", &list), status;

    texts_plain(&t);
    if (listed > 0) {
        texts_plain(&list);
        status = read_list(&t, &list, w);
        texts_free(&list);
        texts_free(&t);
        return status;
    }
    w->name = found < 0 || listed < 0 ? NULL : value_text(r, "query");
    for (int i = 0; w->name && i < t.count; i++)
        w->right |= !strcmp(t.list[i], w->name);
    texts_free(&t);
    return w->name ? 0 : -1;
}

static int add_answer(struct work *w)
{
    if (w->name)
        answers_add(&all.answers, w->name, w->right);
    else
        answers_place(&all.texts, w->place);
    return 0;
}

/* Classes */

static int read_label(const struct record *r, struct work *w)
{
    char *label = value_text(r, field ? field : "label");

    if (!label)
        return -1;
    w->truth = value_text(r, truth ? truth : "truth");
    w->right = w->truth && !strcmp(label, w->truth);
    free(label);
    return w->truth ? 0 : -1;
}

static int add_label(struct work *w)
{
    classes_add(&all.classes, w->truth, strlen(w->truth), w->right);
    return 0;
}

/* Matching */

static int read_pairs(const struct record *r, struct work *w)
{
    const char *score = field ? field : "itm", *answer = truth ? truth : "truth";

    if (!find(r, score, &w->score))
        return fail_as("not_found", "no field %s", score);
    if (!find(r, answer, &w->answer))
        return fail_as("not_found", "no field %s", answer);
    return 0;
}

static int add_pairs(struct work *w)
{
    return labelled_read(&all.labelled, w->score, w->answer);
}

/* The loop's callbacks */

static const struct {
    int (*read)(const struct record *r, struct work *w); /* any thread; -1 after fail() */
    int (*add)(struct work *w);                          /* in order; -1 after fail() */
} tasks[] = {
    [RETRIEVAL] = { read_vectors, add_vectors }, [CLASSIFY] = { read_label, add_label },
    [CAPTION] = { read_caption, add_caption },   [ITM] = { read_pairs, add_pairs },
    [RANKED] = { read_answer, add_answer },
};

static void prepare(struct record *r)
{
    r->work = xalloc(1, sizeof(struct work));
    if (tasks[task].read(r, r->work))
        record_fail_last(r, "read");
}

static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    for (int i = 0; i < count; i++) {
        outcomes[i] = COMPUTED;
        if (tasks[task].add(records[i]->work)) {
            record_fail_last(records[i], "measure");
        } else {
            records[i]->dropped = true;
            all.records++;
        }
    }
    return RUN_GOES_ON;
}

static void release(struct record *r)
{
    struct work *w = r->work;

    texts_free(&w->references);
    free(w->vectors[0]);
    free(w->vectors[1]);
    free(w->name);
    free(w->caption);
    free(w->truth);
    free(w);
    r->work = NULL;
}

static void check_options(void)
{
    if (task < 0)
        options_mistake("--task is needed: retrieval, classify, caption or itm");
    if ((references_path || results_path || split || tokenized) && task != CAPTION)
        options_mistake("--references, --results, --split and --tokenized go with --task=caption");
    if (option_given("threshold") && task != ITM)
        options_mistake("--threshold goes with --task=itm");
    if (id_field && task != RETRIEVAL && !references_path)
        options_mistake("--id-field goes with --task=retrieval or --references");
    if (ranked && task != RETRIEVAL)
        options_mistake("--ranked goes with --task=retrieval");
    if (task == RETRIEVAL && (field || (truth && !ranked)))
        options_mistake("--task=retrieval looks at image_embedding and text_embedding");
}

static struct filter filter;

static int begin(void)
{
    check_options();
    if (ranked)
        task = RANKED;
    all.captions = caption_open(tokenized);
    if (references_path && !(all.references = references_read(references_path, split)))
        return 1;
    filter.no_input = results_path;
    return results_path && results_read(results_path, add_result) ? 1 : 0;
}

static void set_metrics(struct record *out)
{
    switch (task) {
    case RETRIEVAL:
        metrics_recall(out, &all.recall);
        break;
    case CLASSIFY:
        metrics_classes(out, &all.classes);
        break;
    case CAPTION:
        metrics_captions(out, all.captions, all.references);
        break;
    case ITM:
        metrics_matching(out, &all.labelled, (double)threshold);
        break;
    case RANKED:
        metrics_answers(out, &all.answers, &all.texts);
        break;
    }
}

static int finish(void)
{
    struct record *out = record_new("{}", 2);

    record_set_string(out, "task", task_names[ranked ? RETRIEVAL : task]);
    metrics_count(out, "records", all.records);
    metrics_count(out, "failed", all.failed + records_seen() - (results_path ? 0 : all.records));
    set_metrics(out);
    emit(out);
    return 0;
}

static void end(void)
{
    references_free(all.references);
    caption_close(all.captions);
    recall_free(&all.recall);
    answers_free(&all.answers);
    answers_free(&all.texts);
    classes_free(&all.classes);
    free(all.labelled.list);
}

static struct filter filter = {
    .name = "vlm-eval",
    .args = "[FILE...]",
    .about = "Measure captions, retrieval, classes and matching over all records.",
    .options = options,
    .uses = uses,
    .begin = begin,
    .prepare = prepare,
    .batch = batch,
    .finish = finish,
    .release = release,
    .end = end,
    .drops = true,
    .drops_failed = true,
    .whole = true,
};

int main(int argc, char **argv)
{
    return filter_main(&filter, argc, argv);
}
