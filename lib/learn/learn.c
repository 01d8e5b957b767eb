/* SPDX-License-Identifier: MIT
 * learn.c - a batch of pairs in, losses out, whatever the family
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "learn/learn.h"

const char *loss_name(enum loss which)
{
    static const char *const names[LOSSES] = { [LOSS_ITC] = "itc",
                                               [LOSS_ITM] = "itm",
                                               [LOSS_LM] = "lm",
                                               [LOSS_MLM] = "mlm",
                                               [LOSS_ITG] = "itg" };

    return names[which];
}

unsigned model_objectives(const struct model *m)
{
    return m->family->learn ? m->family->learn->objectives(m) : 0;
}

/* The family sees the tokenizer once: masked words need the id of [MASK], captions that of [DEC].
 */
void model_begin_learning(struct model *m, const char *tokenizer)
{
    char *path = tokenizer ? xstrdup(tokenizer) : model_tokenizer_path(m);
    struct tokenizer *t = path ? model_tokenizer(m, path) : NULL;

    if (m->family->learn && m->family->learn->begin)
        m->family->learn->begin(m, t);
    tokenizer_close(t);
    free(path);
}

void model_clamp(struct model *m)
{
    if (m->family->learn && m->family->learn->clamp)
        m->family->learn->clamp(m);
}

bool decays_matrices(const struct param *p)
{
    return p->rank > 1;
}

/* As in timm and the authors' code: matrices, scalars and tables decay; vectors and everything
 * called bias do not. */
bool decays_unless_bias(const struct param *p)
{
    size_t length = strlen(p->name);

    return p->rank != 1 && (length < 5 || strcmp(p->name + length - 5, ".bias") != 0);
}

struct tensor *pairs_pixels(struct tape *t, const struct model *m, const struct pairs *b)
{
    return model_pixels(t, m, b->pixels, b->count);
}

/* [count * tokens, width]: computed by the tower, or read where --features gave them. */
struct tensor *pairs_features(struct tape *t, struct model *m, const struct pairs *b)
{
    if (b->features)
        return tensor_from(t, (float *)(uintptr_t)b->features, 2,
                           (long[]){ (long)b->count * m->image.tokens, m->image.width });
    return tensor_as_rows(t, m->family->features(t, m, pairs_pixels(t, m, b)));
}

/* CLIP's projection is named with the tower, but comes behind the features. */
void model_freeze_tower(struct model *m)
{
    params_freeze(&m->params, "vision.");
    for (int i = 0; i < m->params.count; i++)
        if (!strncmp(m->params.list[i].name, "vision.projection.", 18))
            m->params.list[i].frozen = false;
}

/* Of two names of one tensor one is enough: that is how params_learn() has it. */
bool model_learns(const struct model *m, const char *prefix)
{
    const struct param *list = m->params.list;

    for (int i = 0; i < m->params.count; i++) {
        if (list[i].buffer || strncmp(list[i].name, prefix, strlen(prefix)))
            continue;
        for (int k = 0; k < m->params.count; k++)
            if (*list[k].slot == *list[i].slot && !list[k].frozen && !list[k].buffer)
                return true;
    }
    return false;
}

/* Before the first sum, so that a batch either fails with a sentence or counts. */
static int check(const struct model *m, const struct pairs *b, const struct loss_options *l)
{
    unsigned missing = l->objectives & ~model_objectives(m);

    assert(!l->queue || l->teacher);
    for (int i = 0; i < LOSSES; i++)
        if (missing >> i & 1)
            return fail_as("unsupported", "%s: has not the parts that %s teaches", m->path,
                           loss_name(i));
    if (!l->objectives)
        return fail("no objective to learn by");
    if (b->count < 1)
        return fail("a batch of no pairs");
    return model_check_ids(m, b->ids, b->counts, b->count, l->context);
}

/* The seed of dropout is drawn once a batch: the same step drops the same numbers, however many
 * threads compute it. */
int model_learn(struct tape *t, struct model *m, const struct pairs *b,
                const struct loss_options *l, struct losses *out)
{
    *out = (struct losses){ 0 };
    t->dropout = l->dropout;
    t->drop_path = l->drop_path;
    if (l->dropout > 0 || l->drop_path > 0)
        t->random.state = (uint64_t)(l->draw(l->draw_self) * 0x1p53);
    if (check(m, b, l) || m->family->learn->learn(t, m, b, l, out))
        return -1;
    for (int i = 0; i < LOSSES; i++) {
        struct tensor *one = out->each[i];

        if (one && l->weight && l->weight[i] != 1)
            one = scale(t, one, l->weight[i]);
        if (one)
            out->total = out->total ? add(t, out->total, one) : one;
    }
    return 0;
}

static bool same_text(const struct pairs *b, const int *start, int i, int j)
{
    return b->counts[i] == b->counts[j] &&
           !memcmp(b->ids + start[i], b->ids + start[j], (size_t)b->counts[i] * sizeof *b->ids);
}

/* [count, count]: pairs that say the same, by their ids or by their group, are no negatives of each
 * other. */
bool *pairs_alike(struct tape *t, const struct pairs *b)
{
    size_t n = (size_t)b->count;
    const int *start = b->counts ? spans_of(t, b->count, b->counts)->start : NULL;
    bool *alike = tape_alloc(t, n * n);

    for (int i = 0; i < b->count; i++)
        for (int j = 0; j < b->count; j++)
            alike[(size_t)i * n + (size_t)j] =
                i == j || (start && same_text(b, start, i, j)) ||
                (b->group && b->group[i] != NO_GROUP && b->group[i] == b->group[j]);
    return alike;
}
