/* SPDX-License-Identifier: MIT
 * unpickle.c - the object that a pickle describes, as plain data
 *
 * A pickle is a program for a stack machine.  Here it can make numbers, strings, lists, dicts and
 * the few things in rebuild.c's table, and nothing else: no name in it is ever looked up in a
 * running system, and an unknown one stops the reading.  Every opcode takes at least a byte, so
 * the pickle's size bounds stack, memo and objects.  Objects may be shared and may contain
 * themselves: whoever walks them counts his steps.
 */
#include <string.h>
#include "weights/inside.h"

/* Copies of what is there already may not make a small pickle a large object. */
enum { MOST_PER_BYTE = 256, MOST_AT_ONCE = 1 << 20 };

/* The stack.  What is under the last mark is out of reach. */

static int push(struct pickle *p, struct object *o)
{
    if (!o)
        return -1;
    if (p->height == p->stack_size) {
        p->stack_size = p->stack_size ? 2 * p->stack_size : 256;
        p->stack = xresize(p->stack, (size_t)p->stack_size, sizeof *p->stack);
    }
    p->stack[p->height++] = o;
    return 0;
}

static int floor_of(const struct pickle *p)
{
    return p->mark_count ? p->marks[p->mark_count - 1] : 0;
}

static struct object *top(const struct pickle *p)
{
    if (p->height > floor_of(p))
        return p->stack[p->height - 1];
    fail("the pickle takes more from its stack than there is");
    return NULL;
}

static struct object *pop(struct pickle *p)
{
    struct object *o = top(p);

    if (o)
        p->height--;
    return o;
}

/* Takes what lies above the last mark, and the mark: *items is valid until the next push. */
static int pop_mark(struct pickle *p, struct object ***items)
{
    int count;

    if (!p->mark_count)
        return fail("the pickle lacks a mark");
    p->mark_count--;
    count = p->height - p->marks[p->mark_count];
    p->height = p->marks[p->mark_count];
    *items = p->stack + p->height;
    return count;
}

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
    if (p->mark_count == p->mark_size) {
        p->mark_size = p->mark_size ? 2 * p->mark_size : 64;
        p->marks = xresize(p->marks, (size_t)p->mark_size, sizeof *p->marks);
    }
    p->marks[p->mark_count++] = p->height;
    return 0;
}

static int op_pop(struct pickle *p)
{
    return pop(p) ? 0 : -1;
}

static int push_number(struct pickle *p, enum object_kind kind, long long value)
{
    struct object *o = object_new(p, kind);

    o->integer = value;
    return push(p, o);
}

static int op_unsigned(struct pickle *p)
{
    return push_number(p, OBJECT_INTEGER, (long long)p->argument);
}

static int op_signed(struct pickle *p)
{
    return push_number(p, OBJECT_INTEGER, (int32_t)p->argument);
}

static int op_true(struct pickle *p)
{
    return push_number(p, OBJECT_BOOL, 1);
}

static int op_false(struct pickle *p)
{
    return push_number(p, OBJECT_BOOL, 0);
}

static int op_other(struct pickle *p)
{
    return push(p, object_new(p, OBJECT_OTHER));
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
    return push(p, o);
}

static int push_items(struct pickle *p, enum object_kind kind, struct object *const *items,
                      int count)
{
    struct object *o = object_new(p, kind);

    if (count < 0)
        return -1;
    o->count = o->capacity = count;
    if (count) {
        o->items = pickle_alloc(p, (size_t)count * sizeof(struct object *));
        memcpy(o->items, items, (size_t)count * sizeof(struct object *));
    }
    return push(p, o);
}

static int op_empty_tuple(struct pickle *p)
{
    return push(p, object_new(p, OBJECT_TUPLE));
}

static int op_empty_list(struct pickle *p)
{
    return push(p, object_new(p, OBJECT_LIST));
}

static int op_empty_dict(struct pickle *p)
{
    return push(p, object_new(p, OBJECT_DICT));
}

static int op_tuple(struct pickle *p)
{
    struct object **items = NULL;
    int count = pop_mark(p, &items);

    return push_items(p, OBJECT_TUPLE, items, count);
}

static int short_tuple(struct pickle *p, int count)
{
    if (p->height - floor_of(p) < count)
        return fail("the pickle takes more from its stack than there is");
    p->height -= count;
    return push_items(p, OBJECT_TUPLE, p->stack + p->height, count);
}

static int op_tuple1(struct pickle *p)
{
    return short_tuple(p, 1);
}

static int op_tuple2(struct pickle *p)
{
    return short_tuple(p, 2);
}

static int op_tuple3(struct pickle *p)
{
    return short_tuple(p, 3);
}

/* Adds to the list or dict that is now on top. */
static int extend(struct pickle *p, enum object_kind kind, struct object *const *items, int count)
{
    struct object *o = count < 0 ? NULL : top(p);

    if (!o)
        return -1;
    if (o->kind != kind || (kind == OBJECT_DICT && count % 2))
        return fail("the pickle adds items to what is no %s",
                    kind == OBJECT_DICT ? "dict" : "list");
    for (int i = 0; i < count; i++)
        object_append(p, o, items[i]);
    return 0;
}

static int op_appends(struct pickle *p)
{
    struct object **items = NULL;
    int count = pop_mark(p, &items);

    return extend(p, OBJECT_LIST, items, count);
}

static int op_set_items(struct pickle *p)
{
    struct object **items = NULL;
    int count = pop_mark(p, &items);

    return extend(p, OBJECT_DICT, items, count);
}

static int op_append(struct pickle *p)
{
    struct object *item = pop(p);

    return item ? extend(p, OBJECT_LIST, &item, 1) : -1;
}

static int op_set_item(struct pickle *p)
{
    struct object *value = pop(p), *key = value ? pop(p) : NULL;

    return key ? extend(p, OBJECT_DICT, (struct object *[]){ key, value }, 2) : -1;
}

/* Writers number their memo one after the other and each number costs two bytes, so a larger one
 * than there were bytes is no writer's. */
static int put(struct pickle *p, uint64_t at)
{
    struct object *o = top(p);

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

static int op_get(struct pickle *p)
{
    if (p->argument >= p->memo_size || !p->memo[p->argument])
        return fail("the pickle asks its memo for what is not there");
    return push(p, p->memo[p->argument]);
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
    return push(p, o);
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
    struct object *name = pop(p), *module = name ? pop(p) : NULL;

    if (!module)
        return -1;
    if (name->kind != OBJECT_STRING || module->kind != OBJECT_STRING)
        return fail("the pickle names a class by what is no string");
    return push_global(p, module->text, module->size, name->text, name->size);
}

static int op_reduce(struct pickle *p)
{
    struct object *arguments = pop(p), *callee = arguments ? pop(p) : NULL;

    return callee ? push(p, rebuild_call(p, callee, arguments)) : -1;
}

static int op_new(struct pickle *p)
{
    struct object *arguments = pop(p), *class = arguments ? pop(p) : NULL;

    return class ? push(p, rebuild_new(p, class)) : -1;
}

/* Attributes for an inert instance; of dicts and tensors there is nothing worth keeping. */
static int op_build(struct pickle *p)
{
    struct object *state = pop(p), *o = state ? top(p) : NULL;

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

static int op_persistent(struct pickle *p)
{
    struct object *id = pop(p);

    return id ? push(p, rebuild_storage(p, id)) : -1;
}

/* Bytes of its argument, and what it does. */
static const struct opcode {
    int width;
    int (*run)(struct pickle *p);
} opcodes[256] = {
    [0x80] = { 1, op_protocol },   [0x95] = { 8, op_nothing }, /* frame */
    ['('] = { 0, op_mark },        ['0'] = { 0, op_pop },        ['J'] = { 4, op_signed },
    ['K'] = { 1, op_unsigned },    ['M'] = { 2, op_unsigned },   [0x88] = { 0, op_true },
    [0x89] = { 0, op_false },      ['N'] = { 0, op_other },      ['G'] = { 8, op_other },
    [0x8a] = { 1, op_long },       [0x8b] = { 4, op_long },      ['B'] = { 4, op_bytes },
    ['C'] = { 1, op_bytes },       ['T'] = { 4, op_string },     ['U'] = { 1, op_string },
    ['X'] = { 4, op_string },      [0x8c] = { 1, op_string },    [0x8d] = { 8, op_string },
    [')'] = { 0, op_empty_tuple }, [']'] = { 0, op_empty_list }, ['}'] = { 0, op_empty_dict },
    ['t'] = { 0, op_tuple },       [0x85] = { 0, op_tuple1 },    [0x86] = { 0, op_tuple2 },
    [0x87] = { 0, op_tuple3 },     ['a'] = { 0, op_append },     ['e'] = { 0, op_appends },
    ['s'] = { 0, op_set_item },    ['u'] = { 0, op_set_items },  ['q'] = { 1, op_put },
    ['r'] = { 4, op_put },         [0x94] = { 0, op_memoize },   ['h'] = { 1, op_get },
    ['j'] = { 4, op_get },         ['c'] = { 0, op_global },     [0x93] = { 0, op_stack_global },
    ['R'] = { 0, op_reduce },      [0x81] = { 0, op_new },       ['b'] = { 0, op_build },
    ['Q'] = { 0, op_persistent },
};

static int step(struct pickle *p)
{
    const struct opcode *o = &opcodes[*p->at++];
    const unsigned char *argument;

    if (!o->run)
        return fail_as("unsupported", "pickle opcode 0x%02x, which no checkpoint needs", p->at[-1]);
    argument = take(p, (uint64_t)o->width);
    if (!argument)
        return -1;
    p->argument = 0;
    for (int i = o->width; i > 0;)
        p->argument = p->argument << 8 | argument[--i];
    if (o->run(p))
        return -1;
    if (p->allocated > MOST_PER_BYTE * (size_t)(p->at - p->start) + MOST_AT_ONCE)
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
        return pop(p);
    }
    fail_as("truncated", "the pickle ends too early");
    return NULL;
}
