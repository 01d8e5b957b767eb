/* SPDX-License-Identifier: MIT
 * blip2.c - tiny BLIP-2 models of every layout answer as the originals' code did
 *
 * blip2/ was made by make_blip2.py.  Sums here have some hundred terms of about 1, so float32
 * results agree to 1e-6 or so; 2e-5 absolute is asked of activations and logits, 1e-4 of the
 * largest entry of each gradient, and texts must be equal token for token.
 */
#include "base/error.h"
#include "base/memory.h"
#include "family/blip2/blip2.h"
#include "learn/learn.h"
#include "tests/golden/expect.h"

static struct tensor *features_of(struct fixture *f)
{
    struct tensor *x = f->model->family->features(&f->tape, f->model, pixels_of(f));

    close_to(f, x, "features");
    return x;
}

/* Every image beside every text: the highest of the cosines of its vectors. */
static void cosines(struct fixture *f, const struct tensor *u, const struct tensor *v)
{
    const struct stored *s = wanted(f, "itc");
    int each = f->model->embedding.per_image, texts = (int)v->shape[0];
    bool square = s->shape[1] > 1;
    float got[16];

    for (int i = 0; i < texts; i++)
        for (int j = square ? 0 : i; j < (square ? texts : i + 1); j++) {
            float most = -1;

            for (int k = 0; k < each; k++)
                most = fmaxf(most, kernels.dot(u->data + (i * each + k) * u->stride,
                                               v->data + j * v->stride, width(u)));
            got[square ? i * texts + j : i] = most;
        }
    is_close(got, s->data, stored_count(s), f->tolerance, f->tolerance, f->name);
}

static void embeddings(struct fixture *f, struct tensor *features, const struct ragged *r)
{
    const struct family *family = f->model->family;
    struct tensor *u = unit_rows(&f->tape, family->image_of(&f->tape, f->model, features));
    struct tensor *v =
        unit_rows(&f->tape, family->text(&f->tape, f->model, r->ids, r->counts, r->spans->count));

    ok(rows(u) == features->shape[0] * f->model->embedding.per_image, "%s: %d vectors an image",
       f->name, f->model->embedding.per_image);
    close_to(f, u, "image_embedding");
    close_to(f, v, "text_embedding");
    cosines(f, u, v);
}

static void matching(struct fixture *f, struct tensor *features, const struct ragged *r)
{
    static const int same[] = { 0, 1, 2 }, other[] = { 1, 1, 2 };
    const struct family *family = f->model->family;
    struct tensor *all;
    bool equal = true;

    all = family->match(&f->tape, f->model, features,
                        &(struct image_texts){ r->ids, r->counts, same, 3 });
    close_to(f, all, "itm");
    all = family->match(&f->tape, f->model, features,
                        &(struct image_texts){ r->ids, r->counts, other, 3 });
    for (int i = 0; i < 3; i++) {
        struct image_texts text = { r->ids + r->spans->start[i], r->counts + i, other + i, 1 };
        struct tensor *one = family->match(&f->tape, f->model, features, &text);

        equal = equal && !memcmp(one->data, all->data + i * all->stride, 2 * sizeof(float));
    }
    ok(equal, "%s: a text alone gives the bytes that it gives among others", f->name);
}

static void captions(struct fixture *f, struct tensor *features)
{
    const struct blip2 *b = f->model->self;
    int begin = b->config.begin;
    const struct prompt one = { .ids = &begin, .count = 1 }, prompts[3] = { one, one, one };
    struct decoding d = greedy;

    d.version = BEAM_4_29;
    d.min_length = 5;
    texts_equal(f, "greedy", features, prompts, &d, 0);
    d.beams = 3;
    d.repetition_penalty = 1.3;
    d.length_penalty = 0.5;
    d.min_length = 3;
    texts_equal(f, "beam3_other", features, prompts, &d, 0);
    d = f->model->writing.rules;
    d.end = 3;
    texts_equal(f, "beam3", features, prompts, &d, 0);
    texts_alone(f, features, prompts, &d);
    d = greedy;
    d.sample = true;
    d.min_length = 5;
    d.top_p = 0.9;
    d.top_k = 50;
    texts_sampled(f, features, prompts, d, 0);
}

/* One batch, its losses and the gradients of their sum; `grouped`: images 0 and 2 are the same. */
static void learning(struct fixture *f, struct ragged *r, const char *prefix, bool grouped)
{
    static const int64_t group[] = { 5, 9, 5 };
    const double *draws = wanted(f, "draws")->data;
    const struct pairs pairs = { 3,         wanted(f, "pixels")->data, r->ids,
                                 r->counts, grouped ? group : NULL,    NULL };
    const struct loss_options options = { .objectives =
                                              OBJECTIVE_ITC | OBJECTIVE_ITM | OBJECTIVE_ITG,
                                          .smoothing = 0.1f,
                                          .draw = next_draw,
                                          .draw_self = &draws };
    static const char *const names[LOSSES] = { "itc_loss", "itm_loss", [4] = "itg_loss" };
    struct losses losses;

    if (!ok(model_learn(&f->tape, f->model, &pairs, &options, &losses) == 0, "%s learns",
            f->name)) {
        note("%s", error_text());
        return;
    }
    for (int i = 0; i < LOSSES; i++) {
        char *name = xprintf("%s%s", prefix, names[i]);

        if (names[i])
            close_number(f, (double)losses.each[i]->data[0], name);
        free(name);
    }
    tape_backward(&f->tape, losses.total);
    char *name = xprintf("%sgrad", prefix);

    gradients_equal(f, name, 1e-4);
    free(name);
}

static void losses(struct fixture *f, struct ragged *r)
{
    struct learning *learning_of;

    model_begin_learning(f->model, NULL);
    learning_of = params_learn(&f->model->params, NULL);
    learning(f, r, "", false);
    tape_clear(&f->tape);
    learning_zero(learning_of);
    learning(f, r, "id_", true);
    tape_clear(&f->tape);
    learning_free(learning_of);
}

static void stage1(const char *name, const char *file, bool writes)
{
    struct fixture f;
    struct ragged r;

    if (!fixture_open(&f, name, "blip2", file, NULL))
        return;
    struct tensor *features = features_of(&f);

    ragged_read(&f, &r, "", -1);
    embeddings(&f, features, &r);
    matching(&f, features, &r);
    if (writes)
        captions(&f, features);
    ok(f.tape.count == 0, "%s: nothing is remembered", name);
    if (weights_find(f.wanted, "itc_loss"))
        losses(&f, &r);
    fixture_close(&f);
}

/* The second stage's loss behind a prompt of `prompt` ids, and its gradients. */
static void speech(struct fixture *f, bool opt, int prompt)
{
    struct loss_options options = { .objectives = OBJECTIVE_LM, .prompt = prompt };
    struct learning *learning_of;
    struct losses losses;
    struct ragged r;

    ragged_read(f, &r, "text_", -1);
    if (opt)
        f->model->writing.rules.end = 202;
    model_begin_learning(f->model, NULL);
    learning_of = params_learn(&f->model->params, NULL);
    const struct pairs pairs = { 3, wanted(f, "pixels")->data, r.ids, r.counts, NULL, NULL };

    if (ok(model_learn(&f->tape, f->model, &pairs, &options, &losses) == 0, "%s learns", f->name)) {
        close_number(f, (double)losses.each[LOSS_LM]->data[0], "lm_loss");
        tape_backward(&f->tape, losses.total);
        gradients_equal(f, "grad", 1e-4);
    } else {
        note("%s", error_text());
    }
    learning_free(learning_of);
}

/* Item i's text is the fixture's ids i. */
static void stage2(const char *name, const char *file, bool original, bool opt)
{
    struct fixture f;
    struct ragged r;
    struct prompt prompts[3];
    struct decoding d = greedy;
    int skip = original && opt ? 0 : 1;

    if (!fixture_open(&f, name, "blip2", file, NULL))
        return;
    struct blip2 *b = f.model->self;
    struct tensor *features = features_of(&f);

    if (weights_find(f.wanted, "prefix")) {
        struct tensor *rows_of =
            tensor_reshape(&f.tape, features, 2, (long[]){ rows(features), width(features) });

        close_to(&f,
                 blip2_pictures(&f.tape, b,
                                blip2_queries(&f.tape, b, rows_of, spans_even(&f.tape, 3, 5))),
                 "prefix");
    }
    ragged_read(&f, &r, "", -1);
    for (int i = 0; i < 3; i++)
        prompts[i] = (struct prompt){ r.ids + r.spans->start[i], r.counts[i], 0, NULL, 0 };
    d.version = original ? BEAM_4_29 : BEAM_4_50;
    d.end = opt ? 202 : 1;
    d.min_length = original;
    d.max_length = 12 + skip;
    texts_equal(&f, "greedy", features, prompts, &d, skip);
    d.beams = 3;
    d.max_length = 14 + skip;
    d.min_length = original ? 3 : 4;
    texts_equal(&f, "beam3", features, prompts, &d, skip);
    texts_alone(&f, features, prompts, &d);
    d.max_length = 10 + skip;
    d.min_length = original;
    d.repetition_penalty = 1.4;
    d.length_penalty = -0.5;
    texts_equal(&f, "beam3_other", features, prompts, &d, skip);
    if (original) {
        d.repetition_penalty = 1;
        d.length_penalty = opt ? 0 : -1;
        d.max_length = 9;
        texts_equal(&f, "answers", features, prompts, &d, skip);
        d = greedy;
        d.sample = true;
        d.end = opt ? 202 : 1;
        d.top_p = 0.8;
        d.top_k = 50;
        d.temperature = 0.9;
        d.min_length = 1;
        d.max_length = 10 + skip;
        texts_sampled(&f, features, prompts, d, skip);
    }
    ok(f.tape.count == 0, "%s: nothing is remembered", name);
    if (original)
        speech(&f, opt, *(const int *)wanted(&f, "prompt_length")->data);
    fixture_close(&f);
}

/* Blip2VisionModelWithProjection: hf-itm without words */
static void wordless(void)
{
    struct fixture f;

    if (!fixture_open(&f, "hf-itm", "blip2", "hf-vision", NULL))
        return;
    ok(f.model->abilities == (VLM_EMBED_IMAGE | VLM_FEATURES), "hf-vision: embeds images alone");
    close_to(&f, unit_rows(&f.tape, f.model->family->image_of(&f.tape, f.model, features_of(&f))),
             "image_embedding");
    fixture_close(&f);
}

static void refusals(void)
{
    const struct vlm_options elsewhere = { .vision = "tests/golden/blip/vocab.txt" };

    ok(!model_load("tests/golden/blip2/stage1/blip2_pretrained.pth", &elsewhere),
       "a tower that is none is refused: %s", error_text());
}

int main(void)
{
    stage1("stage1", "stage1/blip2_pretrained.pth", true);
    stage1("vitL", "vitL.pth", true);
    stage1("hf-itm", "hf-itm", false);
    stage2("opt", "opt/blip2.pth", true, true);
    stage2("t5", "t5/blip2.pth", true, false);
    stage2("hf-opt", "hf-opt", false, true);
    stage2("hf-t5", "hf-t5", false, false);
    wordless();
    refusals();
    return done();
}
