#include "net/source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/crypto.h"

enum { BUCKET_BITS = 12 };

struct entry {
    struct entry *next;
    struct amp_net_source_key key;
    size_t connections;
};

struct amp_net_sources {
    uint64_t secret[2];
    struct entry *buckets[1u << BUCKET_BITS];
};

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
    write_text(source, AF_INET, address, port);
}

static void describe_v6(struct amp_net_source *source, const struct in6_addr *address, in_port_t port)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        describe_v4(source, &address->s6_addr[12], port);
        return;
    }
    memcpy(&source->key.words[0], address->s6_addr, 8);
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

enum amp_err amp_net_sources_new(struct amp_net_sources **out)
{
    struct amp_net_sources *sources = calloc(1, sizeof(*sources));
    if (sources == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_random(sources->secret, sizeof(sources->secret));
    if (err != AMP_OK) {
        free(sources);
        return err;
    }
    *out = sources;
    return AMP_OK;
}

void amp_net_sources_free(struct amp_net_sources *sources)
{
    if (sources == NULL)
        return;
    for (size_t i = 0; i < 1u << BUCKET_BITS; i++) {
        for (struct entry *entry = sources->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(sources);
}

static bool same(const struct amp_net_source_key *a, const struct amp_net_source_key *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static uint64_t mix(uint64_t word)
{
    word ^= word >> 32;
    word *= 0x9e3779b97f4a7c15u;
    return word ^ word >> 29;
}

/* The link that leads to the key's entry, or to where it would be added. */
static struct entry **find(struct amp_net_sources *sources, const struct amp_net_source_key *key)
{
    uint64_t hash = mix(mix(key->words[0] ^ sources->secret[0]) ^ key->words[1] ^ sources->secret[1]);
    struct entry **link = &sources->buckets[hash >> (64 - BUCKET_BITS)];
    while (*link != NULL && !same(&(*link)->key, key))
        link = &(*link)->next;
    return link;
}

enum amp_err amp_net_sources_take(struct amp_net_sources *sources, const struct amp_net_source_key *key, size_t max)
{
    struct entry **link = find(sources, key);
    if ((*link == NULL ? 0 : (*link)->connections) >= max)
        return AMP_ERR_OVERLOADED;
    if (*link == NULL && (*link = calloc(1, sizeof(**link))) == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    (*link)->key = *key;
    (*link)->connections++;
    return AMP_OK;
}

void amp_net_sources_give(struct amp_net_sources *sources, const struct amp_net_source_key *key)
{
    struct entry **link = find(sources, key), *entry = *link;
    if (entry == NULL)
        amp_fatal("a source gave back a connection it never took");
    if (--entry->connections != 0)
        return;
    *link = entry->next;
    free(entry);
}
