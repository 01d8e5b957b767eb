/* SPDX-License-Identifier: MIT
 * vlm-page.c - records as one page to look at in a browser
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base.h"
#include "cli/cli.h"
#include "page/page.h"

static const char *dropped_path, *title = "Pictures and texts", *score = "itm";
static long side = 128, sample, inline_mib = 16;
static struct page *page;

static const struct option_spec options[] = {
    OPTION_FILE(0, "dropped", "FILE", &dropped_path,
                "show the records of FILE as dropped: what vlm-filter --dropped wrote"),
    OPTION_STRING(0, "score", "NAME", &score,
                  "show the threshold of the field NAME first, and sample by its ranges",
                  .standard = "itm"),
    OPTION_STRING(0, "title", "TEXT", &title, "give the page the heading TEXT",
                  .standard = "Pictures and texts", .utf8 = true),
    OPTION_LONG(0, "sample", "N", &sample, 1, 10000000,
                "show N records, as many of each range of the score", .standard = "all"),
    OPTION_LONG(0, "side", "PIXELS", &side, 16, 512, "make pictures at most PIXELS a side",
                .standard = "128"),
    OPTION_LONG(0, "inline", "MIB", &inline_mib, 0, 1024,
                "keep at most MIB mebibytes of pictures inside the page; more lie beside it",
                .standard = "16"),
    OPTIONS_STREAM,
    OPTIONS_END,
};

static unsigned uses(void)
{
    return USES_IMAGES | USES_IMAGE_NAMES | USES_TEXTS | (sample ? USES_CHANCE : 0);
}

static int begin(void)
{
    struct page_options o = {
        .fields = &settings.fields,
        .title = title,
        .score = score,
        .max_pixels = settings.max_pixels,
        .side = side,
        .memory = (size_t)settings.memory << 20,
        .sample = sample,
        .seed = (uint64_t)settings.seed,
        .inline_bytes = inline_mib << 20,
    };

    if (settings.to != RECORD_JSON)
        options_mistake("--to and --binary have no effect: a page of HTML is written");
    if (dropped_path && strcmp(dropped_path, "-") && !path_exists(dropped_path))
        return fail_as("not_found", "%s: no such file", dropped_path), 1;
    page = page_open(&o);
    return page ? 0 : 1;
}

static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    struct record **shown = xalloc((size_t)count, sizeof(*shown));
    int left = 0, status;

    for (int i = 0; i < count; i++)
        if (!records[i]->failed || settings.errors.action != ON_ERROR_SKIP)
            shown[left++] = records[i];
    status = page_add(page, shown, left, false);
    for (int i = 0; i < count; i++) {
        outcomes[i] = COMPUTED;
        records[i]->dropped = true; /* it leaves on the page alone */
    }
    free(shown);
    return status ? RUN_ENDS : RUN_GOES_ON;
}

/* The file of dropped records, read as an operand is. */
static int add_dropped(void)
{
    enum { BATCH = 64 };
    struct reader_options o = { .is_image = vlm_is_image };
    char *operand = xstrdup(dropped_path);
    struct reader *reader = reader_open(&operand, 1, &o);
    struct record *list[BATCH];
    int count, status = 0;

    do {
        for (count = 0; count < BATCH && (list[count] = reader_next(reader, NULL)); count++)
            ;
        status = page_add(page, list, count, true);
        for (int i = 0; i < count; i++)
            record_free(list[i]);
    } while (count == BATCH && !status);
    if (!status && reader_failed(reader))
        status = fail("%s", reader_message(reader));
    reader_close(reader);
    free(operand);
    return status;
}

static int put(void *self, const void *data, size_t size)
{
    (void)self;
    emit_bytes(data, size);
    return 0;
}

static int finish(void)
{
    if (dropped_path && add_dropped())
        return -1;
    return page_write(page, settings.output, put, NULL);
}

static void end(void)
{
    page_free(page);
}

int main(int argc, char **argv)
{
    static struct filter filter = {
        .name = "vlm-page",
        .args = "[FILE...]",
        .about = "Write one page to see, sort, compare and decide in a browser.",
        .options = options,
        .uses = uses,
        .begin = begin,
        .batch = batch,
        .finish = finish,
        .end = end,
        .drops = true,
        .takes_failed = true,
        .whole = true,
    };
    return filter_main(&filter, argc, argv);
}
