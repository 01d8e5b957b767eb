/* SPDX-License-Identifier: MIT
 * base.h - what everything stands on: errors, memory, bytes, files, threads, numbers
 *
 * Knows nothing of images, words or models.  One section a source file.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>

#define COUNT(array)           ((int)(sizeof(array) / sizeof *(array)))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* error.c - a failing function leaves one readable sentence and returns
 *
 * The sentence and its code belong to the calling thread.  Codes are short words for machines
 * ("truncated", "unsupported", "too_large", "not_found", "io", "invalid"); see vlm-stream(5).
 */
int fail(const char *format, ...) PRINTF_LIKE(1, 2); /* code "invalid"; always -1 */
int fail_as(const char *code, const char *format, ...) PRINTF_LIKE(2, 3); /* always -1 */
int fail_errno(const char *format, ...) PRINTF_LIKE(1, 2); /* appends ": " and errno's text */
const char *error_text(void);                              /* never NULL */
const char *error_code(void);                              /* never NULL */
void error_clear(void);
extern const char *program_name;                      /* set once by main, "vlm" before */
void warn(const char *format, ...) PRINTF_LIKE(1, 2); /* one line on stderr: "program: ..." */

/* memory.c - memory that is there, or the process says so and exits with 1 */
void *xalloc(size_t count, size_t size); /* zeroed; the product is checked */
void *xresize(void *memory, size_t count, size_t size);
char *xstrdup(const char *text);
char *xmemdup(const void *data, size_t size); /* one NUL behind it */
char *xprintf(const char *format, ...) PRINTF_LIKE(1, 2);
bool size_product(size_t a, size_t b, size_t *product); /* false on overflow */

/* arena.c - memory that is dropped together; grows by chunks, rewinds to a mark */
struct arena {
    struct arena_chunk *last; /* NULL: empty, ready for use */
    size_t peak;              /* most bytes ever in use */
};
struct arena_mark {
    struct arena_chunk *chunk;
    size_t used;
};
void *arena_alloc(struct arena *arena, size_t bytes); /* 64-byte aligned, not zeroed */
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark); /* keeps chunks for reuse */
void arena_free(struct arena *arena);

/* buffer.c - bytes that grow; always one NUL behind the last */
struct buffer {
    char *data;
    size_t size, capacity;
};
void buffer_reserve(struct buffer *b, size_t more);
void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_byte(struct buffer *b, int byte);
void buffer_string(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_replace(struct buffer *b, size_t at, size_t size, const void *data, size_t new_size);
/* Every `what`, from left to right, becomes `by`. */
void buffer_substitute(struct buffer *b, const char *what, const char *by);
void buffer_clear(struct buffer *b); /* empty, memory kept */
void buffer_free(struct buffer *b);
uint32_t utf8_next(const char **text, const char *end); /* bad bytes: U+FFFD, at least one byte */
void buffer_utf8(struct buffer *b, uint32_t code);

/* pages.c - memory on large pages, for what lives long and is read over and over; of any content,
 * aligned to a line of the cache; exits when out of memory */
void *pages_alloc(size_t bytes);
void pages_free(void *memory); /* NULL is nothing */

/* base64.c - appends the bytes that a text spells; spaces and newlines are passed by */
int base64_read(struct buffer *b, const char *text); /* 0, or -1 after fail() */

/* file.c - whole files */
struct file {
    const unsigned char *data; /* mapped read-only; NULL when size is 0 */
    size_t size;
};
int file_map(struct file *f, const char *path); /* 0, or -1 after fail() */
void file_unmap(struct file *f);
/* guard.c - a mapping that loses its file ends the program with a sentence and status 1 */
void guard_add(const void *data, size_t size, const char *path);
void guard_remove(const void *data);
void file_release(const void *data, size_t size);  /* drop the pages' resident copy */
int file_read(struct buffer *b, const char *path); /* appends; regular files and pipes */
/* The `size` bytes at `at` of a regular file: all, or -1 after fail(); appends. */
int file_read_part(struct buffer *b, const char *path, long long at, size_t size);
int file_write_atomic(const char *path, const void *data, size_t size);
char *path_join(const char *folder, const char *name); /* an absolute name stays; to free */
bool path_is_folder(const char *path);
bool path_exists(const char *path);

/* folder.c - a folder of files that appears whole: filled under another name, then renamed
 *
 * A folder that has the name already is replaced in one step; only one that holds a file `mark`, or
 * nothing.  A kill leaves the old or the new under the name, never part of either. */
struct folder {
    char *path, *temporary; /* where it will be; where its files are put */
};
int folder_begin(struct folder *f, const char *path, const char *mark); /* -1 after fail() */
/* Files of the old folder whose names begin like one of `own` (NULL last) go, others move over. */
int folder_commit(struct folder *f, const char *const *own); /* frees f; -1 after fail() */
void folder_drop(struct folder *f);                          /* removes and frees */

/* hash.c - 64-bit content hash (XXH3); part of the contract of --shard, never changes */
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed);

/* random.c - reproducible random numbers from a 64-bit seed */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *r);
double random_uniform(struct random *r); /* [0, 1) */
float random_normal(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound);

/* thread.c - one pool for everything
 *
 * Indices of a job are claimed from an atomic counter, so an unlucky thread never holds up the
 * others for long.  A worker number is below pool_threads() and names per-worker scratch memory;
 * at any moment each number is held by one thread at most.
 */
typedef void (*pool_task)(void *argument, long index, int worker);
struct job; /* work handed to the pool that nobody waits for yet */

int processors(void);         /* that this process may use: affinity and cgroup limits */
void pool_start(int threads); /* once; 0: processors().  Never called: 1 thread */
int pool_threads(void);
void pool_stop(void);
/* Runs task for 0 <= index < count on all threads, the caller's among them, and returns when all
 * are done.  Called from inside a task, it runs the indices one after the other. */
void pool_run(pool_task task, void *argument, long count);
/* The same in the background, at low priority; `task` must not wait for other jobs. */
struct job *pool_submit(pool_task task, void *argument, long count);
void pool_finish(struct job *job); /* helps, waits, frees the job; NULL is nothing */

/* number.c - numbers as text */
int float_format(float value, char text[static 24]); /* shortest that reads back; JSON; length */
bool float_parse(const char **text, const char *end, float *value); /* JSON number, moves on */

/* dtype.c - element types of stored numbers */
enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_BOOL,
    DTYPE_COUNT
};
size_t dtype_size(enum dtype type);
const char *dtype_name(enum dtype type); /* "f32" ... */
float half_to_float(uint16_t bits);
uint16_t float_to_half(float value); /* round to nearest even */
float bfloat_to_float(uint16_t bits);
uint16_t float_to_bfloat(float value);

#endif
