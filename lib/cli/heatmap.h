/* SPDX-License-Identifier: MIT
 * heatmap.h - pictures of where in an image a text is
 */
#ifndef CLI_HEATMAP_H
#define CLI_HEATMAP_H

#include "cli/cli.h"
#include "vlm.h"

int heatmap_folder(const char *folder); /* made if it is not there; -1 after fail() */
/* Draws the map of a text, whose ids these are, over the record's image, and writes it into the
 * folder: the file's path, to free.  NULL: the record has failed, or, if it has not, after fail().
 */
char *heatmap_write(struct vlm *m, struct record *r, const char *folder, const char *text,
                    const float *features, const int *ids, int count);

#endif
