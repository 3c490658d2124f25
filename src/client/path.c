/*
 * Walks text that is known to be valid JSON, so that it only has to tell strings from structure. The server may answer
 * with members that this version does not know: they are stepped over, where the server's own reader would refuse them.
 */
#include "client/path.h"

#include "base/text.h"
#include "wire/json.h"

bool amp_client_path_valid(struct amp_slice text)
{
    struct amp_json json;
    struct amp_slice whole;
    if (text.len == 0)
        return false;
    /* reading raw text changes nothing, so the const given away is kept in fact */
    amp_json_init(&json, (uint8_t *)(uintptr_t)text.ptr, text.len);
    return amp_json_read_raw(&json, &whole) == AMP_OK && amp_json_finish(&json) == AMP_OK;
}

/* What is left of the text to walk. */
struct walk {
    const uint8_t *at;
    const uint8_t *end;
};

static uint8_t peek(const struct walk *walk)
{
    return walk->at < walk->end ? *walk->at : 0;
}

static void skip_space(struct walk *walk)
{
    while (walk->at < walk->end && (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' || *walk->at == '\r'))
        walk->at++;
}

static void skip_string(struct walk *walk)
{
    walk->at++;
    while (walk->at < walk->end && *walk->at != '"')
        walk->at += *walk->at == '\\' ? 2 : 1;
    walk->at++;
    if (walk->at > walk->end)
        walk->at = walk->end;
}

static void skip_value(struct walk *walk)
{
    unsigned depth = 0;
    do {
        const uint8_t c = peek(walk);
        if (c == '"') {
            skip_string(walk);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            return;
        if (c == '{' || c == '[')
            depth++;
        if (c == '}' || c == ']')
            depth--;
        walk->at++;
        if (depth == 0 && (c == '}' || c == ']'))
            return;
    } while (walk->at < walk->end && (depth > 0 || peek(walk) != 0));
}

/* Behind a value: true where another one follows. */
static bool next(struct walk *walk)
{
    skip_space(walk);
    const bool more = peek(walk) == ',';
    if (more)
        walk->at++;
    skip_space(walk);
    return more;
}

static bool enter(struct walk *walk, uint8_t opening, uint8_t closing)
{
    skip_space(walk);
    if (peek(walk) != opening)
        return false;
    walk->at++;
    skip_space(walk);
    return walk->at < walk->end && peek(walk) != closing;
}

static bool find_member(struct walk *walk, struct amp_slice name)
{
    if (!enter(walk, '{', '}'))
        return false;
    do {
        const uint8_t *key = walk->at + 1;
        skip_string(walk);
        const bool found = amp_slice_equal(amp_slice(key, (size_t)(walk->at - 1 - key)), name);
        skip_space(walk);
        walk->at++; /* the colon */
        skip_space(walk);
        if (found)
            return true;
        skip_value(walk);
    } while (next(walk) && walk->at < walk->end);
    return false;
}

static bool find_element(struct walk *walk, struct amp_slice digits)
{
    uint64_t index;
    if (amp_u64_parse(&index, digits, SIZE_MAX) != AMP_OK || !enter(walk, '[', ']'))
        return false;
    while (index-- > 0) {
        skip_value(walk);
        if (!next(walk))
            return false;
    }
    return true;
}

bool amp_client_path_find(struct amp_slice json, const char *path, struct amp_slice *value)
{
    struct walk walk = {json.ptr, json.ptr + json.len};
    *value = (struct amp_slice){NULL, 0};
    skip_space(&walk);
    while (*path != '\0') {
        const struct amp_slice step = {(const uint8_t *)path, strcspn(path, ".")};
        if (peek(&walk) == '[' ? !find_element(&walk, step) : !find_member(&walk, step))
            return false;
        path += step.len;
        if (*path == '.')
            path++;
    }
    const uint8_t *start = walk.at;
    skip_value(&walk);
    *value = amp_slice(start, (size_t)(walk.at - start));
    return value->len > 0;
}
