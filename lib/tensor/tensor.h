/* SPDX-License-Identifier: MIT
 * tensor.h - shapes, the trail that backward walks, and the list of a model's parameters
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "kernel/kernel.h"

/* tensor.c - numbers with a shape
 *
 * The last axis is contiguous; the rows before it are `stride` floats apart, so that a slice of the
 * last axis (query out of [query key value]) is a tensor too.  Activations are f32.  A parameter
 * may be of any type that the kernels take and lies where the checkpoint was mapped.
 */
enum { TENSOR_RANK = 4 };
struct tensor {
    enum dtype type;
    int rank; /* 0: a scalar */
    long shape[TENSOR_RANK];
    long stride; /* elements from one row to the next */
    union {
        float *data; /* f32 */
        void *bytes; /* any type */
    };
    const float *scale; /* i8: [shape[0]], each number counts scale[i] times; else NULL */
    int pieces;         /* i8: bytes that what it multiplies is taken for, 1 to 3; 0: an f32 */
    const struct order *order; /* of a stored matrix, see kernel.h; NULL: by rows, as all others */
    /* Rows as in data.  A parameter that learns has it always, what an operation made only while
     * backward needs it. */
    float *grad;
    struct tensor *base; /* of a view: what it is a part of, also of its gradient */
    bool needs_grad;
    bool moves;  /* numbers change from pass to pass without a gradient: never packed */
    bool mapped; /* bytes lie in a mapped file: file_release() may drop their resident copy */
};
long tensor_count(const struct tensor *x);
size_t tensor_bytes(const struct tensor *x); /* of its numbers, as they lie in memory */
long rows(const struct tensor *x);           /* product of all axes but the last; 1 for a scalar */
long width(const struct tensor *x);          /* the last axis; 1 for a scalar */

/* tape.c - what is made in one pass, and how to walk it backwards
 *
 * Creation order is topological, so backward is one loop from the end.  An operation is remembered
 * only if one of its inputs needs a gradient: inference, and frozen towers in training, leave no
 * trail.  There is no training flag.
 */
struct node;
struct op {
    const char *name;
    void (*backward)(const struct node *n); /* adds to the inputs' gradients, where not NULL */
    /* The result's gradient is in[0]'s, which may take it over: then both pointers are equal, and
     * backward has nothing to add. */
    bool hands_on;
};
enum { NODE_INPUTS = 16 };
struct node {
    struct tape *tape; /* scratch memory: what backward allocates is dropped when it returns */
    const struct op *op;
    struct tensor *out;
    void *saved; /* what forward left for backward, in the tape's arena */
    int inputs;
    struct tensor *in[NODE_INPUTS]; /* entries may be NULL */
};
struct loan;
struct tape {
    struct arena arena;
    struct node *nodes;
    int count, capacity;
    struct arena loaned; /* gradients, lent from node to node during backward */
    struct loan *loans;
    int loan_count, loan_capacity;
    /* What is left out by chance while something learns; see op/dropout.c. */
    float dropout;   /* share of numbers, of text transformers; 0: none */
    float drop_path; /* share of images that pass by an image tower's last layer; 0: none */
    struct random random;
};
void tape_free(struct tape *t);
void tape_clear(struct tape *t); /* forget everything; memory is kept for the next batch */
struct tensor *tensor_new(struct tape *t, int rank,
                          const long *shape); /* f32, contents undefined */
#define tensor_make(tape, ...)                                                                     \
    tensor_new(tape, COUNT(((long[]){ __VA_ARGS__ })), (long[]){ __VA_ARGS__ })
struct tensor *tensor_like(struct tape *t, const struct tensor *x);
struct tensor *tensor_from(struct tape *t, float *data, int rank, const long *shape); /* borrowed */
/* Columns first .. first + count of the last axis; shares data and gradient. */
struct tensor *tensor_columns(struct tape *t, struct tensor *x, long first, long count);
/* Rows first .. first + count, as [count, width]; shares data and gradient. */
struct tensor *tensor_rows(struct tape *t, struct tensor *x, long first, long count);
struct tensor *tensor_reshape(struct tape *t, struct tensor *x, int rank, const long *shape);
struct tensor *tensor_as_rows(struct tape *t, struct tensor *x); /* [rows, width] */
/* The values of count numbers of x from the one at `first` on, counted by rows. */
void tensor_read(const struct tensor *x, long first, long count, float *to);
/* The same as they are stored, without an i8's scale. */
void tensor_stored(const struct tensor *x, long first, long count, void *to);
/* A short number widened into the tape's memory, contiguous; x's own data where it is f32. */
const float *tensor_floats(struct tape *t, const struct tensor *x); /* NULL for NULL */
void *tape_alloc(struct tape *t, size_t bytes);
float *tape_floats(struct tape *t, long count);
/* If an input needs a gradient, y does too and the operation goes onto the trail.
 * Returns y.  `saved` must outlive the pass: the tape's arena, or the model. */
struct tensor *remember(struct tape *t, const struct op *op, struct tensor *y, void *saved,
                        int inputs, struct tensor *const *in);
#define REMEMBER(tape, op, y, saved, ...)                                                          \
    remember(tape, op, y, saved, COUNT(((struct tensor *[]){ __VA_ARGS__ })),                      \
             (struct tensor *[]){ __VA_ARGS__ })
bool wants(const struct tensor *x); /* x is there and needs a gradient */
/* x gets a zeroed gradient though nothing that it was made of learns: what comes after it is
 * remembered, and backward ends at it. */
void tensor_watch(struct tape *t, struct tensor *x);
/* Seeds the loss with 1 and walks the trail; parameters' gradients are added to.  Operations that
 * the loss does not depend on are passed by. */
void tape_backward(struct tape *t, struct tensor *loss);

/* Scratch of a layer: everything since the mark is dropped unless something was remembered. */
struct tape_mark {
    struct arena_mark arena;
    int count;
};
struct tape_mark tape_mark(const struct tape *t);
void tape_drop(struct tape *t, struct tape_mark mark);
/* The same, but x, contiguous and made since, is kept: returned in its new place. */
struct tensor *tape_keep(struct tape *t, struct tape_mark mark, struct tensor *x);

/* params.c - the one list of a model's parameters: loading, saving, initialising, counting,
 * stepping and averaging walk it */
struct initial { /* what the numbers of a new parameter are */
    enum { INITIAL_VALUE, INITIAL_NORMAL, INITIAL_UNIFORM } kind;
    float size; /* the value; the deviation; the bound on both sides */
};
#define INIT_VALUE(x)   ((struct initial){ INITIAL_VALUE, x })
#define INIT_NORMAL(d)  ((struct initial){ INITIAL_NORMAL, d })
#define INIT_UNIFORM(x) ((struct initial){ INITIAL_UNIFORM, x })
struct param {
    char *name;           /* "vision.block.3.attention.query.weight" */
    struct tensor **slot; /* where the model keeps it; *slot is NULL before loading */
    struct initial initial;
    int rank;
    long shape[TENSOR_RANK];
    bool buffer;                   /* running statistics: saved, never stepped */
    bool optional;                 /* may be absent; *slot stays NULL */
    bool frozen;                   /* params_learn passes it by */
    bool multiplies, memory_bound; /* a matrix of a linear layer, which is so */
};
enum { PARAMS_DEPTH = 16 };
struct params {
    struct param *list;
    int count, capacity;
    char prefix[128];
    int depth, ends[PARAMS_DEPTH]; /* the prefix's length outside each params_in */
};
void params_add(struct params *p, struct tensor **slot, struct initial initial, const char *name,
                int rank, const long *shape);
/* param(p, &v->position, INIT_NORMAL(0.02f), "position", tokens, width); */
#define param(p, slot, initial, name, ...)                                                         \
    params_add(p, slot, initial, name, COUNT(((long[]){ __VA_ARGS__ })), (long[]){ __VA_ARGS__ })
#define param_scalar(p, slot, initial, name) params_add(p, slot, initial, name, 0, NULL)
void params_buffer(struct params *p);                        /* the one added last is a buffer */
void params_optional(struct params *p);                      /* ... may be absent */
void params_multiplies(struct params *p, bool memory_bound); /* ... is a linear layer's matrix */
/* Appends "NAME." to the prefix until params_out: params_in(p, "block.%d", i); block_params(...);
 * params_out(p); */
void params_in(struct params *p, const char *format, ...) PRINTF_LIKE(2, 3);
void params_out(struct params *p);
void params_free(struct params *p);
/* The first parameter that has the tensor of this one: a tensor may have several names. */
int params_first(const struct params *p, int index);
long params_total(const struct params *p); /* numbers in all of them that are present */
void params_freeze(struct params *p, const char *prefix); /* names that begin so do not learn */
/* Gives the parameters whose name begins with a prefix (NULL: all) gradients in one zeroed block
 * and moves their numbers into another, short floats widened.  Left out are buffers, frozen ones,
 * and those that learn already: a tensor that two names share is there once.  A parameter starts
 * at a multiple of 16 floats; the gaps stay zero.  The tensors point into the blocks, so
 * learning_free() comes after the model's last use. */
struct learning {
    float *data, *grad; /* one block each, in list order; buffers are not among them */
    long count;
    struct param **list; /* those that learn; they belong to the params */
    int params;
    struct arena memory;
};
struct learning *params_learn(struct params *p, const char *prefix);
void learning_zero(struct learning *l); /* the gradients */
void learning_free(struct learning *l);

#endif
