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

struct scaling {
    double alpha;
    long rank;
    bool by_root;
};

static const struct field settings[] = {
    FIELD("peft_type", IS_WORD, .word = "LORA"),
    FIELD("use_dora", IS_FLAG, .otherwise = false),
    FIELD("fan_in_fan_out", IS_FLAG, .otherwise = false),
    FIELD("bias", REFUSED, .word = "none"),
    FIELD("lora_bias", REFUSED),
    FIELD("use_qalora", REFUSED),
    FIELD("alora_invocation_tokens", REFUSED), /* it acts behind them alone */
    FIELD("trainable_token_indices", REFUSED),
    FIELD("target_parameters", REFUSED),
    FIELD("layer_replication", REFUSED),
    FIELD("megatron_config", REFUSED),
    { 0 },
};

static bool is_empty(const cJSON *o, const char *name)
{
    const cJSON *item = json_get(o, name);

    return !item || cJSON_IsNull(item) || !item->child;
}

/* These beginnings change the base model's own weights when the adapter is attached. */
static bool changes_base(const cJSON *o)
{
    static const char *const begins[] = { "pissa", "olora", "loftq", "corda", "lora_ga" };
    const char *how = json_string(o, "init_lora_weights", "");

    for (int i = 0; i < COUNT(begins); i++)
        if (!strncmp(how, begins[i], strlen(begins[i])))
            return true;
    return false;
}

static int read_settings(const cJSON *o, struct scaling *s)
{
    struct reader r = { o, "adapter_config.json", false };
    static const char *const none[] = { "rank_pattern", "alpha_pattern", "modules_to_save" };
    double rank;

    config_read(&r, settings, NULL);
    rank = (double)read_whole(&r, "r", 8);
    s->alpha = read_real(&r, "lora_alpha", 8);
    s->by_root = read_flag(&r, "use_rslora", false);
    s->rank = (long)rank;
    if (r.bad)
        return -1;
    if (changes_base(o))
        return fail_as("unsupported",
                       "%s: init_lora_weights \"%s\" changes the base model's weights", r.where,
                       json_string(o, "init_lora_weights", ""));
    for (int i = 0; i < COUNT(none); i++)
        if (!is_empty(o, none[i]))
            return fail_as("unsupported", "%s: %s is not supported", r.where, none[i]);
    return rank < 1 ? fail("%s: r is %g", r.where, rank) : 0;
}

bool adapter_is(const char *folder)
{
    char *config = path_join(folder, "adapter_config.json");
    bool is = path_is_folder(folder) && path_exists(config);

    free(config);
    return is;
}

char *adapter_base(const char *folder)
{
    char *config = path_join(folder, "adapter_config.json"), *base = NULL;
    cJSON *o = json_read(config);
    const char *name = json_string(o, "base_model_name_or_path", "");
    struct scaling s;

    if (o && read_settings(o, &s) == 0) {
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

static float factor_of(const struct scaling *s)
{
    return (float)(s->alpha / (s->by_root ? sqrt((double)s->rank) : (double)s->rank));
}

/* 1: merged, 0: the adapter has nothing for it; -1 after fail(). */
static int merge_one(struct model *m, struct param *p, const struct weights *w,
                     const struct scaling *scale)
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
    if (a->shape[0] != scale->rank)
        return fail("%s: its rank is %ld, not %ld", place.name, a->shape[0], scale->rank);
    x = arena_alloc(&m->memory, sizeof *x);
    *x = (struct tensor){ .type = DTYPE_F32, .rank = 2, .stride = p->shape[1] };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->data = arena_alloc(&m->memory, (size_t)tensor_count(x) * sizeof *x->data);
    tensor_read(*p->slot, 0, tensor_count(x), x->data);
    add_product(x, stored_floats(b, &memory), stored_floats(a, &memory), scale->rank,
                factor_of(scale));
    *p->slot = x;
    arena_free(&memory);
    return 1;
}

static int merge_all(struct model *m, const struct weights *w, const struct scaling *scale)
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
    struct scaling scale;
    int status = o ? read_settings(o, &scale) : -1;

    free(path);
    cJSON_Delete(o);
    path = path_join(folder, "adapter_model.safetensors");
    file = path_exists(path) ? xstrdup(path) : path_join(folder, "adapter_model.bin");
    w = status ? NULL : weights_open(file);
    status = w ? merge_all(m, w, &scale) : -1;
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
