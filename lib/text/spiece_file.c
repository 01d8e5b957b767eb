/* SPDX-License-Identifier: MIT
 * spiece_file.c - T5's pieces from a spiece.model: a message in protocol buffers' wire format
 *
 * A message is a row of fields: a varint (number << 3 | wire type), then a varint (type 0), eight
 * bytes (1), a varint and that many bytes (2), or four bytes (5).  Of these are wanted
 *
 *     1 pieces      1 string, 2 score (float), 3 type
 *     2 trainer     3 model type, 24 space behind words, 35 unknown characters as bytes
 *     3 normalizer  2 table of replacements, 3 space in front, 4 spaces collapse, 5 spaces marked
 *
 * Source: google/sentencepiece src/sentencepiece_model.proto.
 */
#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/vocabulary.h"

struct field {
    uint64_t number, value; /* value: of a varint, or the four or eight bytes */
    const unsigned char *bytes;
    size_t size; /* type 2: of `bytes`, otherwise 0 */
};

struct message {
    const unsigned char *at, *end;
    bool bad;
};

static uint64_t varint(struct message *m)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        unsigned char c = *m->at++;

        value |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return value;
    }
    m->bad = true;
    return 0;
}

static void fixed(struct message *m, struct field *f, size_t size)
{
    if ((size_t)(m->end - m->at) < size) {
        m->bad = true;
        return;
    }
    for (size_t i = 0; i < size; i++)
        f->value |= (uint64_t)m->at[i] << 8 * i;
    m->at += size;
}

/* The next field; false at the end, and where the message is damaged. */
static bool next_field(struct message *m, struct field *f)
{
    uint64_t tag;

    *f = (struct field){ 0 };
    if (m->bad || m->at == m->end)
        return false;
    tag = varint(m);
    f->number = tag >> 3;
    if ((tag & 7) == 0) {
        f->value = varint(m);
    } else if ((tag & 7) == 1 || (tag & 7) == 5) {
        fixed(m, f, (tag & 7) == 1 ? 8 : 4);
    } else if ((tag & 7) == 2) {
        f->value = varint(m);
        f->bytes = m->at;
        m->bad = m->bad || f->value > (size_t)(m->end - m->at);
        f->size = m->bad ? 0 : (size_t)f->value;
        m->at += f->size;
    } else {
        m->bad = true;
    }
    return !m->bad;
}

static struct message inside(const struct field *f)
{
    return (struct message){ .at = f->bytes, .end = f->bytes ? f->bytes + f->size : NULL };
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

static int add_piece(struct tokenizer *t, const struct field *piece, int id, double *least)
{
    struct message m = inside(piece);
    struct field f, text = { 0 };
    uint64_t type = NORMAL;
    float score = 0;

    while (next_field(&m, &f)) {
        uint32_t bits = (uint32_t)f.value;

        if (f.number == 1)
            text = f;
        else if (f.number == 2)
            memcpy(&score, &bits, sizeof score);
        else if (f.number == 3)
            type = f.value;
    }
    if (m.bad || !text.size || text.size > INT_MAX / 2 || !isfinite(score))
        return fail("piece %d is damaged", id);
    if (type == USER_DEFINED || type >= BYTE)
        return fail("piece %d is of a kind that T5 does not have", id);
    if (!vocabulary_set(&t->vocabulary, id, (const char *)text.bytes, text.size))
        return fail("piece %d comes twice", id);
    t->unigram->scores[id] = type == NORMAL ? score : -INFINITY;
    if (type == NORMAL && score < *least)
        *least = score;
    if (type == UNKNOWN)
        t->unknown = id;
    if (type == UNKNOWN || type == CONTROL)
        tokenizer_add_special(t, vocabulary_text(&t->vocabulary, id, &(int){ 0 }), id, false);
    return 0;
}

static int read_trainer(const struct field *spec)
{
    struct message m = inside(spec);
    struct field f;

    while (next_field(&m, &f))
        if ((f.number == 3 && f.value != 1) || (f.number == 24 && f.value) ||
            (f.number == 35 && f.value))
            return fail("not a unigram model as T5 has it");
    return m.bad ? fail("damaged") : 0;
}

static int read_normalizer(struct unigram *u, const struct field *spec)
{
    struct message m = inside(spec);
    struct field f;

    while (next_field(&m, &f)) {
        if (f.number == 2 && f.size &&
            (u->map.count ? fail("two tables of replacements")
                          : charsmap_read(&u->map, f.bytes, f.size)) < 0)
            return -1;
        if (f.number == 3)
            u->spacing.dummy_prefix = f.value;
        if (f.number == 4)
            u->spacing.remove_extra = f.value;
        if (f.number == 5 && !f.value)
            return fail("spaces are not marked");
    }
    return m.bad ? fail("damaged") : 0;
}

static int count_pieces(struct message m)
{
    struct field f;
    int count = 0;

    while (next_field(&m, &f))
        count += f.number == 1;
    return m.bad || !count ? fail("neither a tokenizer.json nor a spiece.model") : count;
}

int read_spiece(struct tokenizer *t, const struct buffer *b)
{
    struct message m = { .at = (const void *)b->data, .end = (const void *)(b->data + b->size) };
    struct unigram *u = t->unigram;
    double least = INFINITY;
    struct field f;
    int id = 0;

    u->pieces = count_pieces(m);
    if (u->pieces < 0)
        return -1;
    vocabulary_init(&t->vocabulary, u->pieces);
    u->scores = xalloc((size_t)u->pieces, sizeof *u->scores);
    u->sentencepiece = true;
    u->spacing = (struct spacing){ true, true };
    t->unknown = -1;
    while (next_field(&m, &f))
        if ((f.number == 1 && add_piece(t, &f, id++, &least) < 0) ||
            (f.number == 2 && read_trainer(&f) < 0) ||
            (f.number == 3 && read_normalizer(u, &f) < 0))
            return -1;
    u->unknown_score = (float)((float)least - 10.0f);
    return t->unknown < 0 ? fail("no piece stands for what is unknown") : 0;
}
