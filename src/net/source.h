/* Where a connection comes from: as text, and as the source it counts for. Private to the room. */
#ifndef AMP_NET_SOURCE_H
#define AMP_NET_SOURCE_H

#include <sys/socket.h>

#include "base/address.h"
#include "base/slice.h"
#include "store/sources.h"

#define AMP_NET_SOURCE_TEXT 56 /* "[" 39 to 45 characters "]:65535" */

struct amp_net_source {
    struct amp_source_key key; /* an IPv4 address (also where it came mapped into IPv6), or an IPv6 /64 */
    struct amp_address address;
    bool exempt;                    /* see struct amp_net_limits */
    char text[AMP_NET_SOURCE_TEXT]; /* "127.0.0.1:4242", "[::1]:4242" */
    size_t text_len;
};

void amp_net_source_of(struct amp_net_source *source, const struct sockaddr_storage *address);

#endif
