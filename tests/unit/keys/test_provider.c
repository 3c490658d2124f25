/* One conformance suite for every key provider, then what is each one's own. */
#include <string.h>

#include "../tempdir.h"
#include "crypto/crypto.h"
#include "keys/provider.h"

struct subject {
    struct tempdir dir;
    char path[96];
    struct amp_key_provider provider;
    struct amp_key_provider other; /* the same kind with another KEK */
};

/* As the keeper comes by it: opened by who may, read by who must. */
static enum amp_err provide(struct amp_key_provider *out, const char *path)
{
    int fd;
    enum amp_err err = amp_key_file_open(&fd, path);
    if (err != AMP_OK)
        return err;
    err = amp_key_provider_file(out, fd);
    close(fd);
    return err;
}

static void make_ephemeral(struct subject *subject)
{
    const struct amp_key256 one = {{1}};
    const struct amp_key256 two = {{2}};
    assert_int_equal(amp_key_provider_ephemeral(&subject->provider, &one), AMP_OK);
    assert_int_equal(amp_key_provider_ephemeral(&subject->other, &two), AMP_OK);
}

static void make_file(struct subject *subject)
{
    char other[96];
    snprintf(other, sizeof(other), "%s/other", subject->dir.path);
    assert_int_equal(provide(&subject->provider, subject->path), AMP_OK);
    assert_int_equal(provide(&subject->other, other), AMP_OK);
}

static void for_each_provider(struct subject *subject, void (*check)(struct subject *))
{
    static void (*const makers[])(struct subject *) = {make_ephemeral, make_file};
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        makers[i](subject);
        check(subject);
        subject->provider.ops->close(subject->provider.self);
        subject->other.ops->close(subject->other.self);
    }
}

static size_t wrap(const struct amp_key_provider *provider, const uint8_t *key, size_t len, uint8_t *out)
{
    size_t out_len = 0;
    assert_int_equal(provider->ops->wrap(provider->self, key, len, out, &out_len), AMP_OK);
    assert_true(out_len > len && out_len <= AMP_WRAPPED_MAX);
    return out_len;
}

static void check_round_trip(struct subject *subject)
{
    for (size_t len = 1; len <= 128; len++) {
        uint8_t key[128];
        uint8_t back[AMP_WRAPPED_MAX];
        uint8_t wrapped[AMP_WRAPPED_MAX];
        size_t back_len = sizeof(back);
        memset(key, 0xa0, sizeof(key));
        size_t wrapped_len = wrap(&subject->provider, key, len, wrapped);
        assert_null(memmem(wrapped, wrapped_len, key, len < 8 ? 8 : len));
        assert_int_equal(subject->provider.ops->unwrap(subject->provider.self, wrapped, wrapped_len, back, &back_len),
                         AMP_OK);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, key, len);
    }
}

static void assert_not_authentic(const struct amp_key_provider *provider, const uint8_t *wrapped, size_t len)
{
    static const uint8_t zeros[64];
    uint8_t key[64];
    size_t key_len = sizeof(key);
    memset(key, 0xee, sizeof(key));
    assert_int_equal(provider->ops->unwrap(provider->self, wrapped, len, key, &key_len), AMP_ERR_NOT_AUTHENTIC);
    assert_memory_equal(key, zeros, 32); /* nothing of the key is given away */
}

static void check_refusals(struct subject *subject)
{
    uint8_t key[32] = {7};
    uint8_t wrapped[AMP_WRAPPED_MAX];
    size_t len = wrap(&subject->provider, key, sizeof(key), wrapped);
    for (size_t bit = 0; bit < len * 8; bit++) {
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_not_authentic(&subject->provider, wrapped, len);
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_not_authentic(&subject->provider, wrapped, cut);
    assert_not_authentic(&subject->provider, wrapped, AMP_WRAPPED_MAX + 8 > len ? len + 8 : len);
    assert_not_authentic(&subject->other, wrapped, len);
}

static void check_bounds(struct subject *subject)
{
    uint8_t key[AMP_WRAPPED_MAX] = {0};
    uint8_t out[AMP_WRAPPED_MAX];
    size_t len;
    assert_int_not_equal(subject->provider.ops->wrap(subject->provider.self, key, 0, out, &len), AMP_OK);
    assert_int_not_equal(subject->provider.ops->wrap(subject->provider.self, key, sizeof(key), out, &len), AMP_OK);
}

static void providers_unwrap_what_they_wrapped(void **state)
{
    for_each_provider(*state, check_round_trip);
}

static void providers_refuse_what_they_did_not_wrap(void **state)
{
    for_each_provider(*state, check_refusals);
}

static void providers_refuse_empty_and_oversized_keys(void **state)
{
    for_each_provider(*state, check_bounds);
}

static void file_provider_keeps_its_key(void **state)
{
    struct subject *subject = *state;
    uint8_t key[32] = {9};
    uint8_t back[32];
    uint8_t wrapped[AMP_WRAPPED_MAX];
    size_t back_len = sizeof(back);
    struct stat about;
    assert_int_equal(provide(&subject->provider, subject->path), AMP_OK);
    size_t len = wrap(&subject->provider, key, sizeof(key), wrapped);
    subject->provider.ops->close(subject->provider.self);
    assert_int_equal(stat(subject->path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(provide(&subject->provider, subject->path), AMP_OK);
    assert_int_equal(subject->provider.ops->unwrap(subject->provider.self, wrapped, len, back, &back_len), AMP_OK);
    assert_memory_equal(back, key, sizeof(key));
    subject->provider.ops->close(subject->provider.self);
}

static void file_provider_refuses_a_file_that_is_not_private(void **state)
{
    struct subject *subject = *state;
    char link[96];
    uint8_t bytes[33] = {0};
    snprintf(link, sizeof(link), "%s/link", subject->dir.path);
    static const size_t sizes[] = {0, 31, 33};
    for (size_t i = 0; i < 3; i++) {
        tempdir_write(&subject->dir, "kek", bytes, sizes[i]);
        assert_int_equal(provide(&subject->provider, subject->path), AMP_ERR_INVALID);
    }
    tempdir_write(&subject->dir, "kek", bytes, 32);
    static const mode_t modes[] = {0640, 0604, 0620, 0601};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(subject->path, modes[i]), 0);
        assert_int_equal(provide(&subject->provider, subject->path), AMP_ERR_INVALID);
    }
    assert_int_equal(chmod(subject->path, 0600), 0);
    assert_int_equal(symlink(subject->path, link), 0);
    assert_int_equal(provide(&subject->provider, link), AMP_ERR_IO);
    assert_int_equal(provide(&subject->provider, subject->dir.path), AMP_ERR_INVALID);
}

/* What opening `path` says on standard error. */
static void assert_opening_says(const char *path, const char *sentence)
{
    char said[1024];
    int fd;
    FILE *kept = tmpfile();
    const int before = dup(STDERR_FILENO);
    assert_non_null(kept);
    assert_true(before >= 0 && dup2(fileno(kept), STDERR_FILENO) == STDERR_FILENO);
    const enum amp_err err = amp_key_file_open(&fd, path);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    close(before);
    rewind(kept);
    said[fread(said, 1, sizeof(said) - 1, kept)] = '\0';
    fclose(kept);
    assert_int_not_equal(err, AMP_OK);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(said, sentence));
    assert_non_null(strstr(said, path));
}

static void file_provider_says_what_is_wrong_with_its_file(void **state)
{
    struct subject *subject = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/missing/kek", subject->dir.path);
    assert_opening_says(path, "No such file or directory");
    snprintf(path, sizeof(path), "%s/short", subject->dir.path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_opening_says(path, "must be a plain one of 32 bytes, mode 0600");
}

static void file_provider_leaves_no_half_key_on_a_full_disk(void **state)
{
    struct subject *subject = *state;
    limit_files(16);
    assert_int_equal(provide(&subject->provider, subject->path), AMP_ERR_IO);
    limit_files(RLIM_INFINITY);
    assert_int_equal(access(subject->path, F_OK), -1);
}

static int setup(void **state)
{
    struct subject *subject = calloc(1, sizeof(*subject));
    if (subject == NULL || amp_secret_init(1 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&subject->dir);
    snprintf(subject->path, sizeof(subject->path), "%s/kek", subject->dir.path);
    *state = subject;
    return 0;
}

static int teardown(void **state)
{
    struct subject *subject = *state;
    tempdir_remove(&subject->dir);
    free(subject);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(providers_unwrap_what_they_wrapped),
        TEST(providers_refuse_what_they_did_not_wrap),
        TEST(providers_refuse_empty_and_oversized_keys),
        TEST(file_provider_keeps_its_key),
        TEST(file_provider_refuses_a_file_that_is_not_private),
        TEST(file_provider_says_what_is_wrong_with_its_file),
        TEST(file_provider_leaves_no_half_key_on_a_full_disk),
    };
#undef TEST
    return cmocka_run_group_tests_name("key provider", tests, NULL, NULL);
}
