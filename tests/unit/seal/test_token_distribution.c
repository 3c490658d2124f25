/*
 * Ten million tokens: no two alike, no bit leaning, and nothing of a card in the tokens that are minted while it is
 * sealed. Bounds are nine standard deviations: tens of thousands of figures are looked at, and chance passes none of
 * them in a billion runs.
 */
#include <math.h>

#include "seal_support.h"

#define TOKENS (SANITIZED ? 200000 : 10000000)
#define CARDS  (SANITIZED ? 5000 : 100000)
#define SIGMAS 9.0

static struct amp_epochs *epochs;
static struct amp_clock_fake now;

enum { PREFIX_LEN = 12 }; /* of which two are alike by chance in one of 10^15 runs */

static int compare_prefixes(const void *a, const void *b)
{
    return memcmp(a, b, PREFIX_LEN);
}

/* How far `count` of `trials` fair coins is from the middle, in standard deviations. */
static double deviation(uint64_t count, uint64_t trials)
{
    return fabs((double)count - (double)trials / 2) / (sqrt((double)trials) / 2);
}

static void assert_bits_are_fair(uint32_t (*histograms)[256], uint64_t trials)
{
    for (size_t byte = 0; byte < AMP_TOKEN_LEN; byte++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint64_t ones = 0;
            for (unsigned value = 0; value < 256; value++)
                ones += (value >> bit & 1) * histograms[byte][value];
            assert_true(deviation(ones, trials) < SIGMAS);
        }
    }
}

/* Chi-squared with 255 degrees of freedom: mean 255, variance 510. */
static void assert_bytes_are_even(uint32_t (*histograms)[256], uint64_t trials)
{
    double expected = (double)trials / 256;
    for (size_t byte = 0; byte < AMP_TOKEN_LEN; byte++) {
        double chi = 0;
        for (unsigned value = 0; value < 256; value++) {
            double off = histograms[byte][value] - expected;
            chi += off * off / expected;
        }
        assert_true(fabs(chi - 255) < SIGMAS * sqrt(510));
    }
}

static void ten_million_tokens_are_all_unlike_and_lean_nowhere(void **state)
{
    static uint32_t histograms[AMP_TOKEN_LEN][256];
    uint8_t(*prefixes)[PREFIX_LEN] = malloc(TOKENS * sizeof *prefixes);
    assert_non_null(prefixes);
    for (size_t i = 0; i < TOKENS; i++) {
        uint8_t token[AMP_TOKEN_LEN];
        assert_int_equal(amp_token_new(token), AMP_OK);
        memcpy(prefixes[i], token, PREFIX_LEN);
        for (size_t byte = 0; byte < AMP_TOKEN_LEN; byte++)
            histograms[byte][token[byte]]++;
    }
    assert_bits_are_fair(histograms, TOKENS);
    assert_bytes_are_even(histograms, TOKENS);
    qsort(prefixes, TOKENS, sizeof *prefixes, compare_prefixes);
    size_t alike = 0;
    for (size_t i = 1; i < TOKENS; i++)
        alike += compare_prefixes(prefixes[i], prefixes[i - 1]) == 0;
    assert_int_equal(alike, 0);
    free(prefixes);
}

/* Digits as four bits each. */
static uint64_t bcd_of(const char pan[16])
{
    uint64_t bcd = 0;
    for (size_t i = 0; i < 16; i++)
        bcd = bcd << 4 | (uint64_t)(pan[i] - '0');
    return bcd;
}

static void random_pan(char pan[16], uint64_t *seed)
{
    unsigned sum = 0;
    for (size_t i = 0; i < 15; i++) {
        unsigned digit = i == 0 ? 4 : (unsigned)(next_random(seed) % 10);
        pan[i] = (char)('0' + digit);
        sum += i % 2 != 0 ? digit : digit < 5 ? 2 * digit : 2 * digit - 9;
    }
    pan[15] = (char)('0' + (10 - sum % 10) % 10);
}

/* What tokenizing does, in its order: a token, its hashes, the card sealed under it. */
static void tokenize(const char pan[16], uint8_t token[AMP_TOKEN_LEN], struct amp_secret_buf *sealed)
{
    uint32_t epoch;
    amp_secret_buf_clear(sealed);
    assert_int_equal(amp_token_new(token), AMP_OK);
    assert_int_equal(amp_seal(epochs, "token", amp_slice(token, AMP_TOKEN_LEN), AMP_SLICE_LIT("payments"),
                              amp_slice(pan, 16), sealed, &epoch),
                     AMP_OK);
    amp_epochs_release(epochs, epoch);
}

static void no_bit_of_a_token_follows_a_bit_of_the_card(void **state)
{
    static uint32_t agreements[8 * AMP_TOKEN_LEN][64];
    struct amp_secret_buf sealed = {0};
    uint64_t seed = 4111;
    for (size_t i = 0; i < CARDS; i++) {
        char pan[16];
        uint8_t token[AMP_TOKEN_LEN];
        random_pan(pan, &seed);
        tokenize(pan, token, &sealed);
        uint64_t bcd = bcd_of(pan);
        for (size_t bit = 0; bit < 8 * AMP_TOKEN_LEN; bit++) {
            uint64_t agree = bcd ^ ((token[bit / 8] >> bit % 8 & 1) - UINT64_C(1)); /* pan where 1, ~pan where 0 */
            for (unsigned b = 0; b < 64; b++)
                agreements[bit][b] += (uint32_t)(agree >> b & 1);
        }
    }
    for (size_t bit = 0; bit < 8 * AMP_TOKEN_LEN; bit++) {
        for (unsigned b = 0; b < 64; b++)
            assert_true(deviation(agreements[bit][b], CARDS) < SIGMAS);
    }
    amp_secret_buf_free(&sealed);
}

/* Two samples of equal size: sum of (a-b)^2/(a+b) is chi-squared with 255 degrees of freedom. */
static void tokens_of_one_card_look_like_tokens_of_another(void **state)
{
    static uint32_t histograms[2][AMP_TOKEN_LEN][256];
    static const char *const pans[2] = {"4111111111111111", "5555555555554444"};
    struct amp_secret_buf sealed = {0};
    for (size_t i = 0; i < 2 * CARDS; i++) {
        uint8_t token[AMP_TOKEN_LEN];
        tokenize(pans[i % 2], token, &sealed);
        for (size_t byte = 0; byte < AMP_TOKEN_LEN; byte++)
            histograms[i % 2][byte][token[byte]]++;
    }
    for (size_t byte = 0; byte < AMP_TOKEN_LEN; byte++) {
        double chi = 0;
        for (unsigned value = 0; value < 256; value++) {
            double a = histograms[0][byte][value], b = histograms[1][byte][value];
            if (a + b > 0)
                chi += (a - b) * (a - b) / (a + b);
        }
        assert_true(fabs(chi - 255) < SIGMAS * sqrt(510));
    }
    amp_secret_buf_free(&sealed);
}

static unsigned distance(const uint8_t *a, const uint8_t *b, size_t len)
{
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++)
        bits += (unsigned)__builtin_popcount((unsigned)(a[i] ^ b[i]));
    return bits;
}

static void the_same_card_twice_gives_tokens_that_have_nothing_in_common(void **state)
{
    struct amp_secret_buf first = {0}, second = {0};
    for (size_t i = 0; i < CARDS / 10; i++) {
        uint8_t a[AMP_TOKEN_LEN], b[AMP_TOKEN_LEN];
        tokenize("4111111111111111", a, &first);
        tokenize("4111111111111111", b, &second);
        assert_true(deviation(distance(a, b, sizeof a), 8 * sizeof a) < SIGMAS);
        size_t tail = first.len - (1 + 4);
        assert_true(deviation(distance(first.ptr + 5, second.ptr + 5, tail), 8 * tail) < SIGMAS);
        assert_null(memmem(a, sizeof a, "11111111", 8));
    }
    amp_secret_buf_free(&first);
    amp_secret_buf_free(&second);
}

/* The measure itself must find a leaning: a bit that is forced in one of two hundred. */
static void a_planted_leaning_is_found(void **state)
{
    uint64_t seed = 7, fair = 0, leaning = 0;
    const uint64_t trials = 10000000;
    for (uint64_t i = 0; i < trials; i++) {
        uint64_t dice = next_random(&seed);
        fair += dice & 1;
        leaning += dice >> 20 > (UINT64_MAX >> 20) / 200 ? dice & 1 : 1;
    }
    assert_true(deviation(fair, trials) < SIGMAS);
    assert_true(deviation(leaning, trials) >= SIGMAS);
}

static int begin(void **state)
{
    const struct amp_epochs_config config = {amp_clock_fake(&now), 600000, UINT64_MAX, UINT64_MAX};
    const struct amp_key256 dek = dek_of(1);
    return start_rooms(state) == 0 && amp_epochs_new(&epochs, &config) == AMP_OK &&
                   amp_epochs_add(epochs, 1, &dek) == AMP_OK
               ? 0
               : -1;
}

static int end(void **state)
{
    amp_epochs_free(epochs);
    return end_rooms(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_million_tokens_are_all_unlike_and_lean_nowhere),
        cmocka_unit_test(no_bit_of_a_token_follows_a_bit_of_the_card),
        cmocka_unit_test(tokens_of_one_card_look_like_tokens_of_another),
        cmocka_unit_test(the_same_card_twice_gives_tokens_that_have_nothing_in_common),
        cmocka_unit_test(a_planted_leaning_is_found),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
