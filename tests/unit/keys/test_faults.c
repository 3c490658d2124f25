/*
 * The directory that cannot be synced: the new file stands in its place by then, and must not stay there. fsync is this
 * file's (--wrap).
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../tempdir.h"
#include "crypto/crypto.h"
#include "keys/keyring.h"
#include "keys/subscription.h"

static bool directories_fail;

int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat about;
    if (directories_fail && fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

struct books {
    struct tempdir dir;
    struct amp_clock_fake time;
    struct amp_key_provider provider;
    struct amp_keyring *keyring;
    struct amp_subscriptions *subscriptions;
};

static enum amp_err reopen(struct books *books)
{
    const struct amp_keyring_config keyring = {
        .dir_fd = books->dir.fd, .clock = amp_clock_fake(&books->time), .provider = &books->provider};
    const struct amp_subscriptions_config subscriptions = {books->dir.fd, amp_clock_fake(&books->time),
                                                           &books->provider};
    amp_keyring_free(books->keyring);
    amp_subscriptions_free(books->subscriptions);
    books->subscriptions = NULL;
    enum amp_err err = amp_keyring_open(&books->keyring, &keyring);
    return err == AMP_OK ? amp_subscriptions_open(&books->subscriptions, &subscriptions) : err;
}

static int setup(void **state)
{
    const struct amp_key256 kek = {{42}};
    struct books *books = calloc(1, sizeof(*books));
    if (books == NULL || amp_secret_init(32 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&books->dir);
    books->time.unix_ms = 1700000000000;
    assert_int_equal(amp_key_provider_ephemeral(&books->provider, &kek), AMP_OK);
    *state = books;
    return 0;
}

static int teardown(void **state)
{
    struct books *books = *state;
    directories_fail = false;
    amp_keyring_free(books->keyring);
    amp_subscriptions_free(books->subscriptions);
    books->provider.ops->close(books->provider.self);
    tempdir_remove(&books->dir);
    free(books);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static void assert_nothing_beside(const struct books *books)
{
    static const char *const names[] = {AMP_KEYRING_FILE ".new", AMP_KEYRING_FILE ".old", AMP_SUBSCRIPTION_FILE ".new",
                                        AMP_SUBSCRIPTION_FILE ".old"};
    struct stat about;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(fstatat(books->dir.fd, names[i], &about, AT_SYMLINK_NOFOLLOW), -1);
}

static enum amp_err create_key(struct books *books, struct amp_principal *principal)
{
    struct amp_keyring_secret secret;
    *principal = (struct amp_principal){.name_len = 4, .name = "shop"};
    enum amp_err err = amp_keyring_create(books->keyring, principal, &secret);
    amp_wipe(&secret, sizeof(secret));
    return err;
}

static enum amp_err create_subscription(struct books *books, size_t *index)
{
    static const char url[] = "https://example.com/";
    struct amp_subscription wanted = {.queue_len = 5, .queue = "cards", .url_len = sizeof(url) - 1};
    memcpy(wanted.owner, "AMPKAAAAAAAAAAAAAAAA", sizeof(wanted.owner));
    memcpy(wanted.url, url, sizeof(url) - 1);
    return amp_subscriptions_create(books->subscriptions, &wanted, index);
}

static void what_is_on_disk_is_what_is_in_memory(void **state)
{
    struct books *books = *state;
    struct amp_principal first;
    struct amp_principal late;
    struct amp_principal found;
    size_t index;
    assert_int_equal(reopen(books), AMP_OK);
    assert_int_equal(create_key(books, &first), AMP_OK);
    assert_int_equal(create_subscription(books, &index), AMP_OK);
    assert_nothing_beside(books);
    directories_fail = true;
    assert_int_equal(create_key(books, &late), AMP_ERR_IO);
    assert_int_equal(amp_keyring_disable(books->keyring, first.key_id), AMP_ERR_IO);
    assert_int_equal(create_subscription(books, &index), AMP_ERR_IO);
    assert_int_equal(amp_subscriptions_rotate(books->subscriptions, 0, NULL), AMP_ERR_IO);
    assert_int_equal(amp_subscriptions_remove(books->subscriptions, 0), AMP_ERR_IO);
    directories_fail = false;
    assert_nothing_beside(books);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(amp_keyring_count(books->keyring), 1);
        assert_int_equal(amp_keyring_signer(books->keyring, amp_slice(first.key_id, sizeof(first.key_id)), &found),
                         AMP_OK);
        assert_int_equal(amp_subscriptions_count(books->subscriptions), 1);
        assert_int_equal(amp_subscriptions_at(books->subscriptions, 0)->generation, 0);
        assert_int_equal(amp_subscriptions_secrets_at(books->subscriptions, 0)->count, 1);
        assert_int_equal(reopen(books), AMP_OK);
    }
}

static void a_first_file_that_is_not_durable_is_none(void **state)
{
    struct books *books = *state;
    struct stat about;
    directories_fail = true;
    assert_int_equal(reopen(books), AMP_ERR_IO);
    assert_int_equal(fstatat(books->dir.fd, AMP_KEYRING_FILE, &about, AT_SYMLINK_NOFOLLOW), -1);
    directories_fail = false;
    assert_int_equal(reopen(books), AMP_OK);
}

/* A life ended between the two names. */
static void what_an_earlier_life_left_is_no_hindrance(void **state)
{
    struct books *books = *state;
    struct amp_principal principal;
    assert_int_equal(reopen(books), AMP_OK);
    assert_int_equal(linkat(books->dir.fd, AMP_KEYRING_FILE, books->dir.fd, AMP_KEYRING_FILE ".old", 0), 0);
    assert_int_equal(create_key(books, &principal), AMP_OK);
    assert_nothing_beside(books);
    assert_int_equal(reopen(books), AMP_OK);
    assert_int_equal(amp_keyring_count(books->keyring), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_on_disk_is_what_is_in_memory),
        TEST(a_first_file_that_is_not_durable_is_none),
        TEST(what_an_earlier_life_left_is_no_hindrance),
    };
#undef TEST
    return cmocka_run_group_tests_name("keys faults", tests, NULL, NULL);
}
