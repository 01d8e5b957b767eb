/* SPDX-License-Identifier: MIT
 * unpickle.c - the object that a pickle describes, as plain data
 *
 * A pickle is a program for a stack machine.  Here it can make numbers, strings, lists, dicts and
 * the few things in rebuild.c's table, and nothing else: no name in it is ever looked up in a
 * running system, and what an unknown one makes is an object without content.  Every opcode takes
 * at least a byte, so the pickle's size bounds stack, memo and objects; MOST_OBJECTS bounds them
 * too. Source: CPython Lib/pickletools.py.  Objects may be shared and may contain themselves:
 * whoever walks them counts his steps.
 */
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "weights/pickle.h"

/* Copies of what is there already may not make a small pickle a large object. */
enum { MOST_PER_BYTE = 256, MOST_AT_ONCE = 1 << 20, MOST_OBJECTS = 512 << 20 };

/* What the opcodes do.  n: the opcode's argument, little-endian. */

static int op_nothing(struct pickle *p)
{
    (void)p;
    return 0;
}

static int op_protocol(struct pickle *p)
{
    int version = (int)p->argument;

    return version >= 2 && version <= 5 ? 0 : fail_as("unsupported", "pickle protocol %d", version);
}

static int op_mark(struct pickle *p)
{
    pickle_mark(p);
    return 0;
}

static int op_pop(struct pickle *p)
{
    return pickle_pop(p) ? 0 : -1;
}

static int push_number(struct pickle *p, enum object_kind kind, long long value)
{
    struct object *o = object_new(p, kind);

    o->integer = value;
    return pickle_push(p, o);
}

static int op_unsigned(struct pickle *p)
{
    return push_number(p, OBJECT_INTEGER, (long long)p->argument);
}

static int op_signed(struct pickle *p)
{
    return push_number(p, OBJECT_INTEGER, (int32_t)p->argument);
}

static int op_bool(struct pickle *p)
{
    return push_number(p, OBJECT_BOOL, (long long)p->argument);
}

static int op_other(struct pickle *p)
{
    return pickle_push(p, object_new(p, OBJECT_OTHER));
}

static const unsigned char *take(struct pickle *p, uint64_t n)
{
    const unsigned char *at = p->at;

    if (n > (uint64_t)(p->end - p->at)) {
        fail_as("truncated", "the pickle ends too early");
        return NULL;
    }
    p->at += n;
    return at;
}

/* Their content would be needed for arrays and paths, which are not made. */
static int op_bytes(struct pickle *p)
{
    return take(p, p->argument) ? op_other(p) : -1;
}

/* Little-endian two's complement. */
static int op_long(struct pickle *p)
{
    uint64_t n = p->argument;
    const unsigned char *at = take(p, n);
    uint64_t value;

    if (!at)
        return -1;
    if (n > 8)
        return op_other(p);
    value = n && at[n - 1] & 0x80 ? UINT64_MAX : 0;
    while (n > 0)
        value = value << 8 | at[--n];
    return push_number(p, OBJECT_INTEGER, (long long)value);
}

static int op_string(struct pickle *p)
{
    const unsigned char *at = take(p, p->argument);
    struct object *o;

    if (!at)
        return -1;
    o = object_new(p, OBJECT_STRING);
    o->text = (const char *)at;
    o->size = p->argument;
    return pickle_push(p, o);
}

/* An empty object of the kind in the argument. */
static int op_empty(struct pickle *p)
{
    return pickle_push(p, object_new(p, (enum object_kind)p->argument));
}

/* Of so many items, or of what is above the mark. */
static int op_tuple(struct pickle *p)
{
    struct object *o = object_new(p, OBJECT_TUPLE), **items = NULL;
    int count = pickle_take(p, p->argument ? (int)p->argument : -1, &items);

    if (count < 0)
        return -1;
    if (count) {
        o->items = pickle_alloc(p, (size_t)count * sizeof(struct object *));
        memcpy(o->items, items, (size_t)count * sizeof(struct object *));
    }
    o->count = o->capacity = count;
    return pickle_push(p, o);
}

/* Adds `count` items, -1: those above the mark, to the list or dict under them. */
static int extend(struct pickle *p, enum object_kind kind, int count)
{
    struct object **items = NULL, *o;

    count = pickle_take(p, count, &items);
    o = count < 0 ? NULL : pickle_top(p);
    if (!o)
        return -1;
    if (o->kind == OBJECT_OTHER) /* a set, or a container of an unknown class */
        return 0;
    if (o->kind != kind || (kind == OBJECT_DICT && count % 2))
        return fail("the pickle adds items to what is no %s",
                    kind == OBJECT_DICT ? "dict" : "list");
    for (int i = 0; i < count; i++)
        object_append(p, o, items[i]);
    return 0;
}

static int op_append(struct pickle *p)
{
    return extend(p, OBJECT_LIST, p->argument ? (int)p->argument : -1);
}

static int op_set(struct pickle *p)
{
    return extend(p, OBJECT_DICT, p->argument ? (int)p->argument : -1);
}

/* What is above the mark, as a list, a dict, or an object without content: a frozenset. */
static int op_collect(struct pickle *p)
{
    struct object **items = NULL, *o = object_new(p, (enum object_kind)p->argument);
    int count = pickle_take(p, -1, &items);

    if (count < 0)
        return -1;
    if (o->kind == OBJECT_DICT && count % 2)
        return fail("the pickle makes a dict of an odd number of items");
    for (int i = 0; i < count && o->kind != OBJECT_OTHER; i++)
        object_append(p, o, items[i]);
    return pickle_push(p, o);
}

static int op_drop(struct pickle *p)
{
    struct object **items = NULL;

    return pickle_take(p, -1, &items) < 0 ? -1 : 0;
}

static int op_duplicate(struct pickle *p)
{
    return pickle_push(p, pickle_top(p));
}

/* Writers number their memo one after the other and each number costs two bytes, so a larger one
 * than there were bytes is no writer's. */
static int put(struct pickle *p, uint64_t at)
{
    struct object *o = pickle_top(p);

    if (!o)
        return -1;
    if (at > (uint64_t)(p->at - p->start))
        return fail("the pickle's memo has a hole");
    if (at >= p->memo_size) {
        size_t size = p->memo_size ? 2 * p->memo_size : 256;

        while (size <= at)
            size *= 2;
        p->memo = xresize(p->memo, size, sizeof *p->memo);
        memset(p->memo + p->memo_size, 0, (size - p->memo_size) * sizeof *p->memo);
        p->memo_size = size;
    }
    p->memo_count += !p->memo[at];
    p->memo[at] = o;
    return 0;
}

static int op_put(struct pickle *p)
{
    return put(p, p->argument);
}

static int op_memoize(struct pickle *p)
{
    return put(p, p->memo_count);
}

/* An object again: this is how objects come to be shared, or to contain themselves. */
static int op_get(struct pickle *p)
{
    if (p->argument >= p->memo_size || !p->memo[p->argument])
        return fail("the pickle asks its memo for what is not there");
    return pickle_push(p, p->memo[p->argument]);
}

static int push_global(struct pickle *p, const char *module, size_t module_size, const char *name,
                       size_t name_size)
{
    const struct global *found = global_find(p, module, module_size, name, name_size);
    struct object *o;

    if (!found)
        return -1;
    o = object_new(p, OBJECT_GLOBAL);
    o->global = found;
    return pickle_push(p, o);
}

/* Two lines: module and name. */
static int op_global(struct pickle *p)
{
    const char *line[2];
    size_t size[2];

    for (int i = 0; i < 2; i++) {
        const unsigned char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));

        if (!end)
            return fail_as("truncated", "the pickle ends too early");
        line[i] = (const char *)p->at;
        size[i] = (size_t)(end - p->at);
        p->at = end + 1;
    }
    return push_global(p, line[0], size[0], line[1], size[1]);
}

static int op_stack_global(struct pickle *p)
{
    struct object *name = pickle_pop(p), *module = name ? pickle_pop(p) : NULL;

    if (!module)
        return -1;
    if (name->kind != OBJECT_STRING || module->kind != OBJECT_STRING)
        return fail("the pickle names a class by what is no string");
    return push_global(p, module->text, module->size, name->text, name->size);
}

/* callee(*arguments) */
static int op_reduce(struct pickle *p)
{
    struct object *arguments = pickle_pop(p), *callee = arguments ? pickle_pop(p) : NULL;

    return callee ? pickle_push(p, rebuild_call(p, callee, arguments)) : -1;
}

/* class.__new__(class, *arguments) */
static int op_new(struct pickle *p)
{
    struct object *arguments = pickle_pop(p), *class = arguments ? pickle_pop(p) : NULL;

    return class ? pickle_push(p, rebuild_new(p, class)) : -1;
}

/* With keyword arguments, which nobody asks for. */
static int op_new_with(struct pickle *p)
{
    return pickle_pop(p) ? op_new(p) : -1;
}

/* Attributes for an inert instance; of dicts and tensors there is nothing worth keeping. */
static int op_build(struct pickle *p)
{
    struct object *state = pickle_pop(p), *o = state ? pickle_top(p) : NULL;

    if (!o)
        return -1;
    if (o->kind == OBJECT_MODULE && state->kind == OBJECT_DICT && state != o)
        for (int i = 0; i < state->count; i++)
            object_append(p, o, state->items[i]);
    if (o->kind == OBJECT_MODULE || o->kind == OBJECT_DICT || o->kind == OBJECT_TENSOR ||
        o->kind == OBJECT_OTHER)
        return 0;
    return fail("the pickle gives attributes to what has none");
}

/* A storage: what torch.save keeps out of the pickle. */
static int op_persistent(struct pickle *p)
{
    struct object *id = pickle_pop(p);

    return id ? pickle_push(p, rebuild_storage(p, id)) : -1;
}

/* Bytes of its argument in the pickle, what it does, and the argument where there are no bytes. */
static const struct opcode {
    int width;
    int (*run)(struct pickle *p);
    int argument;
} opcodes[256] = {
    [0x80] = { 1, op_protocol, 0 },
    [0x95] = { 8, op_nothing, 0 }, /* frame */
    ['('] = { 0, op_mark, 0 },
    ['0'] = { 0, op_pop, 0 },
    ['J'] = { 4, op_signed, 0 },
    ['K'] = { 1, op_unsigned, 0 },
    ['M'] = { 2, op_unsigned, 0 },
    [0x88] = { 0, op_bool, 1 },
    [0x89] = { 0, op_bool, 0 },
    ['N'] = { 0, op_other, 0 }, /* None */
    ['G'] = { 8, op_other, 0 }, /* a double */
    [0x8a] = { 1, op_long, 0 },
    [0x8b] = { 4, op_long, 0 },
    ['B'] = { 4, op_bytes, 0 },
    ['C'] = { 1, op_bytes, 0 },
    ['T'] = { 4, op_string, 0 },
    ['U'] = { 1, op_string, 0 },
    ['X'] = { 4, op_string, 0 },
    [0x8c] = { 1, op_string, 0 },
    [0x8d] = { 8, op_string, 0 },
    [0x8e] = { 8, op_bytes, 0 },
    [0x96] = { 8, op_bytes, 0 },  /* a bytearray */
    [0x8f] = { 0, op_other, 0 },  /* an empty set ... */
    [0x90] = { 0, op_append, 0 }, /* ... and what is in it */
    [0x91] = { 0, op_collect, OBJECT_OTHER },
    ['l'] = { 0, op_collect, OBJECT_LIST },
    ['d'] = { 0, op_collect, OBJECT_DICT },
    ['1'] = { 0, op_drop, 0 },
    ['2'] = { 0, op_duplicate, 0 },
    [0x92] = { 0, op_new_with, 0 },
    [')'] = { 0, op_empty, OBJECT_TUPLE },
    [']'] = { 0, op_empty, OBJECT_LIST },
    ['}'] = { 0, op_empty, OBJECT_DICT },
    ['t'] = { 0, op_tuple, 0 },
    [0x85] = { 0, op_tuple, 1 },
    [0x86] = { 0, op_tuple, 2 },
    [0x87] = { 0, op_tuple, 3 },
    ['a'] = { 0, op_append, 1 },
    ['e'] = { 0, op_append, 0 },
    ['s'] = { 0, op_set, 2 },
    ['u'] = { 0, op_set, 0 },
    ['q'] = { 1, op_put, 0 },
    ['r'] = { 4, op_put, 0 },
    [0x94] = { 0, op_memoize, 0 },
    ['h'] = { 1, op_get, 0 },
    ['j'] = { 4, op_get, 0 },
    ['c'] = { 0, op_global, 0 },
    [0x93] = { 0, op_stack_global, 0 },
    ['R'] = { 0, op_reduce, 0 },
    [0x81] = { 0, op_new, 0 },
    ['b'] = { 0, op_build, 0 },
    ['Q'] = { 0, op_persistent, 0 },
};

/* One opcode.  What it has made so far is held against the bytes that it was made of. */
static int step(struct pickle *p)
{
    const struct opcode *o = &opcodes[*p->at++];
    const unsigned char *argument;

    if (!o->run)
        return fail_as("unsupported", "pickle opcode 0x%02x, which no checkpoint needs", p->at[-1]);
    argument = take(p, (uint64_t)o->width);
    if (!argument)
        return -1;
    p->argument = (uint64_t)o->argument;
    for (int i = o->width; i > 0;)
        p->argument = p->argument << 8 | argument[--i];
    if (o->run(p))
        return -1;
    if (p->allocated > MOST_PER_BYTE * (size_t)(p->at - p->start) + MOST_AT_ONCE ||
        p->allocated + (size_t)p->stack_size * sizeof *p->stack > MOST_OBJECTS)
        return fail_as("too_large", "the pickle makes far more than it holds");
    return 0;
}

struct object *unpickle(struct pickle *p)
{
    p->start = p->at;
    p->allocated = p->memo_count = 0;
    p->height = p->mark_count = 0;
    if (p->memo_size)
        memset(p->memo, 0, p->memo_size * sizeof *p->memo);
    while (p->at < p->end && *p->at != '.')
        if (step(p))
            return NULL;
    if (p->at < p->end) {
        p->at++;
        return pickle_pop(p);
    }
    fail_as("truncated", "the pickle ends too early");
    return NULL;
}
