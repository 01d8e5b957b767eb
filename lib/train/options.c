/* SPDX-License-Identifier: MIT
 * options.c - the options of a training: one table
 *
 * The rows with a key stand in the order in which training.json has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "learn/learn.h"
#include "stream/stream.h"
#include "train/options.h"

const char *const training_groups[] = { [GROUP_RUN] = "",
                                        [GROUP_LEARN] = "What is learnt",
                                        [GROUP_STEPS] = "Steps",
                                        [GROUP_PICTURES] = "Changes to pictures",
                                        [GROUP_RECORDS] = "Records in" };
static const char *const decay_names[] = { [DECAY_FAMILY] = "family",
                                           [DECAY_ALL] = "all",
                                           [DECAY_NO_BIAS] = "no-bias",
                                           [DECAY_MATRICES] = "matrices",
                                           NULL };
static const char *const precision_names[] = {
    [PRECISION_HIGHEST] = "highest", [PRECISION_HIGH] = "high", [PRECISION_MEDIUM] = "medium", NULL
};
static const char *const positives_names[] = { "original", "alike", "pair", NULL };

static void print_from(struct buffer *b, const struct training_facts *f)
{
    json_escape(b, f->from, strlen(f->from));
}

static void print_pairs(struct buffer *b, const struct training_facts *f)
{
    buffer_printf(b, "%ld", f->pairs);
}

static void print_data(struct buffer *b, const struct training_facts *f)
{
    buffer_printf(b, "\"%016llx\"", (unsigned long long)f->data);
}

static void print_rate(struct buffer *b, const struct training_facts *f)
{
    buffer_printf(b, "%.6g", f->rate);
}

static void print_image_size(struct buffer *b, const struct training_facts *f)
{
    buffer_printf(b, "%d", f->image_size);
}

static void print_seed(struct buffer *b, const struct training_facts *f)
{
    buffer_printf(b, "%llu", f->seed);
}

/* clang-format off */
#define AT(member)  .at = offsetof(struct training, member)
#define FLAG(m)     .kind = TRAINING_FLAG, AT(m)
#define STRING(m)   .kind = TRAINING_STRING, AT(m)
#define FOLDER(m)   .kind = TRAINING_FOLDER, AT(m)
#define LIST(m)     .kind = TRAINING_LIST, AT(m)
#define LONG(m, lo, hi, v)  .kind = TRAINING_LONG, AT(m), .least = lo, .most = hi, .value = v
#define FLOAT(m, lo, hi, v) .kind = TRAINING_FLOAT, AT(m), .least = lo, .most = hi, .value = v
#define CHOICE(m, c)        .kind = TRAINING_CHOICE, AT(m), .choices = c
#define NUMBERS(m)  .kind = TRAINING_NUMBERS, AT(m)
#define FACT(p)             .kind = TRAINING_FACT, .print = p
#define IN_LEARN            .group = GROUP_LEARN
#define IN_STEPS            .group = GROUP_STEPS
#define IN_PICTURES         .group = GROUP_PICTURES
#define IN_RECORDS          .group = GROUP_RECORDS
#define SCHEDULE(kind)      (1u << SCHEDULE_##kind)
/* clang-format on */

static const struct training_option table[] = {
    { "init", "FOLDER", FOLDER(init),
      .help = "begin with random numbers; FOLDER has config.json and the tokenizer's files" },
    { "log-every", "N", LONG(log_every, 1, 1e9, 10), .help = "report every N steps",
      .standard = "10" },
    { "save-every", "N", LONG(save_every, 0, 1e9, 1000),
      .help = "write the folder every N steps; 0: at the end only", .standard = "1000" },
    { "held-out", "FILE", LIST(data.held_out),
      .help = "validate on the pairs of FILE whenever the folder is written (repeatable)" },

    { .key = "from", FACT(print_from) },
    { "objective", "NAMES", STRING(learn.objective), IN_LEARN, .text = "itc", .key = "objective",
      .help = "learn itc, itm, lm, mlm or itg; several are separated by commas",
      .standard = "itc" },
    { .key = "pairs", FACT(print_pairs) },
    { .key = "data", FACT(print_data) },

    { "epochs", "N", LONG(step.epochs, 1, 1e6, 1), IN_STEPS, .key = "epochs", .without = "steps",
      .help = "see all pairs N times", .standard = "1" },
    { "steps", "N", LONG(step.steps, 0, 1e9, 0), IN_STEPS, .key = "steps",
      .help = "stop after N steps", .standard = "0, as --epochs says" },
    { "batch", "N", LONG(step.batch, 1, 65536, 32), IN_STEPS, .key = "batch",
      .help = "compute N pairs in one pass", .standard = "32" },
    { "accumulate", "N", LONG(step.accumulate, 1, 65536, 1), IN_STEPS, .key = "accumulate",
      .help = "add the gradients of N passes in one step", .standard = "1" },
    { "schedule", "KIND", CHOICE(step.schedule, schedule_names), IN_STEPS, .key = "schedule",
      .help = "let the learning rate fall by cosine, epoch, decay or constant",
      .standard = "cosine" },
    { "lr", "RATE", FLOAT(step.rate, 0, 1, 0), IN_STEPS, .help = "set the learning rate to RATE",
      .standard = "3e-4 with --init, else 1e-5" },
    { .key = "lr", FACT(print_rate) },
    { "min-lr", "RATE", FLOAT(step.least_rate, 0, 1, 0), IN_STEPS, .key = "min_lr",
      .schedules = SCHEDULE(COSINE) | SCHEDULE(EPOCH) | SCHEDULE(DECAY),
      .help = "let the learning rate fall to RATE", .standard = "0" },
    { "warmup", "N", LONG(step.warmup, -1, 1e9, -1), IN_STEPS, .key = "warmup",
      .help = "let the learning rate rise over the first N steps",
      .standard = "-1, a twentieth of all" },
    { "warmup-lr", "RATE", FLOAT(step.warmup_rate, 0, 1, 0), IN_STEPS, .key = "warmup_lr",
      .schedules = SCHEDULE(EPOCH) | SCHEDULE(DECAY) | SCHEDULE(CONSTANT),
      .help = "let the learning rate rise from RATE, except with cosine", .standard = "0" },
    { "lr-decay", "D", FLOAT(step.rate_decay, 0, 1, 0.9), IN_STEPS, .key = "lr_decay",
      .schedules = SCHEDULE(DECAY),
      .help = "multiply the learning rate by D each epoch, with decay", .standard = "0.9" },
    { "beta1", "B", FLOAT(step.beta1, 0, 1, 0.9), IN_STEPS, .key = "beta1",
      .help = "set AdamW's beta1 to B", .standard = "0.9" },
    { "beta2", "B", FLOAT(step.beta2, 0, 1, 0.999), IN_STEPS, .key = "beta2",
      .help = "set AdamW's beta2 to B", .standard = "0.999" },
    { "eps", "E", FLOAT(step.eps, 0, 1, 1e-8), IN_STEPS, .key = "eps",
      .help = "set AdamW's epsilon to E", .standard = "1e-8" },
    { "clip", "NORM", FLOAT(step.clip, 0, 1e9, 0), IN_STEPS, .key = "clip",
      .help = "scale longer gradients down to NORM", .standard = "0, none" },
    { "weight-decay", "W", FLOAT(step.weight_decay, 0, 100, 0.05), IN_STEPS, .key = "weight_decay",
      .help = "set AdamW's weight decay to W", .standard = "0.05" },
    { "decays", "WHAT", CHOICE(step.decays, decay_names), IN_STEPS, .key = "decays",
      .numbered = true, .with = "weight-decay",
      .help = "let all, no-bias or matrices decay, or family: what its authors chose",
      .standard = "family" },
    { "precision", "HOW", CHOICE(step.precision, precision_names), IN_STEPS, .key = "precision",
      .numbered = true,
      .help = "multiply by AMX with highest (f32), high (16 bits) or medium (bf16) precision",
      .standard = "highest" },

    { "momentum", "M", FLOAT(learn.momentum, 0, 1, 0), IN_LEARN, .key = "momentum",
      .reads = READS_MOMENTUM, .help = "use momentum encoders with momentum M, such as 0.995",
      .standard = "0, none" },
    { "queue", "N", LONG(learn.queue, 0, 1 << 24, 0), IN_LEARN, .key = "queue",
      .reads = READS_QUEUE, .with = "momentum",
      .help = "let itc compare with N features of earlier batches; needs --momentum",
      .standard = "0" },
    { "alpha", "A", FLOAT(learn.alpha, 0, 1, 0.4), IN_LEARN, .key = "alpha",
      .reads = READS_MOMENTUM, .with = "momentum",
      .help = "take a share A of soft targets from the momentum encoders", .standard = "0.4" },
    { "alpha-epochs", "N", FLOAT(learn.alpha_epochs, 0, 1e6, 1), IN_LEARN, .key = "alpha_epochs",
      .reads = READS_MOMENTUM, .with = "alpha",
      .help = "let the share A rise from 0 over the first N epochs", .standard = "1" },
    { "prompt", "TEXT", STRING(learn.prompt), IN_LEARN, .key = "prompt",
      .help = "begin every text with TEXT, which lm does not learn",
      .standard = "for lm, the model's own" },
    { "easy-negatives", "SHARE", FLOAT(learn.easy, 0, 1, 0), IN_LEARN, .key = "easy_negatives",
      .reads = READS_NEGATIVES,
      .help = "draw this share of itm's negatives evenly, not by likeness", .standard = "0" },
    { "label-smoothing", "E", FLOAT(learn.smoothing, 0, 1, 0.1), IN_LEARN, .key = "label_smoothing",
      .reads = READS_SMOOTHING, .help = "smooth the targets of lm and itg by E",
      .standard = "0.1" },
    { .key = "image_size", FACT(print_image_size) },
    { .key = "seed", FACT(print_seed) },
    { "dropout", "SHARE", FLOAT(learn.dropout, 0, 0.95, 0), IN_LEARN, .key = "dropout", .later = 1,
      .reads = READS_DROPOUT,
      .help = "leave out this share of the numbers between a BERT's layers, by chance",
      .standard = "0" },
    { "drop-path", "SHARE", FLOAT(learn.drop_path, 0, 0.95, 0), IN_LEARN, .key = "drop_path",
      .later = 1, .reads = READS_DROP_PATH, .without = "features",
      .help = "skip the last image layer for this share of the pictures, by chance",
      .standard = "0" },

    { "features", NULL, FLAG(data.features), IN_RECORDS, .key = "features", .later = 2,
      .help = "learn from image_features of vlm-embed --features; the image tower stays" },

    { "crop", "SHARE", FLOAT(pictures.crop, 0, 1, 0), IN_PICTURES, .key = "crop",
      .without = "features", .help = "cut out a random part of at least this share of the area",
      .standard = "0, none" },
    { "flip", NULL, FLAG(pictures.flip), IN_PICTURES, .key = "flip", .without = "features",
      .help = "turn every second picture left to right" },
    { "randaugment", "N,M", NUMBERS(pictures.randaugment), IN_PICTURES, .key = "randaugment",
      .without = "features", .help = "apply N random changes of strength M out of 10: RandAugment",
      .standard = "0,0" },
    { "random-background", NULL, FLAG(pictures.background), IN_PICTURES, .key = "background",
      .without = "features", .help = "put pictures with transparency on random backgrounds" },

    { "context", "N", LONG(data.context, -1, 1e6, -1), IN_RECORDS, .key = "context", .later = 3,
      .was = 0, .help = "take at most N tokens of a text; 0: as many as when the model is used",
      .standard = "-1, as its authors trained" },
    { "max-words", "N", LONG(data.words, 0, 1e6, 0), IN_RECORDS, .key = "max_words", .later = 4,
      .was = 30, .help = "keep at most N words of a text that --clean-text cleans",
      .standard = "0, as its authors trained" },
    { "positives", "WHAT", CHOICE(learn.positives, positives_names), IN_LEARN, .key = "positives",
      .later = 5, .was = 1, .reads = READS_POSITIVES,
      .help = "let itc take original, alike or pair as belonging together",
      .standard = "original" },

    { "init-from", "FILE", LIST(init_from), .key = "adopt", .with = "init",
      .help = "take the weights of BERT or of a vision transformer from FILE, with --init "
              "(repeatable)" },
    { "freeze", "PREFIX", LIST(learn.freeze), IN_LEARN, .key = "freeze",
      .help = "keep parameters whose names begin with PREFIX as they are (repeatable)" },

    { "from", "FORMAT", CHOICE(data.from, stream_formats), IN_RECORDS,
      .help = "read " FORMATS_FOR_HELP, .standard = "any, by the first bytes" },
    { "root", "FOLDER", FOLDER(data.root), IN_RECORDS,
      .help = "take image paths as relative to FOLDER" },
    { "image-field", "NAME", STRING(data.image_field), IN_RECORDS,
      .help = "read the image from the field NAME",
      .standard = "the first of image, image_path, ..." },
    { "text-field", "NAME", STRING(data.text_field), IN_RECORDS,
      .help = "read the text from the field NAME", .standard = "the first of text, caption, ..." },
    { "max-pixels", "N", LONG(data.max_pixels, 0, 1e15, 178956970), IN_RECORDS,
      .help = "refuse images of more than N pixels; 0: no limit", .standard = "178956970" },
};

const struct training_option *training_option(int i)
{
    return i < COUNT(table) ? &table[i] : NULL;
}

void *training_value(struct training *t, const struct training_option *o)
{
    return (char *)t + o->at;
}

static const void *value_of(const struct training *t, const struct training_option *o)
{
    return (const char *)t + o->at;
}

void training_defaults(struct training *t)
{
    *t = (struct training){ 0 };
    for (int i = 0; i < COUNT(table); i++) {
        const struct training_option *o = &table[i];
        void *to = training_value(t, o);

        if (o->kind == TRAINING_STRING)
            *(const char **)to = o->text;
        else if (o->kind == TRAINING_LONG)
            *(long *)to = (long)o->value;
        else if (o->kind == TRAINING_FLOAT)
            *(float *)to = (float)o->value;
    }
}

int training_numbers(const char *text, int numbers[2])
{
    char rest;

    if (sscanf(text, "%d,%d%c", &numbers[0], &numbers[1], &rest) != 2 || numbers[0] < 0 ||
        numbers[0] > 10 || numbers[1] < 0 || numbers[1] > 10)
        return fail("must be N,M: so many operations, so strong, each from 0 to 10");
    return 0;
}

/* --- what an option needs to have an effect --- */

/* Is it another than the default? */
static bool is_given(const struct training *t, const struct training_option *o)
{
    const void *v = value_of(t, o);

    switch (o->kind) {
    case TRAINING_FLAG:
        return *(const bool *)v;
    case TRAINING_STRING:
    case TRAINING_FOLDER:
        return *(const char *const *)v && (!o->text || strcmp(*(const char *const *)v, o->text));
    case TRAINING_LIST:
        return ((const struct training_list *)v)->count;
    case TRAINING_LONG:
        return *(const long *)v != (long)o->value;
    case TRAINING_FLOAT:
        return *(const float *)v != (float)o->value;
    case TRAINING_CHOICE:
        return *(const int *)v;
    case TRAINING_NUMBERS:
        return ((const int *)v)[0];
    case TRAINING_FACT:
        break;
    }
    return false;
}

static const struct training_option *named(const char *name)
{
    for (int i = 0; i < COUNT(table); i++)
        if (table[i].name && !strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}

/* Does it say that something is to be done?  0 and "" do not. */
static bool is_on(const struct training *t, const char *name)
{
    const struct training_option *o = named(name);

    if (o->with && !is_on(t, o->with))
        return false;
    return o->kind == TRAINING_FLOAT  ? *(const float *)value_of(t, o) > 0
           : o->kind == TRAINING_LONG ? *(const long *)value_of(t, o) > 0
                                      : is_given(t, o);
}

int training_check(const struct training *t)
{
    for (int i = 0; i < COUNT(table); i++) {
        const struct training_option *o = &table[i];

        if (!is_given(t, o))
            continue;
        if (o->with && !is_on(t, o->with))
            return fail("--%s needs --%s", o->name, o->with);
        if (o->without && is_on(t, o->without))
            return fail("--%s does nothing beside --%s", o->name, o->without);
        if (o->schedules && !(o->schedules >> t->step.schedule & 1))
            return fail("--%s does nothing with --schedule=%s", o->name,
                        schedule_names[t->step.schedule]);
    }
    return 0;
}

int training_check_reads(const struct training *t, unsigned reads, const char *about)
{
    for (int i = 0; i < COUNT(table); i++) {
        const struct training_option *o = &table[i];

        if (o->reads && !(o->reads & reads) && is_given(t, o))
            return fail("--%s: %s does not use it with --objective=%s%s%s", o->name, about,
                        t->learn.objective, t->learn.freeze.count ? " and --freeze=" : "",
                        t->learn.freeze.count ? t->learn.freeze.items[0] : "");
    }
    return 0;
}

/* --- training.json --- */

static void print_list(struct buffer *b, const struct training_list *list)
{
    buffer_string(b, "[");
    for (int i = 0; i < list->count; i++) {
        buffer_string(b, i ? "," : "");
        json_escape(b, list->items[i], strlen(list->items[i]));
    }
    buffer_string(b, "]");
}

static void print_value(struct buffer *b, const struct training *t, const struct training_option *o)
{
    const void *v = value_of(t, o);
    const char *text;

    switch (o->kind) {
    case TRAINING_FLAG:
        buffer_printf(b, "%d", *(const bool *)v);
        break;
    case TRAINING_STRING:
    case TRAINING_FOLDER:
        text = *(const char *const *)v ? *(const char *const *)v : "";
        json_escape(b, text, strlen(text));
        break;
    case TRAINING_LIST:
        print_list(b, v);
        break;
    case TRAINING_LONG:
        buffer_printf(b, "%ld", *(const long *)v);
        break;
    case TRAINING_FLOAT:
        buffer_printf(b, "%.6g", (double)*(const float *)v);
        break;
    case TRAINING_CHOICE:
        if (o->numbered)
            buffer_printf(b, "%d", *(const int *)v);
        else
            buffer_printf(b, "\"%s\"", o->choices[*(const int *)v]);
        break;
    case TRAINING_NUMBERS:
        buffer_printf(b, "[%d,%d]", ((const int *)v)[0], ((const int *)v)[1]);
        break;
    case TRAINING_FACT:
        break;
    }
}

/* A number, choice or flag. */
static double number_of(const struct training *t, const struct training_option *o)
{
    const void *v = value_of(t, o);

    return o->kind == TRAINING_FLAG     ? *(const bool *)v
           : o->kind == TRAINING_CHOICE ? *(const int *)v
           : o->kind == TRAINING_LONG   ? (double)*(const long *)v
                                        : (double)*(const float *)v;
}

static void set_number(struct training *t, const struct training_option *o, double value)
{
    void *v = training_value(t, o);

    if (o->kind == TRAINING_FLAG)
        *(bool *)v = value;
    else if (o->kind == TRAINING_CHOICE)
        *(int *)v = (int)value;
    else if (o->kind == TRAINING_LONG)
        *(long *)v = (long)value;
    else
        *(float *)v = (float)value;
}

static bool is_news(const struct training *t, int later)
{
    for (int i = 0; i < COUNT(table); i++)
        if (table[i].later == later && number_of(t, &table[i]) != (double)(float)table[i].was)
            return true;
    return false;
}

void training_go_on(struct training *t, const cJSON *had)
{
    for (int i = 0; i < COUNT(table); i++)
        if (table[i].later && !json_get(had, table[i].key) && !is_given(t, &table[i]))
            set_number(t, &table[i], table[i].was);
}

static void print_all(struct buffer *b, const struct training *t, const struct training_facts *f,
                      bool whole)
{
    for (int i = 0; i < COUNT(table); i++) {
        const struct training_option *o = &table[i];

        if (!o->key || (o->later && !whole && !is_news(t, o->later)))
            continue;
        buffer_printf(b, "%s\"%s\":", b->size ? "," : "{", o->key);
        if (o->kind == TRAINING_FACT)
            o->print(b, f);
        else
            print_value(b, t, o);
    }
    buffer_string(b, "}");
}

char *training_describe(const struct training *t, const struct training_facts *f)
{
    struct buffer b = { 0 };

    print_all(&b, t, f, false);
    return b.data;
}

static void add_later(cJSON *options)
{
    struct training before;

    training_defaults(&before);
    for (int i = 0; i < COUNT(table); i++)
        if (table[i].later && !json_get(options, table[i].key)) {
            struct buffer b = { 0 };

            set_number(&before, &table[i], table[i].was);
            print_value(&b, &before, &table[i]);
            cJSON_AddItemToObject(options, table[i].key, cJSON_Parse(b.data));
            buffer_free(&b);
        }
}

bool training_same(const cJSON *had, const struct training *t, const struct training_facts *f)
{
    struct buffer b = { 0 };
    cJSON *theirs = cJSON_Duplicate(had, true), *ours;
    bool same;

    print_all(&b, t, f, true);
    ours = cJSON_Parse(b.data);
    if (cJSON_IsObject(theirs))
        add_later(theirs);
    same = cJSON_Compare(theirs, ours, true);
    cJSON_Delete(theirs);
    cJSON_Delete(ours);
    buffer_free(&b);
    return same;
}
