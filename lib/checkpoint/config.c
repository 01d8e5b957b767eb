/* SPDX-License-Identifier: MIT
 * config.c - values of a configuration, with defaults
 */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "checkpoint/config.h"

static const double largest = 1 << 24;

static void refuse(struct reader *r, const char *name, const char *why)
{
    if (!r->bad)
        fail("%s: %s %s", r->where, name, why);
    r->bad = true;
}

static const cJSON *find(const struct reader *r, const char *name)
{
    const cJSON *item = r->object ? json_get(r->object, name) : NULL;

    return cJSON_IsNull(item) ? NULL : item;
}

double read_real(struct reader *r, const char *name, double otherwise)
{
    const cJSON *item = find(r, name);

    if (!item)
        return otherwise;
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)) {
        refuse(r, name, "is not a number");
        return otherwise;
    }
    return item->valuedouble;
}

long read_whole(struct reader *r, const char *name, long otherwise)
{
    double value = read_real(r, name, (double)otherwise);

    if (value >= 0 && value <= largest && value == floor(value))
        return (long)value;
    if (value != (double)otherwise)
        refuse(r, name, "is not a whole number of sensible size");
    return otherwise;
}

bool read_flag(struct reader *r, const char *name, bool otherwise)
{
    const cJSON *item = find(r, name);

    if (item && !cJSON_IsBool(item))
        refuse(r, name, "is neither true nor false");
    return item ? cJSON_IsTrue(item) : otherwise;
}

const char *read_word(struct reader *r, const char *name, const char *otherwise)
{
    const cJSON *item = find(r, name);

    if (item && !cJSON_IsString(item)) {
        refuse(r, name, "is not a string");
        return otherwise;
    }
    return item ? item->valuestring : otherwise;
}

enum activation read_activation(struct reader *r, const char *name, const char *otherwise)
{
    static const struct {
        const char *name;
        enum activation which;
    } known[] = {
        { "quick_gelu", ACTIVATION_QUICK_GELU },
        { "gelu", ACTIVATION_GELU },
        { "gelu_new", ACTIVATION_GELU_TANH },
        { "gelu_pytorch_tanh", ACTIVATION_GELU_TANH },
        { "relu", ACTIVATION_RELU },
        { "relu6", ACTIVATION_RELU6 },
    };
    const char *word = read_word(r, name, otherwise);

    for (int i = 0; i < COUNT(known); i++)
        if (!strcmp(word, known[i].name))
            return known[i].which;
    refuse(r, name, "is an activation that is not known here");
    return ACTIVATION_NONE;
}

void read_refuse(struct reader *r, const char *name, const char *harmless)
{
    const cJSON *item = find(r, name);

    if (!item || cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0))
        return;
    if (!harmless || !cJSON_IsString(item) || strcmp(item->valuestring, harmless))
        refuse(r, name, "asks for something that is not supported");
}
