/* SPDX-License-Identifier: MIT
 * tap.c - tests in C that print TAP
 */
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "tests/unit/tap.h"

/* There when the sanitizers are, which report a crash better. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static int count, failures;
static const char *file = "the start"; /* of the last check */
static int line;
static pid_t owner; /* children that crash are the test's business */

void tap_place(const char *at_file, int at_line)
{
    file = strncmp(at_file, "./", 2) ? at_file : at_file + 2;
    line = at_line;
}

/* snprintf is no call for a signal handler, but the process is lost anyway. */
static void crashed(int number)
{
    char text[512];
    int size = snprintf(text, sizeof text,
                        "not ok %d - died by signal %d (%s)\n#   after the check at %s:%d\n",
                        count + 1, number, strsignal(number), file, line);

    if (getpid() != owner || write(1, text, (size_t)size) == size)
        signal(number, SIG_DFL);
    raise(number);
}

/* From the program's own folder upwards to the one that has tests/unit/tap.h. */
static void go_to_root(void)
{
    char path[PATH_MAX] = "";

    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return;
    for (char *folder = dirname(path); strlen(folder) > 1; folder = dirname(folder)) {
        char *found = path_join(folder, "tests/unit/tap.h");
        bool there = access(found, R_OK) == 0 && chdir(folder) == 0;

        free(found);
        if (there)
            return;
    }
}

__attribute__((constructor)) static void prepare(void)
{
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

    owner = getpid();
    for (int i = 0; i < COUNT(deadly) && !__sanitizer_set_death_callback; i++)
        signal(deadly[i], crashed);
    go_to_root();
}

/* A name that ends in "# TODO reason" may fail for now, as TAP has it. */
bool tap_ok(bool good, const char *format, ...)
{
    char name[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
    if (!good)
        printf("#   at %s:%d\n", file, line);
    fflush(stdout);
    failures += !good && !strstr(name, "# TODO");
    if (failures && getenv("MUTANT")) /* tests/mutants asks no more */
        exit(1);
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

bool tap_text(const char *got, const char *wanted, const char *name)
{
    bool good = got && wanted ? !strcmp(got, wanted) : got == wanted;

    tap_ok(good, "%s", name);
    if (!good) {
        note("     got: %s", got ? got : "NULL");
        note("expected: %s", wanted ? wanted : "NULL");
    }
    return good;
}

bool tap_long(long got, long wanted, const char *name)
{
    if (tap_ok(got == wanted, "%s", name))
        return true;
    note("got %ld, expected %ld", got, wanted);
    return false;
}

bool tap_close(const float *got, const float *wanted, long n, double absolute, double relative,
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
    if (tap_ok(n > 0 && worst <= 0, "%s", name))
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
