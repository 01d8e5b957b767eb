/* SPDX-License-Identifier: MIT
 * stream.h - records in, records out; the contract is vlm-stream(5)
 *
 * A record is the bytes of one JSON object plus binary members.  Its bytes are kept as they came:
 * a value that is set is spliced in, everything else passes on untouched.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdio.h>
#include "base/buffer.h"

/* json.c - finding values in the bytes of an object without parsing it into a tree */
struct span {
    const char *data;
    size_t size;
};
/* The whole must be one JSON object, strictly (RFC 8259, depth <= 512, valid UTF-8); -1 after
 * fail() with the byte offset. */
int json_check(const char *text, size_t size);
struct json_field { /* offsets into the object's text; the name without its quotes */
    size_t name, name_size, value, value_size;
};
struct json_fields {
    struct json_field *list; /* to free */
    int count, capacity;
    size_t close; /* where the closing brace is */
};
/* json_check that remembers where the members of the top level are. */
int json_index(const char *text, size_t size, struct json_fields *fields);
/* The value of a member at the top level; where a name occurs twice, the last (as Python and jq).
 */
bool json_find(const char *text, size_t size, const char *name, struct span *value);
/* The next item of an array or member of an object; *at starts at 0; the name is raw, without
 * quotes. */
bool json_each(struct span value, size_t *at, struct span *name, struct span *item);
bool json_name_is(struct span raw, const char *name, size_t size); /* compared unescaped */
/* A string, unescaped; to free; NULL: no string.  A lone surrogate becomes U+FFFD, and so does
 * \u0000, which would end the text early.  json_text_sized keeps that one as it is. */
char *json_text(struct span value);
char *json_text_sized(struct span value, size_t *size);
/* The name of a file: a byte that is no UTF-8 is spelt \\udcXX, as Python's surrogateescape does,
 * and becomes that byte; to free; NULL: no string, or one with NUL. */
char *json_path(struct span value);
char *json_bytes_sized(struct span value, size_t *size);             /* the same, also with NUL */
bool json_add_path(struct buffer *b, const char *path, size_t size); /* true: it has such bytes */
bool json_double(struct span value, double *number);
static inline const char *json_space(const char *at, const char *end) /* past white space */
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}
const char *json_number_end(const char *at, const char *end); /* NULL: no number */
int hex_digit(char c);                                        /* -1: it is none */
int json_escape_size(const char *at, const char *end); /* at a backslash; 0: no such escape */
void json_add_floats(struct buffer *b, const float *list, long count);
bool json_floats(struct span value, float **list, long *count); /* array of numbers; to free */

/* record.c, member.c
 *
 * A field is a member of the JSON object or a binary member.  A binary member hides a JSON member
 * of its name: record_find does not see that one, JSONL writes the binary value in its place, and
 * CBOR leaves it out.
 */
enum { RECORD_MEMBERS = 1000, RECORD_TEXTS = 10000 }; /* a record from outside has no more */
struct member {                                       /* a binary member */
    char *name;
    enum { MEMBER_BYTES, MEMBER_F32, MEMBER_F16 } kind;
    int rank;
    long shape[4];
    void *data;
    size_t size;  /* bytes */
    long long at; /* where they lie in the file `source`; -1: not known, or no file */
    char *ending; /* of its name in the tar that it came from; NULL: it came from none */
};
struct record {
    struct buffer json;        /* the object, without a newline; change it by the setters only */
    struct json_fields fields; /* where its members are */
    struct member *members;
    int member_count;
    const char *source; /* file name, "stdin"; owned by the reader */
    long line;          /* 1-based line, item or member number in its source; 0: an operand */
    long long at;       /* where `json` came from in the file `source`; -1: as for members */
    uint64_t index;     /* position in the whole input */
    uint64_t content;   /* hash of what came in */
    bool failed;        /* has an error field that this process set, or came with one */
    bool failed_before; /* came with one: an object; any other "error" is the user's own field */
    bool dropped;       /* leaves the stream (vlm-filter, --on-error=skip) */
    unsigned char text_end; /* of the .txt that it came with: 0 nothing, 1 LF, 2 CR LF */
    bool archived;          /* came from a tar: what it names should be in there */
    bool had_nan;           /* NaN or Infinity came in where null is now */
    bool had_bytes;         /* a text came in that is not UTF-8 */
    bool untouched;         /* the command left it as it came */
    bool raw;               /* the line was no JSON object; json is {"error":..,"raw":..} */
    struct buffer picture;  /* for a shard: what its path or text names, by record_load_picture */
    void *work;             /* the command's own, per record; freed by the command */
};
struct record *record_new(const char *json, size_t size); /* must be an object: {} otherwise */
/* NULL after fail(): no object.  Newlines between values become spaces; NaN and Infinity, which are
 * no JSON but are written by many, become null. */
struct record *record_parse(const char *json, size_t size);
struct record *record_copy(const struct record *r); /* all but its `work` */
void record_free(struct record *r);
struct json_field *record_field(const struct record *r, const char *name); /* or NULL; the last */
bool record_find(const struct record *r, const char *name, struct span *value);
char *record_string(const struct record *r, const char *name); /* to free; NULL: none, no string */
bool record_number(const struct record *r, const char *name, double *value);
struct member *record_member(const struct record *r, const char *name);     /* or NULL */
struct member *member_add(struct record *r, const char *name, size_t size); /* or the one there */
void member_remove(struct record *r, const char *name);
/* For each field the binary member that hides it, or NULL; behind them the members that hide none,
 * and NULL; to free. */
const struct member **record_hiding(const struct record *r);
char *record_field_name(const struct record *r, int i);    /* unescaped; to free */
float *member_floats(const struct member *m, long *count); /* to free; NULL for bytes */
/* A vector that is spelt as JSON, as a member of that name, if it gives the same text again;
 * m->data is to be freed. */
bool member_of_json(struct span value, const char *name, struct member *m);
/* A vector from a binary member or a JSON array; to free; NULL and count 0 if there is none. */
float *record_floats(const struct record *r, const char *name, long *count);
/* Setters replace in place (of several members of that name, the last) or splice in before the
 * closing brace. */
void record_set_json(struct record *r, const char *name, const char *json, size_t size);
void record_set_string(struct record *r, const char *name, const char *text);
/* What came in: a byte that is not UTF-8 is spelt as in a path. */
void record_set_text(struct record *r, const char *name, const char *text, size_t size);
void record_set_number(struct record *r, const char *name, float value); /* shortest form */
void record_set_numbers(struct record *r, const char *name, const float *list, long count);
void record_set_bool(struct record *r, const char *name, bool value);
void record_set_floats(struct record *r, const char *name, const float *list, int rank,
                       const long *shape); /* binary member until written */
void record_set_halves(struct record *r, const char *name, const float *list, int rank,
                       const long *shape); /* stored as float16 */
void record_set_bytes(struct record *r, const char *name, const void *data, size_t size);
void record_remove(struct record *r, const char *name); /* all members of that name */
/* All members of the JSON object whose names, as they are written, are such. */
void record_remove_all(struct record *r, bool (*is_one)(struct span name, const void *what),
                       const void *what);
/* error: {"stage":..,"code":..,"message":..}; sets failed. */
void record_fail(struct record *r, const char *stage, const char *code, const char *message);
void record_fail_last(struct record *r, const char *stage); /* as the thread's last fail() said */
char *record_error_code(const struct record *r); /* to free; "unknown" where it says none */
/* Of the JSON bytes and binary members as they came in, whatever was added since: --shard, --seed.
 * A filter further down the pipe sees more fields and so another hash: --shard belongs to the
 * first. */
uint64_t record_hash(const struct record *r);
void record_seal(struct record *r); /* what it holds now is what came in: for readers */

/* field.c - the fields of vlm-stream(5): the first that exists, or the one that is named
 *
 * null is as good as absent.
 */
struct fields {
    const char *root;         /* the folder of relative paths; NULL: the working directory */
    const char *image, *text; /* names; NULL: the usual ones */
    bool confine;             /* paths may not lead out of `root` */
};
enum { VECTOR_FIELDS = 2 };
extern const char *const vector_fields[VECTOR_FIELDS]; /* image_embedding, text_embedding */
bool field_is_known(const char *name); /* a usual name of an id, an image or a text */
bool field_is_text(const char *name);  /* what it holds is spelt, never a number */
extern const char *const record_image_names[], *const record_text_names[]; /* NULL last */
bool record_image(const struct record *r, const struct fields *f, struct span *value,
                  const char **name);
bool record_text(const struct record *r, const struct fields *f, struct span *value,
                 const char **name);
/* Whether the field's text was written by vlm-caption: caption_source says so, or its name. */
bool record_is_synthetic(const struct record *r, const char *name);
bool record_id(const struct record *r, struct span *value, const char **name);
/* An encoded image that travels in the record; NULL: none. */
const struct member *record_image_member(const struct record *r, const struct fields *f);
bool record_has_image(const struct record *r, const struct fields *f); /* in band or by name */
/* What the image field says, a path or a data: URI; to free; NULL after fail(). */
char *record_image_reference(const struct record *r, const struct fields *f);
int image_reference_check(const char *root, const char *reference); /* short of reading it */
/* The encoded bytes behind such a reference; appends to b; -1 after fail(). */
int image_reference_read(struct buffer *b, const char *root, const char *reference);
/* The same for a record's own reference: what --confine and an archive forbid is an error. */
int record_reference_bytes(const struct record *r, const struct fields *f, const char *reference,
                           struct buffer *b);
/* The encoded bytes of a record's image.  Appends to b; -1 after fail(). */
int record_image_bytes(const struct record *r, const struct fields *f, struct buffer *b);
/* What to call a record's image in a message: its path, or "image"; to free. */
char *record_image_name(const struct record *r, const struct fields *f);
/* record_fail() with error_code() and "NAME: " before error_text(), unless it begins so. */
void record_image_fail(struct record *r, const struct fields *f, const char *stage);
/* The record's texts: one, or a list; to free with texts_free.  A text may hold NUL, where JSON has
 * \u0000, so its size counts. */
struct texts {
    char **list;
    size_t *sizes;
    int count;
    bool is_list;
};
/* 1; 0: has none; -1 after fail() */
int record_texts(const struct record *r, const struct fields *f, struct texts *t);
int record_texts_named(const struct record *r, const char *name, struct texts *t); /* the same */
void texts_plain(struct texts *t); /* NUL becomes U+FFFD: for those who take them for C strings */
void texts_free(struct texts *t);

/* key.c - what a person's decision on a record is filed under: the bytes of its id, or, where it
 * has none, 16 digits of the hash of its JSON without `reason`, which vlm-filter adds to what it
 * drops. To free; *hashed tells which. */
char *record_key(const struct record *r, bool *hashed);

/* reader.c - whatever comes in, as records
 *
 * The format is sniffed from the first bytes of every source: JSONL, CBOR sequence, tar, image,
 * one path a line (names), NUL-separated paths with `null`.  An operand that is none of these, or
 * cannot be opened, is a record with an error.  (A list of names as an operand needs `from`.)  An
 * image that comes through a pipe travels in the record, as a binary member "image".
 */
/* A new format is a row here and a file that defines format_NAME; --from, its help and the list of
 * formats that are asked, in this order, come from the rows. */
#define FORMATS(ROW)                                                                               \
    ROW(JSONL, jsonl)                                                                              \
    ROW(CBOR, cbor)                                                                                \
    ROW(TAR, tar)                                                                                  \
    ROW(CSV, csv)                                                                                  \
    ROW(TSV, tsv)                                                                                  \
    ROW(IMAGE, image)                                                                              \
    ROW(NAMES, names)                                                                              \
    ROW(LIST, list)

enum stream_format {
    FORMAT_ANY,
#define ROW(constant, name) FORMAT_##constant,
    FORMATS(ROW)
#undef ROW
};
#define FORMAT_AND_NAME(constant, name) ", " #name
#define FORMATS_FOR_HELP                "any" FORMATS(FORMAT_AND_NAME) /* for --help */
extern const char *const stream_formats[]; /* by enum stream_format; NULL last */
int format_named(const char *name);        /* its place among them; -1: no such format */
struct reader;
struct reader_options {
    int from;                                        /* enum stream_format */
    bool null;                                       /* names are separated by NUL */
    bool (*is_image)(const void *head, size_t size); /* knows an image by its first bytes */
    bool quiet;                                      /* no warnings */
    const char *pairs; /* a folder of pictures and texts, in place of operands; or NULL */
    size_t max_record; /* bytes; default 1 GiB */
};
struct reader *reader_open(char *const *operands, int count, const struct reader_options *o);
/* The next record; NULL at the end or when the input cannot go on, then reader_failed().
 * `would_wait` (may be NULL) is set if the next read may block: nothing more is buffered. */
struct record *reader_next(struct reader *r, bool *would_wait);
int reader_failed(const struct reader *r); /* 0, or the exit status: 1 I/O, 4 unknown format */
const char *reader_message(const struct reader *r); /* why, for any thread; NULL: not failed */
bool reader_refused_all(const struct reader *r);    /* each has said so, in a record of its own */
/* Of the records so far; *total: of all operands, -1 where that is not known.  Any thread. */
long long reader_bytes(const struct reader *r, long long *total);
void reader_close(struct reader *r); /* no record may be asked its source after this */

/* writer.c - records as bytes: JSONL, or a CBOR sequence */
enum record_form { RECORD_JSON, RECORD_CBOR, RECORD_TAR };
void record_write(struct buffer *out, const struct record *r, enum record_form form); /* no tar */

/* tar_write.c - records as a WebDataset shard */
struct tar_writer;
struct tar_writer *tar_writer_open(const struct fields *fields);
/* Before it is written: reads the picture that is no member.  -1 after fail(): the sample would
 * lack it. */
int record_load_picture(struct record *r, const struct fields *fields);
void tar_write_record(struct tar_writer *w, struct buffer *out, const struct record *r);
void tar_write_end(struct tar_writer *w, struct buffer *out); /* another shard may follow */
void tar_writer_close(struct tar_writer *w);

void member_json(struct buffer *b, const struct member *m); /* appends it as a line has it */

/* cbor.c - libcbor's one door
 *
 * The fields that hold vectors become typed arrays, where these give the same text again. */
void cbor_write_record(struct buffer *out, const struct record *r);
/* One item at text: its record, or NULL after fail(); *used is its length; 0 with "truncated" code
 * when more bytes are needed. */
struct record *cbor_read_record(const void *bytes, size_t size, size_t *used);
/* The length of the item at `bytes`; 0 after fail(): "truncated", "too_large", "invalid" */
size_t cbor_extent(const void *bytes, size_t size, size_t limit);

/* npy.c - one matrix of float32 rows as a .npy file, its row count filled in on close; or pairs of
 * 64 bits, sorted and each once, as DataComp keeps uids: dtype "u8,u8" */
struct npy;
struct npy *npy_create(const char *path, long columns); /* NULL after fail() */
struct npy *npy_create_pairs(const char *path);
int npy_row(struct npy *n, const float *row);
int npy_pair(struct npy *n, uint64_t high, uint64_t low);
const char *npy_temporary(const struct npy *n); /* the name it has until closed; may be NULL */
int npy_close(struct npy *n);

#endif
