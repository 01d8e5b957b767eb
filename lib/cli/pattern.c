/* SPDX-License-Identifier: MIT
 * pattern.c - regular expressions whose work is bounded by the text's length
 *
 * With PCRE2, letters are Unicode's, a point matches a newline, and a dollar sign the very end, as
 * in POSIX.  `y.*z` in a text of y alone would take the square of its length, and PCRE2's own limit
 * of steps is for each place where a match may begin.  So PCRE2 calls back before each item of the
 * pattern, and the calls are counted over the whole text.  What a pattern does without a call, a
 * repetition that never gives back or a group that is matched as one, is left to short texts.
 *
 * Without PCRE2 (the minimal build) the system's regexec() sees bytes, in short texts too.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/pattern.h"

static int too_long(size_t size, size_t longest)
{
    return fail_as("too_complex", "this pattern looks at %zu bytes of a text at most, not at %zu",
                   longest, size);
}

#ifdef HAVE_LIBPCRE2_8
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    STEPS = 100,   /* a byte of the text and of */
    MORE = 1000,   /* as many more */
    SHORT = 10000, /* bytes of a text whose square may be taken */
    MOST_KIB = 64 << 10
};

struct pattern {
    pcre2_code *code;
    bool uncounted;
};
struct steps {
    size_t taken, most;
};

/* Repetitions that never give back, and groups other than (?: and (?i) and the like. */
static bool has_uncounted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' && text[1])
            text++;
        else if (strchr("+*?}", *text) && text[1] == '+')
            return true;
        else if (*text == '(' && (text[1] == '*' || (text[1] == '?' && !strchr(":imsx-", text[2]))))
            return true;
    }
    return false;
}

struct pattern *pattern_compile(const char *text)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                       PCRE2_MATCH_INVALID_UTF | PCRE2_AUTO_CALLOUT | PCRE2_NO_AUTO_POSSESS |
                       PCRE2_NEVER_BACKSLASH_C;
    struct pattern *p = xalloc(1, sizeof *p);
    unsigned char reason[200];
    PCRE2_SIZE at;
    int error;

    p->code = pcre2_compile((PCRE2_SPTR)text, strlen(text), options, &error, &at, NULL);
    p->uncounted = has_uncounted(text);
    if (p->code)
        return p;
    pcre2_get_error_message(error, reason, sizeof reason);
    fail("%s", (const char *)reason);
    free(p);
    return NULL;
}

static int count_step(pcre2_callout_block *block, void *steps)
{
    struct steps *s = steps;

    (void)block;
    return ++s->taken > s->most ? PCRE2_ERROR_CALLOUT : 0;
}

int pattern_matches(const struct pattern *p, const char *text)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    size_t size = strlen(text);
    struct steps steps = { 0, STEPS * (size + MORE) };
    int result = PCRE2_ERROR_NOMEMORY;

    if (limits && data && !(p->uncounted && size > SHORT)) {
        pcre2_set_callout(limits, count_step, &steps);
        pcre2_set_heap_limit(limits, MOST_KIB);
        result = pcre2_match(p->code, (PCRE2_SPTR)text, size, 0, 0, data, limits);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    if (p->uncounted && size > SHORT)
        return too_long(size, SHORT);
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH)
        return result >= 0;
    return fail_as("too_complex", "a pattern gave up on a text of %zu bytes", size);
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p);
}

#else
#include <regex.h>

enum { LONGEST = 64 << 10 }; /* bytes of a text */

struct pattern {
    regex_t code;
};

struct pattern *pattern_compile(const char *text)
{
    struct pattern *p = xalloc(1, sizeof *p);
    int error = regcomp(&p->code, text, REG_EXTENDED | REG_NOSUB);
    char reason[200];

    if (!error)
        return p;
    regerror(error, &p->code, reason, sizeof reason);
    fail("%s", reason);
    free(p);
    return NULL;
}

int pattern_matches(const struct pattern *p, const char *text)
{
    size_t size = strlen(text);

    if (size > LONGEST)
        return too_long(size, LONGEST);
    return regexec(&p->code, text, 0, NULL, 0) == 0;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    regfree(&p->code);
    free(p);
}
#endif
