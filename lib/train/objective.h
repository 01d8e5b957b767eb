/* SPDX-License-Identifier: MIT
 * objective.h - the names of what a model can be taught
 */
#ifndef TRAIN_OBJECTIVE_H
#define TRAIN_OBJECTIVE_H

#include "model/learn.h"

extern const char *const objective_names[OBJECTIVES];  /* "itc" ..., by the bits' order */
int objectives_parse(const char *text, unsigned *set); /* "itc,itm"; -1 after fail() */
void objectives_list(struct buffer *b, unsigned set);  /* and back */

#endif
