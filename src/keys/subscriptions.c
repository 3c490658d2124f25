/* Kept in the order of their making; only the secrets beside them lie in secret memory. */
#include <stdlib.h>

#include "crypto/crypto.h"
#include "keys/sealed_file.h"
#include "keys/subscription.h"

enum { INSIDE_HEADER = 4, LENGTH_LEN = 2 };

static const struct amp_sealed_form form = {
    .name = AMP_SUBSCRIPTION_FILE,
    .temporary = AMP_SUBSCRIPTION_FILE ".new",
    .previous = AMP_SUBSCRIPTION_FILE ".old",
    .magic = {'A', 'M', 'P', 'S', 'U', 'B', 'S', 'C'},
    .plain_max = AMP_SUBSCRIPTIONS_BYTES_MAX,
};

struct entry {
    struct amp_subscription *subscription;    /* owned */
    struct amp_subscription_secrets *secrets; /* owned, secret memory */
};

struct amp_subscriptions {
    struct amp_subscriptions_config config;
    struct entry entries[AMP_SUBSCRIPTIONS_MAX];
    size_t count;
};

static void entry_fini(struct entry *entry)
{
    free(entry->subscription);
    amp_secret_free(entry->secrets);
    *entry = (struct entry){0};
}

/* Copies of both. */
static enum amp_err entry_init(struct entry *entry, const struct amp_subscription *subscription,
                               const struct amp_subscription_secrets *secrets)
{
    *entry = (struct entry){malloc(sizeof(*subscription)), amp_secret_alloc(sizeof(*secrets))};
    if (entry->subscription == NULL || entry->secrets == NULL) {
        entry_fini(entry);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    *entry->subscription = *subscription;
    *entry->secrets = *secrets;
    return AMP_OK;
}

void amp_subscriptions_free(struct amp_subscriptions *subscriptions)
{
    if (subscriptions == NULL)
        return;
    for (size_t i = 0; i < subscriptions->count; i++)
        entry_fini(&subscriptions->entries[i]);
    free(subscriptions);
}

static enum amp_err append(struct amp_secret_buf *plain, const struct amp_out *packed)
{
    const uint8_t len[LENGTH_LEN] = {(uint8_t)(packed->len >> 8), (uint8_t)packed->len};
    enum amp_err err = packed->overflow ? AMP_ERR_TOO_LARGE : amp_secret_buf_append(plain, len, sizeof(len));
    return err == AMP_OK ? amp_secret_buf_append(plain, packed->ptr, packed->len) : err;
}

static enum amp_err append_entry(struct amp_secret_buf *plain, const struct entry *entry)
{
    uint8_t storage[AMP_SUBSCRIPTION_PACKED_MAX];
    uint8_t secret_storage[AMP_SUBSCRIPTION_SECRETS_PACKED_MAX];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    struct amp_out secrets = amp_out(secret_storage, sizeof(secret_storage));
    amp_subscription_pack(&packed, entry->subscription);
    amp_subscription_secrets_pack(&secrets, entry->secrets);
    enum amp_err err = append(plain, &packed);
    if (err == AMP_OK)
        err = append(plain, &secrets);
    amp_wipe(secret_storage, sizeof(secret_storage));
    return err;
}

/* AMP_ERR_OVER_LIMIT where they are too many bytes together. */
static enum amp_err save(const struct amp_subscriptions *subscriptions)
{
    struct amp_secret_buf plain = {0};
    const size_t count = subscriptions->count;
    const uint8_t header[INSIDE_HEADER] = {0, 0, (uint8_t)(count >> 8), (uint8_t)count};
    enum amp_err err = amp_secret_buf_append(&plain, header, sizeof(header));
    for (size_t i = 0; err == AMP_OK && i < count; i++)
        err = append_entry(&plain, &subscriptions->entries[i]);
    if (err == AMP_OK && plain.len > AMP_SUBSCRIPTIONS_BYTES_MAX)
        err = AMP_ERR_OVER_LIMIT;
    if (err == AMP_OK)
        err = amp_sealed_file_write(&form, subscriptions->config.dir_fd, subscriptions->config.provider, &plain);
    amp_secret_buf_free(&plain);
    return err;
}

/* Next `len` bytes of what was read; NULL where there are not as many. */
static const uint8_t *take(struct amp_slice *left, size_t len)
{
    if (len > left->len)
        return NULL;
    const uint8_t *bytes = left->ptr;
    *left = amp_slice(left->ptr + len, left->len - len);
    return bytes;
}

/* What stands behind its length; empty where it does not, which nothing unpacks from. */
static struct amp_slice take_packed(struct amp_slice *left)
{
    const uint8_t *len_bytes = take(left, LENGTH_LEN);
    size_t len = len_bytes != NULL ? (size_t)len_bytes[0] << 8 | len_bytes[1] : 0;
    const uint8_t *bytes = take(left, len);
    return amp_slice(bytes, bytes != NULL ? len : 0);
}

static enum amp_err load_entry(struct amp_subscriptions *subscriptions, struct amp_slice *left)
{
    struct amp_subscription subscription;
    size_t at;
    struct amp_subscription_secrets *secrets = amp_secret_alloc(sizeof(*secrets));
    if (secrets == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_subscription_unpack(&subscription, take_packed(left));
    if (err == AMP_OK)
        err = amp_subscription_secrets_unpack(secrets, take_packed(left));
    if (err == AMP_OK && amp_subscriptions_find(subscriptions, subscription.id, &at) == AMP_OK)
        err = AMP_ERR_INVALID; /* twice */
    if (err == AMP_OK)
        err = entry_init(&subscriptions->entries[subscriptions->count], &subscription, secrets);
    if (err == AMP_OK)
        subscriptions->count++;
    amp_secret_free(secrets);
    return err;
}

static enum amp_err load(struct amp_subscriptions *subscriptions)
{
    struct amp_secret_buf plain = {0};
    size_t count = 0;
    enum amp_err err =
        amp_sealed_file_read(&form, subscriptions->config.dir_fd, subscriptions->config.provider, &plain);
    struct amp_slice left = amp_slice(plain.ptr, plain.len);
    const uint8_t *header = err == AMP_OK ? take(&left, INSIDE_HEADER) : NULL;
    if (header != NULL)
        count = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    if (err == AMP_OK && (header == NULL || count > AMP_SUBSCRIPTIONS_MAX))
        err = AMP_ERR_INVALID;
    for (size_t i = 0; err == AMP_OK && i < count; i++)
        err = load_entry(subscriptions, &left);
    if (err == AMP_OK && left.len != 0)
        err = AMP_ERR_INVALID;
    amp_secret_buf_free(&plain);
    return err;
}

enum amp_err amp_subscriptions_open(struct amp_subscriptions **out, const struct amp_subscriptions_config *config)
{
    *out = NULL;
    struct amp_subscriptions *subscriptions = calloc(1, sizeof(*subscriptions));
    if (subscriptions == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    subscriptions->config = *config;
    enum amp_err err = load(subscriptions);
    if (err == AMP_ERR_NOT_FOUND)
        err = save(subscriptions);
    if (err == AMP_OK)
        *out = subscriptions;
    else
        amp_subscriptions_free(subscriptions);
    return err;
}

enum amp_err amp_subscriptions_provider(int dir_fd, char name[AMP_KEY_PROVIDER_NAME_MAX])
{
    return amp_sealed_file_provider(&form, dir_fd, name);
}

enum amp_err amp_subscriptions_pin(void)
{
    return amp_sealed_form_pin(&form);
}

size_t amp_subscriptions_count(const struct amp_subscriptions *subscriptions)
{
    return subscriptions->count;
}

const struct amp_subscription *amp_subscriptions_at(const struct amp_subscriptions *subscriptions, size_t index)
{
    return subscriptions->entries[index].subscription;
}

const struct amp_subscription_secrets *amp_subscriptions_secrets_at(const struct amp_subscriptions *subscriptions,
                                                                    size_t index)
{
    return subscriptions->entries[index].secrets;
}

enum amp_err amp_subscriptions_find(const struct amp_subscriptions *subscriptions,
                                    const uint8_t id[AMP_SUBSCRIPTION_ID_LEN], size_t *index)
{
    const struct amp_slice wanted = amp_slice(id, AMP_SUBSCRIPTION_ID_LEN);
    for (size_t i = 0; i < subscriptions->count; i++) {
        if (amp_slice_equal(amp_slice(subscriptions->entries[i].subscription->id, AMP_SUBSCRIPTION_ID_LEN), wanted)) {
            *index = i;
            return AMP_OK;
        }
    }
    return AMP_ERR_SUBSCRIPTION_UNKNOWN;
}

static bool has_room(const struct amp_subscriptions *subscriptions, const struct amp_subscription *wanted)
{
    const struct amp_slice queue = amp_slice(wanted->queue, wanted->queue_len);
    size_t of_queue = 0;
    for (size_t i = 0; i < subscriptions->count; i++) {
        const struct amp_subscription *other = subscriptions->entries[i].subscription;
        of_queue += amp_slice_equal(amp_slice(other->queue, other->queue_len), queue) ? 1 : 0;
    }
    return subscriptions->count < AMP_SUBSCRIPTIONS_MAX && of_queue < AMP_SUBSCRIPTIONS_PER_QUEUE_MAX;
}

/* Adds one without writing the file. */
static enum amp_err add(struct amp_subscriptions *subscriptions, const struct amp_subscription *wanted)
{
    struct amp_subscription_secrets *secrets = amp_secret_alloc(sizeof(*secrets));
    if (secrets == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    secrets->count = 1;
    enum amp_err err = amp_webhook_secret_new(&secrets->secrets[0]);
    if (err == AMP_OK)
        err = entry_init(&subscriptions->entries[subscriptions->count], wanted, secrets);
    if (err == AMP_OK)
        subscriptions->count++;
    amp_secret_free(secrets);
    return err;
}

static void drop_last(struct amp_subscriptions *subscriptions)
{
    entry_fini(&subscriptions->entries[--subscriptions->count]);
}

enum amp_err amp_subscriptions_create(struct amp_subscriptions *subscriptions, struct amp_subscription *wanted,
                                      size_t *index)
{
    wanted->state = AMP_SUBSCRIPTION_ACTIVE;
    wanted->generation = 0;
    wanted->created_unix_ms = amp_clock_unix_ms(&subscriptions->config.clock);
    enum amp_err err = amp_subscription_check(wanted);
    if (err == AMP_OK && !has_room(subscriptions, wanted))
        err = AMP_ERR_OVER_LIMIT;
    if (err == AMP_OK)
        err = amp_random(wanted->id, sizeof(wanted->id)); /* 128 bits: no two are alike */
    if (err == AMP_OK)
        err = add(subscriptions, wanted);
    if (err != AMP_OK)
        return err;
    err = save(subscriptions);
    if (err == AMP_OK)
        *index = subscriptions->count - 1;
    else
        drop_last(subscriptions);
    return err;
}

/* Puts `fresh`, which it takes, in the place of what stands there; what could not be written is undone. */
static enum amp_err change(struct amp_subscriptions *subscriptions, size_t index, struct entry *fresh)
{
    struct entry *place = &subscriptions->entries[index];
    struct entry before = *place;
    *place = *fresh;
    enum amp_err err = save(subscriptions);
    if (err == AMP_OK) {
        entry_fini(&before);
    } else {
        *place = before;
        entry_fini(fresh);
    }
    *fresh = (struct entry){0};
    return err;
}

static enum amp_err copy(const struct amp_subscriptions *subscriptions, size_t index, struct entry *out)
{
    const struct entry *entry = &subscriptions->entries[index];
    return entry_init(out, entry->subscription, entry->secrets);
}

static void keep_older(struct amp_subscription_secrets *secrets, int64_t now_unix_ms)
{
    secrets->secrets[1] = secrets->secrets[0];
    secrets->count = 2;
    secrets->older_expires_unix_ms = now_unix_ms + AMP_SUBSCRIPTION_OVERLAP_MS;
}

static void drop_older(struct amp_subscription_secrets *secrets)
{
    amp_wipe(&secrets->secrets[1], sizeof(secrets->secrets[1]));
    secrets->count = 1;
    secrets->older_expires_unix_ms = 0;
}

enum amp_err amp_subscriptions_rotate(struct amp_subscriptions *subscriptions, size_t index, const uint8_t *owner)
{
    struct entry fresh;
    enum amp_err err = copy(subscriptions, index, &fresh);
    if (err != AMP_OK)
        return err;
    fresh.subscription->state = AMP_SUBSCRIPTION_ACTIVE;
    fresh.subscription->generation++;
    if (owner == NULL) {
        keep_older(fresh.secrets, amp_clock_unix_ms(&subscriptions->config.clock));
    } else {
        drop_older(fresh.secrets);
        memcpy(fresh.subscription->owner, owner, sizeof(fresh.subscription->owner));
    }
    err = amp_webhook_secret_new(&fresh.secrets->secrets[0]);
    if (err == AMP_OK)
        return change(subscriptions, index, &fresh);
    entry_fini(&fresh);
    return err;
}

enum amp_err amp_subscriptions_retire(struct amp_subscriptions *subscriptions, size_t index)
{
    struct entry fresh;
    enum amp_err err = copy(subscriptions, index, &fresh);
    if (err != AMP_OK)
        return err;
    drop_older(fresh.secrets);
    return change(subscriptions, index, &fresh);
}

enum amp_err amp_subscriptions_set_state(struct amp_subscriptions *subscriptions, size_t index,
                                         enum amp_subscription_state state)
{
    struct entry fresh;
    if (subscriptions->entries[index].subscription->state == state)
        return AMP_OK;
    enum amp_err err = copy(subscriptions, index, &fresh);
    if (err != AMP_OK)
        return err;
    fresh.subscription->state = state;
    return change(subscriptions, index, &fresh);
}

enum amp_err amp_subscriptions_remove(struct amp_subscriptions *subscriptions, size_t index)
{
    struct entry *entries = subscriptions->entries;
    struct entry gone = entries[index];
    size_t behind = subscriptions->count - 1 - index;
    memmove(&entries[index], &entries[index + 1], behind * sizeof(gone));
    subscriptions->count--;
    enum amp_err err = save(subscriptions);
    if (err == AMP_OK) {
        entry_fini(&gone);
        return AMP_OK;
    }
    memmove(&entries[index + 1], &entries[index], behind * sizeof(gone));
    entries[index] = gone;
    subscriptions->count++;
    return err;
}
