/* SPDX-License-Identifier: MIT
 * help.c - the option table for people, and for a shell's completion
 */
#include <stdio.h>
#include <string.h>
#include "cli/option.h"

enum { COLUMN = 28, WIDTH = 92 };

/* Prints words from column COLUMN on and breaks before WIDTH. */
static void wrap(const char *text)
{
    int at = COLUMN;

    while (*text) {
        int n = (int)strcspn(text, " ");

        if (at > COLUMN && at + 1 + n > WIDTH) {
            printf("\n%*s", COLUMN, "");
            at = COLUMN;
        }
        at += printf("%s%.*s", at > COLUMN ? " " : "", n, text);
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const struct option_spec *o)
{
    int at;

    if (o->letter)
        at = printf("  -%c, ", o->letter);
    else
        at = printf("      ");
    at += printf("--%s", o->name);
    if (o->argument)
        at += printf("=%s", o->argument);
    if (at + 2 > COLUMN) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", COLUMN - at, "");
    wrap(o->help);
}

void help_print(const struct option_usage *usage)
{
    const struct option_spec *o;
    const char *heading, *last = "";

    printf("usage: %s [OPTION...] %s\n%s\n", usage->name, usage->args, usage->about);
    for (int i = 0; (o = option_at(usage->options, i, &heading)); i++) {
        if (!heading)
            heading = "Options";
        if (strcmp(heading, last))
            printf("\n%s:\n", heading);
        last = heading;
        print_option(o);
    }
    printf("\nThe manual: man %s, man 5 vlm-stream, man 7 vlm\n", usage->name);
}

static const char *kind_name(enum option_kind kind)
{
    switch (kind) {
    case OPTION_KIND_FLAG:
        return "flag";
    case OPTION_KIND_FILE:
        return "file";
    case OPTION_KIND_FOLDER:
        return "folder";
    case OPTION_KIND_MODEL:
        return "model";
    case OPTION_KIND_CHOICE:
        return "choice";
    default:
        return "value";
    }
}

void help_list(const struct option_spec *table)
{
    const struct option_spec *o;
    const char *heading;

    for (int i = 0; (o = option_at(table, i, &heading)); i++) {
        printf("--%s\t", o->name);
        if (o->letter)
            printf("-%c", o->letter);
        printf("\t%s\t%s\t", o->argument ? o->argument : "", kind_name(o->kind));
        for (int c = 0; o->choices && o->choices[c]; c++)
            printf("%s%s", c ? "|" : "", o->choices[c]);
        printf("\t%s\n", o->help);
    }
}
