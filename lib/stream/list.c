/* SPDX-License-Identifier: MIT
 * list.c - names of files, one a line: each file is read as an operand is
 *
 * The lists are read whole before the first of the files is opened.
 */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "stream/format.h"

static int read_list(struct named_files *f, char *const *lists, int count, bool null)
{
    char separator = null ? 0 : '\n', *at, *end, *next;

    for (int i = 0; i < count; i++)
        if (file_read(&f->bytes, strcmp(lists[i], "-") ? lists[i] : "/dev/stdin"))
            return -1;
        else if (f->bytes.size && f->bytes.data[f->bytes.size - 1] != separator)
            buffer_byte(&f->bytes, separator);
    for (at = f->bytes.data, end = at + f->bytes.size; at < end; at = next + 1) {
        next = memchr(at, separator, (size_t)(end - at));
        *next = 0;
        if (!*at)
            continue;
        if ((f->count & (f->count - 1)) == 0) /* room for 1, 2, 4, 8 .. */
            f->names = xresize(f->names, 2 * (size_t)f->count + 1, sizeof *f->names);
        f->names[f->count++] = at;
    }
    return 0;
}

const struct format format_list = { .files = read_list };
