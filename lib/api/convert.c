/* SPDX-License-Identifier: MIT
 * convert.c - a model's files written another way; what a model is, and whether its file is whole
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "api/api.h"
#include "checkpoint/save_parts.h"
#include "family/registry.h"

/* --- conversion --- */

/* NULL: as the tensors are, which DTYPE_COUNT stands for. */
static int read_type(const char *word, enum dtype *type)
{
    static const enum dtype known[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };

    *type = word && strcmp(word, "int8") ? DTYPE_COUNT : word ? DTYPE_I8 : DTYPE_COUNT;
    for (int i = 0; word && i < COUNT(known); i++)
        if (!strcmp(word, dtype_name(known[i])))
            *type = known[i];
    return word && *type == DTYPE_COUNT ? fail("no type \"%s\" to convert to", word) : 0;
}

int vlm_convert(const char *model, const char *out, const struct vlm_conversion *how)
{
    struct save_options o = {
        .once = how->once, .packed = how->packed, .tokenizer = how->tokenizer, .pieces = how->pieces
    };
    struct model *m;
    bool int8;
    int status;

    if (read_type(how->type, &o.type))
        return -1;
    if (how->tokenizer && !path_exists(how->tokenizer))
        return fail_as("not_found", "%s: no such tokenizer", how->tokenizer);
    m = model_named(model, how->opened);
    if (!m)
        return -1;
    int8 = (o.type < DTYPE_COUNT ? o.type : save_type(m)) == DTYPE_I8; /* which implies it */
    o.once_said = o.once && !int8;
    o.once = o.once || int8;
    status = how->original ? model_save_original(m, out, &o) : model_save(m, out, &o);
    model_free(m);
    return status;
}

/* --- sums over parameters --- */

/* int8 has a scale for each row beside its numbers. */
static size_t bytes_of(const struct tensor *x)
{
    size_t scales = x->scale ? (size_t)x->shape[0] * sizeof *x->scale : 0;

    return tensor_bytes(x) + scales;
}

/* --- information --- */

static void add_text(struct buffer *b, const char *name, const char *value)
{
    buffer_printf(b, ",\"%s\":", name);
    if (value)
        json_escape(b, value, strlen(value));
    else
        buffer_string(b, "null");
}

static void add_number(struct buffer *b, const char *name, double value)
{
    buffer_printf(b, ",\"%s\":%.0f", name, value);
}

static void add_abilities(struct buffer *b, const struct model *m)
{
    int listed = 0;

    buffer_string(b, ",\"can\":[");
    for (const struct ability *a = vlm_ability_table; a->bit; a++)
        if (m->abilities & a->bit)
            buffer_printf(b, "%s\"%s\"", listed++ ? "," : "", a->word);
    buffer_byte(b, ']');
}

/* Numbers under each first word of a name ("vision", "text", "decoder"), and in all; a tensor that
 * two share is counted in both and once in all. */
static void add_parameters(struct buffer *b, const struct model *m)
{
    const struct params *p = &m->params;
    double all = 0, part = 0;

    buffer_string(b, ",\"parameters\":{");
    for (int i = 0; i < p->count; i++) {
        const char *name = p->list[i].name;
        size_t word = strcspn(name, ".");
        bool last = i + 1 == p->count || strncmp(p->list[i + 1].name, name, word) ||
                    (p->list[i + 1].name[word] && p->list[i + 1].name[word] != '.');
        const struct tensor *x = *p->list[i].slot;

        part += x ? (double)tensor_count(x) : 0;
        all += x && !save_tied(m, m->layout, &p->list[i]) ? (double)tensor_count(x) : 0;
        if (!last)
            continue;
        if (part > 0)
            buffer_printf(b, "\"%.*s\":%.0f,", (int)word, name, part);
        part = 0;
    }
    buffer_printf(b, "\"all\":%.0f}", all);
}

/* In the file, as it stores them: what is not loaded counts as well. */
static double stored_bytes(const struct weights *w)
{
    double total = 0;

    for (int i = 0; i < weights_count(w); i++)
        total += (double)weights_at(w, i)->bytes;
    return total;
}

/* Of each ability, and the most. */
static void add_memory(struct buffer *b, const struct model *m, int batch)
{
    double most = 0;
    int listed = 0;

    buffer_string(b, ",\"memory\":{");
    for (const struct ability *a = vlm_ability_table; a->bit; a++) {
        double bytes = m->abilities & a->bit ? vlm_memory_of(m, a->bit, batch) : 0;

        if (bytes > 0)
            buffer_printf(b, "%s\"%s\":%.0f", listed++ ? "," : "", a->word, bytes);
        most = bytes > most ? bytes : most;
    }
    buffer_byte(b, '}');
    add_number(b, "memory_bytes", most);
}

/* One JSON object on one line; numbers are whole, and null stands for what the model has not. */
static void inform(const struct model *m, int batch, struct buffer *out)
{
    char *words = model_tokenizer_path(m);

    buffer_string(out, "{\"model\":");
    json_escape(out, m->path, strlen(m->path));
    add_text(out, "family", m->family->name);
    add_text(out, "about", m->about);
    add_text(out, "container", weights_kind(m->weights));
    add_text(out, "dtype", save_type(m) == DTYPE_I8 ? "int8" : dtype_name(save_type(m)));
    add_abilities(out, m);
    add_text(out, "tokenizer", words);
    add_parameters(out, m);
    add_number(out, "image_size", /* those that keep their shape have no size */
               m->image.preprocess.geometry == GEOMETRY_PATCHES ? 0 : m->image.size);
    add_number(out, "embedding", m->embedding.width);
    add_number(out, "vocabulary", m->reading.vocabulary);
    add_number(out, "context", m->reading.context);
    add_number(out, "tensors", weights_count(m->weights));
    add_number(out, "tensor_bytes", stored_bytes(m->weights));
    add_memory(out, m, batch);
    buffer_string(out, "}\n");
    free(words);
}

/* --- checking --- */

/* Of a parameter's name and its numbers as f32, whatever the file's type and layout: two files of
 * one model have one hash.  Pages of the mapping are given back, so that a model larger than memory
 * can be checked. */
static int hash_param(const struct model *m, const struct param *p, uint64_t *hash)
{
    enum { BLOCK = 4096 };
    float block[BLOCK];
    const struct tensor *x = *p->slot;
    long count = tensor_count(x);

    *hash = hash_bytes(p->name, strlen(p->name), *hash);
    for (long i = 0; i < count; i += BLOCK) {
        long some = count - i < BLOCK ? count - i : BLOCK;

        tensor_read(x, i, some, block);
        for (long k = 0; k < some; k++)
            if (!isfinite(block[k]))
                return fail("%s: %s holds numbers that are not finite", m->path, p->name);
        *hash = hash_bytes(block, (size_t)some * sizeof *block, *hash);
    }
    if (x->mapped)
        file_release(x->bytes, bytes_of(x));
    return 0;
}

static int verify(const struct model *m, struct buffer *out)
{
    const char *kind = weights_kind(m->weights);
    bool zip = !strcmp(kind, "torch") || !strcmp(kind, "torchscript");
    uint64_t hash = 0;

    if (weights_verify(m->weights))
        return -1;
    for (int i = 0; i < m->params.count; i++)
        if (*m->params.list[i].slot && hash_param(m, &m->params.list[i], &hash))
            return -1;
    buffer_string(out, "{\"model\":");
    json_escape(out, m->path, strlen(m->path));
    add_text(out, "about", m->about);
    add_number(out, "tensors", weights_count(m->weights));
    add_number(out, "tensor_bytes", stored_bytes(m->weights));
    buffer_printf(out, ",\"finite\":true,\"checksums\":%s,\"numbers\":\"%016llx\"",
                  zip ? "true" : "null", (unsigned long long)hash);
    add_text(out, "compare", "PUBLISHED ANSWERS in vlm-convert(1)");
    buffer_string(out, "}\n");
    return 0;
}

char *vlm_inform(const char *model, const struct vlm_options *options, int batch)
{
    struct model *m = model_named(model, options);
    struct buffer line = { 0 };

    if (m)
        inform(m, batch, &line);
    model_free(m);
    return line.data;
}

char *vlm_verify(const char *model, const struct vlm_options *options)
{
    struct model *m = model_named(model, options);
    struct buffer line = { 0 };

    if (m)
        verify(m, &line);
    model_free(m);
    return line.data;
}
