/* Threads that seal, open and release while keys come and go. To be run under ThreadSanitizer too. */
#include <pthread.h>

#include "seal_support.h"

#define THREADS  8
#define ROUNDS   (SANITIZED ? 3000 : 30000)
#define MAX_USES 500
#define EPOCHS   (THREADS * ROUNDS / MAX_USES + 16)

static struct amp_clock_fake now;
static struct amp_epochs *epochs;
static _Atomic uint32_t uses[EPOCHS + 1];
static _Atomic uint32_t last_id;
static _Atomic uint32_t refused, wrong;

/* What the keeper's answer does: any thread may bring the next key. */
static void bring_next(void)
{
    if (!amp_epochs_wants_next(epochs))
        return;
    uint32_t id = atomic_fetch_add(&last_id, 1) + 1;
    const struct amp_key256 dek = dek_of(id);
    if (amp_epochs_add(epochs, id, &dek) != AMP_OK)
        atomic_fetch_add(&refused, 1); /* another thread was first */
}

static void *seal_and_release(void *arg)
{
    struct amp_secret_buf sealed = {0}, opened = {0};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t epoch;
        amp_secret_buf_clear(&sealed);
        amp_secret_buf_clear(&opened);
        if (amp_seal(epochs, "token", AMP_SLICE_LIT("bind"), AMP_SLICE_LIT("aad"), amp_slice(&i, sizeof i), &sealed,
                     &epoch) != AMP_OK) {
            bring_next();
            i--;
            continue;
        }
        atomic_fetch_add(&uses[epoch < EPOCHS ? epoch : EPOCHS], 1);
        if (i % 8 == 0)
            bring_next();
        if (amp_unseal(epochs, "token", AMP_SLICE_LIT("bind"), AMP_SLICE_LIT("aad"), amp_slice(sealed.ptr, sealed.len),
                       &opened) != AMP_OK ||
            memcmp(opened.ptr, &i, sizeof i) != 0)
            atomic_fetch_add(&wrong, 1);
        amp_epochs_release(epochs, epoch);
    }
    amp_secret_buf_free(&sealed);
    amp_secret_buf_free(&opened);
    amp_crypto_thread_fini();
    return NULL;
}

static void no_key_is_overused_and_none_goes_while_something_needs_it(void **state)
{
    const struct amp_epochs_config config = {amp_clock_fake(&now), 600000, MAX_USES, UINT64_C(1) << 36};
    assert_int_equal(amp_epochs_new(&epochs, &config), AMP_OK);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_release, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    uint64_t sealed = 0;
    for (size_t i = 0; i < EPOCHS; i++) {
        assert_true(uses[i] <= MAX_USES);
        sealed += uses[i];
    }
    assert_int_equal(sealed + uses[EPOCHS], THREADS * ROUNDS);
    assert_true(amp_epochs_count(epochs) <= 2); /* all was released: only the current and the next are left */
    amp_epochs_free(epochs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_is_overused_and_none_goes_while_something_needs_it),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
