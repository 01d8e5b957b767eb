/* SPDX-License-Identifier: MIT
 * settings.c - the options that all filters share
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "cli/loop.h"

struct settings settings = {
    .max_pixels = 178956970, /* Pillow's bound: above it, it refuses a "decompression bomb" */
    .memory = 1024,
    .errors = { .most = -1, .most_percent = -1 },
};

static const char *const forms[] = {
    [RECORD_JSON] = "json", [RECORD_CBOR] = "cbor", [RECORD_TAR] = "tar", NULL
};
static const char *const logs[] = { [LOG_TEXT] = "text", [LOG_JSON] = "json", NULL };
static const char *const on_error[] = {
    [ON_ERROR_RECORD] = "record", [ON_ERROR_SKIP] = "skip", [ON_ERROR_FAIL] = "fail", NULL
};

static int set_max_errors(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    settings.errors.most = settings.errors.most_percent = -1;
    if (end == text || !(value >= 0) || value > 1e15)
        return fail("must be a count or a percentage, such as 100 or 5%%");
    if (!strcmp(end, "%") && value <= 100)
        settings.errors.most_percent = value;
    else if (!*end && value == floor(value))
        settings.errors.most = (long)value;
    else
        return fail("must be a count or a percentage, such as 100 or 5%%");
    return 0;
}

static int set_compat(const char *text)
{
    if (strcmp(text, "original") && strcmp(text, "hf"))
        return fail("must be original or hf");
    settings.opened.compat = text;
    return 0;
}

int set_precision(const char *text)
{
    if (strcmp(text, "highest") && strcmp(text, "high") && strcmp(text, "medium"))
        return fail("must be highest, high or medium");
    settings.opened.precision = text;
    return 0;
}

static int set_orient(const char *text)
{
    settings.opened.orient = text;
    return vlm_check_look(text, NULL);
}

static int set_background(const char *text)
{
    settings.opened.background = text;
    return vlm_check_look(NULL, text);
}

const struct option_spec model_options[] = {
    OPTION_MODEL('m', "model", "MODEL", &settings.model, "use MODEL: a folder, a file or a name",
                 .neutral = true, .standard = "$VLM_MODEL, else the built-in one"),
    OPTION_FILE(0, "tokenizer", "FILE", &settings.opened.tokenizer, "read the tokenizer from FILE",
                .standard = "beside the model", .needs = USES_TOKENIZER),
    OPTION_FILE(0, "vision", "FILE", &settings.opened.vision,
                "read BLIP-2's image tower from FILE, if the model's file lacks it",
                .standard = "beside the model", .needs = USES_IMAGES),
    OPTION_FILE(0, "language", "FOLDER", &settings.opened.language,
                "read BLIP-2's language model from FOLDER, if the model's file lacks it",
                .standard = "beside the model"),
    OPTION_CALL(0, "compat", "TRADITION", set_compat,
                "compute as original or hf, where the two differ",
                .standard = "as the model's files"),
    OPTION_FLAG(0, "clean-text", &settings.opened.clean_text,
                "clean texts as BLIP's training did: lower case, most punctuation to spaces",
                .needs = USES_CLEANED),
    OPTION_LONG(0, "image-size", "N", &settings.image_size, 0, 4096,
                "resize images to N pixels a side, and position embeddings with them",
                .standard = "0, the model's own", .needs = USES_IMAGES),
    OPTION_CALL(0, "orient", "WHAT", set_orient, "apply or ignore how a camera was held",
                .standard = "as the model's authors do", .needs = USES_IMAGES),
    OPTION_CALL(0, "background", "COLOR", set_background,
                "lay transparent images on white, black, gray or #rrggbb; none: drop alpha",
                .standard = "as the model's authors do", .needs = USES_IMAGES),
    OPTIONS_END,
};

const struct option_spec stream_options[] = {
    OPTION_CHOICE(0, "to", "FORM", &settings.to, forms,
                  "write json (lines), cbor (a sequence) or tar (a WebDataset shard)",
                  .standard = "json", .carries = true),
    OPTION_FLAG('b', "binary", &settings.binary, "write the binary form: the same as --to=cbor",
                .carries = true),
    OPTION_LONG(0, "per-shard", "N", &settings.per_shard, 1, 1e12,
                "write N records to each of several files, out-%05d.tar", .carries = true),
    OPTION_FILE('o', "output", "FILE", &settings.output,
                "write FILE, which appears when all is done", .standard = "standard output",
                .neutral = true),
    OPTION_LONG('j', "threads", "N", &settings.threads, 0, 1024, "use N threads",
                .standard = "0, as many as the process may use", .neutral = true),
    OPTION_LONG(0, "batch", "N", &settings.batch, 1, 4096, "compute at most N records at once",
                .standard = "16", .neutral = true),
    OPTION_FLAG('0', "null", &settings.input.null, "read names that end in NUL", .neutral = true),
    OPTION_CHOICE(0, "from", "FORMAT", &settings.input.from, stream_formats,
                  "read " FORMATS_FOR_HELP, .standard = "any, by the first bytes", .neutral = true),
    OPTION_FOLDER(0, "pairs", "FOLDER", &settings.input.pairs,
                  "read the pictures of FOLDER, with the text files beside them",
                  .without = "from null", .neutral = true),
    OPTION_FOLDER(0, "root", "FOLDER", &settings.fields.root,
                  "take image paths as relative to FOLDER", .needs = USES_IMAGES, .carries = true),
    OPTION_FLAG(0, "confine", &settings.fields.confine,
                "refuse image paths that lead out of --root", .needs = USES_IMAGES,
                .carries = true),
    OPTION_STRING(0, "image-field", "NAME", &settings.fields.image,
                  "read the image from the field NAME",
                  .standard = "the first of image, image_path, ...", .needs = USES_IMAGE_NAMES),
    OPTION_STRING(0, "text-field", "NAME", &settings.fields.text,
                  "read the text from the field NAME",
                  .standard = "the first of text, caption, ...", .needs = USES_TEXTS),
    OPTION_LONG(0, "max-pixels", "N", &settings.max_pixels, 0, 1e15,
                "refuse images of more than N pixels; 0: no limit", .standard = "178956970",
                .needs = USES_IMAGES, .carries = true),
    OPTION_LONG(0, "memory", "MIB", &settings.memory, 1, 1 << 20,
                "decode images within MIB mebibytes, over all threads", .standard = "1024",
                .needs = USES_IMAGES, .neutral = true),
    OPTION_CHOICE(0, "on-error", "WHAT", &settings.errors.action, on_error,
                  "do this with a bad record: record (write it with its error), skip or fail",
                  .standard = "record", .carries = true),
    OPTION_CALL(0, "max-errors", "N|P%", set_max_errors,
                "end with status 1 after more than N bad records, or P percent", .neutral = true),
    OPTION_FILE(0, "resume", "OUT", &settings.resume, "continue OUT where it ends",
                .without = "output", .neutral = true),
    OPTION_FILE(0, "reuse", "OLD", &settings.reuse,
                "take results from OLD where record, picture, options and model are the same",
                .without = "resume", .neutral = true),
    OPTION_FLAG(0, "checksum", &settings.checksum, "compare pictures by content, not by time",
                .with = "reuse", .neutral = true),
    OPTION_FLAG(0, "retry-errors", &settings.retry_errors,
                "try records again that have an error, in the input or in OUT", .neutral = true),
    OPTION_STRING(0, "shard", "I/N", &settings.input.shard,
                  "take part I of N, from 1/N to N/N; auto, auto/N: as the scheduler's task says",
                  .carries = true),
    OPTION_LONG(0, "seed", "N", &settings.seed, 0, 0, "seed random choices with N", .standard = "0",
                .needs = USES_CHANCE),
    OPTION_FLAG(0, "line-buffered", &settings.line_buffered, "flush after every record",
                .needs = USES_STREAM, .neutral = true),
    OPTION_FLAG(0, "progress", &settings.progress,
                "show progress even if standard error is no terminal", .neutral = true),
    OPTION_FILE(0, "status", "FILE", &status_path,
                "keep FILE up to date with counts and times, as OpenMetrics", .neutral = true),
    OPTION_CHOICE(0, "log", "FORM", &log_form, logs,
                  "write messages on standard error as text or as lines of json",
                  .standard = "text", .neutral = true),
    OPTION_FLAG('q', "quiet", &settings.quiet, "do not report bad records", .neutral = true),
    OPTION_FLAG('v', "verbose", &settings.verbose, "report the model and the hardware",
                .neutral = true),
    OPTIONS_END,
};
