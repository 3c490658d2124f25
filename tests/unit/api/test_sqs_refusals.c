/* What the SQS API refuses, and in which words (spec section 4): requests that are none, and who may do what. */
#include "sqs_support.h"

#include "api/internal.h"
#include "wire/sqs.h"

#define RECEIPT "\"ReceiptHandle\":\"x\""
#define ENTRY   "\"Entries\":[{\"Id\":\"a\","

/* Every action with members that it takes; "%s" stands for what names the queue. */
static const struct {
    const char *action;
    const char *members;
    enum { BY_URL, BY_NAME, BY_ARN } naming;
    unsigned permissions; /* any of them */
    enum amp_act act;
    enum amp_err err; /* where permitted */
} calls[AMP_SQS_ACTION_COUNT_] = {
#define SEE (AMP_MAY_SEND | AMP_MAY_RECEIVE | AMP_MAY_MANAGE)
#define ROW(name, members, naming, permissions, act, err)                                                              \
    [AMP_SQS_##name] = {NULL, members, naming, permissions, AMP_ACT_##act, err}
    ROW(ADD_PERMISSION, ",\"Label\":\"l\",\"AWSAccountIds\":[\"1\"],\"Actions\":[\"*\"]", BY_URL, AMP_MAY_MANAGE,
        QUEUE_CHANGE, AMP_ERR_SQS_UNSUPPORTED),
    ROW(REMOVE_PERMISSION, ",\"Label\":\"l\"", BY_URL, AMP_MAY_MANAGE, QUEUE_CHANGE, AMP_ERR_SQS_UNSUPPORTED),
    ROW(CHANGE_MESSAGE_VISIBILITY, "," RECEIPT ",\"VisibilityTimeout\":1", BY_URL, AMP_MAY_RECEIVE, MESSAGE_HIDE,
        AMP_ERR_RECEIPT_INVALID),
    ROW(CHANGE_MESSAGE_VISIBILITY_BATCH, "," ENTRY RECEIPT ",\"VisibilityTimeout\":1}]", BY_URL, AMP_MAY_RECEIVE,
        MESSAGE_HIDE, AMP_OK),
    ROW(CREATE_QUEUE, "", BY_NAME, AMP_MAY_MANAGE, QUEUE_CREATE, AMP_OK),
    ROW(DELETE_MESSAGE, "," RECEIPT, BY_URL, AMP_MAY_RECEIVE, MESSAGE_DELETE, AMP_ERR_RECEIPT_INVALID),
    ROW(DELETE_MESSAGE_BATCH, "," ENTRY RECEIPT "}]", BY_URL, AMP_MAY_RECEIVE, MESSAGE_DELETE, AMP_OK),
    ROW(DELETE_QUEUE, "", BY_URL, AMP_MAY_MANAGE, QUEUE_DELETE, AMP_OK),
    ROW(GET_QUEUE_ATTRIBUTES, "", BY_URL, SEE, QUEUE_READ, AMP_OK),
    ROW(GET_QUEUE_URL, "", BY_NAME, SEE, QUEUE_READ, AMP_OK),
    ROW(LIST_DEAD_LETTER_SOURCE_QUEUES, "", BY_URL, SEE, QUEUE_READ, AMP_OK),
    ROW(LIST_MESSAGE_MOVE_TASKS, "", BY_ARN, SEE, QUEUE_READ, AMP_OK),
    ROW(LIST_QUEUE_TAGS, "", BY_URL, SEE, QUEUE_READ, AMP_OK),
    ROW(PURGE_QUEUE, "", BY_URL, AMP_MAY_MANAGE, QUEUE_PURGE, AMP_OK),
    ROW(RECEIVE_MESSAGE, "", BY_URL, AMP_MAY_RECEIVE, MESSAGE_RECEIVE, AMP_OK),
    ROW(SEND_MESSAGE, ",\"MessageBody\":\"x\"", BY_URL, AMP_MAY_SEND, MESSAGE_SEND, AMP_OK),
    ROW(SEND_MESSAGE_BATCH, "," ENTRY "\"MessageBody\":\"x\"}]", BY_URL, AMP_MAY_SEND, MESSAGE_SEND, AMP_OK),
    ROW(SET_QUEUE_ATTRIBUTES, ",\"Attributes\":{\"DelaySeconds\":\"1\"}", BY_URL, AMP_MAY_MANAGE, QUEUE_CHANGE, AMP_OK),
    ROW(START_MESSAGE_MOVE_TASK, "", BY_ARN, AMP_MAY_MANAGE, QUEUE_MOVE, AMP_ERR_MOVE_SOURCE_INVALID),
    ROW(TAG_QUEUE, ",\"Tags\":{\"a\":\"b\"}", BY_URL, AMP_MAY_MANAGE, QUEUE_CHANGE, AMP_OK),
    ROW(UNTAG_QUEUE, ",\"TagKeys\":[\"a\"]", BY_URL, AMP_MAY_MANAGE, QUEUE_CHANGE, AMP_OK),
};

static int call_of(size_t i, const char *queue)
{
    static const char *const naming[] = {"\"QueueUrl\":\"https://h/000000000000/", "\"QueueName\":\"",
                                         "\"SourceArn\":\"arn:aws:sqs:us-east-1:000000000000:"};
    return callf(amp_sqs_action_name((enum amp_sqs_action)i), "{%s%s\"%s}", naming[calls[i].naming], queue,
                 calls[i].members);
}

static void each_permission_opens_its_actions_on_its_queue_alone(void **state)
{
    static const char *const queues[] = {"payments", "refunds", "none"};
    fx.who = &fx.shop;
    for (size_t i = 0; i < AMP_SQS_ACTION_COUNT_; i++) {
        if (calls[i].members == NULL)
            continue; /* ListQueues and CancelMessageMoveTask name no queue */
        for (unsigned bit = 0; bit < 7; bit++) {
            for (size_t q = 0; q < 3; q++) {
                bool may = (calls[i].permissions & 1u << bit) != 0 && q == 0;
                amp_clock_fake_advance(&fx.hands, 1);
                fixture_teardown(state);
                fixture_setup(state);
                make_queue("payments");
                make_queue("refunds");
                fx.who = &fx.gateway;
                fx.gateway.grants[0].permissions = 1u << bit;
                call_of(i, queues[q]);
                enum amp_err err = may ? calls[i].err : AMP_ERR_NOT_PERMITTED; /* before whether it is there */
                if (answer.response.err != err)
                    fail_msg("%s, permission %u on %s: %s", amp_sqs_action_name((enum amp_sqs_action)i), bit, queues[q],
                             answer.text);
                if (!may) {
                    assert_int_equal(last_event()->event.act, calls[i].act);
                    assert_string_equal(last_event()->queue, queues[q]);
                    refused(AMP_ERR_NOT_PERMITTED);
                    assert_int_equal(answer.response.status, 403);
                }
            }
        }
    }
}

static void what_is_not_there_is_told_to_who_may_know(void **state)
{
    for (size_t i = 0; i < AMP_SQS_ACTION_COUNT_; i++) {
        if (calls[i].members == NULL || i == AMP_SQS_CREATE_QUEUE || calls[i].err == AMP_ERR_SQS_UNSUPPORTED)
            continue;
        call_of(i, "none");
        refused(calls[i].naming == BY_ARN ? AMP_ERR_RESOURCE_NOT_FOUND : AMP_ERR_QUEUE_UNKNOWN);
        recorded(calls[i].act, answer.response.err, "none", 0);
    }
}

static void required_parameters_are_required(void **state)
{
    for (size_t i = 0; i < AMP_SQS_ACTION_COUNT_; i++) {
        if (i == AMP_SQS_LIST_QUEUES)
            continue;
        call(amp_sqs_action_name((enum amp_sqs_action)i), "{}");
        refused(AMP_ERR_SQS_MISSING_PARAMETER);
        assert_string_equal(last_event()->queue, "");
        if (calls[i].members != NULL)
            assert_int_equal(last_event()->event.act, calls[i].act);
    }
}

static void other_members_are_refused(void **state)
{
    make_queue("q");
    call("ReceiveMessage", "{" Q("q") ",\"Surprise\":\"x\"}");
    refused(AMP_ERR_UNKNOWN_FIELD);
    call("DeleteQueue", "{" Q("q") ",\"MessageBody\":\"x\"}");
    refused(AMP_ERR_UNKNOWN_FIELD);
    call("Send", "{" Q("q") "}");
    refused(AMP_ERR_SQS_INVALID_ACTION);
    recorded(AMP_ACT_REQUEST, AMP_ERR_SQS_INVALID_ACTION, "", 0);
    fx.query = "Action=SendMessage";
    call("ListQueues", "{}");
    refused(AMP_ERR_QUERY_REFUSED);
}

static void requests_speak_one_of_two_protocols(void **state)
{
    static const char *const types[] = {NULL, "application/json", "text/plain", "application/x-amz-json-1.2",
                                        "application/x-www-form-urlencodedx"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        in_xml = true; /* without X-Amz-Target it is taken for a form that is none */
        fx.content_type = types[i];
        fx.target = NULL;
        post("/", "Action=ListQueues");
        refused(AMP_ERR_UNSUPPORTED_MEDIA_TYPE);
        assert_string_equal(answer.response.content_type, "text/xml");
        in_xml = false;
        fx.target = "AmazonSQS.ListQueues";
        post("/", "{}");
        refused(AMP_ERR_UNSUPPORTED_MEDIA_TYPE);
        assert_string_equal(answer.response.content_type, "application/x-amz-json-1.0");
    }
    fx.content_type = "application/x-amz-json-1.0";
    fx.target = NULL;
    post("/", "{}");
    assert_int_equal(answer.response.err, AMP_ERR_SQS_MISSING_ACTION);
    fx.target = "AmazonSNS.ListQueues";
    post("/", "{}");
    refused(AMP_ERR_SQS_INVALID_ACTION);
    fx.target = "AmazonSQS.ListQueues";
    post("/", "{");
    refused(AMP_ERR_MALFORMED_JSON);
    post("/", "[]");
    assert_int_equal(answer.response.status, 400);
    in_xml = true;
    fx.target = NULL;
    fx.content_type = "application/x-www-form-urlencoded";
    post("/", "");
    refused(AMP_ERR_SQS_MISSING_ACTION);
    post("/", "Action=ListQueues&Action=SendMessage");
    refused(AMP_ERR_MALFORMED_REQUEST);
    post("/", "Action=ListQueues&Version=2012-11-05&AWSAccessKeyId=x&Signature=y");
    refused(AMP_ERR_PRESIGNED_REFUSED);
}

/* SDKs of the query protocol send to the queue's own URL. */
static void the_path_names_the_queue_of_a_form(void **state)
{
    make_queue("q");
    in_xml = true;
    fx.target = NULL;
    fx.content_type = "application/x-www-form-urlencoded";
    assert_int_equal(post("/000000000000/q", "Action=SendMessage&MessageBody=hello"), 200);
    assert_int_equal(post("/000000000000/q", "Action=ReceiveMessage&QueueUrl=https%3A%2F%2Fh%2F000000000000%2Fq"), 200);
    assert_string_equal(said("Body"), "hello");
    post("/000000000000/q", "Action=ReceiveMessage&QueueUrl=https%3A%2F%2Fh%2F000000000000%2Fother");
    refused(AMP_ERR_SQS_ADDRESS_INVALID);
    post("/000000000000/other", "Action=ReceiveMessage");
    refused(AMP_ERR_QUEUE_UNKNOWN);
    post("/", "Action=ReceiveMessage");
    refused(AMP_ERR_SQS_MISSING_PARAMETER);
    post("/000000000000/4111111111111111", "Action=ReceiveMessage");
    refused(AMP_ERR_QUEUE_UNKNOWN);
    assert_string_equal(last_event()->queue, "");
}

static void no_refusal_repeats_what_was_sent(void **state)
{
    static const char *const members[] = {
        "\"MessageBody\":\"4111111111111111\\u0001\"",
        "\"MessageBody\":\"4111111111111111\",\"4111111111111111\":1",
        "\"MessageBody\":\"x\",\"DelaySeconds\":4111111111111111",
        "\"MessageBody\":\"x\",\"MessageGroupId\":\"4111111111111111 \"",
        "\"MessageBody\":\"x\",\"MessageAttributes\":{\"4111111111111111\":{\"DataType\":\"x\",\"StringValue\":\"1\"}}",
    };
    make_queue("q");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        callf("SendMessage", "{" Q("q") ",%s}", members[i]);
        assert_int_equal(answer.response.status, 400);
        assert_null(strstr(answer.text, "4111"));
    }
    call("GetQueueUrl", "{\"QueueName\":\"4111111111111111\"}");
    assert_null(strstr(answer.text, "4111"));
    must("SendMessageBatch", "{" Q("q") ",\"Entries\":[{\"Id\":\"a\",%s}]}", members[0]);
    assert_null(strstr(answer.text, "4111"));
}

/* Before anybody knows who signed it. */
static void refusals_take_the_form_of_their_route(void **state)
{
    static struct amp_http1_head head = {.method = AMP_METHOD_POST, .field_count = 1};
    static const char *const types[] = {"application/x-amz-json-1.0", "application/x-www-form-urlencoded"};
    const struct amp_event event = {.act = AMP_ACT_REQUEST, .request_id = 0x0123456789abcdef};
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    struct amp_api_response response;
    assert_int_equal(amp_api_route(AMP_METHOD_GET, AMP_SLICE_LIT("/"), &route, &id, &allow),
                     AMP_ERR_METHOD_NOT_ALLOWED);
    for (int xml = 0; xml < 2; xml++) {
        head.fields[0] = (struct amp_http1_field){AMP_SLICE_LIT("content-type"), amp_slice_str(types[xml])};
        for (int err = 1; err < AMP_ERR_COUNT_; err++) {
            amp_api_refuse(fx.api, route, &head, &event, (enum amp_err)err, allow, 7, &response);
            assert_string_equal(response.content_type, xml ? "text/xml" : "application/x-amz-json-1.0");
            assert_string_equal(response.allow, "POST");
            assert_int_equal(response.retry_after_s, 7);
            assert_non_null(strchr(response.query_error, ';'));
            assert_non_null(memmem(response.body.ptr, response.body.len, xml ? "<Code>" : "\"__type\":", 6));
            assert_true(err < AMP_ERR_AGAIN || response.status == 500);
            amp_api_response_fini(&response);
        }
    }
    amp_api_refuse(fx.api, route, NULL, &event, AMP_ERR_OVERLOADED, NULL, 0, &response);
    assert_string_equal(response.content_type, "application/x-amz-json-1.0");
    assert_int_equal(response.status, 503);
    amp_api_response_fini(&response);
    assert_int_equal(amp_api_route(AMP_METHOD_POST, AMP_SLICE_LIT("/v1/tokens"), &route, &id, &allow), AMP_OK);
    amp_api_refuse(fx.api, route, &head, &event, AMP_ERR_NOT_SIGNED, NULL, 0, &response);
    assert_string_equal(response.content_type, "application/problem+json");
    assert_null(response.query_error);
    amp_api_response_fini(&response);
}

/* Move tasks */

static void make_dead_letters(size_t count)
{
    make_queue("q");
    make_queue("dead");
    must("SetQueueAttributes",
         "{" Q("q") ",\"Attributes\":{\"VisibilityTimeout\":\"0\",\"RedrivePolicy\":\""
                    "{\\\"deadLetterTargetArn\\\":\\\"" ARN("dead") "\\\",\\\"maxReceiveCount\\\":1}\"}}");
    for (size_t i = 0; i < count; i++)
        send_one("q", "hello");
    for (size_t i = 0; i < 2 * count; i++)
        (void)receive_one("q");
    assert_null(receive_one("q"));
}

static void sweep(void)
{
    struct amp_engine_swept swept = {0};
    amp_clock_fake_advance(&fx.hands, 1000);
    while (fx.queues.ops->sweep(fx.queues.self, 0, 1, 1000, &swept))
        ;
}

static void a_task_moves_messages_back_to_where_they_came_from(void **state)
{
    make_dead_letters(3);
    must("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\"}");
    recorded(AMP_ACT_QUEUE_MOVE, AMP_OK, "dead", 0);
    assert_true(strlen(said("TaskHandle")) > 20);
    sweep();
    must("ReceiveMessage", "{" Q("q") ",\"MaxNumberOfMessages\":10,\"VisibilityTimeout\":30}");
    assert_int_equal(items("Messages", "Message"), 3);
    must("ListMessageMoveTasks", "{\"SourceArn\":\"" ARN("dead") "\"}");
    assert_int_equal(items("Results", "ListMessageMoveTasksResultEntry"), 1);
    assert_string_equal(said("Status"), "COMPLETED");
    assert_null(said("TaskHandle"));
    assert_string_equal(said("SourceArn"), ARN("dead"));
    assert_null(said("DestinationArn"));
    assert_string_equal(said("ApproximateNumberOfMessagesMoved"), "3");
    assert_string_equal(said("ApproximateNumberOfMessagesToMove"), "3");
    assert_string_equal(said("StartedTimestamp"), "1770000000123");
}

static void a_task_is_cancelled_by_its_handle(void **state)
{
    make_dead_letters(3);
    make_queue("other");
    must("StartMessageMoveTask",
         "{\"SourceArn\":\"" ARN("dead") "\",\"DestinationArn\":\"" ARN("other") "\","
                                                                                 "\"MaxNumberOfMessagesPerSecond\":1}");
    char *handle = copy(said("TaskHandle"));
    callf("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\"}");
    refused(AMP_ERR_MOVE_SOURCE_INVALID); /* one runs */
    must("ListMessageMoveTasks", "{\"SourceArn\":\"" ARN("dead") "\",\"MaxResults\":10}");
    assert_string_equal(said("Status"), "RUNNING");
    assert_string_equal(said("TaskHandle"), handle);
    assert_string_equal(said("DestinationArn"), ARN("other"));
    assert_string_equal(said("MaxNumberOfMessagesPerSecond"), "1");
    fx.who = &fx.gateway;
    fx.gateway.grants[0].permissions = AMP_MAY_ALL; /* on payments */
    callf("CancelMessageMoveTask", "{\"TaskHandle\":\"%s\"}", handle);
    refused(AMP_ERR_NOT_PERMITTED);
    assert_string_equal(last_event()->queue, "dead");
    fx.who = &fx.shop;
    refused_for_any_other(handle, "CancelMessageMoveTask", "{\"TaskHandle\":", AMP_ERR_SQS_PARAMETER_INVALID);
    must("CancelMessageMoveTask", "{\"TaskHandle\":\"%s\"}", handle);
    assert_non_null(said("ApproximateNumberOfMessagesMoved"));
    recorded(AMP_ACT_QUEUE_MOVE, AMP_OK, "dead", 0);
    callf("CancelMessageMoveTask", "{\"TaskHandle\":\"%s\"}", handle);
    refused(AMP_ERR_RESOURCE_NOT_FOUND);
}

static void a_move_takes_permission_on_both_ends(void **state)
{
    make_dead_letters(1);
    make_queue("other");
    fx.who = &fx.gateway;
    fx.gateway.grants[0] = (struct amp_grant){.permissions = AMP_MAY_MANAGE, .queue_len = 4, .queue = "dead"};
    call("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\",\"DestinationArn\":\"" ARN("other") "\"}");
    refused(AMP_ERR_NOT_PERMITTED);
    call("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\"}");
    refused(AMP_ERR_NOT_PERMITTED); /* "q" would get them */
    fx.gateway.grants[1] = (struct amp_grant){.permissions = AMP_MAY_MANAGE, .queue_len = 1, .queue = "q"};
    fx.gateway.grant_count = 2;
    must("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\"}");
}

/* Who manages the dead-letter queue and some queue that names it could otherwise send old messages again to one that he
 * may do nothing with. */
static void a_task_moves_nothing_to_a_queue_that_names_its_source_no_more(void **state)
{
    make_dead_letters(1);
    make_queue("p");
    must("SetQueueAttributes", "{" Q("p") ",\"Attributes\":{\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":\\\"" ARN(
                                   "dead") "\\\",\\\"maxReceiveCount\\\":1}\"}}");
    must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"RedrivePolicy\":\"\"}}");
    fx.who = &fx.gateway;
    fx.gateway.grants[0] = (struct amp_grant){.permissions = AMP_MAY_MANAGE, .queue_len = 4, .queue = "dead"};
    fx.gateway.grants[1] = (struct amp_grant){.permissions = AMP_MAY_MANAGE, .queue_len = 1, .queue = "p"};
    fx.gateway.grant_count = 2;
    must("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\"}");
    sweep();
    fx.who = &fx.shop;
    assert_null(receive_one("q"));
    must("ListMessageMoveTasks", "{\"SourceArn\":\"" ARN("dead") "\"}");
    assert_string_equal(said("Status"), "FAILED");
    assert_string_equal(said("ApproximateNumberOfMessagesMoved"), "0");
    assert_non_null(receive_one("dead"));
}

static struct amp_queue_engine_ops counted_ops;
static size_t list_calls;

static enum amp_err count_list(void *self, const struct amp_queue_query *query, struct amp_queue_name *names,
                               size_t most, size_t *count, bool *more)
{
    list_calls++;
    return fx.queues.ops->list(self, query, names, most, count, more);
}

/* An api whose passes over all queues are counted. */
static void count_passes(void)
{
    list_calls = 0;
    counted_ops = *fx.queues.ops;
    counted_ops.list = count_list;
    fx.config.queues.ops = &counted_ops;
    amp_api_free(fx.api);
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
}

/* However many queues there are, and however few of them the caller may see. */
static void a_list_is_one_pass(void **state)
{
    char name[16];
    fx.who = &fx.shop;
    make_dead_letters(1);
    for (int i = 0; i < 90; i++) {
        (void)snprintf(name, sizeof name, "other-%c%c", 'a' + i / 10, 'a' + i % 10);
        make_queue(name);
    }
    count_passes();
    fx.who = &fx.nobody;
    must("ListQueues", "{}");
    assert_int_equal(items("QueueUrls", "QueueUrl"), 0);
    assert_int_equal(list_calls, 1);
    fx.who = &fx.shop;
    must("ListQueues", "{\"MaxResults\":80}");
    assert_int_equal(items("QueueUrls", "QueueUrl"), 80);
    assert_int_equal(list_calls, 2);
    must("ListDeadLetterSourceQueues", "{" Q("dead") "}");
    assert_int_equal(items("queueUrls", "QueueUrl"), 1);
    assert_int_equal(list_calls, 3);
    must("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\"}");
    assert_int_equal(list_calls, 4);
}

static void a_dead_letter_queue_takes_permission_too(void **state)
{
    make_queue("q");
    make_queue("dead");
    fx.who = &fx.gateway;
    fx.gateway.grants[0] = (struct amp_grant){.permissions = AMP_MAY_MANAGE, .queue_len = 1, .queue = "q"};
    call("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":\\\"" ARN(
                                   "dead") "\\\",\\\"maxReceiveCount\\\":1}\"}}");
    refused(AMP_ERR_NOT_PERMITTED);
    fx.gateway.grants[1] = (struct amp_grant){.permissions = AMP_MAY_SEND, .queue_len = 4, .queue = "dead"};
    fx.gateway.grant_count = 2;
    must("SetQueueAttributes", "{" Q("q") ",\"Attributes\":{\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":\\\"" ARN(
                                   "dead") "\\\",\\\"maxReceiveCount\\\":1}\"}}");
}

static void moves_have_a_form(void **state)
{
    static const char *const bad[] = {
        "\"SourceArn\":\"dead\"",
        "\"SourceArn\":\"arn:aws:sqs:us-east-1:000000000001:dead\"",
        "\"SourceArn\":\"" ARN("dead") "\",\"DestinationArn\":\"q\"",
        "\"SourceArn\":\"" ARN("dead") "\",\"MaxNumberOfMessagesPerSecond\":0",
        "\"SourceArn\":\"" ARN("dead") "\",\"MaxNumberOfMessagesPerSecond\":501",
    };
    make_dead_letters(0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        callf("StartMessageMoveTask", "{%s}", bad[i]);
        refused(AMP_ERR_SQS_PARAMETER_INVALID);
    }
    call("StartMessageMoveTask", "{\"SourceArn\":\"" ARN("dead") "\",\"DestinationArn\":\"" ARN("none") "\"}");
    refused(AMP_ERR_RESOURCE_NOT_FOUND);
    call("ListMessageMoveTasks", "{\"SourceArn\":\"" ARN("dead") "\",\"MaxResults\":11}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
    call("CancelMessageMoveTask", "{\"TaskHandle\":\"\"}");
    refused(AMP_ERR_SQS_PARAMETER_INVALID);
}

/* Where memory ends in the middle of a call, it is refused whole, and what was received can be received again. */
static void no_memory_is_a_refusal_and_loses_nothing(void **state)
{
    void *hoard[4096];
    size_t count = 0;
    make_queue("q");
    for (size_t size = 16384; size >= 16; size /= 2) {
        while (count < 4096 && (hoard[count] = amp_secret_alloc(size)) != NULL)
            count++;
    }
    assert_true(count < 4096);
    int status = 0;
    while (status != 200 && count > 0) {
        fx.event_count = 0;
        amp_secret_free(hoard[--count]);
        status = call("SendMessage", "{" Q("q") ",\"MessageBody\":\"hello\"}");
        assert_true(status == 200 || status == 503);
        struct amp_queue_view view;
        assert_int_equal(fx.queues.ops->look(fx.queues.self, AMP_SLICE_LIT("q"), &view), AMP_OK);
        assert_int_equal(view.available, status == 200);
    }
    while (count < 4096 && (hoard[count] = amp_secret_alloc(16)) != NULL)
        count++;
    const char *body = NULL;
    while (body == NULL && count > 0) {
        fx.event_count = 0;
        amp_secret_free(hoard[--count]);
        status = call("ReceiveMessage", "{" Q("q") ",\"AttributeNames\":[\"All\"]}");
        assert_true(status == 200 || status == 503);
        body = status == 200 ? said("Body") : NULL;
        assert_true(body != NULL || status != 200);
    }
    assert_string_equal(body, "hello");
    while (count > 0)
        amp_secret_free(hoard[--count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(each_permission_opens_its_actions_on_its_queue_alone),
        BOTH(what_is_not_there_is_told_to_who_may_know),
        BOTH(required_parameters_are_required),
        BOTH(other_members_are_refused),
        BOTH(requests_speak_one_of_two_protocols),
        BOTH(the_path_names_the_queue_of_a_form),
        BOTH(no_refusal_repeats_what_was_sent),
        BOTH(refusals_take_the_form_of_their_route),
        BOTH(a_task_moves_messages_back_to_where_they_came_from),
        BOTH(a_task_is_cancelled_by_its_handle),
        BOTH(a_move_takes_permission_on_both_ends),
        BOTH(a_task_moves_nothing_to_a_queue_that_names_its_source_no_more),
        BOTH(a_list_is_one_pass),
        BOTH(a_dead_letter_queue_takes_permission_too),
        BOTH(moves_have_a_form),
        BOTH(no_memory_is_a_refusal_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
