#include "wire/http1_fields.h"

#include "base/text.h"
#include "wire/chars.h"

enum amp_err amp_http1_find_line(struct amp_slice *line, const uint8_t *bytes, size_t len, size_t max)
{
    struct amp_slice rest = amp_slice(bytes, len < max ? len : max);
    if (!amp_slice_cut(&rest, '\n', line))
        return len < max ? AMP_ERR_TRUNCATED : AMP_ERR_URI_TOO_LONG;
    if (line->len == 0 || line->ptr[line->len - 1] != '\r')
        return AMP_ERR_MALFORMED_REQUEST;
    line->len--;
    return AMP_OK;
}

enum amp_err amp_http1_find_end(struct amp_slice *fields, const uint8_t *bytes, size_t len, struct amp_slice line,
                                size_t *scanned)
{
    size_t start = line.len + 2;
    size_t at = *scanned > start ? *scanned : start;
    size_t limit = len < AMP_HTTP1_MAX_HEAD ? len : AMP_HTTP1_MAX_HEAD;
    const uint8_t *newline = NULL;
    while (at < limit && (newline = memchr(bytes + at, '\n', limit - at)) != NULL) {
        at = (size_t)(newline - bytes) + 1;
        if (newline[-1] != '\r')
            return AMP_ERR_MALFORMED_REQUEST;
        if (newline[-2] == '\n') {
            *fields = amp_slice(bytes + start, at - 2 - start);
            return AMP_OK;
        }
    }
    *scanned = limit;
    return limit < AMP_HTTP1_MAX_HEAD ? AMP_ERR_TRUNCATED : AMP_ERR_HEADERS_TOO_LARGE;
}

/* RFC 9112 section 6.3: more than one length, or one that is no plain number, is an attack or a defect. */
static enum amp_err note_length(struct amp_http1_framing *framing, struct amp_slice value)
{
    if (framing->has_length || amp_u64_parse(&framing->content_length, value, INT64_MAX) != AMP_OK)
        return AMP_ERR_MALFORMED_REQUEST;
    framing->has_length = true;
    return AMP_OK;
}

/* RFC 9112 section 6.1: one coding, spelled one way. */
static enum amp_err note_coding(struct amp_http1_framing *framing, struct amp_slice value)
{
    if (framing->chunked || !amp_slice_is(value, "chunked"))
        return AMP_ERR_MALFORMED_REQUEST;
    framing->chunked = true;
    return AMP_OK;
}

/* RFC 9112 section 9.6: a list of options, of which `close` concerns us. */
static enum amp_err note_connection(struct amp_http1_framing *framing, struct amp_slice value)
{
    struct amp_slice option;
    bool more = true;
    while (more) {
        more = amp_slice_cut(&value, ',', &option);
        if (!more)
            option = value;
        if (amp_slice_equal_nocase(amp_slice_trim(option), AMP_SLICE_LIT("close")))
            framing->keep_alive = false;
    }
    return AMP_OK;
}

/* RFC 9110 section 10.1.1. */
static enum amp_err note_expectation(struct amp_http1_framing *framing, struct amp_slice value)
{
    if (framing->expect_continue || !amp_slice_equal_nocase(value, AMP_SLICE_LIT("100-continue")))
        return AMP_ERR_EXPECTATION_FAILED;
    framing->expect_continue = true;
    return AMP_OK;
}

static bool ip_literal_char(uint8_t c)
{
    return amp_char_hex(c) >= 0 || c == ':' || c == '.';
}

/* The length of the host's name or bracketed IPv6 address; 0 where there is none. RFC 3986 section 3.2.2. */
static size_t host_name_len(struct amp_slice value)
{
    size_t len = 0;
    if (value.len == 0 || value.ptr[0] != '[') {
        while (len < value.len && amp_char_is(value.ptr[len], AMP_CHAR_UNRESERVED))
            len++;
        return len;
    }
    len = 1;
    while (len < value.len && ip_literal_char(value.ptr[len]))
        len++;
    return len > 1 && len < value.len && value.ptr[len] == ']' ? len + 1 : 0;
}

/* RFC 9110 section 7.2: a name or address, and perhaps a port; no user, no list, no spaces. */
static enum amp_err note_host(struct amp_http1_framing *framing, struct amp_slice value)
{
    size_t name_len = host_name_len(value);
    if (framing->host.ptr != NULL || name_len == 0)
        return AMP_ERR_MALFORMED_REQUEST;
    framing->host = value;
    if (name_len == value.len)
        return AMP_OK;
    struct amp_slice port = amp_slice(value.ptr + name_len + 1, value.len - name_len - 1);
    bool well_formed =
        value.ptr[name_len] == ':' && port.len >= 1 && port.len <= 5 && amp_chars_all(port, AMP_CHAR_DIGIT);
    return well_formed ? AMP_OK : AMP_ERR_MALFORMED_REQUEST;
}

struct framing_field {
    struct amp_slice name;
    enum amp_err (*note)(struct amp_http1_framing *framing, struct amp_slice value);
};

static const struct framing_field framing_fields[] = {
    {AMP_SLICE_LIT("host"), note_host},
    {AMP_SLICE_LIT("content-length"), note_length},
    {AMP_SLICE_LIT("transfer-encoding"), note_coding},
    {AMP_SLICE_LIT("connection"), note_connection},
    {AMP_SLICE_LIT("expect"), note_expectation},
};

static enum amp_err note_framing(struct amp_http1_framing *framing, const struct amp_http1_field *field)
{
    for (size_t i = 0; i < sizeof(framing_fields) / sizeof(framing_fields[0]); i++) {
        if (amp_name_is(field->name, framing_fields[i].name))
            return framing_fields[i].note(framing, field->value);
    }
    return AMP_OK;
}

/* Most values hold no control at all; those that do, a tab perhaps, are looked at byte by byte. */
static bool well_formed_value(struct amp_slice value)
{
    struct amp_slice rest = value;
    for (; rest.len >= AMP_BLOCK_LEN; rest = amp_slice(rest.ptr + AMP_BLOCK_LEN, rest.len - AMP_BLOCK_LEN)) {
        const __m128i block = amp_block_at(rest.ptr);
        if (amp_block_marks(amp_block_below(block, 0x20) | amp_block_has(block, 0x7f)) != 0)
            return amp_chars_all(value, AMP_CHAR_VALUE);
    }
    return amp_chars_all(rest, AMP_CHAR_VALUE);
}

/*
 * field-line = field-name ":" OWS field-value OWS (RFC 9112 section 5). A line that starts with white space
 * (obs-fold) has no name, and one with some before its colon no colon behind it; a bare CR falls to the value's
 * characters.
 */
static bool parse_field(struct amp_http1_field *field, struct amp_slice line)
{
    size_t name_len = 0;
    while (name_len < line.len && amp_char_is(line.ptr[name_len], AMP_CHAR_TOKEN))
        name_len++;
    if (name_len == 0 || name_len == line.len || line.ptr[name_len] != ':')
        return false;
    field->name = amp_slice(line.ptr, name_len);
    field->value = amp_slice_trim(amp_slice(line.ptr + name_len + 1, line.len - name_len - 1));
    return well_formed_value(field->value);
}

enum amp_err amp_http1_parse_fields(struct amp_http1_field *fields, size_t *count, struct amp_http1_framing *framing,
                                    struct amp_slice lines)
{
    struct amp_slice line;
    *framing = (struct amp_http1_framing){.keep_alive = true};
    *count = 0;
    while (amp_slice_cut(&lines, '\n', &line)) {
        line.len--; /* the CR that amp_http1_find_end saw */
        if (*count == AMP_HTTP1_MAX_FIELDS)
            return AMP_ERR_HEADERS_TOO_LARGE;
        struct amp_http1_field *field = &fields[*count];
        if (!parse_field(field, line))
            return AMP_ERR_MALFORMED_REQUEST;
        enum amp_err err = note_framing(framing, field);
        if (err != AMP_OK)
            return err;
        ++*count;
    }
    return framing->chunked && framing->has_length ? AMP_ERR_MALFORMED_REQUEST : AMP_OK;
}
