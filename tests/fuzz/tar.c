/* SPDX-License-Identifier: MIT
 * tar.c - any bytes as standard input: tar above all, and whatever else the bytes look like
 *
 * The sum of each header is set right first, or no mutation would get past it.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_sums(unsigned char *data, size_t size)
{
    for (size_t at = 0; at + 512 <= size; at += 512) {
        unsigned sum = 0;

        if (memcmp(data + at + 257, "ustar", 5) != 0)
            continue;
        memset(data + at + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
            sum += data[at + (size_t)i];
        snprintf((char *)data + at + 148, 8, "%06o", sum);
    }
}

static bool is_image(const void *head, size_t size)
{
    return size > 2 && !memcmp(head, "\xff\xd8\xff", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct reader_options o = { .max_record = 100000, .is_image = is_image, .quiet = true };
    char *copy = xmemdup(data, size);
    struct buffer out = { 0 };
    struct record *record;
    struct reader *r;
    bool wait;

    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    set_sums((unsigned char *)copy, size);
    if (ftruncate(fd, 0) || pwrite(fd, copy, size, 0) != (ssize_t)size ||
        lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
        abort();
    r = reader_open(NULL, 0, &o);
    while ((record = reader_next(r, &wait))) {
        buffer_clear(&out);
        record_write(&out, record, false);
        if (json_check(out.data, out.size))
            abort();
        record_free(record);
    }
    reader_close(r);
    buffer_free(&out);
    free(copy);
    return 0;
}
