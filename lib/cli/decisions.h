/* SPDX-License-Identifier: MIT
 * decisions.h - what a person decided on records, as vlm-page saves it
 *
 *     {"id":7,"keep":true,"truth":true,"itm":0.71,"text":"a red shoe"}
 *
 * A line is about the record with that id (or "key", see record_key()) whose first text is `text`;
 * without a text, about all records with the id.  Of two lines about the same the later one counts.
 */
#ifndef CLI_DECISIONS_H
#define CLI_DECISIONS_H

#include "stream/stream.h"

struct decisions;
struct decisions *decisions_read(const char *path); /* NULL after fail() */
enum decision { DECISION_NONE, DECISION_KEEP, DECISION_DROP };
enum decision decisions_on(struct decisions *d, const struct record *r, const struct fields *f);
/* Lines that were about none of the records asked for; *all: of the file. */
long decisions_unused(const struct decisions *d, long *all);
void decisions_free(struct decisions *d); /* NULL is nothing */

#endif
