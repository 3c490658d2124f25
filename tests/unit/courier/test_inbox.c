/* Deliveries as front hands them over, and what is none. */
#include <string.h>

#include "../support.h"
#include "courier/courier.h"
#include "courier/inbox.h"
#include "ipc/ipc.h"

enum { HEAD_LEN = 8 + 16 + 16 + 8 + 1 + 4 };

struct packet {
    size_t len;
    uint8_t bytes[AMP_IPC_MAX_PAYLOAD];
};

static struct packet packet;

static struct amp_slice deliver(uint64_t ask, uint64_t expires_ms, uint8_t test, uint32_t body_len, size_t here)
{
    static const uint8_t body[AMP_IPC_MAX_PAYLOAD] = "body";
    struct amp_out out = amp_out(packet.bytes, sizeof(packet.bytes));
    amp_ipc_put_u64(&out, ask);
    amp_out_bytes(&out, "subscription....", 16);
    amp_out_bytes(&out, "message.........", 16);
    amp_ipc_put_u64(&out, expires_ms);
    amp_ipc_put_u8(&out, test);
    amp_ipc_put_u32(&out, body_len);
    amp_ipc_put_bytes(&out, amp_slice(body, here));
    assert_false(out.overflow);
    return amp_out_done(&out);
}

static struct amp_slice more(size_t len, uint8_t byte)
{
    static uint8_t body[AMP_IPC_MAX_PAYLOAD];
    struct amp_out out = amp_out(packet.bytes, sizeof(packet.bytes));
    memset(body, byte, sizeof(body));
    amp_ipc_put_bytes(&out, amp_slice(body, len));
    assert_false(out.overflow);
    return amp_out_done(&out);
}

static void inbox_takes_a_delivery_of_one_packet(void **state)
{
    struct amp_inbox inbox = {0};
    struct amp_delivery_order order;
    assert_false(amp_inbox_take(&inbox, &order));
    assert_true(amp_inbox_deliver(&inbox, deliver(7, 1234, 1, 4, 4), 0));
    assert_true(amp_inbox_take(&inbox, &order));
    assert_int_equal(order.ask, 7);
    assert_int_equal(order.expires_mono_ms, 1234);
    assert_true(order.test);
    assert_memory_equal(order.subscription, "subscription....", 16);
    assert_memory_equal(order.message, "message.........", 16);
    assert_int_equal(order.body_len, 4);
    assert_memory_equal(order.body, "body", 4);
    assert_false(amp_inbox_take(&inbox, &order));
    amp_secret_free(order.body);
}

static void inbox_puts_a_body_together(void **state)
{
    struct amp_inbox inbox = {0};
    struct amp_delivery_order order;
    assert_true(amp_inbox_deliver(&inbox, deliver(1, 1, 0, 100004, 4), 0));
    assert_false(amp_inbox_take(&inbox, &order));
    assert_true(amp_inbox_deliver_more(&inbox, more(60000, 'a')));
    assert_true(amp_inbox_deliver_more(&inbox, more(39999, 'b')));
    assert_false(amp_inbox_take(&inbox, &order));
    assert_true(amp_inbox_deliver_more(&inbox, more(1, 'c')));
    assert_true(amp_inbox_take(&inbox, &order));
    assert_int_equal(order.body_len, 100004);
    assert_memory_equal(order.body, "bodya", 5);
    assert_memory_equal(order.body + 60003, "ab", 2);
    assert_int_equal(order.body[100003], 'c');
    amp_secret_free(order.body);
}

static void inbox_refuses_every_other_length(void **state)
{
    struct amp_slice whole = deliver(1, 1, 0, 4, 4);
    uint8_t longer[HEAD_LEN + 2 + 4 + 1] = {0};
    assert_int_equal(whole.len, sizeof(longer) - 1);
    memcpy(longer, whole.ptr, whole.len);
    for (size_t len = 0; len <= sizeof(longer); len++) {
        struct amp_inbox inbox = {0};
        assert_int_equal(amp_inbox_deliver(&inbox, amp_slice(longer, len), 0), len == whole.len);
        amp_inbox_reset(&inbox);
    }
    for (size_t len = 0; len <= 8; len++) {
        struct amp_inbox inbox = {0};
        struct amp_slice next;
        assert_true(amp_inbox_deliver(&inbox, deliver(1, 1, 0, 10, 4), 0));
        next = more(5, 'x');
        packet.bytes[7] = 0;
        next.len = len;
        assert_int_equal(amp_inbox_deliver_more(&inbox, next), len == 7);
        amp_inbox_reset(&inbox);
    }
}

static void inbox_refuses_what_is_out_of_turn(void **state)
{
    struct amp_inbox inbox = {0};
    assert_false(amp_inbox_deliver_more(&inbox, more(1, 'x')));
    assert_true(amp_inbox_deliver(&inbox, deliver(1, 1, 0, 10, 4), 0));
    assert_false(amp_inbox_deliver(&inbox, deliver(2, 1, 0, 4, 4), 0)); /* the first goes on */
    assert_false(amp_inbox_deliver_more(&inbox, more(7, 'x')));         /* one too many */
    assert_true(amp_inbox_deliver_more(&inbox, more(6, 'x')));
    assert_false(amp_inbox_deliver_more(&inbox, more(1, 'x')));
    assert_false(amp_inbox_deliver(&inbox, deliver(2, 1, 0, 4, 4), 0)); /* nobody took the first */
    amp_inbox_reset(&inbox);
    assert_int_equal(amp_secret_used(), 0);
}

static void inbox_refuses_malformed_values(void **state)
{
    const struct bad {
        uint64_t expires_ms;
        uint8_t test;
        uint32_t body_len;
        size_t here;
        size_t held;
    } bad[] = {
        {1, 2, 4, 4, 0},                            /* test is 0 or 1 */
        {(uint64_t)INT64_MAX + 1, 0, 4, 4, 0},      /* no time */
        {1, 0, 0, 0, 0},                            /* empty */
        {1, 0, 4, 0, 0},                            /* does not begin */
        {1, 0, 3, 4, 0},                            /* longer than it says */
        {1, 0, AMP_COURIER_WINDOW_BYTES + 1, 4, 0}, /* longer than any may be */
        {1, 0, UINT32_MAX, 4, 0},                   /* the same */
        {1, 0, 4, 4, AMP_COURIER_TOTAL_BYTES - 3},  /* more than the courier holds */
        {1, 1, AMP_COURIER_TEST_BYTES + 1, 4, 0},   /* longer than a test may be */
        {1, 0, 4, 4, SIZE_MAX},                     /* the same */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct amp_inbox inbox = {0};
        struct amp_slice payload = deliver(1, bad[i].expires_ms, bad[i].test, bad[i].body_len, bad[i].here);
        assert_false(amp_inbox_deliver(&inbox, payload, bad[i].held));
        amp_inbox_reset(&inbox);
    }
    struct amp_inbox inbox = {0};
    assert_true(amp_inbox_deliver(&inbox, deliver(1, 1, 0, 4, 4), AMP_COURIER_TOTAL_BYTES - 4));
    amp_inbox_reset(&inbox);
}

static void inbox_takes_a_test_where_the_window_is_full(void **state)
{
    struct amp_inbox inbox = {0};
    assert_false(amp_inbox_deliver(&inbox, deliver(1, 1, 0, 1, 1), AMP_COURIER_TOTAL_BYTES));
    assert_true(amp_inbox_deliver(&inbox, deliver(1, 1, 1, AMP_COURIER_TEST_BYTES, 4), AMP_COURIER_TOTAL_BYTES));
    amp_inbox_reset(&inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbox_takes_a_delivery_of_one_packet),
        cmocka_unit_test(inbox_puts_a_body_together),
        cmocka_unit_test(inbox_refuses_every_other_length),
        cmocka_unit_test(inbox_refuses_what_is_out_of_turn),
        cmocka_unit_test(inbox_refuses_malformed_values),
        cmocka_unit_test(inbox_takes_a_test_where_the_window_is_full),
    };
    if (amp_secret_init((size_t)16 << 20, false) != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
