/*
 * Heads, responses and chunked bodies. Whatever the bytes: fed whole or in parts they get one verdict; a head accepted,
 * written out plainly and parsed again, is the same head.
 */
#include "fuzz.h"

#include "wire/http1.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

static void check_inside(struct amp_slice s, const uint8_t *bytes, size_t len)
{
    FUZZ_CHECK(s.len == 0 || (s.ptr >= bytes && s.len <= len && s.ptr + s.len <= bytes + len));
}

static void check_head(const struct amp_http1_head *head, const uint8_t *bytes, size_t head_len)
{
    check_inside(head->method_text, bytes, head_len);
    check_inside(head->path, bytes, head_len);
    check_inside(head->query, bytes, head_len);
    check_inside(head->host, bytes, head_len);
    FUZZ_CHECK(head->host.len != 0 && head->path.len != 0 && head->path.ptr[0] == '/');
    FUZZ_CHECK(!(head->chunked && head->has_length));
    FUZZ_CHECK(head->target.len <= AMP_HTTP1_MAX_TARGET && head->field_count <= AMP_HTTP1_MAX_FIELDS);
    for (size_t i = 0; i < head->field_count; i++) {
        check_inside(head->fields[i].name, bytes, head_len);
        check_inside(head->fields[i].value, bytes, head_len);
        FUZZ_CHECK(memchr(head->fields[i].name.ptr, ':', head->fields[i].name.len) == NULL);
        FUZZ_CHECK(head->fields[i].value.len == 0 ||
                   memchr(head->fields[i].value.ptr, '\n', head->fields[i].value.len) == NULL);
    }
}

static void check_same(const struct amp_http1_head *a, const struct amp_http1_head *b)
{
    FUZZ_CHECK(a->method == b->method && a->field_count == b->field_count && a->chunked == b->chunked);
    FUZZ_CHECK(a->has_length == b->has_length && a->content_length == b->content_length);
    FUZZ_CHECK(a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue);
    FUZZ_CHECK(amp_slice_equal(a->path, b->path) && amp_slice_equal(a->query, b->query));
    FUZZ_CHECK(amp_slice_equal(a->host, b->host) && amp_slice_equal(a->method_text, b->method_text));
    for (size_t i = 0; i < a->field_count; i++) {
        FUZZ_CHECK(amp_slice_equal(a->fields[i].name, b->fields[i].name));
        FUZZ_CHECK(amp_slice_equal(a->fields[i].value, b->fields[i].value));
    }
}

static void check_written_anew(const struct amp_http1_head *head)
{
    static uint8_t storage[2 * AMP_HTTP1_MAX_HEAD];
    static struct amp_http1_head again;
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_out_slice(&out, head->method_text);
    amp_out_byte(&out, ' ');
    amp_out_slice(&out, head->target);
    amp_out_str(&out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < head->field_count; i++) {
        amp_out_slice(&out, head->fields[i].name);
        amp_out_byte(&out, ':');
        amp_out_slice(&out, head->fields[i].value);
        amp_out_str(&out, "\r\n");
    }
    amp_out_str(&out, "\r\n");
    size_t head_len, scanned = 0;
    FUZZ_CHECK(amp_http1_parse_head(&again, storage, out.len, &head_len, &scanned) == AMP_OK);
    FUZZ_CHECK(head_len == out.len);
    check_same(head, &again);
}

/* The verdict on the bytes given `step` at a time, each time in storage of their own. */
static enum amp_err parse_in_steps(const uint8_t *data, size_t size, size_t step, size_t *head_len)
{
    static struct amp_http1_head head;
    enum amp_err err = AMP_ERR_TRUNCATED;
    size_t scanned = 0;
    for (size_t len = 0; err == AMP_ERR_TRUNCATED && len < size;) {
        len = size - len < step ? size : len + step;
        uint8_t *bytes = fuzz_copy(data, len);
        err = amp_http1_parse_head(&head, bytes, len, head_len, &scanned);
        free(bytes);
    }
    return err;
}

static enum amp_err decode(const uint8_t *data, size_t size, size_t step, uint8_t *out, size_t *body_len, size_t *used,
                           bool *done)
{
    struct amp_http1_chunked state = {0};
    enum amp_err err = AMP_OK;
    *used = 0;
    *body_len = 0;
    *done = false;
    while (*used < size && err == AMP_OK && !*done) {
        size_t consumed, written;
        size_t len = size - *used < step ? size - *used : step;
        err = amp_http1_chunked_feed(&state, data + *used, len, out + *body_len, 4096, &consumed, &written, done);
        FUZZ_CHECK(consumed <= len && written <= consumed);
        *used += consumed;
        *body_len += written;
        FUZZ_CHECK(*body_len <= 4096);
    }
    return err;
}

static void check_chunked(const uint8_t *data, size_t size, size_t step)
{
    uint8_t *whole = fuzz_copy(data, size), *parts = fuzz_copy(data, size);
    size_t whole_len, parts_len, whole_used, parts_used;
    bool whole_done, parts_done;
    enum amp_err err = decode(whole, size, size, whole, &whole_len, &whole_used, &whole_done); /* in place */
    FUZZ_CHECK(decode(data, size, step, parts, &parts_len, &parts_used, &parts_done) == err);
    FUZZ_CHECK(whole_len == parts_len && whole_used == parts_used && whole_done == parts_done);
    FUZZ_CHECK(whole_len == 0 || memcmp(whole, parts, whole_len) == 0);
    free(whole);
    free(parts);
}

static void check_response(const uint8_t *data, size_t size, size_t step)
{
    static struct amp_http1_response response;
    size_t head_len, scanned = 0;
    enum amp_err whole = amp_http1_parse_response(&response, data, size, &head_len, &scanned);
    enum amp_err parts = AMP_ERR_TRUNCATED;
    scanned = 0;
    for (size_t len = 0; parts == AMP_ERR_TRUNCATED && len < size;) {
        len = size - len < step ? size : len + step;
        parts = amp_http1_parse_response(&response, data, len, &head_len, &scanned);
    }
    FUZZ_CHECK(whole == parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct amp_http1_head head;
    if (size < 2)
        return 0;
    size_t step = 1 + data[size - 1] % 31U;
    size_t head_len = 0, steps_len = 0, scanned = 0;
    uint8_t *bytes = fuzz_copy(data, size);
    enum amp_err err = amp_http1_parse_head(&head, bytes, size, &head_len, &scanned);
    FUZZ_CHECK(parse_in_steps(data, size, step, &steps_len) == err);
    if (err == AMP_OK) {
        FUZZ_CHECK(head_len <= size && head_len <= AMP_HTTP1_MAX_HEAD && head_len == steps_len);
        check_head(&head, bytes, head_len);
        check_written_anew(&head);
        check_chunked(data + head_len, size - head_len, step);
    }
    check_chunked(data, size, step);
    check_response(data, size, step);
    free(bytes);
    return 0;
}
