/* SPDX-License-Identifier: MIT
 * csv.c - the formats csv and tsv: tables with a header, a row of which is a record
 *
 * A comma-separated cell may stand between quotes (RFC 4180), and then hold commas, newlines and,
 * doubled, quotes.  In a tab-separated table that is so too, but for newlines: texts of the web
 * begin with a quote and have no second one.  The columns' names are the fields'.
 *
 *     image,text,similarity
 *     a.jpg,"a dog, asleep",0.31        {"image":"a.jpg","text":"a dog, asleep","similarity":0.31}
 *
 * A cell that is spelt as a number in JSON stays one, but not in a column of images or texts; an
 * empty cell is null.  A column without a name, as pandas and R write their row numbers, is called
 * as pandas calls it: "Unnamed: 0".
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "stream/format.h"

enum { COLUMNS = 1000 };

/* Where a look at a row is: before a cell, in one, between its quotes, behind a quote in them. */
enum place { CELL_BEGINS, IN_CELL, IN_QUOTES, BEHIND_QUOTE };

struct table {
    char **names;
    bool *spelt; /* columns whose cells are always texts */
    int columns;
    size_t scanned; /* unread bytes that were looked at, and the place behind them */
    enum place place;
};

/* The end of a cell from `at` on: where a separator or the row's end is.  A cell between quotes is
 * unescaped into b. */
static const char *take_cell(struct buffer *b, const char *at, const char *end, char separator)
{
    const char *from = at;

    buffer_clear(b);
    if (at < end && *at == '"') {
        for (at++; at < end; at++) {
            if (*at == '"' && (at + 1 == end || at[1] != '"'))
                break;
            buffer_byte(b, *at);
            at += *at == '"';
        }
        if (at < end && (at + 1 == end || at[1] == separator))
            return at + 1;
        buffer_clear(b); /* quotes inside of a text */
        at = from;
    }
    while (at < end && *at != separator)
        at++;
    buffer_add(b, from, (size_t)(at - from));
    return at;
}

/* A table without a column that anything here reads is taken for a list of names instead. */
static int count_known(char *const *names, int columns)
{
    int known = 0;

    for (int i = 0; i < columns; i++)
        known += field_is_known(names[i]);
    return known;
}

static void free_names(char **names, int columns)
{
    for (int i = 0; i < columns; i++)
        free(names[i]);
    free(names);
}

/* The names in a header; 0: it is none, such as one of several lines that a carriage return alone
 * ends.  *why: what is wrong with it, or NULL. */
static int read_header(struct span line, char separator, char ***names, const char **why)
{
    const char *at = line.data, *end = at + line.size;
    struct buffer cell = { 0 };
    const char *bad = NULL;
    int count = 0;

    *names = NULL;
    *why = NULL;
    if (line.size >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
        at += 3; /* a byte order mark, as Excel writes it */
    for (;; at++) {
        at = take_cell(&cell, at, end, separator);
        if (!cell.size)
            buffer_printf(&cell, "Unnamed: %d", count);
        if (memchr(cell.data, 0, cell.size) || memchr(cell.data, '\r', cell.size))
            bad = "its first row is not one line of names";
        else if (count == COLUMNS)
            *why = "it has more columns than a thousand";
        if (bad || count == COLUMNS)
            break;
        for (int i = 0; i < count && !*why; i++)
            if (!strcmp((*names)[i], cell.data))
                *why = "two columns have the same name";
        *names = xresize(*names, (size_t)count + 1, sizeof **names);
        (*names)[count++] = xmemdup(cell.data, cell.size);
        if (at == end)
            break;
    }
    buffer_free(&cell);
    if (!bad)
        return count;
    *why = bad;
    free_names(*names, count);
    *names = NULL;
    return 0;
}

/* A quote that begins a cell opens it; one in the middle of a cell, as in 5", is a letter. */
static enum place place_behind(enum place place, char c, char separator)
{
    if (place == IN_QUOTES)
        return c == '"' ? BEHIND_QUOTE : IN_QUOTES;
    if (c == separator)
        return CELL_BEGINS;
    if (c == '"' && place != IN_CELL)
        return IN_QUOTES;
    return place == BEHIND_QUOTE && c == '\r' ? BEHIND_QUOTE : IN_CELL;
}

/* Where the row ends, behind it; NULL: not here yet. */
static const char *row_end(struct stream_source *s, struct table *t, char separator)
{
    const char *data = source_data(s);

    for (; t->scanned < s->size; t->scanned++) {
        if (data[t->scanned] == '\n' && t->place != IN_QUOTES)
            return data + t->scanned + 1;
        if (separator == ',')
            t->place = place_behind(t->place, data[t->scanned], separator);
    }
    return s->end && s->size ? data + s->size : NULL;
}

/* An empty cell is null, a number stays the number that it is; a column of texts keeps even numbers
 * as texts.  Returns whether it is a text that is not UTF-8. */
static bool add_cell(struct buffer *b, const struct table *t, int column, const struct buffer *cell)
{
    const char *text = cell->data;

    if (!cell->size)
        buffer_string(b, "null");
    else if (!t->spelt[column] && json_number_end(text, text + cell->size) == text + cell->size)
        buffer_add(b, text, cell->size);
    else
        return json_add_path(b, text, cell->size);
    return false;
}

/* A row with too many or too few cells is a record with an error: the rows behind it are read. */
static struct record *row_record(struct stream_source *s, const struct table *t, struct span row,
                                 char separator)
{
    const char *at = row.data, *end = at + row.size;
    struct buffer b = { 0 }, cell = { 0 };
    struct record *r;
    bool bytes = false;
    int column = 0;
    char why[100];

    for (;; at++, column++) {
        at = take_cell(&cell, at, end, separator);
        if (column < t->columns) {
            buffer_byte(&b, column ? ',' : '{');
            json_escape(&b, t->names[column], strlen(t->names[column]));
            buffer_byte(&b, ':');
            bytes |= add_cell(&b, t, column, &cell);
        }
        if (at == end)
            break;
    }
    buffer_byte(&b, '}');
    snprintf(why, sizeof why, "a row of %d cells under a header of %d", column + 1, t->columns);
    r = column + 1 == t->columns ? record_new(b.data, b.size)
                                 : record_of_trouble("invalid", why, s->line, row.data, row.size);
    r->had_bytes |= bytes;
    buffer_free(&b);
    buffer_free(&cell);
    return r;
}

/* In columns such as text and caption a cell "42" is a text. */
static void set_header(struct table *t, struct span row, char separator, const char **why)
{
    t->columns = read_header(row, separator, &t->names, why);
    t->spelt = xalloc((size_t)t->columns + 1, sizeof *t->spelt);
    for (int i = 0; i < t->columns; i++)
        t->spelt[i] = field_is_text(t->names[i]);
}

/* -1 after fail(): the row that was read is no header. */
static int header_fails(const struct stream_source *s, const struct table *t, char separator,
                        const char *why)
{
    if (!why && t->columns == 1 && strpbrk(t->names[0], ",;|\t"))
        why = separator == ',' ? "commas do not part its columns" : "tabs do not part its columns";
    return why ? fail_as("unknown_format", "%s: no table: %s", s->name, why) : 0;
}

/* A line end between quotes belongs to its cell, so a row ends where the quotes are closed. In a
 * row beyond the limit that cannot be known, and reading ends. */
static struct record *next_row(struct stream_source *s, char separator)
{
    struct table *t = s->state = s->state ? s->state : xalloc(1, sizeof *t);
    const char *wrong = NULL; /* with the header */

    for (;;) {
        const char *end = row_end(s, t, separator);
        struct span row = { source_data(s), 0 };
        struct record *r = NULL;

        if (!end && s->size <= s->limit) {
            if (source_fill(s) <= 0 && (s->failed || !s->size))
                return NULL;
            continue;
        }
        row.size = end ? (size_t)(end - row.data) : s->size;
        t->scanned = 0;
        t->place = CELL_BEGINS;
        s->line++;
        source_take(s, row.size);  /* its bytes stay where they are until the next read */
        if (row.size > s->limit) { /* where the next row begins cannot be known */
            s->failed = 1;
            fail_as("too_large", "%s: row %ld is longer than the limit of %zu bytes", s->name,
                    s->line, s->limit);
            return record_of_trouble("too_large", "longer than the limit", s->line, NULL, 0);
        }
        row.size -= row.size && row.data[row.size - 1] == '\n';
        row.size -= row.size && row.data[row.size - 1] == '\r';
        if (t->columns && row.size)
            r = row_record(s, t, row, separator);
        else if (!t->columns && row.size)
            set_header(t, row, separator, &wrong);
        if (r)
            return r;
        if (row.size && header_fails(s, t, separator, wrong)) {
            s->failed = 4;
            return NULL;
        }
    }
}

/* Whether the next row would have to be waited for: a batch that is there is then computed first.
 */
static bool row_waits(struct stream_source *s, char separator)
{
    struct table *t = s->state;

    for (;;) {
        if (!t || row_end(s, t, separator) || s->end || s->failed || s->size > s->limit)
            return !t && !source_ready(s);
        if (!source_ready(s))
            return true;
        if (source_fill(s) < 0)
            return false;
    }
}

static void close_table(struct stream_source *s)
{
    struct table *t = s->state;

    if (!t)
        return;
    free_names(t->names, t->columns);
    free(t->spelt);
    free(t);
}

bool head_is_table(const struct stream_source *s, char separator)
{
    char **names;
    const char *why;
    int columns = head_is_text(s, false) ? read_header(head_line(s), separator, &names, &why) : 0;
    bool is_one = columns > 1 && count_known(names, columns);

    if (columns)
        free_names(names, columns);
    return is_one;
}

static enum answer knows(const struct stream_source *s, char separator)
{
    if (head_line(s).size == s->size && !head_is_whole(s))
        return MORE;
    return head_is_table(s, separator) ? YES : NO;
}

static enum answer knows_csv(const struct stream_source *s)
{
    return knows(s, ',');
}

static struct record *next_csv(struct stream_source *s)
{
    return next_row(s, ',');
}

static bool csv_waits(struct stream_source *s)
{
    return row_waits(s, ',');
}

const struct format format_csv = {
    .knows = knows_csv, .next = next_csv, .waits = csv_waits, .close = close_table
};

static enum answer knows_tsv(const struct stream_source *s)
{
    return knows(s, '\t');
}

static struct record *next_tsv(struct stream_source *s)
{
    return next_row(s, '\t');
}

static bool tsv_waits(struct stream_source *s)
{
    return row_waits(s, '\t');
}

const struct format format_tsv = {
    .knows = knows_tsv, .next = next_tsv, .waits = tsv_waits, .close = close_table
};
