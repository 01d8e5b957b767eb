/* SPDX-License-Identifier: MIT
 * open.c - opening a model, and what it is and can do, whichever family it is of
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "family/registry.h"
#include "checkpoint/config.h"
#include "api/api.h"
#include "checkpoint/save_parts.h"

void vlm_threads(int count)
{
    pool_start(count);
}

const char *vlm_error(void)
{
    return error_text();
}

const char *vlm_error_code(void)
{
    return error_code();
}

/* The text lives until the same thread asks again. */
const char *vlm_hardware(void)
{
    static _Thread_local char text[64];
    int threads = pool_threads();

    snprintf(text, sizeof text, "%s, %d thread%s", kernels.name, threads, threads == 1 ? "" : "s");
    return text;
}

/* --- abilities --- */

const struct ability vlm_ability_table[] = {
    { VLM_EMBED_IMAGE, false, "embed images", "embed images" },
    { VLM_EMBED_TEXT, true, "embed texts", "embed texts" },
    { VLM_MATCH, true, "match", "match images and texts" },
    { VLM_CAPTION, true, "caption", "caption images" },
    { VLM_ANSWER, true, "answer", "answer questions" },
    { VLM_FEATURES, false, "features", "give features of images" },
    { VLM_GROUND, true, "ground", "find texts in images" },
    { VLM_FILL, true, "fill", "predict masked words" },
    { 0 },
};

/* A model without a tokenizer cannot read texts, whatever its tensors are for. */
unsigned vlm_abilities(const struct vlm *v)
{
    unsigned all = v->model->abilities;

    for (const struct ability *a = vlm_ability_table; a->bit; a++)
        if (a->reads_texts && !v->tokenizer_path)
            all &= ~a->bit;
    return all;
}

unsigned vlm_compat_abilities(const struct vlm *v)
{
    return v->model->abilities & v->model->compat;
}

char *vlm_list_abilities(unsigned set)
{
    struct buffer b = { 0 };

    for (const struct ability *a = vlm_ability_table; a->bit; a++)
        if (set & a->bit)
            buffer_printf(&b, "%s%s", b.size ? ", " : "", a->verb);
    if (!b.size)
        buffer_string(&b, "nothing");
    return b.data;
}

/* The sentence uses the ability's verb, so a refusal and --info cannot disagree. */
int vlm_require(const struct vlm *v, unsigned ability)
{
    const struct ability *a = vlm_ability_table;

    if (v->model->abilities & ability)
        return 0;
    while (a[1].bit && a->bit != ability)
        a++;
    return fail_as("unsupported", "%s cannot %s", v->about, a->verb);
}

/* --- opening --- */

/* Names the missing tokenizer only where it would be of use. */
static void describe(struct vlm *v)
{
    const struct model *m = v->model;
    bool reads_texts = false;

    for (const struct ability *a = vlm_ability_table; a->bit; a++)
        reads_texts |= a->reads_texts && m->abilities & a->bit;
    if (v->tokenizer_path || !reads_texts)
        v->about = xstrdup(m->about);
    else
        v->about = xprintf("%s, without a tokenizer (%s belongs into %s)", m->about,
                           m->reading.kind->files, m->folder);
}

/* The choice counts for the whole process: weights are packed for one engine. */
static int choose_precision(const struct model *m, const char *word)
{
    static const char *const words[] = {
        [PRECISION_HIGHEST] = "highest", [PRECISION_HIGH] = "high", [PRECISION_MEDIUM] = "medium"
    };
    int at = 0;

    if (word && save_type(m) == DTYPE_I8)
        return fail_as("unsupported", "%s: an int8 model has its own precision", m->path);
    while (word && at < COUNT(words) && strcmp(word, words[at]))
        at++;
    if (at == COUNT(words))
        return fail("no precision \"%s\"", word);
    packed_precision((enum precision)at);
    return 0;
}

/* The tokenizer is found now and opened when the first text is read: images alone never pay for it.
 */
struct vlm *vlm_open(const char *path, const struct vlm_options *options)
{
    static const struct vlm_options none;
    struct vlm *v = NULL;
    char *found = model_find(path);
    struct model *m;

    options = options ? options : &none;
    m = found ? model_load(found, options) : NULL;
    free(found);
    if (!m)
        return NULL;
    if (choose_precision(m, options->precision)) {
        model_free(m);
        return NULL;
    }
    if (options->tokenizer && !m->reading.vocabulary) {
        fail_as("unsupported", "--tokenizer=%s: %s reads no texts", options->tokenizer, m->path);
        model_free(m);
        return NULL;
    }
    if (options->tokenizer && !path_exists(options->tokenizer)) {
        fail_as("not_found", "%s: no such tokenizer", options->tokenizer);
        model_free(m);
        return NULL;
    }
    v = xalloc(1, sizeof *v);
    v->model = m;
    v->clean_text = options->clean_text;
    pthread_mutex_init(&v->lock, NULL);
    v->tokenizer_path = options->tokenizer ? xstrdup(options->tokenizer) : model_tokenizer_path(m);
    if (v->tokenizer_path)
        m->reading.context = model_context(m, v->tokenizer_path);
    describe(v);
    return v;
}

int vlm_check_look(const char *orient, const char *background)
{
    struct preprocess unused = { 0 };

    return preprocess_choose(&unused, orient, background);
}

void vlm_close(struct vlm *v)
{
    if (!v)
        return;
    tokenizer_close(v->tokenizer);
    pthread_mutex_destroy(&v->lock);
    tape_free(&v->tape);
    model_free(v->model);
    free(v->tokenizer_path);
    free(v->about);
    free(v);
}

bool vlm_repacks(const struct vlm *v)
{
    const struct params *p = &v->model->params;

    for (int i = 0; i < p->count; i++) {
        const struct tensor *x = *p->list[i].slot;

        if (x && x->order && x->order != order_here(x->type, x->pieces, p->list[i].memory_bound))
            return true;
    }
    return false;
}

const char *vlm_describe(const struct vlm *v)
{
    return v->about;
}

int vlm_width(const struct vlm *v)
{
    return v->model->embedding.width;
}

int vlm_image_vectors(const struct vlm *v)
{
    return v->model->embedding.per_image;
}

float vlm_scale(const struct vlm *v)
{
    return v->model->embedding.scale;
}

bool vlm_uses_sigmoid(const struct vlm *v, float *bias)
{
    *bias = v->model->embedding.bias;
    return v->model->embedding.sigmoid;
}

int vlm_images(const struct vlm *v)
{
    return v->model->image.per_text;
}

int vlm_classes(const struct vlm *v)
{
    return v->model->matching.classes ? v->model->matching.classes : 2;
}

const char *vlm_class(const struct vlm *v, int which)
{
    return v->model->matching.class_names ? v->model->matching.class_names[which] : NULL;
}

bool vlm_ranks_by_match(const struct vlm *v)
{
    return v->model->matching.without_cosine;
}

uint64_t vlm_hash(const struct vlm *v)
{
    return model_hash_sampled(v->model);
}

uint64_t vlm_tower_hash(const struct vlm *v)
{
    return model_tower_hash(v->model);
}

/* Any thread may be the first to need it. */
const struct tokenizer *vlm_tokenizer(const struct vlm *v)
{
    struct vlm *own = (struct vlm *)(uintptr_t)v;
    struct tokenizer *t;

    if (!v->tokenizer_path) {
        fail_as("unsupported", "%s", v->about);
        return NULL;
    }
    pthread_mutex_lock(&own->lock);
    if (!own->tokenizer)
        own->tokenizer = model_tokenizer(v->model, v->tokenizer_path);
    t = own->tokenizer;
    pthread_mutex_unlock(&own->lock);
    return t;
}
