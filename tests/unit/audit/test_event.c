/* An event on its way to the log: packed, unpacked, written. */
#include "../support.h"
#include "audit/event.h"

static const struct amp_event full = {
    .unix_ms = 1769903999123,
    .act = AMP_ACT_REDEEM,
    .outcome = AMP_OUTCOME_REFUSED,
    .code = AMP_ERR_TOKEN_GONE,
    .alarm = true,
    .has_token = true,
    .token_reference = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255},
    .request_id = 0x0123456789abcdef,
    .count = 7,
    .who = {(const uint8_t *)"AMPKABCDEFGHIJKLMNOP", 20},
    .source = {(const uint8_t *)"[2001:db8::1]:12345", 19},
    .queue = {(const uint8_t *)"payments", 8},
    .subject = {(const uint8_t *)"front", 5},
};

static struct amp_slice pack(const struct amp_event *event, uint8_t storage[AMP_EVENT_PACKED_MAX])
{
    struct amp_out out = amp_out(storage, AMP_EVENT_PACKED_MAX);
    amp_event_pack(&out, event);
    assert_false(out.overflow);
    return amp_out_done(&out);
}

static void assert_json(const struct amp_event *event, const char *expected)
{
    uint8_t storage[AMP_EVENT_JSON_MAX];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_event_write_json(&out, event, "front");
    assert_false(out.overflow);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(storage, expected, out.len);
}

static const char full_json[] =
    "\"time\":\"2026-01-31T23:59:59.123Z\",\"role\":\"front\",\"event\":\"token.redeem\",\"outcome\":\"refused\","
    "\"code\":\"token_gone\",\"who\":\"AMPKABCDEFGHIJKLMNOP\",\"source\":\"[2001:db8::1]:12345\",\"queue\":"
    "\"payments\","
    "\"subject\":\"front\",\"token\":\"000102030405060708090a0b0c0d0eff\",\"request\":\"0123456789abcdef\",\"count\":7,"
    "\"alarm\":true";

static void event_survives_packing(void **state)
{
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    struct amp_event read;
    size_t used;
    struct amp_slice packed = pack(&full, storage);
    assert_int_equal(amp_event_unpack(&read, packed, &used), AMP_OK);
    assert_int_equal(used, packed.len);
    assert_json(&read, full_json);
}

static void event_without_extras_has_no_empty_members(void **state)
{
    const struct amp_event plain = {.unix_ms = 0, .act = AMP_ACT_LOG_START};
    assert_json(&plain, "\"time\":\"1970-01-01T00:00:00.000Z\",\"role\":\"front\",\"event\":\"log.start\","
                        "\"outcome\":\"success\"");
}

static void event_names_a_message_by_its_uuid(void **state)
{
    struct amp_event event = {.act = AMP_ACT_MESSAGE_SEND, .has_message = true};
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    struct amp_event read;
    size_t used;
    memcpy(event.token_reference, full.token_reference, sizeof(event.token_reference));
    assert_int_equal(amp_event_unpack(&read, pack(&event, storage), &used), AMP_OK);
    assert_true(read.has_message);
    assert_false(read.has_token);
    assert_json(&read, "\"time\":\"1970-01-01T00:00:00.000Z\",\"role\":\"front\",\"event\":\"message.send\","
                       "\"outcome\":\"success\",\"message\":\"00010203-0405-0607-0809-0a0b0c0d0eff\"");
}

static void event_names_an_unverified_claim_as_such(void **state)
{
    struct amp_event event = {
        .unix_ms = 0, .act = AMP_ACT_REQUEST, .who = AMP_SLICE_LIT("AMPKX"), .who_unverified = true};
    assert_json(&event, "\"time\":\"1970-01-01T00:00:00.000Z\",\"role\":\"front\",\"event\":\"request\","
                        "\"outcome\":\"success\",\"claims_to_be\":\"AMPKX\"");
}

static void pack_clips_and_cleans_what_strangers_claim(void **state)
{
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    struct amp_event read;
    size_t used;
    const struct amp_event evil = {.act = AMP_ACT_REQUEST, .who = AMP_SLICE_LIT("a\"b\\c\nd\x7f\xff-0123456789ABCDEF")};
    assert_int_equal(amp_event_unpack(&read, pack(&evil, storage), &used), AMP_OK);
    assert_int_equal(read.who.len, AMP_EVENT_WHO_MAX);
    assert_memory_equal(read.who.ptr, "a?b?c?d\?\?-0123456789", AMP_EVENT_WHO_MAX);
}

static void unpack_takes_one_event_and_leaves_the_next(void **state)
{
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    uint8_t two[2 * AMP_EVENT_PACKED_MAX];
    struct amp_event read;
    size_t used;
    struct amp_slice packed = pack(&full, storage);
    memcpy(two, packed.ptr, packed.len);
    memcpy(two + packed.len, packed.ptr, packed.len);
    assert_int_equal(amp_event_unpack(&read, amp_slice(two, 2 * packed.len), &used), AMP_OK);
    assert_int_equal(used, packed.len);
}

static void unpack_refuses_every_truncation(void **state)
{
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    struct amp_slice packed = pack(&full, storage);
    for (size_t len = 0; len < packed.len; len++) {
        struct amp_event read;
        size_t used;
        uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees a read beyond */
        assert_non_null(exact);
        memcpy(exact, packed.ptr, len);
        assert_int_equal(amp_event_unpack(&read, amp_slice(exact, len), &used), AMP_ERR_INVALID);
        if (len >= 2) { /* also where the length tells the truth */
            exact[0] = 0;
            exact[1] = (uint8_t)len;
            assert_int_equal(amp_event_unpack(&read, amp_slice(exact, len), &used), AMP_ERR_INVALID);
        }
        free(exact);
    }
}

static void unpack_holds_every_field_to_its_bounds(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
    } bad[] = {
        {2, 0x80},                /* time before 1970 */
        {2, 0x7f},                /* time after 9999 */
        {10, AMP_ACT_COUNT_},     /* act */
        {11, AMP_OUTCOME_COUNT_}, /* outcome */
        {12, 0xff},               /* code */
        {14, 0x10},               /* flags */
        {14, 0x0a},               /* token and message at once */
        {47, 21},                 /* length of who */
        {48, '"'},                /* within who */
        {49, '\\'},
        {50, 0x1f},
        {51, 0x7f},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t storage[AMP_EVENT_PACKED_MAX];
        struct amp_event read;
        size_t used;
        struct amp_slice packed = pack(&full, storage);
        storage[bad[i].offset] = bad[i].value;
        assert_int_equal(amp_event_unpack(&read, packed, &used), AMP_ERR_INVALID);
    }
}

/* Texts are looked at in runs of 16: each place of a run, in texts of less and more than one. */
static void unpack_finds_what_is_not_plain_wherever_it_stands(void **state)
{
    static const size_t lens[] = {1, 15, 16, 17, 31, 32, 33, AMP_EVENT_QUEUE_MAX};
    uint8_t text[AMP_EVENT_QUEUE_MAX], storage[AMP_EVENT_PACKED_MAX];
    const struct amp_event *plain = &(const struct amp_event){.queue = {text, sizeof(text)}};
    memset(text, 'q', sizeof(text));
    for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
        struct amp_event event = *plain;
        event.queue.len = lens[l];
        struct amp_slice packed = pack(&event, storage);
        uint8_t *queue = storage + packed.len - 1 - lens[l]; /* before the length of an empty subject */
        for (size_t at = 0; at < lens[l]; at++) {
            for (unsigned c = 0; c <= UINT8_MAX; c++) {
                struct amp_event read;
                size_t used;
                bool refused = c < ' ' || c > '~' || c == '"' || c == '\\';
                queue[at] = (uint8_t)c;
                assert_int_equal(amp_event_unpack(&read, packed, &used), refused ? AMP_ERR_INVALID : AMP_OK);
            }
            queue[at] = 'q';
        }
    }
}

static void every_act_has_a_name_of_its_own(void **state)
{
    for (int a = 0; a < AMP_ACT_COUNT_; a++) {
        assert_string_not_equal(amp_act_name((enum amp_act)a), "unknown");
        for (int b = 0; b < a; b++)
            assert_string_not_equal(amp_act_name((enum amp_act)a), amp_act_name((enum amp_act)b));
    }
}

static void longest_event_fits_its_promises(void **state)
{
    static const uint8_t text[AMP_EVENT_QUEUE_MAX + 100] = {0}; /* becomes '?' */
    struct amp_event event = full;
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    uint8_t json[AMP_EVENT_JSON_MAX];
    struct amp_event read;
    size_t used;
    event.who = event.source = event.queue = event.subject = amp_slice(text, sizeof(text));
    event.count = event.request_id = UINT64_MAX;
    event.who_unverified = true;
    event.has_token = false;
    event.has_message = true;
    for (int code = 0; code < AMP_ERR_COUNT_; code++) {
        event.code = (enum amp_err)code;
        assert_int_equal(amp_event_unpack(&read, pack(&event, storage), &used), AMP_OK);
        struct amp_out out = amp_out(json, sizeof(json));
        amp_event_write_json(&out, &read, "supervisor");
        assert_false(out.overflow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_survives_packing),
        cmocka_unit_test(event_without_extras_has_no_empty_members),
        cmocka_unit_test(event_names_a_message_by_its_uuid),
        cmocka_unit_test(event_names_an_unverified_claim_as_such),
        cmocka_unit_test(pack_clips_and_cleans_what_strangers_claim),
        cmocka_unit_test(unpack_takes_one_event_and_leaves_the_next),
        cmocka_unit_test(unpack_refuses_every_truncation),
        cmocka_unit_test(unpack_holds_every_field_to_its_bounds),
        cmocka_unit_test(unpack_finds_what_is_not_plain_wherever_it_stands),
        cmocka_unit_test(every_act_has_a_name_of_its_own),
        cmocka_unit_test(longest_event_fits_its_promises),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
