/*
 * What a call leaves behind on the stack: nothing of card or token, whole or in part (PCI SSC FAQ 1042). Each call runs
 * on a thread whose stack is ours to search when it is done.
 */
#include "fixture.h"

#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "wire/sqs.h"

#define PAN        "4539578763621486"
#define STACK_LEN  (1u << 20)
#define WINDOW_LEN 8
#define PAINT      0xa5

static uint8_t *stack;

struct errand {
    const char *path;
    uint8_t *body;
    size_t body_len;
    int status;
    uint8_t *told; /* the answer, in secret memory */
    size_t told_len;
};

/* What lies below the caller's frame, as far as no handler reaches. */
static __attribute__((noinline)) void paint_below(void)
{
    __attribute__((uninitialized)) uint8_t below[64 * 1024];
    memset(below, PAINT, sizeof below);
    __asm__ volatile("" ::"r"(below) : "memory");
}

static void serve_errand(struct errand *errand)
{
    uint8_t first[16]; /* a thread's generator is made by its first use, deeper than any handler goes */
    assert_int_equal(amp_random(first, sizeof first), AMP_OK);
    paint_below();
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    struct amp_api_response response;
    struct amp_http1_head head = {.method = AMP_METHOD_POST, .field_count = 1};
    head.path = amp_slice_str(errand->path);
    head.fields[0] = (struct amp_http1_field){AMP_SLICE_LIT("content-type"), amp_slice_str(fx.content_type)};
    if (fx.target != NULL)
        head.fields[head.field_count++] =
            (struct amp_http1_field){AMP_SLICE_LIT("x-amz-target"), amp_slice_str(fx.target)};
    if (fx.key != NULL)
        head.fields[head.field_count++] =
            (struct amp_http1_field){AMP_SLICE_LIT("idempotency-key"), amp_slice_str(fx.key)};
    assert_int_equal(amp_api_route(AMP_METHOD_POST, amp_slice_str(errand->path), &route, &id, &allow), AMP_OK);
    struct amp_api_request request = {.route = route,
                                      .head = &head,
                                      .who = &fx.shop,
                                      .body = errand->body,
                                      .body_len = errand->body_len,
                                      .event = {.unix_ms = fx.hands.unix_ms, .act = route->act}};
    amp_api_serve(fx.api, &request, &response);
    if (response.gate != 0)
        amp_api_settle(fx.api, &response, true);
    errand->status = response.status;
    errand->told_len = response.body.len;
    errand->told = amp_secret_alloc(response.body.len + 1);
    if (response.body.len != 0)
        memcpy(errand->told, response.body.ptr, response.body.len);
    amp_api_response_fini(&response);
    amp_crypto_thread_fini();
}

static void *run_errand(void *arg)
{
    serve_errand(arg);
    return NULL;
}

/* On a stack that is clean before. */
static void run_on_stack(void *(*what)(void *arg), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    memset(stack, 0, STACK_LEN);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_LEN), 0);
    assert_int_equal(pthread_create(&thread, &attr, what, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attr);
}

/*
 * A call's handler went no deeper than what was wiped behind it: the lowest of the stack that was written to, but for
 * the frames of what wipes, is zero.
 */
static void assert_wiped_to_the_depth(void)
{
    const size_t frames = 256;
    size_t at = 0;
    while (stack[at] != PAINT)
        at++;
    while (stack[at] == PAINT)
        at++;
    for (size_t i = at + frames; i < at + 4096; i++)
        assert_int_equal(stack[i], 0);
}

/* Runs one call so. */
static struct errand run(const char *path, const char *text)
{
    struct errand errand = {.path = path, .body_len = strlen(text)};
    errand.body = amp_secret_alloc(errand.body_len + 1);
    memcpy(errand.body, text, errand.body_len);
    run_on_stack(run_errand, &errand);
    assert_wiped_to_the_depth();
    amp_secret_free(errand.body);
    return errand;
}

static bool stack_holds(const void *secret, size_t len)
{
    for (size_t i = 0; i + WINDOW_LEN <= len; i++) {
        if (memmem(stack, STACK_LEN, (const uint8_t *)secret + i, WINDOW_LEN) != NULL)
            return true;
    }
    return false;
}

static void assert_no_card(void)
{
    assert_false(stack_holds(PAN, strlen(PAN)));
}

/* Neither its text nor its bytes: a token opens what the vault holds. */
static void assert_no_token(const char *text)
{
    uint8_t bytes[AMP_TOKEN_LEN];
    assert_int_equal(amp_token_parse(bytes, "tok_", amp_slice(text, AMP_TOKEN_TEXT_LEN)), AMP_OK);
    assert_false(stack_holds(text + 4, AMP_TOKEN_TEXT_LEN - 4));
    assert_false(stack_holds(bytes, sizeof bytes));
}

/* The next answer may be written where a card was: by then it is wiped. */
static void storage_kept_for_the_next_answer_is_wiped(void **state)
{
    char *token = new_token();
    struct amp_api_response told;
    post_unsettled("/v1/claim", body("token", token));
    settle(true);
    told = answer.response;
    answer.response = (struct amp_api_response){0};
    const uint8_t *storage = told.body.ptr;
    size_t len = told.body.len;
    assert_non_null(memmem(storage, len, NUMBER, strlen(NUMBER)));
    amp_api_done(fx.api, &told);
    assert_null(told.body.ptr);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(storage[i], 0);
    assert_int_equal(get("/healthz"), 200);
    assert_ptr_equal(answer.response.body.ptr, storage);
    assert_string_equal(answer.text, "{\"status\":\"ok\"}");
    assert_int_equal(post("/v1/redeem", body("token", NO_SUCH)), 404);
    struct amp_api_response large = {0};
    assert_int_equal(amp_secret_buf_reserve(&large.body, 20000), AMP_OK);
    amp_api_done(fx.api, &large); /* too large to be kept: the fixture counts */
    amp_api_done(fx.api, &large);
}

static void forget(struct errand *errand)
{
    amp_secret_free(errand->told);
    errand->told = NULL;
}

#define PAN_CARD "{\"number\":\"" PAN "\",\"exp_month\":12,\"exp_year\":2030,\"cvc\":\"123\",\"name\":\"J DOE\"}"

static void no_call_leaves_card_or_token_on_the_stack(void **state)
{
    static const char *const orders[] = {
        "{\"card\":" PAN_CARD ",\"ttl_ms\":10000}",
        "{\"data\":{\"pan\":\"" PAN "\"}}",
        "{\"card\":" PAN_CARD ",\"ttl_ms\":0}",
        "{\"card\":" PAN_CARD ",\"metadata\":{\"pan\":\"\\u0034539578763621486\"}}",
    };
    static const char *const keys[] = {NULL, "key"};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 2; k++) {
            char text[128] = {0};
            fx.key = keys[k];
            struct errand made = run("/v1/tokens", orders[i]);
            fx.key = NULL;
            assert_no_card();
            if (made.status != 201) {
                forget(&made);
                continue;
            }
            (void)snprintf(text, sizeof text, "{\"token\":\"%.47s\"}", (const char *)made.told + 10);
            assert_no_token((const char *)made.told + 10);
            forget(&made);
            static const char *const uses[] = {"/v1/inspect", "/v1/redeem", "/v1/redeem"};
            for (size_t u = 0; u < 3; u++) {
                struct errand used = run(uses[u], text);
                assert_int_equal(used.status, u < 2 ? 200 : 410);
                assert_no_token(text + 10);
                assert_no_card();
                forget(&used);
            }
            amp_clock_fake_advance(&fx.hands, 10000); /* so that the next one with this key is new */
        }
    }
    struct errand batch = run("/v1/tokens/batch", "{\"items\":[{\"card\":" PAN_CARD "},{\"data\":\"" PAN "\"}]}");
    assert_int_equal(batch.status, 200);
    assert_no_card();
    forget(&batch);
}

/* Of an RSA key that nobody has the private half of. */
#define RSA_JWK                                                                                                        \
    "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\""                                                                         \
    "5emSJ9fOTBZIJiiaIt27uF5fu0Gk-"                                                                                    \
    "E_DyGCoExXOOflczGJ3kHEykN_AF7JmnV0ceXN4nUz1AT_8rYJm7iwrLqsk-Z9iuwGDDvq4ChC-yIlZoHGlJbl8PuXHsH4W5B2mj"             \
    "QCJjN8pebncV2ncFrnjiwUgf67QMGVIa73dK5Qrvl2cOCJxo6LF_Ev7jfJrMMEkfK4Lkhw7YXWY2TOaYkodFQSdMsabvJ6yIODRG"             \
    "BPv_ICvCjND8-O5jTg4yo5R5azL_TeP36pm9QrQynA-mt1UMQtfXF--6VZUjSwbsHYadgeEug-"                                       \
    "dWYQDlAkwyYqDuxVddiwiCq06V0S0FAzwUTqpBQ"                                                                          \
    "\"}"

static void *open_for_push(void *arg)
{
    const struct recorded *sent = last_event();
    const struct amp_subscription to = subscription_of('a', "default", NULL);
    assert_int_equal(sent->event.act, AMP_ACT_MESSAGE_SEND);
    assert_int_equal(amp_api_open_for_push(fx.api, AMP_SLICE_LIT("default"), sent->event.token_reference, to.id, arg),
                     AMP_OK);
    amp_crypto_thread_fini();
    return NULL;
}

/* Neither when the card is encrypted to subscribers nor when the courier is given what they are sent. */
static void no_message_leaves_card_or_token_on_the_stack(void **state)
{
    static const char *const keys[] = {JWK, RSA_JWK};
    struct amp_secret_buf pushed = {NULL, 0, 0};
    fx.available = 1;
    for (uint8_t i = 0; i < 2; i++) {
        struct amp_subscription it = subscription_of('a', "default", keys[i]);
        assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
        struct errand made = run("/v1/tokens", "{\"card\":" PAN_CARD "}");
        assert_int_equal(made.status, 201);
        assert_no_card();
        assert_no_token((const char *)made.told + 10);
        run_on_stack(open_for_push, &pushed);
        assert_non_null(memmem(pushed.ptr, pushed.len, "\"sealed\":\"ey", 12));
        assert_non_null(memmem(pushed.ptr, pushed.len, made.told + 10, AMP_TOKEN_TEXT_LEN));
        assert_no_token((const char *)made.told + 10);
        amp_secret_buf_free(&pushed);
        forget(&made);
    }
}

/* Nor its digests: they have no key, and few bodies are guessed faster than card numbers. */
static void assert_no_digest(void)
{
    const struct amp_slice pan = AMP_SLICE_LIT(PAN);
    uint8_t md5[AMP_MD5_LEN], sha256[AMP_SHA256_LEN];
    char text[2 * AMP_SHA256_LEN];
    assert_int_equal(amp_sqs_md5_body(md5, pan), AMP_OK);
    assert_int_equal(amp_sha256(sha256, &pan, 1), AMP_OK);
    assert_false(stack_holds(md5, sizeof md5));
    assert_false(stack_holds(sha256, sizeof sha256));
    amp_hex_encode(text, md5, sizeof md5);
    assert_false(stack_holds(text, 2 * sizeof md5));
    amp_hex_encode(text, sha256, sizeof sha256);
    assert_false(stack_holds(text, sizeof text));
}

static void no_sqs_call_leaves_a_message_on_the_stack(void **state)
{
#define Q_FIFO    "\"QueueUrl\":\"https://h/000000000000/q.fifo\""
#define ATTRIBUTE "\"MessageAttributes\":{\"pan\":{\"DataType\":\"String\",\"StringValue\":\"" PAN "\"}}"
    static const struct {
        const char *target, *body;
        int status;
    } calls[] = {
        {"AmazonSQS.CreateQueue",
         "{\"QueueName\":\"q.fifo\",\"Attributes\":{\"FifoQueue\":\"true\",\"ContentBasedDeduplication\":\"true\"}}",
         200},
        {"AmazonSQS.SendMessage", "{" Q_FIFO ",\"MessageGroupId\":\"g\",\"MessageBody\":\"" PAN "\"," ATTRIBUTE "}",
         200},
        {"AmazonSQS.SendMessageBatch",
         "{" Q_FIFO ",\"Entries\":[{\"Id\":\"a\",\"MessageGroupId\":\"h\",\"MessageBody\":\"" PAN "\"},"
         "{\"Id\":\"b\",\"MessageGroupId\":\"" PAN " \",\"MessageBody\":\"" PAN "\"}]}",
         200},
        {"AmazonSQS.SendMessage", "{" Q_FIFO ",\"MessageBody\":\"" PAN "\"}", 400},
        {"AmazonSQS.SendMessage", "{" Q_FIFO ",\"MessageBody\":\"" PAN "\\u0001\"}", 400},
        {"AmazonSQS.SendMessage", "{" Q_FIFO ",\"MessageBody\":\"" PAN "\"", 400},
        {NULL,
         "Action=SendMessage&QueueUrl=https%3A%2F%2Fh%2F000000000000%2Fq.fifo&MessageGroupId=i&MessageBody=%3453957876"
         "3621486",
         200},
        {"AmazonSQS.ReceiveMessage",
         "{" Q_FIFO ",\"VisibilityTimeout\":0,\"AttributeNames\":[\"All\"],\"MessageAttributeNames\":[\"All\"]}", 200},
        {NULL,
         "Action=ReceiveMessage&QueueUrl=https%3A%2F%2Fh%2F000000000000%2Fq.fifo&MaxNumberOfMessages=10&"
         "MessageAttributeName.1=All",
         200},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        fx.target = calls[i].target;
        fx.content_type = calls[i].target != NULL ? "application/x-amz-json-1.0" : "application/x-www-form-urlencoded";
        struct errand errand = run("/", calls[i].body);
        assert_int_equal(errand.status, calls[i].status);
        assert_no_card();
        assert_no_digest();
        if (i >= 7)
            assert_non_null(memmem(errand.told, errand.told_len, PAN, strlen(PAN)));
        forget(&errand);
    }
}

static void *leave_it_lying(void *arg)
{
    volatile char lying[64];
    for (size_t i = 0; i < sizeof PAN; i++)
        lying[i] = ((const char *)arg)[i];
    return lying[0] != '\0' ? arg : NULL;
}

static void the_search_finds_what_lies_there(void **state)
{
    static char pan[] = PAN;
    run_on_stack(leave_it_lying, pan);
    assert_true(stack_holds(PAN, strlen(PAN)));
}

static int group_setup(void **state)
{
    stack = aligned_alloc(4096, STACK_LEN);
    return stack != NULL ? fixture_group_setup(state) : -1;
}

static int group_teardown(void **state)
{
    free(stack);
    return fixture_group_teardown(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer keeps stacks of its own\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        T(the_search_finds_what_lies_there),
        T(no_call_leaves_card_or_token_on_the_stack),
        T(no_message_leaves_card_or_token_on_the_stack),
        T(no_sqs_call_leaves_a_message_on_the_stack),
        T(storage_kept_for_the_next_answer_is_wiped),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
