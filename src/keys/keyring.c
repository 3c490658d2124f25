/* Principals are kept packed, in order of their key ids; only the secrets beside them lie in secret memory. */
#include "keys/keyring.h"

#include <stdlib.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "keys/sealed_file.h"

enum {
    SECRET_LEN = 32,
    PACKED_MAX = 8192,
    ENTRY_OVERHEAD = 2 + SECRET_LEN,
    INSIDE_HEADER = 4 + 4,
    EPOCHS_RESERVED = 1024, /* ids reserved with one writing of the file */
};

static const struct amp_sealed_form form = {
    .name = AMP_KEYRING_FILE,
    .temporary = AMP_KEYRING_FILE ".new",
    .previous = AMP_KEYRING_FILE ".old",
    .magic = {'A', 'M', 'P', 'K', 'R', 'I', 'N', 'G'},
    .plain_max = AMP_KEYRING_BYTES_MAX,
};

struct entry {
    uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN];
    /* As packed, at hand for who looks through all. */
    enum amp_principal_state state;
    int64_t expires_unix_ms;
    uint8_t name_len;
    uint8_t name[AMP_PRINCIPAL_NAME_MAX];
    uint8_t *packed; /* owned */
    size_t packed_len;
    uint8_t *secret; /* owned, SECRET_LEN bytes of secret memory */
};

struct amp_keyring {
    struct amp_keyring_config config;
    struct entry *entries;
    size_t count;
    size_t bytes; /* of the file's inside */
    uint32_t epoch;
    uint32_t epoch_reserved;
};

static void entry_fini(struct entry *entry)
{
    free(entry->packed);
    amp_secret_free(entry->secret);
    *entry = (struct entry){0};
}

void amp_keyring_free(struct amp_keyring *keyring)
{
    if (keyring == NULL)
        return;
    for (size_t i = 0; keyring->entries != NULL && i < keyring->count; i++)
        entry_fini(&keyring->entries[i]);
    free(keyring->entries);
    free(keyring);
}

/* Where `key_id` stands, or would stand. */
static bool locate(const struct amp_keyring *keyring, const uint8_t *key_id, size_t *at)
{
    size_t low = 0;
    size_t high = keyring->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        /* lint: allow memcmp-secret, a key's public id */
        int order = memcmp(keyring->entries[middle].key_id, key_id, AMP_PRINCIPAL_KEY_ID_LEN);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return false;
}

static void put_uint(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static enum amp_err append(struct amp_secret_buf *plain, const struct entry *entry)
{
    uint8_t len[2];
    put_uint(len, entry->packed_len, sizeof(len));
    enum amp_err err = amp_secret_buf_append(plain, len, sizeof(len));
    if (err == AMP_OK)
        err = amp_secret_buf_append(plain, entry->packed, entry->packed_len);
    if (err == AMP_OK)
        err = amp_secret_buf_append(plain, entry->secret, SECRET_LEN);
    return err;
}

static enum amp_err save(const struct amp_keyring *keyring)
{
    struct amp_secret_buf plain = {0};
    uint8_t header[INSIDE_HEADER];
    put_uint(header, keyring->epoch_reserved, 4);
    put_uint(header + 4, keyring->count, 4);
    enum amp_err err = amp_secret_buf_reserve(&plain, keyring->bytes + AMP_GCM_TAG_LEN);
    if (err == AMP_OK)
        err = amp_secret_buf_append(&plain, header, sizeof(header));
    for (size_t i = 0; err == AMP_OK && i < keyring->count; i++)
        err = append(&plain, &keyring->entries[i]);
    if (err == AMP_OK)
        err = amp_sealed_file_write(&form, keyring->config.dir_fd, keyring->config.provider, &plain);
    amp_secret_buf_free(&plain);
    return err;
}

static enum amp_err entry_init(struct entry *entry, const struct amp_principal *principal, const uint8_t *secret)
{
    uint8_t storage[PACKED_MAX];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    amp_principal_pack(&packed, principal);
    if (packed.overflow)
        return AMP_ERR_TOO_LARGE;
    *entry =
        (struct entry){.packed = malloc(packed.len), .packed_len = packed.len, .secret = amp_secret_alloc(SECRET_LEN)};
    if (entry->packed == NULL || entry->secret == NULL) {
        entry_fini(entry);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    memcpy(entry->key_id, principal->key_id, sizeof(entry->key_id));
    memcpy(entry->name, principal->name, sizeof(entry->name));
    entry->name_len = principal->name_len;
    entry->state = principal->state;
    entry->expires_unix_ms = principal->expires_unix_ms;
    memcpy(entry->packed, storage, packed.len);
    memcpy(entry->secret, secret, SECRET_LEN);
    return AMP_OK;
}

/* An entry is made in the place behind the last; this counts it in and moves it to `at`. */
static void settle(struct amp_keyring *keyring, size_t at)
{
    const struct entry fresh = keyring->entries[keyring->count];
    memmove(&keyring->entries[at + 1], &keyring->entries[at], (keyring->count - at) * sizeof(fresh));
    keyring->entries[at] = fresh;
    keyring->count++;
    keyring->bytes += fresh.packed_len + ENTRY_OVERHEAD;
}

static struct entry take_out(struct amp_keyring *keyring, size_t at)
{
    struct entry entry = keyring->entries[at];
    keyring->count--;
    keyring->bytes -= entry.packed_len + ENTRY_OVERHEAD;
    memmove(&keyring->entries[at], &keyring->entries[at + 1], (keyring->count - at) * sizeof(entry));
    return entry;
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

/* Files did not always say when a disabled key ended, or said when its overlap would have. */
static int64_t ended_at(int64_t told_ms, int64_t now_ms)
{
    return told_ms == 0 || told_ms > now_ms ? now_ms : told_ms;
}

static enum amp_err load_entry(struct amp_keyring *keyring, struct amp_slice *left)
{
    struct amp_principal principal;
    const uint8_t *len_bytes = take(left, 2);
    size_t len = len_bytes != NULL ? (size_t)len_bytes[0] << 8 | len_bytes[1] : 0;
    const uint8_t *packed = take(left, len);
    const uint8_t *secret = take(left, SECRET_LEN);
    size_t at;
    if (len == 0 || packed == NULL || secret == NULL)
        return AMP_ERR_INVALID;
    enum amp_err err = amp_principal_unpack(&principal, amp_slice(packed, len));
    if (err == AMP_OK && (locate(keyring, principal.key_id, &at) || at != keyring->count))
        err = AMP_ERR_INVALID; /* twice, or out of order */
    if (err == AMP_OK && principal.state == AMP_PRINCIPAL_DISABLED)
        principal.expires_unix_ms = ended_at(principal.expires_unix_ms, amp_clock_unix_ms(&keyring->config.clock));
    if (err == AMP_OK)
        err = entry_init(&keyring->entries[keyring->count], &principal, secret);
    if (err == AMP_OK)
        settle(keyring, keyring->count);
    return err;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static enum amp_err load(struct amp_keyring *keyring)
{
    struct amp_secret_buf plain = {0};
    enum amp_err err = amp_sealed_file_read(&form, keyring->config.dir_fd, keyring->config.provider, &plain);
    struct amp_slice left = amp_slice(plain.ptr, plain.len);
    const uint8_t *header = err == AMP_OK ? take(&left, INSIDE_HEADER) : NULL;
    uint32_t count = 0;
    if (err == AMP_OK && header == NULL)
        err = AMP_ERR_INVALID;
    if (err == AMP_OK) {
        keyring->epoch = keyring->epoch_reserved = get_u32(header);
        count = get_u32(header + 4);
        if (count > AMP_KEYRING_MAX)
            err = AMP_ERR_INVALID;
    }
    for (uint32_t i = 0; err == AMP_OK && i < count; i++)
        err = load_entry(keyring, &left);
    if (err == AMP_OK && left.len != 0)
        err = AMP_ERR_INVALID;
    amp_secret_buf_free(&plain);
    return err;
}

enum amp_err amp_keyring_open(struct amp_keyring **out, const struct amp_keyring_config *config)
{
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;
    *out = NULL;
    struct amp_keyring *keyring = calloc(1, sizeof(*keyring));
    if (keyring == NULL)
        return err;
    keyring->config = *config;
    keyring->bytes = INSIDE_HEADER;
    keyring->entries = calloc(AMP_KEYRING_MAX, sizeof(*keyring->entries));
    if (keyring->entries != NULL) {
        err = load(keyring);
        if (err == AMP_ERR_NOT_FOUND)
            err = save(keyring);
    }
    if (err == AMP_OK) {
        *out = keyring;
        return AMP_OK;
    }
    amp_keyring_free(keyring);
    return err;
}

enum amp_err amp_keyring_provider(int dir_fd, char name[AMP_KEY_PROVIDER_NAME_MAX])
{
    return amp_sealed_file_provider(&form, dir_fd, name);
}

enum amp_err amp_keyring_pin(void)
{
    return amp_sealed_form_pin(&form);
}

/* "AMPK" and 16 of 32 characters: 80 random bits. */
static enum amp_err make_key_id(const struct amp_keyring *keyring, uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const uint8_t prefix[4] = {'A', 'M', 'P', 'K'};
    size_t at;
    memcpy(key_id, prefix, sizeof(prefix));
    do {
        uint8_t random[AMP_PRINCIPAL_KEY_ID_LEN - 4];
        enum amp_err err = amp_random(random, sizeof(random));
        if (err != AMP_OK)
            return err;
        for (size_t i = 0; i < sizeof(random); i++)
            key_id[4 + i] = (uint8_t)alphabet[random[i] % 32];
    } while (locate(keyring, key_id, &at));
    return AMP_OK;
}

/* Adds a key without writing the file. */
static enum amp_err add(struct amp_keyring *keyring, struct amp_principal *wanted, struct amp_keyring_secret *text)
{
    uint8_t secret[SECRET_LEN];
    size_t at;
    if (keyring->count == AMP_KEYRING_MAX)
        return AMP_ERR_KEYRING_FULL;
    struct entry *entry = &keyring->entries[keyring->count];
    wanted->state = AMP_PRINCIPAL_ACTIVE;
    wanted->created_unix_ms = amp_clock_unix_ms(&keyring->config.clock);
    wanted->expires_unix_ms = 0;
    enum amp_err err = make_key_id(keyring, wanted->key_id);
    if (err == AMP_OK)
        err = amp_principal_check(wanted);
    if (err == AMP_OK)
        err = amp_random(secret, sizeof(secret));
    if (err == AMP_OK)
        err = entry_init(entry, wanted, secret);
    if (err == AMP_OK && keyring->bytes + entry->packed_len + ENTRY_OVERHEAD > AMP_KEYRING_BYTES_MAX) {
        entry_fini(entry);
        err = AMP_ERR_KEYRING_FULL;
    }
    if (err == AMP_OK) {
        amp_base64url_encode(text->text, secret, sizeof(secret));
        (void)locate(keyring, entry->key_id, &at);
        settle(keyring, at);
    }
    amp_wipe(secret, sizeof(secret));
    return err;
}

static void remove_key(struct amp_keyring *keyring, const uint8_t *key_id)
{
    size_t at;
    if (locate(keyring, key_id, &at)) {
        struct entry entry = take_out(keyring, at);
        entry_fini(&entry);
    }
}

enum amp_err amp_keyring_create(struct amp_keyring *keyring, struct amp_principal *wanted,
                                struct amp_keyring_secret *secret)
{
    enum amp_err err = add(keyring, wanted, secret);
    if (err != AMP_OK)
        return err;
    err = save(keyring);
    if (err != AMP_OK) {
        remove_key(keyring, wanted->key_id);
        amp_wipe(secret, sizeof(*secret));
    }
    return err;
}

/* State and expiry lie at fixed places and change no length: an entry is packed anew where it stands. */
static void set_state(struct entry *entry, struct amp_principal *principal, enum amp_principal_state state,
                      int64_t expires_unix_ms)
{
    entry->state = principal->state = state;
    entry->expires_unix_ms = principal->expires_unix_ms = expires_unix_ms;
    struct amp_out packed = amp_out(entry->packed, entry->packed_len);
    amp_principal_pack(&packed, principal);
}

static enum amp_err unpack(const struct entry *entry, struct amp_principal *out)
{
    return amp_principal_unpack(out, amp_slice(entry->packed, entry->packed_len));
}

static enum amp_err find(const struct amp_keyring *keyring, const uint8_t *key_id, struct amp_principal *out)
{
    size_t at;
    return locate(keyring, key_id, &at) ? unpack(&keyring->entries[at], out) : AMP_ERR_NO_SUCH_PRINCIPAL;
}

/* An overlap that is over has ended its key as disabling does. */
static enum amp_principal_state state_now(const struct amp_keyring *keyring, enum amp_principal_state state,
                                          int64_t expires_unix_ms)
{
    bool ended = state == AMP_PRINCIPAL_EXPIRING && amp_clock_unix_ms(&keyring->config.clock) >= expires_unix_ms;
    return ended ? AMP_PRINCIPAL_DISABLED : state;
}

static bool may_sign(const struct amp_keyring *keyring, const struct entry *entry)
{
    return state_now(keyring, entry->state, entry->expires_unix_ms) != AMP_PRINCIPAL_DISABLED;
}

static enum amp_err check_rotatable(const struct amp_keyring *keyring, const struct amp_principal *principal)
{
    switch (state_now(keyring, principal->state, principal->expires_unix_ms)) {
    case AMP_PRINCIPAL_ACTIVE:
        return AMP_OK;
    case AMP_PRINCIPAL_EXPIRING:
        return AMP_ERR_KEY_ROTATED;
    case AMP_PRINCIPAL_DISABLED:
    case AMP_PRINCIPAL_STATE_COUNT_:
        break;
    }
    return AMP_ERR_KEY_DISABLED;
}

/* Changes the state of a key that exists, in memory. */
static void change(struct amp_keyring *keyring, struct amp_principal *principal, enum amp_principal_state state,
                   int64_t expires_unix_ms)
{
    size_t at;
    if (locate(keyring, principal->key_id, &at))
        set_state(&keyring->entries[at], principal, state, expires_unix_ms);
}

enum amp_err amp_keyring_rotate(struct amp_keyring *keyring, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN],
                                uint64_t overlap_ms, struct amp_principal *fresh, struct amp_keyring_secret *secret)
{
    struct amp_principal old;
    enum amp_err err = find(keyring, key_id, &old);
    if (err == AMP_OK)
        err = check_rotatable(keyring, &old);
    if (err != AMP_OK)
        return err;
    if (overlap_ms > (uint64_t)AMP_KEYRING_OVERLAP_MAX_MS)
        return AMP_ERR_INVALID;
    *fresh = old;
    err = add(keyring, fresh, secret);
    if (err != AMP_OK)
        return err;
    change(keyring, &old, AMP_PRINCIPAL_EXPIRING, fresh->created_unix_ms + (int64_t)overlap_ms);
    err = save(keyring);
    if (err != AMP_OK) {
        change(keyring, &old, AMP_PRINCIPAL_ACTIVE, 0);
        remove_key(keyring, fresh->key_id);
        amp_wipe(secret, sizeof(*secret));
    }
    return err;
}

enum amp_err amp_keyring_disable(struct amp_keyring *keyring, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    struct amp_principal principal;
    enum amp_err err = find(keyring, key_id, &principal);
    if (err != AMP_OK || principal.state == AMP_PRINCIPAL_DISABLED)
        return err;
    enum amp_principal_state state = principal.state;
    int64_t expires_unix_ms = principal.expires_unix_ms;
    int64_t now_ms = amp_clock_unix_ms(&keyring->config.clock);
    bool ended = state == AMP_PRINCIPAL_EXPIRING && expires_unix_ms < now_ms;
    change(keyring, &principal, AMP_PRINCIPAL_DISABLED, ended ? expires_unix_ms : now_ms);
    err = save(keyring);
    if (err != AMP_OK)
        change(keyring, &principal, state, expires_unix_ms);
    return err;
}

static enum amp_err check_forgettable(const struct amp_keyring *keyring, const uint8_t *key_id)
{
    size_t at;
    if (!locate(keyring, key_id, &at))
        return AMP_ERR_NO_SUCH_PRINCIPAL;
    return may_sign(keyring, &keyring->entries[at]) ? AMP_ERR_KEY_IN_USE : AMP_OK;
}

static void put_back(struct amp_keyring *keyring, const struct entry *entry)
{
    size_t at;
    (void)locate(keyring, entry->key_id, &at);
    keyring->entries[keyring->count] = *entry;
    settle(keyring, at);
}

enum amp_err amp_keyring_forget(struct amp_keyring *keyring, const uint8_t (*key_ids)[AMP_PRINCIPAL_KEY_ID_LEN],
                                size_t count)
{
    struct entry taken[AMP_KEYRING_FORGET_MAX];
    size_t taken_count = 0;
    size_t at;
    enum amp_err err = count <= AMP_KEYRING_FORGET_MAX ? AMP_OK : AMP_ERR_INVALID;
    for (size_t i = 0; err == AMP_OK && i < count; i++)
        err = check_forgettable(keyring, key_ids[i]);
    if (err != AMP_OK)
        return err;
    for (size_t i = 0; i < count; i++) {
        if (locate(keyring, key_ids[i], &at))
            taken[taken_count++] = take_out(keyring, at);
    }
    err = save(keyring);
    for (size_t i = 0; i < taken_count; i++) {
        if (err == AMP_OK)
            entry_fini(&taken[i]);
        else
            put_back(keyring, &taken[i]);
    }
    return err;
}

size_t amp_keyring_count(const struct amp_keyring *keyring)
{
    return keyring->count;
}

enum amp_err amp_keyring_at(const struct amp_keyring *keyring, size_t index, struct amp_principal *out)
{
    enum amp_err err = unpack(&keyring->entries[index], out);
    if (err == AMP_OK)
        out->state = state_now(keyring, out->state, out->expires_unix_ms);
    return err;
}

int64_t amp_keyring_end_of(const struct amp_keyring *keyring, size_t index, const uint8_t **key_id)
{
    const struct entry *entry = &keyring->entries[index];
    *key_id = entry->key_id;
    return entry->state == AMP_PRINCIPAL_ACTIVE ? INT64_MAX : entry->expires_unix_ms;
}

static enum amp_err locate_signer(const struct amp_keyring *keyring, struct amp_slice key_id, size_t *at)
{
    if (key_id.len != AMP_PRINCIPAL_KEY_ID_LEN || !locate(keyring, key_id.ptr, at))
        return AMP_ERR_UNKNOWN_KEY;
    return may_sign(keyring, &keyring->entries[*at]) ? AMP_OK : AMP_ERR_KEY_DISABLED;
}

enum amp_err amp_keyring_signer(const struct amp_keyring *keyring, struct amp_slice key_id, struct amp_principal *out)
{
    size_t at;
    enum amp_err err = locate_signer(keyring, key_id, &at);
    return err == AMP_OK ? amp_keyring_at(keyring, at, out) : err;
}

enum amp_err amp_keyring_find(const struct amp_keyring *keyring, struct amp_slice key_id, struct amp_principal *out,
                              struct amp_keyring_secret *secret)
{
    size_t at;
    enum amp_err err = locate_signer(keyring, key_id, &at);
    if (err == AMP_OK)
        err = amp_keyring_at(keyring, at, out);
    if (err == AMP_OK)
        amp_base64url_encode(secret->text, keyring->entries[at].secret, SECRET_LEN);
    return err;
}

bool amp_keyring_principal_lives(const struct amp_keyring *keyring, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    size_t at;
    if (!locate(keyring, key_id, &at))
        return false;
    const struct amp_slice name = amp_slice(keyring->entries[at].name, keyring->entries[at].name_len);
    for (size_t i = 0; i < keyring->count; i++) {
        const struct entry *entry = &keyring->entries[i];
        if (amp_slice_equal(amp_slice(entry->name, entry->name_len), name) && may_sign(keyring, entry))
            return true;
    }
    return false;
}

int64_t amp_keyring_next_expiry(const struct amp_keyring *keyring)
{
    int64_t now_ms = amp_clock_unix_ms(&keyring->config.clock);
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < keyring->count; i++) {
        const struct entry *entry = &keyring->entries[i];
        if (entry->state == AMP_PRINCIPAL_EXPIRING && entry->expires_unix_ms > now_ms &&
            entry->expires_unix_ms < next_ms)
            next_ms = entry->expires_unix_ms;
    }
    return next_ms;
}

enum amp_err amp_keyring_next_epoch(struct amp_keyring *keyring, uint32_t *id)
{
    if (keyring->epoch == keyring->epoch_reserved) {
        if (keyring->epoch_reserved > UINT32_MAX - EPOCHS_RESERVED)
            return AMP_ERR_KEEPER_UNAVAILABLE;
        keyring->epoch_reserved += EPOCHS_RESERVED;
        enum amp_err err = save(keyring);
        if (err != AMP_OK) {
            keyring->epoch_reserved -= EPOCHS_RESERVED;
            return err;
        }
    }
    *id = ++keyring->epoch;
    return AMP_OK;
}
