/* Queues of the SQS API: made, found, listed, described, tagged, emptied, deleted (spec section 4). */
#include "sqs_support.h"

static void a_queue_is_made_and_has_its_url(void **state)
{
    must("CreateQueue", "{\"QueueName\":\"payments\"}");
    assert_string_equal(said("QueueUrl"), URL("payments"));
    recorded(AMP_ACT_QUEUE_CREATE, AMP_OK, "payments", 0);
    must("GetQueueUrl", "{\"QueueName\":\"payments\"}");
    assert_string_equal(said("QueueUrl"), URL("payments"));
    recorded(AMP_ACT_QUEUE_READ, AMP_OK, "payments", 0);
    must("GetQueueUrl", "{\"QueueName\":\"payments\",\"QueueOwnerAWSAccountId\":\"000000000000\"}");
    call("GetQueueUrl", "{\"QueueName\":\"payments\",\"QueueOwnerAWSAccountId\":\"000000000001\"}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
    call("GetQueueUrl", "{\"QueueName\":\"refunds\"}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
}

static void names_have_a_form_and_hold_no_card_number(void **state)
{
    static const char *const bad[] = {"a b",    "a.b", "a/b", "", ".fifo", "4111111111111111", "x-4111-1111-1111-1111",
                                      "\\u00fc"};
    char name[128] = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("CreateQueue", "{\"QueueName\":\"%s\"}", bad[i]);
        refused(AMP_ERR_QUEUE_INVALID);
        assert_string_equal(last_event()->queue, "");
        callf("DeleteQueue", "{\"QueueUrl\":\"https://h/000000000000/%s\"}", bad[i]);
        refused(bad[i][0] == '\0' ? AMP_ERR_SQS_ADDRESS_INVALID : AMP_ERR_QUEUE_UNKNOWN);
        assert_string_equal(last_event()->queue, "");
    }
    /* Who asks AWS's way must learn why this one will not do. */
    call("CreateQueue", "{\"QueueName\":\"x-4111-1111-1111-1111\"}");
    const char *sentence = said(in_xml ? "Message" : "message");
    assert_non_null(strstr(sentence, "Luhn"));
    assert_null(strstr(sentence, "4111"));
    call("CreateQueue", "{\"QueueName\":\"a b\"}");
    assert_null(strstr(said(in_xml ? "Message" : "message"), "Luhn"));
    memset(name, 'q', 80);
    must("CreateQueue", "{\"QueueName\":\"%s\"}", name);
    name[80] = 'q';
    callf("CreateQueue", "{\"QueueName\":\"%s\"}", name);
    refused(AMP_ERR_QUEUE_INVALID);
}

static void queue_urls_lead_to_queues_alone(void **state)
{
    static const char *const bad[] = {"payments",           "ftp://h/000000000000/payments",  "https://h/payments",
                                      "https:///",          "https:///000000000000/payments", "https://h/000000000000/",
                                      "//h/000000000000/p", "HTTPS://h/000000000000/payments"};
    static const char *const good[] = {"http://other:1/000000000000/payments", URL("payments")};
    static const char *const none[] = {"https://h/000000000001/payments", "https://h/000000000000/payments/x",
                                       "https://h/000000000000/payments?x", "https://h/x/000000000000/payments"};
    make_queue("payments");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        must("GetQueueAttributes", "{\"QueueUrl\":\"%s\"}", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("GetQueueAttributes", "{\"QueueUrl\":\"%s\"}", bad[i]);
        refused(AMP_ERR_SQS_ADDRESS_INVALID);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        callf("GetQueueAttributes", "{\"QueueUrl\":\"%s\"}", none[i]);
        refused(AMP_ERR_QUEUE_UNKNOWN);
    }
}

static void a_queue_made_again_is_the_same_or_refused(void **state)
{
    must("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"VisibilityTimeout\":\"60\"},\"tags\":{\"a\":\"b\"}}");
    must("CreateQueue", "{\"QueueName\":\"q\"}");
    must("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"VisibilityTimeout\":\"60\"}}");
    must("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"DelaySeconds\":\"0\"},\"tags\":{\"a\":\"b\"}}");
    assert_string_equal(said("QueueUrl"), URL("q"));
    call("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"VisibilityTimeout\":\"30\"}}");
    refused(AMP_ERR_QUEUE_NAME_EXISTS);
    call("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"DelaySeconds\":\"1\"}}");
    refused(AMP_ERR_QUEUE_NAME_EXISTS);
    call("CreateQueue", "{\"QueueName\":\"q\",\"tags\":{\"a\":\"c\"}}");
    refused(AMP_ERR_QUEUE_NAME_EXISTS);
    call("CreateQueue", "{\"QueueName\":\"q\",\"tags\":{\"a\":\"b\",\"c\":\"d\"}}");
    refused(AMP_ERR_QUEUE_NAME_EXISTS);
}

static void fifo_queues_are_called_so(void **state)
{
    call("CreateQueue", "{\"QueueName\":\"q.fifo\"}");
    refused(AMP_ERR_QUEUE_INVALID);
    call("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"FifoQueue\":\"true\"}}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    call("CreateQueue", "{\"QueueName\":\"q.fifo\",\"Attributes\":{\"FifoQueue\":\"false\"}}");
    refused(AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID);
    call("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"ContentBasedDeduplication\":\"true\"}}");
    refused(AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID);
    must("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"FifoQueue\":\"false\"}}");
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
    assert_null(mapped("FifoQueue"));
    must("CreateQueue", "{\"QueueName\":\"q\"}");
    must("CreateQueue", "{\"QueueName\":\"q.fifo\",\"Attributes\":{\"FifoQueue\":\"true\","
                        "\"ContentBasedDeduplication\":\"true\",\"DeduplicationScope\":\"messageGroup\","
                        "\"FifoThroughputLimit\":\"perMessageGroupId\"}}");
    must("GetQueueAttributes", "{" Q("q.fifo") ",\"AttributeNames\":[\"All\"]}");
    assert_string_equal(mapped("FifoQueue"), "true");
    assert_string_equal(mapped("ContentBasedDeduplication"), "true");
    assert_string_equal(mapped("DeduplicationScope"), "messageGroup");
    assert_string_equal(mapped("FifoThroughputLimit"), "perMessageGroupId");
    must("SetQueueAttributes", "{" Q("q.fifo") ",\"Attributes\":{\"FifoQueue\":\"true\"}}");
    call("SetQueueAttributes", "{" Q("q.fifo") ",\"Attributes\":{\"FifoQueue\":\"false\"}}");
    refused(AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID);
    call("SetQueueAttributes", "{" Q("q.fifo") ",\"Attributes\":{\"DeduplicationScope\":\"queue\"}}");
    refused(AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID);
    must("SetQueueAttributes", "{" Q("q.fifo") ",\"Attributes\":{\"DeduplicationScope\":\"queue\","
                                               "\"FifoThroughputLimit\":\"perQueue\"}}");
}

static void every_attribute_has_its_default(void **state)
{
    static const struct {
        const char *name, *value;
    } defaults[] = {
        {"VisibilityTimeout", "30"},
        {"MaximumMessageSize", "1048576"},
        {"MessageRetentionPeriod", "345600"},
        {"DelaySeconds", "0"},
        {"ReceiveMessageWaitTimeSeconds", "0"},
        {"SqsManagedSseEnabled", "true"},
        {"ApproximateNumberOfMessages", "0"},
        {"ApproximateNumberOfMessagesNotVisible", "0"},
        {"ApproximateNumberOfMessagesDelayed", "0"},
        {"CreatedTimestamp", "1770000000"},
        {"LastModifiedTimestamp", "1770000000"},
        {"QueueArn", ARN("q")},
    };
    static const char *const absent[] = {
        "FifoQueue", "ContentBasedDeduplication", "RedrivePolicy", "RedriveAllowPolicy", "Policy", "KmsMasterKeyId"};
    make_queue("q");
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        assert_string_equal(mapped(defaults[i].name), defaults[i].value);
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_null(mapped(absent[i]));
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"%s\"]}", defaults[i].name);
        assert_string_equal(mapped(defaults[i].name), defaults[i].value);
        assert_null(mapped(defaults[(i + 1) % (sizeof defaults / sizeof defaults[0])].name));
    }
    must("GetQueueAttributes", "{" Q("q") "}");
    assert_null(mapped("VisibilityTimeout"));
    call("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"Visibility\"]}");
    refused(AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID);
}

static void numbers_are_taken_at_both_ends(void **state)
{
    static const struct {
        const char *name;
        long least, most;
    } rows[] = {
        {"VisibilityTimeout", 0, 43200},          {"MaximumMessageSize", 1024, 1048576},
        {"MessageRetentionPeriod", 60, 1209600},  {"DelaySeconds", 0, 900},
        {"ReceiveMessageWaitTimeSeconds", 0, 20},
    };
    static const char *const none[] = {"", " 1", "1.5", "1e2", "+1", "01", "x", "99999999999999999999", "-1"};
    make_queue("q");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const long good[] = {rows[i].least, rows[i].most}, bad[] = {rows[i].least - 1, rows[i].most + 1};
        for (size_t j = 0; j < 2; j++) {
            char text[32];
            (void)snprintf(text, sizeof text, "%ld", good[j]);
            must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"%s\":\"%s\"}}", rows[i].name, text);
            recorded(AMP_ACT_QUEUE_CHANGE, AMP_OK, "q", 0);
            must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
            assert_string_equal(mapped(rows[i].name), text);
            callf("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"%s\":\"%ld\"}}", rows[i].name, bad[j]);
            refused(AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID);
        }
        for (size_t j = 0; j < sizeof none / sizeof none[0]; j++) {
            callf("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"%s\":\"%s\"}}", rows[i].name, none[j]);
            refused(AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID);
        }
    }
}

static void what_cannot_be_set_is_refused_and_nothing_with_it(void **state)
{
    static const struct {
        const char *name, *value;
        enum amp_err err;
    } rows[] = {
        {"QueueArn", "x", AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID},
        {"CreatedTimestamp", "1", AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID},
        {"ApproximateNumberOfMessages", "1", AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID},
        {"Nonsense", "1", AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID},
        {"All", "1", AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID},
        {"FifoQueue", "true", AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID},
        {"Policy", "{}", AMP_ERR_SQS_UNSUPPORTED},
        {"KmsMasterKeyId", "alias/aws/sqs", AMP_ERR_SQS_UNSUPPORTED},
        {"SqsManagedSseEnabled", "false", AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID},
    };
    make_queue("q");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        callf("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"DelaySeconds\":\"7\",\"%s\":\"%s\"}}", rows[i].name,
              rows[i].value);
        refused(rows[i].err);
        must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"DelaySeconds\"]}");
        assert_string_equal(mapped("DelaySeconds"), "0");
    }
    must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"Policy\":\"\",\"KmsMasterKeyId\":\"\","
                                          "\"SqsManagedSseEnabled\":\"true\"}}");
}

#define REDRIVE(target, count) "{\\\"deadLetterTargetArn\\\":\\\"" target "\\\",\\\"maxReceiveCount\\\":" count "}"

static void set_redrive(const char *queue, const char *policy)
{
    callf("SetQueueAttributes",
          "{\"QueueUrl\":\"https://h/000000000000/%s\",\"Attributes\":{\"RedrivePolicy\":\"%s\"}}", queue, policy);
}

static void a_redrive_policy_names_a_queue_that_is_there(void **state)
{
    static const char *const bad[] = {
        "x",
        "{}",
        "[]",
        "{\\\"maxReceiveCount\\\":3}",
        REDRIVE(ARN("dead"), "0"),
        REDRIVE(ARN("dead"), "1001"),
        REDRIVE(ARN("dead"), "-1"),
        REDRIVE(ARN("dead"), "\\\"x\\\""),
        REDRIVE(ARN("dead"), "1.5"),
        REDRIVE("dead", "3"),
        REDRIVE("arn:aws:sns:us-east-1:000000000000:dead", "3"),
        REDRIVE("arn:aws:sqs:us-east-1:000000000001:dead", "3"),
        REDRIVE("arn:aws:sqs::000000000000:dead", "3"),
        REDRIVE(ARN("gone"), "3"),
        REDRIVE(ARN("q"), "3"),
        REDRIVE(ARN("dead.fifo"), "3"),
        "{\\\"deadLetterTargetArn\\\":\\\"" ARN("dead") "\\\",\\\"maxReceiveCount\\\":3,\\\"x\\\":1}",
    };
    make_queue("q");
    make_queue("dead");
    make_queue("dead.fifo");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set_redrive("q", bad[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    set_redrive("q", REDRIVE("arn:aws:sqs:eu-central-1:000000000000:dead", "\\\"3\\\""));
    assert_int_equal(answer.response.status, 200);
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"RedrivePolicy\"]}");
    assert_string_equal(mapped("RedrivePolicy"), "{\"deadLetterTargetArn\":\"" ARN("dead") "\",\"maxReceiveCount\":3}");
    set_redrive("q", "{\\\"deadLetterTargetArn\\\":\\\"" ARN("dead") "\\\"}");
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"RedrivePolicy\"]}");
    assert_string_equal(mapped("RedrivePolicy"),
                        "{\"deadLetterTargetArn\":\"" ARN("dead") "\",\"maxReceiveCount\":10}");
    must("ListDeadLetterSourceQueues", "{" Q("dead") "}");
    assert_int_equal(items("queueUrls", "QueueUrl"), 1);
    must("ListDeadLetterSourceQueues", "{" Q("q") "}");
    assert_int_equal(items("queueUrls", "QueueUrl"), 0);
    set_redrive("q", "");
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
    assert_null(mapped("RedrivePolicy"));
}

static void a_dead_letter_queue_says_whose_it_is(void **state)
{
#define ALLOW(queue, policy)                                                                                           \
    must("SetQueueAttributes", "{" Q(queue) ",\"Attributes\":{\"RedriveAllowPolicy\":\"" policy "\"}}")
    static const char *const bad[] = {
        "x",
        "{}",
        "{\\\"redrivePermission\\\":\\\"some\\\"}",
        "{\\\"redrivePermission\\\":\\\"byQueue\\\"}",
        "{\\\"redrivePermission\\\":\\\"byQueue\\\",\\\"sourceQueueArns\\\":[]}",
        "{\\\"redrivePermission\\\":\\\"denyAll\\\",\\\"sourceQueueArns\\\":[\\\"" ARN("q") "\\\"]}",
        "{\\\"redrivePermission\\\":\\\"byQueue\\\",\\\"sourceQueueArns\\\":[\\\"q\\\"]}",
    };
    make_queue("q");
    make_queue("dead");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("SetQueueAttributes", "{" Q("dead") ",\"Attributes\":{\"RedriveAllowPolicy\":\"%s\"}}", bad[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    ALLOW("dead", "{\\\"redrivePermission\\\":\\\"denyAll\\\"}");
    set_redrive("q", REDRIVE(ARN("dead"), "3"));
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    ALLOW("dead", "{\\\"redrivePermission\\\":\\\"byQueue\\\",\\\"sourceQueueArns\\\":[\\\"" ARN("other") "\\\"]}");
    set_redrive("q", REDRIVE(ARN("dead"), "3"));
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    ALLOW("dead", "{\\\"redrivePermission\\\":\\\"byQueue\\\",\\\"sourceQueueArns\\\":[\\\"" ARN(
                      "other") "\\\",\\\"" ARN("q") "\\\"]}");
    set_redrive("q", REDRIVE(ARN("dead"), "3"));
    assert_int_equal(answer.response.status, 200);
    must("GetQueueAttributes", "{" Q("dead") ",\"AttributeNames\":[\"RedriveAllowPolicy\"]}");
    assert_string_equal(mapped("RedriveAllowPolicy"), "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"" ARN(
                                                          "other") "\",\"" ARN("q") "\"]}");
    ALLOW("dead", "{\\\"redrivePermission\\\":\\\"allowAll\\\"}");
    must("GetQueueAttributes", "{" Q("dead") ",\"AttributeNames\":[\"All\"]}");
    assert_string_equal(mapped("RedriveAllowPolicy"), "{\"redrivePermission\":\"allowAll\"}");
    set_redrive("q", REDRIVE(ARN("dead"), "4"));
    assert_int_equal(answer.response.status, 200);
    ALLOW("dead", "");
    must("GetQueueAttributes", "{" Q("dead") ",\"AttributeNames\":[\"All\"]}");
    assert_null(mapped("RedriveAllowPolicy"));
    set_redrive("q", REDRIVE(ARN("dead"), "5"));
    assert_int_equal(answer.response.status, 200);
}

static void eleven_sources_are_too_many(void **state)
{
    char policy[2048] = "{\\\"redrivePermission\\\":\\\"byQueue\\\",\\\"sourceQueueArns\\\":[";
    make_queue("dead");
    for (int i = 0; i < 11; i++) {
        add(policy, sizeof policy, "%s\\\"" ARN("q") "%d\\\"", i == 0 ? "" : ",", i);
    }
    add(policy, sizeof policy, "]}");
    callf("SetQueueAttributes", "{" Q("dead") ",\"Attributes\":{\"RedriveAllowPolicy\":\"%s\"}}", policy);
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
}

static void arns_have_the_callers_region(void **state)
{
    make_queue("q");
    fx.authorization = "AWS4-HMAC-SHA256 Credential=AMPKAAAAAAAAAAAAAAAA/20260202/eu-central-1/sqs/aws4_request, "
                       "SignedHeaders=host, Signature=00";
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"QueueArn\"]}");
    assert_string_equal(mapped("QueueArn"), "arn:aws:sqs:eu-central-1:000000000000:q");
}

static void lists_come_in_pages(void **state)
{
    char seen[4096] = "";
    char *token = NULL;
    for (int i = 0; i < 7; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "a%d", i);
        make_queue(name);
    }
    make_queue("b");
    must("ListQueues", "{}");
    assert_int_equal(items("QueueUrls", "QueueUrl"), 8);
    assert_null(said("NextToken"));
    recorded(AMP_ACT_QUEUE_READ, AMP_OK, "", 0);
    for (int page = 0; page < 3; page++) {
        if (page == 0)
            must("ListQueues", "{\"QueueNamePrefix\":\"a\",\"MaxResults\":3}");
        else
            must("ListQueues", "{\"QueueNamePrefix\":\"a\",\"MaxResults\":3,\"NextToken\":\"%s\"}", token);
        assert_int_equal(items("QueueUrls", "QueueUrl"), page < 2 ? 3 : 1);
        add(seen, sizeof seen, "%s", answer.text);
        free(token);
        token = said("NextToken") != NULL ? strdup(said("NextToken")) : NULL;
        assert_int_equal(token != NULL, page < 2);
    }
    for (int i = 0; i < 7; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "/000000000000/a%d", i);
        char *at = strstr(seen, url);
        assert_non_null(at);
        assert_null(strstr(at + 1, url));
    }
}

static void pages_and_their_sizes_are_checked(void **state)
{
    static const char *const tokens[] = {"", "x", "AAAA", "AWE="};
    static const int sizes[] = {0, 1001, -1};
    make_queue("a");
    make_queue("b");
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        callf("ListQueues", "{\"NextToken\":\"%s\"}", tokens[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        callf("ListQueues", "{\"MaxResults\":%d}", sizes[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    must("ListQueues", "{\"MaxResults\":1}");
    char *token = copy(said("NextToken"));
    refused_for_any_other(token, "ListQueues", "{\"NextToken\":", AMP_ERR_SQS_PARAMETER_INVALID);
    callf("ListDeadLetterSourceQueues", "{" Q("a") ",\"NextToken\":\"%s\"}", token);
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
}

static void nobody_is_told_of_others_queues(void **state)
{
    make_queue("payments");
    make_queue("refunds");
    static const unsigned seeing[] = {AMP_MAY_SEND, AMP_MAY_RECEIVE, AMP_MAY_MANAGE};
    fx.who = &fx.gateway;
    must("ListQueues", "{}");
    assert_int_equal(items("QueueUrls", "QueueUrl"), 0);
    for (size_t i = 0; i < 3; i++) {
        fx.gateway.grants[0].permissions = seeing[i];
        must("ListQueues", "{\"MaxResults\":1}");
        assert_int_equal(items("QueueUrls", "QueueUrl"), 1);
        assert_non_null(strstr(answer.text, URL("payments")));
        assert_null(strstr(answer.text, "refunds"));
        assert_null(said("NextToken"));
    }
}

static void tags_are_kept_changed_and_removed(void **state)
{
    make_queue("q");
    must("ListQueueTags", "{" Q("q") "}");
    assert_null(mapped("team"));
    must("TagQueue", "{" Q("q") ",\"Tags\":{\"team\":\"pay & co\",\"empty\":\"\"}}");
    recorded(AMP_ACT_QUEUE_CHANGE, AMP_OK, "q", 0);
    must("ListQueueTags", "{" Q("q") "}");
    assert_string_equal(mapped("team"), "pay & co");
    assert_string_equal(mapped("empty"), "");
    must("TagQueue", "{" Q("q") ",\"Tags\":{\"team\":\"core\"}}");
    must("UntagQueue", "{" Q("q") ",\"TagKeys\":[\"empty\",\"never\"]}");
    must("ListQueueTags", "{" Q("q") "}");
    assert_string_equal(mapped("team"), "core");
    assert_null(mapped("empty"));
}

static void tags_have_limits(void **state)
{
    char long_key[130] = {0}, long_value[258] = {0};
    memset(long_key, 'k', 129);
    memset(long_value, 'v', 257);
    make_queue("q");
    callf("TagQueue", "{" Q("q") ",\"Tags\":{\"%s\":\"x\"}}", long_key);
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    callf("TagQueue", "{" Q("q") ",\"Tags\":{\"x\":\"%s\"}}", long_value);
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    call("TagQueue", "{" Q("q") ",\"Tags\":{\"\":\"x\"}}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    call("TagQueue", "{" Q("q") ",\"Tags\":{\"aws:x\":\"x\"}}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    for (int i = 0; i < 50; i++)
        must("TagQueue", "{" Q("q") ",\"Tags\":{\"t%d\":\"x\"}}", i);
    call("TagQueue", "{" Q("q") ",\"Tags\":{\"t50\":\"x\"}}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    long_key[128] = '\0';
    long_value[256] = '\0';
    must("UntagQueue", "{" Q("q") ",\"TagKeys\":[\"t0\"]}");
    must("TagQueue", "{" Q("q") ",\"Tags\":{\"%s\":\"%s\"}}", long_key, long_value);
}

static void the_ttl_tag_bounds_every_messages_life(void **state)
{
    static const char *const bad[] = {"999", "1209600001", "", "x", "-1", "1e4"};
    make_queue("q");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("TagQueue", "{" Q("q") ",\"Tags\":{\"ampoule:ttl-ms\":\"%s\"}}", bad[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    call("TagQueue", "{" Q("q") ",\"Tags\":{\"ampoule:ttl\":\"1000\"}}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    must("TagQueue", "{" Q("q") ",\"Tags\":{\"ampoule:ttl-ms\":\"1000\"}}");
    send_one("q", "hello");
    amp_clock_fake_advance(&fx.hands, 999);
    assert_non_null(receive_one("q"));
    send_one("q", "hello");
    amp_clock_fake_advance(&fx.hands, 1001);
    assert_null(receive_one("q"));
    must("UntagQueue", "{" Q("q") ",\"TagKeys\":[\"ampoule:ttl-ms\"]}");
    send_one("q", "hello");
    amp_clock_fake_advance(&fx.hands, 1001);
    assert_non_null(receive_one("q"));
    must("CreateQueue", "{\"QueueName\":\"short\",\"tags\":{\"ampoule:ttl-ms\":\"1000\"}}");
    send_one("short", "hello");
    amp_clock_fake_advance(&fx.hands, 1001);
    assert_null(receive_one("short"));
    call("CreateQueue", "{\"QueueName\":\"wrong\",\"tags\":{\"ampoule:ttl-ms\":\"1\"}}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
}

static void a_deleted_queue_is_gone_and_its_name_held(void **state)
{
    make_queue("q");
    send_one("q", "one");
    send_one("q", "two");
    must("DeleteQueue", "{" Q("q") "}");
    recorded(AMP_ACT_QUEUE_DELETE, AMP_OK, "q", 2);
    call("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\"}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
    call("DeleteQueue", "{" Q("q") "}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
    call("CreateQueue", "{\"QueueName\":\"q\"}");
    refused(AMP_ERR_QUEUE_DELETED_RECENTLY);
    amp_clock_fake_advance(&fx.hands, 60001);
    make_queue("q");
    assert_null(receive_one("q"));
}

static void a_purge_empties_once_a_minute(void **state)
{
    make_queue("q");
    send_one("q", "one");
    send_one("q", "two");
    must("PurgeQueue", "{" Q("q") "}");
    recorded(AMP_ACT_QUEUE_PURGE, AMP_OK, "q", 2);
    assert_null(receive_one("q"));
    call("PurgeQueue", "{" Q("q") "}");
    refused(AMP_ERR_PURGE_IN_PROGRESS);
    assert_int_equal(answer.response.status, 403);
    amp_clock_fake_advance(&fx.hands, 60001);
    must("PurgeQueue", "{" Q("q") "}");
    call("PurgeQueue", "{" Q("none") "}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
}

static void counts_are_told(void **state)
{
    make_queue("q");
    send_one("q", "one");
    send_one("q", "two");
    must("SendMessage", "{" Q("q") ",\"MessageBody\":\"x\",\"DelaySeconds\":10}");
    assert_non_null(receive_one("q"));
    must("GetQueueAttributes", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
    assert_string_equal(mapped("ApproximateNumberOfMessages"), "1");
    assert_string_equal(mapped("ApproximateNumberOfMessagesNotVisible"), "1");
    assert_string_equal(mapped("ApproximateNumberOfMessagesDelayed"), "1");
}

static void as_many_queues_as_may_be(void **state)
{
    for (int i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "q%d", i);
        make_queue(name);
    }
    call("CreateQueue", "{\"QueueName\":\"more\"}");
    refused(AMP_ERR_OVER_LIMIT);
    must("ListQueues", "{}");
    assert_int_equal(items("QueueUrls", "QueueUrl"), 100);
}

static void a_subscribed_queue_is_made_by_its_first_message(void **state)
{
    struct amp_subscription it = subscription_of(1, "pushed", NULL);
    assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
    fx.available = 1;
    must("GetQueueUrl", "{\"QueueName\":\"pushed\"}");
    assert_string_equal(said("QueueUrl"), URL("pushed"));
    call("GetQueueAttributes", "{" Q("pushed") "}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
    send_one("pushed", "hello");
    assert_int_equal(fx.announced, 1);
    assert_non_null(receive_one("pushed"));
    call("SendMessage", "{" Q("other") ",\"MessageBody\":\"x\"}");
    refused(AMP_ERR_QUEUE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_queue_is_made_and_has_its_url),
        BOTH(names_have_a_form_and_hold_no_card_number),
        BOTH(queue_urls_lead_to_queues_alone),
        BOTH(a_queue_made_again_is_the_same_or_refused),
        BOTH(fifo_queues_are_called_so),
        BOTH(every_attribute_has_its_default),
        BOTH(numbers_are_taken_at_both_ends),
        BOTH(what_cannot_be_set_is_refused_and_nothing_with_it),
        BOTH(a_redrive_policy_names_a_queue_that_is_there),
        BOTH(a_dead_letter_queue_says_whose_it_is),
        BOTH(eleven_sources_are_too_many),
        BOTH(arns_have_the_callers_region),
        BOTH(lists_come_in_pages),
        BOTH(pages_and_their_sizes_are_checked),
        BOTH(nobody_is_told_of_others_queues),
        BOTH(tags_are_kept_changed_and_removed),
        BOTH(tags_have_limits),
        BOTH(the_ttl_tag_bounds_every_messages_life),
        BOTH(a_deleted_queue_is_gone_and_its_name_held),
        BOTH(a_purge_empties_once_a_minute),
        BOTH(counts_are_told),
        BOTH(as_many_queues_as_may_be),
        BOTH(a_subscribed_queue_is_made_by_its_first_message),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
