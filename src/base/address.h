/* IP addresses as values, and rules that name some of them: a whole network or one address, any port or one. */
#ifndef AMP_BASE_ADDRESS_H
#define AMP_BASE_ADDRESS_H

#include "base/err.h"
#include "base/slice.h"

struct amp_address {
    bool v4;
    uint8_t bytes[16]; /* in network order; of IPv4 the first 4, zeros behind them */
};
/* "192.0.2.1" (four decimal numbers without leading zeros) or "2001:db8::1" (RFC 4291 section 2.2, without brackets
 * or zone). AMP_ERR_INVALID. */
enum amp_err amp_address_parse(struct amp_address *out, struct amp_slice text) AMP_MUST_USE;

struct amp_address_rule {
    struct amp_address network;
    uint32_t prefix; /* so many leading bits count; the others are zero */
    uint16_t port;   /* 0: any */
};
/*
 * "10.1.0.0/16", "127.0.0.1", "[fd00::]/8", "[::1]", each with or without ":PORT" behind it. AMP_ERR_INVALID for any
 * other form, for port 0, and for bits behind the prefix that are not zero: who wrote them meant another network.
 */
enum amp_err amp_address_rule_parse(struct amp_address_rule *out, struct amp_slice text) AMP_MUST_USE;
/* Families never match each other: forms of IPv6 that hold an IPv4 address are IPv6 here. */
bool amp_address_rule_matches(const struct amp_address_rule *rule, const struct amp_address *address, uint16_t port);

#endif
