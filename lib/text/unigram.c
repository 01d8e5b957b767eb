/* SPDX-License-Identifier: MIT
 * unigram.c - T5's tokenizer: of all rows of pieces that spell a text, the one of the best score
 *
 *     best[end] = max over pieces text[start .. end) of best[start] + score(piece)
 *
 * A character that is no piece by itself may be unknown, at a score below that of every piece;
 * unknown neighbours become one id.  Of equal rows the one found first stays: starts ascend, and
 * the sums are those of the original, 32 bits in sentencepiece (0.2.3; older ones compared before
 * they rounded) and 64 in Hugging Face's tokenizers.
 * Sources: google/sentencepiece src/unigram_model.cc; huggingface/tokenizers models/unigram.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "text/vocabulary.h"

enum { SPACE_MARK = 0x2581 };

void unigram_free(struct unigram *u)
{
    if (!u)
        return;
    charsmap_free(&u->map);
    free(u->scores);
    free(u);
}

struct node { /* the best row of pieces that ends at a byte */
    double score;
    int start, id; /* of its last piece; start -1: none ends here */
};

struct work {
    const struct tokenizer *t;
    struct node *nodes;
    size_t room;
    struct id_list *out;
    size_t enough;        /* stop when there are more ids than that */
    const uint32_t *text; /* where the whole text begins */
    bool first;           /* what is cut into words begins there */
    struct buffer word;
    struct id_list symbols; /* NLLB: what merges begin with */
    struct bpe_work joining;
};

/* The library sums in f32, huggingface/tokenizers in f64: at near ties they cut differently, and
 * each is followed. */
static void offer(const struct work *w, int start, int end, int id, double score)
{
    struct node *n = &w->nodes[end];

    score += w->nodes[start].score;
    if (w->t->unigram->sentencepiece)
        score = (float)score;
    if (n->start < 0 || score > n->score)
        *n = (struct node){ score, start, id };
}

/* All pieces that begin at `start`, shorter ones first. */
static void offer_pieces(const struct work *w, const char *text, int start, int size)
{
    const struct tokenizer *t = w->t;
    const struct unigram *u = t->unigram;
    int most = size - start < t->vocabulary.longest ? size - start : t->vocabulary.longest;
    int single = 1;
    bool known = false;

    while (start + single < size && ((unsigned char)text[start + single] & 0xc0) == 0x80)
        single++;
    for (int length = single; length <= most; length++) {
        int id;

        if (start + length < size && ((unsigned char)text[start + length] & 0xc0) == 0x80)
            continue; /* inside a character */
        id = vocabulary_find(&t->vocabulary, text + start, (size_t)length);
        if (id < 0 || id >= u->pieces || isinf(u->scores[id]))
            continue;
        offer(w, start, start + length, id, u->scores[id]);
        known = known || length == single;
    }
    if (!known)
        offer(w, start, start + single, t->unknown, u->unknown_score);
}

/* Viterbi over bytes: nodes[i] is the best way to byte i. Pieces that no vocabulary has become one
 * unknown id a row, as both libraries fuse them. The ids come out backwards and are turned round.
 */
static void best_pieces(struct work *w, const char *text, size_t bytes)
{
    int size = bytes < INT32_MAX / 4 ? (int)bytes : INT32_MAX / 4, unknown = w->t->unknown;
    size_t first = w->out->count;

    if (bytes + 1 > w->room) {
        w->room = bytes + bytes / 2 + 64;
        w->nodes = xresize(w->nodes, w->room, sizeof *w->nodes);
    }
    for (int i = 0; i <= size; i++)
        w->nodes[i] = (struct node){ 0, -1, 0 };
    for (int i = 0; i < size; i++)
        if (i == 0 || ((unsigned char)text[i] & 0xc0) != 0x80)
            offer_pieces(w, text, i, size);
    for (int end = size; end > 0; end = w->nodes[end].start) {
        int id = w->nodes[end].id;

        if (id != unknown || w->out->count == first || w->out->ids[w->out->count - 1] != unknown)
            id_add(w->out, id);
    }
    for (size_t i = first, last = w->out->count; i + 1 < last; i++) {
        int id = w->out->ids[i];

        w->out->ids[i] = w->out->ids[--last];
        w->out->ids[last] = id;
    }
}

/* NLLB: a symbol for each character, unknown neighbours being one; then merges.
 * Source: huggingface/tokenizers models/bpe with fuse_unk. */
static void merged_pieces(struct work *w, const char *text, size_t bytes)
{
    const struct tokenizer *t = w->t;
    struct id_list *s = &w->symbols;

    s->count = 0;
    for (size_t i = 0, end; i < bytes; i = end) {
        int id;

        for (end = i + 1; end < bytes && ((unsigned char)text[end] & 0xc0) == 0x80;)
            end++;
        id = vocabulary_find(&t->vocabulary, text + i, end - i);
        if (id >= 0 || !s->count || s->ids[s->count - 1] != t->unknown)
            id_add(s, id >= 0 ? id : t->unknown);
    }
    bpe_join(&t->bpe, &w->joining, s->ids, s->count, w->out);
}

/* A word with its spaces marked; cut before every mark, if the settings say so. */
static void encode_word(struct work *w, const uint32_t *at, size_t count)
{
    const struct unigram *u = w->t->unigram;
    size_t mark = 3, end;

    buffer_clear(&w->word);
    if (count && at[0] != ' ' && at[0] != SPACE_MARK &&
        (u->prepend == PREPEND_ALWAYS || (u->prepend == PREPEND_FIRST && w->first)))
        buffer_utf8(&w->word, SPACE_MARK);
    for (size_t i = 0; i < count; i++)
        buffer_utf8(&w->word, at[i] == ' ' ? SPACE_MARK : at[i]);
    for (size_t start = 0; start < w->word.size && w->out->count <= w->enough; start = end) {
        end = u->split_mark ? start + 1 : w->word.size;
        while (end < w->word.size &&
               (end + mark > w->word.size || memcmp(w->word.data + end, "\xe2\x96\x81", mark)))
            end++;
        if (u->merges)
            merged_pieces(w, w->word.data + start, end - start);
        else
            best_pieces(w, w->word.data + start, end - start);
    }
}

/* The part between two special tokens; only what begins the whole text counts as first. */
static void encode_words(void *work, const uint32_t *at, size_t count)
{
    struct work *w = work;
    size_t from = 0;

    if (!w->t->unigram->split_space) {
        encode_word(w, at, count);
        w->first = false;
        return;
    }
    for (size_t i = 0; i <= count && w->out->count <= w->enough; i++) {
        if (i < count && !code_is_space(at[i]))
            continue;
        w->first = w->first && from == 0;
        encode_word(w, at + from, i - from);
        from = i + 1;
    }
    w->first = false;
}

/* Two spaces or more become one character. */
static void collapse(struct codes *c, uint32_t by)
{
    size_t kept = 0;

    for (size_t i = 0, end; i < c->count; i = end) {
        for (end = i + 1; c->at[i] == ' ' && end < c->count && c->at[end] == ' ';)
            end++;
        c->at[kept++] = end - i > 1 ? by : c->at[i];
    }
    c->count = kept;
}

static void strip(struct codes *c, bool left)
{
    size_t n = 0;

    while (!left && c->count && code_is_space(c->at[c->count - 1]))
        c->count--;
    while (left && n < c->count && code_is_space(c->at[n]))
        n++;
    c->count -= n;
    memmove(c->at, c->at + n, c->count * sizeof *c->at);
}

/* The steps in the order in which tokenizer.json has them. */
static void normalize(const struct unigram *u, struct codes *c)
{
    struct codes mapped = { 0 };

    for (int i = 0; i < COUNT(u->steps) && u->steps[i]; i++) {
        switch (u->steps[i]) {
        case STEP_MAP:
            charsmap_clusters(&u->map, &mapped, c->at, c->count);
            codes_free(c);
            *c = mapped;
            mapped = (struct codes){ 0 };
            break;
        case STEP_COLLAPSE:
            collapse(c, u->collapsed);
            break;
        default:
            strip(c, u->steps[i] == STEP_STRIP_LEFT);
        }
    }
}

/* The first cut was at tokens that are looked for in the text as it is, the second is at those of
 * the normalised text. */
static void encode_rest(void *work, const uint32_t *at, size_t count)
{
    struct work *w = work;
    struct cutting cut = { w->t, true, w->out, w->enough, encode_words, w };
    struct codes codes = { 0 };

    if (count == 0 || w->out->count > w->enough)
        return;
    codes_add_all(&codes, at, count);
    normalize(w->t->unigram, &codes);
    w->first = at == w->text;
    cut_specials(&cut, codes.at, codes.count);
    codes_free(&codes);
}

/* The library knows no special tokens in a text. */
static void encode_sentencepiece(struct work *w, const struct codes *codes)
{
    const struct unigram *u = w->t->unigram;
    struct buffer text = { 0 }, normal = { 0 };

    codes_to_utf8(&text, codes->at, codes->count);
    charsmap_prefixes(&u->map, &u->spacing, &normal, text.data, text.size);
    best_pieces(w, normal.data, normal.size);
    buffer_free(&text);
    buffer_free(&normal);
}

/* Hugging Face's SiglipTokenizer: special tokens are cut out first, and each rest is cleaned and
 * spelled behind "<unk>", whose pieces are taken away again.  They count in f32 sums.
 * Source: huggingface/transformers models/siglip/tokenization_siglip.py. */
static void encode_behind(void *work, const uint32_t *at, size_t count)
{
    static const char before[] = "<unk>";
    struct work *w = work;
    struct codes prefix = { 0 }, rest = { 0 };
    size_t first = w->out->count, added;

    if (!count)
        return;
    codes_from_utf8(&prefix, before, strlen(before));
    codes_add_all(&rest, at, count);
    clean_text(&rest, w->t->clean);
    encode_sentencepiece(w, &prefix);
    added = w->out->count - first;
    w->out->count = first;
    codes_add_all(&prefix, rest.at, rest.count);
    encode_sentencepiece(w, &prefix);
    if (w->out->count - first >= added) {
        w->out->count -= added;
        memmove(w->out->ids + first, w->out->ids + first + added,
                (w->out->count - first) * sizeof *w->out->ids);
    }
    codes_free(&prefix);
    codes_free(&rest);
}

static void encode_siglip(struct work *w, const struct codes *codes)
{
    struct cutting cut = { w->t, false, w->out, w->enough, encode_behind, w };
    struct codes marked = { 0 };

    codes_add(&marked, SPACE_MARK);
    for (size_t i = 0; i < codes->count; i++)
        codes_add(&marked, codes->at[i] == SPACE_MARK ? ' ' : codes->at[i]);
    cut_specials(&cut, marked.at, marked.count);
    codes_free(&marked);
}

/* What was cleaned is what special tokens are looked for in. */
static void encode(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out)
{
    struct work w = { .t = t, .out = out, .enough = out->count + enough };
    struct cutting cut = { t, false, out, w.enough, encode_rest, &w };
    bool siglip = t->unigram->sentencepiece && t->clean == CLEAN_CANONICAL_HF;
    struct codes codes = { 0 };

    codes_from_utf8(&codes, text, size);
    if (clean_is_siglip(t->clean) && !siglip)
        clean_text(&codes, t->clean);
    w.text = codes.at;
    if (siglip)
        encode_siglip(&w, &codes);
    else if (t->unigram->sentencepiece)
        encode_sentencepiece(&w, &codes);
    else
        cut_specials(&cut, codes.at, codes.count);
    codes_free(&codes);
    buffer_free(&w.word);
    bpe_work_free(&w.joining);
    free(w.symbols.ids);
    free(w.nodes);
}

/* The first piece loses its marks, the others' are spaces. */
static void decode(const struct tokenizer *t, const int *ids, int count, struct buffer *out)
{
    struct buffer piece = { 0 };
    bool first = true;

    for (int i = 0; i < count; i++) {
        int size;
        const char *text = vocabulary_text(&t->vocabulary, ids[i], &size);

        if (!text || tokenizer_special(t, ids[i]))
            continue;
        buffer_clear(&piece);
        buffer_add(&piece, text, (size_t)size);
        buffer_substitute(&piece, "\xe2\x96\x81", first ? "" : " ");
        buffer_add(out, piece.data, piece.size);
        first = false;
    }
    buffer_free(&piece);
    if (t->clean != CLEAN_HF)
        join_punctuation(out);
}

const struct tokenizer_kind unigram_kind = { encode, decode };
