/* SPDX-License-Identifier: MIT
 * towers.c - the files of the frozen towers that LAVIS leaves out of its checkpoints
 *
 * The one that is named, or one beside the checkpoint that has the name under which its authors
 * published it.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "family/blip2/files.h"
#include "checkpoint/model.h"

/* Takes *named, which is NULL then, or looks for the names, NULL last.  To free; NULL: none. */
static char *look(const struct model *m, const char **named, const char *const *names)
{
    char *path = *named ? xstrdup(*named) : NULL;

    *named = NULL;
    for (; *names && !path; names++) {
        path = path_join(m->folder, *names);
        if (!path_exists(path)) {
            free(path);
            path = NULL;
        }
    }
    return path;
}

static const struct weights *also(struct model *m, const char *path)
{
    struct weights *w = weights_open(path);

    if (w)
        m->also[m->also_count++] = (struct source){ .weights = w };
    return w;
}

int blip2_open_vision(struct model *m, const struct weights **vision)
{
    static const char *const names[] = { "eva_vit_g.pth", "clip_vit_L.pth", NULL };
    char *path;

    *vision = NULL;
    if (blip2_has_vision(m->weights))
        return 0;
    path = look(m, &m->wanted.vision, names);
    if (!path)
        return fail_as("not_found",
                       "the image tower is not in this file: name its file with --vision, or put "
                       "eva_vit_g.pth or clip_vit_L.pth beside it");
    *vision = also(m, path);
    free(path);
    if (!*vision)
        return -1;
    m->also[m->also_count - 1].layout =
        blip2_is_clip(*vision, "") ? &blip2_layout_clip_file : &blip2_layout_eva_file;
    return 0;
}

static int read_language(struct model *m, const char *path, struct blip2_config *c)
{
    const char *slash = strrchr(path, '/');
    char *folder = path_is_folder(path) ? xstrdup(path)
                   : slash              ? xmemdup(path, (size_t)(slash - path) + 1)
                                        : xstrdup(".");
    char *config = path_join(folder, "config.json");
    const struct weights *w = also(m, path);
    cJSON *root = w ? json_read(config) : NULL;
    int status = root ? blip2_config_language(root, true, c) : -1;

    if (w)
        m->also[m->also_count - 1].layout = c->language == LANGUAGE_T5 ? &blip2_layout_t5_file
                                            : weights_find(w, "decoder.embed_tokens.weight")
                                                ? &blip2_layout_opt_bare_file
                                                : &blip2_layout_opt_file;
    m->tokenizer_folder = folder;
    cJSON_Delete(root);
    free(config);
    return status;
}

int blip2_open_language(struct model *m, struct blip2_config *c)
{
    static const char *const opt[] = { "opt-2.7b", "opt-6.7b", NULL };
    static const char *const t5[] = { "flan-t5-xl", "flan-t5-xxl", NULL };
    bool is_opt = c->language == LANGUAGE_OPT;
    const char *const *names = is_opt ? opt : t5;
    const struct stored *s =
        weights_find(m->weights, is_opt ? "opt_proj.weight" : "t5_proj.weight");
    bool large = s->rank == 2 && s->shape[0] == 4096; /* of both the larger one is that wide */
    char *path;
    int status;

    path = look(m, &m->wanted.language, names + large);
    if (!path)
        return fail_as("not_found",
                       "the language model is not in this file: name its folder with --language, "
                       "or put %s beside it",
                       names[large]);
    status = read_language(m, path, c);
    free(path);
    return status;
}
