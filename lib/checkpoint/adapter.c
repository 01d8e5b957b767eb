/* SPDX-License-Identifier: MIT
 * adapter.c - a LoRA adapter, as PEFT saves it, merged into its base model
 *
 *     W' = W + s B A      A [r, in], B [out, r]; s = alpha / r, or alpha / sqrt(r) with use_rslora
 *
 * Source: huggingface/peft tuners/lora/layer.py, get_delta_weight; arXiv 2106.09685, section 4.1.
 * adapter_config.json names the base model; what it says beyond rank and alpha is refused.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/config.h"
#include "checkpoint/model.h"

static const struct field settings[] = {
    FIELD("peft_type", IS_WORD, .word = "LORA"),
    FIELD("use_dora", IS_FLAG, .otherwise = false),
    FIELD("fan_in_fan_out", IS_FLAG, .otherwise = false),
    FIELD("bias", REFUSED, .word = "none"),
    { 0 },
};

static bool is_empty(const cJSON *o, const char *name)
{
    const cJSON *item = json_get(o, name);

    return !item || cJSON_IsNull(item) || !item->child;
}

static int read_settings(const cJSON *o, float *scale)
{
    struct reader r = { o, "adapter_config.json", false };
    static const char *const none[] = { "rank_pattern", "alpha_pattern", "modules_to_save",
                                        "layer_replication" };
    double rank, alpha;

    config_read(&r, settings, NULL);
    rank = (double)read_whole(&r, "r", 8);
    alpha = read_real(&r, "lora_alpha", 8);
    *scale = (float)(alpha / (read_flag(&r, "use_rslora", false) ? sqrt(rank) : rank));
    if (r.bad)
        return -1;
    for (int i = 0; i < COUNT(none); i++)
        if (!is_empty(o, none[i]))
            return fail_as("unsupported", "%s: %s is not supported", r.where, none[i]);
    return rank < 1 ? fail("%s: r is %g", r.where, rank) : 0;
}

bool adapter_is(const char *folder)
{
    char *config = path_join(folder, "adapter_config.json"), *weights;
    bool is = path_is_folder(folder) && path_exists(config);

    free(config);
    weights = is ? weights_in_folder(folder, false) : NULL;
    free(weights);
    return is && !weights;
}

char *adapter_base(const char *folder)
{
    char *config = path_join(folder, "adapter_config.json"), *base = NULL;
    cJSON *o = json_read(config);
    const char *name = json_string(o, "base_model_name_or_path", "");
    float scale;

    if (o && read_settings(o, &scale) == 0) {
        base = *name ? model_find(name) : NULL;
        if (!base || !path_exists(base)) {
            free(base);
            base = NULL;
            fail_as(
                "not_found",
                "%s: a LoRA adapter of \"%s\", which is not here: base_model_name_or_path in its "
                "adapter_config.json may name a folder",
                folder, name);
        }
    } else if (o) {
        fail_in(folder);
    }
    cJSON_Delete(o);
    free(config);
    return base;
}

/* w += scale B A; w: [out, in], b: [out, rank], a: [rank, in] */
static void add_product(struct tensor *w, const float *b, const float *a, long rank, float scale)
{
    long in = w->shape[1];

    for (long i = 0; i < w->shape[0]; i++)
        for (long k = 0; k < rank; k++)
            kernels.add_scaled(w->data + i * in, a + k * in, scale * b[i * rank + k], in);
}

/* 1: merged, 0: the adapter has nothing for it; -1 after fail(). */
static int merge_one(struct model *m, struct param *p, const struct weights *w, float scale)
{
    static const char ending[] = ".weight";
    const struct stored *a, *b;
    struct arena memory = { 0 };
    struct place place;
    struct tensor *x;
    size_t size;

    if (!*p->slot || p->rank != 2 || !layout_place(m->layout, p->name, &place))
        return 0;
    size = strlen(place.name);
    if (size < sizeof ending || size + 16 > sizeof place.name ||
        strcmp(place.name + size - strlen(ending), ending))
        return 0;
    strcpy(place.name + size - strlen(ending), ".lora_A.weight");
    a = weights_find(w, place.name);
    place.name[size - strlen(ending) + strlen(".lora_")] = 'B';
    b = weights_find(w, place.name);
    if (!a && !b)
        return 0;
    if (!a || !b || a->rank != 2 || b->rank != 2 || !stored_is_float(a) || !stored_is_float(b) ||
        place.parts != 1 || place.transpose || a->shape[1] != p->shape[1] ||
        b->shape[0] != p->shape[0] || a->shape[0] != b->shape[1])
        return fail("%s: its shape does not fit the base model", place.name);
    x = arena_alloc(&m->memory, sizeof *x);
    *x = (struct tensor){ .type = DTYPE_F32, .rank = 2, .stride = p->shape[1] };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->data = arena_alloc(&m->memory, (size_t)tensor_count(x) * sizeof *x->data);
    tensor_read(*p->slot, 0, tensor_count(x), x->data);
    add_product(x, stored_floats(b, &memory), stored_floats(a, &memory), a->shape[0], scale);
    *p->slot = x;
    arena_free(&memory);
    return 1;
}

static int merge_all(struct model *m, const struct weights *w, float scale)
{
    int merged = 0;

    for (int i = 0; i < m->params.count; i++) {
        int status = merge_one(m, &m->params.list[i], w, scale);

        if (status < 0)
            return -1;
        merged += status;
    }
    if (2 * merged != weights_count(w))
        return fail("%d of its %d tensors belong to no matrix of the base model",
                    weights_count(w) - 2 * merged, weights_count(w));
    return 0;
}

int adapter_merge(struct model *m, const char *folder)
{
    char *path = path_join(folder, "adapter_config.json"), *file, *about;
    cJSON *o = json_read(path);
    struct weights *w;
    float scale;
    int status = o ? read_settings(o, &scale) : -1;

    free(path);
    cJSON_Delete(o);
    path = path_join(folder, "adapter_model.safetensors");
    file = path_exists(path) ? xstrdup(path) : path_join(folder, "adapter_model.bin");
    w = status ? NULL : weights_open(file);
    status = w ? merge_all(m, w, scale) : -1;
    if (w && status)
        fail_in(file);
    weights_close(w);
    free(path);
    free(file);
    if (status)
        return -1;
    about = xprintf("%s, with a LoRA adapter", m->about);
    free(m->about);
    m->about = about;
    return 0;
}
