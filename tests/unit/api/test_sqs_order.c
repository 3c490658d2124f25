/* When messages of the SQS API come: in the order of FIFO queues, and to who waits for them (spec section 4). */
#include "sqs_support.h"

#include "api/message.h"

static void fifo_queues_keep_order_within_groups(void **state)
{
    static const char *const sends[][3] = {{"g1", "1", "a"}, {"g1", "2", "b"}, {"g2", "3", "c"}};
    char *sequences[3];
    make_queue("q.fifo");
    for (size_t i = 0; i < 3; i++) {
        must("SendMessage",
             "{" Q("q.fifo") ",\"MessageGroupId\":\"%s\",\"MessageDeduplicationId\":\"%s\",\"MessageBody\":\"%s\"}",
             sends[i][0], sends[i][1], sends[i][2]);
        sequences[i] = copy(said("SequenceNumber"));
        assert_int_equal(strlen(sequences[i]), 20);
        assert_true(i == 0 || strcmp(sequences[i - 1], sequences[i]) < 0);
    }
    must("ReceiveMessage", "{" Q("q.fifo") ",\"AttributeNames\":[\"All\"]}");
    assert_string_equal(said("Body"), "a");
    assert_string_equal(mapped("MessageGroupId"), "g1");
    assert_string_equal(mapped("MessageDeduplicationId"), "1");
    assert_string_equal(mapped("SequenceNumber"), sequences[0]);
    char *receipt = copy(said("ReceiptHandle"));
    must("ReceiveMessage", "{" Q("q.fifo") "}");
    assert_string_equal(said("Body"), "c"); /* "b" waits for "a" */
    assert_null(receive_one("q.fifo"));
    must("DeleteMessage", "{" Q("q.fifo") ",\"ReceiptHandle\":\"%s\"}", receipt);
    must("ReceiveMessage", "{" Q("q.fifo") "}");
    assert_string_equal(said("Body"), "b");
}

static void duplicates_get_the_first_ones_answer(void **state)
{
#define DUPLICATE(id, text)                                                                                            \
    "{" Q("q.fifo") ",\"MessageGroupId\":\"g\",\"MessageDeduplicationId\":\"" id "\",\"MessageBody\":\"" text "\"}"
    make_queue("q.fifo");
    must("SendMessage", DUPLICATE("1", "x"));
    char *id = copy(said("MessageId")), *sequence = copy(said("SequenceNumber"));
    must("SendMessage", DUPLICATE("1", "other"));
    assert_string_equal(said("MessageId"), id);
    assert_string_equal(said("SequenceNumber"), sequence);
    amp_clock_fake_advance(&fx.hands, 300001);
    must("SendMessage", DUPLICATE("1", "x"));
    assert_string_not_equal(said("MessageId"), id);
}

static void content_is_deduplicated_where_the_queue_says_so(void **state)
{
    make_queue("q.fifo");
    must("SetQueueAttributes", "{" Q("q.fifo") ",\"Attributes\":{\"ContentBasedDeduplication\":\"true\"}}");
    must("SendMessage", "{" Q("q.fifo") ",\"MessageGroupId\":\"g\",\"MessageBody\":\"hello\"}");
    char *id = copy(said("MessageId"));
    must("SendMessage", "{" Q("q.fifo") ",\"MessageGroupId\":\"g\",\"MessageBody\":\"hello\"}");
    assert_string_equal(said("MessageId"), id);
    must("SendMessage", "{" Q("q.fifo") ",\"MessageGroupId\":\"g\",\"MessageBody\":\"hell\"}");
    assert_string_not_equal(said("MessageId"), id);
    must("ReceiveMessage", "{" Q("q.fifo") ",\"AttributeNames\":[\"MessageDeduplicationId\"]}");
    assert_string_equal(mapped("MessageDeduplicationId"), /* FIPS 180-4, of "hello" */
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
}

static void fifo_queues_take_what_they_need(void **state)
{
    static const struct {
        const char *members;
        enum amp_err err;
    } rows[] = {
        {"\"MessageBody\":\"x\"", AMP_ERR_SQS_MISSING_PARAMETER},
        {"\"MessageBody\":\"x\",\"MessageGroupId\":\"g\"", AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageGroupId\":\"g\",\"MessageDeduplicationId\":\"\"",
         AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageGroupId\":\"g\",\"MessageDeduplicationId\":\"1\",\"DelaySeconds\":5",
         AMP_ERR_SQS_PARAMETER_INVALID},
    };
    make_queue("q.fifo");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        callf("SendMessage", "{" Q("q.fifo") ",%s}", rows[i].members);
        refused(rows[i].err);
    }
}

static void an_attempt_repeated_gets_the_same_messages(void **state)
{
    make_queue("q.fifo");
    must("SendMessage", DUPLICATE("1", "x"));
    must("ReceiveMessage", "{" Q("q.fifo") ",\"ReceiveRequestAttemptId\":\"a\"}");
    char *id = copy(said("MessageId"));
    must("ReceiveMessage", "{" Q("q.fifo") ",\"ReceiveRequestAttemptId\":\"a\"}");
    assert_string_equal(said("MessageId"), id);
    must("ReceiveMessage", "{" Q("q.fifo") ",\"ReceiveRequestAttemptId\":\"b\"}");
    assert_null(said("MessageId"));
    /* Another's attempt is another, whatever he calls it. */
    fx.who = &fx.gateway;
    fx.gateway.grants[0] = (struct amp_grant){.permissions = AMP_MAY_RECEIVE, .queue_len = 6, .queue = "q.fifo"};
    must("ReceiveMessage", "{" Q("q.fifo") ",\"ReceiveRequestAttemptId\":\"a\"}");
    assert_null(said("MessageId"));
    fx.who = &fx.shop;
    call("ReceiveMessage", "{" Q("q.fifo") ",\"ReceiveRequestAttemptId\":\"a b\"}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
}

#define POLL "{" Q("q") ",\"WaitTimeSeconds\":5,\"AttributeNames\":[\"SenderId\"],\"MessageAttributeNames\":[\"a.*\"]}"

static void a_poll_waits_and_is_told(void **state)
{
    make_queue("q");
    assert_int_equal(call("ReceiveMessage", POLL), 0);
    const struct amp_park *park = &answer.response.park;
    assert_int_equal(park->kind, AMP_PARK_POLL);
    assert_true(amp_slice_is(amp_queue_name_slice(&park->queue), "q"));
    assert_true(park->until_mono_ms == fx.hands.mono_ms + 5000);
    assert_memory_equal(park->who, fx.shop.key_id, sizeof park->who);
    /* Woken in vain it waits on. */
    assert_int_equal(resume(AMP_RESUME_WOKEN, NULL), 0);
    assert_int_equal(park->kind, AMP_PARK_POLL);
    struct amp_message message = {.body = AMP_SLICE_LIT("hello")};
    message.attributes.count = 1;
    message.attributes.at[0] =
        (struct amp_sqs_attribute){AMP_SLICE_LIT("a.b"), AMP_SLICE_LIT("String"), AMP_SLICE_LIT("v"), false};
    struct amp_message_order order = {.queue = AMP_SLICE_LIT("q"),
                                      .sender = fx.gateway.key_id,
                                      .now_unix_ms = fx.hands.unix_ms,
                                      .life_ms = 1000,
                                      .delay_ms = -1};
    struct amp_message_sent sent;
    assert_int_equal(amp_message_send(fx.api, &order, &message, &sent), AMP_OK);
    assert_int_equal(resume(AMP_RESUME_WOKEN, NULL), 200);
    assert_int_equal(park->kind, AMP_PARK_NONE);
    assert_string_equal(said("Body"), "hello");
    assert_string_equal(said("StringValue"), "v");
    assert_string_equal(mapped("SenderId"), "AMPKBBBBBBBBBBBBBBBB");
    recorded(AMP_ACT_MESSAGE_RECEIVE, AMP_OK, "q", 0);
}

static void a_poll_ends_with_nothing(void **state)
{
    static const enum amp_resume why[] = {AMP_RESUME_LATE, AMP_RESUME_ENDING};
    make_queue("q");
    for (size_t i = 0; i < 2; i++) {
        size_t before = fx.event_count;
        assert_int_equal(call("ReceiveMessage", POLL), 0);
        assert_int_equal(resume(why[i], NULL), 200);
        assert_null(said("MessageId"));
        assert_int_equal(fx.event_count, before);
    }
}

/* Whose key was taken away while he waited. */
static void a_poll_that_is_ended_gets_no_message(void **state)
{
    make_queue("q");
    assert_int_equal(call("ReceiveMessage", POLL), 0);
    struct amp_message message = {.body = AMP_SLICE_LIT("hello")};
    struct amp_message_order order = {.queue = AMP_SLICE_LIT("q"),
                                      .sender = fx.shop.key_id,
                                      .now_unix_ms = fx.hands.unix_ms,
                                      .life_ms = 1000,
                                      .delay_ms = -1};
    struct amp_message_sent sent;
    assert_int_equal(amp_message_send(fx.api, &order, &message, &sent), AMP_OK);
    assert_int_equal(resume(AMP_RESUME_ENDING, NULL), 200);
    assert_null(said("MessageId"));
    assert_non_null(receive_one("q"));
}

static void a_poll_whose_queue_goes_is_refused(void **state)
{
    make_queue("q");
    assert_int_equal(call("ReceiveMessage", POLL), 0);
    assert_int_equal(fx.queues.ops->destroy(fx.queues.self, AMP_SLICE_LIT("q")), AMP_OK);
    resume(AMP_RESUME_WOKEN, NULL);
    refused(AMP_ERR_QUEUE_UNKNOWN);
    recorded(AMP_ACT_MESSAGE_RECEIVE, AMP_ERR_QUEUE_UNKNOWN, "q", 0);
}

static void a_poll_that_is_dropped_leaves_nothing(void **state)
{
    make_queue("q");
    assert_int_equal(call("ReceiveMessage", POLL), 0); /* teardown looks for what is left of it */
}

static void a_queue_may_make_all_receives_wait(void **state)
{
    make_queue("q");
    must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"ReceiveMessageWaitTimeSeconds\":\"7\"}}");
    assert_int_equal(call("ReceiveMessage", "{" Q("q") "}"), 0);
    assert_true(answer.response.park.until_mono_ms == fx.hands.mono_ms + 7000);
    assert_int_equal(call("ReceiveMessage", "{" Q("q") ",\"WaitTimeSeconds\":0}"), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(fifo_queues_keep_order_within_groups),
        BOTH(duplicates_get_the_first_ones_answer),
        BOTH(content_is_deduplicated_where_the_queue_says_so),
        BOTH(fifo_queues_take_what_they_need),
        BOTH(an_attempt_repeated_gets_the_same_messages),
        BOTH(a_poll_waits_and_is_told),
        BOTH(a_poll_ends_with_nothing),
        BOTH(a_poll_that_is_ended_gets_no_message),
        BOTH(a_poll_whose_queue_goes_is_refused),
        BOTH(a_poll_that_is_dropped_leaves_nothing),
        BOTH(a_queue_may_make_all_receives_wait),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
