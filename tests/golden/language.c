/* SPDX-License-Identifier: MIT
 * language.c - tiny OPT and T5 models answer as transformers' code does
 *
 * language/ was made by make_language.py.  Numbers of the weights are those of f16 and bf16, sums
 * are in float32 on both sides: some tens of terms, states up to 30.  So 1e-5 of the number and
 * 5e-5 are asked of activations and logits, 1e-4 of the largest entry of a gradient; captions must
 * be equal token for token.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "decode/language.h"
#include "checkpoint/layout.h"
#include "tests/unit/tap.h"

#define FOLDER "tests/golden/language/"
enum { EACH = 3, ITEMS = 2 };

struct fixture {
    const char *name;
    struct weights *weights, *wanted;
    struct arena memory;
    struct params params;
    struct opt opt;
    struct t5 t5;
    struct tape tape;
    struct tensor *pictures;
};

static const struct section opt_sections[] = {
    { "block.*.", "model.decoder.layers.*.", layout_opt_block },
    { "", "model.decoder.", layout_opt },
    { 0 },
};
static const struct section t5_sections[] = {
    { "encoder.layer.*.", "encoder.block.*.", layout_t5_encoder_layer },
    { "decoder.layer.*.", "decoder.block.*.", layout_t5_decoder_layer },
    { "encoder.", "encoder.", layout_t5_stack },
    { "decoder.", "decoder.", layout_t5_stack },
    { "", "", layout_t5 },
    { 0 },
};
static const struct layout opt_layout = { .name = "OPT", .sections = opt_sections };
static const struct layout t5_layout = { .name = "T5", .sections = t5_sections };

/* As f says, with gradients wanted of the rows of pictures alone. */
static bool open_fixture(struct fixture *f, const char *name, const struct layout *layout)
{
    static const char *const none[] = { NULL };
    char *path = xprintf(FOLDER "%s.safetensors", name);
    char *answers = xprintf(FOLDER "%s.expect.safetensors", name);
    const struct stored *pictures;
    long count;

    f->name = name;
    f->weights = weights_open(path);
    f->wanted = weights_open(answers);
    free(path);
    free(answers);
    if (!ok(f->weights && f->wanted &&
                !params_bind(&f->params, f->weights, layout, none, &f->memory),
            "%s opens", name)) {
        note("%s", error_text());
        return false;
    }
    pictures = weights_find(f->wanted, "pictures");
    count = stored_count(pictures);
    f->pictures = arena_alloc(&f->memory, sizeof *f->pictures);
    *f->pictures = (struct tensor){ .rank = 2,
                                    .shape = { ITEMS * EACH, pictures->shape[2] },
                                    .stride = pictures->shape[2] };
    f->pictures->data = (float *)(uintptr_t)pictures->data;
    f->pictures->grad = arena_alloc(&f->memory, (size_t)count * sizeof(float));
    return true;
}

static bool open_opt(struct fixture *f)
{
    static const struct opt_config config = {
        .vocabulary = 40, .positions = 30, .width = 16, .mlp = 24, .layers = 2, .heads = 2
    };

    *f = (struct fixture){ 0 };
    opt_init(&f->opt, &config);
    opt_params(&f->opt, &f->params);
    return open_fixture(f, "opt", &opt_layout);
}

static bool open_t5(struct fixture *f, enum activation act)
{
    const struct t5_config config = {
        .vocabulary = 40,
        .width = 16,
        .mlp = 20,
        .head_width = 6,
        .layers = 2,
        .decoder_layers = 2,
        .heads = 2,
        .buckets = 8,
        .distance = 16,
        .eps = 1e-6f,
        .activation = act,
    };

    *f = (struct fixture){ 0 };
    t5_init(&f->t5, &config);
    t5_params(&f->t5, &f->params);
    return open_fixture(f, "t5", &t5_layout);
}

static void close_fixture(struct fixture *f)
{
    opt_close(&f->opt);
    t5_close(&f->t5);
    params_free(&f->params);
    tape_free(&f->tape);
    arena_free(&f->memory);
    weights_close(f->weights);
    weights_close(f->wanted);
}

static const struct stored *wanted(const struct fixture *f, const char *act, const char *name)
{
    char *full = xprintf("%s%s%s", act, *act ? "." : "", name);
    const struct stored *s = weights_find(f->wanted, full);

    free(full);
    return s;
}

static void close_to(const struct fixture *f, const float *got, long count, const char *act,
                     const char *name)
{
    const struct stored *s = wanted(f, act, name);
    char *label = xprintf("%s %s %s", f->name, act, name);

    if (ok(s && stored_count(s) == count, "%s: as many numbers", label))
        is_close(got, s->data, count, 5e-5, 1e-5, label);
    free(label);
}

struct padded {
    int ids[64], counts[ITEMS], total;
};

/* Rows padded with -1, one after the other. */
static struct padded read_ids(const struct fixture *f, const char *act, const char *name)
{
    const struct stored *s = wanted(f, act, name);
    const int *from = s->data;
    struct padded p = { .total = 0 };

    for (int i = 0; i < ITEMS; i++)
        for (int k = 0; k < s->shape[1]; k++)
            if (from[i * s->shape[1] + k] >= 0) {
                p.ids[p.total++] = from[i * s->shape[1] + k];
                p.counts[i]++;
            }
    return p;
}

static struct language_texts texts_of(const struct padded *p)
{
    return (struct language_texts){ p->ids, p->counts, ITEMS };
}

/* Of the whole trail, and its loss. */
static void is_learnt(struct fixture *f, struct tensor *loss, const char *act, const char *name)
{
    const struct stored *gradient;
    char *full = xprintf("%s.gradient", name);
    size_t bytes = (size_t)tensor_count(f->pictures) * sizeof(float);

    close_to(f, loss->data, 1, act, name);
    memset(f->pictures->grad, 0, bytes);
    tape_backward(&f->tape, loss);
    gradient = wanted(f, act, full);
    ok(worst_difference(f->pictures->grad, gradient->data, tensor_count(f->pictures)) < 1e-4,
       "%s %s: gradient of the pictures' rows", f->name, full);
    for (int i = 0; i < f->params.count; i++)
        if (wants(*f->params.list[i].slot))
            ok(false, "%s wants a gradient", f->params.list[i].name);
    f->pictures->needs_grad = false;
    tape_clear(&f->tape);
    free(full);
}

/* What all texts at once gave: logits of spans of rows, `before` of them the picture's. */
struct at_once {
    const struct tensor *logits;
    const struct spans *spans;
    int before;
};

/* The same texts again, id by id, but for the first two: logits of the last row each.  A text has
 * `rows` of the cache. */
static void is_fed(struct fixture *f, const struct language_model *m, int rows,
                   const struct padded *texts, const struct at_once *all)
{
    float *got = xalloc((size_t)m->vocabulary * ITEMS, sizeof *got), worst = 0;
    int row[ITEMS], start = 0;

    for (int i = 0; i < ITEMS; i++) {
        for (int k = 0, n; k < texts->counts[i]; k += n) {
            const float *want =
                all->logits->data +
                (all->spans->start[i] + all->before + (k ? k : 1)) * (long)m->vocabulary;

            n = k ? 1 : 2;
            row[0] = i * rows;
            m->feed(m->self, 1, row, &n, texts->ids + start + k, got);
            worst = fmaxf(worst, (float)worst_difference(got, want, m->vocabulary));
        }
        start += texts->counts[i];
    }
    ok(worst < 1e-5, "%s: id by id as all at once (%g)", f->name, (double)worst);
    free(got);
}

static void is_written(const struct fixture *f, const struct language_model *m,
                       const struct decoding *d, const struct prompt *prompts, const char *act,
                       const char *name)
{
    struct padded want = read_ids(f, act, name);
    struct hypothesis out[ITEMS] = { 0 };
    int at = 0;

    ok(decode(m, d, prompts, ITEMS, out) == 0, "%s %s %s", f->name, act, name);
    for (int i = 0; i < ITEMS; i++) {
        int skip = prompts[i].count, count = out[i].count - skip;

        if (!ok(count == want.counts[i] &&
                    !memcmp(out[i].ids + skip, want.ids + at, (size_t)count * sizeof(int)),
                "%s %s %s: text %d", f->name, act, name, i))
            for (int k = 0; k < count; k++)
                note("%d", out[i].ids[skip + k]);
        at += want.counts[i];
        free(out[i].ids);
    }
}

static struct decoding rules(int beams, int end, double penalty)
{
    return (struct decoding){ .beams = beams,
                              .sequences = 1,
                              .top_p = 1,
                              .temperature = 1,
                              .repetition_penalty = 1,
                              .length_penalty = penalty,
                              .end = end,
                              .version = BEAM_4_50 };
}

/* Lengths count a prompt, and here the items' differ: one at a time. */
static void test_opt_written(struct fixture *f, const struct padded *texts, int beams,
                             const char *name)
{
    const struct padded all = read_ids(f, "", name);
    int start = 0, at = 0;

    for (int i = 0; i < ITEMS; i++) {
        struct decoding d = rules(beams, 7, 1);
        struct prompt prompt = { .ids = texts->ids + start, .count = texts->counts[i] };
        struct opt_writer w;
        struct hypothesis out = { 0 };

        d.max_length = prompt.count + 9;
        opt_writer_open(&w, &f->opt, tensor_rows(&f->tape, f->pictures, i * EACH, EACH), EACH, 1,
                        &d);
        ok(decode(&w.language, &d, &prompt, 1, &out) == 0 &&
               out.count - prompt.count == all.counts[i] &&
               !memcmp(out.ids + prompt.count, all.ids + at, (size_t)all.counts[i] * sizeof(int)),
           "opt %s: text %d", name, i);
        opt_writer_close(&w);
        free(out.ids);
        start += texts->counts[i];
        at += all.counts[i];
    }
}

/* Two items at once write what each writes alone. */
static void test_opt_together(struct fixture *f)
{
    struct decoding d = rules(3, 7, 1);
    static const int ids[] = { 2, 17 };
    const struct prompt each = { .ids = ids, .count = 2 }, prompts[ITEMS] = { each, each };
    struct hypothesis both[ITEMS] = { 0 };
    struct opt_writer w;

    d.max_length = 12;
    opt_writer_open(&w, &f->opt, f->pictures, EACH, ITEMS, &d);
    ok(!decode(&w.language, &d, prompts, ITEMS, both), "opt: two items at once");
    opt_writer_close(&w);
    for (int i = 0; i < ITEMS; i++) {
        struct hypothesis one = { 0 };

        opt_writer_open(&w, &f->opt, tensor_rows(&f->tape, f->pictures, i * EACH, EACH), EACH, 1,
                        &d);
        decode(&w.language, &d, prompts, 1, &one);
        ok(one.count == both[i].count && one.score == both[i].score &&
               !memcmp(one.ids, both[i].ids, (size_t)one.count * sizeof *one.ids),
           "opt: item %d writes the same alone", i);
        opt_writer_close(&w);
        free(one.ids);
        free(both[i].ids);
    }
}

static void test_opt(void)
{
    struct fixture f;
    struct padded texts;
    struct language_texts list;
    struct opt_input in = { 0 };
    struct tensor *logits, *words;
    struct decoding d = rules(2, 7, 1);
    struct opt_writer w;
    int rows[64], n = 0;

    if (!open_opt(&f))
        return;
    texts = read_ids(&f, "", "ids");
    list = texts_of(&texts);
    words = opt_words(&f.tape, &f.opt, texts.ids, texts.total);
    in.x = join_rows(&f.tape, f.pictures, words, texts.counts, ITEMS, &in.texts);
    logits = opt_logits(&f.tape, &f.opt, opt_forward(&f.tape, &f.opt, &in));
    close_to(&f, logits->data, tensor_count(logits), "", "logits");
    d.max_length = 12;
    opt_writer_open(&w, &f.opt, f.pictures, EACH, ITEMS, &d);
    is_fed(&f, &w.language, w.rows, &texts, &(struct at_once){ logits, in.texts, EACH });
    opt_writer_close(&w);
    for (int i = 0; i < ITEMS; i++)
        rows[n++] = in.texts->start[i + 1] - 1;
    in.wanted = rows;
    in.wanted_count = n;
    words = opt_logits(&f.tape, &f.opt, opt_forward(&f.tape, &f.opt, &in));
    ok(!memcmp(words->data + 40, logits->data + rows[1] * 40, 40 * sizeof(float)),
       "opt: wanted rows alone give the same bytes");
    test_opt_written(&f, &texts, 1, "greedy");
    test_opt_written(&f, &texts, 3, "beams");
    test_opt_together(&f);
    tape_clear(&f.tape);
    f.pictures->needs_grad = true;
    is_learnt(&f, opt_loss(&f.tape, &f.opt, f.pictures, EACH, &list, 0), "", "loss.0");
    f.pictures->needs_grad = true;
    is_learnt(&f, opt_loss(&f.tape, &f.opt, f.pictures, EACH, &list, 2), "", "loss.2");
    close_fixture(&f);
}

static void test_t5_written(struct fixture *f, struct tensor *states, const struct spans *spans,
                            int beams, const char *act, const char *name)
{
    static const int pad = 0;
    const struct prompt each = { .ids = &pad, .count = 1 }, prompts[ITEMS] = { each, each };
    struct decoding d = rules(beams, 1, -1);
    struct t5_writer w;

    d.max_length = 10;
    t5_writer_open(&w, &f->t5, states, spans, &d);
    is_written(f, &w.language, &d, prompts, act, name);
    t5_writer_close(&w);
}

static void test_t5(enum activation activation, const char *act)
{
    struct fixture f;
    struct padded read, written, begun = { .total = 0 };
    struct language_texts to_read, to_write;
    struct t5_input in = { 0 };
    struct tensor *words, *logits;
    struct decoding d = rules(2, 1, 1);
    struct t5_writer w;

    if (!open_t5(&f, activation))
        return;
    read = read_ids(&f, "", "read");
    written = read_ids(&f, "", "written");
    to_read = texts_of(&read);
    to_write = texts_of(&written);
    words = t5_words(&f.tape, &f.t5, read.ids, read.total);
    words = join_rows(&f.tape, f.pictures, words, read.counts, ITEMS, &in.spans);
    in.states = t5_encode(&f.tape, &f.t5, words, in.spans);
    close_to(&f, in.states->data, tensor_count(in.states), act, "states");
    for (int i = 0; i < ITEMS; i++) /* shifted by the pad token */
        for (int k = 0; k < written.counts[i]; k++, begun.counts[i]++, begun.total++)
            begun.ids[begun.total] = k ? written.ids[begun.total - 1] : 0;
    in.ids = begun.ids;
    in.texts = spans_of(&f.tape, ITEMS, begun.counts);
    logits = t5_logits(&f.tape, &f.t5, t5_decode(&f.tape, &f.t5, &in));
    close_to(&f, logits->data, tensor_count(logits), act, "logits");
    d.max_length = 12;
    t5_writer_open(&w, &f.t5, in.states, in.spans, &d);
    is_fed(&f, &w.language, w.rows, &begun, &(struct at_once){ logits, in.texts, 0 });
    t5_writer_close(&w);
    test_t5_written(&f, in.states, in.spans, 1, act, "greedy");
    test_t5_written(&f, in.states, in.spans, 3, act, "beams");
    tape_clear(&f.tape);
    f.pictures->needs_grad = true;
    is_learnt(&f, t5_loss(&f.tape, &f.t5, f.pictures, &to_read, &to_write, 0), act, "loss");
    close_fixture(&f);
}

/* Matrices become bytes with a scale a row; or what those stand for, in f32. */
static void quantize(struct fixture *f, bool bytes)
{
    for (int i = 0; i < f->params.count; i++) {
        struct tensor *x = *f->params.list[i].slot;
        long count = tensor_count(x), wide = width(x);
        float *scale = arena_alloc(&f->memory, (size_t)rows(x) * sizeof *scale);
        float *number = arena_alloc(&f->memory, (size_t)count * sizeof *number);
        int8_t *byte = arena_alloc(&f->memory, (size_t)count);

        if (x->rank < 2 || x->type == DTYPE_F32)
            continue;
        tensor_read(x, 0, count, number);
        for (long k = 0; k < count; k++) {
            if (k % wide == 0) {
                scale[k / wide] = 0;
                for (long j = k; j < k + wide; j++)
                    scale[k / wide] = fmaxf(scale[k / wide], fabsf(number[j]) / 127);
            }
            byte[k] = (int8_t)lrintf(number[k] / scale[k / wide]);
            number[k] = scale[k / wide] * byte[k];
        }
        x->type = bytes ? DTYPE_I8 : DTYPE_F32;
        x->bytes = bytes ? (void *)byte : (void *)number;
        x->scale = bytes ? scale : NULL;
        x->mapped = false;
    }
}

/* Bytes give what the numbers they stand for give, gradients too. */
static void test_bytes(bool opt)
{
    float loss[2], gradient[2][ITEMS * EACH * 16];
    bool good = true;

    for (int bytes = 0; bytes < 2; bytes++) {
        struct fixture f;
        struct padded a, b;
        struct language_texts read, written;
        struct tensor *l;

        good = good && (opt ? open_opt(&f) : open_t5(&f, ACTIVATION_GELU));
        if (!good)
            return;
        quantize(&f, bytes);
        a = read_ids(&f, "", opt ? "ids" : "read");
        b = read_ids(&f, "", opt ? "ids" : "written");
        read = texts_of(&a);
        written = texts_of(&b);
        f.pictures->needs_grad = true;
        memset(f.pictures->grad, 0, sizeof gradient[bytes]);
        l = opt ? opt_loss(&f.tape, &f.opt, f.pictures, EACH, &read, 0)
                : t5_loss(&f.tape, &f.t5, f.pictures, &read, &written, 0);
        tape_backward(&f.tape, l);
        loss[bytes] = l->data[0];
        memcpy(gradient[bytes], f.pictures->grad, sizeof gradient[bytes]);
        close_fixture(&f);
    }
    is_close(&loss[1], &loss[0], 1, 0, 1e-5, opt ? "opt: loss with bytes" : "t5: loss with bytes");
    ok(worst_difference(gradient[1], gradient[0], ITEMS * EACH * 16) < 1e-4, "%s: gradient",
       opt ? "opt" : "t5");
}

static void test_buckets(void)
{
    static const struct t5_config config = { .buckets = 32, .distance = 128 };
    struct weights *w = weights_open(FOLDER "buckets.safetensors");
    const struct stored *s = w ? weights_find(w, "buckets") : NULL;
    int bad = 0;

    for (int decodes = 0; s && decodes < 2; decodes++)
        for (int d = -400; d <= 400; d++)
            bad += t5_bucket(&config, decodes, d) !=
                   ((const unsigned char *)s->data)[decodes * 801 + d + 400];
    ok(s && !bad, "buckets of distances up to 400");
    weights_close(w);
}

int main(void)
{
    test_opt();
    test_t5(ACTIVATION_GELU, "gelu");
    test_t5(ACTIVATION_GELU_TANH, "gelu_new");
    test_bytes(true);
    test_bytes(false);
    test_buckets();
    return done();
}
