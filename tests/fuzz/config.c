/* SPDX-License-Identifier: MIT
 * config.c - fuzz target: any JSON as the configuration of a CLIP, ALBEF, BLIP-2 or SigLIP, its
 * parameters listed
 */
#include <stdlib.h>
#include "base/error.h"
#include "family/albef/files.h"
#include "family/blip2/files.h"
#include "family/clip/clip.h"
#include "family/siglip/siglip.h"
#include "checkpoint/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a configuration that was taken promises: sizes that can be multiplied, heads that divide. */
static void check_sizes(const struct params *p)
{
    for (int i = 0; i < p->count; i++) {
        long count = 1;

        for (int k = 0; k < p->list[i].rank; k++)
            if (p->list[i].shape[k] <= 0 ||
                __builtin_mul_overflow(count, p->list[i].shape[k], &count))
                abort();
    }
}

static void list_params(const struct clip_config *c)
{
    struct clip m;
    struct params p = { 0 };

    clip_init(&m, c);
    clip_params(&m, &p);
    check_sizes(&p);
    if (c->has_vision && (clip_image_size(c) <= 0 || clip_feature_tokens(c) <= 0))
        abort();
    clip_close(&m);
    params_free(&p);
}

static void siglip(const cJSON *json)
{
    struct siglip_config c;
    struct siglip m;
    struct params p = { 0 };

    error_clear();
    if (siglip_config_hf(json, &c)) {
        if (!*error_text())
            abort();
        return;
    }
    siglip_init(&m, &c);
    siglip_params(&m, &p);
    check_sizes(&p);
    if (c.has_vision && (c.vit.width % c.vit.heads || vit_tokens(&c.vit) <= 0))
        abort();
    siglip_close(&m);
    params_free(&p);
}

static void blip2(const cJSON *json)
{
    struct blip2_config c;
    struct blip2 m;
    struct params p = { 0 };

    error_clear();
    if (blip2_config_hf(json, NULL, &c)) {
        if (!*error_text())
            abort();
        return;
    }
    blip2_init(&m, &c);
    blip2_params(&m, &p);
    check_sizes(&p);
    if (c.vision.width % c.vision.heads || c.qformer.width % c.qformer.heads ||
        (c.language == LANGUAGE_OPT && c.opt.width % c.opt.heads))
        abort();
    blip2_close(&m);
    params_free(&p);
}

static void albef(const cJSON *json)
{
    struct albef_config c;
    struct albef m;
    struct params p = { 0 };

    error_clear();
    if (albef_config_new(json, &c)) {
        if (!*error_text())
            abort();
        return;
    }
    albef_init(&m, &c);
    albef_params(&m, &p);
    check_sizes(&p);
    if (c.vision.width % c.vision.heads || c.text.width % c.text.heads ||
        c.text.cross_from >= c.text.layers)
        abort();
    albef_close(&m);
    params_free(&p);
}

static void judge(int result, const struct clip_config *c)
{
    if (result == 0)
        list_params(c);
    else if (!*error_text())
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *json = json_parse((const char *)data, size);
    struct clip_config c;
    struct preprocess p;

    if (!json)
        return 0;
    error_clear();
    judge(clip_config_hf(json, &c), &c);
    error_clear();
    judge(clip_config_own(json, &c), &c);
    error_clear();
    judge(clip_config_open_clip(json_get(json, "model_cfg"), &c), &c);
    siglip(json);
    blip2(json);
    albef(json);
    error_clear();
    if (preprocess_hf(
            &p, &(struct preprocess_source){ .root = json, .processor = "CLIPImageProcessor" },
            224) &&
        !*error_text())
        abort();
    error_clear();
    if (preprocess_open_clip(&p, json_get(json, "preprocess_cfg"), 224) && !*error_text())
        abort();
    cJSON_Delete(json);
    return 0;
}
