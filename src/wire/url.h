/* URLs that webhooks go to (RFC 3986), read strictly: one reading, and what two parsers could read differently is
 * refused. */
#ifndef AMP_WIRE_URL_H
#define AMP_WIRE_URL_H

#include "base/err.h"
#include "base/slice.h"

#define AMP_URL_MAX 1024

/* Slices borrow from the text. */
struct amp_url {
    bool https;            /* else http */
    struct amp_slice host; /* lower-case name, dotted IPv4, or IPv6 without its brackets */
    bool ipv6;
    bool ipv4;
    uint16_t port;           /* 443 or 80 where none is written */
    struct amp_slice target; /* path and query; empty where the URL ends behind the authority ("/" is meant) */
};
/*
 * AMP_ERR_URL_INVALID for: any scheme but http and https, userinfo, fragment, an empty host, upper case in the host,
 * percent-encoding in the host, a trailing dot, labels over 63 bytes or of other characters than [a-z0-9-_], a host of
 * digits and dots (or 0x..) that is not a plain dotted quad without leading zeros, an IPv6 zone, ports 0 or with
 * leading zeros, a query without a path, the path segments "." and ".." (however they are written), "%" without two hex
 * digits, backslashes, controls, spaces, non-ASCII, more than AMP_URL_MAX bytes.
 */
enum amp_err amp_url_parse(struct amp_url *url, struct amp_slice text) AMP_MUST_USE;

#endif
