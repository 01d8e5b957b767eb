/* SPDX-License-Identifier: MIT
 * blip.c - tiny BLIP models of every layout answer as the originals' code did
 *
 * blip/ was made by make_blip.py.  Sums here have some hundred terms of about 1, so float32 results
 * agree to 1e-6 or so; 2e-5 absolute is asked of activations and logits, 1e-4 of the largest entry
 * of each gradient, and captions must be equal token for token.
 */
#include "tests/golden/blip.h"

static double next_draw(void *from)
{
    const double **at = from;

    return *(*at)++;
}

static void captions(struct fixture *f, const char *name, const struct decoding *rules,
                     struct prompt prompt, struct tensor *states, const struct spans *spans)
{
    const struct stored *s = wanted(f, name);
    struct prompt prompts[8];
    struct hypothesis out[8];
    struct writer w;
    int bad = 0, items = (int)s->shape[0];

    writer_open(&w, &f->model.decoder, states, spans, rules);
    for (int i = 0; i < items; i++)
        prompts[i] = prompt;
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
    captions(&f, "greedy", &d, (struct prompt){ .ids = prompt, .count = prompt_length }, image,
             images);
    d.beams = 3;
    captions(&f, "beam3", &d, (struct prompt){ .ids = prompt, .count = prompt_length }, image,
             images);
    captions_alone(&f, &d, prompt, prompt_length, image);
    d.repetition_penalty = original ? 1.1 : 1.2;
    d.min_length = original ? 10 : 8;
    d.max_length = original ? 30 : 20;
    d.length_penalty = original ? 1 : 1.5;
    captions(&f, original ? "beam3_long" : "beam3_min", &d,
             (struct prompt){ .ids = prompt, .count = prompt_length }, image, images);
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
    captions(&f, "answers", &d, (struct prompt){ .ids = &f.model.config.begin, .count = 1 }, states,
             r.spans);
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

    ok(vlm_write(v, features, 3, NULL, &how, out) == 0, "captions are written");
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
    answerer("vqa", "vqa.pth", true);
    answerer("hf-vqa", "hf-vqa", false);
    spoken();
    return done();
}
