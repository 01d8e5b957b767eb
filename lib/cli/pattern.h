/* SPDX-License-Identifier: MIT
 * pattern.h - regular expressions whose work is bounded by the text's length
 */
#ifndef CLI_PATTERN_H
#define CLI_PATTERN_H

struct pattern;
struct pattern *pattern_compile(const char *text); /* NULL after fail() */
/* 1; 0; -1 after fail_as("too_complex"): it would take too long.  Any thread. */
int pattern_matches(const struct pattern *p, const char *text);
void pattern_free(struct pattern *p);

#endif
