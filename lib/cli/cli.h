/* SPDX-License-Identifier: MIT
 * cli.h - what every command shares: its options, and the loop over records
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/base.h"
#include "stream/stream.h"

/* option.c - one table drives parsing, --help and completion
 *
 * `--list-options` prints the table for the completions: one line an option, fields separated by
 * tabs: --long, -s or empty, argument name or empty, kind (flag value file folder model choice),
 * choices separated by '|' or empty, help.
 */
enum option_kind {
    OPTION_END,
    OPTION_GROUP,
    OPTION_KIND_FLAG,
    OPTION_KIND_STRING,
    OPTION_KIND_FILE,
    OPTION_KIND_MODEL,
    OPTION_KIND_LONG,
    OPTION_KIND_FLOAT,
    OPTION_KIND_CHOICE,
    OPTION_KIND_LIST,
    OPTION_KIND_CALL
};
struct option_list {
    const char **items;
    int count;
};
struct option_spec {
    enum option_kind kind;
    char letter;          /* 0: none */
    const char *name;     /* without dashes */
    const char *argument; /* shown in help; NULL: none */
    void *value;          /* bool, const char *, long, float, struct option_list, int */
    const char *help;
    const char *const *choices;    /* OPTION_KIND_CHOICE: NULL-terminated; value is an int index */
    double least, most;            /* LONG, FLOAT: bounds, both 0: none */
    int (*call)(const char *text); /* OPTION_KIND_CALL: -1 after fail() */
    const struct option_spec *group; /* OPTION_GROUP: another table, shown under a heading */
};
/* clang-format off */
#define OPTION_FLAG(l, n, v, h)          { .kind = OPTION_KIND_FLAG, .letter = l, .name = n, .value = v, .help = h }
#define OPTION_STRING(l, n, a, v, h)     { .kind = OPTION_KIND_STRING, .letter = l, .name = n, .argument = a, .value = v, .help = h }
#define OPTION_FILE(l, n, a, v, h)       { .kind = OPTION_KIND_FILE, .letter = l, .name = n, .argument = a, .value = v, .help = h }
#define OPTION_LONG(l, n, a, v, lo, hi, h)  { .kind = OPTION_KIND_LONG, .letter = l, .name = n, .argument = a, .value = v, .least = lo, .most = hi, .help = h }
#define OPTION_FLOAT(l, n, a, v, lo, hi, h) { .kind = OPTION_KIND_FLOAT, .letter = l, .name = n, .argument = a, .value = v, .least = lo, .most = hi, .help = h }
#define OPTION_CHOICE(l, n, a, v, c, h)  { .kind = OPTION_KIND_CHOICE, .letter = l, .name = n, .argument = a, .value = v, .choices = c, .help = h }
#define OPTION_LIST(l, n, a, v, h)       { .kind = OPTION_KIND_LIST, .letter = l, .name = n, .argument = a, .value = v, .help = h }
#define OPTIONS_STREAM                   { .kind = OPTION_GROUP, .name = "Records in and out", .group = stream_options }
#define OPTIONS_MODEL                    { .kind = OPTION_GROUP, .name = "Model", .group = model_options }
#define OPTIONS_END                      { .kind = OPTION_END }
/* clang-format on */

/* 0 with *operands at the first operand; exits for --help, --version, --list-options (0) and for a
 * mistake (2, reason and one usage line on stderr). */
struct option_usage {
    const char *name, *args, *about;
    const struct option_spec *options;
};
void options_parse(const struct option_usage *usage, int argc, char **argv, int *operands);

/* filter.c - the loop over records
 *
 * reader thread -> batches -> prepare (every record, on the pool, in the background, while the
 * batch before is computed) -> batch (one call, may use the pool) -> writer thread.  Order out is
 * order in.
 */
struct settings { /* what the common options say; read-only for commands */
    const char *model, *tokenizer, *output, *root, *image_field, *text_field, *resume, *shard;
    bool binary, null, retry_errors, line_buffered, progress, quiet, verbose;
    long threads, batch, max_pixels, seed;
    enum format from;
};
extern struct settings settings;
extern const struct option_spec stream_options[], model_options[];

struct filter {
    const char *name, *args, *about;
    const struct option_spec *options;
    int (*begin)(void);                /* after the options; -1 after fail(): exit 3; may be NULL */
    void (*prepare)(struct record *r); /* any thread; may record_fail(); may be NULL */
    /* The records of a batch that have not failed, in order; -1 after fail(): exit 1. */
    int (*batch)(struct record *records[], int count);
    /* After the last record: records a command kept leave through emit().  May be NULL. */
    int (*finish)(void);
    void (*release)(struct record *r); /* frees r->work; may be NULL */
    void (*end)(void);                 /* may be NULL */
    bool keeps_records;                /* batch takes over records by setting records[i] = NULL */
    bool whole;                        /* output depends on the whole input: no --resume */
};
int filter_main(const struct filter *f, int argc, char **argv);
void emit(struct record *r); /* writes r now, in order, and frees it; from finish() or batch() */

/* field.c - the fields of records.md: the first that exists, or the one the option names */
bool field_image(const struct record *r, struct span *value, const char **name);
bool field_text(const struct record *r, struct span *value, const char **name);
bool field_id(const struct record *r, struct span *value, const char **name);
/* The encoded bytes of a record's image: a path under --root, a data: URI, or in band.  Appends to
 * b; -1 after fail(). */
int field_image_bytes(const struct record *r, struct buffer *b);
bool field_has_image(const struct record *r);
/* The record's texts: one, or a list; to free with texts_free. */
struct texts {
    char **list;
    size_t *sizes;
    int count;
    bool is_list;
};
bool field_texts(const struct record *r, struct texts *t);
void texts_free(struct texts *t);

#endif
