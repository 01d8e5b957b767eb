/* SPDX-License-Identifier: MIT
 * pieces.c - for how few bytes the input of each int8 layer may be taken
 *
 * Layers are looked at in groups, the attention and the perceptron of each block.  First each group
 * alone is at one piece, all others at three: that tells how much it loses, and whether the samples
 * see it at all.  Then as few groups as possible, those that lose most, get two pieces, the others
 * one, such that every sample's embedding stays within the accuracy; if two for all do not suffice,
 * as few as possible get three.  Integers are the same on every processor, and so is the choice
 * where the rest is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "api/api.h"
#include "checkpoint/save_parts.h"

enum { FIRST_LOOK = 4 }; /* samples that tell groups apart */

struct group {
    const char *name; /* a parameter's, of which `size` bytes count */
    size_t size;
    double loss;
    bool unseen;
    int pieces;
};

struct choice {
    struct vlm *v;
    const struct vlm_samples *samples;
    struct group *groups;
    int count;
    long image_numbers, text_numbers; /* of an output */
    float *wanted, *now;              /* [images + texts, its numbers] */
    double least, mean;               /* cosines of the last look */
    cJSON *folded;                    /* channels of each norm */
};

/* "vision.block.3.attention" of "vision.block.3.attention.query.weight" */
static size_t group_size(const char *name)
{
    size_t size = strlen(name);

    for (int dots = 0; size && dots < 2; size--)
        dots += name[size - 1] == '.';
    return size ? size : strlen(name);
}

static bool is_of(const struct group *g, const char *name)
{
    return group_size(name) == g->size && !strncmp(name, g->name, g->size);
}

/* A tensor that two names share is the first one's. */
static bool counts(const struct params *all, int at)
{
    const struct tensor *x = *all->list[at].slot;

    for (int i = 0; x && i < at; i++)
        if (*all->list[i].slot == x)
            return false;
    return x && x->type == DTYPE_I8 && x->pieces;
}

static void list_groups(struct choice *c)
{
    const struct params *all = &c->v->model->params;

    for (int i = 0; i < all->count; i++) {
        int at = 0;

        if (!counts(all, i))
            continue;
        while (at < c->count && !is_of(&c->groups[at], all->list[i].name))
            at++;
        if (at < c->count)
            continue;
        c->groups = xresize(c->groups, (size_t)c->count + 1, sizeof *c->groups);
        c->groups[c->count++] =
            (struct group){ .name = all->list[i].name, .size = group_size(all->list[i].name) };
    }
}

static void apply(const struct choice *c)
{
    const struct params *all = &c->v->model->params;

    for (int i = 0; i < all->count; i++)
        for (int g = 0; counts(all, i) && g < c->count; g++)
            if (is_of(&c->groups[g], all->list[i].name))
                (*all->list[i].slot)->pieces = c->groups[g].pieces;
}

static void set_all(struct choice *c, int pieces)
{
    for (int g = 0; g < c->count; g++)
        c->groups[g].pieces = pieces;
}

/* --- what the model says of the samples --- */

static bool embeds(const struct vlm *v, unsigned what)
{
    return (vlm_abilities(v) & what) != 0;
}

/* An image's vectors, or, of a model without, the tokens of its image tower. */
static int see_images(struct vlm *v, const struct vlm_samples *s, int images, long numbers,
                      float *out)
{
    for (int i = 0; i < images; i++) {
        const float *pixels = s->pixels + (size_t)i * vlm_pixels(v);
        int tokens, width;
        float *features;

        if (embeds(v, VLM_EMBED_IMAGE)) {
            if (vlm_embed_images(v, pixels, 1, true, out + i * numbers))
                return -1;
            continue;
        }
        if (!(features = vlm_image_features(v, pixels, 1, &tokens, &width)))
            return -1;
        memcpy(out + i * numbers, features, (size_t)numbers * sizeof *out);
        free(features);
    }
    return 0;
}

static int see(struct vlm *v, const struct choice *c, int images, int texts, float *out)
{
    const struct vlm_samples *s = c->samples;

    if (see_images(v, s, images, c->image_numbers, out))
        return -1;
    return texts ? vlm_embed_texts(v, s->ids, s->counts, texts, true,
                                   out + s->images * c->image_numbers)
                 : 0;
}

static double cosine(const float *a, const float *b, long count)
{
    double ab = 0, aa = 0, bb = 0;

    for (long i = 0; i < count; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : aa == bb;
}

static void add_cosine(struct choice *c, long at, long numbers)
{
    double one = cosine(c->wanted + at, c->now + at, numbers);

    c->least = fmin(c->least, one);
    c->mean += one;
}

/* The least and mean cosine at the present pieces; of at most `most` samples of a kind. */
static int look(struct choice *c, int most)
{
    const struct vlm_samples *s = c->samples;
    int images = s->images < most ? s->images : most, texts = s->texts < most ? s->texts : most;

    apply(c);
    if (see(c->v, c, images, texts, c->now))
        return -1;
    c->least = 1;
    c->mean = 0;
    for (int i = 0; i < images; i++)
        add_cosine(c, i * c->image_numbers, c->image_numbers);
    for (int i = 0; i < texts; i++)
        add_cosine(c, s->images * c->image_numbers + i * c->text_numbers, c->text_numbers);
    c->mean /= images + texts;
    return 0;
}

/* --- the choice --- */

static int compare(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    if (x->loss != y->loss)
        return x->loss > y->loss ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int measure_groups(struct choice *c)
{
    double best;
    size_t bytes =
        (size_t)(c->samples->images * c->image_numbers + c->samples->texts * c->text_numbers) *
        sizeof *c->now;
    float *exact;

    set_all(c, 3);
    memset(c->now, 0, bytes);
    if (look(c, FIRST_LOOK))
        return -1;
    best = c->least;
    exact = (float *)(void *)xmemdup(c->now, bytes);
    for (int g = 0; g < c->count; g++) {
        c->groups[g].pieces = 1;
        if (look(c, FIRST_LOOK)) {
            free(exact);
            return -1;
        }
        c->groups[g].loss = best - c->least;
        c->groups[g].unseen = !memcmp(exact, c->now, bytes);
        c->groups[g].pieces = 3;
    }
    free(exact);
    qsort(c->groups, (size_t)c->count, sizeof *c->groups, compare);
    return 0;
}

/* The first `more` groups of the list at one piece more; what nobody saw at two at least. */
static void set_first(struct choice *c, int more, int pieces)
{
    for (int g = 0; g < c->count; g++) {
        c->groups[g].pieces = pieces + (g < more);
        if (c->groups[g].unseen && pieces < 2)
            c->groups[g].pieces = 2;
    }
}

/* 1: found; 0: one more for all does not suffice; -1 after fail(). */
static int search(struct choice *c, int pieces, double accuracy)
{
    int low = 0, high = c->count;

    set_first(c, c->count, pieces);
    if (look(c, c->samples->images + c->samples->texts))
        return -1;
    if (c->least < accuracy)
        return 0;
    while (low < high) {
        int middle = (low + high) / 2;

        set_first(c, middle, pieces);
        if (look(c, c->samples->images + c->samples->texts))
            return -1;
        if (c->least < accuracy)
            low = middle + 1;
        else
            high = middle;
    }
    set_first(c, high, pieces);
    return 1;
}

static int choose(struct choice *c, double accuracy)
{
    int found = measure_groups(c) ? -1 : search(c, 1, accuracy);

    if (found == 0)
        found = search(c, 2, accuracy);
    if (found == 0)
        set_all(c, 3);
    return found < 0 ? -1 : look(c, c->samples->images + c->samples->texts);
}

/* --- the report --- */

/* The share of images whose nearest other image is the same as before. */
static double agreement(const struct choice *c)
{
    int images = c->samples->images, same = 0;

    for (int i = 0; i < images; i++) {
        int best[2] = { -1, -1 };
        double most[2] = { -2, -2 };

        for (int j = 0; j < images; j++)
            for (int k = 0; i != j && k < 2; k++) {
                const float *all = k ? c->now : c->wanted;
                double one = cosine(all + i * c->image_numbers, all + j * c->image_numbers,
                                    c->image_numbers);

                if (one > most[k]) {
                    most[k] = one;
                    best[k] = j;
                }
            }
        same += best[0] == best[1];
    }
    return images ? (double)same / images : 1;
}

static char *report(const struct choice *c, double accuracy)
{
    cJSON *o = cJSON_CreateObject(), *layers = cJSON_CreateObject();
    char *text;

    cJSON_AddNumberToObject(o, "images", c->samples->images);
    cJSON_AddNumberToObject(o, "texts", c->samples->texts);
    cJSON_AddNumberToObject(o, "accuracy", accuracy);
    cJSON_AddNumberToObject(o, "cosine_least", c->least);
    cJSON_AddNumberToObject(o, "cosine_mean", c->mean);
    if (c->samples->images > 1)
        cJSON_AddNumberToObject(o, "same_nearest_image", agreement(c));
    for (int g = 0; g < c->count; g++) {
        char *name = xprintf("%.*s", (int)c->groups[g].size, c->groups[g].name);

        cJSON_AddNumberToObject(layers, name, c->groups[g].pieces);
        free(name);
    }
    cJSON_AddItemToObject(o, "pieces", layers);
    cJSON_AddItemToObject(o, "folded", cJSON_Duplicate(c->folded, true));
    text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}

static int store(const struct choice *c, const char *folder, const char *text)
{
    const struct save_options o = { .type = DTYPE_COUNT, .once = true };
    char *path = path_join(folder, "int8.json"), *line = xprintf("%s\n", text);
    int result = model_save(c->v->model, folder, &o);

    if (!result)
        result = file_write_atomic(path, line, strlen(line));
    free(path);
    free(line);
    return result;
}

/* What the conversion folded: it asked the same of the same model. */
static cJSON *list_folds(const struct model *m)
{
    cJSON *o = xcheck(cJSON_CreateObject());
    struct folds folds;

    folds_find(&folds, m);
    for (int i = 0; i < folds.count; i++) {
        char *name = xprintf(
            "%.*s", (int)(strrchr(folds.list[i].gain->name, '.') - folds.list[i].gain->name),
            folds.list[i].gain->name);

        cJSON_AddNumberToObject(o, name, folds.list[i].channels);
        free(name);
    }
    folds_free(&folds);
    return o;
}

static int prepare(struct choice *c, const char *model, const struct vlm_options *opened)
{
    struct vlm *v = vlm_open(model, opened);
    const struct vlm_samples *s = c->samples;
    int tokens = 0, width = 0, result = -1;
    size_t numbers;

    if (!v)
        return -1;
    if (!embeds(v, VLM_EMBED_IMAGE) && embeds(v, VLM_FEATURES))
        vlm_features_shape(v, &tokens, &width);
    c->image_numbers = embeds(v, VLM_EMBED_IMAGE) ? (long)vlm_image_vectors(v) * vlm_width(v)
                                                  : (long)tokens * width;
    c->text_numbers = embeds(v, VLM_EMBED_TEXT) ? vlm_width(v) : 0;
    numbers = (size_t)(s->images * c->image_numbers + s->texts * c->text_numbers);
    c->folded = list_folds(v->model);
    c->wanted = xalloc(numbers + 1, sizeof *c->wanted);
    c->now = xalloc(numbers + 1, sizeof *c->now);
    if ((s->images && !c->image_numbers) || (s->texts && !c->text_numbers))
        fail_as("unsupported", "%s: it cannot embed what it is to be calibrated with", model);
    else if (!numbers)
        fail("nothing to calibrate with");
    else
        result = see(v, c, s->images, s->texts, c->wanted);
    vlm_close(v);
    return result;
}

char *vlm_choose_pieces(const char *model, const char *folder, const struct vlm_options *opened,
                        const struct vlm_samples *samples, double accuracy)
{
    struct choice c = { .samples = samples };
    char *text = NULL;

    if (prepare(&c, model, opened) == 0 && (c.v = vlm_open(folder, NULL))) {
        list_groups(&c);
        if (choose(&c, accuracy) == 0) {
            text = report(&c, accuracy);
            if (store(&c, folder, text)) {
                free(text);
                text = NULL;
            }
        }
    }
    vlm_close(c.v);
    cJSON_Delete(c.folded);
    free(c.groups);
    free(c.wanted);
    free(c.now);
    return text;
}
