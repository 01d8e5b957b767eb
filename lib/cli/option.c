/* SPDX-License-Identifier: MIT
 * option.c - one table drives parsing, --help and completion
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/cli.h"

static const struct option_usage *current; /* for options_mistake() */
static bool wants_help, wants_version, wants_list;
static bool given[256]; /* by the option's place in the table */
static struct option_list values[256];

static const struct option_spec common[] = {
    OPTION_FLAG('h', "help", &wants_help, "print this and exit"),
    OPTION_FLAG('V', "version", &wants_version, "print the version and exit"),
    OPTION_FLAG(0, "list-options", &wants_list, "print the options for a shell's completion"),
    OPTIONS_END,
};

/* *i counts down past the rows that are no group. */
static const struct option_spec *nth(const struct option_spec *table, int *i)
{
    for (; table->kind != OPTION_END; table++)
        if (table->kind != OPTION_GROUP && (*i)-- == 0)
            return table;
    return NULL;
}

/* The i-th option of a table: its own first, then those of its groups; NULL behind the last.
 * *heading is its group's name, or NULL. */
static const struct option_spec *option_at(const struct option_spec *table, int i,
                                           const char **heading)
{
    const struct option_spec *found;

    *heading = NULL;
    found = nth(table, &i);
    for (const struct option_spec *g = table; !found && g->kind != OPTION_END; g++) {
        if (g->kind == OPTION_GROUP) {
            *heading = g->name;
            found = nth(g->group, &i);
        }
    }
    if (!found) {
        *heading = "Help";
        found = nth(common, &i);
    }
    return found;
}

static _Noreturn void usage_exit(void)
{
    if (log_form == LOG_TEXT)
        fprintf(stderr, "usage: %s [OPTION...] %s  (--help lists the options)\n", current->name,
                current->args);
    exit(2);
}

void options_mistake(const char *format, ...)
{
    char text[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    warn("%s", text);
    usage_exit();
}

/* A row with both bounds 0 has none. */
static bool within(const struct option_spec *o, double value)
{
    return (o->least == 0 && o->most == 0) || (value >= o->least && value <= o->most);
}

static void take_long(const struct option_spec *o, const char *text)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end || errno)
        options_mistake("--%s=%s: not a whole number", o->name, text);
    if (!within(o, (double)value))
        options_mistake("--%s=%s: must lie between %.0f and %.0f", o->name, text, o->least,
                        o->most);
    *(long *)o->value = value;
}

static void take_float(const struct option_spec *o, const char *text)
{
    char *end;
    float value = strtof(text, &end);

    if (end == text || *end || !isfinite(value))
        options_mistake("--%s=%s: not a number", o->name, text);
    if (!within(o, strtod(text, NULL))) /* 0.01 as it is written, not as the nearest float */
        options_mistake("--%s=%s: must lie between %g and %g", o->name, text, o->least, o->most);
    *(float *)o->value = value;
}

/* A wrong word is answered with all the right ones. */
static void take_choice(const struct option_spec *o, const char *text)
{
    struct buffer all = { 0 };

    for (int i = 0; o->choices[i]; i++) {
        if (!strcmp(o->choices[i], text)) {
            *(int *)o->value = i;
            return;
        }
    }
    for (int i = 0; o->choices[i]; i++)
        buffer_printf(&all, "%s%s", i ? ", " : "", o->choices[i]);
    options_mistake("--%s=%s: must be one of %s", o->name, text, all.data);
}

static void append(struct option_list *list, const char *text)
{
    list->items = xresize(list->items, (size_t)list->count + 1, sizeof *list->items);
    list->items[list->count++] = text;
}

static void take(const struct option_spec *o, const char *text)
{
    struct option_list *list = o->value;

    if (o->utf8 && !utf8_is_valid(text, strlen(text)))
        options_mistake("--%s: its text is not UTF-8", o->name);
    switch (o->kind) {
    case OPTION_KIND_FLAG:
        *(bool *)o->value = true;
        break;
    case OPTION_KIND_STRING:
    case OPTION_KIND_FILE:
    case OPTION_KIND_FOLDER:
    case OPTION_KIND_MODEL:
        *(const char **)o->value = text;
        break;
    case OPTION_KIND_LONG:
        take_long(o, text);
        break;
    case OPTION_KIND_FLOAT:
        take_float(o, text);
        break;
    case OPTION_KIND_CHOICE:
        take_choice(o, text);
        break;
    case OPTION_KIND_LIST:
        append(list, text);
        break;
    case OPTION_KIND_CALL:
        if (o->call(text))
            options_mistake("--%s=%s: %s", o->name, text, error_text());
        break;
    case OPTION_END:
    case OPTION_GROUP:
        break;
    }
}

/* The table as getopt_long wants it; a long option's value is 256 and its number. */
static struct option *translate(const struct option_spec *table, char letters[static 256])
{
    struct option *longs = NULL;
    const struct option_spec *o;
    const char *heading;
    int n = 0, at = 0;

    for (; (o = option_at(table, n, &heading)); n++) {
        bool flag = o->kind == OPTION_KIND_FLAG;

        longs = xresize(longs, (size_t)n + 2, sizeof *longs);
        longs[n] =
            (struct option){ o->name, flag ? no_argument : required_argument, NULL, 256 + n };
        if (o->letter) {
            letters[at++] = o->letter;
            if (!flag)
                letters[at++] = ':';
        }
    }
    longs[n] = (struct option){ 0 };
    letters[at] = 0;
    return longs;
}

/* By its long name, or its letter where that is NULL. A name that is in no table is a mistake of
 * ours. */
static int place_of(const char *name, int letter)
{
    const struct option_spec *o;
    const char *heading;

    for (int i = 0; (o = option_at(current->options, i, &heading)); i++)
        if (name ? !strcmp(o->name, name) : o->letter == letter)
            return i;
    assert(false);
    return 0;
}

bool option_given(const char *name)
{
    return given[place_of(name, 0)];
}

/* The first of some names that was given, in *found; all of them in words. */
static bool any_given(const char *names, char found[static 40], struct buffer *words)
{
    bool any = false;

    for (const char *at = names; *at; at += strspn(at, " ")) {
        int n = (int)strcspn(at, " ");
        char name[40];

        snprintf(name, sizeof name, "%.*s", n, at);
        at += n;
        buffer_printf(words, "%s--%s", !words->size ? "" : at[0] ? ", " : " or ", name);
        if (!any && option_given(name)) {
            strcpy(found, name);
            any = true;
        }
    }
    return any;
}

/* An option that cannot act is refused, so that nobody believes it acted. */
static void check_use(const struct option_spec *o, unsigned uses)
{
    static const struct {
        enum option_use use;
        const char *lack;
    } lacks[] = {
        { USES_IMAGES, "reads no images" },
        { USES_IMAGE_NAMES, "reads no images" },
        { USES_TEXTS, "reads no text field" },
        { USES_TOKENIZER, "reads and writes no words" },
        { USES_CLEANED, "cleans no texts" },
        { USES_CHANCE, "makes no random choices" },
        { USES_STREAM, "writes nothing before the input ends" },
    };

    for (int i = 0; i < COUNT(lacks); i++)
        if (o->needs & lacks[i].use && !(uses & lacks[i].use))
            options_mistake("--%s has no effect: with these options %s %s", o->name, current->name,
                            lacks[i].lack);
}

unsigned options_uses(void)
{
    return current->uses ? current->uses() : ~0u;
}

/* Every option that was given can act beside the others. */
static void check_given(void)
{
    unsigned uses = options_uses();
    const struct option_spec *o;
    const char *heading;

    for (int i = 0; (o = option_at(current->options, i, &heading)); i++) {
        struct buffer words = { 0 }, others = { 0 };
        char found[40];

        if (!given[i])
            continue;
        if (o->with && !any_given(o->with, found, &words))
            options_mistake("--%s goes with %s", o->name, words.data);
        if (o->without && any_given(o->without, found, &others))
            options_mistake("--%s does not go with --%s", o->name, found);
        check_use(o, uses);
        buffer_free(&words);
        buffer_free(&others);
    }
}

/* The option table for people, and for a shell's completion */

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

/* With its default, always in the same form. */
static char *help_of(const struct option_spec *o)
{
    return xprintf(o->standard ? "%s (default: %s)" : "%s", o->help, o->standard);
}

static void print_option(const struct option_spec *o)
{
    char *text;
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
    text = help_of(o);
    wrap(text);
    free(text);
}

static void print_help(const struct option_usage *usage)
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

/* The format is described in cli.h; completions/ read it. */
static void list_options(const struct option_spec *table)
{
    const struct option_spec *o;
    const char *heading;
    char *text;

    for (int i = 0; (o = option_at(table, i, &heading)); i++) {
        printf("--%s\t", o->name);
        if (o->letter)
            printf("-%c", o->letter);
        printf("\t%s\t%s\t", o->argument ? o->argument : "", kind_name(o->kind));
        for (int c = 0; o->choices && o->choices[c]; c++)
            printf("%s%s", c ? "|" : "", o->choices[c]);
        text = help_of(o);
        printf("\t%s\n", text);
        free(text);
    }
}

/* The last value of each; all of a list's.  A file stands with a hash of what it holds. */
static void list_value(struct buffer *b, const struct option_spec *o, const char *text)
{
    struct buffer word = { 0 }, content = { 0 };

    buffer_printf(&word, "--%s", o->name);
    if (text)
        buffer_printf(&word, "=%s", text);
    if (o->kind == OPTION_KIND_FILE && !path_is_folder(text) && file_read(&content, text) == 0)
        buffer_printf(&word, "#%016llx",
                      (unsigned long long)hash_bytes(content.data, content.size, 0));
    if (b->data[b->size - 1] == '"')
        buffer_byte(b, ',');
    json_escape(b, word.data, word.size);
    buffer_free(&word);
    buffer_free(&content);
}

/* --resume and --reuse compare this list: two runs whose lists are equal write the same bytes for a
 * record. */
void options_list(struct buffer *b, enum option_scope scope)
{
    const struct option_spec *o;
    const char *heading;

    for (int i = 0; (o = option_at(current->options, i, &heading)); i++) {
        int first = o->kind == OPTION_KIND_LIST ? 0 : values[i].count - 1;

        if (!given[i] || o->neutral || (o->carries && scope == OPTIONS_OF_RESULTS))
            continue;
        for (int k = first; k < values[i].count; k++)
            list_value(b, o, values[i].items[k]);
    }
}

/* getopt_long() knows abbreviations and writes its own complaints; what it returns is a row of our
 * table. */
void options_parse(const struct option_usage *usage, int argc, char **argv, int *operands)
{
    char letters[256];
    struct option *longs = translate(usage->options, letters);
    const char *heading;
    int got;

    current = usage;
    program_name = usage->name;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow (ulimit -f): the write fails instead */
    if (argc > 0)
        argv[0] = (char *)(uintptr_t)usage->name; /* how getopt_long begins its complaints */
    while ((got = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (got == '?')
            usage_exit();
        got = got < 256 ? place_of(NULL, got) : got - 256;
        given[got] = true;
        append(&values[got], optarg);
        take(option_at(usage->options, got, &heading), optarg);
    }
    free(longs);
    *operands = optind;
    if (wants_help)
        print_help(usage);
    else if (wants_version)
        printf("%s (vlm) %s\n", usage->name, VERSION);
    else if (wants_list)
        list_options(usage->options);
    else {
        check_given();
        return;
    }
    if (fflush(stdout) || ferror(stdout)) {
        fail_errno("standard output");
        warn("%s", error_text());
        exit(1);
    }
    exit(0);
}
