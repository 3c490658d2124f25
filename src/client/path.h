/* Finding one member of a JSON text by its path. Nothing is copied or changed. */
#ifndef AMP_CLIENT_PATH_H
#define AMP_CLIENT_PATH_H

#include "base/err.h"
#include "base/slice.h"

/* One well-formed JSON value and nothing else, by the strict rules of wire/json.h. */
bool amp_client_path_valid(struct amp_slice json);

/*
 * `json` must be valid. `path`: member names and array indices, parted by dots ("results.0.token"); "" is the whole.
 * *value borrows its exact text. Names that are written with escapes are not found.
 */
bool amp_client_path_find(struct amp_slice json, const char *path, struct amp_slice *value) AMP_MUST_USE;

#endif
