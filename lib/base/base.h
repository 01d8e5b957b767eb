/* SPDX-License-Identifier: MIT
 * base.h - all of what everything stands on, for commands and tests
 *
 * Knows nothing of images, words or models.  A file of the library includes those of these headers
 * that it needs, so that a change of one of them rebuilds its readers alone.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdarg.h>
#include "base/buffer.h"
#include "base/core.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"

#endif
