/*
 * One request and its answer. Every attempt is signed anew with a new nonce, since the server refuses a repeated
 * signature as a replay. A second attempt is made only where the first was sent over a connection that then broke, and
 * where asking twice does no harm (RFC 9110 section 9.2.2).
 */
#include "base/text.h"
#include "client/internal.h"
#include "client/reader.h"
#include "client/runtime.h"

#define FIRST_READ  4096
#define KEPT_BYTES  (64u * 1024)
#define MAX_RETRY_S 86400

static enum amp_client_status unusable_answer(struct amp_client *client)
{
    return AMP_CLIENT_FAULT(&client->fault, AMP_CLIENT_PROTOCOL, "malformed_answer",
                            "the answer is not a well-formed HTTP/1.1 response; is it an ampouled that listens there?");
}

static enum amp_client_status connect_in_time(struct amp_client *client, int64_t deadline_ms)
{
    struct amp_client_transport *transport = &client->transport;
    if (transport->used && amp_client_transport_alive(transport))
        return AMP_CLIENT_OK;
    amp_client_transport_close(transport);
    const int64_t limit = amp_clock_mono_ms(&transport->clock) + client->connect_timeout_ms;
    return amp_client_transport_open(transport, &client->url, limit < deadline_ms ? limit : deadline_ms,
                                     &client->fault);
}

static enum amp_client_status sign(struct amp_client *client, const struct amp_client_message *message)
{
    uint8_t random[AMP_CLIENT_NONCE_LEN / 2];
    char nonce[AMP_CLIENT_NONCE_LEN];
    enum amp_err err = amp_random(random, sizeof random);
    amp_hex_encode(nonce, random, sizeof random);
    amp_secret_buf_clear(&client->wire);
    if (err == AMP_OK)
        err = amp_client_sign(&client->wire, &client->identity, message, amp_clock_unix_ms(&client->transport.clock),
                              nonce);
    if (err == AMP_OK)
        return AMP_CLIENT_OK;
    if (err == AMP_ERR_OUT_OF_MEMORY || err == AMP_ERR_CRYPTO)
        return amp_client_no_memory(client);
    return amp_client_wrong(client, "a method, target, header value or Idempotency-Key cannot stand in a request");
}

static enum amp_client_status too_large(struct amp_client *client)
{
    return AMP_CLIENT_FAULT(&client->fault, AMP_CLIENT_PROTOCOL, "answer_too_large",
                            "the answer is larger than 2 MiB; ask for less at a time");
}

static enum amp_client_status no_room(struct amp_client *client)
{
    return AMP_CLIENT_FAULT(&client->fault, AMP_CLIENT_MEMORY, "out_of_memory",
                            "no secret memory is left for the answer; the request may have been carried out");
}

/* Room for the next read: for all of the body where its length is known, so that it is not copied as it grows. */
static size_t room_wanted(const struct amp_client_reader *reader, size_t received)
{
    const uint64_t whole = reader->head_len + reader->content_length;
    return reader->head_len > 0 && whole > received && whole - received > FIRST_READ ? (size_t)(whole - received)
                                                                                     : FIRST_READ;
}

/* Fills client->in until one answer is complete. */
static enum amp_client_status receive(struct amp_client *client, struct amp_client_reader *reader, int64_t deadline_ms)
{
    struct amp_secret_buf *in = &client->in;
    struct amp_http1_response head;
    *reader = (struct amp_client_reader){0};
    for (;;) {
        size_t used = 0;
        size_t got = 0;
        if (in->len > 0) {
            const enum amp_err err =
                amp_client_reader_advance(reader, &head, in->ptr, in->len, AMP_CLIENT_MAX_BODY, &used);
            if (err == AMP_OK && used == in->len)
                return AMP_CLIENT_OK;
            if (err == AMP_ERR_BODY_TOO_LARGE)
                return too_large(client);
            if (err != AMP_ERR_TRUNCATED)
                return unusable_answer(client); /* also where more came than was asked for */
        }
        if (amp_secret_buf_reserve(in, room_wanted(reader, in->len)) != AMP_OK)
            return no_room(client);
        const enum amp_client_status status = amp_client_transport_read(
            &client->transport, in->ptr + in->len, in->cap - in->len, &got, deadline_ms, &client->fault);
        if (status != AMP_CLIENT_OK)
            return status;
        in->len += got;
    }
}

/* One attempt; *sent where the server may have seen the request. */
static enum amp_client_status attempt(struct amp_client *client, const struct amp_client_message *message,
                                      struct amp_client_reader *reader, int64_t deadline_ms, bool *sent)
{
    struct amp_client_transport *transport = &client->transport;
    *sent = false;
    enum amp_client_status status = connect_in_time(client, deadline_ms);
    if (status == AMP_CLIENT_OK)
        status = sign(client, message);
    if (status != AMP_CLIENT_OK)
        return status;
    amp_secret_buf_clear(&client->in);
    if (amp_secret_buf_reserve(&client->in, FIRST_READ) != AMP_OK)
        return amp_client_no_memory(client); /* before the card behind a token is given to who cannot take it */
    *sent = true;
    transport->used = true;
    status = amp_client_transport_write(transport, amp_slice(client->wire.ptr, client->wire.len), deadline_ms,
                                        &client->fault);
    amp_secret_buf_clear(&client->wire);
    /* A server that refuses early may close before it took everything: its answer is worth reading. */
    if (status == AMP_CLIENT_OK || status == AMP_CLIENT_UNREACHABLE)
        status = receive(client, reader, deadline_ms);
    if (status != AMP_CLIENT_OK || !reader->keep_alive)
        amp_client_transport_close(transport);
    return status;
}

/*
 * Asks a second time, the connection having broken. Where that cannot be sent, what the first came to is still the
 * answer: it may have been carried out, which the status of a handshake that failed denies.
 */
static enum amp_client_status attempt_again(struct amp_client *client, const struct amp_client_message *message,
                                            struct amp_client_reader *reader, int64_t deadline_ms)
{
    const struct amp_client_fault first = client->fault; /* points into client->fault, where it goes back to */
    bool sent;
    const enum amp_client_status status = attempt(client, message, reader, deadline_ms, &sent);
    if (sent)
        return status;
    client->fault = first;
    return AMP_CLIENT_UNREACHABLE;
}

static struct amp_client_refusal refusal_of(struct amp_slice answer, const struct amp_client_reader *reader)
{
    struct amp_client_refusal refusal = {
        .http_status = reader->status,
        .body = amp_slice(answer.ptr + reader->head_len, reader->body_len),
    };
    struct amp_http1_response head;
    size_t head_len = 0, scanned = 0;
    uint64_t seconds;
    if (amp_http1_parse_response(&head, answer.ptr, answer.len, &head_len, &scanned) != AMP_OK)
        return refusal;
    for (size_t i = 0; i < head.field_count; i++) {
        const struct amp_slice value = head.fields[i].value;
        if (amp_slice_equal_nocase(head.fields[i].name, AMP_SLICE_LIT("x-request-id")))
            refusal.request_id = value;
        else if (amp_slice_equal_nocase(head.fields[i].name, AMP_SLICE_LIT("retry-after")))
            refusal.retry_after_s = amp_u64_parse(&seconds, value, MAX_RETRY_S) == AMP_OK ? (uint32_t)seconds : 0;
    }
    return refusal;
}

static enum amp_client_status conclude(struct amp_client *client, const struct amp_client_reader *reader,
                                       struct amp_client_reply **reply)
{
    const struct amp_slice answer = amp_slice(client->in.ptr, client->in.len);
    if (reader->status < 200 || reader->status > 299) {
        const struct amp_client_refusal refusal = refusal_of(answer, reader);
        return amp_client_fault_refused(&client->fault, &refusal);
    }
    if (reply == NULL)
        return AMP_CLIENT_OK;
    *reply = amp_client_reply_new(reader->status, amp_slice(answer.ptr + reader->head_len, reader->body_len));
    return *reply != NULL ? AMP_CLIENT_OK : no_room(client);
}

/* Wipes what was read; what a large answer needed is given back. */
static void forget(struct amp_secret_buf *buf)
{
    if (buf->cap > KEPT_BYTES)
        amp_secret_buf_free(buf);
    else
        amp_secret_buf_clear(buf);
}

enum amp_client_status amp_client_exchange(struct amp_client *client, const struct amp_client_message *message,
                                           bool repeatable, struct amp_client_reply **reply)
{
    const int64_t deadline_ms = amp_clock_mono_ms(&client->transport.clock) + client->timeout_ms + message->wait_ms;
    struct amp_client_message addressed = *message;
    struct amp_client_reader reader = {0};
    bool sent;
    if (reply != NULL)
        *reply = NULL;
    amp_client_fault_clear(&client->fault);
    if (amp_client_runtime_start() != AMP_OK)
        return amp_client_no_memory(client);
    addressed.authority = client->url.authority;
    enum amp_client_status status = attempt(client, &addressed, &reader, deadline_ms, &sent);
    if (status == AMP_CLIENT_UNREACHABLE && sent && repeatable)
        status = attempt_again(client, &addressed, &reader, deadline_ms);
    if (status == AMP_CLIENT_OK)
        status = conclude(client, &reader, reply);
    if (status == AMP_CLIENT_OK)
        amp_client_fault_clear(&client->fault);
    forget(&client->in);
    forget(&client->wire);
    amp_wipe_stack_4k();
    return status;
}

enum amp_client_status amp_client_exchange_draft(struct amp_client *client, const struct amp_client_message *message,
                                                 struct amp_client_draft *draft, bool repeatable,
                                                 struct amp_client_reply **reply)
{
    struct amp_client_message whole = *message;
    enum amp_client_status status;
    whole.body = amp_slice(draft->buf.ptr, draft->buf.len);
    if (draft->bad)
        status = amp_client_wrong(client, "an argument is missing, not UTF-8, or not JSON where JSON is expected");
    else if (draft->no_memory)
        status = amp_client_no_memory(client);
    else
        status = amp_client_exchange(client, &whole, repeatable, reply);
    amp_client_draft_fini(draft);
    return status;
}
