/* SPDX-License-Identifier: MIT
 * loop.h - the parts of the loop over records; one section a source file
 */
#ifndef CLI_LOOP_H
#define CLI_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/buffer.h"
#include "base/file.h"
#include "cli/cli.h"

/* side.c - OUT.vlm: how OUT was made, and what became of each record of the input */
struct picture_stamp {
    bool known; /* false: no file, or not there */
    uint64_t size;
    int64_t seconds;
    long nanoseconds;
    uint64_t content; /* with --checksum: its hash; else 0 */
};
enum result_kind { RESULT_KEPT, RESULT_DROPPED, RESULT_FAILED, RESULT_SKIPPED };
struct result {      /* a line */
    uint64_t record; /* hash of the record as it came in */
    enum result_kind kind;
    uint64_t bytes, content; /* of OUT: how many, and their hash */
    uint64_t dropped;        /* bytes of --dropped */
    struct picture_stamp picture;
};
struct side { /* one that is read */
    char *path;
    struct file file;
    struct span header;
    size_t at; /* behind the last line that was read */
};
char *side_path(const char *out);                        /* to free */
void side_header(struct buffer *b, const char *command); /* without a newline */
void side_line(struct buffer *b, const struct result *r);
int side_open(struct side *s, const char *out); /* no such file: no header; -1 after fail() */
void side_rewind(struct side *s);
bool side_next(struct side *s, struct result *r); /* false at the end, or at a torn line */
void side_close(struct side *s);
struct picture_stamp picture_stamp(const struct record *r); /* of the file that it names, now */
bool picture_same(const struct picture_stamp *a, const struct picture_stamp *b);

/* queue.c - records on their way between two threads, bounded by count and by bytes */
struct item {
    struct record *record;
    char *line;       /* in place of a record, on its way out */
    size_t size;      /* of `line`, bytes that leave as they are; 0: a text that wants a newline */
    uint64_t index;   /* the record's, for when it is gone */
    long long bytes;  /* of the input, up to the record's end */
    bool ready;       /* finished by an earlier run: leaves as it is */
    bool came_failed; /* had its error when it came in */
    bool lost; /* the run ended before it was computed: it is not written, nor is any after it */
    bool to_dropped; /* on its way out: to --dropped */
    bool ends;       /* on its way out, without a record: all that `result` describes has left */
    struct span kept, dropped; /* ready: bytes of an earlier output, in place of the record */
    struct result result;
};
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct item *ring;
    int capacity, first, count;
    size_t bytes, most_bytes;
    bool starving;  /* the next record may be long in coming: do not wait for more */
    bool closed;    /* the producer has no more */
    bool abandoned; /* the consumer wants no more */
};
void queue_open(struct queue *q, int capacity, size_t most_bytes);
bool queue_put(struct queue *q, struct item item); /* waits; false: abandoned, item is not taken */
void queue_starve(struct queue *q, bool starving);
void queue_close(struct queue *q);
void queue_abandon(struct queue *q);
/* Up to `most` items.  Waits for more while the producer has them at hand; if it has not and
 * nothing is there, waits only if `wait`.  0: nothing now, or closed. */
int queue_take(struct queue *q, struct item *items, int most, bool wait);
void item_free(struct item *item);
bool queue_ended(struct queue *q); /* closed and empty */
void queue_free(struct queue *q);  /* and the records in it */

/* shard.c - the records that this process is to take */
struct shard {
    uint64_t part, parts; /* part is counted from 0; parts 0: take all */
};
int shard_parse(struct shard *s, const char *text); /* "I/N", "auto", "auto/N"; -1 after fail() */
bool shard_takes(const struct shard *s, const struct record *r);

/* report.c - what becomes of bad records: a line on stderr, counts, and when they are too many */
bool record_has_error(const struct record *r); /* an "error" member that is an object */

struct report {
    atomic_long records, errors; /* any thread may look */
    long known;                  /* errors that an earlier run reported */
    long diverted;               /* with an error, to --dropped */
    char *alike;                 /* the code that every record so far failed with; NULL: none */
    struct buffer held;          /* lines about them, behind the first; they may not be needed */
    long untold;                 /* lines that there was no room for */
    bool stopped;                /* an error ends the run: --on-error=fail or --max-errors */
    bool progress;               /* show it */
    bool terminal;               /* on a line that is written over */
    double start, shown;
    long first;            /* records that an earlier run had done */
    atomic_llong bytes;    /* of the input, up to the last record done */
    long long first_bytes; /* of an earlier run */
    atomic_llong total;    /* of all the input; -1: unknown */
};
void report_open(struct report *p);
void report_record(struct report *p, const struct record *r, bool failed); /* in order */
void report_known(struct report *p, bool failed); /* one that an earlier run reported */
/* One of several that a record became failed when it was to leave. */
void report_emitted(struct report *p, const struct record *r);
void report_progress(struct report *p);  /* every now and then */
void report_now(const struct report *p); /* a line of progress, whatever the options; any thread */
void report_close(struct report *p, bool finished);

/* status.c - --status FILE: how a run goes, as OpenMetrics */
extern const char *status_path; /* NULL: none */
enum stage { STAGE_READ, STAGE_PREPARE, STAGE_COMPUTE, STAGE_WRITE, STAGES };
double stage_begin(void);
void stage_end(enum stage stage, double begun); /* any thread */
void status_error(const char *code);            /* a record failed */
/* exit_status -1: the run goes on; p NULL: it has not begun; -1 after fail().  Any thread. */
int status_write(struct report *p, int exit_status);
void status_update(struct report *p); /* every now and then */

/* resume.c - what OUT holds already: by OUT.vlm, or without one by comparing records */
struct resume {
    const char *path;
    int fd; /* of OUT, locked */
    struct file file;
    size_t at, released; /* end of the last whole record read; pages given back */
    long records;        /* read */
    bool binary, may_drop;
    const char *const *writes;
    struct side side;
    long lines;            /* of `side` that OUT has; -1: compare by content */
    uint64_t dropped;      /* bytes of --dropped that belong to them */
    struct buffer rebuilt; /* by content: what belongs into OUT.vlm */
};
int resume_open(struct resume *s, const struct filter *f); /* no such file: empty */
struct record *
resume_next(struct resume *s); /* NULL at the end or a torn record; or after fail() */
bool resume_matches(const struct resume *s, const struct record *out, const struct record *in);
int resume_mismatch(const struct resume *s,
                    const struct record *in); /* fail()s; in NULL: too few */
void resume_close(struct resume *s);

/* reuse.c - results of an earlier run, found by the record that they came from */
struct reuse {
    struct side side;
    struct file out, dropped;
    struct reused *table;
    size_t room, usable, used;
    bool retry; /* of the run's own OUT: failures are computed again, pictures not compared */
};
int reuse_open(struct reuse *u, const char *old, bool retry, const struct filter *f);
/* Makes the item ready if there is a result for its record; item->result is filled as far as the
 * input goes. */
void reuse_find(struct reuse *u, struct item *item);
void reuse_close(struct reuse *u);

/* input.c - the reader, shards and resumption, on a thread */
struct input {
    struct reader *reader;
    struct queue queue;
    struct shard shard;
    struct resume *resume;  /* NULL, or OUT's finished records take the place of the input's */
    struct reuse *reuse;    /* the same, found by their hashes */
    struct record *waiting; /* OUT's next, with resume */
    bool stamps;            /* pictures are looked at, for OUT.vlm */
    struct report *report;
    pthread_t thread;
    int status;   /* exit status, valid after the queue has ended */
    char *reason; /* with status 1 of resume; NULL: the reader has said it */
};
int input_open(struct input *in, char *const *operands, int count);
/* Passes over what OUT holds; -1 after fail(). */
int input_skip(struct input *in, struct resume *s);
void input_start(struct input *in);
void input_close(struct input *in);

/* shards.c - out-%05d.tar */
bool shards_pattern(const char *path);              /* has one number */
char *shards_path(const char *pattern, long index); /* to free */
/* Passes over what is there; the first that is missing, or -1 after fail(). */
long shards_pass(struct input *in, const char *pattern, const struct filter *f, uint64_t *dropped);

/* output.c - the writer's thread, and the files: records, --dropped, OUT.vlm */
struct sink {
    int fd;               /* -1: none */
    const char *name;     /* in messages */
    struct new_file file; /* if it is made under another name first; else its fd is -1 */
    char *temporary;      /* that name */
    struct buffer buffer; /* whole records, not written yet */
};
struct output {
    struct sink records, dropped, side;
    bool each_record;
    struct tar_writer *tar;        /* with --to=tar */
    const struct filter *in_parts; /* with --per-shard: the command; else NULL */
    long part, in_part;            /* its number, and the records in it */
    bool bare;                     /* lines or bytes were written that are no records */
    size_t begun;                  /* where in records.buffer the current record's bytes begin */
    size_t begun_dropped;
    struct queue queue;
    pthread_t thread;
    bool started;
    atomic_bool failed;
    char *reason;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    bool finished; /* the thread has written all */
};
void output_init(struct output *o);
/* Parts of --per-shard records each, from `first` on; goes on with --dropped behind so many bytes.
 */
int output_open_shards(struct output *o, const struct filter *f, long first, uint64_t dropped);
/* path NULL: standard output; `side`: with OUT.vlm */
int output_open(struct output *o, const char *path, bool side, const char *command);
/* Goes on with OUT, its side file and --dropped, each cut to what the resumption has found. */
int output_append(struct output *o, struct resume *s, const char *command);
void output_start(struct output *o);
void output_put(struct output *o, struct record *r);  /* takes r */
void output_drop(struct output *o, struct record *r); /* to --dropped, if there is one; takes r */
/* All that a record of the input became has been put; the bytes of a ready item are. */
void output_end(struct output *o, const struct item *item);
void output_line(struct output *o, const char *line);
void output_bytes(struct output *o, const void *bytes, size_t size);
void output_drain(struct output *o); /* takes no more, waits until all is written; any thread */
int output_close(struct output *o, bool keep); /* -1 after fail() */

/* cleanup.c - signals, from the first moment to the last */
void signals_start(void); /* before the first thread starts */
/* From now on a signal lets the writer finish first. */
void signals_watch(struct output *o, struct report *p);
_Noreturn void die_of_pipe(void);

/* batch.c - from the input's queue to the output's */
struct loop {
    struct filter *filter;
    struct input *input;
    struct output *output;
    struct report *report;
    int size, next_size;     /* most records in a batch, and in the next one */
    struct record **records; /* those that batch() gets, and their places among the items */
    enum outcome *outcomes;
    int *places;
    struct item *emitted; /* by batch(), waiting for their places */
    int emitted_count;
    bool in_batch;
    bool ended; /* at a record that was not computed */
};
int loop_run(struct loop *l); /* 0, or -1 after fail() */
void loop_emit(struct loop *l, struct record *r, bool to_dropped);

#endif
