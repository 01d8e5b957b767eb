/* SPDX-License-Identifier: MIT
 * expression_tree.h - a parsed condition, between the parser and the evaluation
 */
#ifndef CLI_EXPRESSION_TREE_H
#define CLI_EXPRESSION_TREE_H

#include "cli/expression.h"
#include "cli/pattern.h"

enum kind {
    NUMBER,
    STRING,
    BOOL,
    NIL,
    FIELD, /* leaves */
    OR,
    AND,
    NOT,
    NEGATE,
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE, /* operators */
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    EQUAL,
    UNEQUAL,
    MATCH,
    NO_MATCH,
    LEN,
    WORDS,
    LOWER,
    ABS,
    MIN,
    MAX,
    ALL,
    HAS, /* functions */
};

struct expression {
    enum kind kind;
    struct expression *left, *right;
    double number;
    char *text;
    struct pattern *pattern;
    struct expression *up; /* of a left operand: the operator */
};

#endif
