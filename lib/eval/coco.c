/* SPDX-License-Identifier: MIT
 * coco.c - references and results in the files of the COCO data sets
 *
 *     COCO {"images":[{"id":N,"file_name":F},..],"annotations":[{"image_id":N,"caption":T},..]}
 *     Karpathy    {"images":[{"cocoid" or "imgid":N,"filename":F,"split":S,
 *                             "sentences":[{"raw":T},..]},..]}
 *     BLIP        [{"image":F,"image_id":N,"caption":T or [T,..]},..]
 *     results     [{"image_id":N,"caption":T},..]
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/json.h"
#include "eval/eval.h"

struct entry {
    const char **texts; /* they belong to the document */
    int count;
    bool taken;
};
struct references {
    cJSON *document;
    struct names keys; /* ids, and "/" with the last part of file names */
    long *image_of;    /* [keys] */
    struct entry *list;
    long count, room, key_room;
};

/* Numbers as they are usually written: 391895, not 391895.0; to free; NULL: no id. */
static char *id_text(const cJSON *value)
{
    if (cJSON_IsString(value))
        return xstrdup(value->valuestring);
    return cJSON_IsNumber(value) ? xprintf("%.17g", value->valuedouble) : NULL;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The first image of a key keeps it. */
static void set_key(struct references *r, const char *key, long image)
{
    long known = r->keys.count, i = names_add(&r->keys, key, strlen(key));

    if (i < known)
        return;
    if (i >= r->key_room) {
        r->key_room = r->key_room ? 2 * r->key_room : 64;
        r->image_of = xresize(r->image_of, (size_t)r->key_room, sizeof *r->image_of);
    }
    r->image_of[i] = image;
}

static long find(const struct references *r, const char *key)
{
    long i = names_find(&r->keys, key, strlen(key));

    return i < 0 ? -1 : r->image_of[i];
}

long references_find_id(const struct references *r, const char *id)
{
    return *id == '/' ? -1 : find(r, id);
}

long references_find_file(const struct references *r, const char *path)
{
    char *key = xprintf("/%s", last_part(path));
    long image = find(r, key);

    free(key);
    return image;
}

/* The image of this id and file name, either may be missing; a new one if neither is known. */
static long image_of(struct references *r, const cJSON *id, const char *file)
{
    char *text = id_text(id), *key = file ? xprintf("/%s", last_part(file)) : NULL;
    long image = text ? find(r, text) : -1;

    if (image < 0 && key && !text)
        image = find(r, key);
    if (image < 0) {
        if (r->count == r->room) {
            r->room = r->room ? 2 * r->room : 64;
            r->list = xresize(r->list, (size_t)r->room, sizeof *r->list);
        }
        image = r->count++;
        r->list[image] = (struct entry){ 0 };
    }
    if (text)
        set_key(r, text, image);
    if (key)
        set_key(r, key, image);
    free(text);
    free(key);
    return image;
}

static int add_text(struct references *r, long image, const cJSON *text)
{
    struct entry *e = &r->list[image];

    if (!cJSON_IsString(text))
        return fail("a caption is no string");
    e->texts = xresize(e->texts, (size_t)e->count + 1, sizeof *e->texts);
    e->texts[e->count++] = text->valuestring;
    return 0;
}

/* COCO's own: a list of captions, each with its image's id, and a list of images. */
static int read_coco(struct references *r, const cJSON *annotations)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, annotations)
    {
        const cJSON *id = json_get(one, "image_id");

        if (!cJSON_IsString(id) && !cJSON_IsNumber(id))
            return fail("an annotation has no image_id");
        if (add_text(r, image_of(r, id, NULL), json_get(one, "caption")))
            return -1;
    }
    /* Names of images that have captions; others are not wanted. */
    cJSON_ArrayForEach(one, json_get(r->document, "images"))
    {
        const char *file = json_string(one, "file_name", NULL);
        char *id = id_text(json_get(one, "id"));

        if (file && id && find(r, id) >= 0)
            image_of(r, json_get(one, "id"), file);
        free(id);
    }
    return 0;
}

/* An image has an id of COCO, or of Flickr30k (imgid); split: train, restval, val, test, or NULL
 * for all. */
static int read_karpathy(struct references *r, const cJSON *images, const char *split)
{
    const cJSON *one, *sentence;

    cJSON_ArrayForEach(one, images)
    {
        const cJSON *id = json_get(one, "cocoid"), *sentences = json_get(one, "sentences");
        long image;

        if (split && strcmp(json_string(one, "split", ""), split))
            continue;
        if (!cJSON_IsArray(sentences) || !sentences->child)
            return fail("an image has no sentences");
        image = image_of(r, id ? id : json_get(one, "imgid"), json_string(one, "filename", NULL));
        cJSON_ArrayForEach(sentence, sentences)
        {
            if (add_text(r, image, json_get(sentence, "raw")))
                return -1;
        }
    }
    return 0;
}

/* One entry a caption, or one an image with a list of captions. */
static int read_blip(struct references *r)
{
    const cJSON *one, *text;

    cJSON_ArrayForEach(one, r->document)
    {
        const cJSON *captions = json_get(one, "caption");
        const char *file = json_string(one, "image", NULL);
        const cJSON *id = json_get(one, "image_id");
        long image;

        if (!file && !cJSON_IsString(id) && !cJSON_IsNumber(id))
            return fail("an entry has neither image nor image_id");
        image = image_of(r, id, file);
        if (!cJSON_IsArray(captions)) {
            if (add_text(r, image, captions))
                return -1;
            continue;
        }
        cJSON_ArrayForEach(text, captions)
        {
            if (add_text(r, image, text))
                return -1;
        }
    }
    return 0;
}

/* Which of the three it is, by what stands at its top. */
static int read_any(struct references *r, const char *split)
{
    const cJSON *annotations = json_get(r->document, "annotations");
    const cJSON *images = json_get(r->document, "images");

    if (cJSON_IsArray(images) && !annotations)
        return read_karpathy(r, images, split);
    if (split)
        return fail("it has no splits");
    if (cJSON_IsArray(annotations))
        return read_coco(r, annotations);
    if (cJSON_IsArray(r->document))
        return read_blip(r);
    return fail("neither COCO annotations, nor Karpathy's images, nor a list");
}

static int check_texts(const struct references *r)
{
    for (long i = 0; i < r->count; i++)
        if (!r->list[i].count)
            return fail("an image has no captions");
    return r->count ? 0 : fail("it has no images");
}

struct references *references_read(const char *path, const char *split)
{
    struct references *r = xalloc(1, sizeof *r);
    char *reason;

    r->document = json_read(path);
    if (r->document && !read_any(r, split) && !check_texts(r))
        return r;
    reason = xstrdup(error_text());
    if (r->document)
        fail("%s: %s", path, reason);
    free(reason);
    references_free(r);
    return NULL;
}

long references_count(const struct references *r)
{
    return r->count;
}

/* An image counts once: a second caption would count its references twice. */
const char *const *references_take(struct references *r, long image, int *count)
{
    if (r->list[image].taken) {
        fail_as("duplicate", "its image has a caption already");
        return NULL;
    }
    r->list[image].taken = true;
    *count = r->list[image].count;
    return r->list[image].texts;
}

void references_free(struct references *r)
{
    if (!r)
        return;
    for (long i = 0; i < r->count; i++)
        free(r->list[i].texts);
    free(r->list);
    free(r->image_of);
    names_free(&r->keys);
    cJSON_Delete(r->document);
    free(r);
}

/* The format that COCO's evaluation server takes. */
static int read_results(const cJSON *list, int (*each)(const char *id, const char *caption))
{
    const cJSON *one;
    int status = 0;

    if (!cJSON_IsArray(list))
        return fail("not a list of results");
    cJSON_ArrayForEach(one, list)
    {
        char *id = id_text(json_get(one, "image_id"));
        const char *caption = json_string(one, "caption", NULL);

        status = id && caption ? each(id, caption) : fail("a result lacks image_id or caption");
        free(id);
        if (status)
            break;
    }
    return status;
}

int results_read(const char *path, int (*each)(const char *id, const char *caption))
{
    cJSON *list = json_read(path);
    char *reason;
    int status;

    if (!list)
        return -1;
    status = read_results(list, each);
    if (status) {
        reason = xstrdup(error_text());
        fail("%s: %s", path, reason);
        free(reason);
    }
    cJSON_Delete(list);
    return status;
}
