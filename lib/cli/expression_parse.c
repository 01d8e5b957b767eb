/* SPDX-License-Identifier: MIT
 * expression_parse.c - conditions, from text to tree; a function for each line of the grammar
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/expression_tree.h"

/* Levels of parentheses and signs: each takes a C frame for every line of the grammar. */
enum { DEPTH = 200 };
struct parser {
    const char *text, *at;
    int depth;
    bool failed;
};

static struct expression *parse_or(struct parser *p);

static void space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* The first mistake is the one to tell: what follows it is a consequence as a rule. */
static void mistake(struct parser *p, const char *what)
{
    int column = (int)(p->at - p->text);

    if (!p->failed)
        fail("column %d: %s\n    %s\n    %*s^", column + 1, what, p->text, column, "");
    p->failed = true;
}

/* A left operand knows its operator, so that the evaluation can go up again without recursion. */
static struct expression *node(enum kind kind, struct expression *left, struct expression *right)
{
    struct expression *e = xalloc(1, sizeof *e);

    *e = (struct expression){ .kind = kind, .left = left, .right = right };
    if (left)
        left->up = e;
    return e;
}

/* Takes the token if it is next.  A longer token has to be tried before one that begins it. */
static bool accept(struct parser *p, const char *token)
{
    size_t n = strlen(token);

    space(p);
    if (strncmp(p->at, token, n))
        return false;
    p->at += n;
    return true;
}

/* A text has no escapes: one that holds a quote stands between quotes of the other kind. */
static struct expression *parse_string(struct parser *p)
{
    char quote = *p->at;
    const char *start = ++p->at, *end = strchr(start, quote);
    struct expression *e;

    if (!end) {
        p->at--;
        mistake(p, quote == '`' ? "this name has no end" : "this text has no end");
        return NULL;
    }
    p->at = end + 1;
    e = node(quote == '`' ? FIELD : STRING, NULL, NULL);
    e->text = xmemdup(start, (size_t)(end - start));
    return e;
}

/* A field, a word of the language, or a function if a parenthesis follows. */
static struct expression *parse_name(struct parser *p)
{
    static const struct {
        const char *name;
        enum kind kind;
    } functions[] = { { "len", LEN }, { "words", WORDS }, { "lower", LOWER }, { "abs", ABS },
                      { "min", MIN }, { "max", MAX },     { "all", ALL },     { "has", HAS } };
    const char *start = p->at;
    struct expression *e;

    while (isalnum((unsigned char)*p->at) || *p->at == '_' || *p->at == '.')
        p->at++;
    e = node(FIELD, NULL, NULL);
    e->text = xmemdup(start, (size_t)(p->at - start));
    if (!strcmp(e->text, "true") || !strcmp(e->text, "false")) {
        e->kind = BOOL;
        e->number = e->text[0] == 't';
    } else if (!strcmp(e->text, "null")) {
        e->kind = NIL;
    }
    space(p);
    if (*p->at != '(')
        return e;
    for (int i = 0; i < COUNT(functions); i++) {
        if (strcmp(functions[i].name, e->text))
            continue;
        p->at++;
        e->kind = functions[i].kind;
        e->left = parse_or(p);
        if (!accept(p, ")"))
            mistake(p, "expected ')'");
        return e;
    }
    p->at = start;
    mistake(p, "no such function (there are len words lower abs min max all has)");
    return e;
}

/* primary = "(" or ")" | number | text | field | function "(" or ")" */
static struct expression *parse_primary(struct parser *p)
{
    struct expression *e;

    space(p);
    if (accept(p, "(")) {
        e = parse_or(p);
        if (!accept(p, ")"))
            mistake(p, "expected ')'");
        return e;
    }
    if (isdigit((unsigned char)*p->at) || *p->at == '.') {
        char *end;

        e = node(NUMBER, NULL, NULL);
        e->number = strtod(p->at, &end);
        if (end == p->at)
            mistake(p, "expected a number");
        p->at = end;
        return e;
    }
    if (*p->at == '"' || *p->at == '\'' || *p->at == '`')
        return parse_string(p);
    if (isalpha((unsigned char)*p->at) || *p->at == '_')
        return parse_name(p);
    mistake(p, "expected a field, a number, a text or '('");
    return NULL;
}

/* Depth is counted where the grammar comes back to itself: here, in parse_not and in parse_or. */
static struct expression *parse_unary(struct parser *p)
{
    struct expression *e;

    if (++p->depth > DEPTH) {
        mistake(p, "nested too deeply");
        return NULL;
    }
    e = !p->failed && accept(p, "-") ? node(NEGATE, parse_unary(p), NULL) : parse_primary(p);
    p->depth--;
    return e;
}

/* product = unary { ("*" | "/") unary } */
static struct expression *parse_product(struct parser *p)
{
    struct expression *e = parse_unary(p);

    while (!p->failed) {
        if (accept(p, "*"))
            e = node(MULTIPLY, e, parse_unary(p));
        else if (accept(p, "/"))
            e = node(DIVIDE, e, parse_unary(p));
        else
            break;
    }
    return e;
}

/* sum = product { ("+" | "-") product } */
static struct expression *parse_sum(struct parser *p)
{
    struct expression *e = parse_product(p);

    while (!p->failed) {
        if (accept(p, "+"))
            e = node(ADD, e, parse_product(p));
        else if (accept(p, "-"))
            e = node(SUBTRACT, e, parse_product(p));
        else
            break;
    }
    return e;
}

/* The pattern after =~ is compiled now, so that a mistake in it is seen before any record. */
static struct expression *parse_pattern(struct parser *p, enum kind kind, struct expression *left)
{
    struct expression *e = node(kind, left, NULL);

    space(p);
    if (*p->at != '"' && *p->at != '\'') {
        mistake(p, "expected a pattern between quotes");
        return e;
    }
    e->right = parse_string(p);
    if (!p->failed && !(e->pattern = pattern_compile(e->right->text)))
        mistake(p, error_text());
    return e;
}

/* comparison = sum [ sign sum | ("=~" | "!~") text ].  Comparisons do not chain: a < b < c is a
 * mistake.  Signs of two characters stand before those of one that begin them. */
static struct expression *parse_comparison(struct parser *p)
{
    static const struct {
        const char *token;
        enum kind kind;
    } signs[] = {
        { "<=", LESS_EQUAL }, { ">=", GREATER_EQUAL }, { "==", EQUAL }, { "!=", UNEQUAL },
        { "=~", MATCH },      { "!~", NO_MATCH },      { "<", LESS },   { ">", GREATER }
    };
    struct expression *e = parse_sum(p);

    for (int i = 0; i < COUNT(signs) && !p->failed; i++) {
        if (!accept(p, signs[i].token))
            continue;
        if (signs[i].kind == MATCH || signs[i].kind == NO_MATCH)
            return parse_pattern(p, signs[i].kind, e);
        return node(signs[i].kind, e, parse_sum(p));
    }
    space(p);
    if (!p->failed && *p->at == '=')
        mistake(p, "equality is written ==");
    return e;
}

/* not = "!" not | comparison.  != and !~ begin with the same character. */
static struct expression *parse_not(struct parser *p)
{
    struct expression *e;

    space(p);
    if (p->at[0] != '!' || p->at[1] == '=' || p->at[1] == '~')
        return parse_comparison(p);
    if (++p->depth > DEPTH) {
        mistake(p, "nested too deeply");
        return NULL;
    }
    p->at++;
    e = node(NOT, parse_not(p), NULL);
    p->depth--;
    return e;
}

/* and = not { "&&" not } */
static struct expression *parse_and(struct parser *p)
{
    struct expression *e = parse_not(p);

    while (!p->failed && accept(p, "&&"))
        e = node(AND, e, parse_not(p));
    return e;
}

static struct expression *parse_or(struct parser *p)
{
    struct expression *e;

    if (++p->depth > DEPTH) {
        mistake(p, "nested too deeply");
        return NULL;
    }
    e = parse_and(p);
    while (!p->failed && accept(p, "||"))
        e = node(OR, e, parse_and(p));
    p->depth--;
    return e;
}

/* or = and { "||" and }; the whole text has to be one.  NULL after fail(), which points at the
 * column; else to be given to expression_free(). */
struct expression *expression_parse(const char *text)
{
    struct parser p = { text, text, 0, false };
    struct expression *e = parse_or(&p);

    space(&p);
    if (!p.failed && *p.at)
        mistake(&p, "expected an operator or the end");
    if (!p.failed)
        return e;
    expression_free(e);
    return NULL;
}

/* Long sums lean to the left: that side is a loop. */
void expression_free(struct expression *e)
{
    for (struct expression *left; e; e = left) {
        left = e->left;
        expression_free(e->right);
        pattern_free(e->pattern);
        free(e->text);
        free(e);
    }
}
