/* SPDX-License-Identifier: MIT
 * adapter.c - a LoRA adapter, as PEFT saves it, merged into its base model
 *
 *     W' = W + s B A      A [r, in], B [out, r]; s = alpha / r, or alpha / sqrt(r) with use_rslora
 *
 * Source: huggingface/peft tuners/lora/layer.py, get_delta_weight; utils/other.py, get_pattern_key;
 * arXiv 2106.09685, section 4.1.
 * adapter_config.json names the base model; what it says beyond rank and alpha is refused.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/config.h"
#include "checkpoint/model.h"

struct scaling {
    double alpha;
    double rank;
    bool by_root;
    const cJSON *ranks, *alphas; /* of modules that have their own, by names or their ends */
};

static const struct field settings[] = {
    FIELD("peft_type", IS_WORD, .word = "LORA"),
    FIELD("use_dora", IS_FLAG, .otherwise = false),
    FIELD("fan_in_fan_out", IS_FLAG, .otherwise = false),
    FIELD("bias", REFUSED, .word = "none"),
    FIELD("lora_bias", REFUSED),
    FIELD("use_qalora", REFUSED),
    FIELD("use_bdlora", REFUSED),
    FIELD("arrow_config", REFUSED),
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

/* Keys are regular expressions; names, with or without ^ before them, are what is taken. */
static int check_pattern(const cJSON *o, const char *name)
{
    const cJSON *item, *all = json_get(o, name);

    cJSON_ArrayForEach(item, all)
    {
        const char *key = item->string ? item->string : "";

        if (!*key || strpbrk(key + (*key == '^'), "\\^$*+?{}[]|()"))
            return fail_as("unsupported", "adapter_config.json: %s \"%.60s\" is no module's name",
                           name, key);
        if (!cJSON_IsNumber(item) || item->valuedouble <= 0 || item->valuedouble > 1 << 24)
            return fail("adapter_config.json: %s \"%.60s\" is not above 0", name, key);
    }
    return 0;
}

static int read_settings(const cJSON *o, struct scaling *s)
{
    struct reader r = { o, "adapter_config.json", false };

    config_read(&r, settings, NULL);
    s->rank = (double)read_whole(&r, "r", 8);
    s->alpha = read_real(&r, "lora_alpha", 8);
    s->by_root = read_flag(&r, "use_rslora", false);
    s->ranks = json_get(o, "rank_pattern");
    s->alphas = json_get(o, "alpha_pattern");
    if (r.bad || check_pattern(o, "rank_pattern") || check_pattern(o, "alpha_pattern"))
        return -1;
    if (changes_base(o))
        return fail_as("unsupported",
                       "%s: init_lora_weights \"%s\" changes the base model's weights", r.where,
                       json_string(o, "init_lora_weights", ""));
    if (!is_empty(o, "modules_to_save"))
        return fail_as("unsupported", "%s: modules_to_save is not supported", r.where);
    return s->rank < 1 ? fail("%s: r is %g", r.where, s->rank) : 0;
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

/* The first that is the module's name, or its end behind a dot. */
static double own_value(const cJSON *pattern, const char *module, double otherwise)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, pattern)
    {
        const char *key = item->string, *end;
        bool whole = *key == '^';

        key += whole;
        end = module + strlen(module);
        if (strlen(key) > strlen(module) || strcmp(end - strlen(key), key))
            continue;
        end -= strlen(key);
        if (end == module || (!whole && end[-1] == '.'))
            return item->valuedouble;
    }
    return otherwise;
}

static float factor_of(const struct scaling *s, const char *module, long rank)
{
    double alpha = own_value(s->alphas, module, s->alpha);

    return (float)(alpha / (s->by_root ? sqrt((double)rank) : (double)rank));
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
    char module[sizeof place.name];
    long rank;

    if (!*p->slot || p->rank != 2 || !layout_place(m->layout, p->name, &place))
        return 0;
    size = strlen(place.name);
    if (size < sizeof ending || size + 16 > sizeof place.name ||
        strcmp(place.name + size - strlen(ending), ending))
        return 0;
    snprintf(module, sizeof module, "%.*s", (int)(size - strlen(ending)), place.name);
    rank = (long)own_value(scale->ranks, module, scale->rank);
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
    if (a->shape[0] != rank)
        return fail("%s: its rank is %ld, not %ld", place.name, a->shape[0], rank);
    x = arena_alloc(&m->memory, sizeof *x);
    *x = (struct tensor){ .type = DTYPE_F32, .rank = 2, .stride = p->shape[1] };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->data = arena_alloc(&m->memory, (size_t)tensor_count(x) * sizeof *x->data);
    tensor_read(*p->slot, 0, tensor_count(x), x->data);
    add_product(x, stored_floats(b, &memory), stored_floats(a, &memory), rank,
                factor_of(scale, module, rank));
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
    path = path_join(folder, "adapter_model.safetensors");
    file = path_exists(path) ? xstrdup(path) : path_join(folder, "adapter_model.bin");
    w = status ? NULL : weights_open(file);
    status = w ? merge_all(m, w, &scale) : -1;
    if (w && status)
        fail_in(file);
    weights_close(w);
    cJSON_Delete(o);
    free(path);
    free(file);
    if (status)
        return -1;
    about = xprintf("%s, with a LoRA adapter", m->about);
    free(m->about);
    m->about = about;
    return 0;
}
