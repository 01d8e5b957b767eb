/* SPDX-License-Identifier: MIT
 * npy.c - one matrix of float32 rows as a .npy file
 *
 *     "\x93NUMPY" 1 0, header length as 16 bits, header padded to 128 bytes in all, rows
 *
 * The header is written last, when the rows are counted.  The file appears under its name when it
 * is complete.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "stream/stream.h"

enum { HEADER = 128 };

struct npy {
    struct new_file made;
    FILE *file; /* of the same file: its rows are buffered */
    long rows, columns;
};

static int write_header(struct npy *n)
{
    char header[HEADER + 1];
    int length;

    memset(header, ' ', HEADER);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    length = snprintf(header + 10, HEADER - 10,
                      "{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, %ld), }", n->rows,
                      n->columns);
    header[10 + length] = ' ';
    header[HEADER - 1] = '\n';
    return fwrite(header, HEADER, 1, n->file) == 1 ? 0 : -1;
}

const char *npy_temporary(const struct npy *n)
{
    return n->made.temporary;
}

static void discard(struct npy *n)
{
    if (n->file)
        fclose(n->file);
    new_file_drop(&n->made);
    free(n);
}

struct npy *npy_create(const char *path, long columns)
{
    struct npy *n = xalloc(1, sizeof *n);

    n->columns = columns;
    if (new_file_open(&n->made, path) == 0) {
        n->file = fdopen(dup(n->made.fd), "wb");
        if (n->file && write_header(n) == 0)
            return n;
        fail_errno("%s", path);
    }
    discard(n);
    return NULL;
}

int npy_row(struct npy *n, const float *row)
{
    if (fwrite(row, sizeof *row, (size_t)n->columns, n->file) != (size_t)n->columns)
        return fail_errno("%s", n->made.path);
    n->rows++;
    return 0;
}

int npy_close(struct npy *n)
{
    bool bad = fseek(n->file, 0, SEEK_SET) || write_header(n) || fflush(n->file);
    int result;

    bad |= ferror(n->file) != 0;
    if (bad) {
        result = fail_errno("%s", n->made.path);
        discard(n);
        return result;
    }
    fclose(n->file);
    result = new_file_commit(&n->made);
    free(n);
    return result;
}
