/* SPDX-License-Identifier: MIT
 * tap.c - tests in C that print TAP
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/unit/tap.h"

static int count, failures;

bool ok(bool good, const char *format, ...)
{
    va_list list;

    printf("%sok %d - ", good ? "" : "not ", ++count);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
    fflush(stdout);
    failures += !good;
    return good;
}

void note(const char *format, ...)
{
    va_list list;

    fputs("# ", stdout);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

bool is_text(const char *got, const char *wanted, const char *name)
{
    bool good = got && wanted ? !strcmp(got, wanted) : got == wanted;

    ok(good, "%s", name);
    if (!good) {
        note("     got: %s", got ? got : "NULL");
        note("expected: %s", wanted ? wanted : "NULL");
    }
    return good;
}

bool is_long(long got, long wanted, const char *name)
{
    if (ok(got == wanted, "%s", name))
        return true;
    note("got %ld, expected %ld", got, wanted);
    return false;
}

bool is_close(const float *got, const float *wanted, long n, double absolute, double relative,
              const char *name)
{
    double worst = -1;
    long where = 0;

    for (long i = 0; i < n; i++) {
        double over = fabs((double)got[i] - wanted[i]) - absolute - relative * fabs(wanted[i]);

        if (!(over <= worst)) { /* NaN is worst of all */
            worst = over;
            where = i;
        }
    }
    if (ok(n > 0 && worst <= 0, "%s", name))
        return true;
    note("%ld values; at %ld got %.9g, expected %.9g", n, where, (double)got[where],
         (double)wanted[where]);
    return false;
}

double worst_difference(const float *got, const float *wanted, long n)
{
    double worst = 0, size = 0;

    for (long i = 0; i < n; i++) {
        double d = fabs((double)got[i] - wanted[i]);

        if (!(d <= worst))
            worst = d;
        if (fabs((double)wanted[i]) > size)
            size = fabs((double)wanted[i]);
    }
    return size > 0 ? worst / size : worst;
}

int done(void)
{
    printf("1..%d\n", count);
    return failures != 0;
}
