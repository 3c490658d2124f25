/* Messages of the SQS API: sent, received, hidden, deleted; batches, dead letters (spec section 4). */
#include "sqs_support.h"

#include <stdlib.h>

#include "api/message.h"

#define MD5_HELLO "5d41402abc4b2a76b9719d911017c592" /* RFC 1321's algorithm, of "hello" */

static void a_message_is_sent_received_and_deleted(void **state)
{
    make_queue("q");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"hello\"}");
    assert_string_equal(said("MD5OfMessageBody"), MD5_HELLO);
    assert_null(said("MD5OfMessageAttributes"));
    assert_null(said("MD5OfMessageSystemAttributes"));
    assert_null(said("SequenceNumber"));
    char *id = copy(said("MessageId"));
    assert_int_equal(strlen(id), 36);
    recorded(AMP_ACT_MESSAGE_SEND, AMP_OK, "q", 0);
    assert_true(last_event()->event.has_message);
    must("ReceiveMessage", "{" Q("q") "}");
    assert_int_equal(items("Messages", "Message"), 1);
    assert_string_equal(said("MessageId"), id);
    assert_string_equal(said("Body"), "hello");
    assert_string_equal(said("MD5OfBody"), MD5_HELLO);
    assert_null(said("MD5OfMessageAttributes"));
    assert_null(said("MessageAttributes"));
    assert_null(mapped("SenderId"));
    recorded(AMP_ACT_MESSAGE_RECEIVE, AMP_OK, "q", 0);
    assert_true(last_event()->event.has_message);
    must("DeleteMessage", "{" Q("q") ",\"ReceiptHandle\":\"%s\"}", copy(said("ReceiptHandle")));
    recorded(AMP_ACT_MESSAGE_DELETE, AMP_OK, "q", 0);
    amp_clock_fake_advance(&fx.hands, 31000);
    assert_null(receive_one("q"));
}

/* Nobody needs to hear every second that there was nothing. */
static void an_empty_receive_says_nothing_and_is_not_recorded(void **state)
{
    make_queue("q");
    size_t before = fx.event_count;
    must("ReceiveMessage", "{" Q("q") "}");
    assert_int_equal(fx.event_count, before);
    if (in_xml)
        assert_null(strstr(answer.text, "<Message>"));
    else
        assert_string_equal(answer.text, "{}");
}

static void a_message_says_where_it_comes_from(void **state)
{
    make_queue("q");
    must("SendMessage",
         "{" Q("q") ",\"MessageBody\":\"x\",\"MessageGroupId\":\"fair\",\"MessageSystemAttributes\":{"
                    "\"AWSTraceHeader\":{\"DataType\":\"String\",\"StringValue\":\"Root=1-5759e988\"}}}");
    assert_non_null(said("MD5OfMessageSystemAttributes"));
    amp_clock_fake_advance(&fx.hands, 5);
    must("ReceiveMessage", "{" Q("q") ",\"AttributeNames\":[\"All\"],\"VisibilityTimeout\":0}");
    amp_clock_fake_advance(&fx.hands, 5);
    must("ReceiveMessage", "{" Q("q") ",\"MessageSystemAttributeNames\":[\"All\"],\"VisibilityTimeout\":0}");
    assert_string_equal(mapped("SenderId"), "AMPKAAAAAAAAAAAAAAAA");
    assert_string_equal(mapped("SentTimestamp"), "1770000000123");
    assert_string_equal(mapped("ApproximateFirstReceiveTimestamp"), "1770000000128");
    assert_string_equal(mapped("ApproximateReceiveCount"), "2");
    assert_string_equal(mapped("AWSTraceHeader"), "Root=1-5759e988");
    assert_string_equal(mapped("MessageGroupId"), "fair");
    assert_null(mapped("SequenceNumber"));
    assert_null(mapped("DeadLetterQueueSourceArn"));
    must("ReceiveMessage", "{" Q("q") ",\"AttributeNames\":[\"SenderId\"],\"MessageSystemAttributeNames\":["
                                      "\"AWSTraceHeader\"],\"VisibilityTimeout\":0}");
    assert_non_null(mapped("SenderId"));
    assert_non_null(mapped("AWSTraceHeader"));
    assert_null(mapped("SentTimestamp"));
    call("ReceiveMessage", "{" Q("q") ",\"AttributeNames\":[\"Sender\"]}");
    refused(AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID);
}

#define ATTRIBUTES                                                                                                     \
    "\"MessageAttributes\":{\"a.one\":{\"DataType\":\"String\",\"StringValue\":\"x<&>\"},"                             \
    "\"a.two\":{\"DataType\":\"Number.int\",\"StringValue\":\"7\"},"                                                   \
    "\"blob\":{\"DataType\":\"Binary\",\"BinaryValue\":\"aGVsbG8=\"}}"

static void attributes_come_back_as_asked_for(void **state)
{
    static const struct {
        const char *names;
        size_t count;
    } rows[] = {
        {"\"All\"", 3},      {"\".*\"", 3}, {"\"a.*\"", 2}, {"\"blob\"", 1},    {"\"a.one\",\"blob\"", 2},
        {"\"a\"", 0},        {"\"\"", 0},   {"\"b.*\"", 1}, {"\"a.one.*\"", 1}, {"\"a.*\",\"All\"", 3},
        {"\"blob.x.*\"", 0}, {"\"*\"", 0},
    };
    make_queue("q");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\"," ATTRIBUTES "}");
    char *whole = copy(said("MD5OfMessageAttributes"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        must("ReceiveMessage", "{" Q("q") ",\"MessageAttributeNames\":[%s],\"VisibilityTimeout\":0}", rows[i].names);
        size_t count = 0;
        for (const char *at = answer.text; (at = strstr(at, in_xml ? "<DataType>" : "\"DataType\"")) != NULL; at++)
            count++;
        assert_int_equal(count, rows[i].count);
        assert_int_equal(said("MD5OfMessageAttributes") != NULL, count > 0);
        if (count == 3)
            assert_string_equal(said("MD5OfMessageAttributes"), whole);
        else if (count > 0)
            assert_string_not_equal(said("MD5OfMessageAttributes"), whole);
    }
    must("ReceiveMessage", "{" Q("q") ",\"MessageAttributeNames\":[\"a.one\"],\"VisibilityTimeout\":0}");
    assert_string_equal(said("StringValue"), "x<&>");
    must("ReceiveMessage", "{" Q("q") ",\"MessageAttributeNames\":[\"blob\"],\"VisibilityTimeout\":0}");
    assert_string_equal(said("BinaryValue"), "aGVsbG8=");
    must("ReceiveMessage", "{" Q("q") "}");
    assert_null(strstr(answer.text, "MessageAttribute"));
}

static void texts_come_back_byte_for_byte(void **state)
{
    make_queue("q");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"a\\\"b\\\\c<d>&e'\\r\\n\\t\\u00fc\\ud83d\\ude00\\u007f\"}");
    char *md5 = copy(said("MD5OfMessageBody"));
    must("ReceiveMessage", "{" Q("q") "}");
    assert_string_equal(said("Body"), "a\"b\\c<d>&e'\r\n\t\xc3\xbc\xf0\x9f\x98\x80\x7f");
    assert_string_equal(said("MD5OfBody"), md5);
}

static void the_largest_message_of_the_worst_characters_comes_back(void **state)
{
    const size_t len = 1024 * 1024;
    char *body = repeated("\"", len), *escaped = repeated("\\\"", len);
    make_queue("q");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"%s\"}", escaped);
    must("ReceiveMessage", "{" Q("q") ",\"VisibilityTimeout\":0}");
    assert_string_equal(said("Body"), body);
    free(escaped);
    free(body);
}

static void a_message_has_a_size(void **state)
{
    make_queue("q");
    must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"MaximumMessageSize\":\"1024\"}}");
    char *text = repeated("x", 1025);
    callf("SendMessage", "{" Q("q") ",\"MessageBody\":\"%s\"}", text);
    refused(AMP_ERR_SQS_MESSAGE_TOO_LONG);
    text[1024] = '\0';
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"%s\"}", text);
    text[1010] = '\0'; /* name, type and value count: 1 + 6 + 7 */
    must("SendMessage",
         "{" Q("q") ",\"MessageBody\":\"%s\",\"MessageAttributes\":{\"n\":{\"DataType\":\"String\","
                    "\"StringValue\":\"1234567\"}}}",
         text);
    callf("SendMessage",
          "{" Q("q") ",\"MessageBody\":\"%s\",\"MessageAttributes\":{\"n\":{\"DataType\":\"String\","
                     "\"StringValue\":\"12345678\"}}}",
          text);
    refused(AMP_ERR_SQS_MESSAGE_TOO_LONG);
    free(text);
}

static void what_is_no_message_is_refused(void **state)
{
    static const struct {
        const char *members;
        enum amp_err err;
    } rows[] = {
        {"\"MessageBody\":\"\"", AMP_ERR_SQS_MISSING_PARAMETER},
        {"\"MessageBody\":\"\\u0001\"", AMP_ERR_SQS_MESSAGE_INVALID},
        {"\"MessageBody\":\"\\uffff\"", AMP_ERR_SQS_MESSAGE_INVALID},
        {"\"MessageBody\":\"\\ufffe\"", AMP_ERR_SQS_MESSAGE_INVALID},
        {"\"MessageBody\":\"1234567\\u0000\"", AMP_ERR_SQS_MESSAGE_INVALID},
        {"\"MessageBody\":\"x\",\"DelaySeconds\":901", AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"DelaySeconds\":-1", AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageDeduplicationId\":\"x\"", AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageGroupId\":\"\"", AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageGroupId\":\"a b\"", AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageAttributes\":{\"a\":{\"DataType\":\"Strange\",\"StringValue\":\"x\"}}",
         AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"\"MessageBody\":\"x\",\"MessageAttributes\":{\"a\":{\"DataType\":\"String\",\"StringValue\":\"\\u0001\"}}",
         AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"\"MessageBody\":\"x\",\"MessageAttributes\":{\"a\":{\"DataType\":\"String\",\"StringValue\":\"\\u0000\"}}",
         AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"\"MessageBody\":\"x\",\"MessageSystemAttributes\":{\"X\":{\"DataType\":\"String\",\"StringValue\":\"x\"}}",
         AMP_ERR_SQS_PARAMETER_INVALID},
        {"\"MessageBody\":\"x\",\"MessageSystemAttributes\":{\"AWSTraceHeader\":{\"DataType\":\"Number\","
         "\"StringValue\":\"1\"}}",
         AMP_ERR_SQS_PARAMETER_INVALID},
    };
    make_queue("q");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        callf("SendMessage", "{" Q("q") ",%s}", rows[i].members);
        refused(rows[i].err);
        recorded(AMP_ACT_MESSAGE_SEND, rows[i].err, rows[i].err == AMP_ERR_SQS_ATTRIBUTE_INVALID ? "" : "q", 0);
    }
    assert_null(receive_one("q"));
}

/* A form has no way to write them. */
static void lone_surrogates_are_no_characters(void **state)
{
    static const char *const bodies[] = {"\\ud800", "\\udfff 4567", "\\udc00\\ud800", "\\ud800\\u0041"};
    make_queue("q");
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        callf("SendMessage", "{" Q("q") ",\"MessageBody\":\"%s\"}", bodies[i]);
        refused(AMP_ERR_SQS_MESSAGE_INVALID);
    }
    callf("SendMessageBatch", "{" Q("q") ",\"Entries\":[{\"Id\":\"bad\",\"MessageBody\":\"\\ud800\"},"
                                         "{\"Id\":\"good\",\"MessageBody\":\"\\ud800\\udc00\"}]}");
    assert_non_null(strstr(answer.text, "\"Code\":\"InvalidMessageContents\""));
    must("PurgeQueue", "{" Q("q") "}");
}

static void what_cannot_be_asked_for_is_refused(void **state)
{
    static const char *const bad[] = {
        "\"MaxNumberOfMessages\":0", "\"MaxNumberOfMessages\":11",        "\"MaxNumberOfMessages\":-1",
        "\"VisibilityTimeout\":-1",  "\"VisibilityTimeout\":43201",       "\"WaitTimeSeconds\":21",
        "\"WaitTimeSeconds\":-1",    "\"ReceiveRequestAttemptId\":\"x\"",
    };
    make_queue("q");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("ReceiveMessage", "{" Q("q") ",%s}", bad[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    call("ReceiveMessage", "{" Q("none") "}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
}

static void a_receipt_is_of_its_queue_and_its_receive(void **state)
{
    make_queue("q");
    make_queue("other");
    send_one("q", "hello");
    char *receipt = copy(receive_one("q"));
    assert_int_equal(strlen(receipt), 48);
    callf("DeleteMessage", "{" Q("other") ",\"ReceiptHandle\":\"%s\"}", receipt);
    refused(AMP_ERR_RECEIPT_INVALID);
    refused_for_any_other(receipt, "DeleteMessage", "{" Q("q") ",\"ReceiptHandle\":", AMP_ERR_RECEIPT_INVALID);
    for (size_t len = 0; len < 48; len++) {
        callf("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%.*s\",\"VisibilityTimeout\":0}", (int)len,
              receipt);
        refused(AMP_ERR_RECEIPT_INVALID);
    }
    callf("DeleteMessage", "{" Q("q") ",\"ReceiptHandle\":\"%sAAAA\"}", receipt);
    refused(AMP_ERR_RECEIPT_INVALID);
    recorded(AMP_ACT_MESSAGE_DELETE, AMP_ERR_RECEIPT_INVALID, "q", 0);
    amp_clock_fake_advance(&fx.hands, 30500);
    char *second = copy(receive_one("q"));
    must("DeleteMessage", "{" Q("q") ",\"ReceiptHandle\":\"%s\"}", receipt); /* of an earlier receive: AWS agrees */
    must("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":0}", second);
    char *third = copy(receive_one("q"));
    must("DeleteMessage", "{" Q("q") ",\"ReceiptHandle\":\"%s\"}", third);
    must("DeleteMessage", "{" Q("q") ",\"ReceiptHandle\":\"%s\"}", third); /* gone is gone */
}

static void visibility_hides_and_shows(void **state)
{
    static const char *const bad[] = {"-1", "43201", "99999999999"};
    make_queue("q");
    send_one("q", "hello");
    char *receipt = copy(receive_one("q"));
    assert_null(receive_one("q"));
    must("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":100}", receipt);
    recorded(AMP_ACT_MESSAGE_HIDE, AMP_OK, "q", 0);
    amp_clock_fake_advance(&fx.hands, 99999);
    assert_null(receive_one("q"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":%s}", receipt,
              bad[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    callf("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":43200}", receipt);
    refused(AMP_ERR_VISIBILITY_INVALID); /* with what passed already it would be too long */
    callf("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\"}", receipt);
    refused(AMP_ERR_SQS_MISSING_PARAMETER);
    must("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":0}", receipt);
    callf("ChangeMessageVisibility", "{" Q("q") ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":5}", receipt);
    refused(AMP_ERR_MESSAGE_NOT_INFLIGHT);
    assert_non_null(receive_one("q"));
}

static void a_delay_defers(void **state)
{
    make_queue("q");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\",\"DelaySeconds\":10}");
    assert_null(receive_one("q"));
    amp_clock_fake_advance(&fx.hands, 10500);
    assert_non_null(receive_one("q"));
    must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"DelaySeconds\":\"10\"}}");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\",\"DelaySeconds\":0}");
    assert_non_null(receive_one("q"));
    send_one("q", "x");
    assert_null(receive_one("q"));
}

static void a_receive_takes_up_to_ten(void **state)
{
    make_queue("q");
    for (int i = 0; i < 12; i++)
        send_one("q", "x");
    must("ReceiveMessage", "{" Q("q") ",\"MaxNumberOfMessages\":10}");
    assert_int_equal(items("Messages", "Message"), 10);
    recorded(AMP_ACT_MESSAGE_RECEIVE, AMP_OK, "q", 10);
    assert_false(last_event()->event.has_message);
    must("ReceiveMessage", "{" Q("q") ",\"MaxNumberOfMessages\":10}");
    assert_int_equal(items("Messages", "Message"), 2);
}

static void batches_stand_or_fall_entry_by_entry(void **state)
{
    make_queue("q");
    must("SendMessageBatch", "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"hello\"},"
                                        "{\"Id\":\"b\",\"MessageBody\":\"\"},"
                                        "{\"Id\":\"c\",\"MessageBody\":\"x\",\"DelaySeconds\":901},"
                                        "{\"Id\":\"d\",\"MessageBody\":\"hello\"," ATTRIBUTES "}]}");
    assert_int_equal(items("Successful", "SendMessageBatchResultEntry"), 2);
    assert_int_equal(items("Failed", "BatchResultErrorEntry"), 2);
    assert_string_equal(said("MD5OfMessageBody"), MD5_HELLO);
    assert_non_null(said("MD5OfMessageAttributes"));
    assert_string_equal(said("SenderFault"), "true");
    assert_string_equal(said("Code"), "MissingParameter");
    recorded(AMP_ACT_MESSAGE_SEND, AMP_OK, "q", 2);
    assert_int_equal(fx.events[fx.event_count - 2].event.count, 2); /* the refused ones */
    assert_int_equal(fx.events[fx.event_count - 2].event.code, AMP_ERR_SQS_MISSING_PARAMETER);
    assert_int_equal(fx.events[fx.event_count - 2].event.outcome, AMP_OUTCOME_REFUSED);
    char *one = copy(receive_one("q")), *two = copy(receive_one("q"));
    assert_null(receive_one("q"));
    must("ChangeMessageVisibilityBatch",
         "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":60},"
                    "{\"Id\":\"b\",\"ReceiptHandle\":\"x\",\"VisibilityTimeout\":60},"
                    "{\"Id\":\"c\",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":-5}]}",
         one, two);
    assert_int_equal(items("Successful", "ChangeMessageVisibilityBatchResultEntry"), 1);
    assert_int_equal(items("Failed", "BatchResultErrorEntry"), 2);
    assert_string_equal(said("Code"), "ReceiptHandleIsInvalid");
    recorded(AMP_ACT_MESSAGE_HIDE, AMP_OK, "q", 1);
    must("DeleteMessageBatch",
         "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",\"ReceiptHandle\":\"%s\"},"
                    "{\"Id\":\"b\",\"ReceiptHandle\":\"%s\"}]}",
         one, two);
    assert_int_equal(items("Successful", "DeleteMessageBatchResultEntry"), 2);
    assert_int_equal(items("Failed", "BatchResultErrorEntry"), 0);
    recorded(AMP_ACT_MESSAGE_DELETE, AMP_OK, "q", 2);
    must("DeleteMessageBatch", "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",\"ReceiptHandle\":\"x\"}]}");
    assert_int_equal(items("Successful", "DeleteMessageBatchResultEntry"), 0);
    recorded(AMP_ACT_MESSAGE_DELETE, AMP_ERR_RECEIPT_INVALID, "q", 1);
    amp_clock_fake_advance(&fx.hands, 61000);
    assert_null(receive_one("q"));
}

static void batches_have_a_form(void **state)
{
    static const char *const actions[] = {"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"};
    static const char *const members[] = {"\"MessageBody\":\"x\"", "\"ReceiptHandle\":\"x\"",
                                          "\"ReceiptHandle\":\"x\",\"VisibilityTimeout\":1"};
    static const char *const bad_ids[] = {
        "", "a b", "\\u00fc", "a.b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaa"};
    make_queue("q");
    for (size_t a = 0; a < 3; a++) {
        char entries[2048] = "";
        if (!in_xml) { /* a form cannot hold an empty list */
            callf(actions[a], "{" Q("q") ",\"Entries\":[]}");
            refused(AMP_ERR_SQS_BATCH_EMPTY);
        }
        for (size_t i = 0; i < sizeof bad_ids / sizeof bad_ids[0]; i++) {
            callf(actions[a], "{" Q("q") ",\"Entries\":[{\"Id\":\"%s\",%s}]}", bad_ids[i], members[a]);
            refused(AMP_ERR_SQS_BATCH_ID_INVALID);
        }
        callf(actions[a], "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",%s},{\"Id\":\"b\",%s},{\"Id\":\"a\",%s}]}",
              members[a], members[a], members[a]);
        refused(AMP_ERR_SQS_BATCH_IDS_NOT_DISTINCT);
        for (int i = 0; i < 11; i++)
            add(entries, sizeof entries, "%s{\"Id\":\"e%d\",%s}", i == 0 ? "" : ",", i, members[a]);
        callf(actions[a], "{" Q("q") ",\"Entries\":[%s]}", entries);
        refused(AMP_ERR_SQS_BATCH_TOO_MANY);
        callf(actions[a], "{" Q("none") ",\"Entries\":[{\"Id\":\"a\",%s}]}", members[a]);
        refused(AMP_ERR_QUEUE_UNKNOWN);
    }
    assert_null(receive_one("q"));
}

static void a_batch_has_a_size(void **state)
{
    make_queue("q");
    char *half = repeated("x", 512 * 1024);
    callf("SendMessageBatch",
          "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"%s\"},"
                     "{\"Id\":\"b\",\"MessageBody\":\"%sx\"}]}",
          half, half);
    refused(AMP_ERR_SQS_BATCH_TOO_LONG);
    must("SendMessageBatch",
         "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"%s\"},"
                    "{\"Id\":\"b\",\"MessageBody\":\"%s\"}]}",
         half, half);
    must("ReceiveMessage", "{" Q("q") ",\"MaxNumberOfMessages\":10}");
    assert_int_equal(items("Messages", "Message"), 2);
    free(half);
}

static void dead_letters_say_where_they_come_from(void **state)
{
    make_queue("q");
    make_queue("dead");
    must("SetQueueAttributes",
         "{" Q("q") ",\"Attributes\":{\"VisibilityTimeout\":\"0\",\"RedrivePolicy\":\""
                    "{\\\"deadLetterTargetArn\\\":\\\"" ARN("dead") "\\\",\\\"maxReceiveCount\\\":2}\"}}");
    char *id = copy(send_one("q", "hello"));
    assert_non_null(receive_one("q"));
    assert_non_null(receive_one("q"));
    assert_null(receive_one("q"));
    must("ReceiveMessage", "{" Q("dead") ",\"AttributeNames\":[\"All\"]}");
    assert_string_equal(said("MessageId"), id);
    assert_string_equal(said("Body"), "hello"); /* sealed for "q", and opened here */
    assert_string_equal(mapped("DeadLetterQueueSourceArn"), ARN("q"));
}

static void put_junk(const char *queue)
{
    uint8_t junk[64] = {1, 0, 0, 0, 1};
    struct amp_message_in in = {.queue = amp_slice_str(queue),
                                .sealed = amp_slice(junk, sizeof junk),
                                .epoch = 1,
                                .sent_unix_ms = NOW_MS,
                                .expires_unix_ms = NOW_MS + 1000,
                                .delay_ms = -1};
    struct amp_message_sent sent;
    /* It owes the epoch a use, as any message does. */
    struct amp_secret_buf unused = {NULL, 0, 0};
    assert_int_equal(
        amp_seal(fx.epochs, "message", amp_slice(NULL, 0), amp_slice(NULL, 0), AMP_SLICE_LIT("x"), &unused, &in.epoch),
        AMP_OK);
    amp_secret_buf_free(&unused);
    assert_int_equal(fx.queues.ops->send(fx.queues.self, &in, &sent), AMP_OK);
}

static void what_does_not_verify_is_discarded_with_an_alarm(void **state)
{
    make_queue("q");
    char *good = copy(send_one("q", "hello"));
    put_junk("q");
    must("ReceiveMessage", "{" Q("q") ",\"MaxNumberOfMessages\":10}");
    assert_int_equal(items("Messages", "Message"), 1);
    assert_string_equal(said("MessageId"), good);
    const struct amp_event *event = &fx.events[fx.event_count - 2].event;
    assert_int_equal(event->code, AMP_ERR_NOT_AUTHENTIC);
    assert_true(event->alarm && event->has_message);
    assert_int_equal(event->act, AMP_ACT_MESSAGE_RECEIVE);
    struct amp_queue_view view;
    assert_int_equal(fx.queues.ops->look(fx.queues.self, AMP_SLICE_LIT("q"), &view), AMP_OK);
    assert_int_equal(view.available + view.in_flight, 1);
}

/* There a receipt that hides nothing deletes nothing. */
static void what_does_not_verify_leaves_a_fifo_queue_too(void **state)
{
    must("CreateQueue", "{\"QueueName\":\"q.fifo\",\"Attributes\":{\"FifoQueue\":\"true\"}}");
    put_junk("q.fifo");
    must("ReceiveMessage", "{" Q("q.fifo") ",\"VisibilityTimeout\":0}");
    assert_int_equal(items("Messages", "Message"), 0);
    struct amp_queue_view view;
    assert_int_equal(fx.queues.ops->look(fx.queues.self, AMP_SLICE_LIT("q.fifo"), &view), AMP_OK);
    assert_int_equal(view.available + view.in_flight, 0);
}

static void what_cannot_be_recorded_is_not_told(void **state)
{
    make_queue("q");
    send_one("q", "hello");
    fx.record_fails_after = 0;
    assert_int_equal(call("ReceiveMessage", "{" Q("q") "}"), 503);
    assert_int_equal(answer.response.err, AMP_ERR_AUDIT_UNAVAILABLE);
    assert_null(strstr(answer.text, "hello"));
    fx.record_fails_after = -1;
    /* Given back at once, as if it had never been received: what ails the log makes no dead letters. */
    must("ReceiveMessage", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
    assert_string_equal(mapped("ApproximateReceiveCount"), "1");
}

static void without_a_key_or_subscribers_nothing_is_sent(void **state)
{
    make_queue("q");
    amp_clock_fake_advance(&fx.hands, 600001);
    call("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\"}");
    refused(AMP_ERR_KEEPER_UNAVAILABLE);
    assert_int_equal(answer.response.status, 503);
    assert_null(receive_one("q"));
}

static void a_full_queue_memory_refuses_and_keeps_what_it_has(void **state)
{
    make_queue("q");
    send_one("q", "hello");
    fx.budget.cap_bytes = fx.budget.used_bytes;
    call("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\"}");
    refused(AMP_ERR_VAULT_FULL);
    assert_int_equal(answer.response.status, 503);
    must("ReceiveMessage", "{" Q("q") "}");
    assert_string_equal(said("Body"), "hello");
}

/* Spec section 4: tokenizing into a queue puts one message there. */
static void a_tokens_message_is_received_like_any(void **state)
{
    make_queue("payments");
    fx.content_type = "application/json";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    char *token = keep(member("token"));
    must("ReceiveMessage", "{" Q("payments") ",\"AttributeNames\":[\"All\"]}");
    json_t *body = json_loads(said("Body"), 0, NULL);
    assert_non_null(body);
    assert_string_equal(json_string_value(json_object_get(body, "token")), token);
    assert_null(json_object_get(body, "sealed"));
    assert_string_equal(mapped("SenderId"), "AMPKAAAAAAAAAAAAAAAA");
    json_decref(body);
}

static void copies_for_subscribers_are_seen_by_who_polls(void **state)
{
    struct amp_subscription one = subscription_of(1, "payments", JWK), two = subscription_of(2, "payments", JWK);
    make_queue("payments");
    for (size_t count = 1; count <= 2; count++) {
        assert_int_equal(amp_subscribers_put(fx.subscribers, count == 1 ? &one : &two), AMP_OK);
        fx.content_type = "application/json";
        assert_int_equal(post("/v1/tokens", ORDER), 201);
        must("ReceiveMessage", "{" Q("payments") "}");
        json_t *body = json_loads(said("Body"), 0, NULL), *sealed = json_object_get(body, "sealed");
        assert_non_null(body);
        assert_int_equal(json_is_string(sealed), count == 1);
        assert_int_equal(json_array_size(sealed), count == 1 ? 0 : 2);
        json_decref(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_message_is_sent_received_and_deleted),
        BOTH(an_empty_receive_says_nothing_and_is_not_recorded),
        BOTH(a_message_says_where_it_comes_from),
        BOTH(attributes_come_back_as_asked_for),
        BOTH(texts_come_back_byte_for_byte),
        BOTH(the_largest_message_of_the_worst_characters_comes_back),
        BOTH(a_message_has_a_size),
        BOTH(what_is_no_message_is_refused),
        cmocka_unit_test_setup_teardown(lone_surrogates_are_no_characters, json_setup, fixture_teardown),
        BOTH(what_cannot_be_asked_for_is_refused),
        BOTH(a_receipt_is_of_its_queue_and_its_receive),
        BOTH(visibility_hides_and_shows),
        BOTH(a_delay_defers),
        BOTH(a_receive_takes_up_to_ten),
        BOTH(batches_stand_or_fall_entry_by_entry),
        BOTH(batches_have_a_form),
        BOTH(a_batch_has_a_size),
        BOTH(dead_letters_say_where_they_come_from),
        BOTH(what_does_not_verify_is_discarded_with_an_alarm),
        BOTH(what_does_not_verify_leaves_a_fifo_queue_too),
        BOTH(what_cannot_be_recorded_is_not_told),
        BOTH(without_a_key_or_subscribers_nothing_is_sent),
        BOTH(a_full_queue_memory_refuses_and_keeps_what_it_has),
        BOTH(a_tokens_message_is_received_like_any),
        BOTH(copies_for_subscribers_are_seen_by_who_polls),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
