#include "client/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "base/slice.h"
#include "base/text.h"

#define SCHEME "https://"

static bool is_name(struct amp_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        const uint8_t c = host.ptr[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.')
            return false;
    }
    return host.len > 0;
}

static bool is_address(const char *host, int family)
{
    struct in6_addr room;
    return inet_pton(family, host, &room) == 1;
}

static bool take_text(char *to, size_t cap, struct amp_slice from)
{
    if (from.len == 0 || from.len >= cap)
        return false;
    memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
    return true;
}

static bool take_port(struct amp_client_url *url, struct amp_slice text)
{
    uint64_t port = 0;
    if (amp_u64_parse(&port, text, 65535) != AMP_OK || port == 0)
        return false;
    return take_text(url->port, sizeof url->port, text);
}

/* "HOST", "HOST:PORT", "[IPV6]" or "[IPV6]:PORT". */
static bool take_authority(struct amp_client_url *url, struct amp_slice text)
{
    const bool bracketed = text.len > 0 && text.ptr[0] == '[';
    const uint8_t *host = text.ptr + (bracketed ? 1 : 0);
    const uint8_t *host_end = memchr(text.ptr, bracketed ? ']' : ':', text.len);
    const uint8_t *end = text.ptr + text.len;
    if (host_end == NULL) {
        if (bracketed)
            return false;
        host_end = end;
    }
    if (!take_text(url->host, sizeof url->host, amp_slice(host, (size_t)(host_end - host))))
        return false;
    const uint8_t *rest = host_end + (bracketed ? 1 : 0);
    snprintf(url->port, sizeof url->port, "443");
    if (rest < end && (*rest != ':' || !take_port(url, amp_slice(rest + 1, (size_t)(end - rest - 1)))))
        return false;
    if (bracketed) {
        url->is_address = is_address(url->host, AF_INET6);
        return url->is_address;
    }
    url->is_address = is_address(url->host, AF_INET);
    return url->is_address || is_name(amp_slice_str(url->host));
}

enum amp_err amp_client_url_parse(struct amp_client_url *url, const char *text)
{
    *url = (struct amp_client_url){0};
    if (strncasecmp(text, SCHEME, sizeof SCHEME - 1) != 0)
        return AMP_ERR_INVALID;
    struct amp_slice authority = amp_slice_str(text + sizeof SCHEME - 1);
    if (authority.len > 0 && authority.ptr[authority.len - 1] == '/')
        authority.len--;
    if (!take_authority(url, authority) || !take_text(url->authority, sizeof url->authority, authority))
        return AMP_ERR_INVALID;
    return AMP_OK;
}
