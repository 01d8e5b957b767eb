/* SPDX-License-Identifier: MIT
 * error.c - one readable sentence per failure, kept for the thread that failed
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/base.h"

static _Thread_local char text[1024], code[24] = "";
const char *program_name = "vlm";

static int keep(const char *new_code, const char *format, va_list list)
{
    char sentence[sizeof text]; /* the old sentence may be among the arguments */

    vsnprintf(sentence, sizeof sentence, format, list);
    memcpy(text, sentence, sizeof text);
    snprintf(code, sizeof code, "%s", new_code);
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
    size_t length;
    va_list list;

    va_start(list, format);
    keep(number == ENOENT || number == ENOTDIR ? "not_found" : "io", format, list);
    va_end(list);
    length = strlen(text);
    snprintf(text + length, sizeof text - length, ": %s", strerror(number));
    return -1;
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

void warn(const char *format, ...)
{
    char line[2048];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    fprintf(stderr, "%s: %s\n", program_name, line); /* one call: lines of threads stay whole */
}
