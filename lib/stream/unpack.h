/* SPDX-License-Identifier: MIT
 * unpack.h - compressed input, while it is read
 */
#ifndef STREAM_UNPACK_H
#define STREAM_UNPACK_H

#include "base/core.h"

struct unpacker;
/* By the first bytes, which it takes over as input; NULL: not compressed, or in no way known. */
struct unpacker *unpacker_open(const void *head, size_t size);
bool unpacker_may_know(const void *head, size_t size); /* a few more bytes would tell */
/* Bytes made, at most `room`; 0: it wants more input, or is at its end; -1 after fail_as(). */
long unpacker_read(struct unpacker *u, void *to, size_t room);
void unpacker_feed(struct unpacker *u, const void *bytes, size_t size); /* when it wants input */
bool unpacker_is_whole(const struct unpacker *u);                       /* the input may end here */
void unpacker_close(struct unpacker *u);

#endif
