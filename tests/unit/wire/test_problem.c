#include "wire_support.h"

#include "crypto/crypto.h"
#include "wire/json.h"
#include "wire/problem.h"

#define ID "0123456789abcdef"

static struct amp_slice write_problem(enum amp_err err, const char *reason, uint8_t *text, size_t cap)
{
    struct amp_out out = amp_out(text, cap);
    amp_problem_write(&out, err, reason, amp_problem_retry_after_s(err), amp_slice_str(ID));
    assert_false(out.overflow);
    return amp_out_done(&out);
}

static void a_problem_says_what_rfc_9457_asks(void **state)
{
    uint8_t text[1024];
    assert_slice(write_problem(AMP_ERR_TOKEN_GONE, "used", text, sizeof(text)),
                 "{\"type\":\"urn:ampoule:problem:token_gone\",\"title\":\"Token gone\",\"status\":410,"
                 "\"code\":\"token_gone\",\"detail\":\"This token was used, revoked or has expired; see reason.\","
                 "\"request_id\":\"" ID "\",\"reason\":\"used\"}");
    assert_slice(write_problem(AMP_ERR_NOT_FOUND, NULL, text, sizeof(text)),
                 "{\"type\":\"urn:ampoule:problem:not_found\",\"title\":\"Not found\",\"status\":404,"
                 "\"code\":\"not_found\",\"detail\":\"There is no such endpoint; see /openapi.json.\","
                 "\"request_id\":\"" ID "\"}");
}

static void waiting_is_said_where_it_helps(void **state)
{
    uint8_t text[1024];
    struct amp_slice problem = write_problem(AMP_ERR_RATE_LIMITED, NULL, text, sizeof(text));
    assert_non_null(memmem(problem.ptr, problem.len, ",\"retry_after\":1}", 17));
    assert_int_equal(amp_problem_retry_after_s(AMP_ERR_VAULT_FULL), 1);
    assert_int_equal(amp_problem_retry_after_s(AMP_ERR_TOKEN_GONE), 0);
}

static void what_went_wrong_inside_stays_inside(void **state)
{
    uint8_t io[1024], internal[1024];
    struct amp_slice a = write_problem(AMP_ERR_IO, NULL, io, sizeof(io));
    struct amp_slice b = write_problem(AMP_ERR_INTERNAL, NULL, internal, sizeof(internal));
    assert_true(amp_slice_equal(a, b));
}

static void every_error_makes_well_formed_json(void **state)
{
    for (enum amp_err err = AMP_OK + 1; err < AMP_ERR_COUNT_; err++) {
        uint8_t text[1024];
        struct amp_json json;
        struct amp_slice raw;
        struct amp_slice problem = write_problem(err, "expired", text, sizeof(text));
        amp_json_init(&json, text, problem.len);
        assert_err(amp_json_read_raw(&json, &raw), AMP_OK, amp_err_code(err));
        assert_int_equal(amp_json_finish(&json), AMP_OK);
    }
}

static int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_says_what_rfc_9457_asks),
        cmocka_unit_test(waiting_is_said_where_it_helps),
        cmocka_unit_test(what_went_wrong_inside_stays_inside),
        cmocka_unit_test(every_error_makes_well_formed_json),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
