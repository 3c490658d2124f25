/*
 * A message as it lies in a queue: packed, sealed under an epoch key with queue, message id, principal, epoch and
 * expiry authenticated (spec section 4), and opened again for who receives it or is pushed to.
 */
#ifndef AMP_API_MESSAGE_H
#define AMP_API_MESSAGE_H

#include "api/internal.h"
#include "wire/sqs.h"

#define AMP_MESSAGE_FIFO_ID_MAX 128
#define AMP_MESSAGE_BODY_ID_LEN (2 * AMP_SHA256_LEN)

/* One subscriber's copy of the card. */
struct amp_message_sealed {
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    struct amp_slice jwe;
};

/* Slices borrow: from the request, or from what was opened. */
struct amp_message {
    struct amp_slice body; /* text; where it tells of a token: a JSON object without its closing brace */
    bool of_token;
    const uint8_t *md5;    /* of the body as it is received, AMP_MD5_LEN bytes, so that who receives it need not make it
                              again; NULL: not known, as of one that is completed first */
    uint32_t sealed_count; /* where of_token */
    struct amp_message_sealed sealed[AMP_SUBSCRIPTIONS_PER_QUEUE_MAX];
    struct amp_sqs_attributes attributes;
    struct amp_slice trace_header; /* the system attribute AWSTraceHeader; empty: none */
    struct amp_slice group_id;     /* FIFO queues; at most AMP_MESSAGE_FIFO_ID_MAX bytes, as the next */
    struct amp_slice deduplication_id;
    bool deduplicated_by_body; /* deduplication_id is amp_message_body_id of the body, and need not be kept */
};

/* Where and how it is put. */
struct amp_message_order {
    struct amp_slice queue;
    const uint8_t *sender; /* AMP_MESSAGE_SENDER_LEN bytes: the verified access key id */
    int64_t now_unix_ms;
    int64_t life_ms;
    int64_t delay_ms; /* -1: the queue's own */
};

/*
 * Packs, seals and puts it; sent->id names it. Deduplication and group are hashed under a key of this process.
 * AMP_ERR_QUEUE_UNKNOWN, VAULT_FULL, KEEPER_UNAVAILABLE, OUT_OF_MEMORY. Uses api->plain and api->sealed.
 */
enum amp_err amp_message_send(struct amp_api *api, const struct amp_message_order *order,
                              const struct amp_message *message, struct amp_message_sent *sent) AMP_MUST_USE;
/*
 * Opens what the engine handed out; appends to `plain`, from which `message` borrows. AMP_ERR_NOT_AUTHENTIC.
 */
enum amp_err amp_message_open(struct amp_api *api, const struct amp_message_out *out, struct amp_slice sealed,
                              struct amp_secret_buf *plain, struct amp_message *message) AMP_MUST_USE;

/* SQS Developer Guide, "content-based deduplication": the SHA-256 of the body, in hexadecimal. */
enum amp_err amp_message_body_id(struct amp_slice body, char text[AMP_MESSAGE_BODY_ID_LEN]) AMP_MUST_USE;

/* Longest body that amp_message_write_body can make of it. */
size_t amp_message_body_len(const struct amp_message *message);
/*
 * The body as it is received or pushed. Of a token: the object, closed, with "sealed" where there is a copy for the
 * reader: for a subscription its own, a string; for who polls (`subscription` NULL) the one there is, or an array of
 * them where there are several (each names its key in its header).
 */
void amp_message_write_body(struct amp_out *out, const struct amp_message *message, const uint8_t *subscription);

/* Keyed hash of a receive attempt, of this queue and principal: nobody repeats another's. Two keys of one name are one
 * principal. */
enum amp_err amp_message_hash_attempt(const struct amp_api *api, struct amp_slice queue,
                                      const struct amp_principal *who, struct amp_slice attempt,
                                      uint8_t out[AMP_MESSAGE_HASH_LEN]) AMP_MUST_USE;

#endif
