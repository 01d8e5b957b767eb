/* SPDX-License-Identifier: MIT
 * learn.c - new models, momentum models, queues, negatives and targets; that losses fall.  What
 * they are is compared with the originals in tests/golden/
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/registry.h"
#include "family/blip/blip.h"
#include "learn/learn.h"
#include "tests/unit/tap.h"
#include "train/train.h"

static char folder[] = "/tmp/vlm-learn-XXXXXX";

enum { PAIRS = 6, SIZE = 16, WORDS = 40 };

static const char blip[] =
    "{\"model_type\": \"blip\", \"architectures\": [%s], \"image_text_hidden_size\": 12,"
    " \"text_config\": {\"vocab_size\": 40, \"hidden_size\": 16, \"encoder_hidden_size\": 24,"
    "  \"intermediate_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    "  \"max_position_embeddings\": 20, \"bos_token_id\": 38, \"sep_token_id\": 3},"
    " \"vision_config\": {\"hidden_size\": 24, \"intermediate_size\": 48, \"num_hidden_layers\": 2,"
    "  \"num_attention_heads\": 2, \"image_size\": 16, \"patch_size\": 8}}";
static const char clip[] =
    "{\"model_type\": \"clip\", \"architectures\": [\"CLIPModel\"], \"projection_dim\": 12,"
    " \"text_config\": {\"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 32,"
    "  \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"max_position_embeddings\": 20,"
    "  \"eos_token_id\": 39},"
    " \"vision_config\": {\"hidden_size\": 24, \"intermediate_size\": 48, \"num_hidden_layers\": 2,"
    "  \"num_attention_heads\": 2, \"image_size\": 16, \"patch_size\": 8}}";
#define CAPTIONS "\"BlipForConditionalGeneration\""
#define MATCHES  "\"BlipForImageTextRetrieval\""

static struct model *created(const char *config, uint64_t seed)
{
    char *path = path_join(folder, "config.json");
    struct model *m = NULL;

    if (!file_write_atomic(path, config, strlen(config)))
        m = model_create(folder, seed, NULL);
    if (!ok(m != NULL, "a model is made"))
        note("%s", error_text());
    free(path);
    return m;
}

static struct model *new_blip(const char *roles, uint64_t seed)
{
    char *config = xprintf(blip, roles);
    struct model *m = created(config, seed);

    free(config);
    return m;
}

static struct tensor *named(const struct model *m, const char *name)
{
    for (int i = 0; i < m->params.count; i++)
        if (!strcmp(m->params.list[i].name, name))
            return *m->params.list[i].slot;
    note("no %s", name);
    return NULL;
}

/* --- new models --- */

static bool same_models(const struct model *a, const struct model *b)
{
    for (int i = 0; i < a->params.count; i++) {
        const struct tensor *x = *a->params.list[i].slot, *y = *b->params.list[i].slot;

        if (memcmp(x->data, y->data, (size_t)tensor_count(x) * sizeof *x->data))
            return false;
    }
    return true;
}

static double deviation(const struct tensor *x)
{
    double square = 0;

    for (long i = 0; i < tensor_count(x); i++)
        square += (double)x->data[i] * (double)x->data[i];
    return sqrt(square / (double)tensor_count(x));
}

/* Of n numbers the deviation is off by 1 / sqrt(2 n) of itself: four times that is allowed. */
static void is_spread(const struct model *m, const char *name, double wanted)
{
    const struct tensor *x = named(m, name);
    double got = deviation(x), off = 4 / sqrt(2.0 * (double)tensor_count(x));

    ok(fabs(got / wanted - 1) < off, "%s begins with deviation %.3g (%.3g)", name, wanted, got);
}

static void test_create(void)
{
    struct model *m = new_blip(MATCHES ", " CAPTIONS, 1), *same, *other;
    const struct tensor *shift = named(m, "encoder.layer.0.fc1.bias");

    ok(model_objectives(m) == (OBJECTIVE_ITC | OBJECTIVE_ITM | OBJECTIVE_LM), "it learns all");
    is_spread(m, "encoder.words", 0.02);
    is_spread(m, "vision.block.1.mlp.fc1.weight", 0.02);
    is_spread(m, "vision.position", 0.02);
    is_spread(m, "vision.patch.weight", 1 / sqrt(3 * 192.0));
    is_spread(m, "vision_projection.weight", 1 / sqrt(3 * 24.0));
    ok(deviation(shift) == 0, "biases begin with 0");
    ok(named(m, "vision.block.0.norm1.weight")->data[5] == 1, "gains begin with 1");
    is_close(named(m, "temperature")->data, &(float){ 0.07f }, 1, 0, 0, "so does the temperature");
    ok(named(m, "encoder.words") == named(m, "decoder.words") &&
           named(m, "encoder.layer.1.cross.key.weight") ==
               named(m, "decoder.layer.1.cross.key.weight") &&
           named(m, "encoder.layer.1.norm.weight") == named(m, "decoder.layer.1.norm.weight"),
       "encoder and decoder share");
    ok(named(m, "encoder.layer.1.self.key.weight") != named(m, "decoder.layer.1.self.key.weight") &&
           named(m, "encoder.layer.1.self.norm.weight") !=
               named(m, "decoder.layer.1.self.norm.weight"),
       "all but self-attention");
    pool_start(3);
    same = new_blip(MATCHES ", " CAPTIONS, 1);
    pool_stop();
    other = new_blip(MATCHES ", " CAPTIONS, 2);
    ok(same_models(m, same), "the same seed gives the same bytes, whatever the threads");
    ok(!same_models(m, other), "another others");
    model_free(m);
    model_free(same);
    model_free(other);

    m = new_blip(CAPTIONS, 1);
    ok(model_objectives(m) == OBJECTIVE_LM, "a captioner learns to write");
    model_free(m);
    m = new_blip(MATCHES, 1);
    ok(model_objectives(m) == (OBJECTIVE_ITC | OBJECTIVE_ITM), "a matcher to match");
    model_free(m);
    m = created(clip, 1);
    ok(model_objectives(m) == OBJECTIVE_ITC, "CLIP contrasts");
    is_spread(m, "vision.position", 1 / sqrt(24));
    is_spread(m, "vision.block.0.attention.query.weight", sqrt(2.0 / 4 / 24));
    is_spread(m, "text.block.0.mlp.fc2.weight", 1 / sqrt(16) / 2);
    is_spread(m, "text.position", 0.01);
    model_free(m);
}

static void test_refusals(void)
{
    char *config = path_join(folder, "config.json");
    struct model *m;

    unlink(config);
    ok(!model_create(folder, 1, NULL) && strstr(error_text(), "config.json"),
       "a folder without config.json is refused: %s", error_text());
    m = new_blip(CAPTIONS, 1);
    ok(m && !file_write_atomic(config, "{\"model_type\": \"blip\"}", 22) &&
           !model_create(folder, 1, NULL) && strstr(error_text(), "neither"),
       "so is one without roles: %s", error_text());
    model_free(m);
    free(config);
}

/* --- losses --- */

struct class
{
    float pixels[PAIRS * 3 * SIZE * SIZE];
    int ids[PAIRS * 8], counts[PAIRS];
    int64_t group[PAIRS];
    struct random random;
    struct pairs pairs;
};

static double drawn(void *self)
{
    return random_uniform(self);
}

static void make_class(struct class *c)
{
    int n = 0;

    *c = (struct class){ .random = { 7 } };
    for (int i = 0; i < COUNT(c->pixels); i++)
        c->pixels[i] = random_normal(&c->random);
    for (int i = 0; i < PAIRS; i++) {
        c->counts[i] = 4 + i % 3;
        c->group[i] = i;
        c->ids[n++] = 2;
        for (int k = 2; k < c->counts[i]; k++)
            c->ids[n++] = 5 + (int)random_below(&c->random, WORDS - 8);
        c->ids[n++] = WORDS - 1;
    }
    c->pairs = (struct pairs){ PAIRS, c->pixels, c->ids, c->counts, c->group, NULL };
}

/* Adds up the losses that are asked for. */
static double teach(struct model *m, const struct loss_options *options, const struct pairs *pairs,
                    struct learning *learning, struct adamw *a, float momentum)
{
    struct tape t = { 0 };
    struct losses losses;
    double sum = NAN;

    learning_zero(learning);
    model_clamp(m);
    if (options->teacher)
        momentum_model_update(options->teacher, m, momentum);
    if (!model_learn(&t, m, pairs, options, &losses)) {
        sum = (double)losses.total->data[0];
        tape_backward(&t, losses.total);
        adamw_step(a, learning);
    } else {
        note("%s", error_text());
    }
    tape_free(&t);
    return sum;
}

static void learns(const char *name, struct model *m, unsigned objectives, bool taught,
                   const char *frozen)
{
    struct class c;
    struct loss_options options = { .objectives = objectives, .draw = drawn };
    struct adamw a = { .rate = 3e-3f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-8f };
    struct learning *learning;
    double first, last = 0;

    make_class(&c);
    options.draw_self = &c.random;
    model_begin_learning(m, NULL);
    if (taught) {
        options.teacher = momentum_model_new(m);
        options.queue = feature_queue_new(8, m->embedding.width, 3);
        options.alpha = 0.4f;
    }
    if (frozen)
        params_freeze(&m->params, frozen);
    learning = params_learn(&m->params, NULL);
    adamw_begin(&a, learning);
    first = teach(m, &options, &c.pairs, learning, &a, 0.9f);
    for (int step = 0; step < 60; step++)
        last = teach(m, &options, &c.pairs, learning, &a, 0.9f);
    ok(last < (taught ? 0.8 : 0.5) * first, "%s: the loss falls from %.3f to %.3f", name, first,
       last);
    if (taught)
        ok(options.queue->filled == 8, "%s: the queue fills", name);
    adamw_end(&a);
    feature_queue_free(options.queue);
    model_free(options.teacher);
    model_free(m);
    learning_free(learning);
}

static void test_losses(void)
{
    learns("BLIP", new_blip(MATCHES ", " CAPTIONS, 3), OBJECTIVE_ITC | OBJECTIVE_ITM | OBJECTIVE_LM,
           false, NULL);
    learns("BLIP with a teacher", new_blip(MATCHES, 3), OBJECTIVE_ITC, true, NULL);
    learns("CLIP", created(clip, 3), OBJECTIVE_ITC, false, NULL);
    learns("CLIP with a teacher", created(clip, 3), OBJECTIVE_ITC, true, NULL);
    learns("BLIP with a frozen tower", new_blip(MATCHES ", " CAPTIONS, 3),
           OBJECTIVE_ITC | OBJECTIVE_LM, false, "vision.");
}

static void test_demands(void)
{
    struct model *m = new_blip(CAPTIONS, 1);
    struct loss_options options = { .objectives = OBJECTIVE_ITM, .draw = drawn };
    struct losses losses;
    struct tape t = { 0 };
    struct class c;

    make_class(&c);
    ok(model_learn(&t, m, &c.pairs, &options, &losses) && strstr(error_text(), "itm"),
       "a captioner cannot learn to match: %s", error_text());
    options.objectives = OBJECTIVE_LM;
    options.prompt = 100;
    ok(!model_learn(&t, m, &c.pairs, &options, &losses) && losses.total->data[0] == 0,
       "texts that are prompt alone teach nothing");
    c.ids[1] = WORDS;
    ok(model_learn(&t, m, &c.pairs, &options, &losses), "an unknown id is refused: %s",
       error_text());
    tape_free(&t);
    model_free(m);
}

/* --- the pieces --- */

static void test_momentum(void)
{
    struct model *m = new_blip(MATCHES ", " CAPTIONS, 4), *momentum = momentum_model_new(m);
    struct tensor *x = named(m, "encoder.words"), *y = named(momentum, "encoder.words");
    float before = y->data[3];

    ok(same_models(m, momentum) && x->data != y->data, "a momentum model has the numbers");
    ok(y == named(momentum, "decoder.words"), "and shares as the model does");
    ok(!y->needs_grad && named(momentum, "vision.class"), "and does not learn");
    x->data[3] += 1;
    momentum_model_update(momentum, m, 0.75f);
    ok(fabsf(y->data[3] - before - 0.25f) < 1e-6f, "it follows by a quarter, once for two names");
    model_free(m);
    model_free(momentum);
}

/* Its towers' files and its tokenizer's folder belong to the model alone. */
static void test_momentum_blip2(void)
{
    const char *paths[] = { "tests/golden/blip2/stage1/blip2_pretrained.pth",
                            "tests/golden/blip2/opt/blip2.pth" };

    for (int i = 0; i < COUNT(paths); i++) {
        struct model *m = model_load(paths[i], NULL), *momentum;

        if (!ok(m != NULL, "%s is opened", paths[i]))
            continue;
        model_begin_learning(m, NULL);
        momentum = momentum_model_new(m);
        ok(momentum->params.count == m->params.count && !momentum->also_count,
           "its momentum model has no files");
        model_free(m);
        model_free(momentum);
    }
}

static void test_queue(void)
{
    struct feature_queue *q = feature_queue_new(5, 2, 1);
    const float numbers[] = { 1, 2, 3, 4, 5, 6 };
    const int64_t group[] = { 10, 11, 12 };
    float length = q->images[8] * q->images[8] + q->images[9] * q->images[9];

    ok(fabsf(length - 1) < 1e-6f && q->group[4] == NO_GROUP, "a queue begins with directions");
    feature_queue_add(q, numbers, numbers, group, 3);
    is_long(q->next, 3, "three rows are written");
    is_long(q->filled, 3, "and counted");
    feature_queue_add(q, numbers, numbers, NULL, 3);
    is_long(q->next, 1, "the ring closes");
    is_long(q->filled, 5, "full");
    ok(q->images[0] == 5 && q->texts[9] == 4 && q->group[0] == NO_GROUP && q->group[1] == 11,
       "rows lie where they should");
    feature_queue_free(q);
}

static double always(void *self)
{
    return *(double *)self;
}

static void test_negatives(void)
{
    float z[] = { 9, 1, 0, -50, 2, 2, 2, 2, 0, 0, 9, 9, 1, 2, 3, 4 };
    int64_t group[] = { 1, 2, 1, 3 }, one[] = { 1, 1, 1, 1 };
    struct pairs b = { .count = 4, .group = group };
    double draw = 0;
    struct loss_options l = { .draw = always, .draw_self = &draw };
    struct tape t = { 0 };
    struct tensor *x = tensor_from(&t, z, 2, (long[]){ 4, 4 });
    const int *chosen = draw_negatives(&t, x, &b, &l, 1e-4f);

    ok(chosen[0] == 1 && chosen[1] == 0 && chosen[2] == 1 && chosen[3] == 0,
       "draw 0 takes the first of another group");
    draw = nextafter(1, 0);
    chosen = draw_negatives(&t, x, &b, &l, 1e-4f);
    ok(chosen[0] == 3 && chosen[1] == 3 && chosen[2] == 3 && chosen[3] == 2,
       "draw 1 the last, however unlike");
    draw = 0.5;
    ok(draw_negatives(&t, x, &b, &l, 1e-4f)[2] == 3, "draws in between the similar");
    b.group = one;
    ok(draw_negatives(&t, x, &b, &l, 1e-4f)[2] == -1, "one group has no negatives");
    tape_free(&t);
}

static void test_matches(void)
{
    const int ids[] = { 2, 5, 3, 2, 6, 7, 3 }, counts[] = { 3, 4 };
    const struct pairs b = { .count = 2, .ids = ids, .counts = counts };
    struct tape t = { 0 };
    struct matches m = pair_matches(&t, &b, (int[]){ 1, -1 }, (int[]){ 1, 0 }, 9);
    static const int images[] = { 0, 0, 1, 1, 1 }, targets[] = { 1, 0, 1, 0, 0 };
    static const int words[] = { 9, 5, 3, 9, 6, 7, 3, 9, 6, 7, 3, 9, 5, 3, 9, 5, 3 };

    ok(m.count == 5 && !memcmp(m.image_of, images, sizeof images) &&
           !memcmp(m.target, targets, sizeof targets),
       "matches are sorted by image");
    ok(m.texts->start[5] == COUNT(words) && !memcmp(m.ids, words, sizeof words),
       "with their texts, as they begin when looking");
    tape_free(&t);
}

static void test_targets(void)
{
    static const float wanted[] = { 0.5f, 0, 0, 0.5f, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0 };
    static const float alone[] = { 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0 };
    static const float pictures[] = { 1.0f / 3, 1.0f / 3, 0, 1.0f / 3, 0, 1.0f / 3, 1.0f / 3, 0,
                                      1.0f / 3, 0,        0, 0,        1, 0,        0 };
    float z[15] = { 0 }, mixed;
    int64_t group[] = { 4, 5, NO_GROUP };
    struct feature_queue *q = feature_queue_new(2, 2, 1);
    struct pairs b = { .count = 3, .group = group };
    struct loss_options l = { .queue = q, .alpha = 0.5f };
    struct tape t = { 0 };

    q->group[0] = 4;
    is_close(contrast_targets(&t, &b, &l, NULL), wanted, 15, 0, 0,
             "targets are of the group, in the queue too");
    mixed = contrast_targets(&t, &b, &l, tensor_from(&t, z, 2, (long[]){ 3, 5 }))[3];
    ok(fabsf(mixed - 0.35f) < 1e-6f, "and partly the teacher's");
    l.positives = POSITIVES_PAIR;
    is_close(contrast_targets(&t, &b, &l, NULL), alone, 15, 0, 0, "a pair is alone on request");
    group[1] = 4;
    l.positives = POSITIVES_PICTURE;
    is_close(contrast_targets(&t, &b, &l, NULL), pictures, 15, 0, 0, "or with its picture's");
    tape_free(&t);
    feature_queue_free(q);
}

int main(void)
{
    char *config;

    if (!mkdtemp(folder))
        return 1;
    test_create();
    test_refusals();
    test_losses();
    test_demands();
    test_momentum();
    test_momentum_blip2();
    test_queue();
    test_negatives();
    test_matches();
    test_targets();
    config = path_join(folder, "config.json");
    unlink(config);
    free(config);
    rmdir(folder);
    return done();
}
