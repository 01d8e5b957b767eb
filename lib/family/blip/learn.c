/* SPDX-License-Identifier: MIT
 * learn.c - BLIP's three losses in one pass over the image tower
 *
 *     itc   cosines of images and texts over a temperature
 *     itm   [ENC] text beside its image, a wrong image, a wrong text: match or not
 *     lm    [DEC] text, each id from those before it and the image
 *
 * Sources: salesforce/BLIP models/blip_pretrain.py, models/blip_retrieval.py, models/blip.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "family/blip/blip.h"
#include "family/registry.h"
#include "learn/text_cache.h"

static const float least_temperature = 0.001f, most_temperature = 0.5f;
static const float negative_floor = 1e-4f; /* every negative has a chance */

static unsigned objectives(const struct model *m)
{
    const struct blip_config *c = &((const struct blip *)m->self)->config;

    return (c->match || c->contrastive ? OBJECTIVE_ITC : 0) | (c->match ? OBJECTIVE_ITM : 0) |
           (c->decoder && !c->answers ? OBJECTIVE_LM : 0);
}

static unsigned reads(const struct model *m, unsigned what)
{
    bool image = model_learns(m, "vision."), fused = what & ~(unsigned)OBJECTIVE_ITC;
    bool encoder = what & (OBJECTIVE_ITC | OBJECTIVE_ITM) && model_learns(m, "encoder.");
    bool decoder = what & OBJECTIVE_LM && model_learns(m, "decoder.");

    return (encoder || decoder || (fused && image) ? READS_DROPOUT : 0) |
           (image ? READS_DROP_PATH : 0) |
           (what & OBJECTIVE_ITC ? READS_POSITIVES | READS_MOMENTUM | READS_QUEUE : 0) |
           (what & OBJECTIVE_ITM ? READS_NEGATIVES : 0) |
           (what & OBJECTIVE_LM ? READS_SMOOTHING : 0);
}

/* Source: salesforce/BLIP models/blip_pretrain.py, blip.py, blip_retrieval.py (max_length);
 * data/__init__.py and the datasets' max_words. */
static struct learning_texts texts(const struct model *m, unsigned what)
{
    bool writes = what & OBJECTIVE_LM, matches = what & (OBJECTIVE_ITC | OBJECTIVE_ITM);

    return (struct learning_texts){
        .context = !writes   ? 35
                   : matches ? 30
                             : 40,
        .longest = (int)((const struct blip *)m->self)->config.text.positions,
        .words = 30,
        .positives = writes ? POSITIVES_PAIR : POSITIVES_PICTURE,
    };
}

/* --- a batch --- */

struct batch {
    struct tape *t;
    struct model *m;
    struct blip *blip;
    const struct pairs *pairs;
    const struct loss_options *options;
    const struct spans *images, *texts;
    struct tensor *image;   /* tokens, one image after the other; NULL: not wanted */
    struct tensor **looked; /* keys and values that encoder and decoder share; or NULL */
};

static struct temperature temperature(const struct blip *b)
{
    return b->config.contrastive ? (struct temperature){ scale_exp, b->logit_scale }
                                 : (struct temperature){ divided_by, b->temperature };
}

/* No other token than the first is wanted. */
static struct tensor *embed_images(const struct batch *s, struct model *m)
{
    const struct pairs *p = s->pairs;
    struct tensor *x;

    if (!p->features)
        return unit_rows(s->t, blip_embed_image(s->t, m->self, pairs_pixels(s->t, m, p)));
    x = take_rows(s->t, pairs_features(s->t, m, p), s->images->start, p->count);
    return unit_rows(s->t,
                     blip_image_embedding(s->t, m->self, blip_bridge(s->t, m->self, x), p->count));
}

/* The teacher's embeddings; of all that they were made from nothing stays. */
static void ask_teacher(const struct batch *s, struct contrast *c)
{
    struct blip *b = s->options->teacher->self;
    const struct pairs *p = s->pairs;
    struct tape_mark mark = tape_mark(s->t);
    struct tensor *x = embed_images(s, s->options->teacher);

    c->teacher_images = tape_keep(s->t, mark, x);
    mark = tape_mark(s->t);
    c->teacher_texts =
        tape_keep(s->t, mark, unit_rows(s->t, blip_text_embedding(s->t, b, p->ids, s->texts)));
}

/* What text_cache_rows() asks for. */
static struct tensor *row_of_text(struct tape *t, void *self, const int *ids,
                                  const struct spans *texts)
{
    return blip_text_row(t, self, ids, texts);
}

static struct tensor *below_matching(struct tape *t, void *self, const int *ids,
                                     const struct spans *texts)
{
    return blip_text_below(t, self, ids, texts, false);
}

static struct tensor *below_writing(struct tape *t, void *self, const int *ids,
                                    const struct spans *texts)
{
    return blip_text_below(t, self, ids, texts, true);
}

/* Sets where the layers that look at an image begin, and their states. */
static void begin_below(const struct batch *s, struct bert_input *in)
{
    struct text_cache **kept = in->causal ? &s->blip->kept_causal : &s->blip->kept_below;

    in->from = s->blip->config.text.cross_from;
    if (in->from)
        in->states = text_cache_rows(s->t, kept, in->ids, in->texts,
                                     in->causal ? below_writing : below_matching, s->blip);
}

static struct tensor *itc(const struct batch *s, struct contrast *c)
{
    const struct pairs *p = s->pairs;
    struct tensor *rows;

    if (s->image)
        c->images = unit_rows(s->t, blip_image_embedding(s->t, s->blip, s->image, p->count));
    else
        c->images = embed_images(s, s->m);
    rows = text_cache_rows(s->t, &s->blip->kept_rows, p->ids, s->texts, row_of_text, s->blip);
    c->texts = unit_rows(s->t, blip_project_text(s->t, s->blip, rows));
    c->temperature = temperature(s->blip);
    if (s->options->teacher)
        ask_teacher(s, c);
    return contrast(s->t, c, p, s->options);
}

static struct tensor *itm(const struct batch *s, const struct contrast *c)
{
    const int *wrong_image = draw_negatives(s->t, c->by_text, s->pairs, s->options, negative_floor);
    const int *wrong_text = draw_negatives(s->t, c->by_image, s->pairs, s->options, negative_floor);
    struct matches m = pair_matches(s->t, s->pairs, wrong_image, wrong_text, s->m->matching.begin);
    struct bert_input in = {
        .ids = m.ids,
        .texts = m.texts,
        .image = s->image,
        .images = s->images,
        .image_of = m.image_of,
        .looked = s->looked,
        .first_only = m.texts->start,
    };
    struct blip_sides sides = { c->images, c->texts, m.image_of, m.text };
    struct tensor *x;

    begin_below(s, &in);
    x = bert_forward(s->t, &s->blip->encoder, &in);
    return cross_entropy(s->t, blip_match_logits(s->t, s->blip, x, &sides), m.target, 0);
}

/* ids of the texts as the decoder reads them; which of its rows are to predict what. */
static long lm_rows(const struct batch *s, int *ids, int *at, int *target)
{
    const int *start = s->texts->start;
    long count = 0;

    memcpy(ids, s->pairs->ids, (size_t)start[s->texts->count] * sizeof *ids);
    for (int i = 0; i < s->texts->count; i++) {
        ids[start[i]] = s->m->writing.begin;
        for (int k = start[i]; k + 1 < start[i + 1]; k++) {
            if (k + 1 - start[i] < s->options->prompt)
                continue;
            at[count] = k;
            target[count++] = ids[k + 1];
        }
    }
    return count;
}

static struct tensor *nothing(struct tape *t)
{
    struct tensor *x = tensor_new(t, 0, NULL);

    x->data[0] = 0;
    return x;
}

static struct tensor *lm(const struct batch *s)
{
    size_t bytes = (size_t)s->texts->start[s->texts->count] * sizeof(int);
    int *ids = tape_alloc(s->t, bytes), *at = tape_alloc(s->t, bytes);
    int *target = tape_alloc(s->t, bytes);
    long count = lm_rows(s, ids, at, target);
    struct bert_input in = {
        .ids = ids,
        .texts = s->texts,
        .causal = true,
        .image = s->image,
        .images = s->images,
        .looked = s->looked,
    };
    struct tensor *x;

    if (!count)
        return nothing(s->t);
    begin_below(s, &in);
    x = take_rows(s->t, bert_forward(s->t, &s->blip->decoder, &in), at, count);
    x = bert_logits(s->t, &s->blip->decoder, x);
    return cross_entropy(s->t, x, target, s->options->smoothing);
}

/* Room for keys and values, where encoder and decoder have one way to look at an image. */
static struct tensor **looks(struct tape *t, const struct blip *b)
{
    int layers = b->config.text.layers;
    struct tensor **list = tape_alloc(t, ((size_t)layers + 1) * sizeof *list);

    for (int i = 0; i < layers; i++) {
        const struct linear *l = b->config.encoder ? &b->encoder.layers[i].cross_key_value : NULL;
        const struct linear *k = b->config.decoder ? &b->decoder.layers[i].cross_key_value : l;

        list[i] = NULL;
        for (int part = 0; part < 2; part++)
            if (!l || l->weight[part] != k->weight[part] || l->bias[part] != k->bias[part])
                return NULL;
    }
    return list;
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct batch s = { .t = t, .m = m, .blip = m->self, .pairs = p, .options = l };
    struct contrast c = { 0 };

    if (l->teacher && s.blip->config.vision.convolves && !p->features)
        return fail_as("unsupported", "%s: with momentum it learns from features alone", m->path);
    s.texts = spans_of(t, p->count, p->counts);
    s.looked = looks(t, s.blip);
    s.images = spans_even(t, p->count, m->image.tokens);
    if (l->objectives & ~(unsigned)OBJECTIVE_ITC)
        s.image = blip_bridge(t, s.blip, pairs_features(t, m, p));
    if (l->objectives & (OBJECTIVE_ITC | OBJECTIVE_ITM))
        out->each[LOSS_ITC] = itc(&s, &c);
    if (l->objectives & OBJECTIVE_ITM)
        out->each[LOSS_ITM] = itm(&s, &c);
    if (l->objectives & OBJECTIVE_LM)
        out->each[LOSS_LM] = lm(&s);
    if (!(l->objectives & OBJECTIVE_ITC))
        out->each[LOSS_ITC] = NULL;
    if (s.blip->temperature)
        out->temperature = s.blip->temperature->data[0];
    return 0;
}

static void clamp(struct model *m)
{
    struct tensor *s = ((struct blip *)m->self)->temperature;

    if (s)
        s->data[0] = fminf(fmaxf(s->data[0], least_temperature), most_temperature);
}

/* --- one set of numbers in two roles --- */

static bool begins(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

/* Of the text transformer's parameters all but self-attention serve encoder and decoder. */
static const struct param *encoders(const struct params *p, const struct param *decoders)
{
    const char *rest;

    if (!begins(decoders->name, "decoder.") || strstr(decoders->name, ".self."))
        return NULL;
    rest = decoders->name + strlen("decoder.");
    for (int i = 0; i < p->count; i++)
        if (begins(p->list[i].name, "encoder.") &&
            !strcmp(p->list[i].name + strlen("encoder."), rest))
            return &p->list[i];
    return NULL;
}

static bool same_bytes(const void *a, const void *b, size_t bytes)
{
    return a == b || (a && b && !memcmp(a, b, bytes));
}

static bool same_numbers(const struct tensor *x, const struct tensor *y)
{
    return x->type == y->type && x->order == y->order && tensor_count(x) == tensor_count(y) &&
           same_bytes(x->bytes, y->bytes, tensor_bytes(x)) &&
           same_bytes(x->scale, y->scale, (size_t)x->shape[0] * sizeof *x->scale);
}

static void share_if(struct model *m,
                     bool (*condition)(const struct tensor *x, const struct tensor *y))
{
    const struct blip_config *c = &((const struct blip *)m->self)->config;

    if (c->answers) /* two transformers */
        return;
    for (int i = 0; i < m->params.count; i++) {
        struct param *own = &m->params.list[i];
        const struct param *other = encoders(&m->params, own);

        if (other && (!condition || condition(*own->slot, *other->slot)))
            *own->slot = *other->slot;
    }
}

static void share(struct model *m)
{
    share_if(m, NULL);
}

static void begin(struct model *m, const struct tokenizer *t)
{
    struct blip *b = m->self;

    (void)t;
    if (b->config.match && !b->temperature)
        b->temperature = model_scalar(m, blip_first_temperature);
    share_if(m, same_numbers);
}

BUILD(blip)

const struct learner blip_learner = {
    .objectives = objectives,
    .reads = reads,
    .texts = texts,
    .learn = learn,
    .clamp = clamp,
    .begin = begin,
    .share = share,
    .build = build,
};
