/* The public calls against a server that plays a script. */
#include "../support.h"

#include <stdio.h>
#include <string.h>

#include "ampoule.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "tls_server.h"

#define KEY_ID "AMPKABCDEFGHIJKLMNOP"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN  "tok_0123456789012345678901234567890123456789012"

#define CREATED                                                                                                        \
    "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n"                             \
    "{\"token\":\"tok_a\",\"n\":{\"e\":\"\\u00e4\"}}"
#define OK_CARD "HTTP/1.1 200 OK\r\ncontent-length: 38\r\n\r\n{\"card\":{\"number\":\"4111111111111111\"}}"
#define GONE                                                                                                           \
    "HTTP/1.1 410 Gone\r\nretry-after: 7\r\ncontent-length: "                                                          \
    "50\r\n\r\n{\"code\":\"token_gone\",\"detail\":\"d\",\"reason\":\"used\"}"
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

struct rig {
    struct tls_server *server;
    struct amp_client *client;
};

static struct amp_client *connect_to(const struct tls_server *server, uint32_t timeout_ms)
{
    struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
    struct amp_client *client = NULL;
    config.url = tls_server_url(server);
    config.ca_file = tls_server_ca(server);
    config.key_id = KEY_ID;
    config.secret = SECRET;
    config.timeout_ms = timeout_ms;
    assert_int_equal(amp_client_new(&client, &config), AMP_CLIENT_OK);
    return client;
}

static struct rig rig_up(const struct tls_step *steps, size_t count)
{
    struct rig rig = {.server = tls_server_start(steps, count, "127.0.0.1")};
    rig.client = connect_to(rig.server, 0);
    return rig;
}

/* Nothing is left in the pool but what the thread keeps until it ends. */
static void assert_pool_is_empty(void)
{
    amp_crypto_thread_fini();
    assert_int_equal(amp_secret_used(), 0);
}

static void rig_down(struct rig *rig)
{
    amp_client_free(rig->client);
    tls_server_stop(rig->server);
    assert_pool_is_empty();
}

static enum amp_client_status tokenize(struct amp_client *client, struct amp_client_reply **reply)
{
    const struct amp_client_card card = {"4111111111111111", 12, 2030, "123", "J \"D\" DOE"};
    struct amp_client_content content = AMP_CLIENT_CONTENT_INIT;
    content.card = &card;
    content.queue = "payments";
    content.ttl_ms = 5000;
    content.metadata = "{\"order\":\"42\"}";
    return amp_client_tokenize(client, &content, NULL, reply);
}

static void tokenizes_with_a_key_a_nonce_and_a_signature(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    struct rig rig = rig_up(steps, 1);
    struct amp_client_reply *reply = NULL;
    assert_int_equal(tokenize(rig.client, &reply), AMP_CLIENT_OK);
    assert_string_equal(amp_client_reply_text(reply, "token"), "tok_a");
    assert_string_equal(amp_client_reply_text(reply, "n.e"), "\xc3\xa4");
    assert_null(amp_client_reply_text(reply, "card"));
    assert_int_equal(amp_client_reply_http_status(reply), 201);
    assert_int_equal(amp_client_error_get(rig.client)->status, AMP_CLIENT_OK);
    amp_client_reply_free(reply);
    const char *request = tls_server_request(rig.server, 0);
    assert_non_null(strstr(request, "POST /v1/tokens HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nidempotency-key: "));
    assert_non_null(strstr(request, "SignedHeaders=content-type;host;idempotency-key;x-ampoule-nonce;x-amz-date"));
    assert_non_null(strstr(request,
                           "\r\n\r\n{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030,"
                           "\"cvc\":\"123\",\"name\":\"J \\\"D\\\" DOE\"},\"queue\":\"payments\",\"ttl_ms\":5000,"
                           "\"metadata\":{\"order\":\"42\"}}"));
    rig_down(&rig);
}

static void keeps_its_connection(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    struct rig rig = rig_up(steps, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(tokenize(rig.client, NULL), AMP_CLIENT_OK);
    assert_int_equal(tls_server_connections(rig.server), 1);
    /* two equal requests are two requests: no signature repeats */
    assert_string_not_equal(tls_server_request(rig.server, 0), tls_server_request(rig.server, 1));
    rig_down(&rig);
}

static void opens_anew_where_the_server_closed_an_idle_connection(void **state)
{
    static const struct tls_step steps[] = {{.answer = OK_CARD, .hang_up = true}, {.answer = OK_CARD}};
    struct rig rig = rig_up(steps, 2);
    /* the server's connection is closed in its own time: whichever comes first, redeem is sent once */
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, NULL), AMP_CLIENT_OK);
    const enum amp_client_status status = amp_client_inspect(rig.client, TOKEN, NULL);
    assert_int_equal(status, AMP_CLIENT_OK);
    assert_int_equal(tls_server_connections(rig.server), 2);
    rig_down(&rig);
}

static void a_lost_answer_is_asked_for_again_under_the_same_key(void **state)
{
    static const struct tls_step steps[] = {{.hang_up = true}, {.answer = CREATED}};
    struct rig rig = rig_up(steps, 2);
    assert_int_equal(tokenize(rig.client, NULL), AMP_CLIENT_OK);
    assert_int_equal(tls_server_requests(rig.server), 2);
    const char *first = strstr(tls_server_request(rig.server, 0), "idempotency-key: ");
    const char *second = strstr(tls_server_request(rig.server, 1), "idempotency-key: ");
    assert_memory_equal(first, second, strlen("idempotency-key: ") + 36);
    assert_memory_not_equal(strstr(first, "x-ampoule-nonce: "), strstr(second, "x-ampoule-nonce: "), 17 + 32);
    rig_down(&rig);
}

static void a_lost_answer_to_redeem_is_not_asked_for_again(void **state)
{
    static const struct tls_step steps[] = {{.hang_up = true}, {.answer = OK_CARD}};
    struct rig rig = rig_up(steps, 2);
    struct amp_client_reply *reply = NULL;
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, &reply), AMP_CLIENT_UNREACHABLE);
    assert_null(reply);
    assert_string_equal(amp_client_error_get(rig.client)->code, "connection_lost");
    assert_int_equal(tls_server_requests(rig.server), 1);
    rig_down(&rig);
}

static void a_second_loss_is_final(void **state)
{
    static const struct tls_step steps[] = {{.hang_up = true}};
    struct rig rig = rig_up(steps, 1);
    assert_int_equal(tokenize(rig.client, NULL), AMP_CLIENT_UNREACHABLE);
    assert_int_equal(tls_server_requests(rig.server), 2);
    rig_down(&rig);
}

/* AMP_CLIENT_TLS would say that nothing was sent. */
static void a_second_request_that_cannot_be_sent_does_not_hide_the_first(void **state)
{
    static const struct tls_step steps[] = {{.hang_up = true, .last = true}};
    struct rig rig = rig_up(steps, 1);
    assert_int_equal(tokenize(rig.client, NULL), AMP_CLIENT_UNREACHABLE);
    const struct amp_client_error *error = amp_client_error_get(rig.client);
    assert_int_equal(error->status, AMP_CLIENT_UNREACHABLE);
    assert_string_equal(error->code, "connection_lost");
    assert_int_equal(tls_server_requests(rig.server), 1);
    assert_int_equal(tls_server_connections(rig.server), 2);
    rig_down(&rig);
}

/* Takes every page of the pool, and every free slot of this size; blocks of other sizes still find slots where there
 * were any. */
static void **take_pool(size_t block)
{
    void **taken = NULL;
    for (void **next; (next = amp_secret_alloc(block)) != NULL; taken = next)
        *next = taken;
    return taken;
}

static void give_pool(void **taken)
{
    while (taken != NULL) {
        void **next = *taken;
        amp_secret_free(taken);
        taken = next;
    }
}

/* The card behind a token would be lost. */
static void where_an_answer_has_no_room_nothing_is_asked_for(void **state)
{
    enum { DRAFT = 256, ANSWER = 4096, REQUEST = 5000 };
    static const struct tls_step steps[] = {{.answer = OK_CARD}};
    struct rig rig = rig_up(steps, 1);
    amp_secret_free(amp_secret_alloc(DRAFT)); /* a slab of each stays open */
    amp_secret_free(amp_secret_alloc(REQUEST));
    void **taken = take_pool(ANSWER);
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, NULL), AMP_CLIENT_MEMORY);
    assert_null(strstr(amp_client_error_get(rig.client)->message, "carried out"));
    assert_int_equal(tls_server_connections(rig.server), 1);
    assert_int_equal(tls_server_requests(rig.server), 0);
    give_pool(taken);
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, NULL), AMP_CLIENT_OK);
    rig_down(&rig);
}

static void an_answer_that_has_no_room_is_told_from_a_request_that_was_not_sent(void **state)
{
    static char large[32768];
    const int head = snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n");
    memset(large + head, ' ', 20000);
    const struct tls_step steps[] = {{.answer = OK_CARD}, {.answer = large}};
    struct rig rig = rig_up(steps, 2);
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, NULL), AMP_CLIENT_OK);
    void **taken = take_pool(16384);
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, NULL), AMP_CLIENT_MEMORY);
    assert_non_null(strstr(amp_client_error_get(rig.client)->message, "may have been carried out"));
    assert_int_equal(tls_server_requests(rig.server), 2);
    give_pool(taken);
    rig_down(&rig);
}

static void a_refusal_says_why(void **state)
{
    static const struct tls_step steps[] = {{.answer = GONE}, {.answer = NO_CONTENT}};
    struct rig rig = rig_up(steps, 2);
    struct amp_client_reply *reply = NULL;
    assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, &reply), AMP_CLIENT_REFUSED);
    assert_null(reply);
    const struct amp_client_error *error = amp_client_error_get(rig.client);
    assert_int_equal(error->http_status, 410);
    assert_string_equal(error->code, "token_gone");
    assert_string_equal(error->reason, "used");
    assert_int_equal(error->retry_after_s, 7);
    assert_int_equal(amp_client_revoke(rig.client, TOKEN), AMP_CLIENT_OK);
    assert_int_equal(tls_server_connections(rig.server), 1);
    rig_down(&rig);
}

static void a_cut_or_foreign_answer_is_not_believed(void **state)
{
    static const struct {
        struct tls_step step;
        enum amp_client_status status;
    } cases[] = {
        {{.answer = OK_CARD, .cut = true}, AMP_CLIENT_UNREACHABLE},
        {{.answer = "HTTP/1.1 200 OK\r\n\r\n"}, AMP_CLIENT_PROTOCOL},
        {{.answer = "220 mail.example.com ESMTP\r\n"}, AMP_CLIENT_PROTOCOL},
        {{.answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n"}, AMP_CLIENT_PROTOCOL},
        {{.answer = "HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n"}, AMP_CLIENT_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig = rig_up(&cases[i].step, 1);
        struct amp_client_reply *reply = NULL;
        assert_int_equal(amp_client_redeem(rig.client, TOKEN, NULL, &reply), cases[i].status);
        assert_null(reply);
        rig_down(&rig);
    }
}

static void silence_ends_at_the_timeout(void **state)
{
    static const struct tls_step steps[] = {{.answer = NULL}};
    struct tls_server *server = tls_server_start(steps, 1, "127.0.0.1");
    struct amp_client *client = connect_to(server, 60);
    assert_int_equal(tokenize(client, NULL), AMP_CLIENT_TIMEOUT);
    assert_int_equal(tls_server_requests(server), 1);
    amp_client_free(client);
    tls_server_stop(server);
}

static void a_certificate_of_another_name_is_refused(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    static const char *const names[] = {"127.0.0.2", "localhost"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct tls_server *server = tls_server_start(steps, 1, names[i]);
        struct amp_client *client = connect_to(server, 0);
        assert_int_equal(tokenize(client, NULL), AMP_CLIENT_TLS);
        assert_int_equal(tls_server_requests(server), 0);
        amp_client_free(client);
        tls_server_stop(server);
    }
}

static void a_certificate_of_another_issuer_is_refused(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    struct tls_server *server = tls_server_start(steps, 1, "127.0.0.1");
    struct tls_server *other = tls_server_start(steps, 1, "127.0.0.1");
    struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
    struct amp_client *client = NULL;
    config.url = tls_server_url(server);
    config.ca_file = tls_server_ca(other);
    config.key_id = KEY_ID;
    config.secret = SECRET;
    assert_int_equal(amp_client_new(&client, &config), AMP_CLIENT_OK);
    assert_int_equal(tokenize(client, NULL), AMP_CLIENT_TLS);
    assert_int_equal(tls_server_requests(server), 0);
    amp_client_free(client);
    tls_server_stop(server);
    tls_server_stop(other);
}

static void nobody_there_is_unreachable(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    struct tls_server *server = tls_server_start(steps, 1, "127.0.0.1");
    struct amp_client *client = connect_to(server, 0);
    tls_server_stop(server);
    assert_int_equal(tokenize(client, NULL), AMP_CLIENT_UNREACHABLE);
    assert_string_equal(amp_client_error_get(client)->code, "connection_refused");
    amp_client_free(client);
}

static void wrong_arguments_send_nothing(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    struct rig rig = rig_up(steps, 1);
    const struct amp_client_card card = {"4111111111111111", 12, 2030, NULL, NULL};
    const struct amp_client_card numberless = {NULL, 12, 2030, NULL, NULL};
    const struct amp_client_card not_text = {"\xff", 12, 2030, NULL, NULL};
    const struct {
        const struct amp_client_card *card;
        const char *data, *metadata, *queue;
    } bad[] = {
        {NULL, NULL, NULL, NULL},      {&card, "{}", NULL, NULL},     {&numberless, NULL, NULL, NULL},
        {&not_text, NULL, NULL, NULL}, {NULL, "{\"a\":", NULL, NULL}, {NULL, "1,\"ttl_ms\":900000", NULL, NULL},
        {NULL, "1", "{}},{", NULL},    {&card, NULL, NULL, "\xc3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct amp_client_content content = AMP_CLIENT_CONTENT_INIT;
        content.card = bad[i].card;
        content.data = bad[i].data;
        content.metadata = bad[i].metadata;
        content.queue = bad[i].queue;
        assert_int_equal(amp_client_tokenize(rig.client, &content, NULL, NULL), AMP_CLIENT_USAGE);
    }
    struct amp_client_content content = AMP_CLIENT_CONTENT_INIT;
    content.card = &card;
    assert_int_equal(amp_client_tokenize(rig.client, &content, "two words", NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_tokenize_batch(rig.client, &content, 0, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_tokenize_batch(rig.client, &content, 101, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_tokenize(rig.client, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_tokenize_batch(rig.client, NULL, 1, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_call(rig.client, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_redeem(rig.client, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_commit(rig.client, ""), AMP_CLIENT_USAGE);
    assert_int_equal(tls_server_requests(rig.server), 0);
    rig_down(&rig);
}

static void wrong_configurations_make_no_client(void **state)
{
    static const struct {
        const char *url, *key_id, *secret, *region, *ca_file;
    } bad[] = {
        {NULL, KEY_ID, SECRET, NULL, NULL},
        {"http://a", KEY_ID, SECRET, NULL, NULL},
        {"https://a", NULL, SECRET, NULL, NULL},
        {"https://a", "A/B", SECRET, NULL, NULL},
        {"https://a", KEY_ID, NULL, NULL, NULL},
        {"https://a", KEY_ID, "", NULL, NULL},
        {"https://a", KEY_ID, SECRET, "a/b", NULL},
        {"https://a", KEY_ID, SECRET, NULL, "/nonexistent"},
        {"https://a", KEY_ID, SECRET, NULL, "/dev/null"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
        struct amp_client *client = (struct amp_client *)&config;
        config.url = bad[i].url;
        config.key_id = bad[i].key_id;
        config.secret = bad[i].secret;
        config.region = bad[i].region;
        config.ca_file = bad[i].ca_file;
        assert_int_equal(amp_client_new(&client, &config), AMP_CLIENT_USAGE);
        assert_null(client);
    }
    struct amp_client *none = NULL;
    assert_int_equal(amp_client_new(&none, NULL), AMP_CLIENT_USAGE);
    assert_string_equal(amp_client_error_get(none)->code, "no_handle");
    assert_pool_is_empty();
}

static void batches_and_generic_requests(void **state)
{
    static const struct tls_step steps[] = {{.answer = CREATED}};
    struct rig rig = rig_up(steps, 1);
    struct amp_client_content contents[2] = {AMP_CLIENT_CONTENT_INIT, AMP_CLIENT_CONTENT_INIT};
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    contents[0].data = "{\"iban\":1}";
    contents[1].data = "[2]";
    assert_int_equal(amp_client_tokenize_batch(rig.client, contents, 2, "k", NULL), AMP_CLIENT_OK);
    assert_non_null(strstr(tls_server_request(rig.server, 0), "{\"items\":[{\"data\":{\"iban\":1}},{\"data\":[2]}]}"));
    request.target = "/readyz";
    assert_int_equal(amp_client_call(rig.client, &request, NULL), AMP_CLIENT_OK);
    assert_non_null(strstr(tls_server_request(rig.server, 1), "GET /readyz HTTP/1.1\r\n"));
    assert_int_equal(amp_client_claim(rig.client, TOKEN, 1000, NULL, NULL), AMP_CLIENT_OK);
    assert_non_null(strstr(tls_server_request(rig.server, 2), "{\"token\":\"" TOKEN "\",\"lease_ms\":1000}"));
    request.target = "/a\r\nb";
    assert_int_equal(amp_client_call(rig.client, &request, NULL), AMP_CLIENT_USAGE);
    rig_down(&rig);
}

#define RECEIVED                                                                                                       \
    "HTTP/1.1 200 OK\r\ncontent-length: "                                                                              \
    "62\r\n\r\n{\"Messages\":[{\"Body\":\"a\\\"b\",\"ReceiptHandle\":\"r\"},{\"Body\":\"\"}]}"
#define NO_QUEUE                                                                                                       \
    "HTTP/1.1 400 Bad Request\r\nx-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n"               \
    "content-length: 65\r\n\r\n{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"none\"}"

static void speaks_the_sqs_api(void **state)
{
    static const struct tls_step steps[] = {{.answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"},
                                            {.answer = RECEIVED},
                                            {.answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"},
                                            {.answer = NO_QUEUE}};
    struct rig rig = rig_up(steps, 4);
    struct amp_client_reply *reply = NULL;
    assert_int_equal(amp_client_send(rig.client, "q.fifo", "a\"b", 3, "g", "d", &reply), AMP_CLIENT_OK);
    amp_client_reply_free(reply);
    const char *request = tls_server_request(rig.server, 0);
    assert_non_null(strstr(request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\ncontent-type: application/x-amz-json-1.0\r\n"));
    assert_non_null(strstr(request, "\r\nx-amz-target: AmazonSQS.SendMessage\r\n"));
    assert_non_null(strstr(request, "/sqs/aws4_request"));
    assert_non_null(strstr(request, "/000000000000/q.fifo\",\"MessageBody\":\"a\\\"b\",\"MessageGroupId\":\"g\","
                                    "\"MessageDeduplicationId\":\"d\"}"));
    assert_int_equal(amp_client_receive(rig.client, "q", 10, 20, &reply), AMP_CLIENT_OK);
    assert_string_equal(amp_client_reply_text(reply, "Messages.0.Body"), "a\"b");
    assert_string_equal(amp_client_reply_text(reply, "Messages.1.Body"), "");
    assert_null(amp_client_reply_text(reply, "Messages.2.Body"));
    amp_client_reply_free(reply);
    assert_non_null(strstr(tls_server_request(rig.server, 1), "\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":20,"));
    assert_int_equal(amp_client_delete_message(rig.client, "q", "r"), AMP_CLIENT_OK);
    assert_int_equal(amp_client_delete_message(rig.client, "q", "r"), AMP_CLIENT_REFUSED);
    assert_string_equal(amp_client_error_get(rig.client)->code, "QueueDoesNotExist");
    assert_string_equal(amp_client_error_get(rig.client)->message, "none");
    rig_down(&rig);
}

static void wrong_arguments_of_queues_send_nothing(void **state)
{
    static const struct tls_step steps[] = {{.answer = NO_CONTENT}};
    struct rig rig = rig_up(steps, 1);
    char name[1024];
    memset(name, 'q', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(amp_client_send(rig.client, NULL, "x", 1, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_send(rig.client, "", "x", 1, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_send(rig.client, name, "x", 1, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_send(rig.client, "q", NULL, 0, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_send(rig.client, "q", "\xff", 1, NULL, NULL, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_receive(rig.client, "q", 0, 0, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_receive(rig.client, "q", 11, 0, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_receive(rig.client, "q", 1, 21, NULL), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_delete_message(rig.client, "q", NULL), AMP_CLIENT_USAGE);
    assert_int_equal(tls_server_requests(rig.server), 0);
    rig_down(&rig);
}

/* A program that was built before there were queues passes a shorter struct. */
static void an_older_request_is_understood(void **state)
{
    static const struct tls_step steps[] = {{.answer = NO_CONTENT}};
    struct rig rig = rig_up(steps, 1);
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    request.size = offsetof(struct amp_client_request, service);
    request.target = "/x";
    request.service = "not there";
    assert_int_equal(amp_client_call(rig.client, &request, NULL), AMP_CLIENT_OK);
    assert_non_null(strstr(tls_server_request(rig.server, 0), "/ampoule/aws4_request"));
    request.size--;
    assert_int_equal(amp_client_call(rig.client, &request, NULL), AMP_CLIENT_USAGE);
    request = (struct amp_client_request)AMP_CLIENT_REQUEST_INIT;
    request.target = "/";
    request.service = "sqs";
    request.amz_target = "AmazonSQS.ListQueues";
    request.body = "{}";
    request.body_len = 2;
    assert_int_equal(amp_client_call(rig.client, &request, NULL), AMP_CLIENT_OK);
    assert_non_null(strstr(tls_server_request(rig.server, 1), "\r\ncontent-type: application/x-amz-json-1.0\r\n"));
    rig_down(&rig);
}

static void a_long_poll_may_take_longer_than_the_timeout(void **state)
{
    static const struct tls_step steps[] = {{.answer = NULL}};
    struct rig rig = {.server = tls_server_start(steps, 1, "127.0.0.1")};
    struct amp_clock clock = amp_clock_system();
    rig.client = connect_to(rig.server, 50);
    const int64_t start = amp_clock_mono_ms(&clock);
    assert_int_equal(amp_client_receive(rig.client, "q", 1, 1, NULL), AMP_CLIENT_TIMEOUT);
    assert_true(amp_clock_mono_ms(&clock) - start >= 1050);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizes_with_a_key_a_nonce_and_a_signature),
        cmocka_unit_test(keeps_its_connection),
        cmocka_unit_test(opens_anew_where_the_server_closed_an_idle_connection),
        cmocka_unit_test(a_lost_answer_is_asked_for_again_under_the_same_key),
        cmocka_unit_test(a_lost_answer_to_redeem_is_not_asked_for_again),
        cmocka_unit_test(a_second_loss_is_final),
        cmocka_unit_test(a_second_request_that_cannot_be_sent_does_not_hide_the_first),
        cmocka_unit_test(where_an_answer_has_no_room_nothing_is_asked_for),
        cmocka_unit_test(an_answer_that_has_no_room_is_told_from_a_request_that_was_not_sent),
        cmocka_unit_test(a_refusal_says_why),
        cmocka_unit_test(a_cut_or_foreign_answer_is_not_believed),
        cmocka_unit_test(silence_ends_at_the_timeout),
        cmocka_unit_test(a_certificate_of_another_name_is_refused),
        cmocka_unit_test(a_certificate_of_another_issuer_is_refused),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(wrong_arguments_send_nothing),
        cmocka_unit_test(wrong_configurations_make_no_client),
        cmocka_unit_test(batches_and_generic_requests),
        cmocka_unit_test(speaks_the_sqs_api),
        cmocka_unit_test(wrong_arguments_of_queues_send_nothing),
        cmocka_unit_test(an_older_request_is_understood),
        cmocka_unit_test(a_long_poll_may_take_longer_than_the_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
