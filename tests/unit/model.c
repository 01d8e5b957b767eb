/* SPDX-License-Identifier: MIT
 * model.c - opening checkpoints: where they are looked for, what is refused and with which words
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/registry.h"
#include "family/clip/clip.h"
#include "checkpoint/config.h"
#include "checkpoint/model.h"
#include "tests/unit/tap.h"

#define GOLDEN "tests/golden/clip/"

static char folder[] = "/tmp/vlm-model-XXXXXX";

static bool says(const char *part)
{
    bool good = strstr(error_text(), part);

    if (!good)
        note("\"%s\" is not in \"%s\"", part, error_text());
    return good;
}

/* --- names --- */

static void test_layout(void)
{
    static const struct {
        const struct layout *layout;
        const char *ours, *theirs;
        int part, parts;
        bool transpose;
    } rows[] = {
        { &clip_layout_openai, "vision.block.11.attention.key.weight",
          "visual.transformer.resblocks.11.attn.in_proj_weight", 1, 3, false },
        { &clip_layout_openai, "text.block.0.mlp.fc2.bias",
          "transformer.resblocks.0.mlp.c_proj.bias", 0, 1, false },
        { &clip_layout_openai, "text.projection.weight", "text_projection", 0, 1, true },
        { &clip_layout_openai, "vision.stage.2.5.norm3.variance", "visual.layer3.5.bn3.running_var",
          0, 1, false },
        { &clip_layout_openai, "vision.stage.0.0.down.weight",
          "visual.layer1.0.downsample.0.weight", 0, 1, false },
        { &clip_layout_openai, "vision.conv2.weight", "visual.conv2.weight", 0, 1, false },
        { &clip_layout_open_clip_custom, "text.norm.weight", "text.ln_final.weight", 0, 1, false },
        { &clip_layout_hf, "vision.norm_before.bias", "vision_model.pre_layrnorm.bias", 0, 1,
          false },
        { &clip_layout_hf, "text.block.3.attention.out.weight",
          "text_model.encoder.layers.3.self_attn.out_proj.weight", 0, 1, false },
        { &clip_layout_own, "text.token", "text.token", 0, 1, false },
    };
    struct place p;

    for (int i = 0; i < COUNT(rows); i++) {
        ok(layout_place(rows[i].layout, rows[i].ours, &p) && p.part == rows[i].part &&
               p.parts == rows[i].parts && p.transpose == rows[i].transpose,
           "%s is known", rows[i].ours);
        is_text(p.name, rows[i].theirs, "its name");
    }
    ok(!layout_place(&clip_layout_hf, "vision.block.x.norm1.weight", &p), "others are not");
}

/* --- a checkpoint made from the golden one --- */

struct copy {
    struct saving list[100];
    int count;
};

static void copy_golden(struct copy *c, const struct weights *w)
{
    c->count = weights_count(w);
    for (int i = 0; i < c->count; i++) {
        const struct stored *s = weights_at(w, i);
        struct saving *one = &c->list[i];

        *one =
            (struct saving){ .name = s->name, .type = s->type, .rank = s->rank, .data = s->data };
        memcpy(one->shape, s->shape, sizeof one->shape);
    }
}

static struct saving *find_saving(struct copy *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->list[i].name, name))
            return &c->list[i];
    return NULL;
}

static struct model *reopen(const struct copy *c)
{
    char *path = path_join(folder, "model.safetensors");
    struct model *m = NULL;

    if (weights_save(path, c->list, c->count, NULL))
        note("%s", error_text());
    else
        m = model_load(folder, NULL);
    free(path);
    return m;
}

static void copy_file(const char *name)
{
    struct buffer b = { 0 };
    char *from = path_join(GOLDEN "hf-vit", name), *to = path_join(folder, name);

    file_read(&b, from);
    file_write_atomic(to, b.data, b.size);
    buffer_free(&b);
    free(from);
    free(to);
}

static void test_misfits(struct copy *all, uint64_t hash)
{
    struct copy c = *all;
    struct saving *one = find_saving(&c, "text_model.final_layer_norm.bias");
    static const float extra[4];
    static const int64_t ids[4];
    struct model *m;

    *one = (struct saving){ "surplus.weight", DTYPE_F32, 1, { 4 }, extra, 0, false };
    one = find_saving(&c, "visual_projection.weight");
    one->shape[0] = 24;
    one->shape[1] = 12;
    ok(!reopen(&c) && says("missing text_model.final_layer_norm.bias") &&
           says("unknown surplus.weight") &&
           says("misshapen visual_projection.weight is f32[24,12] for [12,24]"),
       "one sentence names what is missing, unknown and misshapen");
    c = *all;
    c.list[c.count++] = (struct saving){
        "vision_model.embeddings.position_ids", DTYPE_I64, 2, { 1, 4 }, ids, 0, false
    };
    m = reopen(&c);
    ok(m && model_tower_hash(m) == hash, "a buffer without data is no matter");
    model_free(m);
    find_saving(&c, "vision_model.embeddings.class_embedding")->type = DTYPE_I32;
    ok(!reopen(&c) && says("class_embedding is i32"), "whole numbers are no weights");
}

static void test_types(struct copy *all, uint64_t hash)
{
    struct copy c = *all;
    static const char *const name = "vision_model.encoder.layers.0.self_attn.k_proj.weight";
    struct saving *key = find_saving(&c, name);
    const float *wide = key->data;
    uint16_t half[24 * 24];
    float pixels[3 * 32 * 32] = { 1 };
    struct tape t = { 0 };
    struct model *m;

    for (int i = 0; i < COUNT(half); i++)
        half[i] = float_to_half(wide[i]);
    key->type = DTYPE_F16;
    key->data = half;
    m = reopen(&c);
    if (ok(m, "a key of another type than its query")) {
        long shape[] = { 1, 3, 32, 32 };
        struct tensor *x = clip_image(&t, model_clip(m), tensor_from(&t, pixels, 4, shape));

        ok(isfinite(x->data[0]), "is computed with");
        ok(model_tower_hash(m) != hash, "and is another tower");
    }
    tape_free(&t);
    model_free(m);
}

/* Bytes with a factor for a row too few: never read beyond. */
static void test_bytes(struct copy *all)
{
    struct copy c = *all;
    struct saving *one = find_saving(&c, "vision_model.embeddings.position_embedding.weight");
    static const int8_t bytes[17 * 24] = { 1 };
    static const float scale[17] = { 1 };
    struct model *m;

    one->type = DTYPE_I8;
    one->data = bytes;
    ok(!reopen(&c) && says("position_embedding.weight is i8[17,24]"), "bytes without factors");
    c.list[c.count++] = (struct saving){ "vision_model.embeddings.position_embedding.weight.scale",
                                         DTYPE_F32,
                                         1,
                                         { 17 },
                                         scale,
                                         0,
                                         false };
    m = reopen(&c);
    ok(m, "bytes with a factor a row");
    model_free(m);
    c.list[c.count - 1].shape[0] = 16;
    ok(!reopen(&c) && says("misshapen"), "one factor too few");
    one = find_saving(&c, "vision_model.embeddings.position_embedding.weight");
    *one = (struct saving){ one->name, DTYPE_I8, 3, { 1, 17, 24 }, bytes, 0, false };
    c.list[c.count - 1].shape[0] = 1;
    ok(!reopen(&c) && says("misshapen"), "a factor for all rows");
}

/* BERT's query, key and value lie apart, so somebody may round one. */
static void test_mixed_bert(void)
{
    struct weights *w = weights_open("tests/golden/blip/hf-itm");
    struct buffer config = { 0 };
    char *path = path_join(folder, "config.json");
    char *images = path_join(folder, "preprocessor_config.json");
    static uint16_t half[16 * 16];
    struct tape t = { 0 };
    struct saving *key;
    struct model *m;
    struct copy c;

    copy_golden(&c, w);
    file_read(&config, "tests/golden/blip/hf-itm/config.json");
    file_write_atomic(path, config.data, config.size);
    unlink(images);
    key = find_saving(&c, "text_encoder.encoder.layer.0.attention.self.key.weight");
    key->type = DTYPE_F16;
    key->data = half;
    m = reopen(&c);
    if (ok(m, "a key of BERT's of another type than its query"))
        ok(isfinite(m->family->text(&t, m, (int[]){ 2, 9, 3 }, (int[]){ 3 }, 1)->data[0]),
           "is computed with");
    else
        note("%s", error_text());
    tape_free(&t);
    model_free(m);
    weights_close(w);
    buffer_free(&config);
    free(images);
    free(path);
}

static void test_one_tower(struct copy *all)
{
    struct copy c = { .count = 0 };
    struct model *m;

    for (int i = 0; i < all->count; i++)
        if (!strncmp(all->list[i].name, "vis", 3))
            c.list[c.count++] = all->list[i];
    m = reopen(&c);
    ok(m && m->abilities == (VLM_EMBED_IMAGE | VLM_FEATURES), "a file of the image tower alone");
    if (m)
        ok(strstr(m->about, "image tower alone"), "says so");
    else
        note("%s", error_text());
    model_free(m);
}

static void test_checkpoints(void)
{
    struct weights *w = weights_open(GOLDEN "hf-vit");
    struct model *golden = model_load(GOLDEN "hf-vit", NULL), *m;
    struct copy c;
    char *config = path_join(folder, "config.json");

    copy_golden(&c, w);
    copy_file("config.json");
    copy_file("preprocessor_config.json");
    m = reopen(&c);
    ok(m && model_tower_hash(m) == model_tower_hash(golden), "a copy is the same tower");
    model_free(m);
    test_misfits(&c, model_tower_hash(golden));
    test_types(&c, model_tower_hash(golden));
    test_bytes(&c);
    test_one_tower(&c);
    test_mixed_bert();
    file_write_atomic(config, "{\"model_type\":\"llava\"}", 22);
    ok(!reopen(&c) && says("\"llava\" is not supported"), "another kind of model");
    unlink(config);
    ok(!reopen(&c) && says("config.json"), "a file that says too little");
    model_free(golden);
    weights_close(w);
    free(config);
}

/* --- configurations --- */

static void test_configs(void)
{
    static const struct {
        const char *json, *says; /* NULL: good */
    } rows[] = {
        { "{}", NULL },
        { "{\"quick_gelu\":true,\"vision_cfg\":{\"layers\":[3,4,6,3],\"width\":64}}", NULL },
        { "{\"vision_cfg\":{\"timm_model_name\":\"vit_base\"}}", "timm_model_name" },
        { "{\"vision_cfg\":{\"ls_init_value\":0.1}}", "ls_init_value" },
        { "{\"vision_cfg\":{\"pool_type\":\"none\"}}", "pool_type" },
        { "{\"vision_cfg\":{\"image_size\":[224,448]}}", "image_size" },
        { "{\"vision_cfg\":{\"layers\":[3,4,6]}}", "0 layers" },
        { "{\"vision_cfg\":{\"width\":-768}}", "width" },
        { "{\"vision_cfg\":{\"head_width\":0}}", "0 heads" },
        { "{\"text_cfg\":{\"hf_model_name\":\"roberta-base\"}}", "hf_model_name" },
        { "{\"text_cfg\":{\"embed_cls\":true}}", "embed_cls" },
        { "{\"text_cfg\":{\"tokenizer_kwargs\":{\"clean\":\"canonicalize\"}}}",
          "tokenizer_kwargs" },
        { "{\"text_cfg\":{\"heads\":7}}", "7 heads" },
        { "{\"text_cfg\":{\"width\":1e30}}", "width" },
        { "{\"text_cfg\":{\"context_length\":\"long\"}}", "context_length" },
        { "{\"multimodal_cfg\":{}}", "multimodal_cfg" },
    };

    for (int i = 0; i < COUNT(rows); i++) {
        cJSON *json = json_parse(rows[i].json, strlen(rows[i].json));
        struct clip_config c;
        int result;

        error_clear();
        result = clip_config_open_clip(json, &c);
        ok(rows[i].says ? result && says(rows[i].says) : !result, "%s", rows[i].json);
        cJSON_Delete(json);
    }
}

/* A cause that lies below keeps its code on the way up, and the model is named before it. */
static void test_codes(void)
{
    static const struct {
        const char *json, *code;
    } rows[] = {
        { "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"vit\"}}}", "unsupported" },
        { "{\"model_cfg\":{\"vision_cfg\":{\"width\":-1}}}", "invalid" },
    };
    char *config = path_join(folder, "open_clip_config.json");
    char *weights = path_join(folder, "m.safetensors");
    struct buffer b = { 0 };

    file_read(&b, GOLDEN "open_clip-gelu/open_clip_model.safetensors");
    file_write_atomic(weights, b.data, b.size);
    for (int i = 0; i < COUNT(rows); i++) {
        file_write_atomic(config, rows[i].json, strlen(rows[i].json));
        ok(!vlm_open(weights, NULL) && says(weights) && !strcmp(vlm_error_code(), rows[i].code),
           "%s: %s", rows[i].json, vlm_error_code());
    }
    remove(config);
    remove(weights);
    buffer_free(&b);
    free(weights);
    free(config);
}

static void test_preprocess(void)
{
    static const char *const bad[] = {
        "{\"image_mean\":[1,2]}",
        "{\"image_std\":[0,1,1]}",
        "{\"crop_size\":200}",
        "{\"size\":{\"height\":224,\"width\":112},\"do_center_crop\":false}",
        "{\"do_center_crop\":false}",
        "{\"resample\":9}",
    };
    struct preprocess p;
    cJSON *json;

    for (int i = 0; i < COUNT(bad); i++) {
        json = json_parse(bad[i], strlen(bad[i]));
        error_clear();
        ok(preprocess_hf(
               &p, &(struct preprocess_source){ .root = json, .processor = "CLIPImageProcessor" },
               224) &&
               *error_text(),
           "%s is refused: %s", bad[i], error_text());
        cJSON_Delete(json);
    }
    json = json_parse("{\"size\":256,\"crop_size\":256}", 28);
    ok(preprocess_hf(&p,
                     &(struct preprocess_source){ .root = json, .processor = "CLIPImageProcessor" },
                     256) == 0 &&
           p.resize == 256 && p.width == 256 && p.convert_first,
       "an old file with numbers");
    cJSON_Delete(json);
    json = json_parse("{\"size\":{\"height\":224,\"width\":224},\"do_center_crop\":false}", 58);
    ok(preprocess_hf(&p,
                     &(struct preprocess_source){ .root = json, .processor = "CLIPImageProcessor" },
                     224) == 0 &&
           p.geometry == GEOMETRY_SQUASH,
       "a squashed square");
    cJSON_Delete(json);
    json = json_parse("{\"size\":{\"height\":256,\"width\":256},\"crop_size\":224}", 51);
    ok(preprocess_hf(&p,
                     &(struct preprocess_source){ .root = json, .processor = "CLIPImageProcessor" },
                     224) == 0 &&
           p.geometry == GEOMETRY_SQUASH && p.resize == 256 && p.width == 224 && p.center_crop,
       "squashed, then cropped");
    cJSON_Delete(json);
    json = json_parse("{\"image_processor_type\":\"BlipImageProcessor\",\"size\":224}", 56);
    ok(preprocess_hf(&p,
                     &(struct preprocess_source){ .root = json, .processor = "CLIPImageProcessor" },
                     224) == 0 &&
           p.geometry == GEOMETRY_SQUASH,
       "a number is both sides to BLIP");
    cJSON_Delete(json);
}

/* --- names of models, and what they can do --- */

static void test_find(void)
{
    struct vlm *v;

    setenv("VLM_MODELS", "/nowhere:tests/golden/clip", 1);
    unsetenv("VLM_MODEL");
    v = vlm_open("hf-vit", NULL);
    ok(v && vlm_abilities(v) == (VLM_EMBED_IMAGE | VLM_EMBED_TEXT | VLM_FEATURES),
       "a bare name is found");
    vlm_close(v);
    ok(!vlm_open("no-such-model", NULL) && says("/nowhere, tests/golden/clip") &&
           !strcmp(vlm_error_code(), "not_found"),
       "and a wrong one told, with the places");
    ok(!vlm_open(NULL, NULL) && says("$VLM_MODEL"), "no name and no default");
    setenv("VLM_MODEL", "hf-vit", 1);
    v = vlm_open(NULL, NULL);
    ok(v, "$VLM_MODEL names one");
    vlm_close(v);
    ok(!vlm_open("./hf-vit", NULL), "a path is taken as it is");
}

static void test_abilities(void)
{
    struct vlm *v = vlm_open(GOLDEN "open_clip-gelu", NULL);
    int ids[] = { 70, 5, 71 }, count = 3, *read;
    float out[16];

    if (!ok(v, "a model without its tokenizer opens"))
        return;
    ok(vlm_abilities(v) == (VLM_EMBED_IMAGE | VLM_FEATURES), "cannot embed texts");
    ok(strstr(vlm_describe(v), "bpe_simple_vocab_16e6.txt.gz"), "and says what is missing");
    ok(vlm_read_text(v, "a", 1, &read, &count, NULL) && says("tokenizer"), "once more when asked");
    count = 3;
    ok(vlm_embed_texts(v, ids, &count, 1, true, out) == 0, "but ids are embedded");
    ids[1] = 72;
    ok(vlm_embed_texts(v, ids, &count, 1, true, out) && says("72"), "unless there is none such");
    count = 11;
    ok(vlm_embed_texts(v, ids, &count, 1, true, out) && says("11 tokens"), "or too many");
    vlm_close(v);
}

static void test_dot(void)
{
    float a[40 * 7], b[70 * 7], whole[40 * 70], one[1];
    struct random r = { 3 };

    for (int i = 0; i < COUNT(a); i++)
        a[i] = random_normal(&r);
    for (int i = 0; i < COUNT(b); i++)
        b[i] = random_normal(&r);
    vlm_dot(a, 40, b, 70, 7, whole);
    vlm_dot(a + 33 * 7, 1, b + 66 * 7, 1, 7, one);
    ok(one[0] == whole[33 * 70 + 66], "a dot product does not depend on its neighbours");
}

int main(void)
{
    char *command;

    if (!mkdtemp(folder))
        return 1;
    pool_start(2);
    test_layout();
    test_checkpoints();
    test_configs();
    test_codes();
    test_preprocess();
    test_find();
    test_abilities();
    test_dot();
    command = xprintf("rm -r %s", folder);
    ok(system(command) == 0, "cleaned up");
    free(command);
    pool_stop();
    return done();
}
