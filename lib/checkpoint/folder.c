/* SPDX-License-Identifier: MIT
 * folder.c - a model's folder as one thing: where in it the model is, and which files belong
 * together
 *
 *     modules.json                 sentence-transformers: the first module's folder
 *     snapshots/, refs/main        Hugging Face's cache: the snapshot that refs/main names
 *     checkpoint-N/                a trainer's output, if no weights lie beside: the largest N
 *
 * A folder may hold two layouts, each with weights and a configuration of its own: config.json with
 * Hugging Face's names of files, open_clip_config.json with open_clip's.  A pair is used, never a
 * mixture.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/model.h"

enum { DEEPEST = 8 }; /* a folder in a folder in .. */

static bool has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = path_exists(path);

    free(path);
    return there;
}

/* --- where the model is --- */

/* A name that stays inside its folder. */
static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

/* What the other modules do to the first one's vectors: Normalize is what is done here anyway;
 * others, such as Pooling and Dense, are not known. */
static int check_modules(const cJSON *modules, const char *path)
{
    for (int i = 1; i < cJSON_GetArraySize(modules); i++) {
        const char *type = json_string(cJSON_GetArrayItem(modules, i), "type", "");
        const char *name = strrchr(type, '.');

        if (strcmp(name ? name + 1 : type, "Normalize"))
            return fail_as("unsupported", "%s: a module of type \"%s\" behind the first", path,
                           type);
    }
    return 0;
}

/* A prompt that sentence-transformers puts before every text. */
static int check_prompt(const char *folder)
{
    char *path = path_join(folder, "config_sentence_transformers.json");
    cJSON *o = path_exists(path) ? json_read(path) : NULL;
    const char *name = json_string(o, "default_prompt_name", "");
    int status = path_exists(path) && !o ? -1 : 0;

    if (*json_string(json_get(o, "prompts"), name, ""))
        status =
            fail_as("unsupported", "%s: the prompt \"%s\" stands before every text", path, name);
    cJSON_Delete(o);
    free(path);
    return status;
}

/* *inside: the first module's folder; NULL where that is the folder itself.  -1 after fail(). */
static int first_module(const char *folder, char **inside)
{
    char *path = path_join(folder, "modules.json");
    cJSON *modules = json_read(path);
    const char *name = json_string(cJSON_GetArrayItem(modules, 0), "path", NULL);
    int status = modules ? check_modules(modules, path) : -1;

    if (!status && (!name || (*name && !is_plain(name))))
        status = fail("%s: names no folder for its first module", path);
    if (!status)
        status = check_prompt(folder);
    *inside = !status && *name ? path_join(folder, name) : NULL;
    cJSON_Delete(modules);
    free(path);
    return status;
}

/* The name in `folder` that begins so and ends in the largest number; to free; NULL: none. */
static char *last_numbered(const char *folder, const char *begin)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    long most = -1;
    char *found = NULL;

    while (dir && (entry = readdir(dir))) {
        const char *digits = entry->d_name + strlen(begin);
        char *end;
        long number;

        if (strncmp(entry->d_name, begin, strlen(begin)) || *digits < '0' || *digits > '9')
            continue;
        number = strtol(digits, &end, 10);
        if (*end || number <= most)
            continue;
        most = number;
        free(found);
        found = xstrdup(entry->d_name);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* The only entry of a folder, by name; NULL: none, or several. */
static char *only_entry(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char *found = NULL;
    int count = 0;

    while (dir && (entry = readdir(dir)))
        if (*entry->d_name != '.' && !count++)
            found = xstrdup(entry->d_name);
    if (dir)
        closedir(dir);
    if (count != 1) {
        free(found);
        return NULL;
    }
    return found;
}

static int snapshot(const char *folder, char **inside)
{
    char *snapshots = path_join(folder, "snapshots"), *main = path_join(folder, "refs/main");
    struct buffer name = { 0 };
    char *only = NULL;
    int status = 0;

    if (path_exists(main))
        status = file_read(&name, main);
    else if ((only = only_entry(snapshots)))
        buffer_string(&name, only);
    while (name.size && (unsigned char)name.data[name.size - 1] <= ' ')
        name.data[--name.size] = 0;
    if (!status && (!name.size || !is_plain(name.data)))
        status = fail_as("not_found", "%s: refs/main names no snapshot", folder);
    *inside = status ? NULL : path_join(snapshots, name.data);
    buffer_free(&name);
    free(only);
    free(main);
    free(snapshots);
    return status;
}

static int look_inside(const char *folder, char **inside)
{
    char *name;

    *inside = NULL;
    if (has(folder, "modules.json"))
        return first_module(folder, inside);
    if (has(folder, "snapshots"))
        return snapshot(folder, inside);
    name = weights_in_folder(folder, false);
    if (name || has(folder, "adapter_config.json")) {
        free(name);
        return 0;
    }
    name = last_numbered(folder, "checkpoint-");
    *inside = name ? path_join(folder, name) : NULL;
    free(name);
    return 0;
}

char *model_resolve(const char *path)
{
    char *at = xstrdup(path), *inside;

    for (int i = 0; i < DEEPEST && path_is_folder(at); i++) {
        int status = look_inside(at, &inside);

        if (status || !inside) {
            if (status) {
                free(at);
                return NULL;
            }
            break;
        }
        free(at);
        at = inside;
    }
    return at;
}

/* --- which files belong together --- */

static const char *type_of(const struct model *m)
{
    return json_string(m->config, "model_type", "");
}

/* Hugging Face's spelling of a tower of CLIP's kind. */
static bool is_spelt_hf(const struct weights *w)
{
    for (int i = 0; i < weights_count(w); i++) {
        const char *name = weights_at(w, i)->name;

        if (!strncmp(name, "vision_model.", 13) || !strncmp(name, "text_model.", 11))
            return true;
    }
    return false;
}

static void forget(cJSON **config)
{
    cJSON_Delete(*config);
    *config = NULL;
}

/* Of two configurations the one that the tensors' names belong to stays. */
static void choose_config(struct model *m)
{
    if (!m->open_clip || !m->config)
        return;
    if (is_spelt_hf(m->weights))
        forget(&m->open_clip);
    else
        forget(&m->config);
}

static int open_weights(struct model *m)
{
    bool open_clip = m->open_clip && (!m->config || !*type_of(m));
    char *file = path_is_folder(m->path) ? weights_in_folder(m->path, open_clip) : xstrdup(m->path);

    m->weights = weights_open(file ? file : m->path); /* which says what a folder lacks */
    free(file);
    return m->weights ? 0 : -1;
}

int model_read_files(struct model *m, bool (*alone)(const struct weights *w))
{
    bool folder = path_is_folder(m->path);

    if ((folder && model_read_configs(m)) || open_weights(m))
        return -1;
    if (alone(m->weights)) {
        forget(&m->config);
        forget(&m->open_clip);
        return 0;
    }
    if (!folder && model_read_configs(m))
        return -1;
    choose_config(m);
    return 0;
}
