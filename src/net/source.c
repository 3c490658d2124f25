#include "net/source.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static void write_text(struct amp_net_source *source, int family, const void *address, in_port_t port)
{
    char numeric[INET6_ADDRSTRLEN];
    if (inet_ntop(family, address, numeric, sizeof(numeric)) == NULL)
        return;
    struct amp_out text = amp_out(source->text, sizeof(source->text));
    if (family == AF_INET6)
        amp_out_byte(&text, '[');
    amp_out_str(&text, numeric);
    amp_out_str(&text, family == AF_INET6 ? "]:" : ":");
    amp_out_u64(&text, ntohs(port));
    source->text_len = text.len;
}

static void describe_v4(struct amp_net_source *source, const void *address, in_port_t port)
{
    uint32_t word;
    memcpy(&word, address, sizeof(word));
    source->key.words[0] = 0; /* no /64 that a packet comes from is all zeros and has a host part */
    source->key.words[1] = (uint64_t)1 << 32 | word;
    source->address.v4 = true;
    memcpy(source->address.bytes, &word, sizeof(word));
    write_text(source, AF_INET, address, port);
}

static void describe_v6(struct amp_net_source *source, const struct in6_addr *address, in_port_t port)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        describe_v4(source, &address->s6_addr[12], port);
        return;
    }
    memcpy(&source->key.words[0], address->s6_addr, 8);
    memcpy(source->address.bytes, address->s6_addr, sizeof(address->s6_addr));
    write_text(source, AF_INET6, address, port);
}

void amp_net_source_of(struct amp_net_source *source, const struct sockaddr_storage *address)
{
    *source = (struct amp_net_source){.text = "local", .text_len = 5};
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        describe_v4(source, &in->sin_addr, in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        describe_v6(source, &in6->sin6_addr, in6->sin6_port);
    }
}
