/*
 * Objects that may have members nobody here knows. The whole text is validated first, before any string of it is
 * unescaped: that finds a name given twice, known or not, at every level.
 */
#include "wire/json_lex.h"

#define MAX_MEMBERS 32 /* bits of `seen` */

static const struct amp_json_member *find(const struct amp_json_member *members, size_t count, struct amp_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (amp_slice_is(name, members[i].name))
            return &members[i];
    }
    return NULL;
}

/* One member of a text that is valid, so only a `read` can fail. */
static enum amp_err read_member(struct amp_json *json, const struct amp_json_member *members, size_t count, void *into,
                                uint32_t *seen)
{
    struct amp_slice name, passed;
    enum amp_err err = amp_json_read_string(json, &name);
    if (err != AMP_OK)
        return err;
    amp_json_skip_space(json);
    if (!amp_json_take(json, ':'))
        return AMP_ERR_MALFORMED_JSON;
    const struct amp_json_member *member = find(members, count, name);
    if (member == NULL)
        return amp_json_read_raw(json, &passed);
    *seen |= UINT32_C(1) << (member - members);
    return member->read(json, into);
}

enum amp_err amp_json_read_known(struct amp_json *json, const struct amp_json_member *members, size_t count, void *into)
{
    struct amp_json whole = *json;
    struct amp_slice text;
    uint32_t seen = 0;
    if (count > MAX_MEMBERS)
        return amp_json_fail(json, AMP_ERR_INTERNAL);
    if (amp_json_read_raw(&whole, &text) != AMP_OK)
        return amp_json_fail(json, whole.err);
    if (amp_json_peek(json) != AMP_JSON_OBJECT)
        return amp_json_fail(json, AMP_ERR_WRONG_TYPE);
    if (amp_json_open(json) != AMP_OK)
        return json->err;
    for (bool first = true; amp_json_next(json, '}', first); first = false) {
        enum amp_err err = read_member(json, members, count, into, &seen);
        if (err != AMP_OK)
            return amp_json_fail(json, err);
    }
    for (size_t i = 0; json->err == AMP_OK && i < count; i++) {
        if (members[i].required && (seen & UINT32_C(1) << i) == 0)
            amp_json_fail(json, AMP_ERR_MISSING_FIELD);
    }
    return json->err;
}
