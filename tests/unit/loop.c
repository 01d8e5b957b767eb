/* SPDX-License-Identifier: MIT
 * loop.c - the loop of a filter: how records are put into batches
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "tests/unit/tap.h"

static int counts[64], batches;

static enum run batch(struct record *records[], enum outcome outcomes[], int count)
{
    (void)records;
    counts[batches++] = count;
    for (int i = 0; i < count; i++)
        outcomes[i] = COMPUTED;
    return RUN_GOES_ON;
}

static const struct option_spec options[] = { OPTIONS_STREAM, OPTIONS_END };

static struct filter filter = {
    .name = "loop", .args = "[FILE...]", .about = "Count.", .options = options, .batch = batch
};

int main(void)
{
    char in[] = "/tmp/vlm-loop-XXXXXX", out[] = "/tmp/vlm-loop-out-XXXXXX";
    char *arguments[] = { "loop", "-o", out, in, NULL };
    static const int wanted[] = { 1, 2, 4, 8, 16, 16, 3 };
    FILE *file = fdopen(mkstemp(in), "w");
    bool good = true;

    close(mkstemp(out));
    for (int i = 0; i < 50; i++)
        fprintf(file, "{\"id\":%d}\n", i);
    fclose(file);
    is_long(filter_main(&filter, 4, arguments), 0, "a run over a file");
    is_long(batches, COUNT(wanted), "batches");
    for (int i = 0; i < COUNT(wanted); i++)
        good = good && counts[i] == wanted[i];
    ok(good, "the first are small: 1, 2, 4, ..");
    unlink(in);
    unlink(out);
    return done();
}
