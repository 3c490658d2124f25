/* Answers to front and scribe. What is secret in them is put together in secret memory. */
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "keeper/internal.h"
#include "wire/sigv4.h"

enum {
    DATE_LEN = 8,
    SCOPE_MAX = 32, /* region, service */
    DAY_MS = 24 * 3600 * 1000,
    DAY_KEY_ANSWER_MAX = 8192,
    LOG_KEY_ANSWER_MAX = 600,
};

struct day_key_request {
    uint64_t ask;
    uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN];
    uint8_t date[DATE_LEN];
    struct amp_slice region;
    struct amp_slice service;
};

static bool is_scope_word(struct amp_slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return word.len != 0;
}

static bool read_request(struct day_key_request *request, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    request->ask = amp_ipc_get_u64(&in);
    amp_ipc_get_fixed(&in, request->key_id, sizeof(request->key_id));
    amp_ipc_get_fixed(&in, request->date, sizeof(request->date));
    request->region = amp_ipc_get_bytes(&in, SCOPE_MAX);
    request->service = amp_ipc_get_bytes(&in, SCOPE_MAX);
    return amp_ipc_end(&in) && is_scope_word(request->region) && is_scope_word(request->service);
}

/* A key for a day long gone or far away is of no use to an honest front. */
static bool date_is_near(const uint8_t date[DATE_LEN], int64_t now_ms)
{
    uint8_t text[16] = "YYYYMMDDT000000Z";
    int64_t begin_s;
    memcpy(text, date, DATE_LEN);
    if (amp_date_parse_basic(&begin_s, amp_slice(text, sizeof(text))) != AMP_OK)
        return false;
    int64_t into_day_ms = now_ms - begin_s * 1000;
    return into_day_ms >= -(int64_t)DAY_MS && into_day_ms < 2 * (int64_t)DAY_MS;
}

struct derived {
    struct amp_keyring_secret secret;
    struct amp_key256 key;
    struct amp_principal principal;
};

static enum amp_err derive(struct amp_keeper *keeper, const struct day_key_request *request, struct derived *derived)
{
    if (!amp_slice_is(request->service, "ampoule") && !amp_slice_is(request->service, "sqs"))
        return AMP_ERR_WRONG_SCOPE;
    if (!date_is_near(request->date, amp_clock_unix_ms(&keeper->clock)))
        return AMP_ERR_CLOCK_SKEW;
    enum amp_err err = amp_keyring_find(keeper->keyring, amp_slice(request->key_id, sizeof(request->key_id)),
                                        &derived->principal, &derived->secret);
    if (err != AMP_OK)
        return err;
    return amp_sigv4_day_key(&derived->key, amp_slice(derived->secret.text, sizeof(derived->secret.text)),
                             amp_slice(request->date, sizeof(request->date)), request->region, request->service);
}

static void send(struct amp_asker *asker, enum amp_ipc_type type, const struct amp_out *answer)
{
    if (answer->overflow)
        amp_fatal("an answer of the keeper does not fit");
    if (amp_link_send(asker->link, type, amp_out_done(answer), -1) != AMP_OK)
        amp_log(AMP_LOG_WARN, "an answer of the keeper could not be sent");
}

bool amp_keeper_ping(struct amp_asker *asker)
{
    send(asker, AMP_IPC_PONG, &(struct amp_out){0});
    return true;
}

bool amp_keeper_day_key(struct amp_asker *asker, struct amp_slice payload)
{
    struct day_key_request request;
    if (!read_request(&request, payload))
        return false;
    struct derived *derived = amp_secret_alloc(sizeof(*derived));
    uint8_t *storage = amp_secret_alloc(DAY_KEY_ANSWER_MAX);
    if (derived == NULL || storage == NULL)
        amp_fatal("no secret memory for a day key");
    struct amp_out answer = amp_out(storage, DAY_KEY_ANSWER_MAX);
    enum amp_err err = derive(asker->keeper, &request, derived);
    amp_ipc_put_u64(&answer, request.ask);
    amp_ipc_put_u32(&answer, (uint32_t)err);
    if (err == AMP_OK) {
        uint8_t packed_storage[DAY_KEY_ANSWER_MAX];
        struct amp_out packed = amp_out(packed_storage, sizeof(packed_storage));
        amp_principal_pack(&packed, &derived->principal);
        amp_out_bytes(&answer, derived->key.bytes, sizeof(derived->key.bytes));
        amp_ipc_put_bytes(&answer, amp_out_done(&packed));
    }
    send(asker, AMP_IPC_DAY_KEY, &answer);
    amp_secret_free(derived);
    amp_secret_free(storage);
    return true;
}

/*
 * Wrapping proves that the KEK can be had, now and not when a key is to be opened later: where the provider fails,
 * there is no epoch key, and front refuses work.
 */
static enum amp_err make_wrapped_key(struct amp_keeper *keeper, struct amp_key256 *key, uint8_t *wrapped, size_t *len)
{
    enum amp_err err = amp_random(key->bytes, sizeof(key->bytes));
    if (err == AMP_OK)
        err = keeper->provider.ops->wrap(keeper->provider.self, key->bytes, sizeof(key->bytes), wrapped, len);
    if (err != AMP_OK)
        amp_log_text(AMP_LOG_ERROR, "the key provider failed", "code", amp_err_code(err));
    return err;
}

static enum amp_err make_epoch(struct amp_keeper *keeper, uint32_t *id, struct amp_key256 *key)
{
    uint8_t wrapped[AMP_WRAPPED_MAX];
    size_t wrapped_len = 0;
    enum amp_err err = make_wrapped_key(keeper, key, wrapped, &wrapped_len);
    if (err == AMP_OK)
        err = amp_keyring_next_epoch(keeper->keyring, id);
    return err;
}

bool amp_keeper_epoch(struct amp_asker *asker)
{
    uint32_t id = 0;
    uint8_t *storage = amp_secret_alloc(4 + sizeof(struct amp_key256));
    struct amp_key256 *key = amp_secret_alloc(sizeof(*key));
    if (storage == NULL || key == NULL)
        amp_fatal("no secret memory for an epoch key");
    enum amp_err err = make_epoch(asker->keeper, &id, key);
    enum amp_err recorded = amp_keeper_record(asker->keeper, AMP_ACT_EPOCH_KEY, err, asker->who, amp_slice(NULL, 0));
    if (err != AMP_OK || recorded != AMP_OK) {
        id = 0;
        amp_wipe(key, sizeof(*key));
    }
    struct amp_out answer = amp_out(storage, 4 + sizeof(*key));
    amp_ipc_put_u32(&answer, id);
    amp_out_bytes(&answer, key->bytes, sizeof(key->bytes));
    send(asker, AMP_IPC_EPOCH, &answer);
    amp_secret_free(key);
    amp_secret_free(storage);
    return true;
}

bool amp_keeper_log_key(struct amp_asker *asker)
{
    uint8_t wrapped[AMP_WRAPPED_MAX];
    size_t wrapped_len = 0;
    uint8_t *storage = amp_secret_alloc(LOG_KEY_ANSWER_MAX);
    struct amp_key256 *key = amp_secret_alloc(sizeof(*key));
    if (storage == NULL || key == NULL)
        amp_fatal("no secret memory for the log's key");
    enum amp_err err = make_wrapped_key(asker->keeper, key, wrapped, &wrapped_len);
    if (err != AMP_OK) {
        wrapped_len = 0;
        amp_wipe(key, sizeof(*key));
    }
    struct amp_out answer = amp_out(storage, LOG_KEY_ANSWER_MAX);
    amp_ipc_put_u32(&answer, (uint32_t)err);
    amp_out_bytes(&answer, key->bytes, sizeof(key->bytes));
    amp_ipc_put_bytes(&answer, amp_slice(wrapped, wrapped_len));
    send(asker, AMP_IPC_LOG_KEY, &answer);
    amp_secret_free(key);
    amp_secret_free(storage);
    return true;
}
