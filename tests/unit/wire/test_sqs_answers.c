/* Answers and errors, in either protocol: as botocore reads them. */
#include "sqs_support.h"

#define URL "https://localhost:8443/000000000000/payments"

static const uint8_t md5[AMP_MD5_LEN] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                         0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

static void text(struct amp_sqs_writer *writer, const char *name, const char *value)
{
    amp_sqs_put_text(writer, name, amp_slice_str(value));
}

static void put_nothing(struct amp_sqs_writer *writer)
{
}

static void put_queue_url(struct amp_sqs_writer *writer)
{
    text(writer, "QueueUrl", URL);
}

static void put_queue_urls(struct amp_sqs_writer *writer)
{
    amp_sqs_list_begin(writer, "QueueUrls");
    amp_sqs_item_text(writer, "QueueUrl", AMP_SLICE_LIT(URL));
    amp_sqs_item_text(writer, "QueueUrl", AMP_SLICE_LIT(URL "2"));
    amp_sqs_list_end(writer);
    text(writer, "NextToken", "t");
}

static void put_queue_attributes(struct amp_sqs_writer *writer)
{
    amp_sqs_map_begin(writer, "Attributes");
    amp_sqs_map_text(writer, "Attribute", "Name", AMP_SLICE_LIT("DelaySeconds"), AMP_SLICE_LIT("0"));
    amp_sqs_map_text(writer, "Attribute", "Name", AMP_SLICE_LIT("Policy"), AMP_SLICE_LIT("{\"a\":\"<&>\"}"));
    amp_sqs_map_end(writer);
}

static void put_tags(struct amp_sqs_writer *writer)
{
    amp_sqs_map_begin(writer, "Tags");
    amp_sqs_map_text(writer, "Tag", "Key", AMP_SLICE_LIT("a\"b"), AMP_SLICE_LIT("c"));
    amp_sqs_map_end(writer);
}

static void put_sent(struct amp_sqs_writer *writer)
{
    amp_sqs_put_md5(writer, "MD5OfMessageBody", md5);
    text(writer, "MessageId", "id-1");
    text(writer, "SequenceNumber", "18");
}

static void put_batch(struct amp_sqs_writer *writer)
{
    amp_sqs_list_begin(writer, "Successful");
    amp_sqs_item_begin(writer, "SendMessageBatchResultEntry");
    text(writer, "Id", "a");
    text(writer, "MessageId", "m");
    amp_sqs_put_md5(writer, "MD5OfMessageBody", md5);
    amp_sqs_item_end(writer, "SendMessageBatchResultEntry");
    amp_sqs_list_end(writer);
    amp_sqs_list_begin(writer, "Failed");
    amp_sqs_item_begin(writer, "BatchResultErrorEntry");
    text(writer, "Id", "b");
    amp_sqs_put_bool(writer, "SenderFault", true);
    text(writer, "Code", "InvalidMessageContents");
    text(writer, "Message", "no");
    amp_sqs_item_end(writer, "BatchResultErrorEntry");
    amp_sqs_list_end(writer);
}

static void put_first_message(struct amp_sqs_writer *writer)
{
    static const uint8_t bytes[] = {0, 1, 0xff};
    const struct amp_sqs_attribute s = {AMP_SLICE_LIT("s"), AMP_SLICE_LIT("String"), AMP_SLICE_LIT("x\ry"), false};
    const struct amp_sqs_attribute b = {AMP_SLICE_LIT("b"), AMP_SLICE_LIT("Binary.png"), {bytes, sizeof(bytes)}, true};
    amp_sqs_item_begin(writer, "Message");
    text(writer, "MessageId", "m1");
    text(writer, "Body", "a\r\nb\t<&>\"'\xe2\x82\xac");
    amp_sqs_put_md5(writer, "MD5OfBody", md5);
    amp_sqs_map_begin(writer, "Attributes");
    amp_sqs_map_text(writer, "Attribute", "Name", AMP_SLICE_LIT("SenderId"), AMP_SLICE_LIT("AKIA"));
    amp_sqs_map_text(writer, "Attribute", "Name", AMP_SLICE_LIT("ApproximateReceiveCount"), AMP_SLICE_LIT("1"));
    amp_sqs_map_end(writer);
    amp_sqs_map_begin(writer, "MessageAttributes");
    amp_sqs_map_attribute(writer, &s);
    amp_sqs_map_attribute(writer, &b);
    amp_sqs_map_end(writer);
    amp_sqs_item_end(writer, "Message");
}

static void put_messages(struct amp_sqs_writer *writer)
{
    amp_sqs_list_begin(writer, "Messages");
    put_first_message(writer);
    amp_sqs_item_begin(writer, "Message");
    text(writer, "MessageId", "m2");
    text(writer, "Body", "");
    amp_sqs_item_end(writer, "Message");
    amp_sqs_list_end(writer);
}

static void put_tasks(struct amp_sqs_writer *writer)
{
    amp_sqs_list_begin(writer, "Results");
    amp_sqs_item_begin(writer, "ListMessageMoveTasksResultEntry");
    text(writer, "TaskHandle", "h");
    text(writer, "Status", "RUNNING");
    amp_sqs_put_number(writer, "ApproximateNumberOfMessagesMoved", 0);
    amp_sqs_put_number(writer, "StartedTimestamp", 1700000000123);
    amp_sqs_item_end(writer, "ListMessageMoveTasksResultEntry");
    amp_sqs_list_end(writer);
}

static const struct {
    enum amp_sqs_action action;
    void (*put)(struct amp_sqs_writer *writer);
    const struct golden_answer *golden;
} answers[] = {
    {AMP_SQS_DELETE_MESSAGE, put_nothing, &golden_delete_message},
    {AMP_SQS_CREATE_QUEUE, put_queue_url, &golden_create_queue},
    {AMP_SQS_LIST_QUEUES, put_queue_urls, &golden_list_queues},
    {AMP_SQS_GET_QUEUE_ATTRIBUTES, put_queue_attributes, &golden_get_queue_attributes},
    {AMP_SQS_LIST_QUEUE_TAGS, put_tags, &golden_list_queue_tags},
    {AMP_SQS_SEND_MESSAGE, put_sent, &golden_send_message},
    {AMP_SQS_SEND_MESSAGE_BATCH, put_batch, &golden_send_message_batch},
    {AMP_SQS_RECEIVE_MESSAGE, put_nothing, &golden_receive_nothing},
    {AMP_SQS_RECEIVE_MESSAGE, put_messages, &golden_receive_message},
    {AMP_SQS_LIST_MESSAGE_MOVE_TASKS, put_tasks, &golden_list_message_move_tasks},
};

static void write_answer(struct amp_out *out, size_t i, enum amp_sqs_protocol protocol)
{
    struct amp_sqs_writer writer;
    amp_sqs_begin(&writer, protocol, answers[i].action, out);
    answers[i].put(&writer);
    amp_sqs_end(&writer, AMP_SLICE_LIT("r-1"));
}

static void answers_are_those_that_sdks_read(void **state)
{
    uint8_t storage[4096];
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct amp_out out = amp_out(storage, sizeof(storage));
        write_answer(&out, i, AMP_SQS_JSON);
        assert_slice(amp_out_done(&out), answers[i].golden->json);
        out = amp_out(storage, sizeof(storage));
        write_answer(&out, i, AMP_SQS_QUERY);
        assert_slice(amp_out_done(&out), answers[i].golden->xml);
    }
}

static void an_answer_without_room_overflows(void **state)
{
    for (size_t i = 0; i < COUNT(answers); i++) {
        for (int xml = 0; xml < 2; xml++) {
            size_t len = strlen(xml ? answers[i].golden->xml : answers[i].golden->json);
            for (size_t cap = 0; cap <= len; cap++) {
                uint8_t *storage = malloc(cap + 1);
                assert_non_null(storage);
                struct amp_out out = amp_out(storage, cap);
                write_answer(&out, i, xml ? AMP_SQS_QUERY : AMP_SQS_JSON);
                assert_int_equal(out.overflow, cap < len);
                free(storage);
            }
        }
    }
}

static void xml_holds_only_what_xml_can(void **state)
{
    static const struct {
        const char *text, *xml;
    } cases[] = {
        {"plain", "plain"},
        {"]]>", "]]&gt;"},
        {"a&b<c>d\"e'f", "a&amp;b&lt;c&gt;d&quot;e'f"},
        {"&amp;", "&amp;amp;"},
        {"\t\n", "\t\n"},
        {"\r", "&#xD;"},
        {"\r\n\r", "&#xD;\n&#xD;"},
        {"\x01x\x1f", "\xef\xbf\xbdx\xef\xbf\xbd"},
        {"\x7f", "\x7f"},
        {"\xef\xbf\xbe", "\xef\xbf\xbd"},
        {"a\xef\xbf\xbf"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xef\xbf\xbd", "\xef\xbf\xbd"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[512];
        char expected[512];
        struct amp_out out = amp_out(storage, sizeof(storage));
        struct amp_sqs_writer writer;
        amp_sqs_begin(&writer, AMP_SQS_QUERY, AMP_SQS_SEND_MESSAGE, &out);
        size_t start = out.len;
        amp_sqs_put_text(&writer, "Body", amp_slice_str(cases[i].text));
        snprintf(expected, sizeof(expected), "<Body>%s</Body>", cases[i].xml);
        assert_slice(amp_slice(storage + start, out.len - start), expected);
    }
}

static void errors_have_the_names_of_aws(void **state)
{
    static const struct {
        enum amp_err err;
        const char *name, *code;
        int status;
        bool sender;
    } cases[] = {
        {AMP_ERR_QUEUE_UNKNOWN, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, true},
        {AMP_ERR_QUEUE_NAME_EXISTS, "QueueNameExists", "QueueAlreadyExists", 400, true},
        {AMP_ERR_PURGE_IN_PROGRESS, "PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403, true},
        {AMP_ERR_OVER_LIMIT, "OverLimit", "OverLimit", 403, true},
        {AMP_ERR_RECEIPT_INVALID, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400, true},
        {AMP_ERR_RESOURCE_NOT_FOUND, "ResourceNotFoundException", "ResourceNotFoundException", 404, true},
        {AMP_ERR_SQS_BATCH_TOO_MANY, "TooManyEntriesInBatchRequest",
         "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, true},
        {AMP_ERR_SQS_MISSING_PARAMETER, "MissingRequiredParameterException", "MissingParameter", 400, true},
        {AMP_ERR_SQS_PARAMETER_INVALID, "InvalidParameterValueException", "InvalidParameterValue", 400, true},
        {AMP_ERR_SQS_INVALID_ACTION, "InvalidAction", "InvalidAction", 400, true},
        {AMP_ERR_SQS_UNSUPPORTED, "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400, true},
        {AMP_ERR_MALFORMED_JSON, "SerializationException", "MalformedInput", 400, true},
        {AMP_ERR_SIGNATURE_MISMATCH, "InvalidSignatureException", "SignatureDoesNotMatch", 403, true},
        {AMP_ERR_UNKNOWN_KEY, "UnrecognizedClientException", "InvalidClientTokenId", 403, true},
        {AMP_ERR_CLOCK_SKEW, "RequestTimeTooSkewed", "RequestTimeTooSkewed", 403, true},
        {AMP_ERR_NOT_PERMITTED, "AccessDeniedException", "AccessDenied", 403, true},
        /* botocore's legacy mode retries this one with this status alone */
        {AMP_ERR_SQS_REQUEST_THROTTLED, "RequestThrottled", "RequestThrottled", 403, true},
        {AMP_ERR_RATE_LIMITED, "RequestThrottled", "RequestThrottled", 403, true},
        {AMP_ERR_VAULT_FULL, "ServiceUnavailable", "ServiceUnavailable", 503, false},
        {AMP_ERR_KEEPER_UNAVAILABLE, "ServiceUnavailable", "ServiceUnavailable", 503, false},
        {AMP_ERR_INTERNAL, "InternalFailure", "InternalFailure", 500, false},
        {AMP_ERR_CRYPTO, "InternalFailure", "InternalFailure", 500, false},
        {AMP_ERR_HEADERS_TOO_LARGE, "headers_too_large", "headers_too_large", 431, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct amp_sqs_error error = amp_sqs_error_of(cases[i].err);
        assert_string_equal(error.name, cases[i].name);
        assert_string_equal(error.query_code, cases[i].code);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(error.sender, cases[i].sender);
    }
}

/* None inside tells of itself; none of the SQS API and of queues was forgotten in the table. */
static void each_error_has_an_answer(void **state)
{
    for (unsigned i = 1; i < AMP_ERR_COUNT_; i++) {
        const enum amp_err err = (enum amp_err)i;
        const struct amp_sqs_error error = amp_sqs_error_of(err);
        assert_non_null(error.sentence);
        assert_true(error.sentence[0] != '\0');
        assert_true(error.status >= 400 && error.status < 600);
        assert_int_equal(error.sender, error.status < 500);
        if (amp_err_status(err) == 500)
            assert_string_equal(error.sentence, amp_err_sentence(AMP_ERR_INTERNAL));
        if (strncmp(amp_err_code(err), "sqs_", 4) == 0)
            assert_true(error.name[0] >= 'A' && error.name[0] <= 'Z');
    }
    for (unsigned i = AMP_ERR_QUEUE_UNKNOWN; i <= AMP_ERR_MOVE_SOURCE_INVALID; i++)
        assert_true(amp_sqs_error_of((enum amp_err)i).name[0] <= 'Z');
    for (unsigned i = AMP_ERR_NOT_SIGNED; i <= AMP_ERR_WRONG_TYPE; i++)
        assert_true(amp_sqs_error_of((enum amp_err)i).name[0] <= 'Z');
}

/* The shapes are those of vectors/sqs/protocol-*: QueryCompatibleAwsJson10CustomCodeError, QueryInvalidGreetingError.
 */
static void error_documents_have_the_shape_of_their_protocol(void **state)
{
    uint8_t storage[1024];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_sqs_write_error(&out, AMP_SQS_JSON, AMP_ERR_QUEUE_UNKNOWN, NULL, AMP_SLICE_LIT("r-1"));
    assert_slice(amp_out_done(&out), "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The specified "
                                     "queue does not exist.\"}");
    out = amp_out(storage, sizeof(storage));
    amp_sqs_write_error(&out, AMP_SQS_QUERY, AMP_ERR_QUEUE_UNKNOWN, NULL, AMP_SLICE_LIT("r-1"));
    assert_slice(amp_out_done(&out),
                 "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type>"
                 "<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist."
                 "</Message><Detail/></Error><RequestId>r-1</RequestId></ErrorResponse>");
    out = amp_out(storage, sizeof(storage));
    amp_sqs_write_error(&out, AMP_SQS_QUERY, AMP_ERR_INTERNAL, "a < b", AMP_SLICE_LIT("r-1"));
    assert_slice(amp_out_done(&out),
                 "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Receiver</Type>"
                 "<Code>InternalFailure</Code><Message>a &lt; b</Message><Detail/></Error><RequestId>r-1</RequestId>"
                 "</ErrorResponse>");
    out = amp_out(storage, sizeof(storage));
    amp_sqs_write_error(&out, AMP_SQS_JSON, AMP_ERR_SQS_PARAMETER_INVALID, "say \"no\"", AMP_SLICE_LIT("r-1"));
    assert_slice(amp_out_done(&out), "{\"__type\":\"com.amazonaws.sqs#InvalidParameterValueException\",\"message\":"
                                     "\"say \\\"no\\\"\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_that_sdks_read),
        cmocka_unit_test(an_answer_without_room_overflows),
        cmocka_unit_test(xml_holds_only_what_xml_can),
        cmocka_unit_test(errors_have_the_names_of_aws),
        cmocka_unit_test(each_error_has_an_answer),
        cmocka_unit_test(error_documents_have_the_shape_of_their_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
