/* SPDX-License-Identifier: MIT
 * settings.c - the options that all filters share
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "cli/cli.h"

struct settings settings = {
    .max_pixels = 178956970, /* Pillow's bound: above it, it refuses a "decompression bomb" */
    .max_errors = -1,
    .max_percent = -1,
};

static const char *const on_error[] = {
    [ON_ERROR_RECORD] = "record", [ON_ERROR_SKIP] = "skip", [ON_ERROR_FAIL] = "fail", NULL
};

static int set_max_errors(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    settings.max_errors = settings.max_percent = -1;
    if (end == text || !(value >= 0) || value > 1e15)
        return fail("must be a count or a percentage, such as 100 or 5%%");
    if (!strcmp(end, "%") && value <= 100)
        settings.max_percent = value;
    else if (!*end && value == floor(value))
        settings.max_errors = (long)value;
    else
        return fail("must be a count or a percentage, such as 100 or 5%%");
    return 0;
}

static int set_compat(const char *text)
{
    if (strcmp(text, "original") && strcmp(text, "hf"))
        return fail("must be original or hf");
    settings.compat = text;
    return 0;
}

int set_precision(const char *text)
{
    if (strcmp(text, "highest") && strcmp(text, "high") && strcmp(text, "medium"))
        return fail("must be highest, high or medium");
    settings.precision = text;
    return 0;
}

const struct option_spec model_options[] = {
    OPTION_MODEL('m', "model", "MODEL", &settings.model,
                 "a model's folder, file or name [$VLM_MODEL, else the built-in one]"),
    OPTION_FILE(0, "tokenizer", "FILE", &settings.tokenizer,
                "the tokenizer's file or folder [beside the model]"),
    OPTION_FILE(0, "vision", "FILE", &settings.vision,
                "BLIP-2's image tower, if the model's file lacks it [beside the model]"),
    OPTION_FILE(0, "language", "FOLDER", &settings.language,
                "BLIP-2's language model, if the model's file lacks it [beside the model]"),
    OPTION_CALL(0, "compat", "TRADITION", set_compat,
                "original or hf, where the two compute differently [as the model's files]"),
    OPTION_FLAG(0, "clean-text", &settings.clean_text,
                "clean texts as BLIP's training did: lower case, most punctuation to spaces"),
    OPTION_LONG(0, "image-size", "N", &settings.image_size, 0, 4096,
                "pixels a side; position embeddings are resized [0: the model's own]"),
    OPTIONS_END,
};

const struct option_spec stream_options[] = {
    OPTION_FLAG('b', "binary", &settings.binary, "write the binary form, a CBOR sequence"),
    OPTION_FILE('o', "output", "FILE", &settings.output,
                "write FILE, which appears when all is done [standard output]"),
    OPTION_LONG('j', "threads", "N", &settings.threads, 0, 1024,
                "threads [0: as many as the process may use]"),
    OPTION_LONG(0, "batch", "N", &settings.batch, 1, 4096, "most records computed at once [16]"),
    OPTION_FLAG('0', "null", &settings.null, "names that come in end in NUL"),
    OPTION_CHOICE(0, "from", "FORMAT", &settings.from, stream_formats,
                  "what comes in: any, jsonl, cbor, tar, csv, tsv, names, image or list [any: by its first bytes]"),
    OPTION_FOLDER(0, "root", "FOLDER", &settings.fields.root, "image paths are relative to FOLDER"),
    OPTION_FLAG(0, "confine", &settings.fields.confine,
                "refuse image paths that lead out of --root"),
    OPTION_STRING(0, "image-field", "NAME", &settings.fields.image,
                  "the field that holds the image [the first of image, image_path, ...]"),
    OPTION_STRING(0, "text-field", "NAME", &settings.fields.text,
                  "the field that holds the text [the first of text, caption, ...]"),
    OPTION_LONG(0, "max-pixels", "N", &settings.max_pixels, 0, 1e15,
                "refuse images of more pixels [178956970; 0: no limit]"),
    OPTION_CHOICE(0, "on-error", "WHAT", &settings.on_error, on_error,
                  "a bad record: record (leaves with its error), skip or fail [record]"),
    OPTION_CALL(0, "max-errors", "N|P%", set_max_errors,
                "more bad records than N, or than P percent, are exit status 1"),
    OPTION_FILE(0, "resume", "OUT", &settings.resume, "go on with OUT where it ends"),
    OPTION_FLAG(0, "retry-errors", &settings.retry_errors,
                "try records again that have an error, in the input or in OUT"),
    OPTION_STRING(0, "shard", "I/N", &settings.shard,
                  "take part I of N, from 1/N to N/N; auto: as Slurm's job array says"),
    OPTION_LONG(0, "seed", "N", &settings.seed, 0, 0, "seed of random choices [0]"),
    OPTION_FLAG(0, "line-buffered", &settings.line_buffered, "flush after every record"),
    OPTION_FLAG(0, "progress", &settings.progress,
                "show progress even if standard error is no terminal"),
    OPTION_FLAG('q', "quiet", &settings.quiet, "say nothing of bad records"),
    OPTION_FLAG('v', "verbose", &settings.verbose, "say which model and hardware are used"),
    OPTIONS_END,
};
