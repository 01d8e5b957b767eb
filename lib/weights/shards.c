/* SPDX-License-Identifier: MIT
 * shards.c - an index and the files it names, as one set of weights
 *
 *     {"metadata": {...}, "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}
 *
 * A tensor is taken from the file that the index gives for it, each of which is opened once.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "weights/container.h"

enum { INDEX_LIMIT = 64 << 20, SHARD_LIMIT = 1024 };

/* A file beside the index and nowhere else. */
static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && !strstr(name, "..");
}

/* Opened once; the same name later finds it again.  NULL after fail(). */
static struct weights *open_shard(struct weights *w, struct table *opened, const char *name)
{
    int found = table_find(opened, name);
    struct weights *shard;
    char *path;

    if (found >= 0)
        return w->shards[found];
    if (!is_plain(name))
        return fail("the index names a file outside its folder: %.80s", name), NULL;
    if (w->shard_count == SHARD_LIMIT)
        return fail_as("too_large", "the index names more than %d files", SHARD_LIMIT), NULL;
    path = path_join(w->path, name);
    shard = weights_load(path, false);
    free(path);
    if (!shard)
        return NULL;
    w->shards = xresize(w->shards, (size_t)w->shard_count + 1, sizeof(struct weights *));
    w->shards[w->shard_count] = shard;
    table_add(opened, name, w->shard_count++);
    return shard;
}

/* Every tensor of the index, from the file that it names: another file may hold the same name. */
static int read_map(struct weights *w, const cJSON *map, struct table *opened)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, map)
    {
        struct weights *shard =
            cJSON_IsString(item) ? open_shard(w, opened, item->valuestring) : NULL;
        int found;

        if (!cJSON_IsString(item))
            return fail("the index does not name a file for %.80s", item->string);
        if (!shard)
            return -1;
        found = table_find(&shard->names, item->string);
        if (found < 0)
            return fail_as("not_found", "%.80s is not in %s", item->string, item->valuestring);
        if (weights_add(w, &shard->list[found]))
            return -1;
    }
    return 0;
}

/* The path becomes the folder's. */
static void leave_file(struct weights *w)
{
    char *slash = strrchr(w->path, '/');

    if (!slash)
        strcpy(w->path, ".");
    else
        slash[slash == w->path] = 0;
}

int shards_read(struct weights *w)
{
    struct table opened = { 0 };
    const cJSON *map;
    cJSON *index;
    int result = -1;

    if (w->size > INDEX_LIMIT)
        return fail_as("too_large", "an index of %zu bytes", w->size);
    index = json_parse((const char *)w->data, w->size);
    if (!index)
        return -1;
    map = json_get(index, "weight_map");
    if (!cJSON_IsObject(map)) {
        fail("JSON, but no index of weights: it has no weight_map");
    } else {
        leave_file(w);
        result = read_map(w, map, &opened);
        w->kind = w->shard_count ? w->shards[0]->kind : "safetensors";
    }
    table_free(&opened);
    cJSON_Delete(index);
    return result;
}
