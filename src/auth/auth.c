#include "auth/auth.h"

#include <stdlib.h>

#include "auth/keycache.h"
#include "base/log.h"

#define ASKS_MAX 128

struct ask {
    uint64_t number; /* 0: free */
    struct amp_scope scope;
};

struct amp_auth {
    struct amp_auth_config config;
    struct amp_keycache *keys;
    uint64_t last_ask;
    struct ask asks[ASKS_MAX];
};

enum amp_err amp_auth_new(struct amp_auth **out, const struct amp_auth_config *config)
{
    enum amp_err err;
    struct amp_auth *auth = calloc(1, sizeof *auth);

    *out = NULL;
    if (auth == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    auth->config = *config;
    err = amp_keycache_new(&auth->keys, config->clock);
    if (err != AMP_OK) {
        free(auth);
        return err;
    }
    *out = auth;
    return AMP_OK;
}

void amp_auth_free(struct amp_auth *auth)
{
    if (auth == NULL)
        return;
    amp_keycache_free(auth->keys);
    free(auth);
}

/* A key id of any other form was never given out: the keeper need not be asked. */
static bool key_id_wellformed(struct amp_slice id)
{
    size_t i;

    if (id.len != AMP_PRINCIPAL_KEY_ID_LEN || memcmp(id.ptr, "AMPK", 4) != 0)
        return false;
    for (i = 4; i < id.len; i++) {
        if (!((id.ptr[i] >= 'A' && id.ptr[i] <= 'Z') || (id.ptr[i] >= '2' && id.ptr[i] <= '7')))
            return false;
    }
    return true;
}

static enum amp_err check_scope(const struct amp_auth *auth, const struct amp_auth_request *request,
                                const struct amp_sigv4 *sig, int64_t now_s)
{
    if (!amp_slice_is(sig->service, request->service))
        return AMP_ERR_WRONG_SCOPE;
    if (sig->date_s < now_s - auth->config.skew_s || sig->date_s > now_s + auth->config.skew_s)
        return AMP_ERR_CLOCK_SKEW;
    return AMP_OK;
}

static struct ask *find_ask(struct amp_auth *auth, const struct amp_scope *scope)
{
    size_t i;

    for (i = 0; i < ASKS_MAX; i++) {
        if (auth->asks[i].number != 0 && amp_scope_equal(&auth->asks[i].scope, scope))
            return &auth->asks[i];
    }
    return NULL;
}

static struct ask *free_ask(struct amp_auth *auth)
{
    size_t i;

    for (i = 0; i < ASKS_MAX; i++) {
        if (auth->asks[i].number == 0)
            return &auth->asks[i];
    }
    return NULL;
}

/* Requests that wait for the same scope share one question. */
static enum amp_err ask_keeper(struct amp_auth *auth, const struct amp_sigv4 *sig, const struct amp_scope *scope,
                               uint64_t *number)
{
    struct ask *ask = find_ask(auth, scope);

    if (ask == NULL) {
        ask = free_ask(auth);
        if (ask == NULL)
            return AMP_ERR_OVERLOADED;
        if (auth->config.ask(auth->config.ctx, auth->last_ask + 1, sig) != AMP_OK)
            return AMP_ERR_KEEPER_UNAVAILABLE;
        ask->number = ++auth->last_ask;
        ask->scope = *scope;
    }
    *number = ask->number;
    return AMP_ERR_AGAIN;
}

static bool expired(const struct amp_principal *who, int64_t now_unix_ms)
{
    return who->state == AMP_PRINCIPAL_DISABLED ||
           (who->state == AMP_PRINCIPAL_EXPIRING && now_unix_ms >= who->expires_unix_ms);
}

/*
 * The native API takes a signature once. SDKs of SQS sign two identical requests of one second alike: on one connection
 * that is honest, elsewhere the SDK is told to sign anew, which an eavesdropper cannot (spec section 2).
 */
static enum amp_err remember(struct amp_auth *auth, const struct amp_auth_request *request, const struct amp_sigv4 *sig,
                             int64_t now_s)
{
    uint64_t first_connection = 0;
    enum amp_err err = amp_replay_remember(auth->config.replay, sig->signature, sig->date_s, now_s,
                                           request->connection_id, &first_connection);

    if (err != AMP_ERR_REQUEST_REPLAYED || strcmp(request->service, "sqs") != 0)
        return err;
    return first_connection == request->connection_id ? AMP_OK : AMP_ERR_SQS_REQUEST_THROTTLED;
}

/* Behind the signature: by a key in force, used once, within its rate. */
static enum amp_err admit(struct amp_auth *auth, const struct amp_auth_request *request, const struct amp_sigv4 *sig,
                          const struct amp_principal *who, int64_t now_unix_ms, uint32_t *retry_after_s)
{
    enum amp_err err;

    if (expired(who, now_unix_ms))
        return AMP_ERR_KEY_DISABLED;
    err = remember(auth, request, sig, now_unix_ms / 1000);
    if (err != AMP_OK)
        return err;
    if (who->rate_per_second == 0)
        return AMP_OK;
    return amp_rate_take(auth->config.rate, amp_slice(who->name, who->name_len), who->rate_per_second, who->rate_burst,
                         1, retry_after_s);
}

static enum amp_err find_key(struct amp_auth *auth, const struct amp_sigv4 *sig, struct amp_keycache_entry **entry,
                             uint64_t *ask)
{
    struct amp_scope scope;

    if (amp_scope_make(&scope, sig) != AMP_OK)
        return AMP_ERR_MALFORMED_SIGNATURE;
    *entry = amp_keycache_find(auth->keys, &scope);
    return *entry == NULL ? ask_keeper(auth, sig, &scope, ask) : (*entry)->err;
}

/* Apart, so that its frame lies where amp_auth_check wipes. */
static __attribute__((noinline)) enum amp_err check(struct amp_auth *auth, const struct amp_auth_request *request,
                                                    struct amp_auth_result *result)
{
    struct amp_sigv4 sig;
    struct amp_keycache_entry *entry = NULL;
    uint8_t body_hash[AMP_SHA256_LEN];
    int64_t now_unix_ms = amp_clock_unix_ms(&auth->config.clock);
    bool wellformed;
    enum amp_err err;

    err = amp_sigv4_parse(&sig, request->head);
    if (err != AMP_OK)
        return err;
    wellformed = key_id_wellformed(sig.key_id);
    if (wellformed) /* anything else is a stranger's text, a card number perhaps */
        result->claimed_id = sig.key_id;
    err = check_scope(auth, request, &sig, now_unix_ms / 1000);
    if (err != AMP_OK)
        return err;
    if (!wellformed)
        return AMP_ERR_UNKNOWN_KEY;
    amp_replay_expect(auth->config.replay, sig.signature, sig.date_s);
    err = find_key(auth, &sig, &entry, &result->ask);
    if (err != AMP_OK)
        return err;
    err = amp_sha256(body_hash, &request->body, 1);
    if (err != AMP_OK)
        return err;
    err = amp_sigv4_verify_under(&sig, request->head, body_hash, &entry->key);
    if (err != AMP_OK)
        return err;
    amp_keycache_prove(auth->keys, entry);
    err = admit(auth, request, &sig, &entry->principal, now_unix_ms, &result->retry_after_s);
    if (err != AMP_OK)
        return err;
    result->who = &entry->principal;
    return AMP_OK;
}

enum amp_err amp_auth_check(struct amp_auth *auth, const struct amp_auth_request *request,
                            struct amp_auth_result *result)
{
    enum amp_err err;

    *result = (struct amp_auth_result){0};
    err = check(auth, request, result);
    if (err != AMP_OK)
        amp_wipe_stack_32k(); /* deeper than parsing, hashing and comparing a request goes */
    return err;
}

bool amp_auth_answer(struct amp_auth *auth, uint64_t number, enum amp_err err, const struct amp_key256 *day_key,
                     const struct amp_principal *principal)
{
    size_t i;

    for (i = 0; i < ASKS_MAX; i++) {
        if (number != 0 && auth->asks[i].number == number) {
            auth->asks[i].number = 0;
            /* Out of memory: nothing is stored, and whoever waits asks again or runs into his deadline. */
            if (amp_keycache_store(auth->keys, &auth->asks[i].scope, err, day_key, principal) != AMP_OK)
                amp_log(AMP_LOG_WARN, "no memory for a signing key");
            return true;
        }
    }
    return false;
}

void amp_auth_forget(struct amp_auth *auth, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    amp_keycache_forget(auth->keys, key_id);
}

void amp_auth_forget_all(struct amp_auth *auth)
{
    amp_keycache_forget_all(auth->keys);
    memset(auth->asks, 0, sizeof auth->asks);
}
