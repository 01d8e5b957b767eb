/* SPDX-License-Identifier: MIT
 * options.h - the options of a training: one table
 *
 * A row says where in struct training the option lies, how it is read, what it is by default, under
 * which name training.json has it, and what must be so that it has an effect.  vlm-train makes its
 * options from the rows.  A new option is a row, its line in the manual page, and the place where
 * it acts.
 */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <stddef.h>
#include "base/buffer.h"
#include "base/json.h"
#include "train/loop.h"

enum training_kind {
    TRAINING_FLAG,    /* bool */
    TRAINING_STRING,  /* const char * */
    TRAINING_FOLDER,  /* the same, a folder's path */
    TRAINING_LIST,    /* struct training_list; may be given more than once */
    TRAINING_LONG,    /* long */
    TRAINING_FLOAT,   /* float */
    TRAINING_CHOICE,  /* int, an index into choices */
    TRAINING_NUMBERS, /* int[2], "N,M" */
    TRAINING_FACT     /* no option, but what the bytes depend on too: a line of training.json */
};
enum training_group { GROUP_RUN, GROUP_LEARN, GROUP_STEPS, GROUP_PICTURES, GROUP_RECORDS };
extern const char *const training_groups[]; /* their headings */

struct training_facts { /* found out when the model and the pairs are there */
    const char *from;   /* what the model began with */
    long pairs;
    uint64_t data; /* hash of the pairs */
    double rate;
    int image_size;
    unsigned long long seed;
};

struct training_option {
    const char *name, *argument; /* --name=ARGUMENT */
    enum training_kind kind;
    enum training_group group;
    size_t at;          /* of the variable in struct training */
    double least, most; /* numbers: bounds; both 0: none */
    double value;       /* by default: of numbers and choices */
    const char *text;   /* .. of strings; NULL: none */
    const char *const *choices;
    const char *help, *standard; /* as in struct option_spec: begins with a verb; the default */
    /* In training.json; NULL: the bytes do not depend on it. */
    const char *key;
    bool numbered; /* a choice is there by its number */
    /* Rows that came after the first release, and what they were before there was a choice: what a
     * training.json lacks is that.  Rows with one number are written together, where one of them
     * is anything else. */
    int later;
    double was;
    void (*print)(struct buffer *b, const struct training_facts *f); /* of a fact */
    /* What must be so for another value than the default to have an effect; else it is refused. */
    unsigned reads;      /* READS_*: one of them is read by the model under its objectives */
    const char *with;    /* another option that must be set, */
    const char *without; /* or must not be */
    unsigned schedules;  /* bits of enum schedule_kind; 0: any */
};
const struct training_option *training_option(int i); /* NULL behind the last */
void *training_value(struct training *t, const struct training_option *o);
void training_defaults(struct training *t);
/* "N,M", both from 0 to 10, as RandAugment takes them; -1 after fail(). */
int training_numbers(const char *text, int numbers[2]);
/* Do the options go together?  0, or -1 after fail(). */
int training_check(const struct training *t);
/* Does the model read them?  reads: READS_*; about: the model, by name. */
int training_check_reads(const struct training *t, unsigned reads, const char *about);
/* Goes on as a training began: what `had`, the options in its training.json, lacks and the user did
 * not ask for is what it was. */
void training_go_on(struct training *t, const cJSON *had);
/* All that the bytes depend on, but the kind of processor: a JSON object; to free. */
char *training_describe(const struct training *t, const struct training_facts *f);
/* Was the training that `had` describes begun with the same options and pairs? */
bool training_same(const cJSON *had, const struct training *t, const struct training_facts *f);

#endif
