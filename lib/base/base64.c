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
