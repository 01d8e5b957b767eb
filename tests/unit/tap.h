/* SPDX-License-Identifier: MIT
 * tap.h - tests in C that print TAP: one line a check, a reason with each failure
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include "base/base.h"

bool ok(bool good, const char *format, ...) PRINTF_LIKE(2, 3);       /* returns `good` */
void note(const char *format, ...) PRINTF_LIKE(1, 2);                /* "# ..." */
bool is_text(const char *got, const char *wanted, const char *name); /* NULL equals NULL */
bool is_long(long got, long wanted, const char *name);
/* Every |got - wanted| <= absolute + relative x |wanted|; names the worst place otherwise. */
bool is_close(const float *got, const float *wanted, long count, double absolute, double relative,
              const char *name);
/* || got - wanted ||_max / max(||wanted||_max, floor): the largest difference, relative. */
double worst_difference(const float *got, const float *wanted, long count);
int done(void); /* prints the plan; 0 if all were good: return it from main */

#endif
