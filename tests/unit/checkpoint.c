/* SPDX-License-Identifier: MIT
 * checkpoint.c - files that need something beside them: a state dict without a configuration, a
 * LoRA adapter without its base model
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/base.h"
#include "family/registry.h"
#include "checkpoint/model.h"
#include "tests/unit/tap.h"

#define GOLDEN "tests/golden/clip/"

static char folder[] = "/tmp/vlm-checkpoint-XXXXXX";

static bool says(const char *part)
{
    bool good = strstr(error_text(), part);

    if (!good)
        note("\"%s\" is not in \"%s\"", part, error_text());
    return good;
}

/* A state dict with OpenAI's names says everything but the activation. */
static void test_shapes_alone(void)
{
    enum { MOST = 512 };
    static struct saving list[MOST];
    const struct vlm_options original = { .compat = "original" };
    struct weights *w = weights_open(GOLDEN "openai-vit.pt");
    char *path = path_join(folder, "state.safetensors");
    struct vlm *v;
    int count = 0;

    for (int i = 0; i < weights_count(w) && count < MOST; i++) {
        const struct stored *s = weights_at(w, i);

        if (!s->rank && s->type == DTYPE_I64) /* input_resolution and the like */
            continue;
        list[count] =
            (struct saving){ .name = s->name, .type = s->type, .rank = s->rank, .data = s->data };
        memcpy(list[count++].shape, s->shape, sizeof s->shape);
    }
    ok(count && weights_save(path, list, count, NULL) == 0, "a state dict of %d tensors", count);
    ok(!vlm_open(path, NULL) && says("--compat=original") &&
           !strcmp(vlm_error_code(), "unsupported"),
       "is not guessed");
    v = vlm_open(path, &original);
    ok(v && vlm_abilities(v) & VLM_EMBED_IMAGE, "is OpenAI's if the user says so");
    vlm_close(v);
    remove(path);
    free(path);
    weights_close(w);
}

/* A LoRA adapter of rank 2 for one matrix of a text tower of width 20. */
static void write_adapter(const char *adapter, const char *name, int rank, const char *more)
{
    enum { WIDTH = 20, RANK = 2 };
    static float a[RANK * WIDTH], b[WIDTH * RANK];
    char *config = path_join(adapter, "adapter_config.json");
    char *file = path_join(adapter, "adapter_model.safetensors"), *here = realpath(".", NULL);
    char *names[] = { xprintf("base_model.model.%s.lora_A.weight", name),
                      xprintf("base_model.model.%s.lora_B.weight", name) };
    const struct saving list[] = { { names[0], DTYPE_F32, 2, { RANK, WIDTH }, a, 0, false },
                                   { names[1], DTYPE_F32, 2, { WIDTH, RANK }, b, 0, false } };
    char *json = xprintf("{\"peft_type\":\"LORA\",\"r\":%d,\"lora_alpha\":6,\"bias\":\"none\","
                         "\"base_model_name_or_path\":\"%s/%s\"%s}",
                         rank, here, GOLDEN "hf-vit", more);

    for (int i = 0; i < RANK * WIDTH; i++) {
        a[i] = (float)(i % 7) - 3;
        b[i] = (float)(i % 5) / 8;
    }
    ok(weights_save(file, list, 2, NULL) == 0 && file_write_atomic(config, json, strlen(json)) == 0,
       "an adapter");
    free(json);
    free(names[0]);
    free(names[1]);
    free(here);
    free(file);
    free(config);
}

static float *matrix_of(struct model *m, const char *name, long *count)
{
    for (int i = 0; i < m->params.count; i++)
        if (!strcmp(m->params.list[i].name, name)) {
            struct tensor *x = *m->params.list[i].slot;
            float *to = xalloc((size_t)tensor_count(x), sizeof *to);

            *count = tensor_count(x);
            tensor_read(x, 0, *count, to);
            return to;
        }
    *count = 0;
    return NULL;
}

/* W + factor B A, or what is refused. */
static void test_merged(const char *adapter, struct model *base, float factor, const char *what)
{
    static const char ours[] = "text.block.0.attention.query.weight";
    struct model *m = model_load(adapter, NULL);
    long count = 0, other = 0;
    float *w = NULL, *v = NULL, worst = 0;

    if (!ok(m && strstr(m->about, "LoRA adapter"), "%s: is merged into its base model", what))
        note("%s", error_text());
    if (m && base) {
        w = matrix_of(base, ours, &count);
        v = matrix_of(m, ours, &other);
    }
    for (long i = 0; w && v && i < count; i++) {
        float delta = 0;

        for (long k = 0; k < 2; k++)
            delta +=
                factor * (float)((i / 20 * 2 + k) % 5) / 8 * ((float)((k * 20 + i % 20) % 7) - 3);
        worst = fmaxf(worst, fabsf(v[i] - w[i] - delta));
    }
    ok(count == 400 && other == count && worst < 1e-5f, "%s: off by %g", what, (double)worst);
    free(w);
    free(v);
    model_free(m);
}

static void test_adapter(void)
{
    static const char name[] = "text_model.encoder.layers.0.self_attn.q_proj";
    static const struct {
        int rank;
        const char *more;
        float factor;
    } merged[] = {
        { 2, "", 3 },
        { 2, ",\"use_rslora\":true", 4.2426407f },
        { 8, ",\"rank_pattern\":{\"v_proj\":4,\"q_proj\":2}", 3 },
        { 8, ",\"rank_pattern\":{\"^text_model.encoder.layers.0.self_attn.q_proj\":2}", 3 },
        { 2, ",\"alpha_pattern\":{\"proj\":1,\"self_attn.q_proj\":8}", 4 },
        { 8,
          ",\"use_rslora\":true,\"rank_pattern\":{\"q_proj\":2},\"alpha_pattern\":{\"q_proj\":8}",
          5.6568542f },
    };
    static const struct {
        const char *more, *says;
    } refused[] = {
        { ",\"use_dora\":true", "use_dora" },
        { ",\"arrow_config\":{\"top_k\":2}", "arrow_config" },
        { ",\"use_bdlora\":{\"nblocks\":2}", "use_bdlora" },
        { ",\"rank_pattern\":{\"q_proj\":4}", "its rank is 2, not 4" },
        { ",\"rank_pattern\":{\"layers.[0-5].*\":4}", "is no module's name" },
        { ",\"alpha_pattern\":{\"q_proj\":0}", "is not above 0" },
    };
    char *adapter = path_join(folder, "adapter"), *command = xprintf("mkdir %s", adapter);
    struct model *base = model_load(GOLDEN "hf-vit", NULL);

    ok(system(command) == 0, "a folder");
    for (int i = 0; i < COUNT(merged); i++) {
        write_adapter(adapter, name, merged[i].rank, merged[i].more);
        test_merged(adapter, base, merged[i].factor, merged[i].more);
    }
    for (int i = 0; i < COUNT(refused); i++) {
        write_adapter(adapter, name, 2, refused[i].more);
        ok(!model_load(adapter, NULL) && says(refused[i].says), "%s is refused", refused[i].more);
    }
    write_adapter(adapter, "text_model.encoder.layers.7.self_attn.q_proj", 2, "");
    ok(!model_load(adapter, NULL) && says("belong to no matrix"), "one of another model");
    model_free(base);
    free(command);
    free(adapter);
}

int main(void)
{
    char *command = NULL;

    if (!mkdtemp(folder))
        return 1;
    pool_start(2);
    test_shapes_alone();
    test_adapter();
    command = xprintf("rm -r %s", folder);
    ok(system(command) == 0, "cleaned up");
    free(command);
    pool_stop();
    return done();
}
