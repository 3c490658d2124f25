/* One state a byte position in the grammar of RFC 9112 section 7.1; only chunk data is moved in runs. */
#include "wire/chars.h"
#include "wire/http1.h"

enum chunk_state {
    SIZE,    /* in chunk-size; a fresh decoder starts here */
    SIZE_LF, /* behind its CR */
    DATA,    /* in chunk-data */
    DATA_CR, /* behind it */
    DATA_LF,
    LAST_CR, /* behind the last chunk's line: no trailers, so the end follows */
    LAST_LF,
    ENDED,
};

#define MAX_SIZE_DIGITS 16

static enum amp_err take_size_byte(struct amp_http1_chunked *state, uint8_t c)
{
    int digit = amp_char_hex(c);
    if (digit < 0) {
        state->state = SIZE_LF;
        return c == '\r' && state->digits != 0 ? AMP_OK : AMP_ERR_MALFORMED_REQUEST;
    }
    if (state->digits == MAX_SIZE_DIGITS)
        return AMP_ERR_MALFORMED_REQUEST;
    state->digits++;
    state->left = state->left << 4 | (unsigned)digit;
    return AMP_OK;
}

static enum amp_err end_size_line(struct amp_http1_chunked *state, uint8_t c, size_t max_body)
{
    if (c != '\n')
        return AMP_ERR_MALFORMED_REQUEST;
    if (state->body_len > max_body || state->left > max_body - state->body_len)
        return AMP_ERR_BODY_TOO_LARGE;
    state->digits = 0;
    state->state = state->left == 0 ? LAST_CR : DATA;
    return AMP_OK;
}

static enum amp_err expect(struct amp_http1_chunked *state, uint8_t c, uint8_t wanted, enum chunk_state next)
{
    state->state = next;
    return c == wanted ? AMP_OK : AMP_ERR_MALFORMED_REQUEST;
}

static enum amp_err take_byte(struct amp_http1_chunked *state, uint8_t c, size_t max_body)
{
    switch ((enum chunk_state)state->state) {
    case SIZE:
        return take_size_byte(state, c);
    case SIZE_LF:
        return end_size_line(state, c, max_body);
    case DATA_CR:
        return expect(state, c, '\r', DATA_LF);
    case DATA_LF:
        return expect(state, c, '\n', SIZE);
    case LAST_CR:
        return expect(state, c, '\r', LAST_LF);
    case LAST_LF:
        return expect(state, c, '\n', ENDED);
    case DATA:
    case ENDED:
        break; /* not taken byte by byte */
    }
    return AMP_ERR_MALFORMED_REQUEST;
}

/* Moves what there is of the chunk being read; returns its length. */
static size_t take_data(struct amp_http1_chunked *state, const uint8_t *bytes, size_t len, uint8_t *out)
{
    size_t run = state->left < len ? (size_t)state->left : len;
    memmove(out, bytes, run);
    state->body_len += run;
    state->left -= run;
    if (state->left == 0)
        state->state = DATA_CR;
    return run;
}

enum amp_err amp_http1_chunked_feed(struct amp_http1_chunked *state, const uint8_t *bytes, size_t len, uint8_t *out,
                                    size_t max_body, size_t *consumed, size_t *written, bool *done)
{
    enum amp_err err = AMP_OK;
    size_t at = 0;
    *written = 0;
    while (at < len && state->state != ENDED && err == AMP_OK) {
        if (state->state == DATA) {
            size_t run = take_data(state, bytes + at, len - at, out + *written);
            at += run;
            *written += run;
        } else {
            err = take_byte(state, bytes[at++], max_body);
        }
    }
    *consumed = at;
    *done = err == AMP_OK && state->state == ENDED;
    return err;
}
