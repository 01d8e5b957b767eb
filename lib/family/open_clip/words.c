/* SPDX-License-Identifier: MIT
 * words.c - the text side: open_clip's own tower, or one of Hugging Face's
 *
 *     y = W pool(tower(ids)) + b        or        y = W2 gelu(W1 pool(tower(ids)))
 */
#include <string.h>
#include "base/error.h"
#include "checkpoint/sizes.h"
#include "family/open_clip/open_clip.h"

#define ROW(name) &words_##name,
static const struct words *const kinds[] = { WORDS(ROW) };

int open_clip_words(const char *name, const struct weights *w, struct words_config *c)
{
    const char *slash = strrchr(name, '/');

    for (int i = 0; i < COUNT(kinds); i++)
        for (const struct words_name *n = kinds[i]->names; n->name; n++)
            if (!strcmp(slash ? slash + 1 : name, n->name)) {
                c->words = kinds[i];
                c->words->describe(w, n->heads, c);
                return 0;
            }
    return fail_as("unsupported", "Hugging Face's text tower %.60s is not known here", name);
}

/* --- open_clip's own --- */

static int check(const struct words_config *c)
{
    return sizes_check_text("open_clip", &c->text);
}

static void init(struct words_tower *x)
{
    text_init(&x->text, &x->config.text);
}

static void params(struct words_tower *x, struct params *p)
{
    text_params(&x->text, p);
}

static long vocabulary(const struct words_config *c)
{
    return c->text.vocabulary;
}

static long wide(const struct words_config *c)
{
    return c->text.width;
}

static struct tensor *pooled(struct tape *t, struct words_tower *x, const int *ids,
                             const int *counts, int texts)
{
    return text_forward(t, &x->text, ids, counts, texts);
}

static void close(struct words_tower *x)
{
    text_close(&x->text);
}

/* Its sections are layout.c's, and its settings config.c's. */
const struct words words_own = {
    .check = check,
    .init = init,
    .params = params,
    .vocabulary = vocabulary,
    .width = wide,
    .pooled = pooled,
    .close = close,
};

/* --- any --- */

void words_tower_init(struct words_tower *x, const struct words_config *config)
{
    *x = (struct words_tower){ .config = *config };
    config->words->init(x);
}

void words_tower_params(struct words_tower *x, struct params *p, long embedding)
{
    const struct words_config *c = &x->config;
    const char *called = c->words->called;
    long in = words_tower_width(c);
    long middle = c->projection == PROJECTION_MLP ? (in + embedding) / 2 : 0;

    params_in(p, "text");
    if (called)
        params_in(p, "%s", called);
    c->words->params(x, p);
    if (called)
        params_out(p);
    if (c->projection) {
        params_in(p, "%s",
                  middle               ? "mlp"
                  : called             ? "single"
                  : c->projection_bias ? "biased"
                                       : "plain");
        projection_params(&x->projection, &x->second, p, (long[]){ in, middle, embedding },
                          c->projection_bias);
        params_out(p);
    }
    params_out(p);
}

void words_tower_close(struct words_tower *x)
{
    if (!x->config.words)
        return;
    x->config.words->close(x);
    linear_close(&x->projection);
    linear_close(&x->second);
}

long words_tower_vocabulary(const struct words_config *c)
{
    return c->words->vocabulary(c);
}

long words_tower_width(const struct words_config *c)
{
    return c->words->width(c);
}

struct tensor *words_tower_embed(struct tape *t, struct words_tower *x, const int *ids,
                                 const int *counts, int texts)
{
    struct tensor *y = x->config.words->pooled(t, x, ids, counts, texts);

    if (x->config.projection == PROJECTION_MLP)
        return linear(t, &x->second, linear(t, &x->projection, y, ACTIVATION_GELU),
                      ACTIVATION_NONE);
    return x->config.projection ? linear(t, &x->projection, y, ACTIVATION_NONE) : y;
}
