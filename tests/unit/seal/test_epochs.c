/* Epoch keys: their bounds, their succession, their end. */
#include "../child.h"
#include "seal_support.h"

#define MAX_AGE_MS 600000
#define MAX_USES   10
#define MAX_BYTES  1000

static struct amp_clock_fake now;
static struct amp_epochs *epochs;
static struct amp_secret_buf sealed;
static uint32_t epoch;
static size_t used_before;

static int open_epochs(void **state)
{
    now = (struct amp_clock_fake){.mono_ms = 1000};
    const struct amp_epochs_config config = {amp_clock_fake(&now), MAX_AGE_MS, MAX_USES, MAX_BYTES};
    used_before = amp_secret_used();
    return amp_epochs_new(&epochs, &config) == AMP_OK ? 0 : -1;
}

static int close_epochs(void **state)
{
    amp_secret_buf_free(&sealed);
    amp_epochs_free(epochs);
    return 0;
}

static enum amp_err add(uint32_t id)
{
    const struct amp_key256 dek = dek_of(id);
    return amp_epochs_add(epochs, id, &dek);
}

static enum amp_err seal(size_t len)
{
    static uint8_t plain[2 * MAX_BYTES];
    amp_secret_buf_clear(&sealed);
    return amp_seal(epochs, "token", AMP_SLICE_LIT("bind"), AMP_SLICE_LIT("aad"), amp_slice(plain, len), &sealed,
                    &epoch);
}

static enum amp_err unseal(void)
{
    struct amp_secret_buf opened = {0};
    enum amp_err err = amp_unseal(epochs, "token", AMP_SLICE_LIT("bind"), AMP_SLICE_LIT("aad"),
                                  amp_slice(sealed.ptr, sealed.len), &opened);
    amp_secret_buf_free(&opened);
    return err;
}

static void without_a_key_nothing_is_sealed(void **state)
{
    assert_true(amp_epochs_wants_next(epochs));
    assert_int_equal(seal(1), AMP_ERR_KEEPER_UNAVAILABLE);
    assert_int_equal(sealed.len, 0);
    assert_int_equal(add(1), AMP_OK);
    assert_false(amp_epochs_wants_next(epochs));
    assert_int_equal(add(2), AMP_OK);
    assert_false(amp_epochs_wants_next(epochs));
    assert_int_equal(add(3), AMP_ERR_INVALID);
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 1);
    assert_int_equal(amp_epochs_count(epochs), 2);
}

static void a_key_is_spent_by_its_uses(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    assert_int_equal(add(2), AMP_OK);
    for (int i = 0; i < 2 * MAX_USES; i++) {
        assert_int_equal(seal(1), AMP_OK);
        assert_int_equal(epoch, i < MAX_USES ? 1 : 2);
    }
    assert_int_equal(seal(1), AMP_ERR_KEEPER_UNAVAILABLE);
    assert_int_equal(add(3), AMP_OK);
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 3);
}

static void a_key_is_spent_by_its_bytes(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    assert_int_equal(seal(MAX_BYTES + 1), AMP_ERR_TOO_LARGE);
    assert_int_equal(seal(MAX_BYTES - 1), AMP_OK);
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(seal(1), AMP_ERR_KEEPER_UNAVAILABLE);
    assert_int_equal(add(2), AMP_OK);
    assert_int_equal(seal(MAX_BYTES), AMP_OK);
    assert_int_equal(epoch, 2);
}

static void a_key_is_spent_by_its_age_waiting_included(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    now.mono_ms += MAX_AGE_MS - 100;
    assert_int_equal(add(2), AMP_OK);
    now.mono_ms += 99;
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 1);
    now.mono_ms += 1;
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 2);
    now.mono_ms += MAX_AGE_MS - 101;
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 2);
    now.mono_ms += 1;
    assert_int_equal(seal(1), AMP_ERR_KEEPER_UNAVAILABLE);
}

static void a_key_that_aged_while_it_waited_seals_nothing(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    assert_int_equal(add(2), AMP_OK);
    now.mono_ms += MAX_AGE_MS;
    assert_int_equal(seal(1), AMP_ERR_KEEPER_UNAVAILABLE);
    assert_true(amp_epochs_wants_next(epochs));
    assert_int_equal(amp_epochs_count(epochs), 0);
}

static void the_next_key_is_wanted_when_a_quarter_is_left(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    now.mono_ms += MAX_AGE_MS / 4 * 3;
    assert_false(amp_epochs_wants_next(epochs));
    now.mono_ms += 1;
    assert_true(amp_epochs_wants_next(epochs));
    assert_int_equal(add(2), AMP_OK);
    assert_false(amp_epochs_wants_next(epochs));
    now.mono_ms += MAX_AGE_MS / 4;
    for (int i = 0; i < MAX_USES - MAX_USES / 4; i++) {
        assert_int_equal(seal(1), AMP_OK);
        assert_false(amp_epochs_wants_next(epochs));
    }
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 2);
    assert_true(amp_epochs_wants_next(epochs));
    assert_int_equal(add(3), AMP_OK);
    while (epoch != 3)
        assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(seal(MAX_BYTES / 4 * 3), AMP_OK);
    assert_true(amp_epochs_wants_next(epochs));
}

static void the_sweep_retires_what_is_over_age(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    assert_int_equal(add(2), AMP_OK);
    amp_epochs_sweep(epochs);
    assert_int_equal(amp_epochs_count(epochs), 2);
    now.mono_ms += MAX_AGE_MS;
    amp_epochs_sweep(epochs);                      /* the second has waited as long, and goes with the next sweep */
    assert_int_equal(amp_epochs_count(epochs), 1); /* nothing was sealed under the first */
    amp_epochs_sweep(epochs);
    assert_int_equal(amp_epochs_count(epochs), 0);
    assert_int_equal(amp_secret_used(), used_before);
    amp_epochs_sweep(epochs);
    assert_int_equal(add(3), AMP_OK);
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 3);
}

static void a_retired_key_opens_until_the_last_is_released_and_is_wiped_then(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(seal(1), AMP_OK);
    now.mono_ms += MAX_AGE_MS;
    amp_epochs_sweep(epochs);
    assert_int_equal(amp_epochs_count(epochs), 1);
    assert_int_equal(unseal(), AMP_OK);
    amp_epochs_release(epochs, 1);
    assert_int_equal(amp_epochs_count(epochs), 1);
    assert_int_equal(unseal(), AMP_OK);
    amp_epochs_release(epochs, 1);
    assert_int_equal(amp_epochs_count(epochs), 0);
    assert_int_equal(unseal(), AMP_ERR_NOT_AUTHENTIC);
    amp_secret_buf_free(&sealed);
    assert_int_equal(amp_secret_used(), used_before);
}

static void a_released_key_that_is_current_stays(void **state)
{
    assert_int_equal(add(1), AMP_OK);
    assert_int_equal(seal(1), AMP_OK);
    amp_epochs_release(epochs, 1);
    assert_int_equal(amp_epochs_count(epochs), 1);
    assert_int_equal(unseal(), AMP_OK);
}

static void an_id_that_lives_is_refused(void **state)
{
    assert_int_equal(add(7), AMP_OK);
    assert_int_equal(add(7), AMP_ERR_INVALID);
    assert_int_equal(add(7 + AMP_EPOCHS_MAX), AMP_OK); /* wants the same place */
    for (int i = 0; i <= MAX_USES; i++)
        assert_int_equal(seal(1), AMP_OK);
    assert_int_equal(epoch, 7 + AMP_EPOCHS_MAX);
    assert_int_equal(unseal(), AMP_OK);
    assert_int_equal(add(7), AMP_ERR_INVALID); /* retired, but not gone */
}

static void there_is_an_end_to_keys_and_then_room_again(void **state)
{
    for (uint32_t id = 1; id <= AMP_EPOCHS_MAX; id++) {
        assert_int_equal(add(id), AMP_OK);
        if (id == AMP_EPOCHS_MAX)
            break;
        assert_int_equal(seal(MAX_BYTES), AMP_OK);
        now.mono_ms += MAX_AGE_MS;
        amp_epochs_sweep(epochs);
    }
    assert_int_equal(amp_epochs_count(epochs), AMP_EPOCHS_MAX);
    assert_int_equal(add(AMP_EPOCHS_MAX + 1), AMP_ERR_OVERLOADED);
    amp_epochs_release(epochs, 100);
    assert_int_equal(add(AMP_EPOCHS_MAX + 1), AMP_OK);
}

static void release_too_often(void)
{
    amp_epochs_release(epochs, 99);
}

static void a_release_of_nothing_aborts(void **state)
{
    assert_aborts(release_too_often, "released more often");
}

#define opened(test) cmocka_unit_test_setup_teardown(test, open_epochs, close_epochs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        opened(without_a_key_nothing_is_sealed),
        opened(a_key_is_spent_by_its_uses),
        opened(a_key_is_spent_by_its_bytes),
        opened(a_key_is_spent_by_its_age_waiting_included),
        opened(a_key_that_aged_while_it_waited_seals_nothing),
        opened(the_next_key_is_wanted_when_a_quarter_is_left),
        opened(the_sweep_retires_what_is_over_age),
        opened(a_retired_key_opens_until_the_last_is_released_and_is_wiped_then),
        opened(a_released_key_that_is_current_stays),
        opened(an_id_that_lives_is_refused),
        opened(there_is_an_end_to_keys_and_then_room_again),
        opened(a_release_of_nothing_aborts),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
