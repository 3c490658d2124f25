/* docs/openapi.json as it was built in. */
#ifndef AMP_API_OPENAPI_JSON_H
#define AMP_API_OPENAPI_JSON_H

#include <stddef.h>

extern const unsigned char amp_openapi_json[];
extern const size_t amp_openapi_json_len;

#endif
