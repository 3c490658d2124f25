#include "wire/url.h"

#include "base/address.h"
#include "base/text.h"
#include "wire/chars.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 }; /* RFC 1035 section 2.3.4, as text */

static bool starts_with(struct amp_slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static bool take_scheme(struct amp_url *url, struct amp_slice *rest)
{
    url->https = starts_with(*rest, "https://");
    if (!url->https && !starts_with(*rest, "http://"))
        return false;
    size_t len = url->https ? sizeof "https://" - 1 : sizeof "http://" - 1;
    *rest = amp_slice(rest->ptr + len, rest->len - len);
    url->port = url->https ? 443 : 80;
    return true;
}

static bool is_label(struct amp_slice label)
{
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !amp_char_is(c, AMP_CHAR_DIGIT) && c != '-' && c != '_')
            return false;
    }
    return label.len != 0 && label.len <= LABEL_MAX;
}

/*
 * A last label that is a number makes some parsers read the whole host as an IPv4 address, in octal, hexadecimal or
 * fewer than four parts (inet_aton; the WHATWG's URL standard, section 3.5, "ends in a number").
 */
static bool is_number(struct amp_slice label)
{
    if (amp_chars_all(label, AMP_CHAR_DIGIT))
        return true;
    if (!starts_with(label, "0x"))
        return false;
    for (size_t i = 2; i < label.len; i++) {
        if (amp_char_hex(label.ptr[i]) < 0)
            return false;
    }
    return true;
}

/* A name, or a dotted quad. */
static bool take_name(struct amp_url *url, struct amp_slice host)
{
    struct amp_slice rest = host, label;
    struct amp_address address;
    if (host.len > HOST_MAX)
        return false;
    while (amp_slice_cut(&rest, '.', &label)) {
        if (!is_label(label))
            return false;
    }
    if (!is_label(rest))
        return false;
    if (is_number(rest)) {
        url->ipv4 = amp_address_parse(&address, host) == AMP_OK && address.v4;
        return url->ipv4;
    }
    return true;
}

/* What stands between the brackets. */
static bool take_ipv6(struct amp_url *url, struct amp_slice host)
{
    struct amp_address address;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] >= 'A' && host.ptr[i] <= 'Z')
            return false;
    }
    url->ipv6 = amp_address_parse(&address, host) == AMP_OK && !address.v4;
    return url->ipv6;
}

static bool take_port(struct amp_url *url, struct amp_slice digits)
{
    uint64_t port;
    if (amp_u64_parse(&port, digits, UINT16_MAX) != AMP_OK || port == 0)
        return false;
    url->port = (uint16_t)port;
    return true;
}

/* RFC 3986 section 3.2, without userinfo. */
static bool take_authority(struct amp_url *url, struct amp_slice authority)
{
    struct amp_slice rest = authority, host;
    bool bracketed = starts_with(authority, "[");
    if (bracketed) {
        rest = amp_slice(rest.ptr + 1, rest.len - 1);
        if (!amp_slice_cut(&rest, ']', &host) || !take_ipv6(url, host))
            return false;
        url->host = host;
        if (rest.len == 0)
            return true;
        return rest.ptr[0] == ':' && take_port(url, amp_slice(rest.ptr + 1, rest.len - 1));
    }
    if (amp_slice_cut(&rest, ':', &host)) {
        if (!take_port(url, rest))
            return false;
    } else {
        host = rest;
    }
    url->host = host;
    return take_name(url, host);
}

/* The next byte of a segment, "%2e" being '.'. */
static uint8_t next_byte(struct amp_slice *segment)
{
    uint8_t c = segment->ptr[0];
    size_t len = 1;
    if (c == '%' && segment->ptr[1] == '2' && amp_char_lower(segment->ptr[2]) == 'e') {
        c = '.';
        len = 3;
    }
    *segment = amp_slice(segment->ptr + len, segment->len - len);
    return c;
}

/* "." and "..": some take them away before they ask, some ask for them. */
static bool is_dots(struct amp_slice segment)
{
    size_t dots = 0;
    for (; segment.len != 0 && dots < 3; dots++) {
        if (next_byte(&segment) != '.')
            return false;
    }
    return dots == 1 || dots == 2;
}

/* Each "%" begins two hex digits. */
static bool is_encoded_well(struct amp_slice target)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.ptr[i] == '%' &&
            (target.len - i < 3 || amp_char_hex(target.ptr[i + 1]) < 0 || amp_char_hex(target.ptr[i + 2]) < 0))
            return false;
    }
    return true;
}

/* RFC 9112 section 3.2.1: an absolute path, and a query. */
static bool is_target(struct amp_slice target)
{
    struct amp_slice rest = target, path, segment;
    if (!amp_chars_all(target, AMP_CHAR_TARGET) || !is_encoded_well(target))
        return false;
    if (!amp_slice_cut(&rest, '?', &path))
        path = target;
    while (amp_slice_cut(&path, '/', &segment)) {
        if (is_dots(segment))
            return false;
    }
    return !is_dots(path);
}

enum amp_err amp_url_parse(struct amp_url *url, struct amp_slice text)
{
    struct amp_url parsed = {.port = 0};
    struct amp_slice rest = text;
    *url = parsed;
    if (text.len > AMP_URL_MAX || !take_scheme(&parsed, &rest))
        return AMP_ERR_URL_INVALID;
    const uint8_t *slash = memchr(rest.ptr, '/', rest.len);
    size_t authority_len = slash != NULL ? (size_t)(slash - rest.ptr) : rest.len;
    parsed.target = amp_slice(rest.ptr + authority_len, rest.len - authority_len);
    if (!take_authority(&parsed, amp_slice(rest.ptr, authority_len)) || !is_target(parsed.target))
        return AMP_ERR_URL_INVALID;
    *url = parsed;
    return AMP_OK;
}
