/* Who may do what: checks, packing, and the words of the command line. */
#include <string.h>

#include "../support.h"
#include "keys/principal.h"

static struct amp_principal sample(void)
{
    return (struct amp_principal){
        .key_id = "AMPKABCDEFGHIJKLMN27",
        .name_len = 4,
        .name = "shop",
        .state = AMP_PRINCIPAL_EXPIRING,
        .created_unix_ms = 1700000000000,
        .expires_unix_ms = 1800000000000,
        .rate_per_second = 100,
        .rate_burst = 200,
        .grant_count = 2,
        .grants = {{.permissions = AMP_MAY_TOKENIZE | AMP_MAY_SEND, .queue_len = 8, .queue = "payments"},
                   {.permissions = AMP_MAY_INSPECT, .queue_len = 1, .queue = "*"}},
    };
}

static void permissions_are_denied_unless_granted(void **state)
{
    struct amp_principal principal = sample();
    assert_true(amp_principal_may(&principal, AMP_MAY_TOKENIZE, AMP_SLICE_LIT("payments")));
    assert_true(amp_principal_may(&principal, AMP_MAY_INSPECT, AMP_SLICE_LIT("other")));
    assert_false(amp_principal_may(&principal, AMP_MAY_TOKENIZE, AMP_SLICE_LIT("other")));
    assert_false(amp_principal_may(&principal, AMP_MAY_TOKENIZE, AMP_SLICE_LIT("payment")));
    assert_false(amp_principal_may(&principal, AMP_MAY_TOKENIZE, AMP_SLICE_LIT("*")));
    assert_false(amp_principal_may(&principal, AMP_MAY_MANAGE, AMP_SLICE_LIT("payments")));
    principal.grant_count = 0;
    assert_false(amp_principal_may(&principal, AMP_MAY_INSPECT, AMP_SLICE_LIT("other")));
}

static void principal_survives_packing(void **state)
{
    struct amp_principal principal = sample();
    struct amp_principal read;
    uint8_t storage[512];
    uint8_t again[512];
    struct amp_out out = amp_out(storage, sizeof(storage));
    struct amp_out second = amp_out(again, sizeof(again));
    amp_principal_pack(&out, &principal);
    assert_int_equal(amp_principal_unpack(&read, amp_out_done(&out)), AMP_OK);
    amp_principal_pack(&second, &read);
    assert_int_equal(out.len, second.len);
    assert_memory_equal(storage, again, out.len);
    assert_int_equal(read.state, AMP_PRINCIPAL_EXPIRING);
    assert_true(amp_principal_may(&read, AMP_MAY_SEND, AMP_SLICE_LIT("payments")));
}

static void unpack_refuses_every_truncation_and_every_extra_byte(void **state)
{
    struct amp_principal principal = sample();
    struct amp_principal read;
    uint8_t storage[512] = {0};
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_principal_pack(&out, &principal);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, storage, len);
        assert_int_equal(amp_principal_unpack(&read, amp_slice(exact, len)), AMP_ERR_INVALID);
        free(exact);
    }
    assert_int_equal(amp_principal_unpack(&read, amp_slice(storage, out.len + 1)), AMP_ERR_INVALID);
}

static void check_refuses_each_malformed_field(void **state)
{
    struct amp_principal good = sample();
    assert_int_equal(amp_principal_check(&good), AMP_OK);
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        struct amp_principal p = sample();                                                                             \
        change;                                                                                                        \
        assert_int_equal(amp_principal_check(&p), AMP_ERR_INVALID);                                                    \
    } while (0)
    REFUSED(p.key_id[3] = 'X');
    REFUSED(p.key_id[19] = '1');
    REFUSED(p.key_id[10] = 'a');
    REFUSED(p.name_len = 0);
    REFUSED(p.name_len = AMP_PRINCIPAL_NAME_MAX + 1);
    REFUSED(p.name[1] = ' ');
    REFUSED(p.name[1] = '"');
    REFUSED(p.state = AMP_PRINCIPAL_STATE_COUNT_);
    REFUSED(p.created_unix_ms = -1);
    REFUSED(p.expires_unix_ms = -1);
    REFUSED(p.rate_burst = 0);
    REFUSED(p.grant_count = AMP_PRINCIPAL_GRANTS_MAX + 1);
    REFUSED(p.grants[0].permissions = 0);
    REFUSED(p.grants[0].permissions = AMP_MAY_ALL + 1);
    REFUSED(p.grants[1].queue_len = 0);
    REFUSED(p.grants[1].queue_len = AMP_GRANT_QUEUE_MAX + 1);
    REFUSED(p.grants[0].queue[0] = '/');
    REFUSED(p.grants[0].queue[0] = '*');
#undef REFUSED
}

static void grants_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        uint32_t permissions;
        const char *queue; /* NULL: refused */
    } cases[] = {
        {"all", AMP_MAY_ALL, "*"},
        {"tokenize", AMP_MAY_TOKENIZE, "*"},
        {"tokenize,claim:payments", AMP_MAY_TOKENIZE | AMP_MAY_CLAIM, "payments"},
        {"send,receive,manage,inspect,revoke:a.fifo", 0x7c, "a.fifo"},
        {"claim:*", AMP_MAY_CLAIM, "*"},
        {"", 0, NULL},
        {":payments", 0, NULL},
        {"claim:", 0, NULL},
        {"claim,", 0, NULL},
        {",claim", 0, NULL},
        {"claim,,send", 0, NULL},
        {"Claim", 0, NULL},
        {"claim :payments", 0, NULL},
        {"claim:pay ments", 0, NULL},
        {"claim:a:b", 0, NULL},
        {"claim:.fifo", 0, NULL},
        {"claim:a.b", 0, NULL},
        {"everything", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct amp_grant grant;
        enum amp_err err = amp_grant_parse(&grant, amp_slice_str(cases[i].text));
        assert_int_equal(err, cases[i].queue != NULL ? AMP_OK : AMP_ERR_INVALID);
        if (err != AMP_OK)
            continue;
        assert_int_equal(grant.permissions, cases[i].permissions);
        assert_true(amp_slice_is(amp_slice(grant.queue, grant.queue_len), cases[i].queue));
    }
}

static void a_queue_name_has_at_most_80_characters(void **state)
{
    char text[128] = "claim:";
    struct amp_grant grant;
    memset(text + 6, 'q', AMP_GRANT_QUEUE_MAX);
    assert_int_equal(amp_grant_parse(&grant, amp_slice_str(text)), AMP_OK);
    text[6 + AMP_GRANT_QUEUE_MAX] = 'q';
    assert_int_equal(amp_grant_parse(&grant, amp_slice_str(text)), AMP_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permissions_are_denied_unless_granted),
        cmocka_unit_test(principal_survives_packing),
        cmocka_unit_test(unpack_refuses_every_truncation_and_every_extra_byte),
        cmocka_unit_test(check_refuses_each_malformed_field),
        cmocka_unit_test(grants_are_read_as_people_write_them),
        cmocka_unit_test(a_queue_name_has_at_most_80_characters),
    };
    return cmocka_run_group_tests_name("principal", tests, NULL, NULL);
}
