/* SPDX-License-Identifier: MIT
 * save_config.c - values of a configuration, set or replaced
 */
#include <string.h>
#include "base/number.h"
#include "checkpoint/save_parts.h"

cJSON *config_begin(const char *type)
{
    cJSON *o = cJSON_CreateObject();

    config_word(o, "model_type", type);
    return o;
}

static void put(cJSON *o, const char *name, cJSON *value)
{
    if (cJSON_GetObjectItemCaseSensitive(o, name))
        cJSON_ReplaceItemInObjectCaseSensitive(o, name, value);
    else
        cJSON_AddItemToObject(o, name, value);
}

cJSON *config_object(cJSON *o, const char *name)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

    if (cJSON_IsObject(item))
        return item;
    item = cJSON_CreateObject();
    put(o, name, item);
    return item;
}

void config_whole(cJSON *o, const char *name, long value)
{
    put(o, name, cJSON_CreateNumber((double)value));
}

void config_real(cJSON *o, const char *name, float value)
{
    char text[24];

    float_format(value, text);
    put(o, name, cJSON_CreateRaw(text));
}

void config_flag(cJSON *o, const char *name, bool value)
{
    put(o, name, cJSON_CreateBool(value));
}

void config_word(cJSON *o, const char *name, const char *value)
{
    put(o, name, cJSON_CreateString(value));
}

void config_words(cJSON *o, const char *name, const char *const *values)
{
    cJSON *list = cJSON_CreateArray();

    for (; *values; values++)
        cJSON_AddItemToArray(list, cJSON_CreateString(*values));
    put(o, name, list);
}

void config_activation(cJSON *o, const char *name, enum activation which)
{
    static const char *const names[] = {
        [ACTIVATION_QUICK_GELU] = "quick_gelu",
        [ACTIVATION_GELU] = "gelu",
        [ACTIVATION_GELU_TANH] = "gelu_pytorch_tanh",
        [ACTIVATION_RELU] = "relu",
        [ACTIVATION_RELU6] = "relu6",
    };

    config_word(o, name, names[which]);
}
