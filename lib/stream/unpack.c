/* SPDX-License-Identifier: MIT
 * unpack.c - compressed input: gzip (RFC 1952) through zlib, Zstandard (RFC 8878) through libzstd
 *
 * Both may be several streams one behind the other, as `cat a.gz b.gz` makes them.  Zeros behind
 * the last are padding.  Bytes come out as they are asked for, so what a small file unpacks to is
 * bounded as any other input is: by the limit for a record.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_LIBZSTD
#include <zstd.h>
#endif
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/unpack.h"

struct unpacker {
    struct buffer in; /* bytes from `at` on are unread */
    size_t at;
    bool inside; /* a stream that has begun has not ended */
    bool zstd;
    z_stream gzip;
#ifdef HAVE_LIBZSTD
    ZSTD_DStream *zst;
#endif
};

static const char gzip_magic[] = "\x1f\x8b\x08", zstd_magic[] = "\x28\xb5\x2f\xfd";

bool unpacker_may_know(const void *head, size_t size)
{
    return size < 4 &&
           (!memcmp(head, gzip_magic, size < 3 ? size : 3) || !memcmp(head, zstd_magic, size));
}

struct unpacker *unpacker_open(const void *head, size_t size)
{
    bool gzip = size >= 3 && !memcmp(head, gzip_magic, 3);
    bool zstd = size >= 4 && !memcmp(head, zstd_magic, 4);
    struct unpacker *u;

#ifndef HAVE_LIBZSTD
    zstd = false;
#endif
    if (!gzip && !zstd)
        return NULL;
    u = xalloc(1, sizeof *u);
    u->zstd = zstd;
#ifdef HAVE_LIBZSTD
    if (zstd && !(u->zst = ZSTD_createDStream())) {
        free(u);
        return NULL;
    }
#endif
    if (gzip && inflateInit2(&u->gzip, 16 + MAX_WBITS) != Z_OK) {
        free(u);
        return NULL;
    }
    buffer_add(&u->in, head, size);
    return u;
}

void unpacker_feed(struct unpacker *u, const void *bytes, size_t size)
{
    buffer_replace(&u->in, 0, u->at, bytes, 0);
    u->at = 0;
    buffer_add(&u->in, bytes, size);
}

bool unpacker_is_whole(const struct unpacker *u)
{
    return !u->inside && u->at == u->in.size;
}

static int corrupt(const char *how)
{
    return fail_as("corrupt", "damaged %s data", how);
}

static long read_gzip(struct unpacker *u, void *to, size_t room)
{
    size_t before = u->in.size - u->at;
    int status;

    if (!u->inside && inflateReset(&u->gzip) != Z_OK)
        return corrupt("gzip");
    u->gzip.next_in = (unsigned char *)u->in.data + u->at;
    u->gzip.avail_in = (unsigned)before;
    u->gzip.next_out = to;
    u->gzip.avail_out = (unsigned)room;
    status = inflate(&u->gzip, Z_NO_FLUSH);
    u->at = u->in.size - u->gzip.avail_in;
    u->inside = status != Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        return corrupt("gzip");
    return (long)(room - u->gzip.avail_out);
}

static long read_zstd(struct unpacker *u, void *to, size_t room)
{
#ifdef HAVE_LIBZSTD
    ZSTD_inBuffer in = { u->in.data, u->in.size, u->at };
    ZSTD_outBuffer out = { to, room, 0 };
    size_t more = ZSTD_decompressStream(u->zst, &out, &in);

    if (ZSTD_isError(more))
        return corrupt("Zstandard");
    u->at = in.pos;
    u->inside = more != 0;
    return (long)out.pos;
#else
    (void)u, (void)to, (void)room;
    return 0;
#endif
}

long unpacker_read(struct unpacker *u, void *to, size_t room)
{
    long made = 0;

    room = room < 1 << 20 ? room : 1 << 20;
    while (!made && u->at < u->in.size) {
        size_t before = u->at;

        while (!u->inside && u->at < u->in.size && !u->in.data[u->at])
            u->at++; /* padding */
        if (u->at == u->in.size)
            break;
        made = u->zstd ? read_zstd(u, to, room) : read_gzip(u, to, room);
        if (!made && u->at == before)
            break;
    }
    return made;
}

void unpacker_close(struct unpacker *u)
{
    if (!u)
        return;
#ifdef HAVE_LIBZSTD
    ZSTD_freeDStream(u->zst);
#endif
    if (!u->zstd)
        inflateEnd(&u->gzip);
    buffer_free(&u->in);
    free(u);
}
