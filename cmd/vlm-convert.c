/* SPDX-License-Identifier: MIT
 * vlm-convert.c - a model in another layout or in smaller numbers; what a model is; is it whole?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/error.h"
#include "cli/cli.h"
#include "vlm.h"

enum { LAYOUT_BY_NAME, LAYOUT_HF, LAYOUT_ORIGINAL };
static const char *const layouts[] = { "name", "hf", "original", NULL };
static const char *const types[] = { "same", "f32", "f16", "bf16", "int8", NULL };

static const char *tokenizer, *calibrate;
static struct vlm_options opened;
static int layout, type;
static long pieces, batch;
static float accuracy;
static bool once, packed, info, verify;

/* For SIGUSR1: what is being done, with which model, since when. */
static const char *_Atomic doing, *_Atomic at_model;
static struct timespec began;

static const struct option_spec options[] = {
    OPTION_CHOICE(0, "to", "LAYOUT", &layout, layouts, "write hf, a folder, or original, a file",
                  .standard = "name: original where OUT ends in .pth or .pt",
                  .without = "info verify"),
    OPTION_CHOICE(0, "dtype", "TYPE", &type, types,
                  "store matrices as same, f32, f16, bf16 or int8", .standard = "same",
                  .without = "info verify"),
    OPTION_LONG(0, "pieces", "N", &pieces, 1, 3,
                "with int8: multiply by bytes, N of 7 bits for a number",
                .standard = "exactly, as f32", .with = "dtype"),
    OPTION_FILE(0, "calibrate", "FILE", &calibrate,
                "with int8: choose the pieces of each layer by the records of FILE",
                .with = "dtype"),
    OPTION_FLOAT(0, "accuracy", "C", &accuracy, 0, 1,
                 "accept a cosine of C or more with what MODEL says of a record",
                 .standard = "0.999", .with = "calibrate"),
    OPTION_FLAG(0, "once", &once, "store tensors that have two names once; for these programs",
                .without = "info verify"),
    OPTION_FLAG(0, "packed", &packed,
                "store matrices in the order that this processor reads; for these programs",
                .without = "info verify"),
    OPTION_FILE(0, "tokenizer", "FILE", &tokenizer, "read the tokenizer from FILE",
                .standard = "beside the model", .without = "info verify"),
    OPTION_FILE(0, "vision", "FILE", &opened.vision,
                "read BLIP-2's image tower from FILE, if the model's file lacks it",
                .standard = "beside the model"),
    OPTION_FILE(0, "language", "FOLDER", &opened.language,
                "read BLIP-2's language model from FOLDER, if the model's file lacks it",
                .standard = "beside the model"),
    OPTION_FLAG(0, "info", &info, "print what each MODEL is: one JSON object a line"),
    OPTION_LONG(0, "batch", "N", &batch, 1, 4096,
                "with --info: say the memory of at most N records at once", .standard = "16",
                .with = "info"),
    OPTION_FLAG(0, "verify", &verify, "read every byte of each MODEL and check it"),
    OPTIONS_END,
};

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);

    return length > tail && !strcmp(name + length - tail, ending);
}

/* A name that ends in .pth or .pt is the authors' file. */
static bool wants_original(const char *out)
{
    return layout == LAYOUT_ORIGINAL ||
           (layout == LAYOUT_BY_NAME && (ends_in(out, ".pth") || ends_in(out, ".pt")));
}

static int convert(const char *model, const char *out)
{
    const struct vlm_conversion how = {
        .type = type ? types[type] : NULL,
        .original = wants_original(out),
        .once = once,
        .packed = packed && !calibrate,
        .pieces = calibrate ? 3 : (int)pieces,
        .tokenizer = tokenizer,
        .opened = &opened,
    };

    return vlm_convert(model, out, &how);
}

/* The records are read as the model itself reads them, so it is opened once more. */
static int read_samples(struct vlm_samples *samples, const char *model)
{
    struct vlm *m = vlm_open(model, &opened);
    int result = m ? samples_read(samples, m, calibrate) : -1;

    vlm_close(m);
    return result;
}

static void show_progress(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    warn("%s %s, %ld s", doing, at_model, (long)(now.tv_sec - began.tv_sec));
}

static void begin(const char *what, const char *model)
{
    doing = what;
    at_model = model;
}

/* In place, once nothing changes any more. */
static int pack(const char *folder)
{
    const struct vlm_conversion how = { .once = true, .packed = true };

    return vlm_convert(folder, folder, &how);
}

/* What was chosen and measured is in the folder, and said. */
static int convert_calibrated(const char *model, const char *out)
{
    struct vlm_samples samples = { 0 };
    double least = accuracy > 0 ? (double)accuracy : 0.999;
    char *report = NULL;

    begin("reading records for", model);
    if (read_samples(&samples, model) == 0) {
        begin("converting", model);
        if (convert(model, out) == 0) {
            begin("choosing pieces of", out);
            report = vlm_choose_pieces(model, out, &opened, &samples, least);
        }
    }
    samples_free(&samples);
    if (!report || (packed && pack(out))) {
        free(report);
        return -1;
    }
    puts(report);
    free(report);
    return 0;
}

/* These go together or not at all; the messages say how. */
static void check_options(void)
{
    bool int8 = !strcmp(types[type], "int8");

    if ((pieces || calibrate) && !int8)
        options_mistake("--pieces and --calibrate go with --dtype=int8");
    if (pieces && calibrate)
        options_mistake("--pieces and --calibrate exclude each other");
    if (accuracy > 0 && !calibrate)
        options_mistake("--accuracy goes with --calibrate");
}

static int say(char *line)
{
    if (!line)
        return -1;
    fputs(line, stdout);
    free(line);
    return 0;
}

/* One model that cannot be read does not keep the others from being described. */
static int say_all(char *const *names, int count)
{
    int status = 0;

    for (int i = 0; i < count; i++) {
        begin(verify ? "verifying" : "describing", names[i]);
        if ((verify && say(vlm_verify(names[i], &opened))) ||
            (info && say(vlm_inform(names[i], &opened, batch ? (int)batch : 16)))) {
            warn("%s", error_text());
            status = 1;
        }
    }
    if (fflush(stdout) || ferror(stdout)) {
        fail_errno("standard output");
        warn("%s", error_text());
        status = 1;
    }
    return status;
}

int main(int argc, char **argv)
{
    static const struct option_usage usage = {
        .name = "vlm-convert",
        .args = "MODEL [OUT]",
        .about = "Write a model in another layout or in smaller numbers, say what it is, check it.",
        .options = options,
    };
    int first;

    options_parse(&usage, argc, argv, &first);
    if (first == argc)
        options_mistake("a model is needed");
    clock_gettime(CLOCK_MONOTONIC, &began);
    begin("opening", argv[first]);
    signals_progress(show_progress);
    if (info || verify)
        return say_all(argv + first, argc - first);
    if (argc - first != 2)
        options_mistake("MODEL and OUT are needed, or --info or --verify");
    check_options();
    if (wants_original(argv[first + 1]) && (calibrate || pieces || packed || once || tokenizer))
        options_mistake("--calibrate, --pieces, --packed, --once and --tokenizer go with a folder, "
                        "not with a file as the authors' code reads it");
    vlm_threads(0);
    begin("converting", argv[first]);
    if ((calibrate ? convert_calibrated : convert)(argv[first], argv[first + 1]) == 0)
        return 0;
    warn("%s", error_text());
    return 1;
}
