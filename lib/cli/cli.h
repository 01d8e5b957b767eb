/* SPDX-License-Identifier: MIT
 * cli.h - what every command shares: its options, the loop over records, fields, the model
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <signal.h>
#include "base/core.h"
#include "stream/stream.h"
#include "vlm.h"

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
    OPTION_KIND_FOLDER,
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
/* What a run makes use of.  A row may need one of these; an option that cannot act is refused. */
enum option_use {
    USES_IMAGES = 1,
    USES_TEXTS = 2,        /* the record's own: --text-field */
    USES_TOKENIZER = 4,    /* reads or writes words */
    USES_CHANCE = 8,       /* random choices */
    USES_IMAGE_NAMES = 16, /* images, or their names alone */
    USES_CLEANED = 32,     /* texts that can be cleaned before they are tokenised */
    USES_STREAM = 64       /* records leave while others come: --line-buffered */
};
struct option_spec {
    enum option_kind kind;
    char letter;                   /* 0: none */
    const char *name;              /* without dashes */
    const char *argument;          /* shown in help; NULL: none */
    void *value;                   /* bool, const char *, long, float, struct option_list, int */
    const char *help;              /* begins with a verb, or with a noun for what the value is */
    const char *const *choices;    /* OPTION_KIND_CHOICE: NULL-terminated; value is an int index */
    double least, most;            /* LONG, FLOAT: bounds, both 0: none */
    int (*call)(const char *text); /* OPTION_KIND_CALL: -1 after fail() */
    const struct option_spec *group; /* OPTION_GROUP: another table, shown under a heading */
    /* The macros below take these as further arguments: .standard = "16" */
    const char *standard; /* shown as the default */
    const char *with;     /* names, separated by blanks: acts only beside one of these */
    const char *without;  /* names: does not act beside any of these */
    enum option_use needs;
    bool utf8;    /* the value is a text that a model or a person reads */
    bool neutral; /* does not change what is written for a record: --threads */
    bool carries; /* says which records come and how they leave, not what is computed: --shard */
};
/* clang-format off */
#define OPTION_FLAG(l, n, v, ...)          { .kind = OPTION_KIND_FLAG, .letter = l, .name = n, .value = v, .help = __VA_ARGS__ }
#define OPTION_STRING(l, n, a, v, ...)     { .kind = OPTION_KIND_STRING, .letter = l, .name = n, .argument = a, .value = v, .help = __VA_ARGS__ }
#define OPTION_FILE(l, n, a, v, ...)       { .kind = OPTION_KIND_FILE, .letter = l, .name = n, .argument = a, .value = v, .help = __VA_ARGS__ }
#define OPTION_FOLDER(l, n, a, v, ...)     { .kind = OPTION_KIND_FOLDER, .letter = l, .name = n, .argument = a, .value = v, .help = __VA_ARGS__ }
#define OPTION_MODEL(l, n, a, v, ...)      { .kind = OPTION_KIND_MODEL, .letter = l, .name = n, .argument = a, .value = v, .help = __VA_ARGS__ }
#define OPTION_LONG(l, n, a, v, lo, hi, ...)  { .kind = OPTION_KIND_LONG, .letter = l, .name = n, .argument = a, .value = v, .least = lo, .most = hi, .help = __VA_ARGS__ }
#define OPTION_FLOAT(l, n, a, v, lo, hi, ...) { .kind = OPTION_KIND_FLOAT, .letter = l, .name = n, .argument = a, .value = v, .least = lo, .most = hi, .help = __VA_ARGS__ }
#define OPTION_CHOICE(l, n, a, v, c, ...)  { .kind = OPTION_KIND_CHOICE, .letter = l, .name = n, .argument = a, .value = v, .choices = c, .help = __VA_ARGS__ }
#define OPTION_LIST(l, n, a, v, ...)       { .kind = OPTION_KIND_LIST, .letter = l, .name = n, .argument = a, .value = v, .help = __VA_ARGS__ }
#define OPTION_CALL(l, n, a, f, ...)       { .kind = OPTION_KIND_CALL, .letter = l, .name = n, .argument = a, .call = f, .help = __VA_ARGS__ }
#define OPTION_PROVENANCE(...) OPTION_FLAG(0, "provenance", &settings.provenance, "add how results were made: version, model, precision, options", .carries = true, __VA_ARGS__)
#define OPTIONS_STREAM                     { .kind = OPTION_GROUP, .name = "Records in and out", .group = stream_options }
#define OPTION_PRECISION OPTION_CALL(0, "precision", "HOW", set_precision, "multiply by AMX with highest (f32), high (16 bits) or medium (bf16) precision", .standard = "highest")
#define OPTIONS_MODEL                      { .kind = OPTION_GROUP, .name = "Model", .group = model_options }
#define OPTIONS_END                        { .kind = OPTION_END }
/* clang-format on */

/* Sets *operands to the first operand; exits for --help, --version, --list-options (0) and for a
 * mistake (2, reason and one usage line on stderr). */
struct option_usage {
    const char *name, *args, *about;
    const struct option_spec *options;
    unsigned (*uses)(void); /* enum option_use of this run, after parsing; NULL: all of them */
};
void options_parse(const struct option_usage *usage, int argc, char **argv, int *operands);
bool option_given(const char *name);
unsigned options_uses(void); /* enum option_use of this run */
/* Those that were given and matter, as strings of JSON: for what is written, or for what is
 * computed of a record. */
enum option_scope { OPTIONS_OF_OUTPUT, OPTIONS_OF_RESULTS };
void options_list(struct buffer *b, enum option_scope scope);
/* For options that do not go together; from begin().  Reason and usage line, then exit(2). */
_Noreturn void options_mistake(const char *format, ...) PRINTF_LIKE(1, 2);
/* What is written to two options' files would be lost in one: a mistake.  path: NULL is none. */
void options_write(const char *option, const char *path);

/* settings.c - the options that all filters share */
enum on_error { ON_ERROR_RECORD, ON_ERROR_SKIP, ON_ERROR_FAIL };
struct settings { /* what the common options say; read-only for commands */
    const char *model;
    struct vlm_options opened; /* how it is opened, but for the size of images */
    long image_size;
    struct fields fields;
    struct {
        int from;          /* enum stream_format */
        bool null;         /* names end in NUL */
        const char *shard; /* "2/8"; NULL: all */
        const char *pairs; /* a folder; NULL: operands are read */
    } input;
    int to; /* enum record_form */
    bool binary;
    long per_shard; /* records; 0: one output */
    const char *output, *resume, *reuse, *dropped;
    bool retry_errors, checksum, line_buffered, progress, quiet, verbose, provenance;
    long threads, batch, max_pixels, memory, seed;
    struct {
        int action;          /* enum on_error */
        long most;           /* -1: no limit */
        double most_percent; /* -1: no limit */
    } errors;
};
extern struct settings settings;
int set_precision(const char *text); /* for OPTION_PRECISION; -1 after fail() */
extern const struct option_spec stream_options[], model_options[];

/* filter.c - the loop over records
 *
 * reader thread -> batches -> prepare (every record, on the pool, in the background, while the
 * batch before is computed) -> batch (one call, may use the pool) -> writer thread.  Order out is
 * order in.
 */
/* What became of a record in batch(), and of the run: two types, so that neither is taken for the
 * other.  A record that is not COMPUTED is never written. */
enum outcome { NOT_COMPUTED, COMPUTED };
enum run { RUN_GOES_ON, RUN_ENDS };

struct filter {
    const char *name, *args, *about;
    const struct option_spec *options;
    unsigned (*uses)(void); /* as in struct option_usage */
    int (*begin)(void); /* after the options; after fail() -1: exit 3, or the status; may be NULL */
    void (*prepare)(struct record *r); /* any thread; may record_fail(); may be NULL */
    /* The records of a batch that have not failed, in order; all outcomes are NOT_COMPUTED.  Those
     * that are left so, after fail(), are tried again, each alone; one that is left so again has
     * that error.  RUN_ENDS after fail(), such as a disk that is full: exit 1. */
    enum run (*batch)(struct record *records[], enum outcome outcomes[], int count);
    /* After the last record: records a command kept leave through emit().  May be NULL. */
    int (*finish)(void);
    void (*release)(struct record *r); /* frees r->work; may be NULL */
    /* The model's hash, or 0 if this record did not need it; NULL: all do.  Before release(). */
    uint64_t (*model_of)(const struct record *r);
    void (*end)(void); /* may be NULL; not called when a run is broken off */
    /* Fields that this command writes, NULL-terminated: --resume does not compare them.  A name
     * that ends in '.' stands for all that begin with it. */
    const char *const *writes;
    bool keeps_records;  /* batch takes over records by setting records[i] = NULL */
    bool takes_failed;   /* batch gets the records that failed, too */
    bool one_by_one;     /* batch gets one record; what it emits leaves at once */
    bool drops;          /* sets r->dropped: not every record leaves */
    bool diverts_failed; /* records with an error go to --dropped */
    bool drops_failed;   /* records that fail, or came with an error, do not leave either */
    bool no_input;       /* begin() has read it: no operands, and standard input is left alone */
    bool whole;          /* output depends on the whole input: no --resume */
    int most;            /* records in a batch where the user does not say; 0: 16 */
};
/* Options may change `f` until begin() returns. */
int filter_main(struct filter *f, int argc, char **argv);
/* Writes r and frees it.  From batch(): in the place of the record that has the same index, so a
 * command that replaces a record by others gives them its index.  From finish(): now. */
void emit(struct record *r);
/* The same to --dropped, with the field `reason`; frees r. */
void emit_dropped(struct record *r, const char *reason);
void emit_line(const char *line);                /* now: for commands that write no records */
void emit_bytes(const void *bytes, size_t size); /* the same, as they are */
long records_seen(void); /* how many came in, failed ones among them; from finish() */

/* cleanup.c - for commands that are no filters: SIGUSR1 calls print, in a thread of its own and
 * under the lock.  Before the first other thread starts. */
/* Those that the parent has not ignored, as nohup does, are blocked from now on, and a thread takes
 * each as it comes.  Before other threads are started. */
void signals_await(const int *signals, int count,
                   void (*take)(int number, const sigset_t *awaited));
void signals_progress(void (*print)(void));
void progress_lock(void);
void progress_unlock(void);

/* model.c - the model that -m names, refused if it lacks an ability; NULL after fail() */
struct vlm *model_open(unsigned abilities);
struct vlm_options model_settings(void); /* how every command opens it, from `settings` */
uint64_t model_hash(void);               /* of the model that was opened; 0: none was */

/* provenance.c - how a record's results were made */
void provenance_add(struct record *r, uint64_t model); /* model 0: none was used */
void provenance_read(struct buffer *b,
                     const struct record *r); /* our entries; none: b stays empty */

/* embed.c - a record's image and texts on their way through a model
 *
 * Either side is a vector that the record holds already, or is read, then computed with others.
 */
enum { EMBED_IMAGE = 1, EMBED_TEXT = 2 };
struct embedding {
    float *pixels;        /* decoded, waiting for the model; NULL: none */
    int *ids, *counts;    /* token ids of `texts` texts, waiting for the model; NULL: none */
    int texts, images;    /* rows of text and of image */
    bool list, truncated; /* the record has a list of texts; one of them was cut */
    bool computed;        /* not all vectors came with the record */
    float *image, *text;  /* vectors: [images, width], [texts, width]; NULL: none */
    long width;           /* of both; 0: not known yet */
};
/* vlm_read_image within --memory; any thread. */
int image_within_budget(const struct vlm *m, const struct buffer *bytes, float *pixels);
/* A record's image, decoded for the model; to free; NULL after record_fail(); any thread. */
float *pixels_read(const struct vlm *m, struct record *r);
/* Each returns 0, or -1 after record_fail(); any thread. */
int embed_known(struct embedding *e, struct record *r, unsigned sides);
int embed_read(struct embedding *e, const struct vlm *m, struct record *r, unsigned sides);
/* The vectors of what was read; -1 after fail(). */
int embed_batch(struct vlm *m, struct embedding *list[], int count, bool normalized);
bool embed_unit(struct embedding *e); /* all to length 1; false: zero, or not finite */
void embed_free(struct embedding *e);

/* image.c - a record's image on its way to a model: pixels, or features that came with the record
 */
struct image_work {
    float *pixels;   /* either this, of vlm_images() pictures ... */
    float *features; /* ... or these, [tokens, width] of each */
};
/* From any thread: decodes the image, or takes the record's `image_features` if the hash beside
 * them is this model's.  On failure the record fails. */
void image_work_read(struct record *r, const struct vlm *m, struct image_work *w);
/* [count, tokens, width]: the vision tower runs once over the images that came as pixels; to free;
 * NULL after fail(). */
float *image_work_features(struct vlm *m, struct image_work *const *list, int count);
void image_work_free(struct image_work *w);

/* vector.c - vectors and matrices in a record */
/* The rows of a vector or matrix in a field; to free.  NULL: there is none, or after fail(). */
float *vectors_read(const struct record *r, const char *name, int *rows, long *width, bool *list);
bool floats_are_finite(const float *list, long count);
bool vector_unit(float *v, long width); /* to length 1; false: zero, or not finite */
/* Of vectors of length 1.  scores: one for each target, the highest of the cosines of the rows with
 * it. */
void vector_cosines(const float *rows, int count, const float *targets, long target_count,
                    long width, float *scores);
/* The same from the rows' dot products with the targets: [count, target_count]. */
void vector_closest(const float *dots, int count, long target_count, float *scores);

/* calibrate.c - at most 64 records of a file; those that cannot be read are passed over */
int samples_read(struct vlm_samples *s, const struct vlm *m,
                 const char *path); /* -1 after fail() */
void samples_free(struct vlm_samples *s);

/* labels.c */
int lines_read(const char *path, struct option_list *list); /* appends; empty lines are left out */
/* [labels, vlm_width(m)], each of length 1; to free.  A template's {} is the label's place; NULL or
 * none: the label as it stands.  NULL after fail(). */
float *labels_embed(struct vlm *m, const struct option_list *labels,
                    const struct option_list *templates);
/* Adds `label` and `prob`; with top > 1 also `labels` and `probs`, the likeliest. */
struct labels_rule { /* how a cosine becomes a probability */
    float scale, bias;
    bool
        sigmoid; /* each label by itself: sigmoid(scale x cosine + bias); else a softmax over all */
};
void labels_mark(struct record *r, const struct option_list *labels, const float *cosines,
                 const struct labels_rule *how, int top);

/* top.c - the best of a stream: highest score first, the earlier of two equals first */
struct ranked {
    float score;
    uint64_t index;
    void *item;
};
struct top {
    struct ranked *heap; /* the worst on top */
    int count, capacity;
};
void top_open(struct top *t, int capacity);
bool top_wants(const struct top *t, float score, uint64_t index);
void *top_add(struct top *t, struct ranked one); /* what falls out, or NULL */
void top_sort(struct top *t);                    /* best first; no more additions */
void top_free(struct top *t);

#endif
