#include "wire/problem.h"

#include "wire/json.h"

/* The codes that are for the house alone answer as what they are to a stranger: an internal error. */
static enum amp_err public_error(enum amp_err err)
{
    return amp_err_status(err) == 500 ? AMP_ERR_INTERNAL : err;
}

uint32_t amp_problem_retry_after_s(enum amp_err err)
{
    int status = amp_err_status(err);
    return status == 429 || status == 503 ? 1 : 0;
}

/* RFC 9457 section 3.1.3: a summary that does not change with the occurrence: "token_gone" reads "Token
 * gone". */
static void write_title(struct amp_out *out, const char *code)
{
    amp_out_byte(out, (uint8_t)(code[0] - 'a' + 'A'));
    for (const char *c = code + 1; *c != '\0'; c++)
        amp_out_byte(out, *c == '_' ? ' ' : (uint8_t)*c);
}

void amp_problem_write(struct amp_out *out, enum amp_err err, const char *reason, uint32_t retry_after_s,
                       struct amp_slice request_id)
{
    enum amp_err shown = public_error(err);
    const char *code = amp_err_code(shown);
    amp_out_str(out, "{\"type\":\"urn:ampoule:problem:");
    amp_out_str(out, code);
    amp_out_str(out, "\",\"title\":\"");
    write_title(out, code);
    amp_out_str(out, "\",\"status\":");
    amp_out_i64(out, amp_err_status(shown));
    amp_out_str(out, ",\"code\":\"");
    amp_out_str(out, code);
    amp_out_str(out, "\",\"detail\":");
    amp_json_write_string(out, amp_slice_str(amp_err_sentence(shown)));
    amp_out_str(out, ",\"request_id\":");
    amp_json_write_string(out, request_id);
    if (reason != NULL) {
        amp_out_str(out, ",\"reason\":");
        amp_json_write_string(out, amp_slice_str(reason));
    }
    if (retry_after_s != 0) {
        amp_out_str(out, ",\"retry_after\":");
        amp_out_u64(out, retry_after_s);
    }
    amp_out_byte(out, '}');
}
