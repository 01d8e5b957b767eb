/* SPDX-License-Identifier: MIT
 * learn.c - ALBEF's three losses in one pass over the image tower
 *
 *     itc   cosines of images and texts over a temperature
 *     itm   text states beside their image, a wrong image, wrong states beside the image
 *     mlm   15 % of the words are hidden; each is predicted from the others and the image
 *
 * The text half runs once for itc and itm.  With a teacher the targets of itc and mlm are mixed
 * with its own answers.  Sources: salesforce/ALBEF models/model_pretrain.py, model_retrieval.py;
 * arXiv 2107.07651.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "family/albef/albef.h"
#include "family/registry.h"

static const float least_temperature = 0.001f, most_temperature = 0.5f;
/* Of the words some are hidden; of these most become [MASK], half of the rest any word. */
static const double hidden_share = 0.15, mask_share = 0.8, random_share = 0.5;

static unsigned objectives(const struct model *m)
{
    const struct albef_config *c = &((const struct albef *)m->self)->config;

    return (c->embedding ? OBJECTIVE_ITC : 0) |
           (c->embedding && c->match && c->images == 1 ? OBJECTIVE_ITM : 0) |
           (c->text.head ? OBJECTIVE_MLM : 0);
}

static unsigned reads(const struct model *m, unsigned what)
{
    bool image = model_learns(m, "vision."), fused = what & ~(unsigned)OBJECTIVE_ITC;

    return (model_learns(m, "encoder.") || (fused && image) ? READS_DROPOUT : 0) |
           (image ? READS_DROP_PATH : 0) |
           (what & OBJECTIVE_ITC ? READS_POSITIVES | READS_MOMENTUM | READS_QUEUE : 0) |
           (what & OBJECTIVE_MLM ? READS_MOMENTUM : 0) |
           (what & OBJECTIVE_ITM ? READS_NEGATIVES : 0);
}

/* Source: salesforce/ALBEF Pretrain.py, Retrieval.py (max_length), dataset/__init__.py. */
static struct learning_texts texts(const struct model *m, unsigned what)
{
    bool pretrains = what & OBJECTIVE_MLM;

    return (struct learning_texts){
        .context = pretrains ? 25 : 30,
        .longest = (int)((const struct albef *)m->self)->config.text.positions,
        .words = 30,
        .positives = pretrains ? POSITIVES_PAIR : POSITIVES_PICTURE,
    };
}

/* --- a batch --- */

struct batch {
    struct tape *t;
    struct model *m;
    struct albef *albef, *teacher; /* teacher: or NULL */
    const struct pairs *pairs;
    const struct loss_options *options;
    const struct spans *images, *texts;
    struct tensor *image, *teacher_image; /* tokens, one image after the other */
    struct tensor *states;                /* of the text half */
};

/* The teacher's answers; of all that they were made from only the image tokens stay. */
static void ask_teacher(struct batch *s, struct contrast *c)
{
    const struct pairs *p = s->pairs;
    struct tape_mark mark = tape_mark(s->t);
    struct tensor *x = pairs_features(s->t, s->options->teacher, p);

    s->teacher_image = tape_keep(s->t, mark, x);
    mark = tape_mark(s->t);
    x = unit_rows(s->t, albef_image_embedding(s->t, s->teacher, s->teacher_image, p->count));
    c->teacher_images = tape_keep(s->t, mark, x);
    mark = tape_mark(s->t);
    x = unit_rows(s->t, albef_text_embedding(s->t, s->teacher, p->ids, s->texts));
    c->teacher_texts = tape_keep(s->t, mark, x);
}

static struct tensor *itc(struct batch *s, struct contrast *c)
{
    const struct pairs *p = s->pairs;

    c->images = unit_rows(s->t, albef_image_embedding(s->t, s->albef, s->image, p->count));
    c->texts = unit_rows(s->t, albef_states_embedding(s->t, s->albef, s->states, s->texts));
    c->temperature = (struct temperature){ divided_by, s->albef->temperature };
    return contrast(s->t, c, p, s->options);
}

/* The text half's rows of the texts that are matched, one text after the other. */
static struct tensor *states_of(const struct batch *s, const struct matches *m)
{
    int rows_ = m->texts->start[m->count], *index = tape_alloc(s->t, (size_t)rows_ * sizeof *index);

    for (int i = 0; i < m->count; i++)
        for (int k = m->texts->start[i], from = s->texts->start[m->text[i]];
             k < m->texts->start[i + 1]; k++)
            index[k] = from++;
    return take_rows(s->t, s->states, index, rows_);
}

static struct tensor *itm(const struct batch *s, const struct contrast *c)
{
    const int *wrong_image = draw_negatives(s->t, c->by_text, s->pairs, s->options, 0);
    const int *wrong_text = draw_negatives(s->t, c->by_image, s->pairs, s->options, 0);
    struct matches m = pair_matches(s->t, s->pairs, wrong_image, wrong_text, -1);
    struct albef_pairs p = { .states = states_of(s, &m),
                             .texts = m.texts,
                             .image = s->image,
                             .images = s->images,
                             .image_of = m.image_of };
    struct tensor *logits = albef_match(s->t, s->albef, albef_states(s->t, s->albef, &p, true));

    return cross_entropy(s->t, logits, m.target, 0);
}

/* --- masked words --- */

struct masked {
    int *ids; /* of all texts, with the hidden words */
    int *at;  /* rows to be predicted */
    int *target;
    long count;
};

/* An id in place of one that is hidden. */
static int disguise(const struct batch *s, int id)
{
    const struct loss_options *l = s->options;
    int words = (int)s->albef->config.text.vocabulary;

    if (l->draw(l->draw_self) < mask_share)
        return ((struct albef *)s->m->self)->mask_id;
    if (l->draw(l->draw_self) < random_share)
        return (int)(l->draw(l->draw_self) * words);
    return id;
}

/* Every id but the first, [CLS], may be hidden; a [SEP] too. */
static struct masked hide_words(const struct batch *s)
{
    size_t bytes = (size_t)s->texts->start[s->texts->count] * sizeof(int);
    struct masked w = { tape_alloc(s->t, bytes), tape_alloc(s->t, bytes), tape_alloc(s->t, bytes),
                        0 };

    memcpy(w.ids, s->pairs->ids, bytes);
    for (int i = 0; i < s->texts->count; i++)
        for (int k = s->texts->start[i] + 1; k < s->texts->start[i + 1]; k++) {
            if (s->options->draw(s->options->draw_self) >= hidden_share)
                continue;
            w.at[w.count] = k;
            w.target[w.count++] = w.ids[k];
            w.ids[k] = disguise(s, w.ids[k]);
        }
    return w;
}

/* Logits of the hidden words: [count, vocabulary] */
static struct tensor *predict_words(const struct batch *s, struct albef *a, struct tensor *image,
                                    const struct masked *w)
{
    struct albef_pairs p = {
        .ids = w->ids, .texts = s->texts, .image = image, .images = s->images
    };
    struct tensor *x = albef_states(s->t, a, &p, false);

    return bert_logits(s->t, &a->encoder, take_rows(s->t, x, w->at, w->count));
}

/* (1 - alpha) the word, alpha what the teacher says: [count, vocabulary] */
static const float *word_targets(const struct batch *s, const struct masked *w)
{
    long words = s->albef->config.text.vocabulary;
    float alpha = s->options->alpha, *y;
    struct tensor *z = predict_words(s, s->teacher, s->teacher_image, w);

    y = softmax_rows(s->t, z);
    for (long i = 0; i < w->count * words; i++)
        y[i] *= alpha;
    for (long i = 0; i < w->count; i++)
        y[i * words + w->target[i]] += 1 - alpha;
    return y;
}

static struct tensor *nothing(struct tape *t)
{
    struct tensor *x = tensor_new(t, 0, NULL);

    x->data[0] = 0;
    return x;
}

static struct tensor *mlm(const struct batch *s)
{
    struct masked w = hide_words(s);
    const float *y;

    if (!w.count)
        return nothing(s->t);
    y = s->teacher ? word_targets(s, &w) : NULL;
    if (y)
        return soft_cross_entropy(s->t, predict_words(s, s->albef, s->image, &w), y);
    return cross_entropy(s->t, predict_words(s, s->albef, s->image, &w), w.target, 0);
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct batch s = { .t = t, .m = m, .albef = m->self, .pairs = p, .options = l };
    struct contrast c = { 0 };

    s.teacher = l->teacher ? l->teacher->self : NULL;
    s.texts = spans_of(t, p->count, p->counts);
    s.images = spans_even(t, p->count, m->image.tokens);
    s.image = pairs_features(t, m, p);
    if (s.teacher)
        ask_teacher(&s, &c);
    if (l->objectives & (OBJECTIVE_ITC | OBJECTIVE_ITM)) {
        s.states = albef_text(t, s.albef, p->ids, s.texts);
        out->each[LOSS_ITC] = itc(&s, &c);
    }
    if (l->objectives & OBJECTIVE_ITM)
        out->each[LOSS_ITM] = itm(&s, &c);
    if (l->objectives & OBJECTIVE_MLM)
        out->each[LOSS_MLM] = mlm(&s);
    if (!(l->objectives & OBJECTIVE_ITC))
        out->each[LOSS_ITC] = NULL;
    if (s.albef->temperature)
        out->temperature = s.albef->temperature->data[0];
    return 0;
}

static void clamp(struct model *m)
{
    struct tensor *s = ((struct albef *)m->self)->temperature;

    if (s)
        s->data[0] = fminf(fmaxf(s->data[0], least_temperature), most_temperature);
}

/* [MASK] is where the vocabulary has it; in bert-base-uncased at 103. */
static int find_mask(const struct model *m, const struct tokenizer *t)
{
    int id = t ? tokenizer_id(t, "[MASK]") : -1;

    if (id < 0)
        id = m->reading.vocabulary > 103 ? 103 : m->reading.vocabulary - 1;
    return id;
}

static void begin(struct model *m, const struct tokenizer *t)
{
    struct albef *a = m->self;

    if (a->config.text.head)
        a->mask_id = find_mask(m, t);
    if (a->config.embedding && !a->temperature)
        a->temperature = model_scalar(m, albef_first_temperature);
}

BUILD(albef)

const struct learner albef_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_unless_bias,
    .texts = texts,
    .learn = learn,
    .clamp = clamp,
    .begin = begin,
    .build = build,
};
