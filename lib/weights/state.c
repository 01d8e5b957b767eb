/* SPDX-License-Identifier: MIT
 * state.c - the named tensors in what a pickle made
 *
 *     {"visual.proj": tensor, ...}                      a state dict
 *     {"model": {...}, "optimizer": ..., "epoch": 7}    a training checkpoint around one
 *     module.visual.proj = tensor                       TorchScript: a tree of modules
 *
 * One wrapper is looked into.  What is in none of the known ones is taken as it is, and the
 * family's layout then says which tensors it misses.
 */
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/number.h"
#include "weights/pickle.h"

enum { DEPTH_LIMIT = 64, VISIT_LIMIT = 1 << 20 };

struct walk {
    struct weights *w;
    bool swap;
    int visits;
    struct buffer name;
};

/* What the tensor's storage holds, aligned and in our byte order.  A misaligned storage is copied
 * once, so its elements must agree on a size. */
static const unsigned char *numbers(struct walk *k, struct storage *r, size_t element)
{
    bool fits = (uintptr_t)r->data % element == 0 && (!k->swap || element == 1);

    if (!r->data || fits)
        return r->data;
    if (r->copy && r->copy_element != element)
        return NULL;
    if (!r->copy) {
        r->copy = weights_align(k->w, r->data, r->bytes, element, k->swap);
        r->copy_element = element;
    }
    return r->copy;
}

static int add_tensor(struct walk *k, const struct view *v)
{
    size_t element = v->element->size;
    struct stored s = { .type = v->element->type, .rank = v->rank };
    const unsigned char *data;
    long last = 0;

    if (++k->visits > VISIT_LIMIT)
        return fail_as("too_large", "it holds more than %d tensors", VISIT_LIMIT);
    s.name = weights_name(k->w, k->name.data, k->name.size);
    if (!s.name)
        return -1;
    if (s.type == DTYPE_COUNT)
        return fail_as("unsupported", "%s has type %s, which is not supported", s.name,
                       v->element->dtype);
    data = numbers(k, v->storage, element);
    if (!data)
        return fail("%s: its storage %s is %s", s.name, v->storage->key,
                    v->storage->data ? "shared by types of two sizes" : "not in the file");
    memcpy(s.shape, v->shape, sizeof s.shape);
    memcpy(s.stride, v->stride, sizeof s.stride);
    for (int i = 0; i < s.rank; i++)
        last += (s.shape[i] - 1) * s.stride[i];
    s.bytes = stored_count(&s) ? (size_t)(last + 1) * element : 0;
    s.data = data + (size_t)v->offset * element;
    return weights_add(k->w, &s);
}

static int add_dict(struct walk *k, const struct object *dict)
{
    for (int i = 0; i < dict->count; i += 2) {
        const struct object *key = dict->items[i], *value = dict->items[i + 1];

        if (key->kind != OBJECT_STRING || value->kind != OBJECT_TENSOR)
            continue;
        buffer_clear(&k->name);
        buffer_add(&k->name, key->text, key->size);
        if (add_tensor(k, value->view))
            return -1;
    }
    return 0;
}

/* Numbers that OpenAI's archives carry beside the weights; shapes tell the same. */
static bool is_setting(const struct object *key)
{
    return object_is(key, "input_resolution") || object_is(key, "context_length") ||
           object_is(key, "vocab_size");
}

static int add_module(struct walk *k, const struct object *module, int depth)
{
    size_t prefix = k->name.size;

    if (depth > DEPTH_LIMIT)
        return fail_as("too_large", "its modules are nested more than %d deep", DEPTH_LIMIT);
    for (int i = 0; i < module->count; i += 2) {
        const struct object *key = module->items[i], *value = module->items[i + 1];
        int result = 0;

        if (key->kind != OBJECT_STRING || (depth == 0 && is_setting(key)))
            continue;
        if (++k->visits > VISIT_LIMIT || key->size > NAME_LIMIT)
            return fail_as("too_large", "its tree of modules is too large");
        k->name.size = prefix;
        buffer_add(&k->name, key->text, key->size);
        if (value->kind == OBJECT_TENSOR) {
            result = add_tensor(k, value->view);
        } else if (value->kind == OBJECT_MODULE) {
            buffer_byte(&k->name, '.');
            result = add_module(k, value, depth + 1);
        }
        if (result)
            return -1;
    }
    k->name.size = prefix;
    return 0;
}

/* The state dict in a training checkpoint, or the object itself. */
static const struct object *unwrap(const struct object *root)
{
    static const char *const wrappers[] = { "state_dict", "model_state_dict", "model",
                                            "module",     "model_state",      "net",
                                            "params",     "network" };
    enum { NESTED = 3 }; /* {"model": {"state_dict": ..}} */

    for (int depth = 0, i = 0; depth < NESTED && i < COUNT(wrappers); i++) {
        const struct object *inner = object_get(root, wrappers[i]);

        if (inner && inner->kind == OBJECT_MODULE)
            return inner;
        if (inner && inner->kind == OBJECT_DICT) {
            root = inner;
            depth++;
            i = -1;
        }
    }
    return root;
}

int state_read(struct weights *w, const struct pickle *p, const struct object *root, bool swap)
{
    struct walk k = { .w = w, .swap = swap };
    int result = 0;

    if (root->kind == OBJECT_DICT)
        root = unwrap(root);
    buffer_reserve(&k.name, NAME_LIMIT);
    if (root->kind == OBJECT_DICT)
        result = add_dict(&k, root);
    else if (root->kind == OBJECT_MODULE)
        result = add_module(&k, root, 0);
    buffer_free(&k.name);
    if (!result && !w->count && p->unknown)
        return fail_as("unsupported",
                       "no named tensors in it; objects of %s are not made, since no code of a "
                       "checkpoint is run: save the model's state_dict()",
                       p->unknown);
    if (!result && !w->count)
        return fail("no named tensors in it");
    return result;
}
