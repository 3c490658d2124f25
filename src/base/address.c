#include "base/address.h"

#include <arpa/inet.h>

#include "base/text.h"

static uint32_t bits_of(const struct amp_address *address)
{
    return address->v4 ? 32 : 128;
}

enum amp_err amp_address_parse(struct amp_address *out, struct amp_slice text)
{
    char plain[INET6_ADDRSTRLEN] = "";
    *out = (struct amp_address){0};
    if (text.len == 0 || text.len >= sizeof(plain) || memchr(text.ptr, '\0', text.len) != NULL)
        return AMP_ERR_INVALID;
    memcpy(plain, text.ptr, text.len);
    out->v4 = memchr(plain, ':', text.len) == NULL;
    if (inet_pton(out->v4 ? AF_INET : AF_INET6, plain, out->bytes) == 1)
        return AMP_OK;
    *out = (struct amp_address){0};
    return AMP_ERR_INVALID;
}

/* Do the leading bits agree? */
static bool agree(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
    uint32_t whole = bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8)); /* 0 where no bits are left, and none to look at */
    return memcmp(a, b, whole) == 0 && (mask == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool is_network(const struct amp_address_rule *rule)
{
    for (uint32_t bit = rule->prefix; bit < bits_of(&rule->network); bit++) {
        if ((rule->network.bytes[bit / 8] & (0x80 >> (bit % 8))) != 0)
            return false;
    }
    return true;
}

/* Cuts the address off the front: in brackets up to the closing one, else up to "/" or ":". */
static bool take_address(struct amp_address *address, struct amp_slice *text)
{
    bool v6 = text->len != 0 && text->ptr[0] == '[';
    size_t start = v6 ? 1 : 0;
    size_t end = start;
    while (end < text->len && (v6 ? text->ptr[end] != ']' : text->ptr[end] != '/' && text->ptr[end] != ':'))
        end++;
    size_t next = v6 ? end + 1 : end;
    if (next > text->len || amp_address_parse(address, amp_slice(text->ptr + start, end - start)) != AMP_OK)
        return false;
    *text = amp_slice(text->ptr + next, text->len - next);
    return address->v4 != v6;
}

/* Cuts `mark` and a number off the front, where it begins so. False: it is not from `least` to `most`. */
static bool take_number(struct amp_slice *text, uint8_t mark, uint64_t least, uint64_t most, uint64_t *out)
{
    if (text->len == 0 || text->ptr[0] != mark)
        return true;
    size_t end = 1;
    while (end < text->len && text->ptr[end] >= '0' && text->ptr[end] <= '9')
        end++;
    bool good = amp_u64_parse(out, amp_slice(text->ptr + 1, end - 1), most) == AMP_OK && *out >= least;
    *text = amp_slice(text->ptr + end, text->len - end);
    return good;
}

enum amp_err amp_address_rule_parse(struct amp_address_rule *out, struct amp_slice text)
{
    struct amp_address_rule rule = {0};
    *out = rule;
    if (!take_address(&rule.network, &text))
        return AMP_ERR_INVALID;
    uint64_t prefix = bits_of(&rule.network);
    uint64_t port = 0;
    if (!take_number(&text, '/', 0, prefix, &prefix) || !take_number(&text, ':', 1, UINT16_MAX, &port) || text.len != 0)
        return AMP_ERR_INVALID;
    rule.prefix = (uint32_t)prefix;
    rule.port = (uint16_t)port;
    if (!is_network(&rule))
        return AMP_ERR_INVALID;
    *out = rule;
    return AMP_OK;
}

bool amp_address_rule_matches(const struct amp_address_rule *rule, const struct amp_address *address, uint16_t port)
{
    return rule->network.v4 == address->v4 && (rule->port == 0 || rule->port == port) &&
           agree(rule->network.bytes, address->bytes, rule->prefix);
}
