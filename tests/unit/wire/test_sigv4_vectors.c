/*
 * The published SigV4 suite (AMPOULE_VECTORS/sigv4/botocore). Four of its requests are none that our HTTP parser lets
 * pass (a folded line, a raw space, raw UTF-8); their heads are built here by a lenient reader, so that the canonical
 * form is held to them all the same.
 */
#include "wire_support.h"

#include "base/text.h"
#include "wire/sigv4.h"

#define SUITE  "/sigv4/botocore/aws4_testsuite/"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct vector {
    const char *folder;
    const char *name;
    bool strict; /* our parser lets its request pass */
};

static const struct vector vectors[] = {
    {"", "get-header-key-duplicate", true},
    {"", "get-header-value-multiline", false},
    {"", "get-header-value-order", true},
    {"", "get-header-value-trim", true},
    {"", "get-unreserved", true},
    {"", "get-utf8", false},
    {"", "get-vanilla", true},
    {"", "get-vanilla-empty-query-key", true},
    {"", "get-vanilla-query", true},
    {"", "get-vanilla-query-order-encoded", true},
    {"", "get-vanilla-query-order-key", true},
    {"", "get-vanilla-query-order-key-case", true},
    {"", "get-vanilla-query-order-value", true},
    {"", "get-vanilla-query-unreserved", true},
    {"", "get-vanilla-utf8-query", false},
    {"", "get-vanilla-with-session-token", true},
    {"normalize-path/", "get-relative", true},
    {"normalize-path/", "get-relative-relative", true},
    {"normalize-path/", "get-slash", true},
    {"normalize-path/", "get-slash-dot-slash", true},
    {"normalize-path/", "get-slash-pointless-dot", true},
    {"normalize-path/", "get-slashes", true},
    {"normalize-path/", "get-space", false},
    {"normalize-path/", "get-special-character", true},
    {"", "post-header-key-case", true},
    {"", "post-header-key-sort", true},
    {"", "post-header-value-case", true},
    {"post-sts-token/", "post-sts-header-after", true},
    {"post-sts-token/", "post-sts-header-before", true},
    {"", "post-vanilla", true},
    {"", "post-vanilla-empty-query-value", true},
    {"", "post-vanilla-query", true},
    {"", "post-x-www-form-urlencoded", true},
    {"", "post-x-www-form-urlencoded-parameters", true},
};

/* A file of the vector as text, in storage of the caller. */
static struct amp_slice read_file(const struct vector *vector, const char *kind, char *storage, size_t cap)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s" SUITE "%s%s/%s.%s", vectors_dir(), vector->folder, vector->name, vector->name,
             kind);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot read %s", path);
    size_t len = fread(storage, 1, cap, file);
    fclose(file);
    assert_true(len > 0 && len < cap);
    return amp_slice(storage, len);
}

/* Field values go on over folded lines; the target is what stands between the first space and the last. */
static void read_leniently(struct amp_http1_head *head, char *text, size_t len)
{
    struct amp_slice all = amp_slice(text, len);
    const uint8_t *end = memchr(all.ptr, '\n', all.len);
    struct amp_slice line = amp_slice(all.ptr, (size_t)(end - all.ptr));
    const uint8_t *first = memchr(line.ptr, ' ', line.len);
    const uint8_t *last = memrchr(line.ptr, ' ', line.len);
    *head = (struct amp_http1_head){0};
    head->method_text = amp_slice(line.ptr, (size_t)(first - line.ptr));
    head->path = amp_slice(first + 1, (size_t)(last - first - 1));
    const uint8_t *mark = memchr(head->path.ptr, '?', head->path.len);
    if (mark != NULL) {
        head->query = amp_slice(mark + 1, (size_t)(last - mark - 1));
        head->path.len = (size_t)(mark - head->path.ptr);
    }
    for (char *at = text + line.len + 1; *at != '\0' && *at != '\n';) {
        char *colon = strchr(at, ':');
        char *stop = strchr(colon, '\n');
        for (; stop[1] == ' '; stop = strchr(stop + 1, '\n'))
            *stop = ' ';
        char *value = colon[1] == ' ' ? colon + 2 : colon + 1;
        head->fields[head->field_count++] =
            (struct amp_http1_field){amp_slice(at, (size_t)(colon - at)), amp_slice(value, (size_t)(stop - value))};
        at = stop + 1;
    }
}

/* The request of the vector with LF made CRLF and the vector's Authorization added; *body is what follows it. */
static size_t make_request(const struct vector *vector, uint8_t *bytes, size_t cap, bool crlf, struct amp_slice *body)
{
    static char request[4096], authorization[4096];
    struct amp_slice text = read_file(vector, "req", request, sizeof(request) - 1);
    struct amp_slice value = read_file(vector, "authz", authorization, sizeof(authorization));
    request[text.len] = '\0';
    const char *newline = crlf ? "\r\n" : "\n";
    const char *blank = strstr(request, "\n\n");
    *body = blank == NULL ? amp_slice(NULL, 0) : amp_slice_str(blank + 2);
    size_t head_len = blank == NULL ? text.len : (size_t)(blank - request);
    struct amp_out out = amp_out(bytes, cap);
    for (size_t i = 0; i < head_len; i++) {
        if (request[i] == '\n')
            amp_out_str(&out, newline);
        else
            amp_out_byte(&out, (uint8_t)request[i]);
    }
    if (head_len != 0 && request[head_len - 1] != '\n')
        amp_out_str(&out, newline);
    /* One vector's token is a field of its signed form alone. */
    if (strcmp(vector->name, "get-vanilla-with-session-token") == 0) {
        amp_out_str(&out, "X-Amz-Security-Token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267");
        amp_out_str(&out, newline);
    }
    amp_out_str(&out, "Authorization: ");
    amp_out_slice(&out, value);
    amp_out_str(&out, newline);
    amp_out_str(&out, newline);
    amp_out_byte(&out, '\0');
    assert_false(out.overflow);
    return out.len - 1;
}

static void check_canonical(const struct vector *vector, const struct amp_sigv4 *auth,
                            const struct amp_http1_head *head, const uint8_t body_hash[AMP_SHA256_LEN])
{
    char expected[8192], text[512];
    uint8_t storage[8192], hash[AMP_SHA256_LEN];
    struct amp_slice creq = read_file(vector, "creq", expected, sizeof(expected) - 1);
    expected[creq.len] = '\0';
    struct amp_out out = amp_out(storage, sizeof(storage));
    assert_err(amp_sigv4_canonical_request(&out, auth, head, body_hash), AMP_OK, vector->name);
    assert_slice(amp_out_done(&out), expected);
    struct amp_slice sts = read_file(vector, "sts", text, sizeof(text));
    uint8_t sts_hash[AMP_SHA256_LEN];
    assert_int_equal(amp_hex_decode(sts_hash, sizeof(sts_hash), amp_slice(sts.ptr + sts.len - 64, 64)), AMP_OK);
    assert_int_equal(amp_sigv4_canonical_hash(hash, auth, head, body_hash), AMP_OK);
    assert_memory_equal(hash, sts_hash, sizeof(hash));
}

static void check_vector(const struct vector *vector)
{
    static struct amp_http1_head head;
    static uint8_t bytes[8192];
    struct amp_slice body;
    size_t head_len;
    size_t len = make_request(vector, bytes, sizeof(bytes), true, &body);
    enum amp_err err = parse_whole(&head, bytes, len, &head_len);
    if (vector->strict) {
        assert_err(err, AMP_OK, vector->name);
    } else {
        assert_err(err, AMP_ERR_MALFORMED_REQUEST, vector->name);
        len = make_request(vector, bytes, sizeof(bytes), false, &body);
        read_leniently(&head, (char *)bytes, len);
    }
    struct amp_sigv4 auth;
    uint8_t body_hash[AMP_SHA256_LEN];
    assert_int_equal(amp_sha256(body_hash, &body, 1), AMP_OK);
    assert_err(amp_sigv4_parse(&auth, &head), AMP_OK, vector->name);
    assert_err(amp_sigv4_check_coverage(&auth, &head, body_hash), AMP_OK, vector->name);
    check_canonical(vector, &auth, &head, body_hash);
    struct amp_key256 key;
    assert_int_equal(amp_sigv4_day_key(&key, amp_slice_str(SECRET), auth.date, auth.region, auth.service), AMP_OK);
    assert_err(amp_sigv4_verify(&auth, &head, body_hash, &key), AMP_OK, vector->name);
    for (size_t bit = 0; bit < 8 * AMP_SHA256_LEN; bit++) {
        auth.signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(amp_sigv4_verify(&auth, &head, body_hash, &key), AMP_ERR_SIGNATURE_MISMATCH);
        auth.signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void every_published_case_is_met(void **state)
{
    (void)vectors_dir();
    for (size_t i = 0; i < COUNT(vectors); i++)
        check_vector(&vectors[i]);
}

static int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_case_is_met),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
