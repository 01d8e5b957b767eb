/* SPDX-License-Identifier: MIT
 * sidecar.h - a caption in a file beside its picture
 */
#ifndef CLI_SIDECAR_H
#define CLI_SIDECAR_H

#include "cli/cli.h"

enum existing { EXISTING_SKIP, EXISTING_REPLACE, EXISTING_APPEND, EXISTING_PREPEND };

/* The picture's path with `suffix` in place of what follows the last point of its name; to free;
 * NULL after fail(). */
char *sidecar_path(const struct record *r, const char *suffix);
/* Before this run began, which is when this is first called: with NULL, from begin(). */
bool sidecar_was_there(const char *path);
int sidecar_write(const char *path, const char *caption, enum existing how); /* -1 after fail() */

#endif
