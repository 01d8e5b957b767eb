/* SPDX-License-Identifier: MIT
 * report.c - losses of many passes, summed, then their means
 */
#include "learn/learn.h"
#include "train/loop.h"

void report_add(struct training_report *r, const struct losses *l)
{
    r->loss += (double)l->total->data[0];
    r->temperature += (double)l->temperature;
    r->losses = 0;
    for (int i = 0; i < LOSSES; i++) {
        if (l->each[i]) {
            r->name[r->losses] = loss_name(i);
            r->each[r->losses++] += (double)l->each[i]->data[0];
        }
    }
}

void report_mean(struct training_report *r, long passes)
{
    r->loss /= (double)passes;
    r->temperature /= (double)passes;
    for (int i = 0; i < r->losses; i++)
        r->each[i] /= (double)passes;
}
