#include <arpa/inet.h>

#include "base/text.h"
#include "daemon/config.h"

/* Cuts ":PORT" off the end. */
static bool split_port(struct amp_slice text, struct amp_slice *host, uint16_t *port)
{
    const uint8_t *colon = text.len != 0 ? memrchr(text.ptr, ':', text.len) : NULL;
    uint64_t number;
    if (colon == NULL)
        return false;
    *host = amp_slice(text.ptr, (size_t)(colon - text.ptr));
    if (amp_u64_parse(&number, amp_slice(colon + 1, text.len - host->len - 1), UINT16_MAX) != AMP_OK)
        return false;
    *port = (uint16_t)number;
    return true;
}

enum amp_err amp_config_address_parse(struct amp_config_address *out, const char *text)
{
    struct amp_slice host;
    char plain[AMP_CONFIG_ADDRESS_MAX] = "";
    uint16_t port;
    *out = (struct amp_config_address){0};
    if (!split_port(amp_slice_str(text), &host, &port))
        return AMP_ERR_INVALID;
    bool v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (v6)
        host = amp_slice(host.ptr + 1, host.len - 2);
    if (host.len >= sizeof(plain))
        return AMP_ERR_INVALID;
    memcpy(plain, host.ptr, host.len);
    struct sockaddr_in *in4 = (struct sockaddr_in *)&out->addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->addr;
    if (v6 && inet_pton(AF_INET6, plain, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        out->len = sizeof(*in6);
    } else if (!v6 && inet_pton(AF_INET, plain, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(port);
        out->len = sizeof(*in4);
    }
    return out->len != 0 ? AMP_OK : AMP_ERR_INVALID;
}

uint16_t amp_config_address_port(const struct amp_config_address *address)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address->addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->addr;
    return ntohs(address->addr.ss_family == AF_INET6 ? in6->sin6_port : in4->sin_port);
}

void amp_config_address_format(char out[AMP_CONFIG_ADDRESS_MAX], const struct amp_config_address *address)
{
    char plain[INET6_ADDRSTRLEN] = "?";
    bool v6 = address->addr.ss_family == AF_INET6;
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address->addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->addr;
    inet_ntop(v6 ? AF_INET6 : AF_INET, v6 ? (const void *)&in6->sin6_addr : (const void *)&in4->sin_addr, plain,
              sizeof(plain));
    struct amp_out text = amp_out(out, AMP_CONFIG_ADDRESS_MAX - 1);
    amp_out_str(&text, v6 ? "[" : "");
    amp_out_str(&text, plain);
    amp_out_str(&text, v6 ? "]:" : ":");
    amp_out_u64(&text, amp_config_address_port(address));
    out[text.len] = '\0';
}

bool amp_config_address_is_loopback(const struct amp_config_address *address)
{
    if (address->addr.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&address->addr)->sin6_addr);
    return (ntohl(((const struct sockaddr_in *)&address->addr)->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}
