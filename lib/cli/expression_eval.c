/* SPDX-License-Identifier: MIT
 * expression_eval.c - the value of a condition for one record
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "cli/expression_tree.h"

enum { MOST_PAIRS = 1 << 20 }; /* compared at once, of two lists */

struct look { /* at one record */
    const struct record *record;
    bool failed; /* after fail_as() */
};
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

/* What a value is worth as a condition: null, 0, "" and [] do not hold. */
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
            if ((v.count & (v.count - 1)) == 0) /* room for 1, 2, 4, 8 .. */
                v.list = xresize(v.list, 2 * (size_t)v.count + 1, sizeof *v.list);
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

static struct value evaluate(const struct expression *e, struct look *k);

/* What is no string matches nothing, and does not "not match" either. */
static bool matches(const struct expression *e, struct look *k, const struct value *a)
{
    int found = a->type == VALUE_STRING ? pattern_matches(e->pattern, a->text) : -1;

    k->failed |= a->type == VALUE_STRING && found < 0;
    return found == (e->kind == MATCH);
}

/* Values of different types are never equal and have no order; nil equals nil alone. */
static bool compare_one(const struct expression *e, struct look *k, const struct value *a,
                        const struct value *b)
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
        return matches(e, k, a);
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

/* A list stands for each of its elements: one that holds is enough, or all are asked for. */
static struct value compare(const struct expression *e, struct look *k, bool every)
{
    struct value a = evaluate(e->left, k);
    struct value b = e->pattern ? (struct value){ 0 } : evaluate(e->right, k);
    int na = a.type == VALUE_LIST ? a.count : 1, nb = b.type == VALUE_LIST ? b.count : 1;
    bool any = false, all = na > 0 && nb > 0;

    if ((double)na * nb > MOST_PAIRS) {
        fail_as("too_complex", "two lists of %d and %d elements are compared", na, nb);
        k->failed = true;
        na = 0;
    }
    for (int i = 0; i < na && !k->failed; i++) {
        for (int m = 0; m < nb; m++) {
            bool holds = compare_one(e, k, a.type == VALUE_LIST ? &a.list[i] : &a,
                                     b.type == VALUE_LIST ? &b.list[m] : &b);

            any = any || holds;
            all = all && holds;
        }
    }
    value_free(&a);
    value_free(&b);
    return bool_value(every ? all : any);
}

/* Division by 0 gives infinity or NaN, which order as IEEE 754 says: no record fails of it. */
static double calculate(enum kind kind, double x, double y)
{
    switch (kind) {
    case ADD:
        return x + y;
    case SUBTRACT:
        return x - y;
    case MULTIPLY:
        return x * y;
    case DIVIDE:
        return x / y;
    case ABS:
        return fabs(x);
    default:
        return -x;
    }
}

/* The operator's value from that of its left side, which is taken over. */
static struct value arithmetic(const struct expression *e, struct value a, struct look *k)
{
    struct value b = e->right ? evaluate(e->right, k) : number_value(0);
    bool numbers = a.type == VALUE_NUMBER && b.type == VALUE_NUMBER;
    double result = calculate(e->kind, a.number, b.number);

    value_free(&a);
    value_free(&b);
    return numbers ? number_value(result) : (struct value){ 0 };
}

/* Code points, not bytes and not what a reader sees as one letter. */
static long characters(const char *text)
{
    const char *end = text + strlen(text);
    long n = 0;

    for (; text < end; n++)
        utf8_next(&text, end);
    return n;
}

static locale_t letters; /* C.UTF-8, for all threads; 0: ASCII letters alone */

static void open_letters(void)
{
    letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* The same letters in every locale: results may not depend on the user's environment. */
static char *lower(const char *text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *end = text + strlen(text);
    struct buffer b = { 0 };

    pthread_once(&once, open_letters);
    buffer_reserve(&b, (size_t)(end - text));
    buffer_clear(&b);
    while (text < end) {
        uint32_t c = utf8_next(&text, end);

        if (letters)
            c = (uint32_t)towlower_l((wint_t)c, letters);
        else if (c < 0x80)
            c = (uint32_t)tolower((int)c);
        buffer_utf8(&b, c);
    }
    return b.data;
}

/* As wc -w counts them: what stands between white space, wide and unbreakable spaces too. */
static long words(const char *text)
{
    const char *end = text + strlen(text);
    long n = 0;

    for (bool inside = false; text < end;) {
        uint32_t c = utf8_next(&text, end);
        bool letter = !(c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 ||
                        c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
                        c == 0x202f || c == 0x205f || c == 0x3000);

        n += letter && !inside;
        inside = letter;
    }
    return n;
}

/* lower() and words() of a text; of a list they look at each element. */
static struct value of_text(enum kind kind, struct value *v)
{
    struct value result = { 0 };

    if (v->type == VALUE_LIST) {
        for (int i = 0; i < v->count; i++) {
            struct value one = of_text(kind, &v->list[i]);

            value_free(&v->list[i]);
            v->list[i] = one;
        }
        result = *v;
        *v = (struct value){ 0 };
    } else if (v->type == VALUE_STRING && kind == LOWER) {
        result = (struct value){ .type = VALUE_STRING, .text = lower(v->text) };
    } else if (v->type == VALUE_STRING) {
        result = number_value((double)words(v->text));
    }
    return result;
}

/* A function that has no meaning for a value gives nil, so the record is simply not chosen. */
static struct value function(const struct expression *e, struct look *k)
{
    struct value v = evaluate(e->left, k), result = { 0 };

    if (e->kind == HAS) {
        result = bool_value(v.type != VALUE_NIL);
    } else if (e->kind == LOWER || e->kind == WORDS) {
        result = of_text(e->kind, &v);
    } else if (v.type == VALUE_STRING && e->kind == LEN) {
        result = number_value((double)characters(v.text));
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

/* all(x > 1) asks every element; all(x) asks that every one is true. */
static struct value all_of(const struct expression *e, struct look *k)
{
    struct value v;
    bool holds;

    if (e->left->kind >= LESS && e->left->kind <= NO_MATCH)
        return compare(e->left, k, true);
    v = evaluate(e->left, k);
    holds = truth(&v);
    for (int i = 0; i < v.count; i++)
        holds = holds && truth(&v.list[i]);
    value_free(&v);
    return bool_value(holds);
}

/* All but the operators that evaluate() goes through in a loop. */
static struct value evaluate_one(const struct expression *e, struct look *k)
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
        return field_value(k->record, e->text);
    case NOT:
        v = evaluate(e->left, k);
        holds = truth(&v);
        value_free(&v);
        return bool_value(!holds);
    case ALL:
        return all_of(e, k);
    case NEGATE:
    case ABS:
        return arithmetic(e, evaluate(e->left, k), k);
    default:
        return e->kind >= LESS && e->kind <= NO_MATCH ? compare(e, k, false) : function(e, k);
    }
}

static bool leans_left(enum kind kind)
{
    return kind == OR || kind == AND || (kind >= ADD && kind <= DIVIDE);
}

/* Operators of one rank lean to the left, as many as the user writes: a loop goes down that side
 * and up again.  What else is nested the parser has bounded. */
static struct value evaluate(const struct expression *e, struct look *k)
{
    const struct expression *at = e;
    struct value v;
    bool holds;

    while (leans_left(at->kind))
        at = at->left;
    v = evaluate_one(at, k);
    while (at != e) {
        at = at->up;
        if (at->kind != OR && at->kind != AND) {
            v = arithmetic(at, v, k);
            continue;
        }
        holds = truth(&v);
        value_free(&v);
        if (holds == (at->kind == AND)) {
            v = evaluate(at->right, k);
            holds = truth(&v);
            value_free(&v);
        }
        v = bool_value(holds);
    }
    return v;
}

int expression_holds(const struct expression *e, const struct record *r)
{
    struct look k = { .record = r };
    struct value v = evaluate(e, &k);
    bool holds = truth(&v);

    value_free(&v);
    return k.failed ? -1 : holds;
}

/* 1: a finite number, 0: none, -1 after fail(). */
int expression_number(const struct expression *e, const struct record *r, double *number)
{
    struct look k = { .record = r };
    struct value v = evaluate(e, &k);
    bool good = v.type == VALUE_NUMBER && isfinite(v.number);

    *number = v.number;
    value_free(&v);
    return k.failed ? -1 : good;
}

static bool names_field(const struct expression *e)
{
    return e && (e->kind == FIELD || names_field(e->left) || names_field(e->right));
}

/* For a warning: an expression whose fields no record has is likely misspelt. */
static bool has_any(const struct expression *e, const struct record *r)
{
    struct span value;
    size_t n;
    char *head;
    bool found;

    if (!e)
        return false;
    if (e->kind != FIELD)
        return has_any(e->left, r) || has_any(e->right, r);
    if (record_find(r, e->text, &value) || record_member(r, e->text))
        return true;
    n = strcspn(e->text, ".");
    head = xmemdup(e->text, n);
    found = e->text[n] && record_find(r, head, &value);
    free(head);
    return found;
}

bool expression_has_field(const struct expression *e, const struct record *r)
{
    return !names_field(e) || has_any(e, r);
}
