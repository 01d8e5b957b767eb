/* SPDX-License-Identifier: MIT
 * blip_match.c - BLIP's matchers and embeddings against the originals' numbers and gradients
 */
#include "tests/golden/blip.h"

/* Texts look at one of three images of five tokens. */
static struct tensor *match(struct fixture *f, struct tensor *image, const int *ids,
                            const struct spans *texts, const int *image_of)
{
    struct bert_input in = { .ids = ids,
                             .texts = texts,
                             .image = image,
                             .images = spans_even(&f->tape, 3, 5),
                             .image_of = image_of };

    return blip_match(&f->tape, &f->model, &in);
}

/* Logits of a text: alone, or among others that look at the same image or at another. */
static void match_alone(struct fixture *f, struct tensor *image, const struct ragged *r)
{
    static const int image_of[] = { 1, 1, 2 };
    struct tensor *all = match(f, image, r->ids, r->spans, image_of);
    bool same = true;

    for (int i = 0; i < 3; i++) {
        int length = r->spans->start[i + 1] - r->spans->start[i];
        struct tensor *one = match(f, image, r->ids + r->spans->start[i],
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

    close_to(&f, image, "features");
    read_texts(&f, &cls, -1);
    read_texts(&f, &enc, f.model.config.encode);
    u = unit_rows(&f.tape, blip_image_embedding(&f.tape, &f.model, image, 3));
    v = unit_rows(&f.tape, blip_text_embedding(&f.tape, &f.model, cls.ids, cls.spans));
    close_to(&f, matmul_transposed(&f.tape, u, v), "itc");
    close_to(&f, match(&f, image, cls.ids, cls.spans, NULL), "itm_cls");
    match_alone(&f, image, &cls);
    if (!original) {
        close_fixture(&f);
        return;
    }
    close_to(&f, u, "image_embedding");
    close_to(&f, v, "text_embedding");
    close_to(&f, match(&f, image, enc.ids, enc.spans, NULL), "itm_enc");

    learning = params_learn(&f.params, "");
    learning_zero(learning);
    image = image_of(&f);
    u = unit_rows(&f.tape, blip_image_embedding(&f.tape, &f.model, image, 3));
    v = unit_rows(&f.tape, blip_text_embedding(&f.tape, &f.model, cls.ids, cls.spans));
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
    loss = match(&f, image, both.ids, spans_of(&f.tape, 6, lengths), (int[]){ 0, 1, 2, 2, 0, 1 });
    loss = cross_entropy(&f.tape, loss, (int[]){ 1, 1, 1, 0, 0, 0 }, 0);
    close_number(&f, (double)loss->data[0], "itm_loss");
    tape_backward(&f.tape, loss);
    gradients(&f, "itm_grad");
    learning_free(learning);
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
    close_to(&f, unit_rows(&f.tape, blip_image_embedding(&f.tape, &f.model, image, 3)),
             "image_embedding");
    close_to(&f, unit_rows(&f.tape, blip_text_embedding(&f.tape, &f.model, r.ids, r.spans)),
             "text_embedding");
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
    close_to(&f, match(&f, image, enc.ids, enc.spans, NULL), "itm_enc");
    read_texts(&f, &dec, f.model.config.begin);
    close_rows(&f, &dec, blip_decode(&f.tape, &f.model, image, images, dec.ids, dec.spans),
               "logits");
    close_fixture(&f);
}

/* Of three sets of two pictures the second ones are the first ones, moved on by one. */
static struct tensor *classify(struct fixture *f, struct tensor *image, const struct ragged *r)
{
    int index[3 * 5];
    struct bert_input in = {
        .ids = r->ids, .texts = r->spans, .image = image, .images = spans_even(&f->tape, 3, 5)
    };

    for (int i = 0; i < COUNT(index); i++)
        index[i] = (i + 2 * 5) % COUNT(index);
    in.other = take_rows(&f->tape, image, index, COUNT(index));
    return blip_classify(&f->tape, &f->model, &in);
}

static void two_pictures(void)
{
    struct fixture f;
    struct ragged r;
    struct learning *learning;
    struct tensor *loss;

    if (!open_fixture(&f, "nlvr", "nlvr.pth"))
        return;
    ok(f.model.config.text.merge_from == 6 && f.model.config.classes == 2,
       "nlvr: the last two of eight layers merge");
    close_to(&f, image_of(&f), "features");
    read_texts(&f, &r, f.model.config.encode);
    close_to(&f, classify(&f, image_of(&f), &r), "logits");

    learning = params_learn(&f.params, "");
    learning_zero(learning);
    loss = cross_entropy(&f.tape, classify(&f, image_of(&f), &r), (int[]){ 0, 1, 1 }, 0);
    close_number(&f, (double)loss->data[0], "loss");
    tape_backward(&f.tape, loss);
    gradients(&f, "grad");
    learning_free(learning);
    close_fixture(&f);
}

int main(void)
{
    two_pictures();
    matcher("itm", "itm.pth", true);
    matcher("hf-itm", "hf-itm", false);
    pretrained();
    pooled();
    return done();
}
