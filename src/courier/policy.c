#include "courier/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* IANA IPv4 Special-Purpose Address Registry (RFC 6890), and multicast. */
static const char *const special_v4[] = {
    "0.0.0.0/8",       /* this network, RFC 791 */
    "10.0.0.0/8",      /* private, RFC 1918 */
    "100.64.0.0/10",   /* carrier-grade NAT, RFC 6598 */
    "127.0.0.0/8",     /* loopback, RFC 1122 */
    "169.254.0.0/16",  /* link-local, RFC 3927: metadata services */
    "168.63.129.16",   /* Azure's wire server: in no registry, and like a metadata service on each of its machines */
    "172.16.0.0/12",   /* private, RFC 1918 */
    "192.0.0.0/24",    /* IETF protocol assignments, RFC 6890 */
    "192.0.2.0/24",    /* documentation, RFC 5737 */
    "192.31.196.0/24", /* AS112, RFC 7535 */
    "192.52.193.0/24", /* AMT, RFC 7450 */
    "192.88.99.0/24",  /* relays of 6to4, RFC 7526 */
    "192.168.0.0/16",  /* private, RFC 1918 */
    "192.175.48.0/24", /* AS112, RFC 7534 */
    "198.18.0.0/15",   /* benchmarking, RFC 2544 */
    "198.51.100.0/24", /* documentation, RFC 5737 */
    "203.0.113.0/24",  /* documentation, RFC 5737 */
    "224.0.0.0/4",     /* multicast, RFC 5771 */
    "240.0.0.0/4",     /* reserved, RFC 1112, and the limited broadcast */
};

/* Only this is global unicast (RFC 4291 section 2.4): all else, such as ::1, fc00::/7, fe80::/10 and ff00::/8, is not.
 */
static const char global_v6[] = "[2000::]/3";

/* IANA IPv6 Special-Purpose Address Registry, as far as it lies in there. */
static const char *const special_v6[] = {
    "[2001::]/23",         /* IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID and others */
    "[2001:db8::]/32",     /* documentation, RFC 3849 */
    "[2002::]/16",         /* 6to4, RFC 3056 */
    "[2620:4f:8000::]/48", /* AS112, RFC 7534 */
    "[3fff::]/20",         /* documentation, RFC 9637 */
};

/* IPv6 that leads to an IPv4 address. */
static const struct wrapping {
    const char *network;
    size_t at;    /* byte where the IPv4 address lies */
    uint8_t mask; /* each of its bytes was changed by */
} wrappings[] = {
    {"[::]/96", 12, 0},           /* IPv4-compatible, RFC 4291 section 2.5.5.1 */
    {"[::ffff:0:0]/96", 12, 0},   /* IPv4-mapped, RFC 4291 section 2.5.5.2 */
    {"[::ffff:0:0:0]/96", 12, 0}, /* IPv4-translated, RFC 2765 */
    {"[64:ff9b::]/96", 12, 0},    /* NAT64, RFC 6052 */
    {"[64:ff9b:1::]/48", 12, 0},  /* NAT64 of one's own, RFC 8215 */
    {"[2001::]/32", 12, 0xff},    /* Teredo, RFC 4380 section 4 */
    {"[2002::]/16", 2, 0},        /* 6to4, RFC 3056 */
};

static bool is_within(const char *network, const struct amp_address *address)
{
    struct amp_address_rule rule;
    return amp_address_rule_parse(&rule, amp_slice_str(network)) == AMP_OK &&
           amp_address_rule_matches(&rule, address, 0);
}

static bool is_within_any(const char *const *networks, size_t count, const struct amp_address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(networks[i], address))
            return true;
    }
    return false;
}

static bool is_public(const struct amp_address *address)
{
    if (address->v4)
        return !is_within_any(special_v4, sizeof(special_v4) / sizeof(special_v4[0]), address);
    return is_within(global_v6, address) &&
           !is_within_any(special_v6, sizeof(special_v6) / sizeof(special_v6[0]), address);
}

static bool is_loopback(const struct amp_address *address)
{
    return is_within(address->v4 ? "127.0.0.0/8" : "[::1]", address);
}

static bool unwrap(struct amp_address *inner, const struct amp_address *address)
{
    for (size_t i = 0; i < sizeof(wrappings) / sizeof(wrappings[0]); i++) {
        const struct wrapping *wrapping = &wrappings[i];
        if (!is_within(wrapping->network, address))
            continue;
        *inner = (struct amp_address){.v4 = true};
        for (size_t byte = 0; byte < 4; byte++)
            inner->bytes[byte] = address->bytes[wrapping->at + byte] ^ wrapping->mask;
        return true;
    }
    return false;
}

/* Only rules that name one address alone count where `exactly`. */
static bool is_listed(const struct amp_policy *policy, const struct amp_address *address, uint16_t port, bool exactly)
{
    for (size_t i = 0; i < policy->allow_count; i++) {
        const struct amp_address_rule *rule = &policy->allow[i];
        if ((!exactly || rule->prefix == (address->v4 ? 32 : 128)) && amp_address_rule_matches(rule, address, port))
            return true;
    }
    return false;
}

static bool permits(const struct amp_policy *policy, const struct amp_address *address, uint16_t port)
{
    struct amp_address inner;
    if (!unwrap(&inner, address))
        return is_listed(policy, address, port, false) || is_public(address);
    return is_listed(policy, address, port, true) ||
           (is_listed(policy, address, port, false) && (is_listed(policy, &inner, port, false) || is_public(&inner)));
}

static bool read_sockaddr(struct amp_address *out, uint16_t *port, const struct sockaddr *address, size_t len)
{
    *out = (struct amp_address){0};
    if (len < sizeof(address->sa_family) + offsetof(struct sockaddr, sa_family))
        return false;
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        out->v4 = true;
        memcpy(out->bytes, &v4.sin_addr, sizeof(v4.sin_addr));
        *port = ntohs(v4.sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(out->bytes, &v6.sin6_addr, sizeof(v6.sin6_addr));
        *port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

enum amp_err amp_policy_init(struct amp_policy *policy, const struct amp_config *config)
{
    *policy = (struct amp_policy){.dev = config->dev};
    for (size_t i = 0; i < config->push.allow_count; i++) {
        enum amp_err err = amp_address_rule_parse(&policy->allow[i], amp_slice_str(config->push.allow[i]));
        if (err != AMP_OK)
            return err;
        policy->allow_count++;
    }
    return AMP_OK;
}

bool amp_policy_permits_address(const struct amp_policy *policy, const struct amp_address *address, uint16_t port,
                                bool https)
{
    if (policy->dev && is_loopback(address))
        return true;
    return https && permits(policy, address, port);
}

bool amp_policy_permits(const struct amp_policy *policy, const struct sockaddr *address, size_t len, bool https)
{
    struct amp_address to;
    uint16_t port = 0;
    return read_sockaddr(&to, &port, address, len) && amp_policy_permits_address(policy, &to, port, https);
}
