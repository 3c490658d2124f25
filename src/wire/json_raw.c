/* Any value, validated to its last byte and left as it was written. Recursion ends at AMP_JSON_MAX_DEPTH. */
#include "wire/json_lex.h"
#include "wire/json_names.h"

struct raw {
    struct amp_json *json;
    struct amp_json_names names;
    uint64_t objects; /* opened so far: the next one's number */
};

/* Passes over a string; where `name` is given, hashes what it stands for, so that each spelling of it is the
 * same. */
static enum amp_err skip_string(struct amp_json *json, struct amp_json_name *name)
{
    json->pos++;
    for (;;) {
        struct amp_slice run;
        uint8_t utf8[AMP_JSON_MAX_CHAR];
        size_t len;
        if (amp_json_take_run(json, &run) != AMP_OK)
            return json->err;
        if (name != NULL)
            amp_json_name_add(name, run);
        if (amp_json_take(json, '"'))
            return AMP_OK;
        if (json->pos == json->len)
            return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
        if (amp_json_take_escape(json, utf8, &len) != AMP_OK)
            return json->err;
        if (name != NULL)
            amp_json_name_add(name, amp_slice(utf8, len));
    }
}

static enum amp_err skip_value(struct raw *raw);

static enum amp_err skip_name(struct raw *raw, uint64_t object)
{
    struct amp_json *json = raw->json;
    struct amp_json_name name;
    if (amp_json_peek(json) != AMP_JSON_STRING)
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    amp_json_name_start(&name, object);
    if (skip_string(json, &name) != AMP_OK)
        return json->err;
    enum amp_err err = amp_json_names_insert(&raw->names, &name);
    if (err != AMP_OK)
        return amp_json_fail(json, err);
    amp_json_skip_space(json);
    return amp_json_take(json, ':') ? AMP_OK : amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
}

static enum amp_err skip_object(struct raw *raw)
{
    struct amp_json *json = raw->json;
    uint64_t object = raw->objects++;
    if (amp_json_open(json) != AMP_OK)
        return json->err;
    for (bool first = true; amp_json_next(json, '}', first); first = false) {
        if (skip_name(raw, object) != AMP_OK || skip_value(raw) != AMP_OK)
            return json->err;
    }
    return json->err;
}

static enum amp_err skip_array(struct raw *raw)
{
    struct amp_json *json = raw->json;
    if (amp_json_open(json) != AMP_OK)
        return json->err;
    for (bool first = true; amp_json_next(json, ']', first); first = false) {
        if (skip_value(raw) != AMP_OK)
            return json->err;
    }
    return json->err;
}

static enum amp_err skip_value(struct raw *raw)
{
    struct amp_json *json = raw->json;
    struct amp_slice number;
    bool flag;
    switch (amp_json_peek(json)) {
    case AMP_JSON_OBJECT:
        return skip_object(raw);
    case AMP_JSON_ARRAY:
        return skip_array(raw);
    case AMP_JSON_STRING:
        return skip_string(json, NULL);
    case AMP_JSON_NUMBER:
        return amp_json_take_number(json, &number, &flag);
    case AMP_JSON_BOOL:
        return amp_json_read_bool(json, &flag);
    case AMP_JSON_NULL:
        return amp_json_take_literal(json, AMP_SLICE_LIT("null"));
    case AMP_JSON_NONE:
        break;
    }
    return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
}

enum amp_err amp_json_read_raw(struct amp_json *json, struct amp_slice *out)
{
    struct raw raw = {.json = json};
    *out = amp_slice(NULL, 0);
    if (amp_json_peek(json) == AMP_JSON_NONE)
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    size_t start = json->pos;
    enum amp_err err = amp_json_names_init(&raw.names);
    if (err == AMP_OK)
        err = skip_value(&raw);
    amp_json_names_free(&raw.names);
    if (err != AMP_OK)
        return amp_json_fail(json, err);
    *out = amp_slice(json->text + start, json->pos - start);
    return AMP_OK;
}
