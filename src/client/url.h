/* Where the daemon is: https://HOST[:PORT], nothing behind it. */
#ifndef AMP_CLIENT_URL_H
#define AMP_CLIENT_URL_H

#include <stdbool.h>

#include "base/err.h"

struct amp_client_url {
    char host[256];      /* name or address, without brackets */
    char port[6];        /* decimal; "443" where the URL has none */
    char authority[272]; /* as the Host field says it */
    bool is_address;     /* IPv4 or IPv6: verified as one, and not sent as SNI (RFC 6066 section 3) */
};

/*
 * AMP_ERR_INVALID for another scheme, user information, a path other than "/", a query, a port outside 1 to 65535, or a
 * host that is neither an address nor made of letters, digits, '-' and '.'.
 */
enum amp_err amp_client_url_parse(struct amp_client_url *url, const char *text) AMP_MUST_USE;

#endif
