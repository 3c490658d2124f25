/* The chain as an independent reader sees it: unbroken, and every change shows. */
#include "chain_support.h"

static void chain_verifies(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    log_add(log, 20);
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.lines, 22);
    assert_int_equal(reading.epochs_sealed, 1);
    assert_true(reading.sealed_end);
}

static void chain_goes_on_through_lives_epochs_and_files(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log->file_max_bytes = 4000;
    log->epoch_records = 16;
    for (int life = 0; life < 4; life++) {
        log_begin(log);
        for (int i = 0; i < 10; i++) {
            log_add(log, 9);
            assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
        }
        log_end(log);
    }
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.starts, 4);
    assert_true(reading.files > 10);
    assert_true(reading.epochs_sealed >= 4 * 90 / 16);
}

static void epochs_end_by_age_empty_ones_too(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    for (int i = 0; i < 5; i++) {
        amp_clock_fake_advance(&log->time, AMP_CHAIN_EPOCH_MS);
        assert_int_equal(amp_chain_seal(log->chain, false), AMP_OK);
        assert_int_equal(amp_chain_seal(log->chain, false), AMP_OK); /* the new one is young */
    }
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.epochs_sealed, 6);
    assert_int_equal(reading.lines, 7);
}

static void a_new_day_has_a_new_file(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    log_add(log, 1);
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    amp_clock_fake_advance(&log->time, 1000); /* midnight has passed */
    log_add(log, 1);
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.files, 2);
}

static void an_old_key_does_not_come_back(void **state)
{
    /* Who holds a later epoch's key cannot make the records of an earlier one: the reader refuses them under it. */
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    log_add(log, 3);
    log_end(log);
    memset(log->keys[0], 0x77, 32);
    assert_false(log_is_good(log, &reading));
}

struct sealed_log {
    char *text;
    size_t len;
    struct log *log;
};

static struct sealed_log make_sealed(struct log *log)
{
    struct sealed_log sealed = {.log = log};
    log_begin(log);
    log_add(log, 6);
    log_end(log);
    sealed.text = log_read_all(&log->dir, &sealed.len, NULL);
    return sealed;
}

/* Good, and nothing missing at its end. */
static bool passes(const struct sealed_log *sealed, const char *text, size_t len)
{
    struct log_reading reading;
    return log_verify_text(text, len, (const uint8_t(*)[32])sealed->log->keys, sealed->log->lives, &reading) &&
           reading.sealed_end;
}

static void every_flipped_bit_shows(void **state)
{
    struct sealed_log sealed = make_sealed(*state);
    assert_true(passes(&sealed, sealed.text, sealed.len));
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        sealed.text[bit / 8] = (char)(sealed.text[bit / 8] ^ (1 << bit % 8));
        assert_false(passes(&sealed, sealed.text, sealed.len));
        sealed.text[bit / 8] = (char)(sealed.text[bit / 8] ^ (1 << bit % 8));
    }
    free(sealed.text);
}

static void every_truncation_shows(void **state)
{
    struct sealed_log sealed = make_sealed(*state);
    for (size_t len = 0; len < sealed.len; len++)
        assert_false(passes(&sealed, sealed.text, len));
    free(sealed.text);
}

/* Line `index` of the text. */
static struct amp_slice line_at(const struct sealed_log *sealed, size_t index)
{
    const char *at = sealed->text;
    while (index-- != 0)
        at = strchr(at, '\n') + 1;
    return amp_slice(at, (size_t)(strchr(at, '\n') + 1 - at));
}

enum { LINES = 8 };

/* The log with its lines in this order. */
static bool passes_in_order(const struct sealed_log *sealed, const size_t *order, size_t count)
{
    char *text = malloc(2 * sealed->len);
    assert_non_null(text);
    struct amp_out out = amp_out(text, 2 * sealed->len);
    for (size_t i = 0; i < count; i++)
        amp_out_slice(&out, line_at(sealed, order[i]));
    bool good = passes(sealed, text, out.len);
    free(text);
    return good;
}

static void every_deleted_swapped_or_repeated_line_shows(void **state)
{
    struct sealed_log sealed = make_sealed(*state);
    size_t order[LINES + 1] = {0, 1, 2, 3, 4, 5, 6, 7};
    assert_true(passes_in_order(&sealed, order, LINES));
    for (size_t victim = 0; victim < LINES; victim++) {
        size_t changed[LINES + 1];
        size_t count = 0;
        for (size_t i = 0; i < LINES; i++) {
            if (i != victim)
                changed[count++] = i;
        }
        assert_false(passes_in_order(&sealed, changed, count)); /* deleted */
        count = 0;
        for (size_t i = 0; i < LINES; i++) {
            changed[count++] = i;
            if (i == victim)
                changed[count++] = i;
        }
        assert_false(passes_in_order(&sealed, changed, count)); /* repeated */
        for (size_t other = 0; other < victim; other++) {
            memcpy(changed, order, sizeof(order));
            changed[victim] = other;
            changed[other] = victim;
            assert_false(passes_in_order(&sealed, changed, LINES)); /* swapped */
        }
    }
    free(sealed.text);
}

static void chain_takes_nothing_before_it_has_a_key(void **state)
{
    struct log *log = *state;
    const struct amp_event event = {.act = AMP_ACT_TOKENIZE};
    assert_int_equal(log_try_open(log), AMP_OK);
    assert_int_equal(amp_chain_append(log->chain, &event, "front"), AMP_ERR_AUDIT_UNAVAILABLE);
    assert_false(amp_chain_started(log->chain));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
    const struct CMUnitTest tests[] = {
        TEST(chain_verifies),
        TEST(chain_goes_on_through_lives_epochs_and_files),
        TEST(epochs_end_by_age_empty_ones_too),
        TEST(a_new_day_has_a_new_file),
        TEST(an_old_key_does_not_come_back),
        TEST(every_flipped_bit_shows),
        TEST(every_truncation_shows),
        TEST(every_deleted_swapped_or_repeated_line_shows),
        TEST(chain_takes_nothing_before_it_has_a_key),
    };
#undef TEST
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
