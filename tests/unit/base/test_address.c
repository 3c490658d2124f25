#include "../support.h"
#include "base/address.h"

static struct amp_address_rule rule(const char *text)
{
    struct amp_address_rule out;
    if (amp_address_rule_parse(&out, amp_slice_str(text)) != AMP_OK)
        fail_msg("\"%s\" is a rule", text);
    return out;
}

static bool matches(const char *text, const char *address_text, uint16_t port)
{
    struct amp_address address;
    const struct amp_address_rule parsed = rule(text);
    assert_int_equal(amp_address_parse(&address, amp_slice_str(address_text)), AMP_OK);
    return amp_address_rule_matches(&parsed, &address, port);
}

static void addresses_are_read_in_network_order(void **state)
{
    struct amp_address address;
    assert_int_equal(amp_address_parse(&address, AMP_SLICE_LIT("192.0.2.1")), AMP_OK);
    assert_true(address.v4);
    assert_memory_equal(address.bytes, ((const uint8_t[16]){192, 0, 2, 1}), 16);
    assert_int_equal(amp_address_parse(&address, AMP_SLICE_LIT("2001:db8::1")), AMP_OK);
    assert_false(address.v4);
    assert_memory_equal(address.bytes, ((const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 1}), 16);
}

static void other_forms_of_addresses_are_refused(void **state)
{
    static const char *const bad[] = {
        "",       "1",         "127.1", "0x7f.0.0.1", "010.0.0.1", "1.2.3.4 ",          "256.1.1.1", "[::1]",
        "::1%lo", "fe80::1%1", "1.2.3", "1.2.3.4.5",  ":::",       "1:2:3:4:5:6:7:8:9", "localhost"};
    struct amp_address address;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(amp_address_parse(&address, amp_slice_str(bad[i])), AMP_ERR_INVALID);
    assert_int_equal(amp_address_parse(&address, amp_slice("1.2.3.4\0", 8)), AMP_ERR_INVALID);
}

static void a_rule_names_one_address_or_a_network(void **state)
{
    assert_true(matches("127.0.0.1", "127.0.0.1", 80));
    assert_false(matches("127.0.0.1", "127.0.0.2", 80));
    assert_true(matches("10.1.0.0/16", "10.1.255.255", 443));
    assert_false(matches("10.1.0.0/16", "10.2.0.0", 443));
    assert_true(matches("10.8.0.0/13", "10.15.0.1", 443));
    assert_false(matches("10.8.0.0/13", "10.16.0.1", 443));
    assert_true(matches("[fd00::]/8", "fdff::1", 443));
    assert_false(matches("[fd00::]/8", "fc00::1", 443));
    assert_true(matches("[::1]", "::1", 443));
    assert_false(matches("[::1]", "::2", 443));
    assert_true(matches("0.0.0.0/0", "203.0.113.9", 443));
}

static void a_rule_may_name_a_port(void **state)
{
    assert_true(matches("127.0.0.1:9000", "127.0.0.1", 9000));
    assert_false(matches("127.0.0.1:9000", "127.0.0.1", 9001));
    assert_true(matches("10.1.0.0/16:8443", "10.1.2.3", 8443));
    assert_true(matches("[fd00::]/8:8443", "fd12::1", 8443));
    assert_false(matches("[fd00::]/8:8443", "fd12::1", 443));
    assert_true(matches("[::1]:65535", "::1", 65535));
}

static void families_never_match_each_other(void **state)
{
    assert_false(matches("0.0.0.0/0", "::ffff:1.2.3.4", 443));
    assert_false(matches("[::]/0", "1.2.3.4", 443));
    assert_false(matches("[::]/0", "0.0.0.0", 443));
}

static void other_forms_of_rules_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "10.1.0.0/33",
                                      "10.1.0.0/",
                                      "10.1.0.0/016",
                                      "10.1.0.0/-1",
                                      "10.1.0.0/16:",
                                      "10.1.0.0:0",
                                      "10.1.0.0:65536",
                                      "10.1.0.0:080",
                                      "10.1.0.0/16/16",
                                      "10.1.0.0:1:2",
                                      "10.1.0.1/16",
                                      "fd00::/8",
                                      "[fd00::/8",
                                      "[fd00::1]/8",
                                      "[fd00::]/129",
                                      "[10.1.0.0]",
                                      "[]",
                                      "[",
                                      "[::1] ",
                                      " 10.0.0.0/8",
                                      "10.0.0.0/8 ",
                                      "example.com",
                                      "10.0.0.0/255.0.0.0",
                                      "[::1]x",
                                      "10.1.0.0:443/16",
                                      "[::1%lo]",
                                      "*",
                                      "10.1.0.128/24",
                                      "[fd00::8000]/112"};
    struct amp_address_rule out;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (amp_address_rule_parse(&out, amp_slice_str(bad[i])) == AMP_OK)
            fail_msg("\"%s\" is no rule", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_in_network_order),   cmocka_unit_test(other_forms_of_addresses_are_refused),
        cmocka_unit_test(a_rule_names_one_address_or_a_network), cmocka_unit_test(a_rule_may_name_a_port),
        cmocka_unit_test(families_never_match_each_other),       cmocka_unit_test(other_forms_of_rules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
