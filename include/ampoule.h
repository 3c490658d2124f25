/*
 * libampoule: hands cards and other secrets to an Ampoule daemon, and takes them back, from C.
 *
 *     struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
 *     config.url = "https://vault.example.com:8443";
 *     config.key_id = key_id;
 *     config.secret = secret;
 *
 *     struct amp_client *client = NULL;
 *     struct amp_client_reply *reply = NULL;
 *     if (amp_client_new(&client, &config) == AMP_CLIENT_OK &&
 *         amp_client_redeem(client, token, NULL, &reply) == AMP_CLIENT_OK)
 *         charge(amp_client_reply_text(reply, "card.number"));
 *     amp_client_reply_free(reply);
 *     amp_client_free(client);
 *
 * examples/shop.c, gateway.c and webhook.c use every call.
 *
 * Memory. Whatever may hold card data, a token or a secret lives in a pool of the library's own: locked against swap
 * where the system allows it, left out of core dumps and forks, wiped when freed. The library changes nothing else of
 * the process: no limits, no signal handlers, no allocator. What you pass in is copied and stays yours to wipe
 * (amp_client_wipe).
 *
 * Threads. A handle and the replies it gave are used by one thread at a time; different handles are independent. Do
 * not use a handle in a child of fork.
 *
 * Network. TLS 1.2 or 1.3 with AEAD suites; the server's certificate and name are always verified. A handle keeps one
 * connection and opens it anew where the server closed it. Every request is signed (AWS Signature Version 4), carries
 * a random nonce, and blocks until its answer or its timeout (looking up a name may block longer).
 *
 * Repeating. Where the answer is lost on the way, the library sends the request a second time only if that does no
 * harm: it reads only, or it has an Idempotency-Key. tokenize, tokenize_batch and claim make up such a key where you
 * give none. Give your own, kept with your order, to be safe across a crash of your process as well.
 */
#ifndef AMPOULE_H
#define AMPOULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AMP_CLIENT_API      __attribute__((visibility("default")))
#define AMP_CLIENT_MUST_USE __attribute__((warn_unused_result))
#else
#define AMP_CLIENT_API
#define AMP_CLIENT_MUST_USE
#endif

enum amp_client_status {
    AMP_CLIENT_OK = 0,
    AMP_CLIENT_REFUSED,     /* the server answered, and said no: see amp_client_error_get */
    AMP_CLIENT_USAGE,       /* an argument is missing or malformed; nothing was sent */
    AMP_CLIENT_UNREACHABLE, /* no connection, or it broke: a request that was under way may have been carried out */
    AMP_CLIENT_TLS,         /* the certificate or the handshake failed; nothing was sent */
    AMP_CLIENT_TIMEOUT,     /* no answer in time: the request may have been carried out */
    AMP_CLIENT_PROTOCOL,    /* the answer is not well-formed: the request may have been carried out */
    AMP_CLIENT_MEMORY,      /* no memory left; where it was the answer's, the request may have been carried out */
    /* of what was received: */
    AMP_CLIENT_MALFORMED,    /* it lacks a field, or is not of its form */
    AMP_CLIENT_TOO_OLD,      /* it was signed more than 5 minutes from now: a replay, or a clock that is wrong */
    AMP_CLIENT_NOT_AUTHENTIC /* it does not verify: forged, changed on its way, or meant for another secret or key */
};

/* "ok", "refused", ... Static storage. */
AMP_CLIENT_API const char *amp_client_status_name(enum amp_client_status status);

struct amp_client;
struct amp_client_reply;

/* Start from AMP_CLIENT_CONFIG_INIT. Texts are copied by amp_client_new. */
struct amp_client_config {
    size_t size;                 /* sizeof(struct amp_client_config): lets the library know the caller's version */
    const char *url;             /* https://HOST[:PORT] */
    const char *ca_file;         /* PEM certificates that alone are trusted; NULL: the system's */
    const char *key_id;          /* access key id */
    const char *secret;          /* its secret */
    const char *region;          /* of the signature; NULL: us-east-1. The daemon accepts any */
    uint32_t connect_timeout_ms; /* for connecting and the TLS handshake; 0: 5000 */
    uint32_t timeout_ms;         /* for a whole call; 0: 30000 */
};
#define AMP_CLIENT_CONFIG_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(struct amp_client_config), NULL, NULL, NULL, NULL, NULL, 0, 0                                           \
    }

/* Connects to nothing yet. *out is NULL where it fails: USAGE (malformed or missing url, key id, secret or region; CA
 * file that cannot be used; another size than AMP_CLIENT_CONFIG_INIT's), MEMORY. */
AMP_CLIENT_API enum amp_client_status amp_client_new(struct amp_client **out,
                                                     const struct amp_client_config *config) AMP_CLIENT_MUST_USE;
/* Closes the connection, wipes the key. NULL does nothing. Replies live on. */
AMP_CLIENT_API void amp_client_free(struct amp_client *client);

/* Why the last call on a handle did not give AMP_CLIENT_OK. Texts are never NULL and never repeat what was sent. */
struct amp_client_error {
    enum amp_client_status status;
    int http_status;        /* of the answer; 0 where there was none */
    const char *code;       /* stable word for programs: "token_gone", "connection_refused" ... */
    const char *message;    /* one sentence for people */
    const char *reason;     /* of token_gone and claim_gone: "used", "expired", "revoked"; else "" */
    const char *request_id; /* finds the request in the server's log; "" where it has none */
    uint32_t retry_after_s; /* the server asks to wait that long; 0 where it does not */
};
/* Borrowed: valid until the next call on the handle. Of NULL: that amp_client_new made no handle. */
AMP_CLIENT_API const struct amp_client_error *amp_client_error_get(const struct amp_client *client);

/* ---- replies ---- */

/* The whole body: JSON in UTF-8, NUL-terminated, *len without it (len may be NULL). Empty where the answer has no body.
 * Borrowed until the reply is freed. */
AMP_CLIENT_API const char *amp_client_reply_json(const struct amp_client_reply *reply, size_t *len);
/*
 * One member by its path: "token", "card.number", "results.0.token". Strings come unescaped, numbers, true and false as
 * written, objects and arrays as their JSON; NULL where there is no such member or it is null, and where no memory is
 * left for the text. Borrowed until the reply is freed.
 */
AMP_CLIENT_API const char *amp_client_reply_text(struct amp_client_reply *reply, const char *path);
/* 0 where it was received, not answered. */
AMP_CLIENT_API int amp_client_reply_http_status(const struct amp_client_reply *reply);
/* Wipes and frees. NULL does nothing. */
AMP_CLIENT_API void amp_client_reply_free(struct amp_client_reply *reply);

/* Overwrites `len` bytes for good; no compiler drops it. For your own copies of card data. */
AMP_CLIENT_API void amp_client_wipe(void *ptr, size_t len);

/* ---- calls ----
 * Each sets *reply, to NULL unless it returns AMP_CLIENT_OK; the caller frees it, the one before it too: that one is
 * not looked at. `reply` may be NULL where the answer is not wanted. Tokens and claims are texts as the server gave
 * them.
 */

struct amp_client_card {
    const char *number; /* 12 to 19 digits, nothing else */
    int exp_month;      /* 1 to 12 */
    int exp_year;       /* four digits */
    const char *cvc;    /* NULL: none */
    const char *name;   /* UTF-8; NULL: none */
};

/* What a token is to stand for: exactly one of `card` and `data`. Start from AMP_CLIENT_CONTENT_INIT. */
struct amp_client_content {
    size_t size; /* sizeof(struct amp_client_content) */
    const struct amp_client_card *card;
    const char *data;     /* any JSON value */
    const char *queue;    /* NULL: the server's default */
    const char *metadata; /* a JSON object; NULL: none. Not secret: it goes into the queue's messages */
    uint64_t ttl_ms;      /* 0: the server's default */
};
#define AMP_CLIENT_CONTENT_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(struct amp_client_content), NULL, NULL, NULL, NULL, 0                                                   \
    }

/* Reply: token, expires_at, queue, card.brand, card.bin, card.last4, card.exp_month, card.exp_year. `idempotency_key`:
 * 1 to 255 visible ASCII characters, or NULL for one of the library's. */
AMP_CLIENT_API enum amp_client_status amp_client_tokenize(struct amp_client *client,
                                                          const struct amp_client_content *content,
                                                          const char *idempotency_key,
                                                          struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/* At most 100. Reply: results.N.token or results.N.error.code, in order. `contents` is an array of `count` structs. */
AMP_CLIENT_API enum amp_client_status amp_client_tokenize_batch(struct amp_client *client,
                                                                const struct amp_client_content *contents, size_t count,
                                                                const char *idempotency_key,
                                                                struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/* Looks without consuming. Reply: the masked card, expires_at, state. */
AMP_CLIENT_API enum amp_client_status amp_client_inspect(struct amp_client *client, const char *token,
                                                         struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/* Takes the token for `lease_ms` (0: the server's default). Reply: claim, lease_expires_at, card.* or data, metadata.
 */
AMP_CLIENT_API enum amp_client_status amp_client_claim(struct amp_client *client, const char *token, uint64_t lease_ms,
                                                       const char *idempotency_key,
                                                       struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/*
 * Ends a claim: the content is destroyed. Where the answer did not come (UNREACHABLE, TIMEOUT, PROTOCOL, MEMORY),
 * commit again: REFUSED with code "claim_gone" and reason "used" then says that it was done the first time.
 */
AMP_CLIENT_API enum amp_client_status amp_client_commit(struct amp_client *client,
                                                        const char *claim) AMP_CLIENT_MUST_USE;
/* Ends a claim: the token is free again. */
AMP_CLIENT_API enum amp_client_status amp_client_abort(struct amp_client *client,
                                                       const char *claim) AMP_CLIENT_MUST_USE;
/*
 * Claim and commit in one: the card comes once. Not repeated by the library unless a key is given; where an answer may
 * be lost on the way, claim, and commit once you have it.
 */
AMP_CLIENT_API enum amp_client_status amp_client_redeem(struct amp_client *client, const char *token,
                                                        const char *idempotency_key,
                                                        struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/* Destroys a token that nobody has claimed. */
AMP_CLIENT_API enum amp_client_status amp_client_revoke(struct amp_client *client,
                                                        const char *token) AMP_CLIENT_MUST_USE;

/* ---- queues ----
 * Three actions of the SQS API, under the names and limits of AWS. `queue` is its name. Everything else there is by
 * amp_client_call with service "sqs", target "/" and an amz_target, in AWS JSON 1.0; errors have AWS's names as their
 * code ("QueueDoesNotExist").
 */

/* Puts text (UTF-8 without control characters, 1 MiB at most) into a queue. `group_id`: FIFO queues need one, NULL
 * otherwise. `deduplication_id`, or NULL: of FIFO queues; with one, a lost answer is asked for again. Reply: MessageId,
 * MD5OfMessageBody, SequenceNumber (FIFO). */
AMP_CLIENT_API enum amp_client_status amp_client_send(struct amp_client *client, const char *queue, const void *body,
                                                      size_t body_len, const char *group_id,
                                                      const char *deduplication_id,
                                                      struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/*
 * Takes up to `max` (1 to 10) messages, waiting up to `wait_s` (at most 20) for the first; the handle's timeout begins
 * behind that. They stay hidden from others for the queue's visibility timeout: delete each once it is dealt with.
 * Reply: Messages.N.Body, .MessageId, .ReceiptHandle, .Attributes.SenderId (the sender's key id, which the server
 * verified); no Messages where none came. An answer has 2 MiB at most: of large messages, take few at a time.
 */
AMP_CLIENT_API enum amp_client_status amp_client_receive(struct amp_client *client, const char *queue, uint32_t max,
                                                         uint32_t wait_s,
                                                         struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;
/* `receipt`: the message's ReceiptHandle. */
AMP_CLIENT_API enum amp_client_status amp_client_delete_message(struct amp_client *client, const char *queue,
                                                                const char *receipt) AMP_CLIENT_MUST_USE;

/* Any other request, signed the same way. Start from AMP_CLIENT_REQUEST_INIT. */
struct amp_client_request {
    size_t size;              /* sizeof(struct amp_client_request) */
    const char *method;       /* NULL: GET without a body, POST with one. HEAD is not supported */
    const char *target;       /* path and query, beginning with "/" */
    const char *content_type; /* NULL: application/json */
    const void *body;         /* copied to secret memory */
    size_t body_len;
    const char *idempotency_key; /* NULL: none; with one, a lost answer is asked for again */
    const char *service;         /* of the signature; NULL: "ampoule". "sqs" for the SQS API */
    const char *amz_target;      /* X-Amz-Target: "AmazonSQS.CreateQueue"; NULL: none. content_type NULL is then
                                    application/x-amz-json-1.0 */
    uint32_t wait_ms;            /* the server is asked to wait that long: the handle's timeout begins behind it */
};
#define AMP_CLIENT_REQUEST_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(struct amp_client_request), NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0                              \
    }
AMP_CLIENT_API enum amp_client_status amp_client_call(struct amp_client *client,
                                                      const struct amp_client_request *request,
                                                      struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;

/* ---- receiving ----
 * What a daemon pushes to a gateway. No handle, no network: any thread, any time.
 */

/*
 * Verifies a webhook (standardwebhooks.com) before any of it is believed. `secret`: "whsec_...", as the subscription's
 * creation answered it; while it rotates, try the new one and then the old. `id`, `timestamp`, `signature`: the values
 * of webhook-id, webhook-timestamp and webhook-signature as they arrived; NULL where there was none. `body`: its `len`
 * bytes, not a byte changed.
 * Reply, unless `reply` is NULL: the body: token, expires_at, card.last4, sealed. *reply is NULL unless it returns OK.
 * USAGE (the secret), MALFORMED, TOO_OLD, NOT_AUTHENTIC, MEMORY.
 * A webhook may come more than once: webhook-id stays the same.
 */
AMP_CLIENT_API enum amp_client_status amp_client_webhook_verify(const char *secret, const char *id,
                                                                const char *timestamp, const char *signature,
                                                                const void *body, size_t len,
                                                                struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;

/* A private key that opens what was encrypted to its public half. It does not change: any number of threads may use it
 * at a time. */
struct amp_client_jwk;
/* `jwk`: a private JSON Web Key (RFC 7517): RSA of 2048 to 4096 bits with its primes, or EC on P-256 or P-384. Making
 * it takes milliseconds: keep it. *out is NULL where it fails: USAGE, MEMORY. */
AMP_CLIENT_API enum amp_client_status amp_client_jwk_new(struct amp_client_jwk **out,
                                                         const char *jwk) AMP_CLIENT_MUST_USE;
/* Wipes and frees. NULL does nothing. */
AMP_CLIENT_API void amp_client_jwk_free(struct amp_client_jwk *jwk);
/*
 * Opens a compact JWE, such as the `sealed` of a message: RSA-OAEP-256 or ECDH-ES with A256GCM. With several keys, go
 * on to the next after NOT_AUTHENTIC. Reply: what was encrypted, as a redemption tells it: card.* or data,
 * metadata. USAGE, MALFORMED, NOT_AUTHENTIC, MEMORY.
 */
AMP_CLIENT_API enum amp_client_status amp_client_jwe_open(const struct amp_client_jwk *jwk, const char *jwe,
                                                          struct amp_client_reply **reply) AMP_CLIENT_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
