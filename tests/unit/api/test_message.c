/* A message as it lies in a queue: packed, sealed, and bound to its queue, id, sender and expiry (spec section 4). */
#include "fixture.h"

#include <string.h>

#include "api/message.h"

#define QUEUE AMP_SLICE_LIT("q")

static struct amp_message full(void)
{
    struct amp_message message = {
        .body = AMP_SLICE_LIT("{\"token\":\"tok_x\""),
        .of_token = true,
        .sealed_count = 2,
        .attributes.count = 2,
        .trace_header = AMP_SLICE_LIT("Root=1"),
        .group_id = AMP_SLICE_LIT("group"),
        .deduplication_id = AMP_SLICE_LIT("dedup"),
    };
    for (uint8_t i = 0; i < 2; i++) {
        memset(message.sealed[i].subscription, 'a' + i, AMP_SUBSCRIPTION_ID_LEN);
        message.sealed[i].jwe = i == 0 ? AMP_SLICE_LIT("ey.one") : AMP_SLICE_LIT("ey.two");
    }
    message.attributes.at[0] =
        (struct amp_sqs_attribute){AMP_SLICE_LIT("n"), AMP_SLICE_LIT("Number"), AMP_SLICE_LIT("7"), false};
    message.attributes.at[1] =
        (struct amp_sqs_attribute){AMP_SLICE_LIT("b"), AMP_SLICE_LIT("Binary"), amp_slice("\0\1", 2), true};
    return message;
}

static void make(const char *queue)
{
    struct amp_queue_settings settings;
    bool existed;
    amp_queue_settings_default(&settings, false);
    assert_int_equal(fx.queues.ops->create(fx.queues.self, amp_slice_str(queue), &settings, NULL, &existed), AMP_OK);
}

/* Sends one and takes it out of the engine again, sealed. */
static void send_and_take(const struct amp_message *message, struct amp_message_out *out, struct amp_secret_buf *sealed)
{
    struct amp_message_order order = {
        .queue = QUEUE, .sender = fx.shop.key_id, .now_unix_ms = fx.hands.unix_ms, .life_ms = 1000, .delay_ms = -1};
    struct amp_receive receive = {.queue = QUEUE, .most = 1, .visibility_ms = -1};
    struct amp_message_sent sent;
    size_t count;
    make("q");
    assert_int_equal(amp_message_send(fx.api, &order, message, &sent), AMP_OK);
    assert_int_equal(fx.queues.ops->receive(fx.queues.self, &receive, out, &count, sealed), AMP_OK);
    assert_int_equal(count, 1);
    assert_memory_equal(out->receipt.id, sent.id, AMP_MESSAGE_ID_LEN);
}

static enum amp_err open_it(const struct amp_message_out *out, struct amp_slice sealed, struct amp_secret_buf *plain,
                            struct amp_message *message)
{
    amp_secret_buf_clear(plain);
    return amp_message_open(fx.api, out, sealed, plain, message);
}

static void assert_same(struct amp_slice a, struct amp_slice b)
{
    assert_int_equal(a.len, b.len);
    if (a.len != 0)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void what_was_packed_comes_back(void **state)
{
    const struct amp_message messages[] = {full(), {.body = AMP_SLICE_LIT("x")}};
    for (size_t m = 0; m < 2; m++) {
        struct amp_message_out out;
        struct amp_secret_buf sealed = {NULL, 0, 0}, plain = {NULL, 0, 0};
        struct amp_message back;
        if (m != 0) {
            fixture_teardown(state);
            fixture_setup(state);
        }
        send_and_take(&messages[m], &out, &sealed);
        assert_null(memmem(sealed.ptr, sealed.len, "tok_", 4));
        assert_int_equal(open_it(&out, amp_slice(sealed.ptr, sealed.len), &plain, &back), AMP_OK);
        assert_same(back.body, messages[m].body);
        assert_int_equal(back.of_token, messages[m].of_token);
        assert_int_equal(back.sealed_count, messages[m].sealed_count);
        for (uint32_t i = 0; i < back.sealed_count; i++) {
            assert_memory_equal(back.sealed[i].subscription, messages[m].sealed[i].subscription,
                                AMP_SUBSCRIPTION_ID_LEN);
            assert_same(back.sealed[i].jwe, messages[m].sealed[i].jwe);
        }
        assert_int_equal(back.attributes.count, messages[m].attributes.count);
        for (uint32_t i = 0; i < back.attributes.count; i++) {
            assert_same(back.attributes.at[i].name, messages[m].attributes.at[i].name);
            assert_same(back.attributes.at[i].type, messages[m].attributes.at[i].type);
            assert_same(back.attributes.at[i].value, messages[m].attributes.at[i].value);
            assert_int_equal(back.attributes.at[i].binary, messages[m].attributes.at[i].binary);
        }
        assert_same(back.trace_header, messages[m].trace_header);
        assert_same(back.group_id, messages[m].group_id);
        assert_same(back.deduplication_id, messages[m].deduplication_id);
        amp_secret_buf_free(&sealed);
        amp_secret_buf_free(&plain);
    }
}

/* The SHA-256 of "abc" (FIPS 180-2, appendix B.1) takes no room in the queue, and is there again for who receives. */
static void a_deduplication_id_made_of_the_body_is_not_kept(void **state)
{
    const struct amp_slice id = AMP_SLICE_LIT("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct amp_message message = {.body = AMP_SLICE_LIT("abc"),
                                  .group_id = AMP_SLICE_LIT("g"),
                                  .deduplication_id = id,
                                  .deduplicated_by_body = true};
    struct amp_message_out out;
    struct amp_secret_buf sealed = {NULL, 0, 0}, plain = {NULL, 0, 0};
    struct amp_message back;
    send_and_take(&message, &out, &sealed);
    assert_int_equal(sealed.len, AMP_SEAL_OVERHEAD + 2 + 2 + 1 + 3); /* version, flags; lengths of ids; "g", "abc" */
    assert_int_equal(open_it(&out, amp_slice(sealed.ptr, sealed.len), &plain, &back), AMP_OK);
    assert_true(back.deduplicated_by_body);
    assert_same(back.body, message.body);
    assert_same(back.group_id, message.group_id);
    assert_same(back.deduplication_id, id);
    amp_secret_buf_free(&sealed);
    amp_secret_buf_free(&plain);
}

static void an_id_of_129_bytes_is_not_packed(void **state)
{
    char text[AMP_MESSAGE_FIFO_ID_MAX + 1];
    const struct amp_message_order order = {
        .queue = QUEUE, .sender = fx.shop.key_id, .now_unix_ms = fx.hands.unix_ms, .life_ms = 1000, .delay_ms = -1};
    struct amp_message_sent sent;
    memset(text, 'x', sizeof text);
    make("q");
    for (int i = 0; i < 2; i++) {
        struct amp_message message = {.body = AMP_SLICE_LIT("x")};
        *(i == 0 ? &message.group_id : &message.deduplication_id) = amp_slice(text, sizeof text);
        assert_int_equal(amp_message_send(fx.api, &order, &message, &sent), AMP_ERR_INTERNAL);
    }
}

static void no_changed_bit_and_no_cut_opens(void **state)
{
    const struct amp_message message = full();
    struct amp_message_out out;
    struct amp_secret_buf sealed = {NULL, 0, 0}, plain = {NULL, 0, 0};
    struct amp_message back;
    send_and_take(&message, &out, &sealed);
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_it(&out, amp_slice(sealed.ptr, sealed.len), &plain, &back), AMP_ERR_NOT_AUTHENTIC);
        assert_int_equal(plain.len, 0);
        sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_int_equal(open_it(&out, amp_slice(sealed.ptr, len), &plain, &back), AMP_ERR_NOT_AUTHENTIC);
    assert_int_equal(open_it(&out, amp_slice(sealed.ptr, sealed.len), &plain, &back), AMP_OK);
    amp_secret_buf_free(&sealed);
    amp_secret_buf_free(&plain);
}

/* In another queue, under another id, from another sender, or for longer, it is no message. */
static void what_is_told_beside_it_is_sealed_with_it(void **state)
{
    const struct amp_message message = full();
    struct amp_message_out out, other;
    struct amp_secret_buf sealed = {NULL, 0, 0}, plain = {NULL, 0, 0};
    struct amp_message back;
    send_and_take(&message, &out, &sealed);
    const struct amp_slice bytes = amp_slice(sealed.ptr, sealed.len);
    for (size_t bit = 0; bit < 8 * AMP_MESSAGE_ID_LEN; bit++) {
        other = out;
        other.receipt.id[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_it(&other, bytes, &plain, &back), AMP_ERR_NOT_AUTHENTIC);
    }
    for (size_t bit = 0; bit < 8 * AMP_MESSAGE_SENDER_LEN; bit++) {
        other = out;
        other.sender[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_it(&other, bytes, &plain, &back), AMP_ERR_NOT_AUTHENTIC);
    }
    for (unsigned bit = 0; bit < 63; bit++) {
        other = out;
        other.expires_unix_ms ^= INT64_C(1) << bit;
        assert_int_equal(open_it(&other, bytes, &plain, &back), AMP_ERR_NOT_AUTHENTIC);
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const homes[] = {"r", "qq", ""};
        other = out;
        other.home.len = (uint8_t)strlen(homes[i]);
        memcpy(other.home.text, homes[i], strlen(homes[i]));
        assert_int_equal(open_it(&other, bytes, &plain, &back), AMP_ERR_NOT_AUTHENTIC);
    }
    /* What may change on its way does not matter: how often it was received, and where it was moved from. */
    other = out;
    other.receives = 7;
    other.source = other.home;
    other.receipt.stamp ^= 1;
    assert_int_equal(open_it(&other, bytes, &plain, &back), AMP_OK);
    amp_secret_buf_free(&sealed);
    amp_secret_buf_free(&plain);
}

static void assert_body(const struct amp_message *message, const uint8_t *subscription, const char *wanted)
{
    uint8_t storage[256];
    struct amp_out out = amp_out(storage, amp_message_body_len(message));
    amp_message_write_body(&out, message, subscription);
    assert_false(out.overflow);
    assert_int_equal(out.len, strlen(wanted));
    assert_memory_equal(storage, wanted, out.len);
}

static void each_reader_gets_his_body(void **state)
{
    struct amp_message message = full();
    uint8_t stranger[AMP_SUBSCRIPTION_ID_LEN] = {0};
    assert_body(&message, message.sealed[0].subscription, "{\"token\":\"tok_x\",\"sealed\":\"ey.one\"}");
    assert_body(&message, message.sealed[1].subscription, "{\"token\":\"tok_x\",\"sealed\":\"ey.two\"}");
    assert_body(&message, stranger, "{\"token\":\"tok_x\"}");
    assert_body(&message, NULL, "{\"token\":\"tok_x\",\"sealed\":[\"ey.one\",\"ey.two\"]}");
    message.sealed_count = 1;
    assert_body(&message, NULL, "{\"token\":\"tok_x\",\"sealed\":\"ey.one\"}");
    message.sealed_count = 0;
    assert_body(&message, NULL, "{\"token\":\"tok_x\"}");
    message.of_token = false;
    assert_body(&message, NULL, "{\"token\":\"tok_x\"");
}

static void hashes_are_keyed_and_kept_apart(void **state)
{
    static const struct {
        const char *queue;
        const struct amp_principal *who;
        const char *attempt;
    } rows[] = {{"q", &fx.shop, "x"},    {"q", &fx.gateway, "x"}, {"r", &fx.shop, "x"},  {"q", &fx.shop, "y"},
                {"qshop", &fx.shop, ""}, {"", &fx.shop, "qx"},    {"qs", &fx.shop, "x"}, {"q", &fx.shop, "shopx"}};
    uint8_t hashes[8][AMP_MESSAGE_HASH_LEN], again[AMP_MESSAGE_HASH_LEN];
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(amp_message_hash_attempt(fx.api, amp_slice_str(rows[i].queue), rows[i].who,
                                                  amp_slice_str(rows[i].attempt), hashes[i]),
                         AMP_OK);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], AMP_MESSAGE_HASH_LEN);
    }
    struct amp_principal renewed = fx.shop; /* with another key */
    memcpy(renewed.key_id, fx.gateway.key_id, sizeof renewed.key_id);
    assert_int_equal(amp_message_hash_attempt(fx.api, AMP_SLICE_LIT("q"), &renewed, AMP_SLICE_LIT("x"), again), AMP_OK);
    assert_memory_equal(again, hashes[0], AMP_MESSAGE_HASH_LEN);
}

/* A use of the epoch key is owed for as long as the message is there, and no longer. */
static void keys_die_with_their_last_message(void **state)
{
    struct amp_message message = full();
    struct amp_message_order order = {.queue = AMP_SLICE_LIT("none"),
                                      .sender = fx.shop.key_id,
                                      .now_unix_ms = fx.hands.unix_ms,
                                      .life_ms = 1000,
                                      .delay_ms = -1};
    struct amp_message_sent sent;
    assert_int_equal(amp_message_send(fx.api, &order, &message, &sent), AMP_ERR_QUEUE_UNKNOWN);
    make("q");
    order.queue = QUEUE;
    assert_int_equal(amp_message_send(fx.api, &order, &message, &sent), AMP_OK);
    amp_clock_fake_advance(&fx.hands, 600001);
    amp_epochs_sweep(fx.epochs);
    assert_int_equal(amp_epochs_count(fx.epochs), 1);
    assert_int_equal(fx.queues.ops->destroy(fx.queues.self, QUEUE), AMP_OK);
    struct amp_engine_swept swept = {0};
    while (fx.queues.ops->sweep(fx.queues.self, 0, 1, 100, &swept))
        ;
    amp_epochs_sweep(fx.epochs);
    assert_int_equal(amp_epochs_count(fx.epochs), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_packed_comes_back),
        T(a_deduplication_id_made_of_the_body_is_not_kept),
        T(an_id_of_129_bytes_is_not_packed),
        T(no_changed_bit_and_no_cut_opens),
        T(what_is_told_beside_it_is_sealed_with_it),
        T(each_reader_gets_his_body),
        T(hashes_are_keyed_and_kept_apart),
        T(keys_die_with_their_last_message),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
