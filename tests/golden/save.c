/* SPDX-License-Identifier: MIT
 * save.c - tiny models of every layout, saved and opened again, answer as before
 *
 * Nothing is rounded when f32 is saved as f32, so answers are the same bytes.  Whether transformers
 * reads the folders is asked by save.large.
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
#include "family/registry.h"
#include "learn/learn.h"
#include "checkpoint/save.h"
#include "tests/unit/tap.h"

static char folder[] = "/tmp/vlm-save-XXXXXX";
static char *saved, *again;

static struct model *load(const char *path)
{
    struct model *m = model_load(path, NULL);

    if (!m)
        note("%s", error_text());
    return m;
}

static bool save(const struct model *m, const char *path, enum dtype type, bool once)
{
    int status = model_save(m, path, &(struct save_options){ .type = type, .once = once });

    if (status)
        note("%s", error_text());
    return status == 0;
}

static float *values(const struct tensor *x)
{
    float *all = xalloc((size_t)tensor_count(x) + 1, sizeof *all);

    tensor_read(x, 0, tensor_count(x), all);
    return all;
}

/* The worst difference of a parameter's numbers, over the largest of its row; bytes that have one
 * scale, such as a filter's, are a row. */
static double row_difference(const struct tensor *x, const struct tensor *y)
{
    long wide = y->scale ? tensor_count(y) / y->shape[0] : width(x);
    float *a = values(x), *b = values(y);
    double worst = 0;

    for (long r = 0; r < tensor_count(x) / wide; r++) {
        double size = 1e-30, off = 0;

        for (long i = r * wide; i < (r + 1) * wide; i++) {
            size = fmax(size, fabs((double)a[i]));
            off = fmax(off, fabs((double)a[i] - b[i]));
        }
        worst = fmax(worst, off / size);
    }
    free(a);
    free(b);
    return worst;
}

static double worst_parameter(const struct model *m, const struct model *n)
{
    double worst = m->params.count == n->params.count ? 0 : INFINITY;

    for (int i = 0; i < m->params.count && worst < INFINITY; i++) {
        const struct tensor *x = *m->params.list[i].slot, *y = *n->params.list[i].slot;

        if (!x != !y || strcmp(m->params.list[i].name, n->params.list[i].name))
            return INFINITY;
        worst = x ? fmax(worst, row_difference(x, y)) : worst;
    }
    return worst;
}

static bool same_preparation(const struct preprocess *p, const struct preprocess *q)
{
    return p->resize == q->resize && p->width == q->width && p->height == q->height &&
           p->geometry == q->geometry && p->filter == q->filter &&
           (p->rounding == q->rounding || !p->center_crop) &&
           p->convert_first == q->convert_first && p->center_crop == q->center_crop &&
           p->scale == q->scale && !memcmp(p->mean, q->mean, sizeof p->mean) &&
           !memcmp(p->std, q->std, sizeof p->std);
}

static bool same_settings(const struct model *m, const struct model *n)
{
    return m->abilities == n->abilities && m->embedding.width == n->embedding.width &&
           m->image.size == n->image.size && m->reading.context == n->reading.context &&
           m->reading.vocabulary == n->reading.vocabulary &&
           m->embedding.scale == n->embedding.scale && m->reading.kind == n->reading.kind &&
           m->writing.begin == n->writing.begin && m->matching.begin == n->matching.begin &&
           (m->reading.clean == CLEAN_HF) == (n->reading.clean == CLEAN_HF) &&
           (!m->writing.prompt || !strcmp(m->writing.prompt, n->writing.prompt)) &&
           m->writing.rules.version == n->writing.rules.version &&
           m->writing.rules.min_length == n->writing.rules.min_length &&
           m->writing.sampling_penalty == n->writing.sampling_penalty;
}

/* --- answers --- */

enum { ROOM = 4096 };
struct answers {
    float numbers[ROOM];
    long count;
};

static void keep(struct answers *a, const struct tensor *x)
{
    for (long i = 0; i < tensor_count(x) && a->count < ROOM; i++)
        a->numbers[a->count++] = x->data[i];
}

static void ask(struct model *m, struct answers *a)
{
    static const int counts[2] = { 5, 3 };
    int ids[8];
    long size = m->image.size;
    struct random random = { 7 };
    struct tape t = { 0 };
    struct tensor *features = NULL;

    a->count = 0;
    for (int i = 0; i < 8; i++)
        ids[i] = m->reading.vocabulary ? m->reading.vocabulary - 1 - 3 * i : 0;
    if (size) {
        struct tensor *pixels = tensor_make(&t, 2, 3, size, size);

        for (long i = 0; i < tensor_count(pixels); i++)
            pixels->data[i] = random_normal(&random);
        features = m->family->features(&t, m, pixels);
        keep(a, features);
    }
    if (m->abilities & VLM_EMBED_IMAGE)
        keep(a, m->family->image_of(&t, m, features));
    if (m->abilities & VLM_EMBED_TEXT)
        keep(a, m->family->text(&t, m, ids, counts, 2));
    if (m->abilities & VLM_MATCH)
        keep(a, m->family->match(
                    &t, m, features,
                    &(struct image_texts){ ids, counts, (int[]){ 2 - m->image.per_text, 0 }, 2 }));
    if (m->abilities & VLM_CAPTION) {
        struct prompt prompts[2] = { { .ids = ids, .count = 5 }, { .ids = ids + 5, .count = 3 } };
        struct hypothesis out[2];
        struct decoding rules = m->writing.rules;

        rules.end = 3;
        if (m->family->write(&t, m, features, prompts, &rules, out) == 0)
            for (int i = 0; i < 2; i++) {
                a->numbers[a->count++] = (float)out[i].logprob;
                free(out[i].ids);
            }
    }
    tape_free(&t);
}

static bool same_answers(struct model *m, struct model *n)
{
    struct answers a, b;

    ask(m, &a);
    ask(n, &b);
    return a.count > 8 && a.count == b.count &&
           !memcmp(a.numbers, b.numbers, (size_t)a.count * sizeof *a.numbers);
}

static bool same_file(const char *name)
{
    char *first = path_join(saved, name), *second = path_join(again, name);
    struct buffer a = { 0 }, b = { 0 };
    bool same = file_read(&a, first) == 0 && file_read(&b, second) == 0 && a.size == b.size &&
                !memcmp(a.data, b.data, a.size);

    buffer_free(&a);
    buffer_free(&b);
    free(first);
    free(second);
    return same;
}

/* --- one model --- */

/* Rounding: half a unit of the last place, and for bytes half a step of the row's largest / 127. */
static const struct {
    enum dtype type;
    double worst;
} types[] = { { DTYPE_F16, 0x1p-11 }, { DTYPE_BF16, 0x1p-8 }, { DTYPE_I8, 0.5 / 127 + 1e-6 } };

/* As bytes, filters that make words of squares are a product's matrix. */
static bool squares_are_bytes(const struct model *n)
{
    for (int i = 0; i < n->params.count; i++) {
        const struct param *p = &n->params.list[i];
        const char *patch = strstr(p->name, ".patch.weight");

        if (patch && p->rank == 4 && *p->slot && p->shape[0] >= 16 && (*p->slot)->type != DTYPE_I8)
            return false;
    }
    return true;
}

static void test_types(const struct model *m, const char *name)
{
    for (int i = 0; i < COUNT(types); i++) {
        struct model *n = save(m, saved, types[i].type, false) ? load(saved) : NULL, *o = NULL;
        double worst = n ? worst_parameter(m, n) : INFINITY;

        if (n && types[i].type == DTYPE_I8)
            ok(squares_are_bytes(n), "%s: squares are multiplied by bytes", name);
        ok(worst <= types[i].worst, "%s as %s: off by %.2g at most", name,
           dtype_name(types[i].type), worst);
        if (n && save(n, again, types[i].type, false))
            o = load(again);
        ok(o && same_file("model.safetensors") && same_file("config.json") && same_answers(n, o),
           "%s as %s: saved once more it is the same", name, dtype_name(types[i].type));
        model_free(n);
        model_free(o);
    }
}

static void test_model(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    struct model *m = load(path), *n = NULL;

    if (ok(m && save(m, saved, DTYPE_F32, false), "%s is saved", name))
        n = load(saved);
    if (ok(n, "%s: and opens", name)) {
        ok(worst_parameter(m, n) == 0, "%s: the same numbers", name);
        ok(same_preparation(&m->image.preprocess, &n->image.preprocess),
           "%s: images are prepared so", name);
        ok(same_settings(m, n), "%s: the same settings", name);
        ok(same_answers(m, n), "%s: the same answers, to the bit", name);
        test_types(n, name);
    }
    model_free(m);
    model_free(n);
}

/* --- tensors under two names --- */

static long size_of(const char *path)
{
    char *file = path_join(path, "model.safetensors");
    struct file f;
    long size = file_map(&f, file) ? -1 : (long)f.size;

    file_unmap(&f);
    free(file);
    return size;
}

static int shared(const struct model *m)
{
    int count = 0;

    for (int i = 0; i < m->params.count; i++)
        for (int k = 0; k < i; k++)
            count += *m->params.list[i].slot == *m->params.list[k].slot;
    return count;
}

/* What two layers of NLVR2's text transformer know of images is one. */
static void test_pictures_once(void)
{
    struct model *m = load("tests/golden/albef/nlvr.pth"), *n;

    ok(m && save(m, saved, DTYPE_F32, true), "NLVR2 is saved once");
    n = load(saved);
    ok(n && n->image.per_text == 2 && shared(n) == 8, "what is stored once is one tensor: %d",
       n ? shared(n) : 0);
    ok(n && worst_parameter(m, n) == 0 && same_answers(m, n), "and answers the same");
    model_free(n);
    model_free(m);
}

static void test_once(void)
{
    struct model *m = load("tests/golden/blip/pretrain.pth"), *n;

    ok(m && save(m, saved, DTYPE_F32, true) && save(m, again, DTYPE_F32, false), "saved once");
    ok(size_of(saved) < size_of(again) * 4 / 5, "smaller: %ld of %ld bytes", size_of(saved),
       size_of(again));
    n = load(saved);
    ok(n && shared(n) == 36, "what is stored once is one tensor: %d", n ? shared(n) : 0);
    ok(n && worst_parameter(m, n) == 0 && same_answers(m, n), "and answers the same");
    model_free(n);
    model_free(m);
}

/* --- a model that was made here --- */

static void copy_file(const char *from, const char *to_folder, const char *name)
{
    char *to = path_join(to_folder, name);
    struct buffer b = { 0 };

    ok(file_read(&b, from) == 0 && file_write_atomic(to, b.data, b.size) == 0, "%s", name);
    buffer_free(&b);
    free(to);
}

static void test_created(void)
{
    static const char config[] =
        "{\"model_type\":\"blip\",\"architectures\":[\"BlipForConditionalGeneration\","
        "\"BlipForImageTextRetrieval\"],\"image_text_hidden_size\":12,\"text_config\":{"
        "\"vocab_size\":117,\"hidden_size\":32,\"encoder_hidden_size\":48,"
        "\"intermediate_size\":64,\"num_hidden_layers\":3,\"num_attention_heads\":4,"
        "\"max_position_embeddings\":40,\"bos_token_id\":115,\"sep_token_id\":3},"
        "\"vision_config\":{\"hidden_size\":48,\"intermediate_size\":96,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":3,\"image_size\":32,"
        "\"patch_size\":8}}";
    char *plan = path_join(folder, "plan"), *make = xprintf("mkdir %s", plan);
    char *file = path_join(plan, "config.json");
    struct model *m = NULL, *n = NULL;
    struct tokenizer *t = NULL;

    ok(system(make) == 0 && file_write_atomic(file, config, sizeof config - 1) == 0, "a plan");
    copy_file("tests/golden/blip/vocab.txt", plan, "vocab.txt");
    m = model_create(plan, 5, NULL);
    if (ok(m && save(m, saved, DTYPE_F32, false), "a new model is saved"))
        n = load(saved);
    ok(n && worst_parameter(m, n) == 0 && same_settings(m, n) && same_answers(m, n),
       "and is the same");
    t = n ? model_tokenizer(n, saved) : NULL;
    ok(t && tokenizer_id(t, "[DEC]") == 115 && tokenizer_id(t, "[ENC]") == 116,
       "its vocabulary has the tokens that texts begin with");
    model_free(n);
    n = save(m, saved, DTYPE_I8, true) ? load(saved) : NULL;
    ok(n && shared(n) == 52, "saved once: %d tensors have two names", n ? shared(n) : 0);
    tokenizer_close(t);
    model_free(n);
    model_free(m);
    free(plan);
    free(make);
    free(file);
}

/* --- vocabularies --- */

static bool same_ids(const struct tokenizer *t, const struct tokenizer *u, const char *text)
{
    struct token_ids a, b;
    bool same;

    tokenizer_encode(t, text, strlen(text), 40, &a);
    tokenizer_encode(u, text, strlen(text), 40, &b);
    same =
        a.count > 3 && a.count == b.count && !memcmp(a.ids, b.ids, (size_t)a.count * sizeof *a.ids);
    free(a.ids);
    free(b.ids);
    return same;
}

/* OpenAI's list of merges becomes the files of Hugging Face, and means the same. */
static void test_words(void)
{
    struct tokenizer *t = tokenizer_clip("tests/golden/tokenizer/clip.txt", CLEAN_OPENAI), *u;
    char *written = path_join(folder, "merges.txt"), *ids = path_join(folder, "vocab.json");
    struct buffer a = { 0 }, b = { 0 };

    ok(t && tokenizer_save(t, folder) == 0, "a vocabulary is written");
    ok(file_read(&a, written) == 0 &&
           file_read(&b, "tests/golden/tokenizer/clip/merges.txt") == 0 && a.size == b.size &&
           !memcmp(a.data, b.data, a.size),
       "merges.txt has the bytes that Hugging Face's library writes");
    u = tokenizer_clip(ids, CLEAN_OPENAI);
    ok(u && same_ids(t, u, "A photo of 2 dogs, isn't it?") &&
           same_ids(t, u, "na\xc3\xafve \xe2\x98\x83"),
       "and texts have the same ids");
    tokenizer_close(t);
    tokenizer_close(u);
    buffer_free(&a);
    buffer_free(&b);
    free(written);
    free(ids);
}

int main(void)
{
    static const char *const models[] = {
        "tests/golden/clip/openai-vit.pt",
        "tests/golden/clip/openai-rn.pt",
        "tests/golden/clip/hf-vit",
        "tests/golden/clip/hf-sharded",
        "tests/golden/clip/hf-bf16",
        "tests/golden/clip/open_clip-gelu",
        "tests/golden/clip/open_clip-mean",
        "tests/golden/clip/own-bag",
        "tests/golden/blip/caption.pth",
        "tests/golden/blip/itm.pth",
        "tests/golden/blip/vqa.pth",
        "tests/golden/blip/pretrain.pth",
        "tests/golden/blip/nlvr.pth",
        "tests/golden/blip/hf-caption",
        "tests/golden/blip/hf-itm",
        "tests/golden/blip/hf-vqa",
        "tests/golden/blip/hf-pooled",
        "tests/golden/albef/pretrain.pth",
        "tests/golden/albef/retrieval.pth",
        "tests/golden/albef/vqa.pth",
        "tests/golden/albef/nlvr.pth",
        "tests/golden/albef/ve.pth",
        "tests/golden/albef/lavis-retrieval.pt",
        "tests/golden/blip2/stage1/blip2_pretrained.pth",
        "tests/golden/blip2/hf-itm",
        "tests/golden/blip2/opt/blip2.pth",
        "tests/golden/blip2/t5/blip2.pth",
        "tests/golden/blip2/hf-opt",
        "tests/golden/blip2/hf-t5",
    };
    char *remove;

    if (!mkdtemp(folder))
        return 1;
    saved = path_join(folder, "saved");
    again = path_join(folder, "again");
    for (int i = 0; i < COUNT(models); i++)
        test_model(models[i]);
    test_once();
    test_pictures_once();
    test_created();
    test_words();
    remove = xprintf("rm -r %s", folder);
    if (system(remove))
        note("%s stays", folder);
    free(remove);
    free(saved);
    free(again);
    return done();
}
