/* The keyring over its life: keys come, rotate and go, the file keeps them, and nothing else opens it. */
#include <string.h>

#include "../tempdir.h"
#include "crypto/crypto.h"
#include "keys/keyring.h"

enum { HOUR_MS = 3600 * 1000 };

struct ring {
    struct tempdir dir;
    struct amp_clock_fake time;
    struct amp_key_provider provider;
    struct amp_keyring *keyring;
    bool broken; /* the provider fails */
    struct amp_key_provider inner;
};

static enum amp_err faulty_wrap(void *self, const uint8_t *key, size_t len, uint8_t *out, size_t *out_len)
{
    struct ring *ring = self;
    return ring->broken ? AMP_ERR_IO : ring->inner.ops->wrap(ring->inner.self, key, len, out, out_len);
}

static enum amp_err faulty_unwrap(void *self, const uint8_t *wrapped, size_t wrapped_len, uint8_t *key, size_t *len)
{
    struct ring *ring = self;
    return ring->broken ? AMP_ERR_IO : ring->inner.ops->unwrap(ring->inner.self, wrapped, wrapped_len, key, len);
}

static const struct amp_key_provider_ops faulty_ops = {"faulty", faulty_wrap, faulty_unwrap, NULL};

static enum amp_err reopen(struct ring *ring)
{
    amp_keyring_free(ring->keyring);
    const struct amp_keyring_config config = {
        .dir_fd = ring->dir.fd, .clock = amp_clock_fake(&ring->time), .provider = &ring->provider};
    return amp_keyring_open(&ring->keyring, &config);
}

static int setup(void **state)
{
    const struct amp_key256 kek = {{42}};
    struct ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL || amp_secret_init(32 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&ring->dir);
    ring->time.unix_ms = 1700000000000;
    assert_int_equal(amp_key_provider_ephemeral(&ring->inner, &kek), AMP_OK);
    ring->provider = (struct amp_key_provider){&faulty_ops, ring};
    *state = ring;
    return reopen(ring) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct ring *ring = *state;
    limit_files(RLIM_INFINITY);
    amp_keyring_free(ring->keyring);
    ring->inner.ops->close(ring->inner.self);
    tempdir_remove(&ring->dir);
    free(ring);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static enum amp_err create(struct ring *ring, const char *name, struct amp_principal *principal,
                           struct amp_keyring_secret *secret)
{
    *principal = (struct amp_principal){
        .name_len = (uint8_t)strlen(name),
        .rate_per_second = 10,
        .rate_burst = 20,
        .grant_count = 1,
        .grants = {{.permissions = AMP_MAY_TOKENIZE, .queue_len = 8, .queue = "payments"}},
    };
    memcpy(principal->name, name, strlen(name));
    return amp_keyring_create(ring->keyring, principal, secret);
}

static enum amp_err find(struct ring *ring, const uint8_t *key_id, struct amp_keyring_secret *secret)
{
    struct amp_principal found;
    return amp_keyring_find(ring->keyring, amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN), &found, secret);
}

/* The state that a list of all keys tells of one. */
static enum amp_principal_state told(struct ring *ring, const uint8_t *key_id)
{
    for (size_t i = 0; i < amp_keyring_count(ring->keyring); i++) {
        struct amp_principal principal;
        assert_int_equal(amp_keyring_at(ring->keyring, i, &principal), AMP_OK);
        if (memcmp(principal.key_id, key_id, AMP_PRINCIPAL_KEY_ID_LEN) == 0) /* lint: allow memcmp-secret, ids */
            return principal.state;
    }
    return AMP_PRINCIPAL_STATE_COUNT_;
}

static void a_created_key_is_found_again_after_a_restart(void **state)
{
    struct amp_principal principal;
    struct amp_keyring_secret shown;
    struct amp_keyring_secret found;
    assert_int_equal(create(*state, "shop", &principal, &shown), AMP_OK);
    assert_int_equal(amp_principal_check(&principal), AMP_OK);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(find(*state, principal.key_id, &found), AMP_OK);
        assert_memory_equal(&found, &shown, sizeof(shown));
        assert_int_equal(reopen(*state), AMP_OK);
    }
}

static void keys_and_secrets_differ(void **state)
{
    struct ring *ring = *state;
    enum { COUNT = 100 };
    static struct amp_principal principals[COUNT];
    static struct amp_keyring_secret secrets[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(create(ring, "shop", &principals[i], &secrets[i]), AMP_OK);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(principals[i].key_id, principals[j].key_id, AMP_PRINCIPAL_KEY_ID_LEN);
            assert_memory_not_equal(&secrets[i], &secrets[j], sizeof(secrets[i]));
        }
    }
    assert_int_equal(reopen(ring), AMP_OK);
    assert_int_equal(amp_keyring_count(ring->keyring), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        struct amp_keyring_secret found;
        assert_int_equal(find(ring, principals[i].key_id, &found), AMP_OK);
        assert_memory_equal(&found, &secrets[i], sizeof(found));
    }
    for (size_t i = 1; i < COUNT; i++) { /* listed in order */
        struct amp_principal before;
        struct amp_principal here;
        assert_int_equal(amp_keyring_at(ring->keyring, i - 1, &before), AMP_OK);
        assert_int_equal(amp_keyring_at(ring->keyring, i, &here), AMP_OK);
        assert_true(memcmp(before.key_id, here.key_id, AMP_PRINCIPAL_KEY_ID_LEN) <
                    0); /* lint: allow memcmp-secret, ids */
    }
}

static void a_rotated_key_works_until_the_overlap_ends(void **state)
{
    struct ring *ring = *state;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    assert_memory_equal(fresh.name, "shop", 4);
    assert_int_equal(fresh.rate_burst, 20);
    assert_true(amp_principal_may(&fresh, AMP_MAY_TOKENIZE, AMP_SLICE_LIT("payments")));
    assert_int_equal(reopen(ring), AMP_OK);
    amp_clock_fake_advance(&ring->time, HOUR_MS - 1);
    assert_int_equal(find(ring, old.key_id, &secret), AMP_OK);
    assert_int_equal(told(ring, old.key_id), AMP_PRINCIPAL_EXPIRING);
    amp_clock_fake_advance(&ring->time, 1);
    assert_int_equal(find(ring, old.key_id, &secret), AMP_ERR_KEY_DISABLED);
    assert_int_equal(told(ring, old.key_id), AMP_PRINCIPAL_DISABLED);
    assert_int_equal(find(ring, fresh.key_id, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_ERR_KEY_DISABLED);
}

static void a_rotation_without_overlap_ends_the_key_at_once(void **state)
{
    struct ring *ring = *state;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, 0, &fresh, &secret), AMP_OK);
    assert_int_equal(told(ring, old.key_id), AMP_PRINCIPAL_DISABLED);
    assert_int_equal(told(ring, fresh.key_id), AMP_PRINCIPAL_ACTIVE);
}

static void a_key_in_its_overlap_is_not_rotated_again(void **state)
{
    struct ring *ring = *state;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_principal other;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &other, &secret), AMP_ERR_KEY_ROTATED);
    assert_int_equal(amp_keyring_rotate(ring->keyring, fresh.key_id, HOUR_MS, &other, &secret), AMP_OK);
}

/* A clock that is set back brings no key to life that somebody disabled, though it had ended by itself. */
static void an_ended_key_is_disabled_for_good(void **state)
{
    struct ring *ring = *state;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    amp_clock_fake_advance(&ring->time, HOUR_MS);
    assert_int_equal(amp_keyring_disable(ring->keyring, old.key_id), AMP_OK);
    amp_clock_fake_advance(&ring->time, -HOUR_MS);
    assert_int_equal(reopen(ring), AMP_OK);
    assert_int_equal(find(ring, old.key_id, &secret), AMP_ERR_KEY_DISABLED);
}

static void a_disabled_key_stays_disabled(void **state)
{
    struct ring *ring = *state;
    struct amp_principal principal;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &principal, &secret), AMP_OK);
    assert_int_equal(amp_keyring_disable(ring->keyring, principal.key_id), AMP_OK);
    assert_int_equal(find(ring, principal.key_id, &secret), AMP_ERR_KEY_DISABLED);
    assert_int_equal(reopen(ring), AMP_OK);
    assert_int_equal(find(ring, principal.key_id, &secret), AMP_ERR_KEY_DISABLED);
    assert_int_equal(amp_keyring_disable(ring->keyring, principal.key_id), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, principal.key_id, 0, &principal, &secret), AMP_ERR_KEY_DISABLED);
}

/* "shop", created and disabled at once. */
static void create_ended(struct ring *ring, struct amp_principal *principal)
{
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", principal, &secret), AMP_OK);
    assert_int_equal(amp_keyring_disable(ring->keyring, principal->key_id), AMP_OK);
}

static int64_t end_of(struct ring *ring, const uint8_t *wanted)
{
    for (size_t i = 0; i < amp_keyring_count(ring->keyring); i++) {
        const uint8_t *key_id;
        int64_t end_ms = amp_keyring_end_of(ring->keyring, i, &key_id);
        if (memcmp(key_id, wanted, AMP_PRINCIPAL_KEY_ID_LEN) == 0) /* lint: allow memcmp-secret, ids */
            return end_ms;
    }
    return -1;
}

static void a_key_that_ended_says_when(void **state)
{
    struct ring *ring = *state;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    const int64_t begin_ms = ring->time.unix_ms;
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    assert_true(end_of(ring, old.key_id) == INT64_MAX);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    assert_true(end_of(ring, old.key_id) == begin_ms + HOUR_MS);
    amp_clock_fake_advance(&ring->time, HOUR_MS / 2);
    assert_int_equal(amp_keyring_disable(ring->keyring, fresh.key_id), AMP_OK);
    amp_clock_fake_advance(&ring->time, 2 * HOUR_MS);
    assert_int_equal(amp_keyring_disable(ring->keyring, old.key_id), AMP_OK); /* it had ended by itself before */
    assert_int_equal(reopen(ring), AMP_OK);
    assert_true(end_of(ring, old.key_id) == begin_ms + HOUR_MS);
    assert_true(end_of(ring, fresh.key_id) == begin_ms + HOUR_MS / 2);
}

static void a_key_disabled_in_its_overlap_ended_then(void **state)
{
    struct ring *ring = *state;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    const int64_t begin_ms = ring->time.unix_ms;
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    assert_int_equal(amp_keyring_disable(ring->keyring, old.key_id), AMP_OK);
    assert_true(end_of(ring, old.key_id) == begin_ms);
}

/* As files of before may have it. */
static void a_key_without_an_end_or_with_one_to_come_ended_now(void **state)
{
    struct ring *ring = *state;
    const int64_t now_ms = ring->time.unix_ms;
    struct amp_principal never;
    struct amp_principal later;
    ring->time.unix_ms = 0;
    create_ended(ring, &never);
    ring->time.unix_ms = now_ms + HOUR_MS;
    create_ended(ring, &later);
    ring->time.unix_ms = now_ms;
    assert_int_equal(reopen(ring), AMP_OK);
    assert_true(end_of(ring, never.key_id) == now_ms);
    assert_true(end_of(ring, later.key_id) == now_ms);
}

static void a_forgotten_key_is_unknown_and_its_place_is_free(void **state)
{
    struct ring *ring = *state;
    uint8_t ended[2][AMP_PRINCIPAL_KEY_ID_LEN];
    struct amp_principal principal;
    struct amp_principal living;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &living, &secret), AMP_OK);
    for (size_t i = 0; i < 2; i++) {
        create_ended(ring, &principal);
        memcpy(ended[i], principal.key_id, sizeof(ended[i]));
    }
    assert_int_equal(amp_keyring_forget(ring->keyring, (const uint8_t(*)[AMP_PRINCIPAL_KEY_ID_LEN])ended, 2), AMP_OK);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(amp_keyring_count(ring->keyring), 1);
        assert_int_equal(find(ring, ended[0], &secret), AMP_ERR_UNKNOWN_KEY);
        assert_int_equal(find(ring, ended[1], &secret), AMP_ERR_UNKNOWN_KEY);
        assert_int_equal(amp_keyring_disable(ring->keyring, ended[0]), AMP_ERR_NO_SUCH_PRINCIPAL);
        assert_int_equal(find(ring, living.key_id, &secret), AMP_OK);
        assert_int_equal(reopen(ring), AMP_OK);
    }
}

static void a_key_that_may_sign_is_not_forgotten_nor_another_with_it(void **state)
{
    struct ring *ring = *state;
    uint8_t both[2][AMP_PRINCIPAL_KEY_ID_LEN];
    struct amp_principal ended;
    struct amp_principal old;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    create_ended(ring, &ended);
    assert_int_equal(create(ring, "shop", &old, &secret), AMP_OK);
    memcpy(both[0], ended.key_id, sizeof(both[0]));
    memcpy(both[1], old.key_id, sizeof(both[1]));
    const uint8_t(*ids)[AMP_PRINCIPAL_KEY_ID_LEN] = (const uint8_t(*)[AMP_PRINCIPAL_KEY_ID_LEN])both;
    assert_int_equal(amp_keyring_forget(ring->keyring, ids, 2), AMP_ERR_KEY_IN_USE);
    assert_int_equal(amp_keyring_rotate(ring->keyring, old.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    assert_int_equal(amp_keyring_forget(ring->keyring, ids, 2), AMP_ERR_KEY_IN_USE);
    assert_int_equal(find(ring, ended.key_id, &secret), AMP_ERR_KEY_DISABLED);
    amp_clock_fake_advance(&ring->time, HOUR_MS);
    assert_int_equal(amp_keyring_forget(ring->keyring, ids, 2), AMP_OK);
    assert_int_equal(amp_keyring_forget(ring->keyring, ids, 1), AMP_ERR_NO_SUCH_PRINCIPAL);
    assert_int_equal(amp_keyring_count(ring->keyring), 1);
}

static void a_principal_lives_as_long_as_any_of_its_keys(void **state)
{
    struct ring *ring = *state;
    struct amp_principal first;
    struct amp_principal fresh;
    struct amp_principal other;
    struct amp_keyring_secret secret;
    assert_int_equal(create(ring, "shop", &first, &secret), AMP_OK);
    assert_int_equal(create(ring, "shop2", &other, &secret), AMP_OK);
    assert_true(amp_keyring_next_expiry(ring->keyring) == INT64_MAX);
    assert_int_equal(amp_keyring_rotate(ring->keyring, first.key_id, HOUR_MS, &fresh, &secret), AMP_OK);
    assert_true(amp_keyring_next_expiry(ring->keyring) == ring->time.unix_ms + HOUR_MS);
    for (int restart = 0; restart < 2; restart++) {
        assert_true(amp_keyring_principal_lives(ring->keyring, first.key_id));
        assert_int_equal(amp_keyring_disable(ring->keyring, fresh.key_id), AMP_OK);
        assert_true(amp_keyring_principal_lives(ring->keyring, fresh.key_id)); /* by the older one */
        assert_int_equal(reopen(ring), AMP_OK);
    }
    ring->time.unix_ms += HOUR_MS;
    assert_false(amp_keyring_principal_lives(ring->keyring, fresh.key_id));
    assert_false(amp_keyring_principal_lives(ring->keyring, first.key_id));
    assert_true(amp_keyring_principal_lives(ring->keyring, other.key_id));
    assert_false(amp_keyring_principal_lives(ring->keyring, (const uint8_t *)"AMPKAAAAAAAAAAAAAAAA"));
    assert_true(amp_keyring_next_expiry(ring->keyring) == INT64_MAX);
}

static void unknown_and_malformed_are_refused(void **state)
{
    struct ring *ring = *state;
    struct amp_principal principal;
    struct amp_keyring_secret secret;
    static const uint8_t nobody[] = "AMPKAAAAAAAAAAAAAAAA";
    assert_int_equal(find(ring, nobody, &secret), AMP_ERR_UNKNOWN_KEY);
    assert_int_equal(amp_keyring_find(ring->keyring, amp_slice(nobody, 19), &principal, &secret), AMP_ERR_UNKNOWN_KEY);
    assert_int_equal(amp_keyring_disable(ring->keyring, nobody), AMP_ERR_NO_SUCH_PRINCIPAL);
    assert_int_equal(amp_keyring_rotate(ring->keyring, nobody, 0, &principal, &secret), AMP_ERR_NO_SUCH_PRINCIPAL);
    assert_int_equal(create(ring, "white space", &principal, &secret), AMP_ERR_INVALID);
    assert_int_equal(create(ring, "", &principal, &secret), AMP_ERR_INVALID);
    assert_int_equal(create(ring, "shop", &principal, &secret), AMP_OK);
    assert_int_equal(amp_keyring_rotate(ring->keyring, principal.key_id, (uint64_t)AMP_KEYRING_OVERLAP_MAX_MS + 1,
                                        &principal, &secret),
                     AMP_ERR_INVALID);
    assert_int_equal(amp_keyring_count(ring->keyring), 1);
}

static void every_changed_bit_and_every_truncation_of_the_file_is_refused(void **state)
{
    struct ring *ring = *state;
    struct amp_principal principal;
    struct amp_keyring_secret secret;
    size_t len;
    assert_int_equal(create(ring, "shop", &principal, &secret), AMP_OK);
    char *file = tempdir_read(&ring->dir, AMP_KEYRING_FILE, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        file[bit / 8] = (char)(file[bit / 8] ^ (1 << bit % 8));
        tempdir_write(&ring->dir, AMP_KEYRING_FILE, file, len);
        enum amp_err err = reopen(ring);
        assert_true(err == AMP_ERR_NOT_AUTHENTIC || err == AMP_ERR_INVALID);
        assert_null(ring->keyring);
        file[bit / 8] = (char)(file[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t cut = 0; cut < len; cut++) {
        tempdir_write(&ring->dir, AMP_KEYRING_FILE, file, cut);
        enum amp_err err = reopen(ring);
        assert_true(err == AMP_ERR_NOT_AUTHENTIC || err == AMP_ERR_INVALID);
    }
    tempdir_write(&ring->dir, AMP_KEYRING_FILE, file, len);
    assert_int_equal(reopen(ring), AMP_OK);
    free(file);
}

static void another_kek_does_not_open_it(void **state)
{
    struct ring *ring = *state;
    const struct amp_key256 other = {{43}};
    struct amp_key_provider right = ring->inner;
    assert_int_equal(amp_key_provider_ephemeral(&ring->inner, &other), AMP_OK);
    assert_int_equal(reopen(ring), AMP_ERR_NOT_AUTHENTIC);
    ring->inner.ops->close(ring->inner.self);
    ring->inner = right;
    assert_int_equal(reopen(ring), AMP_OK);
}

static void the_file_names_its_provider_and_opens_under_no_other(void **state)
{
    struct ring *ring = *state;
    char name[AMP_KEY_PROVIDER_NAME_MAX];
    static const struct amp_key_provider_ops namesake = {"other", faulty_wrap, faulty_unwrap, NULL};
    assert_int_equal(amp_keyring_provider(ring->dir.fd, name), AMP_OK);
    assert_string_equal(name, "faulty");
    ring->provider.ops = &namesake; /* the same KEK, under another name */
    assert_int_equal(reopen(ring), AMP_ERR_INVALID);
    tempdir_write(&ring->dir, AMP_KEYRING_FILE, "AMPKRING", 8);
    assert_int_equal(amp_keyring_provider(ring->dir.fd, name), AMP_ERR_INVALID);
    assert_int_equal(unlinkat(ring->dir.fd, AMP_KEYRING_FILE, 0), 0);
    assert_int_equal(amp_keyring_provider(ring->dir.fd, name), AMP_ERR_NOT_FOUND);
}

static void the_file_shows_no_secret_and_is_sealed_anew_each_time(void **state)
{
    struct ring *ring = *state;
    struct amp_principal principal;
    struct amp_keyring_secret secret;
    size_t len;
    size_t again_len;
    assert_int_equal(create(ring, "shop", &principal, &secret), AMP_OK);
    char *file = tempdir_read(&ring->dir, AMP_KEYRING_FILE, &len);
    assert_null(memmem(file, len, principal.key_id, 8));
    assert_null(memmem(file, len, secret.text, 8));
    assert_null(memmem(file, len, "shop", 4));
    assert_int_equal(amp_keyring_disable(ring->keyring, principal.key_id), AMP_OK);
    char *again = tempdir_read(&ring->dir, AMP_KEYRING_FILE, &again_len);
    assert_int_equal(len, again_len);
    assert_memory_not_equal(file + 30, again + 30, 40); /* the wrapped DEK */
    free(file);
    free(again);
}

static void what_cannot_be_written_is_undone(void **state)
{
    struct ring *ring = *state;
    struct amp_principal principal;
    struct amp_principal fresh;
    struct amp_keyring_secret secret;
    struct amp_principal ended;
    static const struct amp_keyring_secret none;
    create_ended(ring, &ended);
    assert_int_equal(create(ring, "shop", &principal, &secret), AMP_OK);
    for (int failure = 0; failure < 2; failure++) {
        ring->broken = failure == 0;
        limit_files(failure == 1 ? 16 : RLIM_INFINITY);
        struct amp_principal another;
        assert_int_equal(create(ring, "late", &another, &secret), AMP_ERR_IO);
        assert_memory_equal(&secret, &none, sizeof(none));
        assert_int_equal(amp_keyring_rotate(ring->keyring, principal.key_id, HOUR_MS, &fresh, &secret), AMP_ERR_IO);
        assert_int_equal(amp_keyring_disable(ring->keyring, principal.key_id), AMP_ERR_IO);
        assert_int_equal(
            amp_keyring_forget(ring->keyring, (const uint8_t(*)[AMP_PRINCIPAL_KEY_ID_LEN]) & ended.key_id, 1),
            AMP_ERR_IO);
        assert_int_equal(find(ring, ended.key_id, &secret), AMP_ERR_KEY_DISABLED);
        assert_int_equal(amp_keyring_count(ring->keyring), 2);
        assert_int_equal(find(ring, principal.key_id, &secret), AMP_OK);
    }
    ring->broken = false;
    limit_files(RLIM_INFINITY);
    amp_clock_fake_advance(&ring->time, 2 * HOUR_MS);
    assert_int_equal(find(ring, principal.key_id, &secret), AMP_OK); /* it is active, not expiring */
    assert_int_equal(reopen(ring), AMP_OK);
    assert_int_equal(amp_keyring_count(ring->keyring), 2);
}

static void epoch_ids_rise_and_never_come_again(void **state)
{
    struct ring *ring = *state;
    uint32_t last = 0;
    for (int life = 0; life < 4; life++) {
        for (int i = 0; i < 1500; i++) {
            uint32_t id;
            assert_int_equal(amp_keyring_next_epoch(ring->keyring, &id), AMP_OK);
            assert_true(id > last);
            last = id;
        }
        assert_int_equal(reopen(ring), AMP_OK);
    }
    ring->broken = true;
    uint32_t id = 0;
    enum amp_err err = AMP_OK;
    for (int i = 0; i < 1500 && err == AMP_OK; i++)
        err = amp_keyring_next_epoch(ring->keyring, &id);
    assert_int_equal(err, AMP_ERR_IO); /* an id that is not reserved on disk is not given */
}

static void the_largest_principals_survive_a_restart(void **state)
{
    enum { COUNT = 40 };
    struct ring *ring = *state;
    struct amp_principal principal = {.name_len = AMP_PRINCIPAL_NAME_MAX, .grant_count = AMP_PRINCIPAL_GRANTS_MAX};
    struct amp_keyring_secret secret;
    memset(principal.name, 'n', AMP_PRINCIPAL_NAME_MAX);
    for (size_t i = 0; i < AMP_PRINCIPAL_GRANTS_MAX; i++) {
        principal.grants[i] = (struct amp_grant){.permissions = AMP_MAY_ALL, .queue_len = AMP_GRANT_QUEUE_MAX};
        memset(principal.grants[i].queue, 'q', AMP_GRANT_QUEUE_MAX);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(amp_keyring_create(ring->keyring, &principal, &secret), AMP_OK);
    assert_int_equal(reopen(ring), AMP_OK);
    assert_int_equal(amp_keyring_count(ring->keyring), COUNT);
    assert_int_equal(find(ring, principal.key_id, &secret), AMP_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_created_key_is_found_again_after_a_restart),
        TEST(keys_and_secrets_differ),
        TEST(a_rotated_key_works_until_the_overlap_ends),
        TEST(a_rotation_without_overlap_ends_the_key_at_once),
        TEST(a_key_in_its_overlap_is_not_rotated_again),
        TEST(an_ended_key_is_disabled_for_good),
        TEST(a_disabled_key_stays_disabled),
        TEST(a_key_that_ended_says_when),
        TEST(a_key_disabled_in_its_overlap_ended_then),
        TEST(a_key_without_an_end_or_with_one_to_come_ended_now),
        TEST(a_forgotten_key_is_unknown_and_its_place_is_free),
        TEST(a_key_that_may_sign_is_not_forgotten_nor_another_with_it),
        TEST(a_principal_lives_as_long_as_any_of_its_keys),
        TEST(unknown_and_malformed_are_refused),
        TEST(every_changed_bit_and_every_truncation_of_the_file_is_refused),
        TEST(another_kek_does_not_open_it),
        TEST(the_file_names_its_provider_and_opens_under_no_other),
        TEST(the_file_shows_no_secret_and_is_sealed_anew_each_time),
        TEST(what_cannot_be_written_is_undone),
        TEST(epoch_ids_rise_and_never_come_again),
        TEST(the_largest_principals_survive_a_restart),
    };
#undef TEST
    return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
