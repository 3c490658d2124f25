/* The text was validated by amp_json_read_raw, so walking need not check again; it only must never leave the text. */
#include "api/internal.h"

static size_t end_of_string(struct amp_slice text, size_t pos)
{
    for (pos++; pos < text.len && text.ptr[pos] != '"'; pos++) {
        if (text.ptr[pos] == '\\')
            pos++;
    }
    return pos < text.len ? pos + 1 : text.len;
}

static bool is_between(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}

/* Where the value at `pos` ends: at a separator or a closing bracket that is not its own. */
static size_t end_of_value(struct amp_slice text, size_t pos)
{
    size_t depth = 0;
    while (pos < text.len) {
        uint8_t c = text.ptr[pos];
        if (c == '"') {
            pos = end_of_string(text, pos);
            if (depth == 0)
                return pos;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        if (depth == 0 && (is_between(c) || c == '}' || c == ']'))
            return pos;
        if ((c == '}' || c == ']') && --depth == 0)
            return pos + 1;
        pos++;
    }
    return pos;
}

bool amp_raw_next(struct amp_slice text, size_t *pos, struct amp_slice *value)
{
    while (*pos < text.len && is_between(text.ptr[*pos]))
        ++*pos;
    *value = amp_slice(NULL, 0);
    if (*pos >= text.len || text.ptr[*pos] == '}' || text.ptr[*pos] == ']')
        return false;
    size_t end = end_of_value(text, *pos);
    *value = amp_slice(text.ptr + *pos, end - *pos);
    *pos = end;
    return true;
}

static unsigned hex_digit(uint8_t c)
{
    return c <= '9' ? (unsigned)c - '0' : (c | 0x20u) - 'a' + 10u;
}

/* UTF-8 bytes of \uXXXX. Each half of a surrogate pair counts two of the pair's four. */
static size_t escaped_len(struct amp_slice string, size_t pos)
{
    unsigned unit = 0;
    for (size_t i = pos; i < pos + 4 && i < string.len; i++)
        unit = unit << 4 | hex_digit(string.ptr[i]);
    if (unit < 0x80)
        return 1;
    return unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
}

size_t amp_raw_string_len(struct amp_slice string)
{
    size_t len = 0;
    for (size_t i = 1; i + 1 < string.len; i++) {
        if (string.ptr[i] != '\\') {
            len++;
            continue;
        }
        i++;
        if (string.ptr[i] == 'u') {
            len += escaped_len(string, i + 1);
            i += 4;
        } else {
            len++;
        }
    }
    return len;
}
