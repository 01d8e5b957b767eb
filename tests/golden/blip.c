/* SPDX-License-Identifier: MIT
 * blip.c - tiny BLIP models of every layout answer as the originals' code did
 *
 * blip/ was made by make_blip.py.  Sums here have some hundred terms of about 1, so float32 results
 * agree to 1e-6 or so; 2e-5 absolute is asked of activations and logits, 1e-4 of the largest entry
 * of each gradient, and captions must be equal token for token.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"
#include "text/text.h"
#include "family/blip/files.h"
#include "decode/writer.h"
#include "op/op.h"
#include "tests/unit/tap.h"
#include "vlm.h"

static const double TOLERANCE = 2e-5, GRADIENT = 1e-4;

struct fixture {
    const char *name;
    struct weights *weights, *wanted;
    struct arena memory;
    struct params params;
    const struct layout *layout;
    struct blip model;
    struct tape tape;
};

static const struct stored *wanted(const struct fixture *f, const char *name)
{
    const struct stored *s = weights_find(f->wanted, name);

    if (!s)
        note("%s: no %s in the expectations", f->name, name);
    return s;
}

static bool open_fixture(struct fixture *f, const char *name, const char *file)
{
    char *path = xprintf("tests/golden/blip/%s", file);
    char *answers = xprintf("tests/golden/blip/%s.expect.safetensors", name);
    char *config = xprintf("%s/config.json", path);
    struct blip_config c;
    int status;

    *f = (struct fixture){ .name = name };
    f->weights = weights_open(path);
    f->wanted = weights_open(answers);
    if (f->weights && f->wanted && path_is_folder(path)) {
        cJSON *root = json_read(config);

        status = blip_config_hf(root, f->weights, &c);
        f->layout = c.contrastive ? &blip_layout_hf_pooled : &blip_layout_hf;
        cJSON_Delete(root);
    } else {
        f->layout = &blip_layout_original;
        status = f->weights && f->wanted ? blip_config_original(f->weights, &c) : -1;
    }
    if (!status) {
        blip_init(&f->model, &c);
        blip_params(&f->model, &f->params);
        status = params_bind(&f->params, f->weights, f->layout, blip_ignored, &f->memory);
    }
    if (!ok(!status, "%s opens", name))
        note("%s", error_text());
    free(path);
    free(answers);
    free(config);
    return !status;
}

static void close_fixture(struct fixture *f)
{
    blip_close(&f->model);
    params_free(&f->params);
    tape_free(&f->tape);
    arena_free(&f->memory);
    weights_close(f->weights);
    weights_close(f->wanted);
}

static void close_to(const struct fixture *f, const struct tensor *got, const char *name)
{
    const struct stored *s = wanted(f, name);
    char *label = xprintf("%s: %s", f->name, name);

    if (s && ok(tensor_count(got) ==
                    s->shape[0] * (s->rank > 1 ? s->shape[1] : 1) * (s->rank > 2 ? s->shape[2] : 1),
                "%s: as many numbers", label))
        is_close(got->data, s->data, tensor_count(got), TOLERANCE, TOLERANCE, label);
    free(label);
}

static struct tensor *pixels(struct fixture *f)
{
    const struct stored *s = wanted(f, "pixels");

    return tensor_from(&f->tape, (float *)(uintptr_t)s->data, 4, s->shape);
}

/* What the text side looks at. */
static struct tensor *image_of(struct fixture *f)
{
    return blip_bridge(&f->tape, &f->model, blip_features(&f->tape, &f->model, pixels(f)));
}

/* The padded ids of the fixture as ragged rows; ids[0] of each is replaced by `first` unless < 0.
 */
struct ragged {
    int ids[256], rows[256]; /* rows: where each stands in the padded form */
    const struct spans *spans;
};

static void read_texts(struct fixture *f, struct ragged *r, int first)
{
    const struct stored *ids = wanted(f, "ids"), *mask = wanted(f, "mask");
    const int *id = ids->data, *seen = mask->data;
    int lengths[8] = { 0 }, n = 0;

    for (long i = 0; i < ids->shape[0]; i++) {
        for (long k = 0; k < ids->shape[1]; k++) {
            long at = i * ids->shape[1] + k;

            if (!seen[at])
                continue;
            r->ids[n] = k == 0 && first >= 0 ? first : id[at];
            r->rows[n++] = (int)at;
            lengths[i]++;
        }
    }
    r->spans = spans_of(&f->tape, (int)ids->shape[0], lengths);
}

static void close_rows(const struct fixture *f, const struct ragged *r, const struct tensor *got,
                       const char *name)
{
    const struct stored *s = wanted(f, name);
    float *list = xalloc((size_t)tensor_count(got), sizeof *list);

    for (long i = 0; i < rows(got); i++)
        memcpy(list + i * width(got), (const float *)s->data + r->rows[i] * width(got),
               (size_t)width(got) * sizeof *list);
    is_close(got->data, list, tensor_count(got), TOLERANCE, TOLERANCE, name);
    free(list);
}

/* The largest entry of all gradients: what a thousandth of it is lost to rounding is judged by. */
static double largest_gradient(const struct fixture *f, const char *prefix)
{
    double size = 0;

    for (int i = 0; i < weights_count(f->wanted); i++) {
        const struct stored *s = weights_at(f->wanted, i);

        if (strncmp(s->name, prefix, strlen(prefix)))
            continue;
        for (size_t k = 0; k < s->bytes / sizeof(float); k++)
            size = fmax(size, fabs((double)((const float *)s->data)[k]));
    }
    return size;
}

/* Largest difference over the largest entry, or over `least`: the gradient of a key's bias is zero
 * but for rounding. */
static double difference(const float *got, const float *want, long count, double least)
{
    double d = 0;

    for (long k = 0; k < count; k++) {
        least = fmax(least, fabs((double)want[k]));
        d = fmax(d, fabs((double)got[k] - want[k]));
    }
    return d / least;
}

/* Every parameter's gradient against PREFIX.THEIR_NAME; one that is not there must be zero. */
static void gradients(struct fixture *f, const char *prefix)
{
    double worst = 0, least = 1e-3 * largest_gradient(f, prefix);
    int compared = 0, missing = 0;
    char *where = NULL;

    for (int i = 0; i < f->params.count; i++) {
        struct param *p = &f->params.list[i];
        struct place place;
        const struct stored *s;
        char *name;
        double d;
        long count;

        if (!*p->slot) /* the temperature of a checkpoint that is not for learning */
            continue;
        count = tensor_count(*p->slot);
        layout_place(f->layout, p->name, &place);
        name = xprintf("%s.%s", prefix, place.name);
        s = weights_find(f->wanted, name);
        free(name);
        if (!s) {
            float *zero = xalloc((size_t)count, sizeof *zero);

            missing += worst_difference((*p->slot)->grad, zero, count) > 0;
            free(zero);
            continue;
        }
        compared++;
        d = difference((*p->slot)->grad, (const float *)s->data + place.part * count, count, least);
        if (d > worst) {
            worst = d;
            where = p->name;
        }
    }
    ok(compared > 20 && worst <= GRADIENT, "%s: %d gradients of %s, worst %.2g at %s", f->name,
       compared, prefix, worst, where);
    ok(!missing, "%s: no gradient where the original has none", f->name);
}

static void close_number(const struct fixture *f, double got, const char *name)
{
    double want = (double)*(const float *)wanted(f, name)->data;

    if (!ok(fabs(got - want) <= 1e-5 * fabs(want) + 1e-6, "%s: %s", f->name, name))
        note("got %.9g, expected %.9g", got, want);
}

static double next_draw(void *from)
{
    const double **at = from;

    return *(*at)++;
}

static void captions(struct fixture *f, const char *name, const struct decoding *rules,
                     const int *ids, int count, struct tensor *states, const struct spans *spans)
{
    const struct stored *s = wanted(f, name);
    struct prompt prompts[8];
    struct hypothesis out[8];
    struct writer w;
    int bad = 0, items = (int)s->shape[0];

    writer_open(&w, &f->model.decoder, states, spans, rules);
    for (int i = 0; i < items; i++)
        prompts[i] = (struct prompt){ .ids = ids, .count = count };
    if (!ok(decode(&w.language, rules, prompts, items, out) == 0, "%s: %s is written", f->name,
            name))
        return;
    for (int i = 0; i < items; i++) {
        const int *want = (const int *)s->data + i * s->shape[1];
        int length = 0;

        while (length < s->shape[1] && want[length] >= 0)
            length++;
        bad += length != out[i].count || memcmp(want, out[i].ids, (size_t)length * sizeof *want);
        free(out[i].ids);
    }
    ok(!bad, "%s: %s, token for token", f->name, name);
    writer_close(&w);
}

/* What is written of an image, bytes of the scores included, alone and among others. */
static void captions_alone(struct fixture *f, const struct decoding *rules, const int *ids,
                           int count, struct tensor *states)
{
    const struct prompt one_prompt = { .ids = ids, .count = count };
    const struct prompt prompts[3] = { one_prompt, one_prompt, one_prompt };
    struct hypothesis all[3], one;
    struct writer w;
    int bad = 0;

    writer_open(&w, &f->model.decoder, states, spans_even(&f->tape, 3, 5), rules);
    bad += decode(&w.language, rules, prompts, 3, all) != 0;
    writer_close(&w);
    for (int i = 0; i < 3 && !bad; i++) {
        writer_open(&w, &f->model.decoder, tensor_rows(&f->tape, states, 5L * i, 5),
                    spans_even(&f->tape, 1, 5), rules);
        bad += decode(&w.language, rules, prompts, 1, &one) != 0;
        writer_close(&w);
        bad += one.count != all[i].count || one.score != all[i].score ||
               one.logprob != all[i].logprob ||
               memcmp(one.ids, all[i].ids, (size_t)one.count * sizeof *one.ids);
        free(one.ids);
        free(all[i].ids);
    }
    ok(!bad, "%s: %d beams, an image alone gives the bytes that it gives among others", f->name,
       rules->beams);
}

/* Image i draws the fixture's numbers from number i on. */
static void sampled(struct fixture *f, struct decoding *rules, const int *ids, int count,
                    struct tensor *states)
{
    const struct stored *s = wanted(f, "sampled"), *numbers = wanted(f, "draws");
    int bad = 0;

    for (int i = 0; i < s->shape[0]; i++) {
        const int *want = (const int *)s->data + i * s->shape[1];
        const double *at = (const double *)numbers->data + i;
        struct tensor *one = tensor_from(&f->tape, states->data + i * 5 * states->stride, 2,
                                         (long[]){ 5, width(states) });
        struct hypothesis out;
        struct writer w;
        int length = 0;

        rules->draw = next_draw;
        rules->draw_from = &at;
        writer_open(&w, &f->model.decoder, one, spans_even(&f->tape, 1, 5), rules);
        if (decode(&w.language, rules, &(struct prompt){ .ids = ids, .count = count }, 1, &out))
            note("%s", error_text());
        while (length < s->shape[1] && want[length] >= 0)
            length++;
        bad += length != out.count || memcmp(want, out.ids, (size_t)length * sizeof *want);
        free(out.ids);
        writer_close(&w);
    }
    ok(!bad, "%s: sampled with the same numbers, token for token", f->name);
}

static const struct decoding greedy = {
    .beams = 1,
    .sequences = 1,
    .top_p = 1,
    .temperature = 1,
    .repetition_penalty = 1,
    .length_penalty = 1,
    .max_length = 20,
    .end = 3,
};

static void captioner(const char *name, const char *file, bool original)
{
    struct fixture f;
    struct ragged r;
    struct learning *learning;
    struct decoding d = greedy;
    int targets[256], prompt[4] = { 0 }, prompt_length = original ? 4 : 1;

    if (!open_fixture(&f, name, file))
        return;
    struct tensor *image = image_of(&f);
    const struct spans *images = spans_even(&f.tape, 3, 5);

    close_to(&f, image, "features");
    read_texts(&f, &r, -1);
    close_rows(&f, &r, blip_decode(&f.tape, &f.model, image, images, r.ids, r.spans), "logits");
    ok(f.tape.count == 0, "%s: nothing is remembered", name);

    memcpy(prompt, r.ids, sizeof prompt);
    d.min_length = original ? 5 : 0;
    d.version = original ? BEAM_4_26 : BEAM_4_50;
    captions(&f, "greedy", &d, prompt, prompt_length, image, images);
    d.beams = 3;
    captions(&f, "beam3", &d, prompt, prompt_length, image, images);
    captions_alone(&f, &d, prompt, prompt_length, image);
    d.repetition_penalty = original ? 1.1 : 1.2;
    d.min_length = original ? 10 : 8;
    d.max_length = original ? 30 : 20;
    d.length_penalty = original ? 1 : 1.5;
    captions(&f, original ? "beam3_long" : "beam3_min", &d, prompt, prompt_length, image, images);
    d = greedy;
    d.sample = true;
    d.top_p = 0.9;
    d.top_k = 50;
    d.min_length = original ? 5 : 0;
    d.repetition_penalty = original ? 1.1 : 1;
    sampled(&f, &d, prompt, prompt_length, image);

    learning = params_learn(&f.params, "");
    learning_zero(learning);
    image = image_of(&f);
    images = spans_even(&f.tape, 3, 5);
    for (int i = 0; i < 3; i++)
        for (int k = r.spans->start[i]; k < r.spans->start[i + 1]; k++)
            targets[k] =
                k + 1 < r.spans->start[i + 1] && k + 1 - r.spans->start[i] >= (original ? 4 : 0)
                    ? r.ids[k + 1]
                    : -1;
    struct tensor *loss =
        cross_entropy(&f.tape, blip_decode(&f.tape, &f.model, image, images, r.ids, r.spans),
                      targets, original ? 0.1f : 0);

    close_number(&f, (double)loss->data[0], "loss");
    tape_backward(&f.tape, loss);
    gradients(&f, "grad");
    learning_free(learning);
    close_fixture(&f);
}

/* Logits of a text: alone, or among others that look at the same image or at another. */
static void match_alone(struct fixture *f, struct tensor *image, const struct ragged *r)
{
    static const int image_of[] = { 1, 1, 2 };
    const struct spans *images = spans_even(&f->tape, 3, 5);
    struct tensor *all = blip_match(&f->tape, &f->model, image, images, r->ids, r->spans, image_of);
    bool same = true;

    for (int i = 0; i < 3; i++) {
        int length = r->spans->start[i + 1] - r->spans->start[i];
        struct tensor *one =
            blip_match(&f->tape, &f->model, image, images, r->ids + r->spans->start[i],
                       spans_of(&f->tape, 1, &length), image_of + i);

        same = same && !memcmp(one->data, all->data + i * all->stride, 2 * sizeof(float));
    }
    ok(same, "%s: a text alone gives the bytes that it gives among others", f->name);
}

static void matcher(const char *name, const char *file, bool original)
{
    struct fixture f;
    struct ragged cls, enc, both;
    struct learning *learning;

    if (!open_fixture(&f, name, file))
        return;
    struct tensor *image = image_of(&f), *u, *v;
    const struct spans *images = spans_even(&f.tape, 3, 5);

    close_to(&f, image, "features");
    read_texts(&f, &cls, -1);
    read_texts(&f, &enc, f.model.config.encode);
    u = blip_image_embedding(&f.tape, &f.model, image, 3);
    v = blip_text_embedding(&f.tape, &f.model, cls.ids, cls.spans);
    close_to(&f, matmul_transposed(&f.tape, u, v), "itc");
    close_to(&f, blip_match(&f.tape, &f.model, image, images, cls.ids, cls.spans, NULL), "itm_cls");
    match_alone(&f, image, &cls);
    if (!original) {
        close_fixture(&f);
        return;
    }
    close_to(&f, u, "image_embedding");
    close_to(&f, v, "text_embedding");
    close_to(&f, blip_match(&f.tape, &f.model, image, images, enc.ids, enc.spans, NULL), "itm_enc");

    learning = params_learn(&f.params, "");
    learning_zero(learning);
    image = image_of(&f);
    u = blip_image_embedding(&f.tape, &f.model, image, 3);
    v = blip_text_embedding(&f.tape, &f.model, cls.ids, cls.spans);
    struct tensor *scale = tensor_make(&f.tape, 1);

    scale->data[0] = logf(1 / 0.07f);
    struct tensor *loss = contrastive(&f.tape, u, v, scale);

    close_number(&f, (double)loss->data[0], "itc_loss");
    tape_backward(&f.tape, loss);
    gradients(&f, "itc_grad");

    tape_clear(&f.tape);
    learning_zero(learning);
    read_texts(&f, &enc, f.model.config.encode);
    image = image_of(&f);
    int n = enc.spans->start[3], lengths[6];

    for (int i = 0; i < 6; i++)
        lengths[i] = enc.spans->start[i % 3 + 1] - enc.spans->start[i % 3];
    memcpy(both.ids, enc.ids, (size_t)n * sizeof *both.ids);
    memcpy(both.ids + n, enc.ids, (size_t)n * sizeof *both.ids);
    loss = blip_match(&f.tape, &f.model, image, spans_even(&f.tape, 3, 5), both.ids,
                      spans_of(&f.tape, 6, lengths), (int[]){ 0, 1, 2, 2, 0, 1 });
    loss = cross_entropy(&f.tape, loss, (int[]){ 1, 1, 1, 0, 0, 0 }, 0);
    close_number(&f, (double)loss->data[0], "itm_loss");
    tape_backward(&f.tape, loss);
    gradients(&f, "itm_grad");
    learning_free(learning);
    close_fixture(&f);
}

static void answerer(const char *name, const char *file, bool original)
{
    struct fixture f;
    struct ragged r;
    struct decoding d = greedy;

    if (!open_fixture(&f, name, file))
        return;
    ok(f.model.config.answers, "%s: is seen to answer questions", name);
    struct tensor *image = image_of(&f), *states;

    /* Hugging Face leaves [CLS] where the original writes [ENC] */
    read_texts(&f, &r, original ? f.model.config.encode : -1);
    states = blip_questions(&f.tape, &f.model, image, spans_even(&f.tape, 3, 5), r.ids, r.spans);
    d.beams = 3;
    d.min_length = original ? 1 : 0;
    d.max_length = 10;
    d.version = original ? BEAM_4_26 : BEAM_4_50;
    captions(&f, "answers", &d, &f.model.config.begin, 1, states, r.spans);
    close_fixture(&f);
}

static void pooled(void)
{
    struct fixture f;
    struct ragged r;

    if (!open_fixture(&f, "hf-pooled", "hf-pooled"))
        return;
    struct tensor *image = image_of(&f);

    read_texts(&f, &r, -1);
    close_to(&f, blip_image_embedding(&f.tape, &f.model, image, 3), "image_embedding");
    close_to(&f, blip_text_embedding(&f.tape, &f.model, r.ids, r.spans), "text_embedding");
    close_fixture(&f);
}

static void pretrained(void)
{
    struct fixture f;
    struct ragged enc, dec;

    if (!open_fixture(&f, "pretrain", "pretrain.pth"))
        return;
    ok(f.model.config.match && f.model.config.decoder && !f.model.config.answers,
       "pretrain: has all three roles");
    struct tensor *image = image_of(&f);
    const struct spans *images = spans_even(&f.tape, 3, 5);

    read_texts(&f, &enc, f.model.config.encode);
    close_to(&f, blip_match(&f.tape, &f.model, image, images, enc.ids, enc.spans, NULL), "itm_enc");
    read_texts(&f, &dec, f.model.config.begin);
    close_rows(&f, &dec, blip_decode(&f.tape, &f.model, image, images, dec.ids, dec.spans),
               "logits");
    close_fixture(&f);
}

/* From pixels to texts by the public calls: the same captions, which end where [SEP] was written.
 */
static void spoken(void)
{
    struct vlm *v = vlm_open("tests/golden/blip/caption.pth", NULL);
    struct weights *w = weights_open("tests/golden/blip/caption.expect.safetensors");
    struct tokenizer *t = tokenizer_bert("tests/golden/blip/vocab.txt", CLEAN_OPENAI);
    const struct vlm_writing how = { .length_penalty = NAN };
    const struct stored *s = weights_find(w, "beam3");
    struct vlm_text out[3];
    int tokens, width, bad = 0;
    float *features = vlm_image_features(v, weights_find(w, "pixels")->data, 3, &tokens, &width);

    ok(vlm_write(v, features, 3, NULL, NULL, &how, out) == 0, "captions are written");
    for (int i = 0; i < 3; i++) {
        const int *ids = (const int *)s->data + i * s->shape[1];
        int count = 0;
        char *want;

        while (count < s->shape[1] && ids[count] >= 0)
            count++;
        want = tokenizer_decode(t, ids + 1, count - 1);
        bad += strncmp(want, "a picture of ", 13) || strcmp(want + 13, out[i].text);
        free(want);
        free(out[i].text);
    }
    ok(!bad, "the captions of the original, from its file alone");
    free(features);
    tokenizer_close(t);
    weights_close(w);
    vlm_close(v);
}

int main(void)
{
    captioner("caption", "caption.pth", true);
    captioner("hf-caption", "hf-caption", false);
    matcher("itm", "itm.pth", true);
    matcher("hf-itm", "hf-itm", false);
    answerer("vqa", "vqa.pth", true);
    answerer("hf-vqa", "hf-vqa", false);
    pretrained();
    pooled();
    spoken();
    return done();
}
