/* SPDX-License-Identifier: MIT
 * pretrained.c - a new ALBEF takes BERT's and DeiT's weights, under the names that those have
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
#include "base/number.h"
#include "family/registry.h"
#include "learn/learn.h"
#include "tests/unit/tap.h"

enum { WIDE = 8, WORDS = 20 };
static const char config[] =
    "{\"model_type\":\"albef\",\"projection_dim\":4,"
    "\"vision_config\":{\"image_size\":32,\"patch_size\":8,\"hidden_size\":8,"
    "\"intermediate_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2},"
    "\"text_config\":{\"vocab_size\":20,\"hidden_size\":8,\"intermediate_size\":16,"
    "\"num_hidden_layers\":4,\"num_attention_heads\":2,\"max_position_embeddings\":16,"
    "\"type_vocab_size\":2,\"fusion_layer\":2}}";

static char folder[] = "/tmp/vlm-pretrained-XXXXXX";
static char *file;
static float numbers[WORDS * WIDE * 16]; /* 0, 1, 2, .. */

static struct model *new_model(void)
{
    char *path = path_join(folder, "config.json");
    struct model *m;

    file_write_atomic(path, config, sizeof config - 1);
    m = model_create(folder, 1, NULL);
    if (!m)
        note("%s", error_text());
    free(path);
    return m;
}

static struct saving saved(const char *name, int rank, long a, long b, long c)
{
    return (struct saving){
        .name = name, .type = DTYPE_F32, .rank = rank, .shape = { a, b, c }, .data = numbers
    };
}

static const float *numbers_in(const struct model *m, const char *name, long *count)
{
    for (int i = 0; i < m->params.count; i++)
        if (!strcmp(m->params.list[i].name, name)) {
            *count = tensor_count(*m->params.list[i].slot);
            return (*m->params.list[i].slot)->data;
        }
    note("no parameter %s", name);
    *count = 0;
    return NULL;
}

/* Whether a parameter holds first, first + 1, .. */
static bool counts_from(const struct model *m, const char *name, long first)
{
    long count;
    const float *x = numbers_in(m, name, &count);

    for (long i = 0; i < count; i++)
        if (x[i] != (float)(first + i))
            return false;
    return count > 0;
}

static void test_bert(const char *before)
{
    char *words = xprintf("%sembeddings.word_embeddings.weight", before);
    char *gain = xprintf("%sencoder.layer.3.output.LayerNorm.weight", before);
    char *key = xprintf("%sencoder.layer.1.attention.self.key.bias", before);
    const struct saving list[] = {
        saved(words, 2, WORDS, WIDE, 0), saved(gain, 1, WIDE, 0, 0), saved(key, 1, WIDE, 0, 0),
        saved("cls.predictions.transform.dense.weight", 2, WIDE, WIDE, 0),
        saved("bert.pooler.dense.weight", 2, WIDE, WIDE, 0)
    };
    struct model *m = new_model();

    weights_save(file, list, COUNT(list), NULL);
    if (ok(m != NULL, "a new model")) {
        ok(model_init_from(m, file) == 4, "\"%s\": four tensors are taken", before);
        ok(counts_from(m, "encoder.words", 0) && counts_from(m, "encoder.layer.3.norm.weight", 0) &&
               counts_from(m, "encoder.layer.1.self.key.bias", 0) &&
               counts_from(m, "encoder.head.transform.weight", 0),
           "into their places");
        ok(!counts_from(m, "encoder.layer.3.cross.key.weight", 0), "cross-attention stays");
    }
    model_free(m);
    free(words);
    free(gain);
    free(key);
}

/* As BLIP's vocabulary has two entries more than BERT's. */
static void test_vocabulary(void)
{
    const struct saving shorter = saved("embeddings.word_embeddings.weight", 2, WORDS - 2, WIDE, 0);
    const struct saving short_by_many =
        saved("embeddings.word_embeddings.weight", 2, WORDS - 18, WIDE, 0);
    struct model *m = new_model();
    long count, kept = (WORDS - 2) * WIDE;
    float last[2 * WIDE];
    const float *x = m ? numbers_in(m, "encoder.words", &count) : NULL;
    bool taken = true;

    if (!ok(x != NULL, "a new model"))
        return;
    memcpy(last, x + kept, sizeof last);
    weights_save(file, &shorter, 1, NULL);
    ok(model_init_from(m, file) == 1, "a vocabulary that is shorter by two is taken");
    for (long i = 0; i < kept; i++)
        taken &= x[i] == (float)i;
    ok(taken && !memcmp(last, x + kept, sizeof last), "and the last two entries stay");
    weights_save(file, &short_by_many, 1, NULL);
    ok(model_init_from(m, file) < 0, "one that is shorter by 18 is another");
    model_free(m);
}

static void test_vit(void)
{
    const struct saving list[] = { saved("blocks.1.attn.qkv.weight", 2, 3L * WIDE, WIDE, 0),
                                   saved("cls_token", 3, 1, 1, WIDE),
                                   saved("pos_embed", 3, 1, 10, WIDE),
                                   saved("head.weight", 2, 5, WIDE, 0) };
    struct model *m = new_model();
    const float *positions;
    long count;
    bool between = true;

    weights_save(file, list, COUNT(list), NULL);
    ok(m && model_init_from(m, file) == 5, "a vision transformer: five parameters are set");
    ok(m && counts_from(m, "vision.block.1.attention.query.weight", 0) &&
           counts_from(m, "vision.block.1.attention.key.weight", WIDE * WIDE) &&
           counts_from(m, "vision.block.1.attention.value.weight", 2L * WIDE * WIDE) &&
           counts_from(m, "vision.class", 0),
       "query, key and value lie in one");
    positions = m ? numbers_in(m, "vision.position", &count) : NULL;
    for (long i = WIDE; positions && i < count; i++)
        between &= positions[i] > 0 && positions[i] < 10 * WIDE + WIDE;
    ok(positions && count == 17 * WIDE && positions[3] == 3 && between &&
           positions[17 * WIDE - 1] > positions[WIDE],
       "positions of 3 x 3 squares become those of 4 x 4");
    model_free(m);
}

static void test_refusals(void)
{
    const struct saving wide[] = {
        saved("bert.embeddings.word_embeddings.weight", 2, WORDS, WIDE, 0),
        saved("bert.encoder.layer.1.attention.self.key.bias", 1, 9, 0, 0)
    };
    const struct saving other[] = { saved("something", 1, WIDE, 0, 0) };
    struct model *m = new_model();

    weights_save(file, wide, 2, NULL);
    ok(m && model_init_from(m, file) < 0 && strstr(error_text(), "other shapes"),
       "another width is refused");
    weights_save(file, other, 1, NULL);
    ok(m && model_init_from(m, file) < 0 && strstr(error_text(), "neither BERT nor"),
       "and so is something else");
    ok(m && model_init_from(m, "/nowhere") < 0, "a file that is not there");
    model_free(m);
}

int main(void)
{
    char *path;

    if (!mkdtemp(folder))
        return 1;
    file = path_join(folder, "weights.safetensors");
    path = path_join(folder, "config.json");
    for (int i = 0; i < COUNT(numbers); i++)
        numbers[i] = (float)i;
    test_bert("bert.");
    test_bert("");
    test_vocabulary();
    test_vit();
    test_refusals();
    unlink(file);
    unlink(path);
    rmdir(folder);
    free(path);
    free(file);
    return done();
}
