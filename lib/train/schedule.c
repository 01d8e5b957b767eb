/* SPDX-License-Identifier: MIT
 * schedule.c - the learning rate of every step, as the originals set it
 *
 *     cosine   open_clip      rate (step + 1) / warmup, then down to `least` along a cosine, every
 *                             step.  open_clip_train/scheduler.py cosine_lr, where least is 0
 *     epoch    BLIP, LAVIS    the same cosine, but one value an epoch; in epoch 0 a straight line
 *                             from warmup_rate over `warmup` steps.  BLIP utils.py
 *                             cosine_lr_schedule; LAVIS optims.py linear_warmup_cosine_lr
 *     decay    BLIP           epoch 0 as above, then rate decay^epoch.  BLIP utils.py
 *                             step_lr_schedule
 *     constant                rate, behind the straight line
 */
#include <math.h>
#include <string.h>
#include "train/train.h"

const char *const schedule_names[] = {
    [SCHEDULE_COSINE] = "cosine",
    [SCHEDULE_EPOCH] = "epoch",
    [SCHEDULE_DECAY] = "decay",
    [SCHEDULE_CONSTANT] = "constant",
    NULL,
};

/* done: from 0 to 1 (arXiv 1608.03983, equation 5, without restarts). */
static double cosine(const struct schedule *s, double done)
{
    return s->least + (s->rate - s->least) * 0.5 * (1 + cos(3.141592653589793 * done));
}

/* The rate of step `step`, counted from 0; the last step is steps - 1. */
double schedule_rate(const struct schedule *s, long step)
{
    long epoch = step / s->per_epoch, epochs = (s->steps + s->per_epoch - 1) / s->per_epoch;
    double rise = s->warmup ? fmin(1, (double)step / (double)s->warmup) : 1;
    double line = s->warmup_rate + (s->rate - s->warmup_rate) * rise;

    switch (s->kind) {
    case SCHEDULE_COSINE:
        if (step < s->warmup)
            return s->rate * (double)(step + 1) / (double)s->warmup;
        return cosine(s, (double)(step - s->warmup) / fmax(1, (double)(s->steps - s->warmup)));
    case SCHEDULE_EPOCH:
        return epoch ? cosine(s, (double)epoch / (double)epochs) : line;
    case SCHEDULE_DECAY:
        return epoch ? fmax(s->least, s->rate * pow(s->decay, (double)epoch)) : line;
    case SCHEDULE_CONSTANT:
        break;
    }
    return line;
}
