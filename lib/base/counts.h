/* SPDX-License-Identifier: MIT
 * counts.h - how often each of some words came
 */
#ifndef BASE_COUNTS_H
#define BASE_COUNTS_H

struct counts {
    char **words;
    long *times;
    int used;
};
void counts_add(struct counts *c, const char *word); /* the 200th word and all after it: "others" */
void counts_free(struct counts *c);

#endif
