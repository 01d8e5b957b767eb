/* SPDX-License-Identifier: MIT
 * error.c - one readable sentence per failure, kept for the thread that failed
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"

enum { LONGEST = 4096 }; /* bytes of a sentence; a longer one loses its middle */

static _Thread_local char text[LONGEST], code[24] = "";
const char *program_name = "vlm";

/* A sentence ends with the reason and begins with a name, so what is cut is the middle. */
static void cut_middle(char *sentence)
{
    static const char gap[] = " ... ";
    size_t length = strlen(sentence), half = (LONGEST - sizeof gap) / 2;

    if (length < LONGEST)
        return;
    memcpy(sentence + half, gap, sizeof gap - 1);
    memmove(sentence + half + sizeof gap - 1, sentence + length - half, half + 1);
}

static int keep(const char *new_code, const char *format, va_list list)
{
    char *sentence = xvprintf(format, list); /* the old sentence and code may be arguments */
    char copy[sizeof code];

    cut_middle(sentence);
    snprintf(copy, sizeof copy, "%s", *new_code ? new_code : "invalid");
    memcpy(code, copy, sizeof code);
    snprintf(text, sizeof text, "%s", sentence);
    free(sentence);
    return -1;
}

int fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    keep("invalid", format, list);
    va_end(list);
    return -1;
}

int fail_as(const char *new_code, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    keep(new_code, format, list);
    va_end(list);
    return -1;
}

int fail_errno(const char *format, ...)
{
    int number = errno;
    const char *word = number == ENOENT || number == ENOTDIR ? "not_found" : "io";
    char *where;
    va_list list;

    va_start(list, format);
    where = xvprintf(format, list);
    va_end(list);
    fail_as(word, "%s: %s", where, strerror(number));
    free(where);
    return -1;
}

int fail_in(const char *where)
{
    char same[sizeof code];

    memcpy(same, code, sizeof same);
    return fail_as(same, "%s: %s", where, text);
}

const char *error_text(void)
{
    return text;
}

const char *error_code(void)
{
    return code;
}

void error_clear(void)
{
    text[0] = code[0] = 0;
}

/* Controls (C0, DEL, C1), marks that change the direction of what follows, and separators of lines
 * and paragraphs: a terminal would act on them. */
static bool acts(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void make_printable(char *line, const char *but)
{
    const char *at = line, *end = line + strlen(line);
    char *to = line;

    while (at < end) {
        const char *from = at;
        uint32_t c = utf8_next(&at, end);
        bool bad = c == 0xfffd && at - from != 3; /* no UTF-8: a terminal may take it for Latin-1 */

        if (bad || (acts(c) && !(c < 0x80 && strchr(but, (int)c)))) {
            *to++ = '?';
        } else {
            memmove(to, from, (size_t)(at - from));
            to += at - from;
        }
    }
    *to = 0;
}

int log_form = LOG_TEXT;

void log_json(const char *level, const char *message, const char *members)
{
    struct buffer b = { 0 };
    struct timespec now;
    struct tm parts;
    char stamp[40];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_printf(&b,
                  "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"%s\",\"message\":", stamp,
                  now.tv_nsec / 1000000, level, program_name);
    json_escape(&b, message, strlen(message));
    buffer_printf(&b, "%s}\n", members);
    fwrite(b.data, 1, b.size, stderr);
    buffer_free(&b);
}

void warn(const char *format, ...)
{
    va_list list;
    char *line;

    va_start(list, format);
    line = xvprintf(format, list);
    va_end(list);
    make_printable(line, "\t\n");
    if (log_form == LOG_JSON)
        log_json("warning", line, "");
    else
        fprintf(stderr, "%s: %s\n", program_name, line); /* one call: lines of threads stay whole */
    free(line);
}
