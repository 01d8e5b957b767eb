/* SPDX-License-Identifier: MIT
 * expression.h - conditions over the fields of a record: itm >= 0.5 && words(caption) > 3
 *
 *     or         = and { "||" and }
 *     and        = not { "&&" not }
 *     not        = "!" not | comparison
 *     comparison = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" | "=~" | "!~" ) sum ]
 *     sum        = product { ( "+" | "-" ) product }
 *     product    = unary { ( "*" | "/" ) unary }
 *     unary      = "-" unary | primary
 *     primary    = number | string | "true" | "false" | "null" | field | function "(" or ")"
 *                | "(" or ")"
 *     field      = a name, or any text between backquotes; `a.b` is the member "a.b", or b inside a
 *     function   = len words lower abs min max all has
 *
 * A field that is not there is null.  An ordering against null is false, so records without a score
 * are dropped.  A comparison with a list holds if it holds for one of its elements; all(...) around
 * a comparison asks for every one.  =~ is a regular expression (pattern.h).
 */
#ifndef CLI_EXPRESSION_H
#define CLI_EXPRESSION_H

#include "stream/stream.h"

struct expression;
/* NULL after fail() with the text, the column and a mark under it. */
struct expression *expression_parse(const char *text);
/* 1; 0; -1 after fail_as("too_complex"), which is the record's trouble. */
int expression_holds(const struct expression *e, const struct record *r);
/* Whether the record has one of its fields, or it names none. */
bool expression_has_field(const struct expression *e, const struct record *r);
/* The number that it gives for a record: 1; 0 if it gives none; -1 as above. */
int expression_number(const struct expression *e, const struct record *r, double *number);
void expression_free(struct expression *e);

#endif
