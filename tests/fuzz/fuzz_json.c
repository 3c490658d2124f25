/*
 * Any text. A raw value accepted is left as written and accepted again on its own; a string read in place is one that
 * the raw reader accepts too, and written out it reads back the same; an array read element by element agrees with the
 * raw.
 */
#include "fuzz.h"

#include "crypto/crypto.h"
#include "wire/json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_crypto_init() == AMP_OK);
    return 0;
}

static enum amp_err read_raw(uint8_t *text, size_t len, struct amp_slice *out)
{
    struct amp_json json;
    amp_json_init(&json, text, len);
    enum amp_err err = amp_json_read_raw(&json, out);
    return err != AMP_OK ? err : amp_json_finish(&json);
}

static void check_raw_again(struct amp_slice raw)
{
    uint8_t *copy = fuzz_copy(raw.ptr, raw.len);
    struct amp_slice again;
    FUZZ_CHECK(read_raw(copy, raw.len, &again) == AMP_OK);
    FUZZ_CHECK(again.ptr == copy && again.len == raw.len);
    if (raw.len > 1 && (raw.ptr[0] == '{' || raw.ptr[0] == '[' || raw.ptr[0] == '"'))
        FUZZ_CHECK(read_raw(copy, raw.len - 1, &again) != AMP_OK);
    free(copy);
}

static void check_written(struct amp_slice value)
{
    size_t cap = 6 * value.len + 2;
    uint8_t *text = malloc(cap);
    FUZZ_CHECK(text != NULL);
    struct amp_out out = amp_out(text, cap);
    struct amp_json json;
    struct amp_slice back;
    amp_json_write_string(&out, value);
    FUZZ_CHECK(!out.overflow);
    amp_json_init(&json, text, out.len);
    FUZZ_CHECK(amp_json_read_string(&json, &back) == AMP_OK && amp_json_finish(&json) == AMP_OK);
    FUZZ_CHECK(amp_slice_equal(value, back));
    free(text);
}

static void check_string(const uint8_t *data, size_t size, enum amp_err raw_err)
{
    uint8_t *text = fuzz_copy(data, size);
    struct amp_json json;
    struct amp_slice value;
    amp_json_init(&json, text, size);
    if (amp_json_peek(&json) == AMP_JSON_STRING) {
        enum amp_err err = amp_json_read_string(&json, &value);
        if (err == AMP_OK)
            err = amp_json_finish(&json);
        FUZZ_CHECK(err == raw_err);
        if (err == AMP_OK)
            check_written(value);
    }
    free(text);
}

static enum amp_err read_element(struct amp_json *json, size_t index, void *into)
{
    struct amp_slice raw;
    int64_t number;
    bool flag;
    switch (amp_json_peek(json)) {
    case AMP_JSON_STRING:
        return amp_json_read_string(json, &raw);
    case AMP_JSON_BOOL:
        return amp_json_read_bool(json, &flag);
    case AMP_JSON_ARRAY:
        return amp_json_read_array(json, read_element, into);
    case AMP_JSON_NUMBER: {
        struct amp_json ahead = *json;
        if (amp_json_read_i64(&ahead, &number) == AMP_OK) {
            *json = ahead;
            return AMP_OK;
        }
        return amp_json_read_raw(json, &raw);
    }
    case AMP_JSON_OBJECT:
    case AMP_JSON_NULL:
    case AMP_JSON_NONE:
        break;
    }
    return amp_json_read_raw(json, &raw);
}

static void check_array(const uint8_t *data, size_t size, enum amp_err raw_err)
{
    uint8_t *text = fuzz_copy(data, size);
    struct amp_json json;
    amp_json_init(&json, text, size);
    if (amp_json_peek(&json) == AMP_JSON_ARRAY) {
        enum amp_err err = amp_json_read_array(&json, read_element, NULL);
        if (err == AMP_OK)
            err = amp_json_finish(&json);
        FUZZ_CHECK(err == raw_err);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amp_slice raw;
    uint8_t *text = fuzz_copy(data, size);
    enum amp_err err = read_raw(text, size, &raw);
    FUZZ_CHECK(size == 0 || memcmp(text, data, size) == 0);
    if (err == AMP_OK)
        check_raw_again(raw);
    check_string(data, size, err);
    check_array(data, size, err);
    free(text);
    return 0;
}
