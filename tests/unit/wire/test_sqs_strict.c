/* What is refused, and by which error, in either protocol. */
#include "sqs_support.h"

#define SEND  "Action=SendMessage&MessageBody=b"
#define BATCH "Action=DeleteMessageBatch"
#define ENTRY "&DeleteMessageBatchRequestEntry."

static void json_is_strict(void **state)
{
    static const struct {
        const char *action, *body;
        enum amp_err err;
    } cases[] = {
        {"ListQueues", "", AMP_ERR_MALFORMED_JSON},
        {"ListQueues", "[]", AMP_ERR_WRONG_TYPE},
        {"ListQueues", "null", AMP_ERR_WRONG_TYPE},
        {"ListQueues", "{} {}", AMP_ERR_MALFORMED_JSON},
        {"ListQueues", "{}x", AMP_ERR_MALFORMED_JSON},
        {"ListQueues", "{\"QueueUrl\":\"q\"}", AMP_ERR_UNKNOWN_FIELD},
        {"ListQueues", "{\"\":\"q\"}", AMP_ERR_UNKNOWN_FIELD},
        {"ListQueues", "{\"Action\":\"ListQueues\"}", AMP_ERR_UNKNOWN_FIELD},
        {"ListQueues", "{\"maxResults\":1}", AMP_ERR_UNKNOWN_FIELD},
        {"ListQueues", "{\"MaxResults\":\"1\"}", AMP_ERR_WRONG_TYPE},
        {"ListQueues", "{\"MaxResults\":true}", AMP_ERR_WRONG_TYPE},
        {"ListQueues", "{\"MaxResults\":1,\"MaxResults\":1}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"ListQueues", "{\"MaxResults\":1,\"\\u004daxResults\":1}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"ListQueues", "{\"MaxResults\":null,\"MaxResults\":1}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"ListQueues", "{\"NextToken\":1}", AMP_ERR_WRONG_TYPE},
        {"ListQueues", "{\"NextToken\":\"\xff\"}", AMP_ERR_MALFORMED_JSON},
        {"ListQueues", "{\"NextToken\":\"\\u0000\"}", AMP_ERR_MALFORMED_JSON},
        {"DeleteQueue", "{}", AMP_ERR_SQS_MISSING_PARAMETER},
        {"DeleteQueue", "{\"QueueUrl\":null}", AMP_ERR_SQS_MISSING_PARAMETER},
        {"DeleteQueue", "{\"QueueUrl\":nul}", AMP_ERR_MALFORMED_JSON},
        {"DeleteQueue", "{}x", AMP_ERR_MALFORMED_JSON},
        {"SendMessage", "{\"QueueUrl\":\"q\"}", AMP_ERR_SQS_MISSING_PARAMETER},
        {"SendMessage", "{\"QueueUrl\":\"q\",\"MessageBody\":\"\",\"Id\":\"a\"}", AMP_ERR_UNKNOWN_FIELD},
        {"SendMessage", "{\"QueueUrl\":\"q\",\"MessageBody\":\"\\u0000\\ud800\\udc00\\ud800\"}", AMP_OK},
        {"SendMessage", "{\"QueueUrl\":\"q\",\"MessageBody\":\"\\ud800\\u12\"}", AMP_ERR_MALFORMED_JSON},
        {"SendMessage", "{\"QueueUrl\":\"q\",\"MessageBody\":\"\xed\xa0\x80\"}", AMP_ERR_MALFORMED_JSON},
        {"SendMessage", "{\"MessageBody\":\"\\u0000\",\"QueueUrl\":\"\\u0000\"}", AMP_ERR_MALFORMED_JSON},
        {"SendMessage", "{\"QueueUrl\":\"q\",\"MessageBody\":\"\",\"MessageAttributes\":[]}", AMP_ERR_WRONG_TYPE},
        {"ReceiveMessage", "{\"QueueUrl\":\"q\",\"AttributeNames\":\"All\"}", AMP_ERR_WRONG_TYPE},
        {"ReceiveMessage", "{\"QueueUrl\":\"q\",\"AttributeNames\":[1]}", AMP_ERR_WRONG_TYPE},
        {"ReceiveMessage", "{\"QueueUrl\":\"q\",\"AttributeNames\":[null]}", AMP_ERR_WRONG_TYPE},
        {"TagQueue", "{\"QueueUrl\":\"q\"}", AMP_ERR_SQS_MISSING_PARAMETER},
        {"TagQueue", "{\"QueueUrl\":\"q\",\"tags\":{}}", AMP_ERR_UNKNOWN_FIELD},
        {"TagQueue", "{\"QueueUrl\":\"q\",\"Tags\":{\"a\":1}}", AMP_ERR_WRONG_TYPE},
        {"TagQueue", "{\"QueueUrl\":\"q\",\"Tags\":{\"a\":\"1\",\"a\":\"2\"}}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"CreateQueue", "{\"QueueName\":\"q\",\"Tags\":{}}", AMP_ERR_UNKNOWN_FIELD},
        {"DeleteMessageBatch", "{\"QueueUrl\":\"q\"}", AMP_ERR_SQS_MISSING_PARAMETER},
        {"DeleteMessageBatch", "{\"QueueUrl\":\"q\",\"Entries\":{}}", AMP_ERR_WRONG_TYPE},
        {"DeleteMessageBatch", "{\"QueueUrl\":\"q\",\"Entries\":[1]}", AMP_ERR_WRONG_TYPE},
        {"DeleteMessageBatch", "{\"QueueUrl\":\"q\",\"Entries\":[{\"Id\":\"a\"}]}", AMP_ERR_SQS_MISSING_PARAMETER},
        {"DeleteMessageBatch", "{\"QueueUrl\":\"q\",\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"b\"}]}",
         AMP_ERR_UNKNOWN_FIELD},
        {"DeleteMessageBatch", "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"r\",\"Entries\":[]}", AMP_ERR_UNKNOWN_FIELD},
        {"AddPermission", "{\"QueueUrl\":\"q\",\"Label\":\"l\",\"AWSAccountIds\":[\"1\"]}",
         AMP_ERR_SQS_MISSING_PARAMETER},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_err(json_error(cases[i].action, cases[i].body), cases[i].err, cases[i].body);
}

static void json_attributes_are_strict(void **state)
{
    static const struct {
        const char *value;
        enum amp_err err;
    } cases[] = {
        {"{\"DataType\":\"String\",\"StringValue\":\"x\",\"BinaryValue\":null}", AMP_OK},
        {"{\"DataType\":\"String\",\"StringValue\":\"x\",\"StringListValues\":[],\"BinaryListValues\":[]}", AMP_OK},
        {"{\"DataType\":\"String\",\"StringValue\":\"x\",\"StringListValues\":[\"y\"]}", AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"{\"DataType\":\"String\",\"StringValue\":\"x\",\"BinaryValue\":\"AA==\"}", AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"{\"DataType\":\"String\",\"StringValue\":\"x\",\"DataType\":\"String\"}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"DataType\":\"String\",\"Value\":\"x\"}", AMP_ERR_UNKNOWN_FIELD},
        {"{\"DataType\":\"String\"}", AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"{\"StringValue\":\"x\"}", AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"{\"DataType\":null,\"StringValue\":\"x\"}", AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"{}", AMP_ERR_SQS_ATTRIBUTE_INVALID},
        {"\"x\"", AMP_ERR_WRONG_TYPE},
        {"{\"DataType\":\"String\",\"StringValue\":1}", AMP_ERR_WRONG_TYPE},
        {"null", AMP_OK},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"QueueUrl\":\"q\",\"MessageBody\":\"b\",\"MessageAttributes\":{\"a\":%s}}",
                 cases[i].value);
        assert_err(json_error("SendMessage", body), cases[i].err, body);
    }
}

static void null_is_as_absent(void **state)
{
    struct decoded decoded;
    assert_int_equal(decode_json(&decoded, "SendMessage",
                                 "{\"QueueUrl\":\"q\",\"MessageBody\":\"\",\"DelaySeconds\":null,"
                                 "\"MessageAttributes\":null,\"MessageGroupId\":null}"),
                     AMP_OK);
    assert_shown(&decoded, "QueueUrl=q;MessageBody=;");
    decoded_free(&decoded);
    assert_int_equal(decode_json(&decoded, "CreateQueue",
                                 "{\"QueueName\":\"q\",\"Attributes\":{\"a\":null,\"b\":\"c\"},\"tags\":{}}"),
                     AMP_OK);
    assert_shown(&decoded, "QueueName=q;Attributes{b=c,}Tags{}");
    decoded_free(&decoded);
}

static void numbers_that_do_not_fit_are_told_apart_from_absent_ones(void **state)
{
    static const struct {
        const char *json, *form;
        amp_sqs_number value;
    } cases[] = {
        {"0", "0", 0},
        {"43200", "43200", 43200},
        {"9223372036854775807", "9223372036854775807", INT64_MAX},
        {"9223372036854775808", "9223372036854775808", AMP_SQS_NO_NUMBER},
        {"99999999999999999999999", "99999999999999999999999", AMP_SQS_NO_NUMBER},
        {"-1", "-1", AMP_SQS_NO_NUMBER},
        {"-2", "-2", AMP_SQS_NO_NUMBER},
        {"1.5", "1.5", AMP_SQS_NO_NUMBER},
        {"1e3", "1e3", AMP_SQS_NO_NUMBER},
        {"1.0", "", AMP_SQS_NO_NUMBER},
        {"1E400", "%2B1", AMP_SQS_NO_NUMBER},
        {"-0", "+1", AMP_SQS_NO_NUMBER},
        {"null", "1&QueueUrl=q", AMP_SQS_ABSENT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[128];
        struct decoded decoded;
        snprintf(body, sizeof(body), "{\"QueueUrl\":\"q\",\"WaitTimeSeconds\":%s}", cases[i].json);
        assert_err(decode_json(&decoded, "ReceiveMessage", body), AMP_OK, body);
        assert_true(decoded.request->wait_s == cases[i].value);
        decoded_free(&decoded);
        snprintf(body, sizeof(body), "Action=ReceiveMessage&WaitTimeSeconds=%s", cases[i].form);
        assert_err(decode_form(&decoded, body), AMP_OK, body);
        assert_true(decoded.request->wait_s == (cases[i].value == AMP_SQS_ABSENT ? 1 : cases[i].value));
        decoded_free(&decoded);
    }
}

static const struct {
    const char *form;
    enum amp_err err;
} forms[] = {
    {"", AMP_ERR_SQS_MISSING_ACTION},
    {"&&", AMP_ERR_SQS_MISSING_ACTION},
    {"Version=2012-11-05", AMP_ERR_SQS_MISSING_ACTION},
    {"action=ListQueues", AMP_ERR_SQS_MISSING_ACTION},
    {"Action", AMP_ERR_SQS_INVALID_ACTION},
    {"Action=", AMP_ERR_SQS_INVALID_ACTION},
    {"Action=listQueues", AMP_ERR_SQS_INVALID_ACTION},
    {"Action=ListQueues%00", AMP_ERR_SQS_INVALID_ACTION},
    {"Action=ListQueues&Action=ListQueues", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&Action=DeleteQueue", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&%41ction=DeleteQueue", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&Version=1&Version=1", AMP_ERR_MALFORMED_REQUEST},
    {"&Version=2012-11-05&&Action=ListQueues&", AMP_OK},
    {"Action=ListQueues&NextToken", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&QueueUrl=q", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&Queue=q", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&=q", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&.=q", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&NextToken.1=q", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&NextToken.=q", AMP_ERR_UNKNOWN_FIELD},
    {"Action=ListQueues&NextToken=%", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=%4", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=%4g", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=%ff", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=12345678%c3", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=\xff", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=%ED%A0%80", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&NextToken=a&NextToken=a", AMP_ERR_MALFORMED_REQUEST},
    {"Action=ListQueues&AWSAccessKeyId=AKIA", AMP_ERR_PRESIGNED_REFUSED},
    {"Action=ListQueues&SignatureVersion=2", AMP_ERR_PRESIGNED_REFUSED},
    {"Action=ListQueues&Signature=x", AMP_ERR_PRESIGNED_REFUSED},
    {"Action=ListQueues&X-Amz-Signature=x", AMP_ERR_PRESIGNED_REFUSED},
    {"Action=ListQueues&Timestamp=x", AMP_ERR_PRESIGNED_REFUSED},
    {"Action=ListQueues&Expires=x", AMP_ERR_PRESIGNED_REFUSED},
    {"Action=SendMessage", AMP_ERR_SQS_MISSING_PARAMETER},
    {"Action=CreateQueue", AMP_ERR_SQS_MISSING_PARAMETER},
    {"Action=TagQueue", AMP_ERR_SQS_MISSING_PARAMETER},
    {"Action=UntagQueue", AMP_ERR_SQS_MISSING_PARAMETER},
    {"Action=UntagQueue&TagKeys=", AMP_OK},
    {"Action=UntagQueue&TagKeys=x", AMP_ERR_UNKNOWN_FIELD},
    {"Action=UntagQueue&TagKeys=&TagKeys=", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey=x", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.0=x", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.01=x", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.+1=x", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.1.2=x", AMP_ERR_UNKNOWN_FIELD},
    {"Action=UntagQueue&TagKey.2=x", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.1=x&TagKey.1=y", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.1=x&TagKey.3=y", AMP_ERR_MALFORMED_REQUEST},
    {"Action=UntagQueue&TagKey.1=x&TagKey.51=y", AMP_ERR_SQS_PARAMETER_INVALID},
    {"Action=UntagQueue&TagKey.99999999999999999999=y", AMP_ERR_MALFORMED_REQUEST},
    {"Action=TagQueue&Tag.1.Key=k", AMP_ERR_SQS_MISSING_PARAMETER},
    {"Action=TagQueue&Tag.1.Value=k", AMP_ERR_SQS_MISSING_PARAMETER},
    {"Action=TagQueue&Tag.1.Name=k&Tag.1.Value=v", AMP_ERR_UNKNOWN_FIELD},
    {"Action=TagQueue&Tag.1.Key.x=k", AMP_ERR_UNKNOWN_FIELD},
    {"Action=TagQueue&Tag.1=k", AMP_ERR_UNKNOWN_FIELD},
    {"Action=TagQueue&Tag.1.Key=k&Tag.1.Value=v&Tag.2.Key=k&Tag.2.Value=w", AMP_ERR_MALFORMED_REQUEST},
    {"Action=TagQueue&Tag.1.Key=k&Tag.1.Key=l&Tag.1.Value=v", AMP_ERR_MALFORMED_REQUEST},
    {"Action=TagQueue&Tag.2.Key=k&Tag.2.Value=v", AMP_ERR_MALFORMED_REQUEST},
    {"Action=TagQueue&Tag.51.Key=k", AMP_ERR_SQS_PARAMETER_INVALID},
    {"Action=SetQueueAttributes&Attribute.1.Key=k&Attribute.1.Value=v", AMP_ERR_UNKNOWN_FIELD},
    {SEND "&MessageAttribute.1.Name=a", AMP_ERR_SQS_ATTRIBUTE_INVALID},
    {SEND "&MessageAttribute.11.Name=a", AMP_ERR_SQS_ATTRIBUTE_INVALID},
    {SEND "&MessageAttribute.2.Name=a", AMP_ERR_MALFORMED_REQUEST},
    {SEND "&MessageAttribute.1.Name=a&MessageAttribute.1.Name=a", AMP_ERR_MALFORMED_REQUEST},
    {SEND "&MessageAttribute.1.Value=a", AMP_ERR_UNKNOWN_FIELD},
    {SEND "&MessageAttribute.1.Value.StringListValue.1=a", AMP_ERR_UNKNOWN_FIELD},
    {SEND "&MessageAttribute.1.Value.StringListValue=a", AMP_ERR_SQS_ATTRIBUTE_INVALID},
    {SEND "&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=a"
          "&MessageAttribute.1.Value.StringListValue=&MessageAttribute.1.Value.BinaryListValue=",
     AMP_OK},
    {SEND "&MessageAttribute.1.Value.StringValue=a&MessageAttribute.1.Value.BinaryValue=YQ==",
     AMP_ERR_SQS_ATTRIBUTE_INVALID},
    {SEND "&MessageAttribute.1.Name=a&MessageAttribute.1.Value.StringValue=a&MessageAttribute.1.Value.DataType="
          "String&MessageAttribute.2.Name=a&MessageAttribute.2.Value.StringValue=a&MessageAttribute.2.Value."
          "DataType=String",
     AMP_ERR_SQS_ATTRIBUTE_INVALID},
    {SEND "&SendMessageRequestEntry.1.Id=a", AMP_ERR_UNKNOWN_FIELD},
    {BATCH, AMP_OK},
    {BATCH "&Entries=", AMP_OK},
    {BATCH "&Entries=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH "&Entries.1.Id=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH "&ReceiptHandle=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH "&SendMessageBatchRequestEntry.1.Id=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH "&DeleteMessageBatchRequestEntr0.1.Id=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH ENTRY "1.Id=x", AMP_ERR_SQS_MISSING_PARAMETER},
    {BATCH ENTRY "1.Id=x" ENTRY "1.ReceiptHandle=y", AMP_OK},
    {BATCH ENTRY "1.ReceiptHandle=y" ENTRY "1.Id=x", AMP_OK},
    {BATCH ENTRY "2.Id=x" ENTRY "2.ReceiptHandle=y", AMP_ERR_MALFORMED_REQUEST},
    {BATCH ENTRY "11.Id=x" ENTRY "11.ReceiptHandle=y", AMP_ERR_MALFORMED_REQUEST},
    {BATCH ENTRY "0.Id=x", AMP_ERR_MALFORMED_REQUEST},
    {BATCH ENTRY "x.Id=x", AMP_ERR_MALFORMED_REQUEST},
    {BATCH ENTRY "1=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH ENTRY "1.=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH ENTRY "1.Id.1=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH ENTRY "1.MessageBody=x", AMP_ERR_UNKNOWN_FIELD},
    {BATCH ENTRY "1.Id=x" ENTRY "1.Id=x", AMP_ERR_MALFORMED_REQUEST},
};

static void forms_are_strict(void **state)
{
    for (size_t i = 0; i < COUNT(forms); i++)
        assert_err(form_error(forms[i].form), forms[i].err, forms[i].form);
}

static void forms_are_decoded_as_forms(void **state)
{
    struct decoded decoded;
    assert_int_equal(decode_form(&decoded, "MessageBody=a+b%2Bc%20d%26e%3d=f%e2%82%AC&QueueUrl=&Action=SendMessage"),
                     AMP_OK);
    assert_shown(&decoded, "QueueUrl=;MessageBody=a b+c d&e==f\xe2\x82\xac;");
    decoded_free(&decoded);
    assert_int_equal(decode_form(&decoded, "Action=SendMessage&MessageBody="), AMP_OK);
    assert_shown(&decoded, "MessageBody=;");
    decoded_free(&decoded);
}

static void lists_may_come_in_any_order(void **state)
{
    struct decoded decoded;
    assert_int_equal(decode_form(&decoded, "Tag.2.Value=w&Tag.1.Key=a&Action=TagQueue&Tag.2.Key=b&Tag.1.Value=v"),
                     AMP_OK);
    assert_shown(&decoded, "Tags{a=v,b=w,}");
    decoded_free(&decoded);
    assert_int_equal(
        decode_form(&decoded, BATCH ENTRY "2.Id=b" ENTRY "1.Id=a" ENTRY "2.ReceiptHandle=s" ENTRY "1.ReceiptHandle=r"),
        AMP_OK);
    assert_shown(&decoded, "Entries[Id=a;ReceiptHandle=r;|Id=b;ReceiptHandle=s;|]");
    decoded_free(&decoded);
}

static void both_lists_of_attribute_names_are_joined(void **state)
{
    struct decoded decoded;
    assert_int_equal(decode_json(&decoded, "ReceiveMessage",
                                 "{\"QueueUrl\":\"q\",\"AttributeNames\":[\"a\"],"
                                 "\"MessageSystemAttributeNames\":[\"b\",\"c\"]}"),
                     AMP_OK);
    assert_shown(&decoded, "QueueUrl=q;AttributeNames[a,b,c,]");
    decoded_free(&decoded);
    assert_int_equal(decode_form(&decoded, "Action=ReceiveMessage&AttributeName.1=a&MessageSystemAttributeName.1=b"
                                           "&MessageSystemAttributeName.2=c"),
                     AMP_OK);
    assert_shown(&decoded, "AttributeNames[a,b,c,]");
    decoded_free(&decoded);
}

/* `count` times what `write` writes of each number from 1, between `begin` and `end`. */
static char *many(const char *begin, void (*write)(struct amp_out *out, uint64_t number), size_t count, const char *end)
{
    size_t cap = 256 + count * 160;
    char *text = malloc(cap);
    assert_non_null(text);
    struct amp_out out = amp_out(text, cap);
    amp_out_str(&out, begin);
    for (size_t i = 1; i <= count; i++)
        write(&out, i);
    amp_out_str(&out, end);
    amp_out_byte(&out, '\0');
    assert_false(out.overflow);
    return text;
}

static void write_json_tag(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, number == 1 ? "\"" : ",\"");
    amp_out_u64(out, number);
    amp_out_str(out, "\":\"v\"");
}

static void write_form_tag(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, "&Tag.");
    amp_out_u64(out, number);
    amp_out_str(out, ".Key=k");
    amp_out_u64(out, number);
    amp_out_str(out, "&Tag.");
    amp_out_u64(out, number);
    amp_out_str(out, ".Value=v");
}

static void write_json_name(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, number == 1 ? "\"n\"" : ",\"n\"");
}

static void write_form_name(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, "&AttributeName.");
    amp_out_u64(out, number);
    amp_out_str(out, "=n");
}

static void write_json_entry(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, number == 1 ? "{\"Id\":\"" : ",{\"Id\":\"");
    amp_out_u64(out, number);
    amp_out_str(out, "\",\"ReceiptHandle\":\"r\"}");
}

static void write_form_entry(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, ENTRY);
    amp_out_u64(out, number);
    amp_out_str(out, ".Id=i" ENTRY);
    amp_out_u64(out, number);
    amp_out_str(out, ".ReceiptHandle=r");
}

static void write_json_attribute(struct amp_out *out, uint64_t number)
{
    amp_out_str(out, number == 1 ? "\"a" : ",\"a");
    amp_out_u64(out, number);
    amp_out_str(out, "\":{\"DataType\":\"String\",\"StringValue\":\"v\"}");
}

static void write_form_attribute(struct amp_out *out, uint64_t number)
{
    static const char *const parts[] = {".Name=a", ".Value.DataType=String&", ".Value.StringValue=v&"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        amp_out_str(out, "&MessageAttribute.");
        amp_out_u64(out, number);
        amp_out_str(out, parts[i]);
        if (i == 0)
            amp_out_u64(out, number);
    }
}

static void check_limit(const char *action, char *json, char *form, enum amp_err err)
{
    assert_err(json_error(action, json), err, action);
    assert_err(form_error(form), err, action);
    free(json);
    free(form);
}

static void each_list_is_bounded(void **state)
{
#define TAGS(n)                                                                                                        \
    many("{\"QueueUrl\":\"q\",\"Tags\":{", write_json_tag, n, "}}"), many("Action=TagQueue", write_form_tag, n, "")
#define NAMES(n)                                                                                                       \
    many("{\"QueueUrl\":\"q\",\"AttributeNames\":[", write_json_name, n, "]}"),                                        \
        many("Action=ReceiveMessage", write_form_name, n, "")
#define ATTRS(n)                                                                                                       \
    many("{\"QueueUrl\":\"q\",\"MessageBody\":\"b\",\"MessageAttributes\":{", write_json_attribute, n, "}}"),          \
        many(SEND, write_form_attribute, n, "")
    check_limit("TagQueue", TAGS(50), AMP_OK);
    check_limit("TagQueue", TAGS(51), AMP_ERR_SQS_PARAMETER_INVALID);
    check_limit("ReceiveMessage", NAMES(50), AMP_OK);
    check_limit("ReceiveMessage", NAMES(51), AMP_ERR_SQS_PARAMETER_INVALID);
    check_limit("SendMessage", ATTRS(10), AMP_OK);
    check_limit("SendMessage", ATTRS(11), AMP_ERR_SQS_ATTRIBUTE_INVALID);
}

static void a_batch_of_too_many_is_counted_up_to_one_more(void **state)
{
    static const size_t counts[] = {0, 1, 10, 11, 12, 1000};
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct decoded decoded;
        uint32_t expected = counts[i] > 11 ? 11 : (uint32_t)counts[i];
        char *json = many("{\"QueueUrl\":\"q\",\"Entries\":[", write_json_entry, counts[i], "]}");
        char *form = many(BATCH, write_form_entry, counts[i], "");
        assert_int_equal(decode_json(&decoded, "DeleteMessageBatch", json), AMP_OK);
        assert_true(decoded.request->has_entries);
        assert_int_equal(decoded.request->entry_count, expected);
        decoded_free(&decoded);
        assert_int_equal(decode_form(&decoded, form), AMP_OK);
        assert_int_equal(decoded.request->entry_count, expected);
        assert_int_equal(decoded.request->has_entries, counts[i] != 0);
        decoded_free(&decoded);
        free(json);
        free(form);
    }
}

/* A hundred thousand parameters, and an object of as many names: refused at once, or passed over in linear time. */
static void hostile_sizes_cost_linear_time(void **state)
{
    char *form = many(BATCH, write_form_entry, 100000, "");
    assert_int_equal(form_error(form), AMP_OK);
    free(form);
    form = many("Version=1", write_form_tag, 100000, "&Action=TagQueue");
    assert_int_equal(form_error(form), AMP_ERR_SQS_PARAMETER_INVALID);
    free(form);
    form = many("", write_form_tag, 100000, "");
    assert_int_equal(form_error(form), AMP_ERR_SQS_MISSING_ACTION);
    free(form);
    char *json = many("{\"QueueUrl\":\"q\",\"Tags\":{", write_json_tag, 100000, "}}");
    assert_int_equal(json_error("TagQueue", json), AMP_ERR_SQS_PARAMETER_INVALID);
    free(json);
    json = many("{\"QueueUrl\":\"q\",\"Entries\":[", write_json_entry, 100000, "]}");
    assert_int_equal(json_error("DeleteMessageBatch", json), AMP_OK);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_strict),
        cmocka_unit_test(json_attributes_are_strict),
        cmocka_unit_test(null_is_as_absent),
        cmocka_unit_test(numbers_that_do_not_fit_are_told_apart_from_absent_ones),
        cmocka_unit_test(forms_are_strict),
        cmocka_unit_test(forms_are_decoded_as_forms),
        cmocka_unit_test(lists_may_come_in_any_order),
        cmocka_unit_test(both_lists_of_attribute_names_are_joined),
        cmocka_unit_test(each_list_is_bounded),
        cmocka_unit_test(a_batch_of_too_many_is_counted_up_to_one_more),
        cmocka_unit_test(hostile_sizes_cost_linear_time),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
