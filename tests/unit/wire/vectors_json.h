/* Published vectors that are JSON files, in the folder that AMPOULE_VECTORS names. */
#ifndef AMP_TESTS_VECTORS_JSON_H
#define AMP_TESTS_VECTORS_JSON_H

#include <jansson.h>
#include <string.h>

#include "../support.h"
#include "base/slice.h"

static inline json_t *load_vectors(const char *name)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", vectors_dir(), name);
    json_t *file = json_load_file(path, 0, &error);
    if (file == NULL)
        fail_msg("%s: %s", path, error.text);
    return file;
}

/* {NULL, 0} where it is absent, or null. */
static inline struct amp_slice text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? amp_slice(NULL, 0) : amp_slice_str(text);
}

static inline bool is_valid(const json_t *vector)
{
    return amp_slice_is(text_of(vector, "result"), "valid");
}

#endif
