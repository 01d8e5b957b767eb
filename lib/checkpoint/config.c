/* SPDX-License-Identifier: MIT
 * config.c - values of a configuration: read with defaults, written, and both by one table
 */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "checkpoint/config.h"

/* No size in a configuration is near this one; above it, products of two could overflow. */
static const double largest = 1 << 24;
static const struct {
    const char *name; /* the first of a kind is the one that is written */
    enum activation which;
} activations[] = {
    { "quick_gelu", ACTIVATION_QUICK_GELU },
    { "gelu", ACTIVATION_GELU },
    { "gelu_python", ACTIVATION_GELU },
    { "gelu_pytorch_tanh", ACTIVATION_GELU_TANH },
    { "gelu_new", ACTIVATION_GELU_TANH },
    { "gelu_fast", ACTIVATION_GELU_TANH },
    { "relu", ACTIVATION_RELU },
    { "relu6", ACTIVATION_RELU6 },
    { "silu", ACTIVATION_SILU },
};

/* --- reading --- */

/* The first mistake is reported, and reading goes on with defaults: the caller looks once, at the
 * end, whether anything was wrong. */
static void refuse_as(struct reader *r, const char *code, const char *name, const char *why)
{
    if (!r->bad)
        fail_as(code, "%s: %s %s", r->where, name, why);
    r->bad = true;
}

static void refuse(struct reader *r, const char *name, const char *why)
{
    refuse_as(r, "invalid", name, why);
}

/* Hugging Face writes null for what is not set: that is as if the field were not there. */
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

/* A default need not be a whole number of this range: -1 may stand for "not said". */
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

static enum activation read_activation(struct reader *r, const char *name, enum activation usual)
{
    const char *word = read_word(r, name, NULL);

    for (int i = 0; word && i < COUNT(activations); i++)
        if (!strcmp(word, activations[i].name))
            return activations[i].which;
    if (word)
        refuse_as(r, "unsupported", name, "is an activation that is not known here");
    return usual;
}

/* A setting that we do not have is refused unless it is off: 0, false, null or the harmless word.
 */
void read_refuse(struct reader *r, const char *name, const char *harmless)
{
    const cJSON *item = find(r, name);

    if (!item || cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0))
        return;
    if (!harmless || !cJSON_IsString(item) || strcmp(item->valuestring, harmless))
        refuse_as(r, "unsupported", name, "asks for something that is not supported");
}

static int read_choice(struct reader *r, const struct field *f, int usual)
{
    const char *word = read_word(r, f->name, f->words[usual]);

    for (int i = 0; f->words[i]; i++)
        if (!strcmp(word, f->words[i]))
            return i;
    refuse_as(r, "unsupported", f->name, "has a value that is not known here");
    return usual;
}

/* "image_size": 224, or [224, 224], which some writers prefer. */
static int read_square(struct reader *r, const struct field *f, int usual)
{
    const cJSON *item = find(r, f->name);
    const cJSON *first = cJSON_GetArrayItem(item, 0), *second = cJSON_GetArrayItem(item, 1);

    if (!cJSON_IsArray(item))
        return (int)read_whole(r, f->name, usual);
    if (cJSON_IsNumber(first) && cJSON_IsNumber(second) && cJSON_GetArraySize(item) == 2 &&
        first->valuedouble == second->valuedouble && first->valuedouble == first->valueint)
        return first->valueint;
    refuse_as(r, "unsupported", f->name, "is not a square");
    return usual;
}

/* A field that we write and compute with one value alone. */
static void demand(struct reader *r, const struct field *f, bool holds)
{
    if (!holds)
        refuse_as(r, "unsupported", f->name, "has a value that is not supported");
}

/* What a field is where the file does not say it. */
static double usual_value(const struct field *f, const void *place)
{
    if (!f->kept)
        return f->otherwise;
    switch (f->kind) {
    case FIELD_LONG:
        return (double)*(const long *)place;
    case FIELD_REAL:
        return *(const float *)place;
    case FIELD_FLAG:
    case FIELD_NOT:
        return *(const bool *)place;
    case FIELD_ACTIVATION:
        return *(const enum activation *)place;
    default:
        return *(const int *)place;
    }
}

/* place: the member of the family's struct that the row names. */
static void read_field(struct reader *r, const struct field *f, void *place)
{
    double usual = usual_value(f, place);

    switch (f->kind) {
    case FIELD_INT:
        *(int *)place = (int)read_whole(r, f->name, (long)usual);
        break;
    case FIELD_LONG:
        *(long *)place = read_whole(r, f->name, (long)usual);
        break;
    case FIELD_REAL:
        *(float *)place = (float)read_real(r, f->name, usual);
        break;
    case FIELD_FLAG:
        *(bool *)place = read_flag(r, f->name, usual != 0);
        break;
    case FIELD_NOT:
        *(bool *)place = !read_flag(r, f->name, usual == 0);
        break;
    case FIELD_ACTIVATION:
        *(enum activation *)place = read_activation(r, f->name, (enum activation)usual);
        break;
    case FIELD_CHOICE:
        *(int *)place = read_choice(r, f, (int)usual);
        break;
    case FIELD_SQUARE:
        *(int *)place = read_square(r, f, (int)usual);
        break;
    case FIELD_SAME:
        demand(r, f, read_whole(r, f->name, *(long *)place) == *(long *)place);
        break;
    case FIELD_IS_NUMBER:
        demand(r, f, read_real(r, f->name, f->otherwise) == f->otherwise);
        break;
    case FIELD_IS_FLAG:
        demand(r, f, read_flag(r, f->name, f->otherwise != 0) == (f->otherwise != 0));
        break;
    case FIELD_IS_WORD:
        demand(r, f, !strcmp(read_word(r, f->name, f->word), f->word));
        break;
    case FIELD_REFUSED:
        read_refuse(r, f->name, f->word);
        break;
    }
}

/* In the table's order.  Where a row says `kept`, the default is what the struct holds by then:
 * what the caller has put there, or an earlier row. */
void config_read(struct reader *r, const struct field *fields, void *object)
{
    for (const struct field *f = fields; f->name; f++)
        if (f->to != WRITE)
            read_field(r, f, (char *)object + f->at);
}

/* --- writing --- */

/* A configuration that lacks a field would be read with its default: no memory ends the process. */
void config_put(cJSON *o, const char *name, cJSON *value)
{
    cJSON_bool done = cJSON_GetObjectItemCaseSensitive(o, name)
                          ? cJSON_ReplaceItemInObjectCaseSensitive(o, name, xcheck(value))
                          : cJSON_AddItemToObject(o, name, xcheck(value));

    xcheck(done ? o : NULL);
}

static void append(cJSON *list, cJSON *value)
{
    xcheck(cJSON_AddItemToArray(list, xcheck(value)) ? list : NULL);
}

cJSON *config_begin(const char *type)
{
    cJSON *o = xcheck(cJSON_CreateObject());

    config_word(o, "model_type", type);
    return o;
}

/* The object NAME inside `o`, made where it is missing; it belongs to `o`. */
cJSON *config_object(cJSON *o, const char *name)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

    if (cJSON_IsObject(item))
        return item;
    item = xcheck(cJSON_CreateObject());
    config_put(o, name, item);
    return item;
}

void config_whole(cJSON *o, const char *name, long value)
{
    config_put(o, name, cJSON_CreateNumber((double)value));
}

/* The shortest digits that give the same float: cJSON would write 17 of a double. */
void config_real(cJSON *o, const char *name, float value)
{
    char text[24];

    float_format(value, text);
    config_put(o, name, cJSON_CreateRaw(text));
}

void config_flag(cJSON *o, const char *name, bool value)
{
    config_put(o, name, cJSON_CreateBool(value));
}

void config_word(cJSON *o, const char *name, const char *value)
{
    config_put(o, name, cJSON_CreateString(value));
}

void config_words(cJSON *o, const char *name, const char *const *values)
{
    cJSON *list = xcheck(cJSON_CreateArray());

    for (; *values; values++)
        append(list, cJSON_CreateString(*values));
    config_put(o, name, list);
}

void config_reals(cJSON *o, const char *name, const float *values, int count)
{
    cJSON *list = xcheck(cJSON_CreateArray());
    char text[24];

    for (int i = 0; i < count; i++) {
        float_format(values[i], text);
        append(list, cJSON_CreateRaw(text));
    }
    config_put(o, name, list);
}

static const char *activation_name(enum activation which)
{
    int i = 0;

    while (i < COUNT(activations) - 1 && activations[i].which != which)
        i++;
    return activations[i].name;
}

static void write_field(cJSON *o, const struct field *f, const void *place)
{
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_SQUARE:
        config_whole(o, f->name, *(const int *)place);
        break;
    case FIELD_LONG:
    case FIELD_SAME:
        config_whole(o, f->name, *(const long *)place);
        break;
    case FIELD_REAL:
        config_real(o, f->name, *(const float *)place);
        break;
    case FIELD_FLAG:
    case FIELD_NOT:
        config_flag(o, f->name, *(const bool *)place == (f->kind == FIELD_FLAG));
        break;
    case FIELD_ACTIVATION:
        config_word(o, f->name, activation_name(*(const enum activation *)place));
        break;
    case FIELD_CHOICE:
        config_word(o, f->name, f->words[*(const int *)place]);
        break;
    case FIELD_IS_NUMBER:
        config_whole(o, f->name, (long)f->otherwise);
        break;
    case FIELD_IS_FLAG:
        config_flag(o, f->name, f->otherwise != 0);
        break;
    case FIELD_IS_WORD:
        config_word(o, f->name, f->word);
        break;
    case FIELD_REFUSED:
        break;
    }
}

void config_write(cJSON *o, const struct field *fields, const void *object)
{
    for (const struct field *f = fields; f->name; f++)
        if (f->to != READ)
            write_field(o, f, (const char *)object + f->at);
}
