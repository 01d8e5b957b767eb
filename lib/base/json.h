/* SPDX-License-Identifier: MIT
 * json.h - cJSON's one door: small reads of parsed configurations
 *
 * Documents are parsed from bytes of known length.  Records are never parsed whole; see
 * stream/stream.h.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <cjson/cJSON.h>
#include "base/buffer.h"

cJSON *json_parse(const char *text, size_t size); /* whole text, or NULL after fail() */
cJSON *json_read(const char *path);               /* NULL after fail() naming the file */
const cJSON *json_get(const cJSON *object, const char *name); /* exact case; NULL-safe */
double json_number(const cJSON *object, const char *name, double otherwise);
bool json_bool(const cJSON *object, const char *name, bool otherwise);
const char *json_string(const cJSON *object, const char *name, const char *otherwise);
void json_escape_inside(struct buffer *b, const char *text, size_t size); /* without quotes */
void json_escape(struct buffer *b, const char *text, size_t size); /* quoted; bad UTF-8: U+FFFD */

#endif
