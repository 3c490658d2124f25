#include "queue_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "client/path.h"
#include "client/reader.h"
#include "client/runtime.h"

enum { BUFFER = 65536, DEADLINE_MS = 120000, MOMENT_NS = 2000000 };

_Noreturn void wire_die(const char *why, const struct wire *wire)
{
    fprintf(stderr, "queue_checker: %s\n", why);
    if (wire != NULL && wire->body.len != 0)
        fprintf(stderr, "queue_checker: %d %.*s\n", wire->status, (int)wire->body.len, (const char *)wire->body.ptr);
    exit(2);
}

static const char *wanted_environment(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL)
        wire_die("AMPOULE_URL, AMPOULE_CA, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed", NULL);
    return value;
}

void wire_peer_init(struct wire_peer *peer)
{
    peer->clock = amp_clock_system();
    if (amp_client_runtime_start() != AMP_OK ||
        amp_client_url_parse(&peer->url, wanted_environment("AMPOULE_URL")) != AMP_OK ||
        amp_client_tls_new(&peer->tls, wanted_environment("AMPOULE_CA")) != AMP_OK)
        wire_die("AMPOULE_URL or AMPOULE_CA cannot be used", NULL);
}

void wire_peer_fini(struct wire_peer *peer)
{
    SSL_CTX_free(peer->tls);
}

void wire_init(struct wire *wire, const struct wire_peer *peer, size_t number, uint64_t seed)
{
    const char *region = getenv("AWS_REGION");
    *wire = (struct wire){.peer = peer, .number = number};
    wire->random = (seed + number + 1) * 0x9e3779b97f4a7c15u | 1;
    wire->bytes = malloc(BUFFER);
    /* Each thread starts it: what it keeps for a thread ends with that. */
    if (wire->bytes == NULL || amp_client_runtime_start() != AMP_OK ||
        amp_client_transport_init(&wire->transport, peer->tls) != AMP_CLIENT_OK)
        wire_die("out of memory", NULL);
    wire->identity = (struct amp_client_identity){
        .key_id = amp_slice_str(wanted_environment("AWS_ACCESS_KEY_ID")),
        .secret = amp_slice_str(wanted_environment("AWS_SECRET_ACCESS_KEY")),
        .region = amp_slice_str(region != NULL ? region : "us-east-1"),
        .day_key = amp_secret_alloc(sizeof *wire->identity.day_key),
    };
    if (wire->identity.day_key == NULL)
        wire_die("out of memory", NULL);
}

void wire_fini(struct wire *wire)
{
    amp_client_transport_fini(&wire->transport);
    amp_secret_buf_free(&wire->request);
    amp_secret_free(wire->identity.day_key);
    free(wire->bytes);
}

int64_t wire_now_ms(const struct wire *wire)
{
    return amp_clock_mono_ms(&wire->peer->clock);
}

/* xorshift64* */
uint32_t wire_random(struct wire *wire, uint32_t bound)
{
    wire->random ^= wire->random >> 12;
    wire->random ^= wire->random << 25;
    wire->random ^= wire->random >> 27;
    return (uint32_t)((wire->random * 0x2545f4914f6cdd1du) >> 32) % bound;
}

static void prepare(struct wire *wire, const char *action, struct amp_slice json)
{
    char target[80], nonce[AMP_CLIENT_NONCE_LEN + 1];
    snprintf(target, sizeof target, "AmazonSQS.%s", action);
    snprintf(nonce, sizeof nonce, "%08x%08zx%016llx", (unsigned)getpid(), wire->number,
             (unsigned long long)wire->nonce++);
    const struct amp_client_message message = {.method = "POST",
                                               .target = "/",
                                               .authority = wire->peer->url.authority,
                                               .service = "sqs",
                                               .amz_target = target,
                                               .content_type = "application/x-amz-json-1.0",
                                               .body = json};
    amp_secret_buf_clear(&wire->request);
    if (amp_client_sign(&wire->request, &wire->identity, &message, amp_clock_unix_ms(&wire->peer->clock), nonce) !=
        AMP_OK)
        wire_die("a request cannot be signed", NULL);
}

static void connect_again(struct wire *wire)
{
    struct amp_client_fault fault;
    if (wire->transport.ssl == NULL &&
        amp_client_transport_open(&wire->transport, &wire->peer->url, wire_now_ms(wire) + DEADLINE_MS, &fault) !=
            AMP_CLIENT_OK)
        wire_die("cannot connect", NULL);
}

static void write_bytes(struct wire *wire, size_t len)
{
    struct amp_client_fault fault;
    if (amp_client_transport_write(&wire->transport, amp_slice(wire->request.ptr, len), wire_now_ms(wire) + DEADLINE_MS,
                                   &fault) != AMP_CLIENT_OK)
        wire_die("a request could not be sent", NULL);
}

static void read_answer(struct wire *wire)
{
    struct amp_client_reader reader = {0};
    struct amp_http1_response head;
    struct amp_client_fault fault;
    const int64_t deadline = wire_now_ms(wire) + DEADLINE_MS;
    size_t len = 0, used = 0;
    enum amp_err err = AMP_ERR_TRUNCATED;
    while (err == AMP_ERR_TRUNCATED) {
        size_t got = 0;
        if (amp_client_transport_read(&wire->transport, wire->bytes + len, BUFFER - len, &got, deadline, &fault) !=
            AMP_CLIENT_OK)
            wire_die("an answer did not come", NULL);
        len += got;
        err = amp_client_reader_advance(&reader, &head, wire->bytes, len, BUFFER, &used);
    }
    wire->status = reader.status;
    wire->body = amp_slice(wire->bytes + reader.head_len, reader.body_len);
    if (err != AMP_OK || used != len || (wire->body.len != 0 && !amp_client_path_valid(wire->body)))
        wire_die("an answer is malformed", wire);
    if (!reader.keep_alive)
        amp_client_transport_close(&wire->transport);
}

void wire_drop(struct wire *wire)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (wire->transport.ssl != NULL && wire_random(wire, 2) == 0)
        (void)setsockopt(wire->transport.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    amp_client_transport_close(&wire->transport);
}

bool wire_call(struct wire *wire, const char *action, struct amp_slice json, enum wire_fault fault)
{
    wire->body = amp_slice(NULL, 0);
    connect_again(wire);
    prepare(wire, action, json);
    if (fault == WIRE_SOUND) {
        write_bytes(wire, wire->request.len);
        read_answer(wire);
        return true;
    }
    write_bytes(wire,
                fault == WIRE_CUT_BEHIND ? wire->request.len : wire_random(wire, (uint32_t)wire->request.len - 1) + 1);
    if (wire_random(wire, 2) == 0) {
        const struct timespec moment = {0, wire_random(wire, MOMENT_NS)};
        nanosleep(&moment, NULL);
    }
    wire_drop(wire);
    return false;
}

struct amp_slice wire_text(const struct wire *wire, struct amp_slice json, const char *path)
{
    struct amp_slice value;
    if (!amp_client_path_find(json, path, &value) || value.len < 2 || value.ptr[0] != '"')
        wire_die(path, wire);
    return amp_slice(value.ptr + 1, value.len - 2);
}

uint64_t wire_number(const struct wire *wire, struct amp_slice text)
{
    uint64_t number = 0;
    while (text.len > 1 && text.ptr[0] == '0') /* sequence numbers have 20 digits */
        text = amp_slice(text.ptr + 1, text.len - 1);
    if (amp_u64_parse(&number, text, UINT64_MAX) != AMP_OK)
        wire_die("a number is none", wire);
    return number;
}

struct amp_slice wire_text_in(const struct wire *wire, const char *list, uint32_t at, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s.%u.%s", list, (unsigned)at, name);
    return wire_text(wire, wire->body, path);
}

bool wire_has(const struct wire *wire, const char *list, uint32_t at)
{
    char path[64];
    struct amp_slice value;
    snprintf(path, sizeof path, "%s.%u", list, (unsigned)at);
    return wire->body.len != 0 && amp_client_path_find(wire->body, path, &value);
}

void wire_put_text(struct amp_out *out, const char *name, struct amp_slice text)
{
    amp_out_str(out, ",\"");
    amp_out_str(out, name);
    amp_out_str(out, "\":\"");
    amp_out_slice(out, text);
    amp_out_byte(out, '"');
}

void wire_put_number(struct amp_out *out, const char *name, uint64_t number)
{
    amp_out_str(out, ",\"");
    amp_out_str(out, name);
    amp_out_str(out, "\":");
    amp_out_u64(out, number);
}
