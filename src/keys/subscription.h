/*
 * Webhook subscriptions: where a queue's messages are pushed, and the secrets that sign them. They live in the keeper
 * and, sealed under the KEK, in the file `subscriptions` of the state directory; the courier is handed the secrets, the
 * front what is public of them.
 */
#ifndef AMP_KEYS_SUBSCRIPTION_H
#define AMP_KEYS_SUBSCRIPTION_H

#include "base/clock.h"
#include "keys/principal.h"
#include "keys/provider.h"
#include "wire/jwe.h"
#include "wire/url.h"
#include "wire/webhook.h"

#define AMP_SUBSCRIPTION_ID_LEN          16 /* random; as text "sub_" and 22 characters of base64url */
#define AMP_SUBSCRIPTION_ID_TEXT_LEN     26
#define AMP_SUBSCRIPTION_DESCRIPTION_MAX 256
#define AMP_SUBSCRIPTIONS_MAX            1000
#define AMP_SUBSCRIPTIONS_PER_QUEUE_MAX  8
#define AMP_SUBSCRIPTION_OVERLAP_MS      (INT64_C(24) * 3600 * 1000) /* the old secret signs on beside the new one */
#define AMP_SUBSCRIPTION_FILE            "subscriptions"

enum amp_subscription_state {
    AMP_SUBSCRIPTION_ACTIVE,
    AMP_SUBSCRIPTION_GONE,     /* the endpoint answered 410: disabled */
    AMP_SUBSCRIPTION_FAILING,  /* it failed for push.disable_after: disabled */
    AMP_SUBSCRIPTION_ORPHANED, /* its owner has no key any more that may sign: disabled */
    AMP_SUBSCRIPTION_STATE_COUNT_
};
/* "active", "gone", "failing", "owner_disabled". */
const char *amp_subscription_state_name(enum amp_subscription_state state);

/* What is public of one. */
struct amp_subscription {
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    enum amp_subscription_state state;
    bool ordered; /* a message waits for the one before it */
    int64_t created_unix_ms;
    uint32_t generation;                     /* how often it was rotated */
    uint8_t owner[AMP_PRINCIPAL_KEY_ID_LEN]; /* who made it, or took it over */
    uint8_t queue_len;
    uint8_t queue[AMP_GRANT_QUEUE_MAX];
    uint16_t url_len;
    uint8_t url[AMP_URL_MAX];
    uint16_t description_len;
    uint8_t description[AMP_SUBSCRIPTION_DESCRIPTION_MAX]; /* UTF-8 without control characters */
    uint16_t jwk_len;                                      /* 0: none */
    uint8_t jwk[AMP_JWK_MAX];                              /* the canonical public JWK */
};

/* With what signs. Wipe after use. */
struct amp_subscription_secrets {
    uint32_t count; /* 1, or 2 while the older one still signs; the newest first */
    struct amp_webhook_secret secrets[AMP_WEBHOOK_SECRETS_MAX];
    int64_t older_expires_unix_ms; /* where count is 2 */
};

/* Checks every field's form; AMP_ERR_INVALID. */
enum amp_err amp_subscription_check(const struct amp_subscription *subscription) AMP_MUST_USE;
/* Packed form for the file and the links; at most AMP_SUBSCRIPTION_PACKED_MAX. Unpack consumes exactly and checks. */
#define AMP_SUBSCRIPTION_PACKED_MAX 6144
void amp_subscription_pack(struct amp_out *out, const struct amp_subscription *subscription);
enum amp_err amp_subscription_unpack(struct amp_subscription *subscription, struct amp_slice packed) AMP_MUST_USE;
#define AMP_SUBSCRIPTION_SECRETS_PACKED_MAX 160
void amp_subscription_secrets_pack(struct amp_out *out, const struct amp_subscription_secrets *secrets);
enum amp_err amp_subscription_secrets_unpack(struct amp_subscription_secrets *secrets,
                                             struct amp_slice packed) AMP_MUST_USE;

/* "sub_..."; AMP_ERR_SUBSCRIPTION_UNKNOWN for any other form: there is none of that name. */
void amp_subscription_id_format(char out[AMP_SUBSCRIPTION_ID_TEXT_LEN], const uint8_t id[AMP_SUBSCRIPTION_ID_LEN]);
enum amp_err amp_subscription_id_parse(uint8_t id[AMP_SUBSCRIPTION_ID_LEN], struct amp_slice text) AMP_MUST_USE;

/*
 * All of them, in the keeper. Each change is durable when its function returns; one that could not be written is
 * undone. The file is one of keys/sealed_file.h, its magic "AMPSUBSC". Inside: u32 count | count times { u16 length,
 * packed subscription, u16 length, packed secrets }, in order of their making.
 */
#define AMP_SUBSCRIPTIONS_BYTES_MAX (3 << 20) /* of the file's inside; told as a whole it fits into a link's queue */
struct amp_subscriptions;
struct amp_subscriptions_config {
    int dir_fd; /* borrowed */
    struct amp_clock clock;
    const struct amp_key_provider *provider; /* borrowed */
};
/* As amp_keyring_open: what an ephemeral KEK of an earlier life sealed is discarded before, by who made that KEK. */
enum amp_err amp_subscriptions_open(struct amp_subscriptions **out,
                                    const struct amp_subscriptions_config *config) AMP_MUST_USE;
/* As amp_keyring_provider. */
enum amp_err amp_subscriptions_provider(int dir_fd, char name[AMP_KEY_PROVIDER_NAME_MAX]) AMP_MUST_USE;
/* As amp_sealed_form_pin. */
enum amp_err amp_subscriptions_pin(void) AMP_MUST_USE;
void amp_subscriptions_free(struct amp_subscriptions *subscriptions);
size_t amp_subscriptions_count(const struct amp_subscriptions *subscriptions);
/* Borrowed until the next change. `index` below the count. */
const struct amp_subscription *amp_subscriptions_at(const struct amp_subscriptions *subscriptions, size_t index);
const struct amp_subscription_secrets *amp_subscriptions_secrets_at(const struct amp_subscriptions *subscriptions,
                                                                    size_t index);
/* *index; AMP_ERR_SUBSCRIPTION_UNKNOWN. */
enum amp_err amp_subscriptions_find(const struct amp_subscriptions *subscriptions,
                                    const uint8_t id[AMP_SUBSCRIPTION_ID_LEN], size_t *index) AMP_MUST_USE;
/* `wanted`: id, state, time and generation are set here. AMP_ERR_INVALID, AMP_ERR_OVER_LIMIT (of all, or of its queue),
 * IO, CRYPTO. The secret is found by its index, which is that of the last. */
enum amp_err amp_subscriptions_create(struct amp_subscriptions *subscriptions, struct amp_subscription *wanted,
                                      size_t *index) AMP_MUST_USE;
/* A new secret; the one before signs on for AMP_SUBSCRIPTION_OVERLAP_MS, an older one no more. A disabled subscription
 * becomes active again. `owner`: who takes it over, and then none of the secrets that the owner before knows signs on;
 * NULL: it stays whose it is. */
enum amp_err amp_subscriptions_rotate(struct amp_subscriptions *subscriptions, size_t index,
                                      const uint8_t *owner) AMP_MUST_USE;
/* Forgets the older secret, as is to be done once its time is over. */
enum amp_err amp_subscriptions_retire(struct amp_subscriptions *subscriptions, size_t index) AMP_MUST_USE;
enum amp_err amp_subscriptions_remove(struct amp_subscriptions *subscriptions, size_t index) AMP_MUST_USE;
enum amp_err amp_subscriptions_set_state(struct amp_subscriptions *subscriptions, size_t index,
                                         enum amp_subscription_state state) AMP_MUST_USE;

#endif
