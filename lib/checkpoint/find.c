/* SPDX-License-Identifier: MIT
 * find.c - where a model lies
 *
 * The installation is found from the running program, so a tree that was moved still finds its
 * models; the prefix known when it was built comes after that.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/model.h"

#ifndef INSTALLED
#define INSTALLED "/usr/local"
#endif

static char *user_folder(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (data && *data)
        return xprintf("%s/vlm/models", data);
    return home && *home ? xprintf("%s/.local/share/vlm/models", home) : NULL;
}

/* PREFIX/bin/vlm-embed -> PREFIX/share/vlm/models; where it was built, build/share/vlm/models */
static char *beside_program(const char *way, const char *what)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash;

    if (length <= 0)
        return NULL;
    program[length] = 0;
    slash = strrchr(program, '/');
    if (slash)
        *slash = 0;
    return xprintf("%s%s/share/vlm/%s", program, way, what);
}

/* The path if there is something; takes the folder. */
static char *look(char *folder, const char *name, struct buffer *tried)
{
    char *path;

    if (!folder)
        return NULL;
    buffer_printf(tried, "%s%s", tried->size ? ", " : "", folder);
    path = path_join(folder, name);
    free(folder);
    if (path_exists(path))
        return path;
    free(path);
    return NULL;
}

/* Every folder of a list with colons. */
static char *look_in_list(const char *list, const char *name, struct buffer *tried)
{
    char *path = NULL;

    while (list && *list && !path) {
        size_t length = strcspn(list, ":");

        if (length)
            path = look(xmemdup(list, length), name, tried);
        list += length + (list[length] == ':');
    }
    return path;
}

/* Where Hugging Face's cache keeps ORG/NAME, if it does; to free. */
static char *look_in_hub(const char *name, struct buffer *tried)
{
    const char *hub = getenv("HF_HUB_CACHE"), *top = getenv("HF_HOME"), *home = getenv("HOME");
    const char *slash = strchr(name, '/');
    char *folder = NULL, *inside, *path;

    if (!slash || slash == name || !slash[1] || strchr(slash + 1, '/') || *name == '.')
        return NULL;
    if (hub && *hub)
        folder = xstrdup(hub);
    else if (top && *top)
        folder = xprintf("%s/hub", top);
    else if (home && *home)
        folder = xprintf("%s/.cache/huggingface/hub", home);
    inside = xprintf("models--%.*s--%s", (int)(slash - name), name, slash + 1);
    path = look(folder, inside, tried);
    free(inside);
    return path;
}

static char *search(const char *name, struct buffer *tried)
{
    char *path = look_in_list(getenv("VLM_MODELS"), name, tried);

    if (!path)
        path = look(user_folder(), name, tried);
    if (!path)
        path = look(beside_program("/..", "models"), name, tried);
    if (!path)
        path = look(beside_program("", "models"), name, tried);
    if (!path)
        path = look(xstrdup(INSTALLED "/share/vlm/models"), name, tried);
    return path;
}

char *model_vocabulary(const char *name)
{
    struct buffer tried = { 0 };
    char *path = look(beside_program("/..", "vocabularies"), name, &tried);

    if (!path)
        path = look(beside_program("", "vocabularies"), name, &tried);
    if (!path)
        path = look(xstrdup(INSTALLED "/share/vlm/vocabularies"), name, &tried);
    buffer_free(&tried);
    return path;
}

char *model_find(const char *name)
{
    struct buffer tried = { 0 };
    bool unnamed = false;
    char *path;

    if (!name || !*name) {
        name = getenv("VLM_MODEL");
        unnamed = !name || !*name;
    }
    if (!unnamed && path_exists(name))
        return xstrdup(name);
    if (!unnamed && strchr(name, '/')) {
        path = look_in_hub(name, &tried);
        if (!path && tried.size)
            fail_as("not_found",
                    "%s: no such file or folder, and no such model in %s; vlm-models(7) says where "
                    "to get one",
                    name, tried.data);
        else if (!path)
            path = xstrdup(name); /* opening it says that it is not there */
        buffer_free(&tried);
        return path;
    }
    path = search(unnamed ? "default" : name, &tried);
    if (!path && unnamed)
        fail_as("not_found",
                "no model is named and none is installed: give one with -m or in $VLM_MODEL, or "
                "install one as \"default\" (looked in %s)",
                tried.data);
    else if (!path)
        fail_as("not_found", "no model \"%s\" (looked in %s); vlm-models(7) says where to get one",
                name, tried.data);
    buffer_free(&tried);
    return path;
}
