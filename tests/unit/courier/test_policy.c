/* Which addresses a webhook may be sent to. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "../support.h"
#include "courier/policy.h"

static struct amp_policy policy_of(bool dev, const char *const *allow, uint32_t count)
{
    static struct amp_config config;
    struct amp_policy policy;
    memset(&config, 0, sizeof(config));
    config.dev = dev;
    config.push.allow_count = count;
    for (uint32_t i = 0; i < count; i++)
        memcpy(config.push.allow[i], allow[i], strlen(allow[i]) + 1);
    assert_int_equal(amp_policy_init(&policy, &config), AMP_OK);
    return policy;
}

static bool ask(const struct amp_policy *policy, const char *text, uint16_t port, bool https)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return amp_policy_permits(policy, (const struct sockaddr *)&v4, sizeof(v4), https);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        fail_msg("%s is no address", text);
    return amp_policy_permits(policy, (const struct sockaddr *)&v6, sizeof(v6), https);
}

/* The first and the last address of each range, and what the attacks are about. */
static const char *const special[] = {
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "168.63.129.16",
    "169.254.170.2",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.1.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::ffff:0:0",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "100::",
    "100::1",
    "100:0:0:1::1",
    "200::1",
    "400::1",
    "1fff:ffff::1",
    "2001::",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002::",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "2002:a9fe:a9fe::",
    "2620:4f:8000::1",
    "3fff::",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "4000::1",
    "5f00::1",
    "5f00:ffff::1",
    "8000::1",
    "e000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe00::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff00::",
    "ff02::1",
    "ff0e::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

/* Neighbours of the ranges. */
static const char *const public[] = {
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2620:4f:7fff::1",
    "2620:4f:8001::1",
    "2a00:1450:4001::1",
    "3ffe:ffff::1",
    "3fff:1000::1",
};

enum { SPECIAL = sizeof(special) / sizeof(special[0]), PUBLIC = sizeof(public) / sizeof(public[0]) };

static void policy_refuses_special_addresses(void **state)
{
    const struct amp_policy policy = policy_of(false, NULL, 0);
    assert_true(SPECIAL >= 60);
    for (size_t i = 0; i < SPECIAL; i++) {
        if (ask(&policy, special[i], 443, true) || ask(&policy, special[i], 80, false))
            fail_msg("%s was permitted", special[i]);
    }
}

static void policy_permits_public_addresses_by_https_alone(void **state)
{
    for (int dev = 0; dev < 2; dev++) {
        const struct amp_policy policy = policy_of(dev == 1, NULL, 0);
        for (size_t i = 0; i < PUBLIC; i++) {
            if (!ask(&policy, public[i], 443, true) || ask(&policy, public[i], 443, false))
                fail_msg("%s was not permitted, or by http", public[i]);
        }
    }
}

static bool is_loopback(const char *text)
{
    return strncmp(text, "127.", 4) == 0 || strcmp(text, "::1") == 0;
}

static void policy_permits_loopback_alone_in_development_mode(void **state)
{
    const struct amp_policy policy = policy_of(true, NULL, 0);
    for (size_t i = 0; i < SPECIAL; i++) {
        bool wanted = is_loopback(special[i]);
        if (ask(&policy, special[i], 8080, false) != wanted || ask(&policy, special[i], 8443, true) != wanted)
            fail_msg("%s was judged wrongly", special[i]);
    }
}

static void policy_permits_what_is_listed(void **state)
{
    static const char *const allow[] = {"10.1.0.0/16", "127.0.0.1:8443", "[fd00::]/8", "[fe80::1]:9"};
    const struct amp_policy policy = policy_of(false, allow, 4);
    assert_true(ask(&policy, "10.1.255.255", 443, true));
    assert_true(ask(&policy, "10.1.0.0", 1, true));
    assert_false(ask(&policy, "10.1.0.0", 1, false));
    assert_false(ask(&policy, "10.2.0.0", 443, true));
    assert_false(ask(&policy, "10.0.255.255", 443, true));
    assert_true(ask(&policy, "127.0.0.1", 8443, true));
    assert_false(ask(&policy, "127.0.0.1", 443, true));
    assert_false(ask(&policy, "127.0.0.2", 8443, true));
    assert_true(ask(&policy, "fd12::1", 443, true));
    assert_false(ask(&policy, "fc12::1", 443, true));
    assert_true(ask(&policy, "fe80::1", 9, true));
    assert_false(ask(&policy, "fe80::1", 10, true));
    assert_false(ask(&policy, "fe80::2", 9, true));
    assert_false(ask(&policy, "::ffff:10.1.0.1", 443, true)); /* families never match each other */
}

static void policy_opens_a_tunnel_no_further_than_its_inner_addresses(void **state)
{
    static const char *const allow[] = {"[64:ff9b::]/96", "10.0.0.0/8", "[::ffff:192.168.0.1]", "[2002::]/16",
                                        "[2001::]/32"};
    const struct amp_policy policy = policy_of(false, allow, 5);
    assert_true(ask(&policy, "64:ff9b::8.8.8.8", 443, true));
    assert_true(ask(&policy, "64:ff9b::10.0.0.1", 443, true));
    assert_false(ask(&policy, "64:ff9b::192.168.0.1", 443, true));
    assert_false(ask(&policy, "64:ff9b::169.254.169.254", 443, true));
    assert_true(ask(&policy, "::ffff:192.168.0.1", 443, true));
    assert_false(ask(&policy, "::ffff:192.168.0.2", 443, true));
    assert_false(ask(&policy, "192.168.0.1", 443, true));
    assert_true(ask(&policy, "2002:808:808::1", 443, true));
    assert_false(ask(&policy, "2002:7f00:1::1", 443, true));
    assert_true(ask(&policy, "2001:0:4136:e378:8000:63bf:f7f7:f7f7", 443, true));  /* to 8.8.8.8 */
    assert_false(ask(&policy, "2001:0:4136:e378:8000:63bf:5601:5601", 443, true)); /* to 169.254.169.254 */
    assert_false(ask(&policy, "2001:0:4136:e378:8000:63bf:80ff:fffe", 443, true)); /* to 127.0.0.1 */
}

static void policy_refuses_what_is_no_internet_address(void **state)
{
    const struct amp_policy policy = policy_of(true, NULL, 0);
    struct sockaddr_storage local = {.ss_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(0x08080808)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = {{{0x26}}}};
    assert_false(amp_policy_permits(&policy, (const struct sockaddr *)&local, sizeof(local), true));
    assert_true(amp_policy_permits(&policy, (const struct sockaddr *)&v4, sizeof(v4), true));
    for (size_t len = 0; len < sizeof(v4); len++)
        assert_false(amp_policy_permits(&policy, (const struct sockaddr *)&v4, len, true));
    assert_true(amp_policy_permits(&policy, (const struct sockaddr *)&v6, sizeof(v6), true));
    for (size_t len = 0; len < sizeof(v6); len++)
        assert_false(amp_policy_permits(&policy, (const struct sockaddr *)&v6, len, true));
}

static void policy_takes_no_malformed_exception(void **state)
{
    static struct amp_config config = {.push = {.allow = {"10.0.0.1/8"}, .allow_count = 1}};
    struct amp_policy policy;
    assert_int_equal(amp_policy_init(&policy, &config), AMP_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy_refuses_special_addresses),
        cmocka_unit_test(policy_permits_public_addresses_by_https_alone),
        cmocka_unit_test(policy_permits_loopback_alone_in_development_mode),
        cmocka_unit_test(policy_permits_what_is_listed),
        cmocka_unit_test(policy_opens_a_tunnel_no_further_than_its_inner_addresses),
        cmocka_unit_test(policy_refuses_what_is_no_internet_address),
        cmocka_unit_test(policy_takes_no_malformed_exception),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
