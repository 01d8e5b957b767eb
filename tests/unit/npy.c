/* SPDX-License-Identifier: MIT
 * npy.c - rows in a .npy file
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

int main(void)
{
    char folder[] = "/tmp/vlm-npy-XXXXXX", *path, *missing;
    float rows[2][3] = { { 1, 2, 3 }, { -1, 0.5f, 1e-9f } };
    struct buffer b = { 0 };
    struct npy *n;

    if (!mkdtemp(folder))
        return 1;
    path = path_join(folder, "x.npy");
    missing = path_join(folder, "no/x.npy");
    n = npy_create(path, 3);
    ok(n != NULL, "created");
    ok(!path_exists(path), "not there before it is complete");
    ok(npy_row(n, rows[0]) == 0 && npy_row(n, rows[1]) == 0, "two rows");
    ok(npy_close(n) == 0, "closed");
    ok(file_read(&b, path) == 0 && b.size == 128 + sizeof rows, "a header and rows");
    ok(!memcmp(b.data, "\x93NUMPY\x01\x00\x76\x00", 10), "the magic");
    ok(!strncmp(b.data + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ", 60),
       "the header's words");
    ok(b.data[127] == '\n', "the header ends at 128");
    ok(!memcmp(b.data + 128, rows, sizeof rows), "the rows");
    ok(!npy_create(missing, 3) && !strcmp(error_code(), "not_found"), "no such folder");
    n = npy_create("/dev/full", 3);
    ok(n && npy_close(n) == -1 && strstr(error_text(), "/dev/full"), "a full disk is noticed");
    buffer_free(&b);
    unlink(path);
    rmdir(folder);
    free(path);
    free(missing);
    return done();
}
