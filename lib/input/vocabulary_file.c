/* SPDX-License-Identifier: MIT
 * vocabulary_file.c - files that hold vocabularies: found in a model's folder, unzipped
 */
#include <stdlib.h>
#include <zlib.h>
#include "input/text.h"

enum { LARGEST = 256 << 20 }; /* bytes of any tokenizer's file, unzipped */

char *vocabulary_path(const char *path, const char *const *names)
{
    char *file = NULL;

    if (!path_is_folder(path))
        return xstrdup(path);
    for (; *names && !file; names++) {
        file = path_join(path, *names);
        if (!path_exists(file)) {
            free(file);
            file = NULL;
        }
    }
    if (!file)
        fail_as("not_found", "%s: no tokenizer here", path);
    return file;
}

int read_unzipped(struct buffer *b, const char *path)
{
    enum { STEP = 1 << 16 };
    gzFile file = gzopen(path, "rb");
    int n = -1, problem = 0;

    if (!file)
        return fail_errno("%s", path);
    while (b->size < LARGEST) {
        buffer_reserve(b, STEP);
        n = gzread(file, b->data + b->size, STEP);
        if (n <= 0)
            break;
        b->size += (size_t)n;
    }
    buffer_add(b, "", 0);
    gzerror(file, &problem);
    gzclose_r(file);
    if (n > 0)
        return fail_as("too_large", "%s: larger than any vocabulary", path);
    if (n < 0 || problem == Z_BUF_ERROR)
        return fail_as("truncated", "%s: cannot be read or unzipped to its end", path);
    return 0;
}
