/* SPDX-License-Identifier: MIT
 * vocabulary.h - what the tokenizers share among themselves; only for lib/text
 */
#ifndef TEXT_VOCABULARY_H
#define TEXT_VOCABULARY_H

#include "base/buffer.h"
#include "text/text.h"

/* unicode.c - code points and their properties, from utf8proc (Unicode 15.0 in 2.8) */
struct codes {
    uint32_t *at;
    size_t count, capacity;
};
void codes_reserve(struct codes *c, size_t more);
void codes_add(struct codes *c, uint32_t code);
void codes_add_all(struct codes *c, const uint32_t *at, size_t count);
void codes_from_utf8(struct codes *c, const char *text, size_t size); /* bad bytes: U+FFFD */
void codes_to_utf8(struct buffer *b, const uint32_t *at, size_t count);
void codes_swap(struct codes *a, struct codes *b);
bool codes_equal(const struct codes *a, const struct codes *b);
void codes_free(struct codes *c);

enum { CODE_LETTER = 'L', CODE_MARK = 'M', CODE_NUMBER = 'N', CODE_PUNCTUATION = 'P' };
enum { CODE_SYMBOL = 'S', CODE_SEPARATOR = 'Z', CODE_OTHER = 'C' };
int code_class(uint32_t code);          /* first letter of its general category */
bool code_is_space(uint32_t code);      /* White_Space: what `\s` matches */
bool code_is_decimal(uint32_t code);    /* Nd */
bool code_is_nonspacing(uint32_t code); /* Mn */
uint32_t code_lower(uint32_t code);     /* simple mapping */
uint32_t code_upper(uint32_t code);     /* simple mapping */
/* Lower case from `from` on; U+0130 becomes two.  `final_sigma`: a capital sigma that ends a word
 * becomes U+03C2, as Python has it. */
void codes_lower(struct codes *c, bool final_sigma);
void codes_nfc(struct codes *c, size_t from); /* composes c->at[from ..] */
void codes_nfd(struct codes *c, size_t from);
/* Adds the compatibility decomposition of one code point. */
void codes_add_nfkd(struct codes *c, uint32_t code);
/* Where the grapheme cluster that begins at text[from] ends. */
size_t cluster_end(const uint32_t *text, size_t count, size_t from);

/* entity_table.c - generated */
struct entity {
    char name[32];     /* without its semicolon */
    bool legacy;       /* the semicolon may be missing */
    uint32_t codes[2]; /* the second may be 0 */
};
extern const struct entity entities[];
extern const int entity_count;

/* entities.c - HTML entities, named and numeric */
uint32_t windows_1252(uint32_t code); /* the meaning of 0x80 .. 0x9f; others stay */
/* Adds what Python's html.unescape makes of text. */
void html_unescape(struct codes *out, const uint32_t *text, size_t count);
/* Adds what ftfy's unescape_html makes of it: only with semicolon, also names in capitals. */
void html_unescape_strict(struct codes *out, const uint32_t *text, size_t count);

/* mojibake_table.c - generated; codes ascend */
enum { MOJIBAKE_ENCODINGS = 10 };
extern const struct mojibake_kind {
    uint32_t code, kinds; /* kinds: bits, see mojibake.c */
} mojibake_kinds[];
extern const int mojibake_kind_count;
extern const struct mojibake_encoding {
    bool gaps;          /* some bytes mean nothing: they are Latin-1's, and U+FFFD is 0x1a */
    uint16_t high[128]; /* the characters of 0x80 .. 0xff */
} mojibake_encodings[MOJIBAKE_ENCODINGS];

/* mojibake.c - text that was decoded in a wrong encoding, where ftfy finds it */
void fix_encoding(struct codes *text);

/* clean.c */
void clean_text(struct codes *text, enum text_clean clean);
bool clean_is_siglip(enum text_clean clean); /* CLEAN_CANONICAL, CLEAN_CANONICAL_HF, CLEAN_LOWER */
bool clean_is_open(enum text_clean clean);   /* one of the last three: done before the kind's own */

/* vocabulary.c - strings and their ids */
struct vocabulary {
    struct buffer text;
    struct vocabulary_entry {
        size_t at;
        int size; /* -1: this id has no string */
    } * entries;
    int count;   /* ids are below it */
    int longest; /* bytes of the longest string */
    int *slots;  /* open addressing; id + 1, 0: free */
    size_t mask;
};
/* Room for ids below `count`. */
void vocabulary_init(struct vocabulary *v, int count);
void vocabulary_grow(struct vocabulary *v, int count); /* room for more ids; strings stay */
/* False: the id or the string is taken. */
bool vocabulary_set(struct vocabulary *v, int id, const char *text, size_t size);
int vocabulary_find(const struct vocabulary *v, const char *text, size_t size); /* -1: not there */
const char *vocabulary_text(const struct vocabulary *v, int id, int *size);     /* NULL: none */
void vocabulary_free(struct vocabulary *v);

/* bpe.c - byte pair encoding: the table of merges and its use on one piece */
struct bpe {
    int single[256]; /* byte to id */
    int last[256];   /* the same at the end of a piece */
    struct bpe_merge {
        uint64_t pair; /* left id << 32 | right id; UINT64_MAX: free */
        int rank, id;
    } * merges; /* open addressing */
    size_t mask;
};
void bpe_init(struct bpe *b, size_t merges);
/* The first of equal pairs counts. */
void bpe_add(struct bpe *b, int left, int right, int rank, int id);
void bpe_free(struct bpe *b);
/* Scratch memory of one encoding. */
struct bpe_work {
    struct bpe_symbol *symbols;
    struct bpe_candidate *heap;
    size_t capacity;
};
struct id_list {
    int *ids;
    size_t count, capacity;
};
void id_add(struct id_list *l, int id);
void bpe_encode(const struct bpe *b, struct bpe_work *w, const char *piece, size_t size,
                struct id_list *out);
/* The same for symbols that are ids already. */
void bpe_join(const struct bpe *b, struct bpe_work *w, const int *ids, size_t count,
              struct id_list *out);
void bpe_work_free(struct bpe_work *w);
uint32_t bpe_letter(int byte); /* the code point that stands for a byte in vocabulary files */
int bpe_byte(uint32_t letter); /* and back; -1: none */

/* bpe_file.c - merges from files; into t->bpe, by t->vocabulary.  -1 after fail() */
struct tokenizer;
struct cJSON;
int split_merge(const char *line, size_t size, size_t *left_size); /* of "left right" */
int add_merge_line(struct tokenizer *t, int rank, const char *line, size_t size);
int read_merges(struct tokenizer *t, const char *path);               /* merges.txt */
int read_merge_list(struct tokenizer *t, const struct cJSON *merges); /* of a tokenizer.json */
int find_bytes(struct tokenizer *t, const char *last); /* `last` is behind a byte at the end */
/* vocab.json, parsed, and the merges.txt beside it */
int read_vocab_and_merges(struct tokenizer *t, const struct cJSON *vocab, const char *path);
/* The content of `path`: a tokenizer.json, read by `whole`, or a vocab.json. */
int read_bpe_json(struct tokenizer *t, const struct buffer *content, const char *path,
                  int (*whole)(struct tokenizer *t, const struct cJSON *root));

/* tokenizer.c - the frame, and a table of functions for what is between */
struct tokenizer_kind {
    /* Adds the ids of a text without frame; may stop once more than `enough` were added. */
    void (*encode)(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out);
    /* Adds the text of ids, special ones left out. */
    void (*decode)(const struct tokenizer *t, const int *ids, int count, struct buffer *out);
};
struct special_token {
    char *text;
    int id;
    bool normalized;              /* looked for after the text was cleaned, not before */
    bool strip_left, strip_right; /* takes white space beside it along */
};
struct tokenizer {
    const struct tokenizer_kind *kind;
    struct vocabulary vocabulary;
    struct bpe bpe; /* merges is NULL in other kinds */
    enum text_clean clean;
    bool apart;              /* BERT, decoded: apostrophes keep the spaces around them */
    bool splits_frame;       /* Hugging Face: the pattern knows the special tokens too */
    bool ends_once;          /* SigLIP: a text that ends with the end token gets no second one */
    int begin, end;          /* -1: none */
    int unknown;             /* WordPiece, unigram: what stands for a word that cannot be made */
    struct unigram *unigram; /* NULL in other kinds */
    struct special_token *specials;
    int special_count;
};
/* clip.c, wordpiece.c, gpt2.c, unigram.c, gemma.c */
extern const struct tokenizer_kind clip_kind, wordpiece_kind, gpt2_kind, unigram_kind, gemma_kind;
/* It stays until the next is added. */
struct special_token *tokenizer_add_special(struct tokenizer *t, const char *text, int id,
                                            bool normalized);
void tokenizer_drop_specials(struct tokenizer *t);
const struct special_token *tokenizer_special(const struct tokenizer *t, int id); /* or NULL */
/* The first special token in a text, the longest of those that begin there: where it begins, its
 * length and id.  False: there is none. */
struct special_place {
    size_t at, size;
    int id;
};
bool find_special(const struct tokenizer *t, const uint32_t *text, size_t count, bool normalized,
                  struct special_place *found);
/* A tokenizer of the first file in `names`, by `read`: 0, or -1 after fail(). */
struct tokenizer *tokenizer_open(const char *path, const char *const *names,
                                 const struct tokenizer_kind *kind, enum text_clean clean,
                                 int (*read)(struct tokenizer *t, const char *file));
/* Adds the ids of the special tokens in a text; what is between them goes to `rest` piece by piece,
 * empty pieces too.  May stop once there are more than `enough` ids. */
struct cutting {
    const struct tokenizer *tokenizer;
    bool normalized;
    struct id_list *out;
    size_t enough;
    void (*rest)(void *self, const uint32_t *text, size_t count);
    void *self;
};
void cut_specials(const struct cutting *c, const uint32_t *text, size_t count);
/* Hugging Face's clean_up_tokenization: spaces before punctuation and short forms go. */
void join_punctuation(struct buffer *text);
void join_stops(
    struct buffer *text); /* before . ? ! and , alone, as the WordPiece decoder has it */
/* The number of code points that spell `letters`; 0: the text does not begin with them. */
size_t codes_begin_with(const uint32_t *at, size_t count, const char *letters);

/* charsmap.c - sentencepiece's table of replacements: a trie over bytes, and the strings */
struct charsmap {
    uint32_t *units;
    size_t count;
    struct buffer strings; /* each ends in a NUL */
};
int charsmap_read(struct charsmap *m, const void *bytes, size_t size); /* -1 after fail() */
void charsmap_free(struct charsmap *m);
/* sentencepiece: the longest rule at each place; spaces at the ends go, in a row become one.  A
 * space becomes U+2581, and one is put in front unless the text is empty. */
struct spacing {
    bool dummy_prefix, remove_extra;
};
void charsmap_prefixes(const struct charsmap *m, const struct spacing *s, struct buffer *out,
                       const char *text, size_t size);
/* Hugging Face: the shortest rule at the begin of each grapheme cluster of under six bytes stands
 * for it all, else that of each of its characters. */
void charsmap_clusters(const struct charsmap *m, struct codes *out, const uint32_t *text,
                       size_t count);

/* unigram.c - pieces with scores; the best row of pieces is the text's */
enum prepend { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };
struct unigram {
    double *scores; /* [pieces]; those that cannot be used have -INFINITY */
    int pieces;
    double unknown_score; /* of one character */
    struct charsmap map;
    bool merges;        /* NLLB: pieces come of t->bpe, not of scores */
    bool sentencepiece; /* as the library of that name; otherwise as Hugging Face's tokenizers: */
    struct spacing spacing;
    /* what is done to a text, in order, and how it is cut into words */
    enum unigram_step { STEP_MAP = 1, STEP_STRIP_LEFT, STEP_STRIP_RIGHT, STEP_COLLAPSE } steps[8];
    uint32_t collapsed; /* what two or more spaces become */
    bool split_space;   /* words are cut at white space, which is dropped */
    bool split_mark;    /* and before every U+2581 */
    enum prepend prepend;
};
void unigram_free(struct unigram *u); /* NULL is nothing */

/* unigram_file.c, spiece_file.c - into t->unigram and t->vocabulary; -1 after fail() */
int read_unigram_json(struct tokenizer *t, const struct buffer *b, bool merges); /* NLLB's */
int read_spiece(struct tokenizer *t, const struct buffer *b);

/* vocabulary_file.c - files that hold vocabularies */
/* The file of a model's folder that exists first in `names` (NULL at the end), or `path` itself if
 * it is no folder.  To free; NULL after fail(). */
char *vocabulary_path(const char *path, const char *const *names);
int read_unzipped(struct buffer *b, const char *path); /* gunzips where needed */
/* A line of a text without its end; false behind the last. */
bool next_line(const char **at, const char *end, const char **line, size_t *size);
size_t count_lines(const struct buffer *b); /* one behind the last newline counts, if empty too */
int add_tokens(struct tokenizer *t, const struct cJSON *list); /* whose ids have room */
/* The largest id of a list of added tokens, or a map; -1 in an empty one, -2 after fail(). */
int largest_id(const struct cJSON *list, bool tokens, int *entries);
/* The vocabulary from a tokenizer.json or vocab.json: {"string": id, ...}, and from a list of added
 * tokens (may be NULL), which become special. */
int read_ids(struct tokenizer *t, const struct cJSON *object, const struct cJSON *added);

#endif
