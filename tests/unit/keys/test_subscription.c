/* Subscriptions over their life: they come, rotate, fail and go, the file keeps them, and nothing else opens it. */
#include <string.h>

#include "../tempdir.h"
#include "crypto/crypto.h"
#include "keys/subscription.h"

#define HOUR_MS INT64_C(3600000)

static const char owner[] = "AMPKAAAAAAAAAAAAAAAA";

struct book {
    struct tempdir dir;
    struct amp_clock_fake time;
    struct amp_key_provider provider;
    struct amp_subscriptions *subscriptions;
    bool broken; /* the provider fails */
    struct amp_key_provider inner;
};

static enum amp_err faulty_wrap(void *self, const uint8_t *key, size_t len, uint8_t *out, size_t *out_len)
{
    struct book *book = self;
    return book->broken ? AMP_ERR_IO : book->inner.ops->wrap(book->inner.self, key, len, out, out_len);
}

static enum amp_err faulty_unwrap(void *self, const uint8_t *wrapped, size_t wrapped_len, uint8_t *key, size_t *len)
{
    struct book *book = self;
    return book->broken ? AMP_ERR_IO : book->inner.ops->unwrap(book->inner.self, wrapped, wrapped_len, key, len);
}

static const struct amp_key_provider_ops faulty_ops = {"faulty", faulty_wrap, faulty_unwrap, NULL};

static enum amp_err reopen(struct book *book)
{
    amp_subscriptions_free(book->subscriptions);
    const struct amp_subscriptions_config config = {
        .dir_fd = book->dir.fd, .clock = amp_clock_fake(&book->time), .provider = &book->provider};
    return amp_subscriptions_open(&book->subscriptions, &config);
}

static int setup(void **state)
{
    const struct amp_key256 kek = {{42}};
    struct book *book = calloc(1, sizeof(*book));
    if (book == NULL || amp_secret_init(32 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&book->dir);
    book->time.unix_ms = 1700000000000;
    assert_int_equal(amp_key_provider_ephemeral(&book->inner, &kek), AMP_OK);
    book->provider = (struct amp_key_provider){&faulty_ops, book};
    *state = book;
    return reopen(book) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct book *book = *state;
    limit_files(RLIM_INFINITY);
    amp_subscriptions_free(book->subscriptions);
    book->inner.ops->close(book->inner.self);
    tempdir_remove(&book->dir);
    free(book);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static uint16_t put(uint8_t *to, const char *text)
{
    memcpy(to, text, strlen(text));
    return (uint16_t)strlen(text);
}

static struct amp_subscription make(const char *queue, const char *url)
{
    struct amp_subscription made = {.ordered = true};
    memcpy(made.owner, owner, sizeof(made.owner));
    made.queue_len = (uint8_t)put(made.queue, queue);
    made.url_len = put(made.url, url);
    made.description_len = put(made.description, "K\xc3\xa4se & Co");
    made.jwk_len = put(made.jwk, "{\"kty\":\"EC\"}");
    return made;
}

static enum amp_err create(struct book *book, const char *queue, size_t *index)
{
    struct amp_subscription wanted = make(queue, "https://example.com/hook?a=1");
    return amp_subscriptions_create(book->subscriptions, &wanted, index);
}

static const struct amp_subscription_secrets *secrets_at(struct book *book, size_t index)
{
    return amp_subscriptions_secrets_at(book->subscriptions, index);
}

static void assert_same(const struct amp_subscription *a, const struct amp_subscription *b)
{
    uint8_t a_storage[AMP_SUBSCRIPTION_PACKED_MAX];
    uint8_t b_storage[AMP_SUBSCRIPTION_PACKED_MAX];
    struct amp_out a_packed = amp_out(a_storage, sizeof(a_storage));
    struct amp_out b_packed = amp_out(b_storage, sizeof(b_storage));
    amp_subscription_pack(&a_packed, a);
    amp_subscription_pack(&b_packed, b);
    assert_false(a_packed.overflow || b_packed.overflow);
    assert_int_equal(a_packed.len, b_packed.len);
    assert_memory_equal(a_storage, b_storage, a_packed.len);
}

static void a_subscription_survives_a_restart_with_its_secret(void **state)
{
    struct book *book = *state;
    size_t index;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    const struct amp_subscription made = *amp_subscriptions_at(book->subscriptions, index);
    const struct amp_subscription_secrets secrets = *secrets_at(book, index);
    assert_int_equal(made.state, AMP_SUBSCRIPTION_ACTIVE);
    assert_true(made.created_unix_ms == book->time.unix_ms);
    assert_int_equal(secrets.count, 1);
    assert_int_equal(secrets.secrets[0].len, AMP_WEBHOOK_SECRET_LEN);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(reopen(book), AMP_OK);
        assert_int_equal(amp_subscriptions_count(book->subscriptions), 1);
        assert_int_equal(amp_subscriptions_find(book->subscriptions, made.id, &index), AMP_OK);
        assert_same(amp_subscriptions_at(book->subscriptions, index), &made);
        assert_int_equal(secrets_at(book, index)->count, 1);
        assert_memory_equal(secrets_at(book, index)->secrets[0].bytes, secrets.secrets[0].bytes,
                            AMP_WEBHOOK_SECRET_LEN);
    }
}

static void they_stay_in_the_order_of_their_making(void **state)
{
    static const char *const queues[] = {"d", "a", "c", "b", "e"};
    struct book *book = *state;
    size_t index;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(create(book, queues[i], &index), AMP_OK);
        assert_int_equal(index, i);
    }
    assert_int_equal(amp_subscriptions_remove(book->subscriptions, 1), AMP_OK);
    assert_int_equal(reopen(book), AMP_OK);
    assert_int_equal(amp_subscriptions_count(book->subscriptions), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(amp_subscriptions_at(book->subscriptions, i)->queue[0], "dcbe"[i]);
}

static void ids_and_secrets_differ(void **state)
{
    struct book *book = *state;
    size_t index;
    for (size_t i = 0; i < AMP_SUBSCRIPTIONS_PER_QUEUE_MAX; i++) {
        assert_int_equal(create(book, "payments", &index), AMP_OK);
        for (size_t j = 0; j < index; j++) {
            assert_memory_not_equal(amp_subscriptions_at(book->subscriptions, i)->id,
                                    amp_subscriptions_at(book->subscriptions, j)->id, AMP_SUBSCRIPTION_ID_LEN);
            assert_memory_not_equal(secrets_at(book, i)->secrets[0].bytes, secrets_at(book, j)->secrets[0].bytes,
                                    AMP_WEBHOOK_SECRET_LEN);
        }
    }
}

static void there_are_only_so_many_for_a_queue_and_in_all(void **state)
{
    struct book *book = *state;
    size_t index = 0;
    for (size_t i = 0; i < AMP_SUBSCRIPTIONS_PER_QUEUE_MAX; i++)
        assert_int_equal(create(book, "payments", &index), AMP_OK);
    assert_int_equal(create(book, "payments", &index), AMP_ERR_OVER_LIMIT);
    assert_int_equal(create(book, "refunds", &index), AMP_OK);
    assert_int_equal(amp_subscriptions_remove(book->subscriptions, 0), AMP_OK);
    assert_int_equal(create(book, "payments", &index), AMP_OK);
}

static void the_longest_survives_a_restart_and_too_many_of_them_are_refused(void **state)
{
    struct book *book = *state;
    struct amp_subscription longest = make("q", "https://example.com/");
    size_t made = 0;
    size_t index;
    enum amp_err err;
    memset(longest.url + longest.url_len, 'u', sizeof(longest.url) - longest.url_len);
    longest.url_len = sizeof(longest.url);
    memset(longest.jwk, ' ', sizeof(longest.jwk));
    longest.jwk[0] = '{';
    longest.jwk[sizeof(longest.jwk) - 1] = '}';
    longest.jwk_len = sizeof(longest.jwk);
    do {
        char queue[AMP_GRANT_QUEUE_MAX + 1];
        snprintf(queue, sizeof(queue), "%080zu", made);
        longest.queue_len = (uint8_t)put(longest.queue, queue);
        err = amp_subscriptions_create(book->subscriptions, &longest, &index);
    } while (err == AMP_OK && ++made < AMP_SUBSCRIPTIONS_MAX);
    assert_int_equal(err, AMP_ERR_OVER_LIMIT);
    assert_true(made > 500);
    assert_int_equal(create(book, "short", &index), AMP_OK);
    const struct amp_subscription first = *amp_subscriptions_at(book->subscriptions, 0);
    assert_int_equal(reopen(book), AMP_OK);
    assert_int_equal(amp_subscriptions_count(book->subscriptions), made + 1);
    assert_same(amp_subscriptions_at(book->subscriptions, 0), &first);
}

static void a_rotated_secret_signs_on_beside_the_new_one(void **state)
{
    struct book *book = *state;
    size_t index;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    const struct amp_webhook_secret first = secrets_at(book, index)->secrets[0];
    assert_int_equal(amp_subscriptions_rotate(book->subscriptions, index, NULL), AMP_OK);
    const struct amp_webhook_secret second = secrets_at(book, index)->secrets[0];
    assert_memory_not_equal(second.bytes, first.bytes, AMP_WEBHOOK_SECRET_LEN);
    for (int restart = 0; restart < 2; restart++) {
        const struct amp_subscription_secrets *secrets = secrets_at(book, index);
        assert_int_equal(secrets->count, 2);
        assert_memory_equal(secrets->secrets[0].bytes, second.bytes, AMP_WEBHOOK_SECRET_LEN);
        assert_memory_equal(secrets->secrets[1].bytes, first.bytes, AMP_WEBHOOK_SECRET_LEN);
        assert_true(secrets->older_expires_unix_ms == book->time.unix_ms + AMP_SUBSCRIPTION_OVERLAP_MS);
        assert_int_equal(reopen(book), AMP_OK);
    }
    amp_clock_fake_advance(&book->time, HOUR_MS);
    assert_int_equal(amp_subscriptions_rotate(book->subscriptions, index, NULL), AMP_OK);
    assert_memory_equal(secrets_at(book, index)->secrets[1].bytes, second.bytes, AMP_WEBHOOK_SECRET_LEN);
    assert_true(secrets_at(book, index)->older_expires_unix_ms == book->time.unix_ms + AMP_SUBSCRIPTION_OVERLAP_MS);
}

static void a_retired_secret_is_gone_from_memory_and_file(void **state)
{
    static const struct amp_webhook_secret none;
    struct book *book = *state;
    size_t index;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    assert_int_equal(amp_subscriptions_rotate(book->subscriptions, index, NULL), AMP_OK);
    const struct amp_webhook_secret kept = secrets_at(book, index)->secrets[0];
    assert_int_equal(amp_subscriptions_retire(book->subscriptions, index), AMP_OK);
    for (int restart = 0; restart < 2; restart++) {
        const struct amp_subscription_secrets *secrets = secrets_at(book, index);
        assert_int_equal(secrets->count, 1);
        assert_true(secrets->older_expires_unix_ms == 0);
        assert_memory_equal(secrets->secrets[0].bytes, kept.bytes, AMP_WEBHOOK_SECRET_LEN);
        assert_memory_equal(&secrets->secrets[1], &none, sizeof(none));
        assert_int_equal(reopen(book), AMP_OK);
    }
}

static void a_disabled_subscription_is_made_active_by_rotating(void **state)
{
    struct book *book = *state;
    size_t index;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    assert_int_equal(amp_subscriptions_set_state(book->subscriptions, index, AMP_SUBSCRIPTION_FAILING), AMP_OK);
    assert_int_equal(reopen(book), AMP_OK);
    assert_int_equal(amp_subscriptions_at(book->subscriptions, index)->state, AMP_SUBSCRIPTION_FAILING);
    assert_int_equal(amp_subscriptions_rotate(book->subscriptions, index, NULL), AMP_OK);
    assert_int_equal(reopen(book), AMP_OK);
    assert_int_equal(amp_subscriptions_at(book->subscriptions, index)->state, AMP_SUBSCRIPTION_ACTIVE);
}

static void malformed_fields_are_refused(void **state)
{
    struct book *book = *state;
    size_t index;
    for (int mistake = 0; mistake < 9; mistake++) {
        struct amp_subscription wanted = make("payments", "https://example.com/");
        switch (mistake) {
        case 0:
            wanted.queue_len = 0;
            break;
        case 1:
            wanted.queue[0] = '*';
            break;
        case 2:
            wanted.url_len = 0;
            break;
        case 3:
            wanted.url[0] = 'f';
            break;
        case 4:
            wanted.description[0] = '\n';
            break;
        case 5:
            wanted.description[0] = 0xff; /* no UTF-8 */
            break;
        case 6:
            wanted.jwk[0] = '[';
            break;
        case 7:
            wanted.jwk[1] = 0x80;
            break;
        default:
            wanted.owner[4] = 'a';
            break;
        }
        assert_int_equal(amp_subscriptions_create(book->subscriptions, &wanted, &index), AMP_ERR_INVALID);
    }
    assert_int_equal(amp_subscriptions_count(book->subscriptions), 0);
    const uint8_t nobody[AMP_SUBSCRIPTION_ID_LEN] = {1};
    assert_int_equal(amp_subscriptions_find(book->subscriptions, nobody, &index), AMP_ERR_SUBSCRIPTION_UNKNOWN);
}

static void every_changed_bit_and_every_truncation_of_the_file_is_refused(void **state)
{
    struct book *book = *state;
    size_t index;
    size_t len;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    char *file = tempdir_read(&book->dir, AMP_SUBSCRIPTION_FILE, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        file[bit / 8] = (char)(file[bit / 8] ^ (1 << bit % 8));
        tempdir_write(&book->dir, AMP_SUBSCRIPTION_FILE, file, len);
        enum amp_err err = reopen(book);
        assert_true(err == AMP_ERR_NOT_AUTHENTIC || err == AMP_ERR_INVALID);
        assert_null(book->subscriptions);
        file[bit / 8] = (char)(file[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t cut = 0; cut < len; cut++) {
        tempdir_write(&book->dir, AMP_SUBSCRIPTION_FILE, file, cut);
        enum amp_err err = reopen(book);
        assert_true(err == AMP_ERR_NOT_AUTHENTIC || err == AMP_ERR_INVALID);
    }
    tempdir_write(&book->dir, AMP_SUBSCRIPTION_FILE, file, len);
    assert_int_equal(reopen(book), AMP_OK);
    free(file);
}

static void another_kek_does_not_open_it(void **state)
{
    struct book *book = *state;
    const struct amp_key256 other = {{43}};
    struct amp_key_provider right = book->inner;
    assert_int_equal(amp_key_provider_ephemeral(&book->inner, &other), AMP_OK);
    assert_int_equal(reopen(book), AMP_ERR_NOT_AUTHENTIC);
    book->inner.ops->close(book->inner.self);
    book->inner = right;
    assert_int_equal(reopen(book), AMP_OK);
}

static void the_file_names_its_provider_and_opens_under_no_other(void **state)
{
    struct book *book = *state;
    char name[AMP_KEY_PROVIDER_NAME_MAX];
    static const struct amp_key_provider_ops namesake = {"other", faulty_wrap, faulty_unwrap, NULL};
    assert_int_equal(amp_subscriptions_provider(book->dir.fd, name), AMP_OK);
    assert_string_equal(name, "faulty");
    book->provider.ops = &namesake; /* the same KEK, under another name */
    assert_int_equal(reopen(book), AMP_ERR_INVALID);
    tempdir_write(&book->dir, AMP_SUBSCRIPTION_FILE, "AMPKRING", 8);
    assert_int_equal(amp_subscriptions_provider(book->dir.fd, name), AMP_ERR_INVALID);
    assert_int_equal(unlinkat(book->dir.fd, AMP_SUBSCRIPTION_FILE, 0), 0);
    assert_int_equal(amp_subscriptions_provider(book->dir.fd, name), AMP_ERR_NOT_FOUND);
}

static void the_file_shows_nothing(void **state)
{
    struct book *book = *state;
    size_t index;
    size_t len;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    char *file = tempdir_read(&book->dir, AMP_SUBSCRIPTION_FILE, &len);
    assert_null(memmem(file, len, "payments", 8));
    assert_null(memmem(file, len, "example", 7));
    assert_null(memmem(file, len, secrets_at(book, index)->secrets[0].bytes, 8));
    free(file);
}

static void what_cannot_be_written_is_undone(void **state)
{
    struct book *book = *state;
    size_t index;
    size_t late;
    assert_int_equal(create(book, "payments", &index), AMP_OK);
    assert_int_equal(create(book, "refunds", &late), AMP_OK);
    const struct amp_subscription before = *amp_subscriptions_at(book->subscriptions, 0);
    const struct amp_subscription_secrets secrets = *secrets_at(book, 0);
    for (int failure = 0; failure < 2; failure++) {
        book->broken = failure == 0;
        limit_files(failure == 1 ? 16 : RLIM_INFINITY);
        assert_int_equal(create(book, "late", &late), AMP_ERR_IO);
        assert_int_equal(amp_subscriptions_rotate(book->subscriptions, 0, NULL), AMP_ERR_IO);
        assert_int_equal(amp_subscriptions_retire(book->subscriptions, 0), AMP_ERR_IO);
        assert_int_equal(amp_subscriptions_set_state(book->subscriptions, 0, AMP_SUBSCRIPTION_GONE), AMP_ERR_IO);
        assert_int_equal(amp_subscriptions_remove(book->subscriptions, 0), AMP_ERR_IO);
        assert_int_equal(amp_subscriptions_count(book->subscriptions), 2);
        assert_same(amp_subscriptions_at(book->subscriptions, 0), &before);
        assert_memory_equal(secrets_at(book, 0), &secrets, sizeof(secrets));
        assert_int_equal(amp_subscriptions_at(book->subscriptions, 1)->queue[0], 'r');
    }
    book->broken = false;
    limit_files(RLIM_INFINITY);
    assert_int_equal(reopen(book), AMP_OK);
    assert_same(amp_subscriptions_at(book->subscriptions, 0), &before);
    assert_int_equal(amp_subscriptions_count(book->subscriptions), 2);
}

static void ids_have_one_text_each(void **state)
{
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    uint8_t back[AMP_SUBSCRIPTION_ID_LEN];
    char text[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = (uint8_t)(i * 17);
    amp_subscription_id_format(text, id);
    assert_memory_equal(text, "sub_ABEiM0RVZneImaq7zN3u_w", sizeof(text));
    assert_int_equal(amp_subscription_id_parse(back, amp_slice(text, sizeof(text))), AMP_OK);
    assert_memory_equal(back, id, sizeof(id));
    static const char *const bad[] = {"",
                                      "sub_",
                                      "sub_ABEiM0RVZneImaq7zN3u_",
                                      "sub_ABEiM0RVZneImaq7zN3u_wA",
                                      "Sub_ABEiM0RVZneImaq7zN3u_w",
                                      "sub_ABEiM0RVZneImaq7zN3u/w",
                                      "sub_ABEiM0RVZneImaq7zN3u_x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(amp_subscription_id_parse(back, amp_slice_str(bad[i])), AMP_ERR_SUBSCRIPTION_UNKNOWN);
}

static void unpacking_takes_exactly_what_was_packed(void **state)
{
    struct amp_subscription made = make("payments", "https://example.com/");
    struct amp_subscription read;
    uint8_t storage[AMP_SUBSCRIPTION_PACKED_MAX + 1] = {0};
    struct amp_out packed = amp_out(storage, sizeof(storage));
    amp_subscription_pack(&packed, &made);
    assert_int_equal(amp_subscription_unpack(&read, amp_out_done(&packed)), AMP_OK);
    assert_same(&read, &made);
    assert_int_equal(amp_subscription_unpack(&read, amp_slice(storage, packed.len + 1)), AMP_ERR_INVALID);
    for (size_t len = 0; len < packed.len; len++) {
        uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees a read beyond */
        assert_non_null(exact);
        memcpy(exact, storage, len);
        assert_int_equal(amp_subscription_unpack(&read, amp_slice(exact, len)), AMP_ERR_INVALID);
        assert_int_equal(read.url_len, 0);
        free(exact);
    }
    storage[16] = AMP_SUBSCRIPTION_STATE_COUNT_;
    assert_int_equal(amp_subscription_unpack(&read, amp_out_done(&packed)), AMP_ERR_INVALID);
    storage[16] = 0;
    storage[17] = 2; /* ordered: neither yes nor no */
    assert_int_equal(amp_subscription_unpack(&read, amp_out_done(&packed)), AMP_ERR_INVALID);
}

static void secrets_are_unpacked_as_strictly(void **state)
{
    struct amp_subscription_secrets made = {.count = 2, .older_expires_unix_ms = 7};
    struct amp_subscription_secrets read;
    uint8_t storage[AMP_SUBSCRIPTION_SECRETS_PACKED_MAX];
    for (int i = 0; i < 2; i++) {
        made.secrets[i].len = AMP_WEBHOOK_SECRET_MAX;
        memset(made.secrets[i].bytes, 'a' + i, AMP_WEBHOOK_SECRET_MAX);
    }
    struct amp_out packed = amp_out(storage, sizeof(storage));
    amp_subscription_secrets_pack(&packed, &made);
    assert_false(packed.overflow);
    assert_int_equal(amp_subscription_secrets_unpack(&read, amp_out_done(&packed)), AMP_OK);
    assert_int_equal(read.count, 2);
    assert_true(read.older_expires_unix_ms == 7);
    assert_memory_equal(read.secrets[1].bytes, made.secrets[1].bytes, AMP_WEBHOOK_SECRET_MAX);
    for (size_t len = 0; len < packed.len; len++)
        assert_int_equal(amp_subscription_secrets_unpack(&read, amp_slice(storage, len)), AMP_ERR_INVALID);
    static const struct {
        size_t offset;
        uint8_t value;
    } bad[] = {
        {0, 0}, {0, 1}, {0, 3}, {1, 23}, {1, 65}, {1, 0}, {131, 0x80}, {138, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t before = storage[bad[i].offset];
        storage[bad[i].offset] = bad[i].value;
        assert_int_equal(amp_subscription_secrets_unpack(&read, amp_out_done(&packed)), AMP_ERR_INVALID);
        assert_int_equal(read.count, 0);
        storage[bad[i].offset] = before;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_subscription_survives_a_restart_with_its_secret),
        TEST(they_stay_in_the_order_of_their_making),
        TEST(ids_and_secrets_differ),
        TEST(there_are_only_so_many_for_a_queue_and_in_all),
        TEST(the_longest_survives_a_restart_and_too_many_of_them_are_refused),
        TEST(a_rotated_secret_signs_on_beside_the_new_one),
        TEST(a_retired_secret_is_gone_from_memory_and_file),
        TEST(a_disabled_subscription_is_made_active_by_rotating),
        TEST(malformed_fields_are_refused),
        TEST(every_changed_bit_and_every_truncation_of_the_file_is_refused),
        TEST(another_kek_does_not_open_it),
        TEST(the_file_names_its_provider_and_opens_under_no_other),
        TEST(the_file_shows_nothing),
        TEST(what_cannot_be_written_is_undone),
        cmocka_unit_test(ids_have_one_text_each),
        cmocka_unit_test(unpacking_takes_exactly_what_was_packed),
        cmocka_unit_test(secrets_are_unpacked_as_strictly),
    };
#undef TEST
    return cmocka_run_group_tests_name("subscription", tests, NULL, NULL);
}
