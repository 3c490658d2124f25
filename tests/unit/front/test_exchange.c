/*
 * No request is acted on before the memory for its records is there. The log is said to be ready, the verifier, the
 * network and the call itself are played here (--wrap); what a request is read and refused by is real.
 */
#include "../support.h"

#include <string.h>

#include "front/internal.h"

#define RECORDS_OF_ONE_REQUEST 8

static struct amp_clock_fake hands;
static struct amp_front_shared shared;
static struct amp_worker worker;
static const struct amp_principal shop = {.name = "shop", .name_len = 4, .key_id = "AMPKAAAAAAAAAAAAAAAA"};

/* What was done, and answered. */
static unsigned checks, acts, answers;
static int status;
static char body[512];

/* What is as large as a block of events is not had. */
static bool no_large_memory;
void *__wrap_malloc(size_t len);
void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len)
{
    return no_large_memory && len >= AMP_IPC_MAX_PAYLOAD / 2 ? NULL : __real_malloc(len);
}

bool __wrap_amp_recorder_ready(const struct amp_recorder *recorder);
bool __wrap_amp_recorder_ready(const struct amp_recorder *recorder)
{
    assert_ptr_equal(recorder, worker.recorder);
    return true;
}

enum amp_err __wrap_amp_auth_check(struct amp_auth *auth, const struct amp_auth_request *request,
                                   struct amp_auth_result *result);
enum amp_err __wrap_amp_auth_check(struct amp_auth *auth, const struct amp_auth_request *request,
                                   struct amp_auth_result *result)
{
    assert_null(auth);
    assert_string_equal(request->service, "ampoule");
    checks++;
    *result = (struct amp_auth_result){.who = &shop};
    return AMP_OK;
}

enum amp_err __wrap_amp_net_verified(struct amp_net_exchange *exchange, struct amp_slice who);
enum amp_err __wrap_amp_net_verified(struct amp_net_exchange *exchange, struct amp_slice who)
{
    assert_null(exchange);
    assert_true(amp_slice_is(who, "shop"));
    return AMP_OK;
}

bool __wrap_amp_net_respond(struct amp_net_exchange *exchange, const struct amp_net_response *response);
bool __wrap_amp_net_respond(struct amp_net_exchange *exchange, const struct amp_net_response *response)
{
    assert_null(exchange);
    assert_true(response->body.len < sizeof body);
    answers++;
    status = response->status;
    if (response->body.len != 0)
        memcpy(body, response->body.ptr, response->body.len);
    body[response->body.len] = '\0';
    return true;
}

/* The longest that an event can be. */
static enum amp_err record_one(void)
{
    static const char text[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890";
    struct amp_event event = {
        .act = AMP_ACT_TOKENIZE,
        .outcome = AMP_OUTCOME_SUCCESS,
        .has_token = true,
        .who = amp_slice(text, AMP_EVENT_WHO_MAX),
        .source = amp_slice(text, AMP_EVENT_SOURCE_MAX),
        .queue = amp_slice(text, AMP_EVENT_QUEUE_MAX),
        .subject = amp_slice(text, AMP_EVENT_SUBJECT_MAX),
    };
    uint64_t number;
    return amp_front_record(&worker, &event, false, &number);
}

/* Nothing more is to be had once it acts. */
void __wrap_amp_api_serve(struct amp_api *api, const struct amp_api_request *request,
                          struct amp_api_response *response);
void __wrap_amp_api_serve(struct amp_api *api, const struct amp_api_request *request, struct amp_api_response *response)
{
    assert_ptr_equal(api, worker.api);
    assert_ptr_equal(request->who, &shop);
    no_large_memory = true;
    for (int i = 0; i < RECORDS_OF_ONE_REQUEST; i++)
        assert_int_equal(record_one(), AMP_OK);
    acts++;
    *response = (struct amp_api_response){.status = 200};
}

static void ask(void)
{
    static const char text[] = "POST /v1/tokens HTTP/1.1\r\nhost: localhost\r\n\r\n";
    struct amp_http1_head head;
    size_t head_len, scanned = 0;
    assert_int_equal(amp_http1_parse_head(&head, (const uint8_t *)text, sizeof text - 1, &head_len, &scanned), AMP_OK);
    struct amp_net_handler handler = amp_front_handler(&worker);
    handler.request(&worker, NULL,
                    &(struct amp_net_request){.head = &head, .request_id = 7, .source = AMP_SLICE_LIT("127.0.0.1:1")});
}

static int open_pool(void **state)
{
    return amp_secret_init(1 << 20, false) == AMP_OK ? 0 : -1;
}

static int set_up(void **state)
{
    struct amp_api_config config = {.record = amp_front_record, .ctx = &worker};
    checks = acts = answers = 0;
    no_large_memory = false;
    hands = (struct amp_clock_fake){.unix_ms = 1700000000000, .mono_ms = 1000};
    shared.clock = config.clock = amp_clock_fake(&hands);
    worker = (struct amp_worker){.shared = &shared, .settings.limits.request_ms = 10000, .base = event_base_new()};
    if (worker.base == NULL || amp_discards_new(&worker.discards, shared.clock) != AMP_OK ||
        amp_recorder_new(&worker.recorder, worker.base, amp_front_durable, &worker) != AMP_OK)
        return -1;
    return amp_api_new(&worker.api, &config) == AMP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    amp_api_free(worker.api);
    amp_recorder_free(worker.recorder);
    amp_discards_free(worker.discards);
    event_base_free(worker.base);
    return 0;
}

/* As far as the last block of events has room for fewer than one request may record. */
static void fill_the_block(void)
{
    no_large_memory = true;
    while (amp_recorder_reserve(worker.recorder, RECORDS_OF_ONE_REQUEST))
        assert_int_equal(record_one(), AMP_OK);
    no_large_memory = false;
}

static void without_memory_for_its_records_a_request_is_refused_unheard(void **state)
{
    fill_the_block();
    no_large_memory = true;
    ask();
    assert_int_equal(answers, 1);
    assert_int_equal(status, 503);
    assert_non_null(strstr(body, "audit_unavailable"));
    assert_int_equal(checks, 0); /* its signature is not used up: it may be sent again */
    assert_int_equal(acts, 0);
    no_large_memory = false;
    ask();
    assert_int_equal(answers, 2);
    assert_int_equal(status, 200);
    assert_int_equal(acts, 1);
}

/* Wherever in a block the request finds the log: the handler that is played here asserts it. */
static void what_is_let_in_can_be_recorded(void **state)
{
    for (int i = 0; i < 1000; i++) {
        no_large_memory = false;
        ask();
    }
    assert_int_equal(checks, 1000);
    assert_int_equal(acts, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_memory_for_its_records_a_request_is_refused_unheard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_let_in_can_be_recorded, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("front exchange", tests, open_pool, NULL);
}
