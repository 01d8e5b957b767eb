/* SPDX-License-Identifier: MIT
 * error.h - sentences and codes of what failed
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/core.h"

/* error.c - a failing function leaves one readable sentence and returns
 *
 * The sentence and its code belong to the calling thread.  Codes are short words for machines
 * ("truncated", "unsupported", "too_large", "not_found", "io", "invalid"); see vlm-stream(5).
 */
int fail(const char *format, ...) PRINTF_LIKE(1, 2); /* code "invalid"; always -1 */
int fail_as(const char *code, const char *format, ...) PRINTF_LIKE(2, 3); /* always -1 */
int fail_errno(const char *format, ...) PRINTF_LIKE(1, 2); /* appends ": " and errno's text */
int fail_in(const char *where); /* the sentence again behind "WHERE: ", with its code; always -1 */
const char *error_text(void);   /* never NULL */
const char *error_code(void);   /* never NULL */
void error_clear(void);
extern const char *program_name;                      /* set once by main, "vlm" before */
void warn(const char *format, ...) PRINTF_LIKE(1, 2); /* one line on stderr: "program: ..." */
/* The lines on stderr as text, or as JSON: {"time":..,"level":..,"program":..,"message":..}. */
enum log_form { LOG_TEXT, LOG_JSON };
extern int log_form;
/* One such line of JSON; `members` are put behind the message: ",\"code\":\"io\"", or "". */
void log_json(const char *level, const char *message, const char *members);
/* Makes '?' of all that a terminal would act on, but for the ASCII controls in `but`. */
void make_printable(char *line, const char *but);

#endif
