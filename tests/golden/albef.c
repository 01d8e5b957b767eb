/* SPDX-License-Identifier: MIT
 * albef.c - tiny ALBEF models of every layout answer as the originals' code did
 *
 * albef/ was made by make_albef.py.  Sums here have some hundred terms of about 1, so float32
 * results agree to 1e-6 or so; 2e-5 absolute is asked of activations and logits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "family/registry.h"
#include "family/albef/files.h"
#include "checkpoint/model.h"
#include "decode/writer.h"
#include "op/op.h"
#include "tests/unit/tap.h"

static const double TOLERANCE = 2e-5;
enum { TOKENS = 5, IDS = 256, TEXTS = 8 };

struct fixture {
    const char *name;
    struct model *model;
    struct albef *albef;
    struct weights *wanted;
    struct tape tape;
};

/* The padded ids of the fixture as ragged rows. */
struct ragged {
    int ids[IDS], rows[IDS], counts[TEXTS]; /* rows: where each stands in the padded form */
    int texts;
};

static bool open_fixture(struct fixture *f, const char *name, const char *file)
{
    char *path = xprintf("tests/golden/albef/%s", file);
    char *answers = xprintf("tests/golden/albef/%s.expect.safetensors", name);

    *f = (struct fixture){ .name = name };
    f->wanted = weights_open(answers);
    f->model = model_load(path, NULL);
    if (!ok(f->wanted && f->model && !strcmp(f->model->family->name, "albef"), "%s opens", name))
        note("%s", error_text());
    f->albef = f->model ? f->model->self : NULL;
    free(path);
    free(answers);
    return f->wanted && f->model;
}

static void close_fixture(struct fixture *f)
{
    tape_free(&f->tape);
    model_free(f->model);
    weights_close(f->wanted);
}

static const struct stored *wanted(const struct fixture *f, const char *name)
{
    const struct stored *s = weights_find(f->wanted, name);

    if (!s)
        note("%s: no %s in the expectations", f->name, name);
    return s;
}

static void close_to(const struct fixture *f, const struct tensor *got, const char *name)
{
    const struct stored *s = wanted(f, name);
    char *label = xprintf("%s: %s", f->name, name);

    if (s && ok(tensor_count(got) == stored_count(s), "%s: as many numbers", label))
        is_close(got->data, s->data, tensor_count(got), TOLERANCE, TOLERANCE, label);
    free(label);
}

/* Rows of texts without padding against the padded form. */
static void close_rows(const struct fixture *f, const struct ragged *r, const struct tensor *got,
                       const char *name)
{
    const struct stored *s = wanted(f, name);
    float *list = xalloc((size_t)tensor_count(got), sizeof *list);
    char *label = xprintf("%s: %s", f->name, name);

    for (long i = 0; i < rows(got); i++)
        memcpy(list + i * width(got), (const float *)s->data + r->rows[i] * width(got),
               (size_t)width(got) * sizeof *list);
    is_close(got->data, list, tensor_count(got), TOLERANCE, TOLERANCE, label);
    free(label);
    free(list);
}

static struct tensor *pixels(struct fixture *f)
{
    const struct stored *s = wanted(f, "pixels");

    return tensor_from(&f->tape, (float *)(uintptr_t)s->data, 4, s->shape);
}

static struct ragged read_texts(struct fixture *f, const char *name, const char *mask)
{
    const struct stored *ids = wanted(f, name), *seen = wanted(f, mask);
    struct ragged r = { .texts = (int)ids->shape[0] };
    int n = 0;

    for (long i = 0; i < ids->shape[0]; i++)
        for (long k = 0; k < ids->shape[1]; k++) {
            long at = i * ids->shape[1] + k;

            if (!((const int *)seen->data)[at])
                continue;
            r.ids[n] = ((const int *)ids->data)[at];
            r.rows[n++] = (int)at;
            r.counts[i]++;
        }
    return r;
}

static struct tensor *features(struct fixture *f)
{
    return f->model->family->features(&f->tape, f->model, pixels(f));
}

static struct tensor *match(struct fixture *f, struct tensor *x, const struct ragged *r,
                            const int *image_of)
{
    struct image_texts texts = { r->ids, r->counts, image_of, r->texts };

    return f->model->family->match(&f->tape, f->model, x, &texts);
}

/* Logits of a text: alone, or among others that look at the same image or at another. */
static void match_alone(struct fixture *f, struct tensor *x, const struct ragged *r)
{
    static const int image_of[] = { 1, 1, 2 };
    struct tensor *all = match(f, x, r, image_of);
    bool same = true;

    for (int i = 0, at = 0; i < 3; at += r->counts[i++]) {
        struct image_texts text = { r->ids + at, r->counts + i, image_of + i, 1 };
        struct tensor *one = f->model->family->match(&f->tape, f->model, x, &text);

        same = same && !memcmp(one->data, all->data + i * all->stride,
                               (size_t)width(one) * sizeof *one->data);
    }
    ok(same, "%s: a text alone gives the bytes that it gives among others", f->name);
}

static void matcher(const char *name, const char *file)
{
    struct fixture f;
    struct ragged r;
    struct tensor *x;

    if (!open_fixture(&f, name, file))
        return;
    ok((f.model->abilities & ~(unsigned)(VLM_FILL | VLM_FEATURES)) ==
           (VLM_EMBED_IMAGE | VLM_EMBED_TEXT | VLM_MATCH | VLM_GROUND),
       "%s: what it can do", name);
    x = features(&f);
    close_to(&f, x, "features");
    close_to(&f, unit_rows(&f.tape, f.model->family->image_of(&f.tape, f.model, x)),
             "image_embedding");
    r = read_texts(&f, "ids", "mask");
    close_to(&f,
             unit_rows(&f.tape, f.model->family->text(&f.tape, f.model, r.ids, r.counts, r.texts)),
             "text_embedding");
    close_to(&f, match(&f, x, &r, NULL), "itm");
    if (weights_find(f.wanted, "itm_other"))
        close_to(&f, match(&f, x, &r, (int[]){ 2, 0, 1 }), "itm_other");
    match_alone(&f, x, &r);
    ok(f.tape.count == 0, "%s: nothing is remembered", name);
    close_fixture(&f);
}

/* The map of each text: what its ids look at, without the class token. */
static void maps(const char *name, const char *file)
{
    struct fixture f;
    struct ragged r;
    struct tensor *x, *map;
    const long squares = TOKENS - 1;

    if (!open_fixture(&f, name, file))
        return;
    x = features(&f);
    r = read_texts(&f, "ids", "mask");
    for (int i = 0, at = 0; i < r.texts; at += r.counts[i++]) {
        struct tensor *one = tensor_rows(&f.tape, x, (long)i * TOKENS, TOKENS);
        struct ragged some = { .texts = 1 };
        float *rows_;

        one = tensor_reshape(&f.tape, one, 3, (long[]){ 1, TOKENS, width(x) });
        rows_ = f.model->family->ground(&f.tape, f.model, one, r.ids + at, r.counts[i]);
        map = tensor_make(&f.tape, r.counts[i], squares);
        for (int k = 0; k < r.counts[i]; k++) {
            memcpy(map->data + k * squares, rows_ + k * TOKENS + 1, squares * sizeof *map->data);
            some.rows[k] = r.rows[at + k];
        }
        close_rows(&f, &some, map, "map");
    }
    close_fixture(&f);
}

/* The two halves of the encoder one after the other are the whole. */
static void halves(void)
{
    struct fixture f;
    struct ragged r;
    struct bert_input in;
    struct tensor *image, *x;

    if (!open_fixture(&f, "retrieval", "retrieval.pth"))
        return;
    image = albef_image(&f.tape, f.albef, pixels(&f));
    r = read_texts(&f, "ids", "mask");
    in = (struct bert_input){ .ids = r.ids,
                              .texts = spans_of(&f.tape, r.texts, r.counts),
                              .to = f.albef->config.text.cross_from };
    x = bert_forward(&f.tape, &f.albef->encoder, &in);
    close_rows(&f, &r, x, "text_states");
    in.states = x;
    in.from = in.to;
    in.to = 0;
    in.image = image;
    in.images = spans_even(&f.tape, 3, TOKENS);
    x = bert_forward(&f.tape, &f.albef->encoder, &in);
    x = take_rows(&f.tape, x, in.texts->start, r.texts);
    close_to(&f, albef_match(&f.tape, f.albef, x), "itm");
    close_fixture(&f);
}

static void masked_words(void)
{
    struct fixture f;
    struct ragged r;
    struct albef_pairs p;

    if (!open_fixture(&f, "pretrain", "pretrain.pth"))
        return;
    r = read_texts(&f, "masked_ids", "mask");
    p = (struct albef_pairs){ .ids = r.ids,
                              .texts = spans_of(&f.tape, r.texts, r.counts),
                              .image = albef_image(&f.tape, f.albef, pixels(&f)),
                              .images = spans_even(&f.tape, 3, TOKENS) };
    close_rows(&f, &r,
               bert_logits(&f.tape, &f.albef->encoder, albef_states(&f.tape, f.albef, &p, false)),
               "masked_logits");
    close_fixture(&f);
}

/* NLVR2's second pictures are the first ones', moved on by one. */
static void classifier(const char *name, const char *file, int classes, int images)
{
    struct fixture f;
    struct ragged r;
    struct tensor *x;

    if (!open_fixture(&f, name, file))
        return;
    ok((f.model->abilities & ~(unsigned)(VLM_GROUND | VLM_FEATURES)) == VLM_MATCH &&
           f.model->matching.classes == classes && f.model->image.per_text == images,
       "%s: %d classes, of %d pictures", name, classes, images);
    x = features(&f);
    if (images == 2) {
        static const int order[] = { 0, 2, 1, 0, 2, 1 };
        int index[6 * TOKENS];

        for (int i = 0; i < 6 * TOKENS; i++)
            index[i] = order[i / TOKENS] * TOKENS + i % TOKENS;
        x = take_rows(&f.tape, tensor_reshape(&f.tape, x, 2, (long[]){ rows(x), width(x) }), index,
                      6L * TOKENS);
        x = tensor_reshape(&f.tape, x, 3, (long[]){ 6, TOKENS, width(x) });
    }
    r = read_texts(&f, "ids", "mask");
    close_to(&f, match(&f, x, &r, NULL), "logits");
    match_alone(&f, x, &r);
    close_fixture(&f);
}

static void answerer(void)
{
    struct fixture f;
    struct ragged q, a;
    struct albef_pairs p;
    struct tensor *states;

    if (!open_fixture(&f, "vqa", "vqa.pth"))
        return;
    ok(f.model->abilities == (VLM_CAPTION | VLM_ANSWER | VLM_FEATURES), "vqa: what it can do");
    q = read_texts(&f, "ids", "mask");
    p = (struct albef_pairs){ .ids = q.ids,
                              .texts = spans_of(&f.tape, q.texts, q.counts),
                              .image = albef_image(&f.tape, f.albef, pixels(&f)),
                              .images = spans_even(&f.tape, 3, TOKENS) };
    states = albef_states(&f.tape, f.albef, &p, false);
    close_rows(&f, &q, states, "states");
    a = read_texts(&f, "answer_ids", "answer_mask");
    int first = a.counts[0] + a.counts[1], at = 0;
    struct bert_input in = { .ids = a.ids + first,
                             .texts = spans_of(&f.tape, 3, a.counts + 2),
                             .causal = true,
                             .image = states,
                             .images = p.texts };
    struct tensor *logits =
        bert_logits(&f.tape, &f.albef->decoder, bert_forward(&f.tape, &f.albef->decoder, &in));
    struct ragged some = { .texts = 3 };

    for (int i = 2; i < 5; i++)
        for (int k = 0; k < a.counts[i]; k++, at++)
            some.rows[at] = a.rows[first + at] - a.rows[first];
    close_rows(&f, &some, logits, "logits");
    close_fixture(&f);
}

static const char *const questions[] = { "what color is the dog", "how many cats",
                                         "is this a photo" };
static const char *const answers[] = {
    "red", "two", "yes no", "green tree", "a dog", "three", "no"
};

/* Answers of a list: the originals' order, and with `best_probs` their probabilities. */
static void chooser(const char *name, const char *file, const char *best, int sequences)
{
    char *path = xprintf("tests/golden/albef/%s", file);
    struct fixture f;
    struct vlm *v = vlm_open(path, NULL);
    struct vlm_answers *a = v ? vlm_answers_read(v, answers, COUNT(answers)) : NULL;
    const struct vlm_ranking how = { a, 4, sequences };
    struct vlm_ranked got[12];
    const struct stored *order, *probs;
    int tokens, width_, bad = 0;
    double worst = 0;
    float *x;

    free(path);
    if (!open_fixture(&f, name, file) || !ok(v && a, "%s: the list is read", name))
        return;
    x = vlm_image_features(v, pixels(&f)->data, 3, &tokens, &width_);
    if (!ok(!vlm_rank(v, x, 3, questions, &how, got), "%s: answers are ranked", name))
        note("%s", vlm_error());
    order = wanted(&f, best);
    probs = weights_find(f.wanted, "best_probs");
    for (int i = 0; i < 3 * sequences; i++) {
        bad += got[i].index != ((const int *)order->data)[i];
        if (probs)
            worst = fmax(worst, fabs((double)got[i].prob - ((const float *)probs->data)[i]));
    }
    ok(!bad && worst < TOLERANCE, "%s: in the original's order (%.1e)", name, worst);
    free(x);
    vlm_answers_free(a);
    vlm_close(v);
    close_fixture(&f);
}

int main(void)
{
    matcher("pretrain", "pretrain.pth");
    matcher("retrieval", "retrieval.pth");
    matcher("lavis-retrieval", "lavis-retrieval.pt");
    maps("pretrain", "pretrain.pth");
    maps("retrieval", "retrieval.pth");
    halves();
    masked_words();
    classifier("ve", "ve.pth", 3, 1);
    classifier("nlvr", "nlvr.pth", 2, 2);
    classifier("lavis-ve", "lavis-ve.pt", 3, 1);
    classifier("lavis-nlvr", "lavis-nlvr.pt", 2, 2);
    answerer();
    chooser("vqa", "vqa.pth", "best", 4);
    chooser("lavis-vqa", "lavis-vqa.pt", "first", 1);
    return done();
}
