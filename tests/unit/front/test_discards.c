/* Which refusals of strangers are recorded one by one, and what becomes of the others. */
#include "../support.h"

#include "crypto/crypto.h"
#include "front/discards.h"

static struct amp_clock_fake hands;
static struct amp_discards *discards;
static uint64_t told[AMP_ERR_COUNT_];
static unsigned tellings;
static bool room;

static int setup(void **state)
{
    (void)state;
    hands = (struct amp_clock_fake){.mono_ms = 5000};
    memset(told, 0, sizeof told);
    tellings = 0;
    room = true;
    return amp_discards_new(&discards, amp_clock_fake(&hands)) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    amp_discards_free(discards);
    return 0;
}

static unsigned admitted(const char *address, unsigned tries)
{
    char source[64];
    unsigned i, count = 0;

    for (i = 0; i < tries; i++) {
        (void)snprintf(source, sizeof source, "%s:%u", address, 1024 + i);
        count += amp_discards_admit(discards, amp_slice_str(source));
    }
    return count;
}

static bool tell(void *ctx, enum amp_err code, uint64_t count)
{
    assert_ptr_equal(ctx, &room);
    tellings++;
    if (room)
        told[code] += count;
    return room;
}

static void a_source_has_its_share_of_each_second(void **state)
{
    char address[32];
    unsigned i, whole = 0;

    (void)state;
    assert_int_equal(admitted("192.0.2.7", 1000), AMP_DISCARDS_PER_SOURCE);
    for (i = 0; i < 20; i++) { /* of which two may chance to share one, and hardly more */
        (void)snprintf(address, sizeof address, i % 2 == 0 ? "192.0.2.1%u" : "[2001:db8::%u]", i);
        whole += admitted(address, 1000) == AMP_DISCARDS_PER_SOURCE;
    }
    assert_in_range(whole, 15, 20);
    amp_clock_fake_advance(&hands, 999);
    assert_int_equal(admitted("192.0.2.7", 1000), 0);
    amp_clock_fake_advance(&hands, 1);
    assert_int_equal(admitted("192.0.2.7", 1000), AMP_DISCARDS_PER_SOURCE);
}

static void all_sources_together_have_theirs(void **state)
{
    char address[32];
    unsigned i, total = 0;

    (void)state;
    for (i = 0; i < 1000; i++) {
        (void)snprintf(address, sizeof address, "198.51.%u.%u", i / 250, i % 250);
        total += admitted(address, 3);
    }
    assert_int_equal(total, AMP_DISCARDS_PER_WORKER);
    amp_clock_fake_advance(&hands, 1000);
    assert_int_equal(admitted("192.0.2.7", 1), 1);
}

static void what_has_no_source_text_is_bounded_too(void **state)
{
    unsigned i, count = 0;

    (void)state;
    for (i = 0; i < 100; i++)
        count += amp_discards_admit(discards, amp_slice(NULL, 0));
    assert_int_equal(count, AMP_DISCARDS_PER_SOURCE);
    assert_true(amp_discards_admit(discards, AMP_SLICE_LIT("local")));
}

static void counts_are_told_by_code_and_forgotten(void **state)
{
    unsigned i;

    (void)state;
    assert_true(amp_discards_empty(discards));
    for (i = 0; i < 718; i++)
        amp_discards_count(discards, AMP_ERR_NOT_FOUND);
    amp_discards_count(discards, AMP_ERR_UNKNOWN_KEY);
    assert_false(amp_discards_empty(discards));
    amp_discards_fold(discards, tell, &room);
    assert_int_equal(told[AMP_ERR_NOT_FOUND], 718);
    assert_int_equal(told[AMP_ERR_UNKNOWN_KEY], 1);
    assert_int_equal(tellings, 2);
    assert_true(amp_discards_empty(discards));
    amp_discards_fold(discards, tell, &room);
    assert_int_equal(tellings, 2);
}

static void a_count_that_finds_no_room_goes_on(void **state)
{
    (void)state;
    room = false;
    amp_discards_count(discards, AMP_ERR_NOT_FOUND);
    amp_discards_fold(discards, tell, &room);
    assert_false(amp_discards_empty(discards));
    amp_discards_count(discards, AMP_ERR_NOT_FOUND);
    room = true;
    amp_discards_fold(discards, tell, &room);
    assert_int_equal(told[AMP_ERR_NOT_FOUND], 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_source_has_its_share_of_each_second),  TEST(all_sources_together_have_theirs),
        TEST(what_has_no_source_text_is_bounded_too), TEST(counts_are_told_by_code_and_forgotten),
        TEST(a_count_that_finds_no_room_goes_on),
    };
    if (amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
