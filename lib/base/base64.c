/* SPDX-License-Identifier: MIT
 * base64.c - bytes spelt in 64 letters (RFC 4648), the alphabet of URLs too
 */
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"

static int value_of(int c)
{
    return c >= 'A' && c <= 'Z'                ? c - 'A'
           : c >= 'a' && c <= 'z'              ? c - 'a' + 26
           : c >= '0' && c <= '9'              ? c - '0' + 52
           : c == '+' || c == '-'              ? 62
           : c == '/' || c == '_'              ? 63
           : c == '=' || c == ' ' || c == '\n' ? -1
                                               : -2;
}

int base64_read(struct buffer *b, const char *text)
{
    uint32_t bits = 0;
    int have = 0;

    buffer_reserve(b, strlen(text) / 4 * 3 + 3);
    for (; *text; text++) {
        int value = value_of((unsigned char)*text);

        if (value == -2)
            return fail("not base64");
        if (value < 0)
            continue;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buffer_byte(b, (int)(bits >> have & 0xff));
        }
    }
    return 0;
}

/* RFC 4648: three bytes are four letters, the last group is filled up with '='. */
void base64_write(struct buffer *b, const void *bytes, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *data = bytes;
    char *to;

    buffer_reserve(b, size / 3 * 4 + 4);
    to = b->data + b->size;
    for (; size >= 3; data += 3, size -= 3, to += 4) {
        uint32_t x = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];

        for (int i = 0; i < 4; i++)
            to[i] = letters[x >> (18 - 6 * i) & 63];
    }
    if (size) {
        uint32_t x = (uint32_t)data[0] << 16 | (size > 1 ? (uint32_t)data[1] << 8 : 0);

        to[0] = letters[x >> 18];
        to[1] = letters[x >> 12 & 63];
        to[2] = size > 1 ? letters[x >> 6 & 63] : '=';
        to[3] = '=';
        to += 4;
    }
    b->size = (size_t)(to - b->data);
}
