/* SPDX-License-Identifier: MIT
 * convert.c - a model's files written another way
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "checkpoint/save_parts.h"
#include "family/registry.h"

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
    struct save_options o = { .once = how->once,
                              .tokenizer = how->tokenizer,
                              .pieces = how->pieces };
    struct model *m;
    int status;

    if (read_type(how->type, &o.type))
        return -1;
    if (how->tokenizer && !path_exists(how->tokenizer))
        return fail_as("not_found", "%s: no such tokenizer", how->tokenizer);
    m = model_named(model, how->opened);
    if (!m)
        return -1;
    o.once = o.once || (o.type < DTYPE_COUNT ? o.type : save_type(m)) == DTYPE_I8;
    status = how->original ? model_save_original(m, out, &o) : model_save(m, out, &o);
    model_free(m);
    return status;
}
