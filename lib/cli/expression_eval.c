/* SPDX-License-Identifier: MIT
 * expression_eval.c - the value of a condition for one record
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli/expression_tree.h"

struct value {
    enum { VALUE_NIL, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL, VALUE_LIST } type;
    double number; /* also of a bool */
    char *text;    /* owned */
    struct value *list;
    int count;
};

static void value_free(struct value *v)
{
    for (int i = 0; i < v->count; i++)
        value_free(&v->list[i]);
    free(v->list);
    free(v->text);
    *v = (struct value){ 0 };
}

static struct value number_value(double number)
{
    return (struct value){ .type = VALUE_NUMBER, .number = number };
}

static struct value bool_value(bool holds)
{
    return (struct value){ .type = VALUE_BOOL, .number = holds };
}

static bool truth(const struct value *v)
{
    return v->type == VALUE_STRING ? v->text[0] != 0
           : v->type == VALUE_LIST ? v->count > 0
                                   : v->type != VALUE_NIL && v->number != 0;
}

static struct value read_value(struct span s)
{
    struct value v = { 0 };
    struct span item;
    size_t at = 0;
    float number;
    const char *text = s.data;

    if (s.size && s.data[0] == '"') {
        v = (struct value){ .type = VALUE_STRING, .text = json_text(s) };
    } else if (s.size && (s.data[0] == 't' || s.data[0] == 'f')) {
        v = bool_value(s.data[0] == 't');
    } else if (s.size && s.data[0] == '[') {
        v.type = VALUE_LIST;
        while (json_each(s, &at, NULL, &item)) {
            v.list = xresize(v.list, (size_t)v.count + 1, sizeof *v.list);
            v.list[v.count++] = read_value(item);
        }
    } else if (float_parse(&text, s.data + s.size, &number)) {
        char *copy = xmemdup(s.data, s.size);

        v = number_value(strtod(copy, NULL));
        free(copy);
    }
    return v;
}

/* "a.b": a member of that very name, or b inside the object a. */
static struct value field_value(const struct record *r, const char *name)
{
    struct span s;
    const char *dot;
    char *first;
    bool found;

    if (record_find(r, name, &s))
        return read_value(s);
    dot = strchr(name, '.');
    if (!dot)
        return (struct value){ 0 };
    first = xmemdup(name, (size_t)(dot - name));
    found = record_find(r, first, &s) && s.size && s.data[0] == '{' &&
            json_find(s.data, s.size, dot + 1, &s);
    free(first);
    return found ? read_value(s) : (struct value){ 0 };
}

static struct value evaluate(const struct expression *e, const struct record *r);

static bool compare_one(const struct expression *e, const struct value *a, const struct value *b)
{
    bool texts = a->type == VALUE_STRING && b->type == VALUE_STRING;
    bool numbers = a->type == b->type && (a->type == VALUE_NUMBER || a->type == VALUE_BOOL);
    bool equal = (texts && !strcmp(a->text, b->text)) || (numbers && a->number == b->number) ||
                 (a->type == VALUE_NIL && b->type == VALUE_NIL);
    double order = texts ? strcmp(a->text, b->text) : a->number - b->number;

    switch (e->kind) {
    case EQUAL:
        return equal;
    case UNEQUAL:
        return !equal;
    case MATCH:
    case NO_MATCH:
        return a->type == VALUE_STRING &&
               (regexec(e->pattern, a->text, 0, NULL, 0) == 0) == (e->kind == MATCH);
    default:
        break;
    }
    if (!texts && !(a->type == VALUE_NUMBER && b->type == VALUE_NUMBER))
        return false;
    return e->kind == LESS         ? order < 0
           : e->kind == LESS_EQUAL ? order <= 0
           : e->kind == GREATER    ? order > 0
                                   : order >= 0;
}

static struct value compare(const struct expression *e, const struct record *r, bool every)
{
    struct value a = evaluate(e->left, r);
    struct value b = e->pattern ? (struct value){ 0 } : evaluate(e->right, r);
    int na = a.type == VALUE_LIST ? a.count : 1, nb = b.type == VALUE_LIST ? b.count : 1;
    bool any = false, all = na > 0 && nb > 0;

    for (int i = 0; i < na; i++) {
        for (int k = 0; k < nb; k++) {
            bool holds = compare_one(e, a.type == VALUE_LIST ? &a.list[i] : &a,
                                     b.type == VALUE_LIST ? &b.list[k] : &b);

            any = any || holds;
            all = all && holds;
        }
    }
    value_free(&a);
    value_free(&b);
    return bool_value(every ? all : any);
}

static struct value arithmetic(const struct expression *e, const struct record *r)
{
    struct value a = evaluate(e->left, r);
    struct value b = e->right ? evaluate(e->right, r) : number_value(0);
    bool numbers = a.type == VALUE_NUMBER && b.type == VALUE_NUMBER;
    double x = a.number, y = b.number;

    value_free(&a);
    value_free(&b);
    if (!numbers)
        return (struct value){ 0 };
    switch (e->kind) {
    case ADD:
        return number_value(x + y);
    case SUBTRACT:
        return number_value(x - y);
    case MULTIPLY:
        return number_value(x * y);
    case DIVIDE:
        return number_value(x / y);
    case ABS:
        return number_value(fabs(x));
    default:
        return number_value(-x);
    }
}

static long characters(const char *text)
{
    const char *end = text + strlen(text);
    long n = 0;

    for (; text < end; n++)
        utf8_next(&text, end);
    return n;
}

static long words(const char *text)
{
    long n = 0;

    for (bool inside = false; *text; text++) {
        bool letter = !isspace((unsigned char)*text);

        n += letter && !inside;
        inside = letter;
    }
    return n;
}

static struct value function(const struct expression *e, const struct record *r)
{
    struct value v = evaluate(e->left, r), result = { 0 };

    if (e->kind == HAS) {
        result = bool_value(v.type != VALUE_NIL);
    } else if (e->kind == LOWER && v.type == VALUE_STRING) {
        result = v;
        v = (struct value){ 0 };
        for (char *c = result.text; *c; c++)
            *c = (char)tolower((unsigned char)*c);
    } else if (v.type == VALUE_STRING && (e->kind == LEN || e->kind == WORDS)) {
        result = number_value((double)(e->kind == LEN ? characters(v.text) : words(v.text)));
    } else if (v.type == VALUE_LIST && e->kind == LEN) {
        result = number_value(v.count);
    } else if ((e->kind == MIN || e->kind == MAX) && v.type == VALUE_NUMBER) {
        result = v;
    } else if ((e->kind == MIN || e->kind == MAX) && v.type == VALUE_LIST) {
        for (int i = 0; i < v.count; i++)
            if (v.list[i].type == VALUE_NUMBER &&
                (result.type == VALUE_NIL || (e->kind == MIN ? v.list[i].number < result.number
                                                             : v.list[i].number > result.number)))
                result = v.list[i];
    }
    value_free(&v);
    return result;
}

static struct value evaluate(const struct expression *e, const struct record *r)
{
    struct value v;
    bool holds;

    switch (e->kind) {
    case NUMBER:
        return number_value(e->number);
    case BOOL:
        return bool_value(e->number != 0);
    case NIL:
        return (struct value){ 0 };
    case STRING:
        return (struct value){ .type = VALUE_STRING, .text = xstrdup(e->text) };
    case FIELD:
        return field_value(r, e->text);
    case NOT:
        return bool_value(!expression_holds(e->left, r));
    case AND:
        return bool_value(expression_holds(e->left, r) && expression_holds(e->right, r));
    case OR:
        return bool_value(expression_holds(e->left, r) || expression_holds(e->right, r));
    case ALL:
        if (e->left->kind >= LESS && e->left->kind <= NO_MATCH)
            return compare(e->left, r, true);
        v = evaluate(e->left, r);
        holds = truth(&v);
        for (int i = 0; i < v.count; i++)
            holds = holds && truth(&v.list[i]);
        value_free(&v);
        return bool_value(holds);
    default:
        break;
    }
    if (e->kind >= LESS && e->kind <= NO_MATCH)
        return compare(e, r, false);
    if (e->kind >= LEN && e->kind != ABS)
        return function(e, r);
    return arithmetic(e, r);
}

bool expression_holds(const struct expression *e, const struct record *r)
{
    struct value v = evaluate(e, r);
    bool holds = truth(&v);

    value_free(&v);
    return holds;
}

bool expression_number(const struct expression *e, const struct record *r, double *number)
{
    struct value v = evaluate(e, r);
    bool good = v.type == VALUE_NUMBER && isfinite(v.number);

    *number = v.number;
    value_free(&v);
    return good;
}
