/* SPDX-License-Identifier: MIT
 * vlm-filter.c - keep, drop and merge records by the scores that other filters added
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/capfilt.h"
#include "cli/cli.h"
#include "cli/decisions.h"
#include "cli/expression.h"
#include "cli/select.h"

static struct option_list keeps;
static const char *top, *by = "itm", *merge = "all", *decisions_path, *uids_path;
static bool lowest, capfilt, histogram, require_provenance;
static float threshold = 0.5f;

static const char *const error_choices[] = { "drop", "pass", NULL };
static int errors;

static const struct option_spec options[] = {
    OPTION_LIST('k', "keep", "EXPR", &keeps, "keep the records for which EXPR holds (repeatable)"),
    OPTION_STRING('t', "top", "N|P%", &top, "keep the N, or P percent, with the highest --by"),
    OPTION_STRING(0, "by", "EXPR", &by, "rank by EXPR", .standard = "itm", .with = "top histogram"),
    OPTION_FLAG(0, "lowest", &lowest, "keep the lowest instead of the highest", .with = "top"),
    OPTION_FLAG('c', "capfilt", &capfilt,
                "score each text alone; each that passes is written as a pair"),
    OPTION_FLOAT(0, "threshold", "P", &threshold, -100, 100, "keep texts whose itm is P or more",
                 .standard = "0.5", .with = "capfilt"),
    OPTION_STRING(0, "merge", "RULE", &merge, "keep all, best, topk:K or fallback of the texts",
                  .standard = "all", .with = "capfilt"),
    OPTION_FILE(0, "dropped", "FILE", &settings.dropped,
                "write what is dropped to FILE, with its reason", .neutral = true),
    OPTION_FILE(0, "decisions", "FILE", &decisions_path,
                "keep and drop what a person decided, as vlm-page saves it, over all rules"),
    OPTION_FILE(0, "uids", "FILE", &uids_path,
                "write the uids of what is kept to FILE, sorted, as DataComp's .npy",
                .without = "resume reuse", .neutral = true),
    OPTION_CHOICE(0, "errors", "WHAT", &errors, error_choices,
                  "with --keep, --top or --capfilt: drop records with an error, or pass them on",
                  .standard = "drop", .with = "keep top capfilt"),
    OPTION_FLAG(0, "require-provenance", &require_provenance,
                "end with status 1 if records were not all made in the same way"),
    OPTION_FLAG(0, "histogram", &histogram, "print the distribution of --by on standard error",
                .neutral = true),
    OPTIONS_STREAM,
    OPTIONS_END,
};

static unsigned uses(void)
{
    return (capfilt ? USES_TEXTS : 0) | (top ? 0 : USES_STREAM);
}

static struct expression **conditions, *order;
static struct selection *selection;
static struct histogram seen;
static struct capfilt rule;
static struct decisions *decisions;
static struct npy *uids;
static double share = -1; /* of --top, in percent; < 0: a count */
static uint64_t most;

/* "100" or "30%". */
static int read_top(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    bool percent = *end == '%';

    if (end == text || end[percent] || !(value >= 0) || (percent && value > 100) ||
        (!percent && value != floor(value)))
        return fail("--top takes a count or a percentage such as 30%%, not '%s'", text);
    share = percent ? value : -1;
    most = percent ? 0 : (uint64_t)value;
    return 0;
}

static struct filter filter;

/* One line for a rule that could not choose: its field is in no record. */

static bool *field_seen; /* by condition */
static uint64_t looked_at, ranked, scored, left;

static void note_fields(const struct record *r)
{
    looked_at++;
    for (int i = 0; i < keeps.count; i++)
        if (!field_seen[i])
            field_seen[i] = expression_has_field(conditions[i], r);
}

static void warn_of_missing(void)
{
    bool warned = false, part = settings.input.shard || settings.resume || settings.reuse;
    long unused, all;

    if (!looked_at || settings.quiet)
        return;
    if (decisions && !part && (unused = decisions_unused(decisions, &all)))
        warn("%s: %ld of %ld decisions are about no record of the input", decisions_path, unused,
             all);
    for (int i = 0; i < keeps.count; i++)
        if (!field_seen[i]) {
            warn("--keep '%s': no record has a field that it names", keeps.items[i]);
            warned = true;
        }
    if (top && !ranked)
        warn("--top: no record has a number for --by '%s'%s", by,
             strcmp(by, "itm") ? "" : "; vlm-itm adds itm");
    else if (capfilt && !scored)
        warn("--capfilt: no text has a score; vlm-itm adds it");
    else if (!left && !warned && !settings.resume && !settings.reuse)
        warn("nothing was kept of %" PRIu64 " records", looked_at);
}

/* The first record says how all are to be made. */
static int check_provenance(const struct record *r)
{
    static struct buffer first;
    struct buffer here = { 0 };
    int status = 0;

    provenance_read(&here, r);
    if (!here.size)
        status = fail("%s:%ld: no provenance; the filters before add it with --provenance",
                      r->source, r->line);
    else if (!first.size)
        first = here;
    else if (first.size != here.size || memcmp(first.data, here.data, here.size))
        status = fail("%s:%ld: made otherwise than the first record: %.*s is not %.*s", r->source,
                      r->line, (int)here.size, here.data, (int)first.size, first.data);
    if (here.data != first.data)
        buffer_free(&here);
    return status;
}

static int begin(void)
{
    if (histogram && log_form == LOG_JSON)
        options_mistake("--histogram is for people: it does not go with --log=json");
    filter.whole = top || require_provenance;
    filter.diverts_failed = (keeps.count || top || capfilt) && !errors;
    conditions = xalloc((size_t)keeps.count + 1, sizeof *conditions);
    field_seen = xalloc((size_t)keeps.count + 1, sizeof *field_seen);
    for (int i = 0; i < keeps.count; i++)
        if (!(conditions[i] = expression_parse(keeps.items[i])))
            return fail("--keep: %s", error_text());
    if (!(order = expression_parse(by)))
        return fail("--by: %s", error_text());
    if (capfilt_rule(&rule, merge, threshold))
        return -1;
    if (top && (read_top(top) || !(selection = selection_new())))
        return -1;
    if (decisions_path && !(decisions = decisions_read(decisions_path)))
        return -1;
    options_write("uids", uids_path);
    if (uids_path && !(uids = npy_create_pairs(uids_path)))
        return 1;
    return 0;
}

/* The two halves of a uid: 32 hexadecimal digits. */
static bool read_uid(const struct record *r, uint64_t halves[2])
{
    char *text = record_string(r, "uid"), half[17] = { 0 };
    bool good = text && strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;

    for (int i = 0; good && i < 2; i++) {
        memcpy(half, text + 16 * i, 16);
        halves[i] = strtoull(half, NULL, 16);
    }
    free(text);
    return good;
}

/* On any thread: work is where the first condition that does not hold stands. */
static void examine(struct record *r)
{
    uint64_t halves[2];
    int holds = 1, i = 0;

    if (uids && !read_uid(r, halves)) {
        record_fail(r, "read", "no_uid", "the record has no uid of 32 hexadecimal digits");
        return;
    }
    while (i < keeps.count && (holds = expression_holds(conditions[i], r)) > 0)
        i++;
    if (holds < 0)
        record_fail_last(r, "filter");
    else if (i < keeps.count)
        r->work = &conditions[i];
}

static enum decision decided(const struct record *r)
{
    return decisions ? decisions_on(decisions, r, &settings.fields) : DECISION_NONE;
}

/* A row that cannot be written is noticed when the file is closed. */
static void keep(struct record *r)
{
    uint64_t halves[2];

    if (uids && read_uid(r, halves))
        npy_pair(uids, halves[0], halves[1]);
    left++;
    emit(r);
}

/* What the rules say, unless a person has decided otherwise. */
static void drop(struct record *r, const char *reason)
{
    if (decided(r) == DECISION_KEEP) {
        keep(r);
    } else {
        emit_dropped(r, reason);
    }
}

static void leave(struct record *r)
{
    if (decided(r) == DECISION_DROP) {
        emit_dropped(r, "decision");
    } else {
        keep(r);
    }
}

static void stays(struct record *r)
{
    leave(r);
}

static void falls(struct record *r)
{
    char reason[200];

    snprintf(reason, sizeof reason, "not among the %s with the %s %s", top,
             lowest ? "lowest" : "highest", by);
    drop(r, reason);
}

/* Waits for the end of the input, or leaves. */
static int pass(struct record *r)
{
    double score;

    if (!selection) {
        leave(r);
        return 0;
    }
    if (expression_number(order, r, &score) <= 0) {
        char reason[200];

        snprintf(reason, sizeof reason, "%s is no number", by);
        drop(r, reason);
        return 0;
    }
    ranked++;
    if (selection_add(selection, r, score))
        return -1;
    record_free(r);
    return 0;
}

static int filter_texts(struct record *r)
{
    static const struct capfilt_to to = { pass, drop };
    int status = capfilt_apply(&rule, r, &to);

    scored += rule.scored;
    record_free(r);
    return status;
}

static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    for (int i = 0; i < count; i++) {
        struct record *r = records[i];
        struct expression **failing = r->work;
        double score;

        if (require_provenance && check_provenance(r))
            return RUN_ENDS;
        records[i] = NULL; /* taken over */
        note_fields(r);
        if (histogram) {
            if (expression_number(order, r, &score) > 0)
                histogram_add(&seen, score);
            else
                seen.missing++;
        }
        if (failing) {
            char *reason = xprintf("not: %s", keeps.items[failing - conditions]);

            drop(r, reason);
            free(reason);
        } else if (capfilt ? filter_texts(r) : pass(r)) {
            return RUN_ENDS;
        }
        outcomes[i] = COMPUTED;
    }
    return RUN_GOES_ON;
}

static int finish(void)
{
    uint64_t count = selection ? selection_count(selection) : 0;

    if (share >= 0)
        most = (uint64_t)ceil((double)count * share / 100 - 1e-9);
    if (selection && selection_choose(selection, most, lowest, stays, falls))
        return -1;
    warn_of_missing();
    if (histogram)
        histogram_print(&seen, by, stderr);
    return uids ? npy_close(uids) : 0;
}

static void end(void)
{
    for (int i = 0; conditions && i < keeps.count; i++)
        expression_free(conditions[i]);
    free(conditions);
    free(field_seen);
    expression_free(order);
    decisions_free(decisions);
    selection_free(selection);
}

static struct filter filter = {
    .name = "vlm-filter",
    .args = "[FILE...]",
    .about = "Keep, drop and merge records by their scores.",
    .options = options,
    .uses = uses,
    .begin = begin,
    .prepare = examine,
    .batch = batch,
    .finish = finish,
    .end = end,
    .keeps_records = true,
    .one_by_one = true,
    .drops = true,
};

int main(int argc, char **argv)
{
    return filter_main(&filter, argc, argv);
}
