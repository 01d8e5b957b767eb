/* SPDX-License-Identifier: MIT
 * npy.c - rows as a .npy file: a matrix of float32, or a sorted set of pairs
 *
 *     "\x93NUMPY" 1 0, header length as 16 bits, header padded to 128 bytes in all, rows
 *
 * The header is written last, when the rows are counted.  The file appears under its name when it
 * is complete.  Pairs are sorted where they lie, in a mapping of the file, so that memory does not
 * have to hold them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "stream/stream.h"

enum { HEADER = 128 };

struct npy {
    struct new_file made;
    FILE *file;         /* of the same file: its rows are buffered */
    long rows, columns; /* columns 0: rows are pairs */
    size_t size;        /* of a row */
};
struct pair {
    uint64_t high, low;
};

static int write_header(struct npy *n)
{
    char header[HEADER + 1];
    int length;

    memset(header, ' ', HEADER);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    if (n->columns)
        length = snprintf(header + 10, HEADER - 10,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, %ld), }",
                          n->rows, n->columns);
    else
        length = snprintf(header + 10, HEADER - 10,
                          "{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, "
                          "'shape': (%ld,), }",
                          n->rows);
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

static struct npy *create(const char *path, long columns, size_t size)
{
    struct npy *n = xalloc(1, sizeof *n);

    n->columns = columns;
    n->size = size;
    if (new_file_open(&n->made, path) == 0) {
        n->file = fdopen(dup(n->made.fd), "wb");
        if (n->file && write_header(n) == 0)
            return n;
        fail_errno("%s", path);
    }
    discard(n);
    return NULL;
}

struct npy *npy_create(const char *path, long columns)
{
    return create(path, columns, (size_t)columns * sizeof(float));
}

struct npy *npy_create_pairs(const char *path)
{
    return create(path, 0, sizeof(struct pair));
}

static int add_row(struct npy *n, const void *row)
{
    if (fwrite(row, n->size, 1, n->file) != 1)
        return fail_errno("%s", n->made.path);
    n->rows++;
    return 0;
}

int npy_row(struct npy *n, const float *row)
{
    return add_row(n, row);
}

int npy_pair(struct npy *n, uint64_t high, uint64_t low)
{
    const struct pair pair = { high, low };

    return add_row(n, &pair);
}

static int by_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return (x->low > y->low) - (x->low < y->low);
}

/* Lexicographically, each pair once. */
static int sort_pairs(struct npy *n)
{
    size_t size = HEADER + (size_t)n->rows * n->size;
    long kept = 0;
    struct pair *list;
    char *file;

    if (n->rows == 0)
        return 0;
    file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, n->made.fd, 0);
    if (file == MAP_FAILED)
        return -1;
    list = (struct pair *)(void *)(file + HEADER);
    qsort(list, (size_t)n->rows, sizeof *list, by_value);
    for (long i = 0; i < n->rows; i++)
        if (!kept || by_value(&list[i], &list[kept - 1]))
            list[kept++] = list[i];
    munmap(file, size);
    n->rows = kept;
    return ftruncate(n->made.fd, (off_t)(HEADER + (size_t)kept * n->size));
}

int npy_close(struct npy *n)
{
    bool bad = fflush(n->file) || (!n->columns && sort_pairs(n)) || fseek(n->file, 0, SEEK_SET) ||
               write_header(n) || fflush(n->file);
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
