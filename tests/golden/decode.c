/* SPDX-License-Identifier: MIT
 * decode.c - captions of a toy language model, token for token as transformers of four versions
 *
 * The toy's logits after a row are first[last id] + second[the one before]; see make_decode.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/json.h"
#include "decode/decode.h"
#include "tests/unit/tap.h"
#include "weights/weights.h"

enum { ROOM = 64, ROWS = 64 };
static struct toy {
    const float *first, *second;
    int vocabulary, ids[ROWS][ROOM], count[ROWS];
} toy;

static void feed(void *self, int rows, const int *row, const int *counts, const int *ids,
                 float *logits)
{
    struct toy *t = self;

    for (int i = 0; i < rows; i++, logits += t->vocabulary) {
        int *line = t->ids[row[i]], last, before;

        memcpy(line + t->count[row[i]], ids, (size_t)counts[i] * sizeof *ids);
        ids += counts[i];
        t->count[row[i]] += counts[i];
        last = line[t->count[row[i]] - 1];
        before = line[t->count[row[i]] > 1 ? t->count[row[i]] - 2 : 0];
        for (int k = 0; k < t->vocabulary; k++)
            logits[k] = t->first[last * t->vocabulary + k] + t->second[before * t->vocabulary + k];
    }
}

static void copy(void *self, int from, int to)
{
    struct toy *t = self;

    memcpy(t->ids[to], t->ids[from], sizeof t->ids[to]);
    t->count[to] = t->count[from];
}

static int read_ids(const cJSON *list, int *ids)
{
    const cJSON *id;
    int n = 0;

    cJSON_ArrayForEach(id, list) ids[n++] = id->valueint;
    return n;
}

/* Numbers spread over [0, 1) by the golden ratio, as make_decode.py has them. */
static double spread_number(void *from)
{
    int *i = from;

    return fmod(++*i * 0.6180339887498949, 1);
}

/* Prompts that search go in one call, those that draw one by one: each with numbers of its own. */
static int decode_all(const struct language_model *m, struct decoding *d,
                      const struct prompt *prompts, int items, struct hypothesis *out)
{
    int at, status = 0;

    if (!d->sample)
        return decode(m, d, prompts, items, out);
    d->draw = spread_number;
    d->draw_from = &at;
    for (int i = 0; i < items && !status; i++) {
        at = 0;
        memset(toy.count, 0, sizeof toy.count);
        status = decode(m, d, &prompts[i], 1, out + (size_t)i * (size_t)d->sequences);
    }
    return status;
}

/* One case; how many results differ. */
static int differing(const cJSON *file, const cJSON *one, enum beam_version version)
{
    static const struct language_model plain = { &toy, 40, feed, copy };
    const cJSON *prompts = json_get(file, "prompts"), *results = json_get(one, "results");
    int items = cJSON_GetArraySize(prompts), ids[32][8], wanted[ROOM], bad = 0;
    struct prompt list[32];
    struct decoding d = {
        .beams = (int)json_number(one, "beams", 1),
        .sequences = (int)json_number(one, "sequences", 1),
        .sample = json_get(one, "top_p") != NULL,
        .top_p = json_number(one, "top_p", 1),
        .top_k = (int)json_number(one, "top_k", 0),
        .temperature = json_number(one, "temperature", 1),
        .repetition_penalty = json_number(one, "repetition_penalty", 1),
        .length_penalty = json_number(one, "length_penalty", 1),
        .min_length = (int)json_number(one, "min_length", 0),
        .max_length = (int)json_number(one, "max_length", 20),
        .end = (int)json_number(file, "end", 0),
        .version = version,
        .early = json_bool(one, "early", false) ? EARLY_TRUE : EARLY_FALSE,
    };
    struct hypothesis *out = xalloc((size_t)(items * d.sequences), sizeof *out);

    memset(toy.count, 0, sizeof toy.count);
    for (int i = 0; i < items; i++)
        list[i] = (struct prompt){ .ids = ids[i],
                                   .count = read_ids(cJSON_GetArrayItem(prompts, i), ids[i]) };
    if (decode_all(&plain, &d, list, items, out))
        return -1;
    for (int i = 0; i < items * d.sequences; i++) {
        int n = read_ids(cJSON_GetArrayItem(results, i), wanted);

        bad += n != out[i].count || memcmp(wanted, out[i].ids, (size_t)n * sizeof *wanted);
        free(out[i].ids);
    }
    free(out);
    return bad;
}

static void version_is(const char *path, enum beam_version version)
{
    cJSON *file = json_read(path);
    const cJSON *one;

    ok(file != NULL, "%s is there", path);
    cJSON_ArrayForEach(one, json_get(file, "cases"))
    {
        ok(differing(file, one, version) == 0,
           "%s: %s%g beams, %g results, length penalty %g, %g to %g ids, repetition %g, early %d",
           path + strlen("tests/golden/decode/"), json_get(one, "top_p") ? "drawn from " : "",
           json_number(one, "beams", 0), json_number(one, "sequences", 0),
           json_number(one, "length_penalty", 0), json_number(one, "min_length", 0),
           json_number(one, "max_length", 0), json_number(one, "repetition_penalty", 0),
           json_bool(one, "early", false));
    }
    cJSON_Delete(file);
}

/* Drawn with these uniform numbers, ids follow from the distribution by hand. */
static double next_number(void *from)
{
    const double **at = from;

    return *(*at)++;
}

static void sampling(void)
{
    float scores[5] = { 0, 1, 2, 3, 4 }; /* probabilities .012 .032 .086 .234 .636 */
    struct decoding d = { .sample = true, .temperature = 1, .top_p = 1 };
    struct scoring s = { .rules = &d, .vocabulary = 5, .scores = scores };
    static const struct {
        double u, top_p, temperature;
        int top_k, id;
    } draws[] = {
        { 0.005, 1, 1, 0, 0 },  { 0.02, 1, 1, 0, 1 },  { 0.35, 1, 1, 0, 3 },
        { 0.9999, 1, 1, 0, 4 }, { 0.0, 0.8, 1, 0, 3 }, { 0.26, 0.8, 1, 0, 3 },
        { 0.28, 0.8, 1, 0, 4 }, { 0.0, 0.5, 1, 0, 4 }, { 0.0, 1, 1, 2, 3 },
        { 0.05, 1, 1, 3, 2 },   { 0.1, 1, 1, 3, 3 },   { 0.0, 0.95, 0.5, 0, 3 },
    };
    const double numbers[] = { 0.3, 0.9, 0.1, 0.6, 0.5, 0.2, 0.7, 0.99, 0.4, 0.05, 0.8, 0.45 };
    const double *at = numbers;
    struct language_model plain = { &toy, 40, feed, copy };
    struct hypothesis out[2];

    for (int i = 0; i < COUNT(draws); i++) {
        for (int k = 0; k < 5; k++)
            scores[k] = (float)k;
        d.top_p = draws[i].top_p;
        d.top_k = draws[i].top_k;
        d.temperature = draws[i].temperature;
        ok(scores_draw(&s, draws[i].u) == draws[i].id, "u %g, top p %g, top k %d, temperature %g",
           draws[i].u, d.top_p, d.top_k, d.temperature);
    }
    d = (struct decoding){ .beams = 1,
                           .sequences = 2,
                           .sample = true,
                           .top_p = 0.9,
                           .top_k = 10,
                           .temperature = 1,
                           .repetition_penalty = 1,
                           .max_length = 9,
                           .end = 3 };
    memset(toy.count, 0, sizeof toy.count);
    d.draw = next_number;
    d.draw_from = &at;
    ok(decode(&plain, &d, &(struct prompt){ .ids = (int[]){ 1, 4, 5 }, .count = 3, .seed = 1 }, 1,
              out) == 0,
       "two texts are sampled");
    ok(out[0].count != out[1].count || memcmp(out[0].ids, out[1].ids, sizeof(int) * 9),
       "different numbers write different texts");
    free(out[0].ids);
    free(out[1].ids);
}

int main(void)
{
    struct weights *w = weights_open("tests/golden/decode/tables.safetensors");

    if (!ok(w != NULL, "tables")) {
        note("%s", error_text());
        return done();
    }
    toy.first = weights_find(w, "first")->data;
    toy.second = weights_find(w, "second")->data;
    toy.vocabulary = 40;
    version_is("tests/golden/decode/era_A.json", BEAM_4_26);
    version_is("tests/golden/decode/era_B.json", BEAM_4_29);
    version_is("tests/golden/decode/era_C.json", BEAM_4_36);
    version_is("tests/golden/decode/era_D.json", BEAM_4_50);
    sampling();
    weights_close(w);
    return done();
}
