/*
 * Signatures minted for these tests by Python's hmac and hashlib from the steps of the AWS General Reference, so that
 * the verifier is held against another's arithmetic.
 */
#include "wire_support.h"

#include "base/text.h"
#include "wire/sigv4.h"

#define KEY_ID         "AMPKTESTTESTTEST2345"
#define SECRET         "c2VjcmV0LW9mLXRoZS10ZXN0cy1vbmx5LTAxMjM0NTY3"
#define DAY_KEY        "29de95636cf58f3de5220e28aabbfb37a19837c3073c72fdc71332bb54d4e047"
#define BODY           "{\"token\":\"abc\"}"
#define BODY_HASH      "9c5955952c12f09397bd7fcf56624bea656322913fd00d884661c3b126d17a28"
#define EMPTY_HASH     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGNATURE      "f754054eab9715631da45e2df69835978f9829d313e0232e4fd60d2bf60a5c90"
#define SCOPE          "20260131/eu-west-1/ampoule/aws4_request"
#define SIGNED_HEADERS "content-type;host;idempotency-key;x-ampoule-trace;x-amz-content-sha256;x-amz-date"

/* How a flipped bit in a piece of the request must end. */
enum coverage {
    SIGNED, /* always refused */
    NAME,   /* refused, or the same name in other letters */
    LOOSE,  /* not signed: any verdict */
};

struct piece {
    const char *text;
    enum coverage coverage;
};

static const struct piece request[] = {
    {"POST /v1/tokens?b=2&a=1%202&c HTTP/1.1\r\n", SIGNED},
    {"User-Agent: test/1\r\n", LOOSE},
    {"host", NAME},
    {": localhost:8443\r\n", SIGNED},
    {"content-type", NAME},
    {": application/json\r\n", SIGNED},
    {"x-amz-date", NAME},
    {": 20260131T120000Z\r\n", SIGNED},
    {"x-amz-content-sha256", NAME},
    {": " BODY_HASH "\r\n", SIGNED},
    {"x-ampoule-trace", NAME},
    {": one\t two\r\n", SIGNED},
    {"idempotency-key", NAME},
    {": k-1\r\n", SIGNED},
    {"x-ampoule-trace", NAME},
    {": three\r\n", SIGNED},
    {"authorization", NAME},
    {": AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE ", SignedHeaders=" SIGNED_HEADERS ", Signature=" SIGNATURE
     "\r\n",
     SIGNED},
    {"Content-Length: 15\r\n", LOOSE},
    {"\r\n", SIGNED},
};

static size_t write_request(uint8_t *bytes, size_t cap)
{
    struct amp_out out = amp_out(bytes, cap);
    for (size_t i = 0; i < COUNT(request); i++)
        amp_out_str(&out, request[i].text);
    assert_false(out.overflow);
    return out.len;
}

static struct amp_key256 make_day_key(const char *service)
{
    struct amp_key256 key;
    assert_int_equal(amp_sigv4_day_key(&key, amp_slice_str(SECRET), amp_slice_str("20260131"),
                                       amp_slice_str("eu-west-1"), amp_slice_str(service)),
                     AMP_OK);
    return key;
}

static void hash_body(uint8_t hash[AMP_SHA256_LEN], const char *body)
{
    struct amp_slice whole = amp_slice_str(body);
    assert_int_equal(amp_sha256(hash, &whole, 1), AMP_OK);
}

/* The whole way of a request, as the server goes it. */
static enum amp_err judge(const uint8_t *bytes, size_t len, const char *body)
{
    struct amp_http1_head head;
    struct amp_sigv4 auth;
    uint8_t body_hash[AMP_SHA256_LEN];
    size_t head_len;
    const struct amp_key256 key = make_day_key("ampoule");
    hash_body(body_hash, body);
    enum amp_err err = parse_whole(&head, bytes, len, &head_len);
    if (err == AMP_OK)
        err = amp_sigv4_parse(&auth, &head);
    if (err == AMP_OK && !amp_slice_is(auth.key_id, KEY_ID))
        err = AMP_ERR_UNKNOWN_KEY;
    if (err == AMP_OK && (!amp_slice_is(auth.service, "ampoule") || !amp_slice_is(auth.date, "20260131")))
        err = AMP_ERR_WRONG_SCOPE;
    if (err == AMP_OK)
        err = amp_sigv4_check_coverage(&auth, &head, body_hash);
    return err != AMP_OK ? err : amp_sigv4_verify(&auth, &head, body_hash, &key);
}

static void the_day_key_is_derived_as_aws_says(void **state)
{
    struct amp_key256 key = make_day_key("ampoule");
    uint8_t expected[32];
    assert_int_equal(amp_hex_decode(expected, sizeof(expected), amp_slice_str(DAY_KEY)), AMP_OK);
    assert_memory_equal(key.bytes, expected, sizeof(expected));
}

static void a_secret_too_long_gives_no_key(void **state)
{
    static uint8_t secret[1024];
    struct amp_key256 key = {.bytes = {1}};
    assert_int_equal(amp_sigv4_day_key(&key, amp_slice(secret, sizeof(secret)), amp_slice_str("20260131"),
                                       amp_slice_str("r"), amp_slice_str("s")),
                     AMP_ERR_TOO_LARGE);
    assert_int_equal(key.bytes[0], 0);
}

static void a_well_signed_request_verifies(void **state)
{
    uint8_t bytes[2048];
    size_t len = write_request(bytes, sizeof(bytes));
    assert_err(judge(bytes, len, BODY), AMP_OK, "as signed");
}

static void the_canonical_request_is_spelled_as_aws_says(void **state)
{
    static const char expected[] =
        "POST\n/v1/tokens\na=1%202&b=2&c=\ncontent-type:application/json\n"
        "host:localhost:8443\nidempotency-key:k-1\nx-ampoule-trace:one two,three\n"
        "x-amz-content-sha256:" BODY_HASH "\nx-amz-date:20260131T120000Z\n\n" SIGNED_HEADERS "\n" BODY_HASH;
    uint8_t bytes[2048], storage[2048], body_hash[AMP_SHA256_LEN];
    struct amp_http1_head head;
    struct amp_sigv4 auth;
    size_t head_len;
    size_t len = write_request(bytes, sizeof(bytes));
    hash_body(body_hash, BODY);
    assert_int_equal(parse_whole(&head, bytes, len, &head_len), AMP_OK);
    assert_int_equal(amp_sigv4_parse(&auth, &head), AMP_OK);
    struct amp_out out = amp_out(storage, sizeof(storage));
    assert_int_equal(amp_sigv4_canonical_request(&out, &auth, &head, body_hash), AMP_OK);
    assert_slice(amp_out_done(&out), expected);
    for (size_t cap = 0; cap < sizeof(expected) - 1; cap++) {
        out = amp_out(storage, cap);
        assert_int_equal(amp_sigv4_canonical_request(&out, &auth, &head, body_hash), AMP_ERR_TOO_LARGE);
    }
}

/* The piece that byte `at` is of. */
static enum coverage coverage_at(size_t at)
{
    size_t i = 0;
    for (; at >= strlen(request[i].text); i++)
        at -= strlen(request[i].text);
    return request[i].coverage;
}

static void every_flipped_bit_of_what_is_signed_is_refused(void **state)
{
    uint8_t bytes[2048];
    size_t len = write_request(bytes, sizeof(bytes));
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t original = bytes[at];
            enum coverage coverage = coverage_at(at);
            bytes[at] ^= (uint8_t)(1U << bit);
            bool same_letter = (bytes[at] | 0x20) == (original | 0x20);
            enum amp_err err = judge(bytes, len, BODY);
            if (err == AMP_OK && (coverage == SIGNED || (coverage == NAME && !same_letter)))
                fail_msg("bit %u of byte %zu ('%c') is not covered", bit, at, original);
            bytes[at] = original;
        }
    }
}

static void every_flipped_bit_of_the_body_is_refused(void **state)
{
    uint8_t bytes[2048];
    size_t len = write_request(bytes, sizeof(bytes));
    for (size_t at = 0; at < sizeof(BODY) - 1; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            char body[sizeof(BODY)] = BODY;
            body[at] ^= (char)(1U << bit);
            assert_err(judge(bytes, len, body), AMP_ERR_BODY_NOT_SIGNED, "body");
        }
    }
    assert_err(judge(bytes, len, ""), AMP_ERR_BODY_NOT_SIGNED, "empty body");
    assert_err(judge(bytes, len, BODY BODY), AMP_ERR_BODY_NOT_SIGNED, "longer body");
}

static void the_body_is_covered_where_its_hash_is_no_field(void **state)
{
#define SQS(body_hash_field)                                                                                           \
    "POST / HTTP/1.1\r\nHost: localhost:8443\r\nX-Amz-Date: 20260131T120000Z\r\n"                                      \
    "X-Amz-Target: AmazonSQS.SendMessage\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" KEY_ID                        \
    "/20260131/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, "                               \
    "Signature=b32905475319f56e956e34e98cbeffb1ffc7369150509892210b9182ccf8ac71\r\n" body_hash_field "\r\n"
    static const char text[] = SQS("");
    struct amp_http1_head head;
    struct amp_sigv4 auth;
    uint8_t body_hash[AMP_SHA256_LEN];
    size_t head_len;
    const struct amp_key256 key = make_day_key("sqs");
    assert_int_equal(parse_whole(&head, text, sizeof(text) - 1, &head_len), AMP_OK);
    assert_int_equal(amp_sigv4_parse(&auth, &head), AMP_OK);
    hash_body(body_hash, BODY);
    assert_int_equal(amp_sigv4_check_coverage(&auth, &head, body_hash), AMP_OK);
    assert_int_equal(amp_sigv4_verify(&auth, &head, body_hash, &key), AMP_OK);
    hash_body(body_hash, "{\"token\":\"abd\"}");
    assert_int_equal(amp_sigv4_check_coverage(&auth, &head, body_hash), AMP_OK);
    assert_int_equal(amp_sigv4_verify(&auth, &head, body_hash, &key), AMP_ERR_SIGNATURE_MISMATCH);
    hash_body(body_hash, BODY);
    const struct amp_key256 other = make_day_key("ampoule");
    assert_int_equal(amp_sigv4_verify(&auth, &head, body_hash, &other), AMP_ERR_SIGNATURE_MISMATCH);
}

/* A head in the form "GET <target> HTTP/1.1, Host" with what a row adds; its slices live until the next. */
static const struct amp_http1_head *make_head(const char *target, const char *fields)
{
    static struct amp_http1_head head;
    static char text[8192];
    size_t head_len;
    int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", target, fields);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    assert_err(parse_whole(&head, text, (size_t)len, &head_len), AMP_OK, text);
    return &head;
}

static enum amp_err parse_row(const char *target, const char *fields, struct amp_sigv4 *auth)
{
    return amp_sigv4_parse(auth, make_head(target, fields));
}

static enum amp_err cover_row(const char *fields)
{
    struct amp_sigv4 auth;
    uint8_t body_hash[AMP_SHA256_LEN], hash[AMP_SHA256_LEN];
    const struct amp_http1_head *head = make_head("/", fields);
    hash_body(body_hash, "");
    assert_err(amp_sigv4_parse(&auth, head), AMP_OK, fields);
    enum amp_err err = amp_sigv4_check_coverage(&auth, head, body_hash);
    if (err == AMP_ERR_MALFORMED_SIGNATURE)
        assert_int_equal(amp_sigv4_canonical_hash(hash, &auth, head, body_hash), err);
    return err;
}

struct row {
    const char *what;
    const char *fields;
    enum amp_err err;
};

#define DATE "X-Amz-Date: 20260131T120000Z\r\n"
#define AUTH_OF(credential, names, signature)                                                                          \
    "Authorization: AWS4-HMAC-SHA256 Credential=" credential ", SignedHeaders=" names ", Signature=" signature "\r\n"
#define AUTH(names) AUTH_OF(KEY_ID "/" SCOPE, names, SIGNATURE)
#define LEAST       AUTH("host;x-amz-date")
#define VALUE(text) DATE "Authorization: " text "\r\n"
#define CREDENTIAL  "Credential=" KEY_ID "/" SCOPE
#define NAMES       "SignedHeaders=host;x-amz-date"
#define SIG         "Signature=" SIGNATURE
#define BAD         AMP_ERR_MALFORMED_SIGNATURE

static const struct row forms[] = {
    {"as it should be", DATE LEAST, AMP_OK},
    {"without spaces", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL "," NAMES "," SIG), AMP_OK},
    {"parts in another order", VALUE("AWS4-HMAC-SHA256 " SIG ", " NAMES ", " CREDENTIAL), AMP_OK},
    {"no Authorization", DATE, AMP_ERR_NOT_SIGNED},
    {"nothing at all", "", AMP_ERR_NOT_SIGNED},
    {"empty Authorization", VALUE(""), BAD},
    {"Authorization twice", DATE LEAST LEAST, BAD},
    {"Authorization twice in other letters", DATE LEAST "AUTHORIZATION: Basic eDp5\r\n", BAD},
    {"scheme alone", VALUE("AWS4-HMAC-SHA256"), BAD},
    {"another scheme", VALUE("Basic eDp5"), BAD},
    {"bearer", VALUE("Bearer abc"), BAD},
    {"SigV4A", VALUE("AWS4-ECDSA-P256-SHA256 " CREDENTIAL ", " NAMES ", " SIG), BAD},
    {"scheme in lower case", VALUE("aws4-hmac-sha256 " CREDENTIAL ", " NAMES ", " SIG), BAD},
    {"no Credential", VALUE("AWS4-HMAC-SHA256 " NAMES ", " SIG), BAD},
    {"no SignedHeaders", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " SIG), BAD},
    {"no Signature", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES), BAD},
    {"Credential twice", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " CREDENTIAL ", " NAMES ", " SIG), BAD},
    {"SignedHeaders twice", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES ", " NAMES ", " SIG), BAD},
    {"Signature twice", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES ", " SIG ", " SIG), BAD},
    {"unknown part", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES ", " SIG ", x=y"), BAD},
    {"names separated by commas", DATE AUTH("host,x-amz-date"), BAD},
    {"part without value", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES ", Signature"), BAD},
    {"comma at the end", VALUE("AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES ", " SIG ","), BAD},
    {"name in lower case", VALUE("AWS4-HMAC-SHA256 credential=" KEY_ID "/" SCOPE ", " NAMES ", " SIG), BAD},

    {"signature in capitals",
     DATE AUTH_OF(KEY_ID "/" SCOPE, "host;x-amz-date",
                  "F754054EAB9715631DA45E2DF69835978F9829D313E0232E4FD60D2BF60A5C90"),
     BAD},
    {"signature with one capital",
     DATE AUTH_OF(KEY_ID "/" SCOPE, "host;x-amz-date",
                  "F754054eab9715631da45e2df69835978f9829d313e0232e4fd60d2bf60a5c90"),
     BAD},
    {"signature too long", DATE AUTH_OF(KEY_ID "/" SCOPE, "host;x-amz-date", SIGNATURE "0"), BAD},
    {"signature of other digits",
     DATE AUTH_OF(KEY_ID "/" SCOPE, "host;x-amz-date",
                  "g754054eab9715631da45e2df69835978f9829d313e0232e4fd60d2bf60a5c90"),
     BAD},

    {"scope of three parts", DATE AUTH_OF(KEY_ID "/20260131/eu-west-1/aws4_request", "host;x-amz-date", SIGNATURE),
     BAD},
    {"scope of five parts",
     DATE AUTH_OF(KEY_ID "/20260131/eu-west-1/ampoule/x/aws4_request", "host;x-amz-date", SIGNATURE), BAD},
    {"scope that ends otherwise", DATE AUTH_OF(KEY_ID "/20260131/eu-west-1/ampoule/aws4", "host;x-amz-date", SIGNATURE),
     BAD},
    {"scope with something behind",
     DATE AUTH_OF(KEY_ID "/20260131/eu-west-1/ampoule/aws4_request/", "host;x-amz-date", SIGNATURE), BAD},
    {"empty region", DATE AUTH_OF(KEY_ID "/20260131//ampoule/aws4_request", "host;x-amz-date", SIGNATURE), BAD},
    {"empty service", DATE AUTH_OF(KEY_ID "/20260131/eu-west-1//aws4_request", "host;x-amz-date", SIGNATURE), BAD},
    {"region in capitals", DATE AUTH_OF(KEY_ID "/20260131/EU/ampoule/aws4_request", "host;x-amz-date", SIGNATURE), BAD},
    {"region of 33 letters",
     DATE AUTH_OF(KEY_ID "/20260131/abcdefghijklmnopqrstuvwxyzabcdefg/ampoule/aws4_request", "host;x-amz-date",
                  SIGNATURE),
     BAD},
    {"no key id", DATE AUTH_OF("/" SCOPE, "host;x-amz-date", SIGNATURE), BAD},
    {"key id with other characters", DATE AUTH_OF("AMPK-1/" SCOPE, "host;x-amz-date", SIGNATURE), BAD},
    {"date of seven digits", DATE AUTH_OF(KEY_ID "/2026013/r/ampoule/aws4_request", "host;x-amz-date", SIGNATURE), BAD},
    {"date of letters", DATE AUTH_OF(KEY_ID "/2026013x/r/ampoule/aws4_request", "host;x-amz-date", SIGNATURE), BAD},
    {"scope of another day", DATE AUTH_OF(KEY_ID "/20260130/r/ampoule/aws4_request", "host;x-amz-date", SIGNATURE),
     AMP_ERR_CLOCK_SKEW},

    {"no x-amz-date", LEAST, BAD},
    {"Date for x-amz-date", "Date: 20260131T120000Z\r\n" AUTH("date;host"), BAD},
    {"x-amz-date twice", DATE DATE LEAST, BAD},
    {"x-amz-date in ISO form", "X-Amz-Date: 2026-01-31T12:00:00Z\r\n" LEAST, BAD},
    {"x-amz-date without zone", "X-Amz-Date: 20260131T120000\r\n" LEAST, BAD},
    {"x-amz-date of no day", "X-Amz-Date: 20260231T120000Z\r\n" LEAST, BAD},
    {"empty x-amz-date", "X-Amz-Date:\r\n" LEAST, BAD},
};

static void the_authorization_has_one_form(void **state)
{
    struct amp_sigv4 auth;
    for (size_t i = 0; i < COUNT(forms); i++)
        assert_err(parse_row("/", forms[i].fields, &auth), forms[i].err, forms[i].what);
}

static const struct row lists[] = {
    {"as it should be", DATE LEAST, AMP_OK},
    {"no signed name", DATE AUTH(""), BAD},
    {"names unsorted", DATE AUTH("x-amz-date;host"), BAD},
    {"name twice", DATE AUTH("host;host;x-amz-date"), BAD},
    {"name in capitals", DATE AUTH("Host;x-amz-date"), BAD},
    {"empty name first", DATE AUTH(";host;x-amz-date"), BAD},
    {"empty name between", DATE AUTH("host;;x-amz-date"), BAD},
    {"empty name last", DATE AUTH("host;x-amz-date;"), BAD},
    {"name with a space", DATE AUTH("host; x-amz-date"), BAD},
};

static void the_list_of_signed_names_has_one_form(void **state)
{
    for (size_t i = 0; i < COUNT(lists); i++)
        assert_err(cover_row(lists[i].fields), lists[i].err, lists[i].what);
}

static void the_parts_of_the_authorization_are_found(void **state)
{
    struct amp_sigv4 auth;
    assert_int_equal(parse_row("/", DATE LEAST, &auth), AMP_OK);
    assert_slice(auth.key_id, KEY_ID);
    assert_slice(auth.date, "20260131");
    assert_slice(auth.region, "eu-west-1");
    assert_slice(auth.service, "ampoule");
    assert_slice(auth.signed_headers, "host;x-amz-date");
    assert_slice(auth.amz_date, "20260131T120000Z");
    assert_int_equal(auth.date_s, 1769860800);
    assert_int_equal(auth.signature[0], 0xf7);
    assert_int_equal(auth.signature[31], 0x90);
}

static void no_prefix_of_a_signature_is_well_formed(void **state)
{
    for (int len = 0; len < 64; len++) {
        struct amp_sigv4 auth;
        char fields[512];
        snprintf(fields, sizeof(fields),
                 DATE "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ", " NAMES ", Signature=%.*s\r\n", len, SIGNATURE);
        assert_int_equal(parse_row("/", fields, &auth), AMP_ERR_MALFORMED_SIGNATURE);
    }
}

static const struct row coverages[] = {
    {"host unsigned", DATE AUTH("x-amz-date"), AMP_ERR_HEADER_NOT_SIGNED},
    {"x-amz-date unsigned", DATE AUTH("host"), AMP_ERR_HEADER_NOT_SIGNED},
    {"x-amz-target unsigned", DATE LEAST "X-Amz-Target: a\r\n", AMP_ERR_HEADER_NOT_SIGNED},
    {"x-amz-security-token unsigned", DATE LEAST "x-amz-security-token: a\r\n", AMP_ERR_HEADER_NOT_SIGNED},
    {"x-amz-content-sha256 unsigned", DATE LEAST "X-Amz-Content-Sha256: " EMPTY_HASH "\r\n", AMP_ERR_HEADER_NOT_SIGNED},
    {"bare x-amz- unsigned", DATE LEAST "X-AMZ-: a\r\n", AMP_ERR_HEADER_NOT_SIGNED},
    {"x-ampoule-* unsigned", DATE LEAST "X-Ampoule-Anything: a\r\n", AMP_ERR_HEADER_NOT_SIGNED},
    {"idempotency-key unsigned", DATE LEAST "Idempotency-Key: a\r\n", AMP_ERR_HEADER_NOT_SIGNED},
    {"signed name that is absent", DATE AUTH("host;x-absent;x-amz-date"), AMP_ERR_MALFORMED_SIGNATURE},
    {"content-type unsigned", DATE LEAST "Content-Type: a\r\n", AMP_OK},
    {"content-length unsigned", DATE LEAST "Content-Length: 0\r\n", AMP_OK},
    {"others unsigned", DATE LEAST "User-Agent: a\r\nX-Amzn-Trace-Id: a\r\nX-Ampoules: b\r\n", AMP_OK},
    {"all signed",
     DATE AUTH("host;idempotency-key;x-ampoule-a;x-amz-date;x-amz-target") "Idempotency-Key: a\r\n"
                                                                           "X-Ampoule-A: b\r\nX-Amz-Target: c\r\n",
     AMP_OK},
    {"hash of the body", DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: " EMPTY_HASH "\r\n",
     AMP_OK},
    {"hash of another body",
     DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: " BODY_HASH "\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
    {"hash in capitals",
     DATE AUTH(
         "host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: "
                                                 "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
    {"empty hash", DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256:\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
    {"hash twice",
     DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: " EMPTY_HASH
                                                       "\r\nX-Amz-Content-Sha256: " EMPTY_HASH "\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
    {"UNSIGNED-PAYLOAD", DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
     DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
     DATE AUTH("host;x-amz-content-sha256;x-amz-date") "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n",
     AMP_ERR_BODY_NOT_SIGNED},
};

static void what_changes_the_meaning_must_be_signed(void **state)
{
    for (size_t i = 0; i < COUNT(coverages); i++)
        assert_err(cover_row(coverages[i].fields), coverages[i].err, coverages[i].what);
}

static void a_signature_in_the_query_is_refused_with_or_without_a_header(void **state)
{
    static const char *const targets[] = {
        "/?X-Amz-Signature=a",    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "/?X-Amz-Credential=a",   "/?x-amz-signature=a",
        "/?a=b&X-Amz-Signature=", "/?X-Amz-Signature",
        "/?X-Amz%2DSignature=a",  "/?%58-%41mz-Signature=a",
    };
    struct amp_sigv4 auth;
    for (size_t i = 0; i < COUNT(targets); i++) {
        assert_err(parse_row(targets[i], DATE LEAST, &auth), AMP_ERR_PRESIGNED_REFUSED, targets[i]);
        assert_err(parse_row(targets[i], "", &auth), AMP_ERR_PRESIGNED_REFUSED, targets[i]);
    }
    assert_err(parse_row("/?X-Amz-Expires=1&a=X-Amz-Signature", DATE LEAST, &auth), AMP_OK, "named elsewhere");
}

/* As many names as fields, then one more than a list may have. */
static void the_number_of_signed_names_is_bounded(void **state)
{
    char fields[8192];
    struct amp_out out = amp_out(fields, sizeof(fields) - 1);
    amp_out_str(&out, DATE "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ", " SIG ", SignedHeaders=");
    for (unsigned i = 0; i < AMP_SIGV4_MAX_SIGNED + 1; i++) {
        if (i != 0)
            amp_out_byte(&out, ';');
        amp_out_byte(&out, (uint8_t)('a' + i / 26));
        amp_out_byte(&out, (uint8_t)('a' + i % 26));
    }
    amp_out_str(&out, "\r\n");
    fields[out.len] = '\0';
    assert_int_equal(cover_row(fields), AMP_ERR_MALFORMED_SIGNATURE);
}

/* The largest head the parser lets pass has a canonical request that fits. */
static void the_largest_request_can_be_hashed(void **state)
{
    static uint8_t bytes[AMP_HTTP1_MAX_HEAD];
    static struct amp_http1_head head;
    struct amp_sigv4 auth;
    uint8_t hash[AMP_SHA256_LEN];
    size_t head_len;
    struct amp_out out = amp_out(bytes, sizeof(bytes));
    amp_out_str(&out, "GET /");
    while (out.len < 4 + AMP_HTTP1_MAX_TARGET)
        amp_out_byte(&out, '$');
    amp_out_str(&out, " HTTP/1.1\r\nHost: h\r\n" DATE AUTH("host;x;x-amz-date") "x: ");
    while (out.len < sizeof(bytes) - 4)
        amp_out_byte(&out, 'y');
    amp_out_str(&out, "\r\n\r\n");
    assert_int_equal(parse_whole(&head, bytes, out.len, &head_len), AMP_OK);
    assert_int_equal(amp_sigv4_parse(&auth, &head), AMP_OK);
    assert_int_equal(amp_sigv4_canonical_hash(hash, &auth, &head, hash), AMP_OK);
}

static int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_day_key_is_derived_as_aws_says),
        cmocka_unit_test(a_secret_too_long_gives_no_key),
        cmocka_unit_test(a_well_signed_request_verifies),
        cmocka_unit_test(the_canonical_request_is_spelled_as_aws_says),
        cmocka_unit_test(every_flipped_bit_of_what_is_signed_is_refused),
        cmocka_unit_test(every_flipped_bit_of_the_body_is_refused),
        cmocka_unit_test(the_body_is_covered_where_its_hash_is_no_field),
        cmocka_unit_test(the_authorization_has_one_form),
        cmocka_unit_test(the_list_of_signed_names_has_one_form),
        cmocka_unit_test(the_parts_of_the_authorization_are_found),
        cmocka_unit_test(no_prefix_of_a_signature_is_well_formed),
        cmocka_unit_test(what_changes_the_meaning_must_be_signed),
        cmocka_unit_test(a_signature_in_the_query_is_refused_with_or_without_a_header),
        cmocka_unit_test(the_number_of_signed_names_is_bounded),
        cmocka_unit_test(the_largest_request_can_be_hashed),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
