/* SPDX-License-Identifier: MIT
 * objective.h - what a model can be taught, by name, and how much each counts
 */
#ifndef TRAIN_OBJECTIVE_H
#define TRAIN_OBJECTIVE_H

#include "base/buffer.h"
#include "learn/learn.h"

struct objectives {
    unsigned set; /* OBJECTIVE_ITC | .. */
    float weight[LOSSES];
};
int objectives_parse(const char *text, struct objectives *o); /* "itc,itm:2"; -1 after fail() */
void objectives_list(struct buffer *b, unsigned set);         /* and back, without weights */

#endif
