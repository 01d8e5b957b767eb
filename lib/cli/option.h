/* SPDX-License-Identifier: MIT
 * option.h - what option.c and help.c share
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "cli/cli.h"

/* The i-th option of a table: its own first, then those of its groups; NULL behind the last.
 * *heading is its group's name, or NULL. */
const struct option_spec *option_at(const struct option_spec *table, int i, const char **heading);

/* help.c */
void help_print(const struct option_usage *usage);
void help_list(const struct option_spec *table);

#endif
