/* SPDX-License-Identifier: MIT
 * save.c - a model becomes a folder
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"

/* What files of models begin with: replaced with the folder. */
static const char *const own[] = {
    "config.json",
    "open_clip_",
    "preprocessor_config.json",
    "processor_config.json",
    "model.safetensors",
    "packed.safetensors",
    "model-0",
    "pytorch_model",
    "tokenizer",
    "vocab.",
    "merges.txt",
    "added_tokens",
    "special_tokens_map",
    "bpe_simple_vocab",
    "spiece.model",
    "generation_config",
    "training.", /* the trainer's, by save_options.add */
    NULL,
};

/* The type that most numbers of matrices have. Vectors and position tables are f32 in memory
 * whatever the file said, so they do not count. */
enum dtype save_type(const struct model *m)
{
    long count[DTYPE_COUNT] = { 0 };
    int most = DTYPE_F32;

    for (int i = 0; i < m->params.count; i++) {
        const struct tensor *x = *m->params.list[i].slot;

        if (x && !param_wide(&m->params.list[i]))
            count[x->type] += tensor_count(x);
    }
    for (int i = 0; i < DTYPE_COUNT; i++)
        most = count[i] > count[most] ? i : most;
    return (enum dtype)most;
}

/* Indented, as transformers writes it, and with a newline at its end. */
int save_json(const char *folder, const char *name, const cJSON *object)
{
    char *path = path_join(folder, name), *text = xcheck(cJSON_Print(object));
    struct buffer b = { 0 };
    int status;

    buffer_printf(&b, "%s\n", text);
    status = file_write_atomic(path, b.data, b.size);
    buffer_free(&b);
    cJSON_free(text);
    free(path);
    return status;
}

/* {"format":"pt"}, and how matrices are packed. */
static void describe_orders(struct buffer *b, const struct pieces *p)
{
    buffer_string(b, "{\"format\":\"pt\"");
    for (int i = 0; i < p->count; i++) {
        char *name = p->pieces[i].order ? xprintf("order:%s", p->list[i].name) : NULL;

        if (!name)
            continue;
        buffer_byte(b, ',');
        json_escape(b, name, strlen(name));
        buffer_printf(b, ":\"%s %ld %ld\"", order_name(p->pieces[i].order),
                      p->pieces[i].parts * p->pieces[i].part[0]->shape[0],
                      p->pieces[i].part[0]->shape[1]);
        free(name);
    }
    buffer_byte(b, '}');
}

/* Packed ones have another name, which other programs do not take for a model's. */
static int save_weights(const struct model *m, const struct layout *l, const char *folder,
                        const struct save_options *o)
{
    const char *name = m->family->weights_name ? m->family->weights_name : "model.safetensors";
    char *path = path_join(folder, o->packed ? "packed.safetensors" : name);
    struct buffer metadata = { 0 };
    struct pieces p;
    int status = pieces_gather(&p, m, l, o);

    if (!status) {
        describe_orders(&metadata, &p);
        status = weights_save_made(path, p.list, p.count, metadata.data,
                                   &(struct making){ pieces_make, &p });
    }
    buffer_free(&metadata);
    pieces_free(&p);
    free(path);
    return status;
}

static enum dtype type_of(const struct model *m, const struct save_options *o)
{
    return o->type < DTYPE_COUNT ? o->type : save_type(m);
}

/* transformers has no name for bytes with factors, and takes them for f16. */
static const char *torch_name(enum dtype type)
{
    return type == DTYPE_F32 ? "float32" : type == DTYPE_BF16 ? "bfloat16" : "float16";
}

static int save_processor(const struct model *m, const char *folder)
{
    cJSON *o = xcheck(cJSON_CreateObject());
    int status;

    config_word(o, "processor_class", m->family->processor);
    m->family->processor_config(m, o);
    status = save_json(folder, "processor_config.json", o);
    cJSON_Delete(o);
    return status;
}

static bool cleans_as_hf(enum text_clean clean)
{
    return clean == CLEAN_HF || clean == CLEAN_CANONICAL_HF || clean == CLEAN_LOWER;
}

static const char *config_name(const struct model *m)
{
    return m->family->config_name ? m->family->config_name : "config.json";
}

/* config.json says by which tradition the model computes: transformers and the authors differ in
 * how they resize and clean. */
static int save_settings(const struct model *m, const struct tokenizer *t, const char *folder,
                         const struct save_options *o, const struct layout **layout)
{
    cJSON *root = m->family->config(m, t, layout), *images = NULL;
    int status = -1;

    if (!root)
        return -1;
    if (m->family->config_name) { /* says all */
        status = save_json(folder, config_name(m), root);
        cJSON_Delete(root);
        return status;
    }
    config_word(root, "dtype", torch_name(type_of(m, o)));
    config_word(root, "vlm_compat", cleans_as_hf(m->reading.clean) ? "hf" : "original");
    if (m->image.size)
        images = preprocess_config(&m->image.preprocess, m->family->image_processor);
    if (!m->image.size || images)
        status = save_json(folder, "config.json", root);
    if (!status && images)
        status = save_json(folder, "preprocessor_config.json", images);
    if (!status && m->family->processor_config)
        status = save_processor(m, folder);
    cJSON_Delete(images);
    cJSON_Delete(root);
    return status;
}

/* A vocabulary of BERT's, in a model that has room for the two tokens behind it. */
static struct tokenizer *open_tokenizer(const struct model *m, const char *from)
{
    struct tokenizer *t = m->reading.vocabulary && from ? model_tokenizer(m, from) : NULL;

    if (t && m->reading.kind == &tokenizer_kind_bert &&
        tokenizer_size(t) + 2 == m->reading.vocabulary) {
        tokenizer_add(t, "[DEC]");
        tokenizer_add(t, "[ENC]");
    }
    return t;
}

static int save_into(const struct model *m, const char *folder, const struct save_options *o)
{
    char *from = o->tokenizer ? xstrdup(o->tokenizer) : model_tokenizer_path(m);
    struct tokenizer *t = open_tokenizer(m, from);
    const struct layout *layout;
    int status = m->reading.vocabulary && from && !t ? -1 : 0;

    if (!status)
        status = save_settings(m, t, folder, o, &layout);
    if (!status && t)
        status = model_save_tokenizer(m, t, from, folder);
    if (!status)
        status = save_weights(m, layout, folder, o);
    if (!status && o->add)
        status = o->add(folder, o->add_self);
    tokenizer_close(t);
    free(from);
    return status;
}

/* Everything is written into a temporary folder, which then takes the place of the old one: nobody
 * sees half a model. */
int model_save(const struct model *m, const char *folder, const struct save_options *o)
{
    struct folder f;

    if (!m->family->config)
        return fail_as("unsupported", "%s cannot be saved", m->about);
    if (folder_begin(&f, folder, config_name(m), own))
        return -1;
    if (save_into(m, f.temporary, o) == 0)
        return folder_commit(&f);
    folder_drop(&f);
    return -1;
}

void model_save_recover(const char *folder)
{
    folder_recover(folder, own);
}

/* --- the authors' files --- */

/* What the authors' own loader expects besides parameters: ids of positions, second names of tied
 * tensors, single numbers. */
static void add_others(struct pieces *p, const struct original *about)
{
    if (about->position_ids)
        pieces_positions(p);
    for (int i = 0; i < COUNT(about->aliases) && about->aliases[i].name; i++)
        pieces_alias(p, about->aliases[i].name, about->aliases[i].of);
    for (int i = 0; i < COUNT(about->numbers) && about->numbers[i].name; i++)
        pieces_number(p, about->numbers[i].name, about->numbers[i].value);
}

int model_save_original(const struct model *m, const char *file, const struct save_options *o)
{
    struct original about = { 0 };
    struct save_options all = *o;
    struct pieces p;
    int status;

    if (!m->family->original)
        return fail_as("unsupported", "%s cannot be saved as its authors' file", m->about);
    if (type_of(m, o) == DTYPE_I8)
        return fail_as("unsupported", "the authors' code does not read bytes with factors: choose "
                                      "another type");
    if (m->family->original(m, &about))
        return -1;
    all.once = all.packed = false;
    status = pieces_gather(&p, m, about.layout, &all);
    if (!status) {
        add_others(&p, &about);
        status = weights_save_torch(file, p.list, p.count, about.wrapper,
                                    &(struct making){ pieces_make, &p });
    }
    pieces_free(&p);
    return status;
}
