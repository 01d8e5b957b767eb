/* SPDX-License-Identifier: MIT
 * model.c - an opened checkpoint: its files, before a family reads them
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/model.h"

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (path_is_folder(path))
        return xstrdup(path);
    return slash ? xmemdup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
}

/* 0 also where there is no such file; -1 where it cannot be read. */
static int read_beside(const struct model *m, const char *name, cJSON **config)
{
    char *path = path_join(m->folder, name);
    int result = 0;

    if (path_exists(path)) {
        *config = json_read(path);
        result = *config ? 0 : -1;
    }
    free(path);
    return result;
}

int model_read_configs(struct model *m)
{
    if (read_beside(m, "open_clip_config.json", &m->open_clip))
        return -1;
    return read_beside(m, "config.json", &m->config);
}

int model_read_description(struct model *m)
{
    if (read_beside(m, "config.json", &m->config))
        return -1;
    return m->config ? 0 : fail_as("not_found", "%s: has no config.json", m->folder);
}

struct model *model_new(const char *path, const struct vlm_options *options)
{
    struct model *m = xalloc(1, sizeof *m);

    m->path = xstrdup(path);
    m->folder = folder_of(path);
    m->wanted.compat = options ? options->compat : NULL;
    m->wanted.image_size = options ? options->image_size : 0;
    m->wanted.orient = options ? options->orient : NULL;
    m->wanted.background = options ? options->background : NULL;
    m->wanted.vision = options ? options->vision : NULL;
    m->wanted.language = options ? options->language : NULL;
    m->reading.kind = &tokenizer_kind_clip;
    m->writing.end_word = "[SEP]";
    m->image.per_text = m->embedding.per_image = 1;
    m->reading.caption_style = CAPTION_BLIP;
    m->reading.caption_words = 50; /* as salesforce/BLIP data/utils.py */
    return m;
}

bool model_is_original(const struct model *m)
{
    const char *compat =
        m->wanted.compat ? m->wanted.compat : json_string(m->config, "vlm_compat", "hf");

    return !strcmp(compat, "original");
}

struct tensor *model_pixels(struct tape *t, const struct model *m, const float *pixels, int count)
{
    const struct preprocess *p = &m->image.preprocess;
    float *at = (float *)(uintptr_t)pixels;

    if (p->geometry == GEOMETRY_PATCHES)
        return tensor_from(t, at, 2, (long[]){ count, (long)preprocess_numbers(p) });
    return tensor_from(t, at, 4, (long[]){ count, 3, p->height, p->width });
}

void model_free(struct model *m)
{
    if (!m)
        return;
    if (m->family)
        m->family->close(m);
    params_free(&m->params);
    arena_free(&m->memory);
    weights_close(m->weights);
    for (int i = 0; i < m->also_count; i++)
        weights_close(m->also[i].weights);
    cJSON_Delete(m->config);
    cJSON_Delete(m->open_clip);
    free(m->about);
    free(m->tokenizer_folder);
    free(m->folder);
    free(m->path);
    free(m);
}
