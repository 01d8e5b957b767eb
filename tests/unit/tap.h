/* SPDX-License-Identifier: MIT
 * tap.h - tests in C that print TAP: one line a check, a reason and a place with each failure
 *
 * A test runs from any folder: before main it goes to the project's root, where the files of
 * tests/ are.  If it crashes, its last line says by which signal, and after which check.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include "base/base.h"

/* Each returns whether the check was good. */
#define ok(...)            (tap_place(__FILE__, __LINE__), tap_ok(__VA_ARGS__))
#define is_text(got, ...)  (tap_place(__FILE__, __LINE__), tap_text(got, __VA_ARGS__))
#define is_long(got, ...)  (tap_place(__FILE__, __LINE__), tap_long(got, __VA_ARGS__))
#define is_close(got, ...) (tap_place(__FILE__, __LINE__), tap_close(got, __VA_ARGS__))

void tap_place(const char *file, int line); /* of the check that comes */
bool tap_ok(bool good, const char *format, ...) PRINTF_LIKE(2, 3);
bool tap_text(const char *got, const char *wanted, const char *name); /* NULL equals NULL */
bool tap_long(long got, long wanted, const char *name);
/* Every |got - wanted| <= absolute + relative x |wanted|; names the worst place otherwise. */
bool tap_close(const float *got, const float *wanted, long count, double absolute, double relative,
               const char *name);
void note(const char *format, ...) PRINTF_LIKE(1, 2); /* "# ..." */
/* || got - wanted ||_max / max(||wanted||_max, floor): the largest difference, relative. */
double worst_difference(const float *got, const float *wanted, long count);
int done(void); /* prints the plan; 0 if all were good: return it from main */

#endif
