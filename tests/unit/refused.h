/* SPDX-License-Identifier: MIT
 * refused.h - bytes that are no weights
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "tests/unit/tap.h"
#include "tests/unit/zip.h"
#include "weights/weights.h"

#define GOLDEN "tests/golden/weights/"

/* Bytes that must be refused with a sentence that has the words. */
static inline void refused(const char *name, const void *data, size_t size, const char *words)
{
    struct weights *w = weights_open_bytes("x", data, size);
    bool good = !w && strstr(error_text(), words) && !strncmp(error_text(), "x: ", 3);

    ok(good, "refused: %s", name);
    if (good)
        note("%s", error_text());
    else
        note("%s, expected ... %s ...", w ? "read" : error_text(), words);
    weights_close(w);
}
