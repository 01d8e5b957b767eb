/* SPDX-License-Identifier: MIT
 * open.c - a checkpoint, whatever holds it: found, recognised by its first bytes, names tidied
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "weights/container.h"

/* The order in which a folder is searched; open_clip's names before or behind the others. */
static const char *const file_names[] = {
    "model.safetensors",           "packed.safetensors",           "model.safetensors.index.json",
    "pytorch_model.bin",           "pytorch_model.bin.index.json", "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
};

/* What people have in hand when the download went wrong, or the file is another one. */
static const struct {
    const char *start, *what;
} strangers[] = {
    { "version https://git-lfs", "a Git LFS pointer: the file itself was not downloaded" },
    { "<", "a web page: the download failed" },
    { "\x93NUMPY", "a NumPy array, not a checkpoint" },
    { "\x89HDF", "an HDF5 file, which is not supported" },
    { "GGUF", "a GGUF file, which is not supported" },
    { "\x80", "a pickle, but not one that torch.save wrote" },
};

static bool starts(const struct weights *w, const char *text)
{
    size_t size = strlen(text);

    return w->size >= size && !memcmp(w->data, text, size);
}

/* torch.save and numpy.savez both write zip archives; what is in them tells which. */
static int read_zip(struct weights *w)
{
    if (zip_read(&w->zip, &w->arena, w->data, w->size))
        return -1;
    return npz_knows(&w->zip) ? npz_read(w) : torch_read(w);
}

static int read_any(struct weights *w, bool index_allowed)
{
    if (!w->size)
        return fail_as("truncated", "the file is empty");
    if (starts(w, "PK\3\4") || starts(w, "PK\5\6"))
        return read_zip(w);
    if (legacy_magic(w->data, w->size))
        return legacy_read(w);
    if (w->size >= 8 && !memcmp(w->data + 4, "\0\0\0", 4)) /* a header is far below 4 GB */
        return safetensors_read(w);
    if (starts(w, "{"))
        return index_allowed ? shards_read(w) : fail("an index where weights should be");
    for (int i = 0; i < COUNT(strangers); i++)
        if (starts(w, strangers[i].start))
            return fail_as("unsupported", "%s", strangers[i].what);
    if (w->size > 262 && !memcmp(w->data + 257, "ustar", 5))
        return fail_as("unsupported", "a tar file: checkpoints of that age are not supported");
    return fail_as("unsupported", "neither a safetensors file nor a PyTorch checkpoint");
}

/* What training puts before every name: devices in parallel, torch.compile, PEFT, the attribute
 * under which a LightningModule keeps its model. */
static const char *const wrappings[] = {
    "module.",
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "base_model.model.",
    "model.",
    "clip_model.",
    "clip.",
    "net.",
    "network.",
};

/* OPT's own names begin like a wrapping. */
static bool is_own(const char *name)
{
    return !strncmp(name, "model.decoder.", 14);
}

/* How much of every name is such wrapping, one around the other. */
static size_t wrapping(const struct weights *w)
{
    size_t size = 0;

    for (int k = 0; w->count && k < COUNT(wrappings); k++) {
        size_t more = strlen(wrappings[k]);
        bool all = true;

        for (int i = 0; i < w->count && all; i++)
            all = !strncmp(w->list[i].name + size, wrappings[k], more) &&
                  w->list[i].name[size + more] && !is_own(w->list[i].name + size);
        if (all) {
            size += more;
            k = -1;
        }
    }
    return size;
}

/* Names without wrapping, and BERT's first spelling in today's. */
static int tidy(struct weights *w)
{
    static const char *const old[] = { "LayerNorm.gamma", "LayerNorm.beta" };
    static const char *const new[] = { "weight", "bias" };
    size_t wrapped = wrapping(w);

    table_free(&w->names);
    for (int i = 0; i < w->count; i++) {
        struct stored *s = &w->list[i];

        s->name += wrapped;
        for (int k = 0; k < COUNT(old); k++) {
            size_t size = strlen(s->name), tail = strlen(old[k]), keep = strlen("LayerNorm.");
            char *name;

            if (size < tail || strcmp(s->name + size - tail, old[k]))
                continue;
            name = arena_alloc(&w->arena, size + 8);
            memcpy(name, s->name, size - tail + keep);
            strcpy(name + size - tail + keep, new[k]);
            s->name = name;
        }
        if (!table_add(&w->names, s->name, i))
            return fail("two tensors are named %s", s->name);
    }
    return 0;
}

/* Puts the path in front of the sentence, unless it is there already: a shard's failure names the
 * shard.  Names out of a file may not move a terminal's cursor. */
static int explain(const struct weights *w)
{
    char *text = xstrdup(error_text()), *code = xstrdup(error_code());

    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (strncmp(text, w->path, strlen(w->path)))
        fail_as(code, "%s: %s", w->path, text);
    else
        fail_as(code, "%s", text);
    free(text);
    free(code);
    return -1;
}

/* w is closed; its error names the file. */
static struct weights *failed(struct weights *w)
{
    explain(w);
    weights_close(w);
    return NULL;
}

/* Nothing but the header is read: numbers stay on disk until a tower needs them. */
struct weights *weights_load(const char *path, bool index_allowed)
{
    struct weights *w = xalloc(1, sizeof *w);

    w->path = xstrdup(path);
    if (file_map(&w->map, path)) { /* its sentence names the path */
        weights_close(w);
        return NULL;
    }
    w->data = w->map.data;
    w->size = w->map.size;
    return read_any(w, index_allowed) ? failed(w) : w;
}

/* The first of file_names that is there, to free; NULL after fail(). */
static char *find_file(const char *folder, bool open_clip)
{
    for (int i = 0; i < COUNT(file_names); i++) {
        char *path = path_join(folder, file_names[i]);

        if (!strncmp(file_names[i], "open_clip", 9) == open_clip && path_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

char *weights_in_folder(const char *folder, bool open_clip_first)
{
    char *path = find_file(folder, open_clip_first);

    return path ? path : find_file(folder, !open_clip_first);
}

/* transformers' names first; open_clip's where those are missing. */
static char *find_in_folder(const char *folder)
{
    char *path = weights_in_folder(folder, false);

    if (path)
        return path;
    fail_as("not_found",
            "%s: no weights in this folder: neither model.safetensors nor pytorch_model.bin, "
            "their index, open_clip_model.safetensors or open_clip_pytorch_model.bin",
            folder);
    return NULL;
}

struct weights *weights_open(const char *path)
{
    char *file = path_is_folder(path) ? find_in_folder(path) : xstrdup(path);
    struct weights *w = file ? weights_load(file, true) : NULL;

    free(file);
    if (w && tidy(w))
        return failed(w);
    return w;
}

/* Copies in the arena and bytes that the caller gave are in no mapping. */
bool weights_is_mapped(const struct weights *w, const struct stored *s)
{
    const unsigned char *at = s->data;

    for (int i = 0; i < w->shard_count; i++)
        if (weights_is_mapped(w->shards[i], s))
            return true;
    return w->map.data && at >= w->map.data && at < w->map.data + w->map.size;
}

/* An index is not taken from memory: it names files, and there is no folder to look in. */
struct weights *weights_open_bytes(const char *name, const void *data, size_t size)
{
    struct weights *w = xalloc(1, sizeof *w);

    w->path = xstrdup(name);
    w->data = data;
    w->size = size;
    return read_any(w, false) || tidy(w) ? failed(w) : w;
}

void weights_close(struct weights *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->shard_count; i++)
        weights_close(w->shards[i]);
    free(w->shards);
    free(w->list);
    free(w->metadata);
    free(w->path);
    table_free(&w->names);
    zip_free(&w->zip);
    arena_free(&w->arena);
    file_unmap(&w->map);
    free(w);
}

/* A name goes into messages and into files that we write: no control character gets so far. */
char *weights_name(struct weights *w, const char *text, size_t size)
{
    char *name;

    if (!size || size > NAME_LIMIT)
        return fail("a tensor's name has %zu bytes", size), NULL;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return fail("a tensor's name has a control character"), NULL;
    name = arena_alloc(&w->arena, size + 1);
    memcpy(name, text, size);
    name[size] = 0;
    return name;
}

int weights_add(struct weights *w, const struct stored *s)
{
    if (!table_add(&w->names, s->name, w->count))
        return fail("two tensors are named %s", s->name);
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 256;
        w->list = xresize(w->list, (size_t)w->capacity, sizeof *w->list);
    }
    w->list[w->count++] = *s;
    return 0;
}

/* Pickles may place numbers at any byte, and big-endian files exist: those are copied, the others
 * stay mapped. */
const void *weights_align(struct weights *w, const void *data, size_t bytes, size_t element,
                          bool swap)
{
    unsigned char *copy;

    if ((uintptr_t)data % element == 0 && (!swap || element == 1))
        return data;
    copy = arena_alloc(&w->arena, bytes);
    memcpy(copy, data, bytes);
    for (size_t at = 0; swap && at + element <= bytes; at += element)
        for (size_t i = 0; i < element / 2; i++) {
            unsigned char byte = copy[at + i];

            copy[at + i] = copy[at + element - 1 - i];
            copy[at + element - 1 - i] = byte;
        }
    return copy;
}

int weights_count(const struct weights *w)
{
    return w->count;
}

const struct stored *weights_at(const struct weights *w, int index)
{
    return &w->list[index];
}

const struct stored *weights_find(const struct weights *w, const char *name)
{
    int found = w ? table_find(&w->names, name) : -1;

    return found < 0 ? NULL : &w->list[found];
}

const char *weights_path(const struct weights *w)
{
    return w->path;
}

const char *weights_kind(const struct weights *w)
{
    return w ? w->kind : "";
}

const char *weights_metadata(const struct weights *w)
{
    return w->metadata;
}

/* Reading an entry of a pickle has checked its sum already; storages are checked only here, since
 * opening a model should not read all of it. */
int weights_verify(const struct weights *w)
{
    for (int i = 0; i < w->shard_count; i++)
        if (weights_verify(w->shards[i]))
            return -1;
    for (int i = 0; i < w->zip.count; i++)
        if (zip_check(&w->zip.entries[i]))
            return explain(w);
    return 0;
}
