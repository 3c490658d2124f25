/* Where connections come from: their addresses as text, and how many each source holds. Private to the room. */
#ifndef AMP_NET_SOURCE_H
#define AMP_NET_SOURCE_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/slice.h"

#define AMP_NET_SOURCE_TEXT 56 /* "[" 39 to 45 characters "]:65535" */

/* What counts as one source: an IPv4 address (also where it came mapped into IPv6), or an IPv6 /64. */
struct amp_net_source_key {
    uint64_t words[2];
};

struct amp_net_source {
    struct amp_net_source_key key;
    char text[AMP_NET_SOURCE_TEXT]; /* "127.0.0.1:4242", "[::1]:4242" */
    size_t text_len;
};

void amp_net_source_of(struct amp_net_source *source, const struct sockaddr_storage *address);

/* Connections by source. Hashed under a random key: nobody can choose addresses that collide. */
struct amp_net_sources;
enum amp_err amp_net_sources_new(struct amp_net_sources **out) AMP_MUST_USE;
void amp_net_sources_free(struct amp_net_sources *sources);
/* AMP_ERR_OVERLOADED where the source holds `max` already. */
enum amp_err amp_net_sources_take(struct amp_net_sources *sources, const struct amp_net_source_key *key,
                                  size_t max) AMP_MUST_USE;
/* Gives back one that was taken. */
void amp_net_sources_give(struct amp_net_sources *sources, const struct amp_net_source_key *key);

#endif
