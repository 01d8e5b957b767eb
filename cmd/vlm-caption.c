/* SPDX-License-Identifier: MIT
 * vlm-caption.c - write what an image shows
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/json.h"
#include "base/picture.h"
#include "cli/sidecar.h"
#include "vlm.h"

static long beams, sequences = 1, top_k = -1, min_length, max_length;
static float top_p, temperature, length_penalty = NAN, repetition_penalty;
static bool sample, fill_mask;
static long keep = 128;
static const char *prompt, *prompt_field, *reject, *answers_path, *sidecar;
static const char *const existing_names[] = {
    [EXISTING_SKIP] = "skip",
    [EXISTING_REPLACE] = "replace",
    [EXISTING_APPEND] = "append",
    [EXISTING_PREPEND] = "prepend",
    NULL,
};
static int existing;
static struct vlm_answers *answers;
static struct option_list answer_list;

static const struct option_spec options[] = {
    OPTION_LONG('n', "number", "N", &sequences, 1, 1000, "write N captions, as `captions`",
                .standard = "1"),
    OPTION_LONG(0, "beam", "N", &beams, 1, 100, "search with N beams, or draw among theirs",
                .standard = "3, BLIP-2's language models 5", .without = "fill-mask answers"),
    OPTION_FLAG('s', "sample", &sample, "draw words by chance instead of searching",
                .without = "fill-mask answers"),
    OPTION_FLOAT(0, "top-p", "P", &top_p, 0, 1, "draw from the likeliest P of the words",
                 .standard = "0.9", .with = "sample"),
    OPTION_LONG(0, "top-k", "K", &top_k, 0, 1000000, "draw from the K likeliest words",
                .standard = "50, as BLIP's", .with = "sample"),
    OPTION_FLOAT(0, "temperature", "T", &temperature, 0.01, 100,
                 "draw more boldly above 1, more safely below 1", .standard = "1",
                 .with = "sample"),
    OPTION_LONG(0, "min-length", "N", &min_length, 1, 10000,
                "write at least N tokens, the prompt's among them", .without = "fill-mask answers"),
    OPTION_LONG(0, "max-length", "N", &max_length, 2, 10000,
                "write at most N tokens, the prompt's among them", .without = "fill-mask answers"),
    OPTION_FLOAT(0, "length-penalty", "X", &length_penalty, -100, 100,
                 "favour long captions above 0 when searching with beams", .standard = "1",
                 .without = "fill-mask answers"),
    OPTION_FLOAT(0, "repetition-penalty", "X", &repetition_penalty, 0.01, 100,
                 "discourage words that were written, above 1", .without = "fill-mask answers"),
    OPTION_STRING('p', "prompt", "TEXT", &prompt, "continue TEXT, which is cut off the caption",
                  .without = "prompt-field", .utf8 = true),
    OPTION_STRING(0, "prompt-field", "NAME", &prompt_field,
                  "take each record's prompt, or question, from NAME"),
    OPTION_FILE(0, "answers", "FILE", &answers_path,
                "choose the answer from the lines of FILE, instead of writing it",
                .without = "fill-mask"),
    OPTION_LONG(0, "candidates", "K", &keep, 1, 1000000,
                "score the K answers whose first token is likeliest", .standard = "128",
                .with = "answers"),
    OPTION_FLAG(0, "fill-mask", &fill_mask,
                "predict the words that are [MASK] in the record's text, or prompt"),
    OPTION_STRING(0, "reject", "PHRASES", &reject,
                  "write no caption that holds one of these, separated by '|'", .utf8 = true),
    OPTION_STRING(0, "sidecar", "SUFFIX", &sidecar,
                  "write each caption also beside its picture: photo.txt where SUFFIX is .txt",
                  .without = "number reuse", .carries = true),
    OPTION_CHOICE(0, "existing", "WHAT", &existing, existing_names,
                  "skip pictures that have a sidecar, or replace it, append or prepend to it",
                  .standard = "skip", .with = "sidecar", .carries = true),
    OPTION_PRECISION,
    OPTION_PROVENANCE(),
    OPTIONS_MODEL,
    OPTIONS_STREAM,
    OPTIONS_END,
};

/* An option that these uses do not cover is refused before the first record. */
static unsigned uses(void)
{
    return USES_IMAGES | USES_IMAGE_NAMES | USES_TOKENIZER | USES_STREAM |
           (sample ? USES_CHANCE : 0) | (fill_mask && !prompt && !prompt_field ? USES_TEXTS : 0);
}

static struct vlm *model;

struct work {
    struct image_work image;
    char *prompt;  /* NULL: --prompt, or the model's own */
    char *sidecar; /* its path */
    uint64_t seed;
};

static const char *const writes[] = { "caption",   "captions",   "caption_source",
                                      "synthetic", "synthetics", "logprob",
                                      "prob",      "truncated",  NULL };

/* The list is tokenised once, for all records. */
static int read_answers(void)
{
    if (lines_read(answers_path, &answer_list))
        return -1;
    answers = vlm_answers_read(model, answer_list.items, answer_list.count);
    if (!answers)
        return fail("%s: %s", answers_path, vlm_error());
    if (sequences > keep || sequences > answer_list.count)
        options_mistake("-n %ld is more than the answers that are scored", sequences);
    return 0;
}

static struct vlm_writing writing(void)
{
    return (struct vlm_writing){
        .beams = (int)beams,
        .sequences = (int)sequences,
        .sample = sample,
        .top_p = top_p,
        .top_k = (int)top_k,
        .temperature = temperature,
        .min_length = (int)min_length,
        .max_length = (int)max_length,
        .length_penalty = length_penalty,
        .repetition_penalty = repetition_penalty,
    };
}

/* A suffix that could be a picture's would put captions in the place of pictures. */
static void check_sidecar(void)
{
    if (sidecar[0] != '.' || !sidecar[1] || strchr(sidecar, '/'))
        options_mistake("--sidecar=%s: must begin with a point, such as .txt", sidecar);
    if (picture_ending(sidecar + 1))
        options_mistake("--sidecar=%s: is the ending of pictures", sidecar);
    sidecar_was_there(NULL); /* the run begins */
}

/* What cannot work is said before a model is opened, what the model cannot do right after it. */
static int begin(void)
{
    const struct vlm_writing how = writing();

    if (sidecar)
        check_sidecar();
    if (beams == 1 && option_given("length-penalty"))
        options_mistake("--length-penalty has no effect: it needs more than one --beam");
    if (min_length && max_length && min_length > max_length)
        options_mistake("--min-length %ld is above --max-length %ld", min_length, max_length);
    model = model_open(fill_mask ? VLM_FILL : answers_path ? VLM_ANSWER : VLM_CAPTION);
    if (!model)
        return -1;
    if (fill_mask)
        return 0;
    if (vlm_abilities(model) & VLM_ANSWER && !prompt && !prompt_field)
        options_mistake("%s answers questions: --prompt or --prompt-field asks one",
                        vlm_describe(model));
    if (beams && sequences > beams && !(sample && beams == 1))
        options_mistake("-n %ld needs at least as many --beam, or --sample with one", sequences);
    return answers_path ? read_answers() : vlm_check_writing(model, &how);
}

/* The text of --prompt-field, or with --fill-mask the record's own. */
static void read_prompt(struct record *r, struct work *w)
{
    struct span value;

    if (prompt_field) {
        w->prompt = record_string(r, prompt_field);
        if (!w->prompt)
            record_fail(r, "read", "no_prompt",
                        "the record has no text in the field of --prompt-field");
        return;
    }
    if (!fill_mask || prompt)
        return;
    if (record_text(r, &settings.fields, &value, NULL))
        w->prompt = json_text(value);
    if (!w->prompt)
        record_fail(r, "read", "no_text", "the record has no text whose words are to be predicted");
}

/* Where the caption goes; a picture that has one is left alone. */
static void find_sidecar(struct record *r, struct work *w)
{
    w->sidecar = sidecar_path(r, sidecar);
    if (!w->sidecar)
        record_fail_last(r, "write");
    else
        r->untouched = existing == EXISTING_SKIP && sidecar_was_there(w->sidecar);
}

/* The seed of a record depends on the record and --seed alone: neither its place nor its neighbours
 * change what is drawn. */
static void prepare(struct record *r)
{
    struct work *w = r->work = xalloc(1, sizeof *w);

    if (sidecar)
        find_sidecar(r, w);
    if (r->failed || r->untouched)
        return;
    w->seed = hash_bytes(&settings.seed, sizeof settings.seed, record_hash(r));
    read_prompt(r, w);
    if (!r->failed && fill_mask && !strstr(w->prompt ? w->prompt : prompt, "[MASK]"))
        record_fail(r, "read", "no_mask", "the text has no [MASK]");
    if (!r->failed)
        image_work_read(r, model, &w->image);
}

/* Whether one of the phrases, of any case, is in the text. */
static bool rejected(const char *text)
{
    char *phrases = xstrdup(reject ? reject : ""), *rest = phrases, *phrase;
    bool found = false;

    while (!found && (phrase = strtok_r(rest, "|", &rest))) {
        size_t n = strlen(phrase);

        for (const char *at = text; *at && !found; at++)
            found = !strncasecmp(at, phrase, n);
    }
    free(phrases);
    return found;
}

static bool has(const struct record *r, const char *name)
{
    struct span value;

    return record_find(r, name, &value) && !(value.size == 4 && !memcmp(value.data, "null", 4));
}

/* A caption that came in is the web's: it stays, and ours is `synthetic` beside it. */
static bool has_foreign_caption(const struct record *r)
{
    return (has(r, "caption") && !record_is_synthetic(r, "caption")) ||
           (has(r, "captions") && !record_is_synthetic(r, "captions"));
}

static void write_sidecar(struct record *r, const char *text)
{
    const struct work *w = r->work;

    if (w->sidecar && !rejected(text) && sidecar_write(w->sidecar, text, (enum existing)existing))
        record_fail_last(r, "write");
}

/* A list with -n, else one text; null where --reject leaves none. */
static void set_captions(struct record *r, const struct vlm_text *texts)
{
    bool foreign = has_foreign_caption(r);
    struct buffer list = { 0 };
    float *logprobs = xalloc((size_t)sequences, sizeof *logprobs);
    int kept = 0;

    buffer_byte(&list, '[');
    for (int i = 0; i < sequences; i++) {
        if (rejected(texts[i].text))
            continue;
        if (kept)
            buffer_byte(&list, ',');
        json_escape(&list, texts[i].text, strlen(texts[i].text));
        logprobs[kept++] = texts[i].logprob;
    }
    buffer_byte(&list, ']');
    if (sequences > 1) {
        record_set_json(r, foreign ? "synthetics" : "captions", list.data, list.size);
        record_set_numbers(r, "logprob", logprobs, kept);
    } else if (kept) {
        record_set_json(r, foreign ? "synthetic" : "caption", list.data + 1, list.size - 2);
        record_set_number(r, "logprob", logprobs[0]);
    } else {
        record_set_json(r, foreign ? "synthetic" : "caption", "null", 4);
    }
    if (!foreign)
        record_set_string(r, "caption_source", "vlm");
    buffer_free(&list);
    free(logprobs);
}

/* Answers and filled texts as if they had been written; prob: of the answers, by record. */
static int choose(const float *features, int count, const char *const *prompts,
                  struct vlm_text *texts, float *prob)
{
    struct vlm_ranked *got = xalloc((size_t)count * (size_t)sequences, sizeof *got);
    const struct vlm_ranking how = { answers, (int)keep, (int)sequences };
    int status = vlm_rank(model, features, count, prompts, &how, got);

    for (long i = 0; i < count * sequences && !status; i++) {
        texts[i] = (struct vlm_text){ xstrdup(answer_list.items[got[i].index]), got[i].logprob,
                                      got[i].truncated };
        prob[i] = got[i].prob;
    }
    free(got);
    return status;
}

/* The three ways to a text: fill in, choose from a list, write. */
static int write_texts(const float *features, int count, const char *const *prompts,
                       const uint64_t *seeds, struct vlm_text *texts, float *prob)
{
    struct vlm_writing how = writing();

    if (fill_mask)
        return vlm_fill(model, features, count, prompts, (int)sequences, texts);
    if (answers)
        return choose(features, count, prompts, texts, prob);
    how.seeds = seeds;
    return vlm_write(model, features, count, prompts, &how, texts);
}

/* Features of all images first, then texts of all: the image tower runs over full batches. */
/* What the model says of `count` pictures goes into their records. */
static int caption(struct record *records[], enum outcome *outcomes[], int count)
{
    struct image_work **images = xalloc((size_t)count, sizeof *images);
    const char **prompts = xalloc((size_t)count, sizeof *prompts);
    uint64_t *seeds = xalloc((size_t)count, sizeof *seeds);
    struct vlm_text *texts = xalloc((size_t)count * (size_t)sequences, sizeof *texts);
    float *features, *prob = xalloc((size_t)count * (size_t)sequences, sizeof *prob);
    int status;

    for (int i = 0; i < count; i++) {
        struct work *w = records[i]->work;

        images[i] = &w->image;
        prompts[i] = w->prompt ? w->prompt : prompt;
        seeds[i] = w->seed;
    }
    features = image_work_features(model, images, count);
    status = features ? write_texts(features, count, prompts, seeds, texts, prob) : -1;
    for (int i = 0; i < count && !status; i++) {
        *outcomes[i] = COMPUTED;
        set_captions(records[i], texts + (size_t)i * (size_t)sequences);
        if (answers && sequences > 1)
            record_set_numbers(records[i], "prob", prob + (size_t)i * (size_t)sequences, sequences);
        else if (answers)
            record_set_number(records[i], "prob", prob[i]);
        if (texts[(size_t)i * (size_t)sequences].truncated)
            record_set_bool(records[i], "truncated", true);
        if (sidecar)
            write_sidecar(records[i], texts[i].text);
    }
    for (int i = 0; i < count * sequences; i++)
        free(texts[i].text);
    free(features);
    free(images);
    free(prompts);
    free(seeds);
    free(texts);
    free(prob);
    return status;
}

/* Pictures whose sidecar is there pass. */
static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    struct record **wanting = xalloc((size_t)count, sizeof *wanting);
    enum outcome **places = xalloc((size_t)count, sizeof *places);
    int n = 0;

    for (int i = 0; i < count; i++) {
        if (records[i]->untouched) {
            outcomes[i] = COMPUTED;
        } else {
            places[n] = &outcomes[i];
            wanting[n++] = records[i];
        }
    }
    if (n)
        caption(wanting, places, n);
    free(wanting);
    free(places);
    return RUN_GOES_ON;
}

static void release(struct record *r)
{
    struct work *w = r->work;

    if (w) {
        image_work_free(&w->image);
        free(w->prompt);
        free(w->sidecar);
    }
    free(w);
    r->work = NULL;
}

static void end(void)
{
    vlm_answers_free(answers);
    vlm_close(model);
}

int main(int argc, char **argv)
{
    static struct filter filter = {
        .name = "vlm-caption",
        .args = "[FILE...]",
        .about = "Write what each image shows.",
        .options = options,
        .uses = uses,
        .begin = begin,
        .prepare = prepare,
        .batch = batch,
        .release = release,
        .end = end,
        .writes = writes,
    };

    return filter_main(&filter, argc, argv);
}
