/* Sources: how they are written, what counts as one, and how many connections each may hold. */
#include "../support.h"

#include <arpa/inet.h>

#include "crypto/crypto.h"
#include "net/source.h"

static int start(void **state)
{
    return amp_secret_init(1024 * 1024, false) == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : 1;
}

static struct amp_net_source source_at(const char *address, uint16_t port)
{
    struct amp_net_source source;
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *in = (void *)&storage;
    struct sockaddr_in6 *in6 = (void *)&storage;
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
    }
    amp_net_source_of(&source, &storage);
    return source;
}

static void writes_addresses_with_their_ports(void **state)
{
    static const struct {
        const char *address;
        uint16_t port;
        const char *text;
    } cases[] = {
        {"127.0.0.1", 4242, "127.0.0.1:4242"},
        {"255.255.255.255", 65535, "255.255.255.255:65535"},
        {"::1", 4242, "[::1]:4242"},
        {"::ffff:192.0.2.1", 80, "192.0.2.1:80"},
        {"2001:db8:1111:2222:3333:4444:5555:6666", 65535, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
        {"::255.255.255.255", 1, "[::255.255.255.255]:1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct amp_net_source source = source_at(cases[i].address, cases[i].port);
        assert_true(amp_slice_is(amp_slice(source.text, source.text_len), cases[i].text));
    }
}

static bool same_source(const char *a, const char *b)
{
    struct amp_net_source first = source_at(a, 1), second = source_at(b, 2);
    return memcmp(&first.key, &second.key, sizeof(first.key)) == 0;
}

static void counts_an_address_or_a_64_as_one(void **state)
{
    assert_true(same_source("192.0.2.1", "192.0.2.1"));
    assert_true(same_source("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(same_source("192.0.2.1", "192.0.2.2"));
    assert_true(same_source("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_false(same_source("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(same_source("::1", "0.0.0.1"));
    assert_false(same_source("::1", "0.0.0.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_addresses_with_their_ports),
        cmocka_unit_test(counts_an_address_or_a_64_as_one),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
