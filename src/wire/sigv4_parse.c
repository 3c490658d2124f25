/* The Authorization header: form alone, every part exactly once. */
#include "base/text.h"
#include "wire/chars.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

#define SCHEME         "AWS4-HMAC-SHA256 "
#define MAX_KEY_ID     128
#define MAX_SCOPE_NAME 32
#define DATE_LEN       8

/* Decoded first, and in any case of letters: no spelling of a presigned request slips by. */
static bool names_presigned_part(struct amp_slice name)
{
    uint8_t storage[32];
    struct amp_out decoded = amp_out(storage, sizeof(storage));
    if (amp_uri_decode(&decoded, name) != AMP_OK || decoded.overflow)
        return false;
    struct amp_slice plain = amp_out_done(&decoded);
    return amp_slice_equal_nocase(plain, AMP_SLICE_LIT("x-amz-signature")) ||
           amp_slice_equal_nocase(plain, AMP_SLICE_LIT("x-amz-algorithm")) ||
           amp_slice_equal_nocase(plain, AMP_SLICE_LIT("x-amz-credential"));
}

static bool presigned(struct amp_slice query)
{
    struct amp_slice name, value;
    while (amp_uri_next_param(&query, &name, &value)) {
        if (names_presigned_part(name))
            return true;
    }
    return false;
}

/* The characters of an access key id, as IAM has them: letters, digits and "_". */
static bool well_formed_key_id(struct amp_slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.ptr[i];
        bool letter = (uint8_t)(amp_char_lower(c) - 'a') < 26;
        if (!letter && c != '_' && !amp_char_is(c, AMP_CHAR_DIGIT))
            return false;
    }
    return id.len >= 1 && id.len <= MAX_KEY_ID;
}

static bool well_formed_scope_name(struct amp_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if ((uint8_t)(c - 'a') >= 26 && c != '-' && !amp_char_is(c, AMP_CHAR_DIGIT))
            return false;
    }
    return name.len >= 1 && name.len <= MAX_SCOPE_NAME;
}

/* <key id>/<YYYYMMDD>/<region>/<service>/aws4_request */
static bool parse_credential(struct amp_sigv4 *auth, struct amp_slice credential)
{
    return amp_slice_cut(&credential, '/', &auth->key_id) && well_formed_key_id(auth->key_id) &&
           amp_slice_cut(&credential, '/', &auth->date) && auth->date.len == DATE_LEN &&
           amp_chars_all(auth->date, AMP_CHAR_DIGIT) && amp_slice_cut(&credential, '/', &auth->region) &&
           well_formed_scope_name(auth->region) && amp_slice_cut(&credential, '/', &auth->service) &&
           well_formed_scope_name(auth->service) && amp_slice_is(credential, "aws4_request");
}

/* A list of names, which is judged where they are sought in the head. */
static bool parse_signed_headers(struct amp_sigv4 *auth, struct amp_slice value)
{
    auth->signed_headers = value;
    return true;
}

static bool parse_signature(struct amp_sigv4 *auth, struct amp_slice value)
{
    return amp_hex_decode(auth->signature, sizeof(auth->signature), value) == AMP_OK;
}

struct part {
    const char *name;
    bool (*parse)(struct amp_sigv4 *auth, struct amp_slice value);
};

static const struct part parts[] = {
    {"Credential", parse_credential},
    {"SignedHeaders", parse_signed_headers},
    {"Signature", parse_signature},
};
#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

/* Index of the part that `name` names, or PART_COUNT. */
static size_t part_index(struct amp_slice name)
{
    size_t i = 0;
    while (i < PART_COUNT && !amp_slice_is(name, parts[i].name))
        i++;
    return i;
}

/* The scheme, then the three parts in any order, separated by commas. */
static bool parse_authorization(struct amp_sigv4 *auth, struct amp_slice value)
{
    const struct amp_slice scheme = AMP_SLICE_LIT(SCHEME);
    if (value.len < scheme.len || memcmp(value.ptr, scheme.ptr, scheme.len) != 0)
        return false;
    struct amp_slice rest = amp_slice(value.ptr + scheme.len, value.len - scheme.len);
    unsigned seen = 0;
    bool more = true;
    while (more) {
        struct amp_slice part, name;
        more = amp_slice_cut(&rest, ',', &part);
        part = amp_slice_trim(more ? part : rest);
        if (!amp_slice_cut(&part, '=', &name))
            return false;
        size_t i = part_index(name);
        if (i == PART_COUNT || (seen & 1U << i) != 0 || !parts[i].parse(auth, part))
            return false;
        seen |= 1U << i;
    }
    return seen == (1U << PART_COUNT) - 1;
}

enum amp_err amp_sigv4_parse(struct amp_sigv4 *auth, const struct amp_http1_head *head)
{
    struct amp_slice authorization;
    *auth = (struct amp_sigv4){0};
    if (presigned(head->query))
        return AMP_ERR_PRESIGNED_REFUSED;
    if (amp_http1_single(head, "authorization", &authorization) != AMP_OK)
        return AMP_ERR_MALFORMED_SIGNATURE;
    if (authorization.ptr == NULL)
        return AMP_ERR_NOT_SIGNED;
    if (!parse_authorization(auth, authorization))
        return AMP_ERR_MALFORMED_SIGNATURE;
    if (amp_http1_single(head, "x-amz-date", &auth->amz_date) != AMP_OK ||
        amp_date_parse_basic(&auth->date_s, auth->amz_date) != AMP_OK)
        return AMP_ERR_MALFORMED_SIGNATURE;
    struct amp_slice day = amp_slice(auth->amz_date.ptr, DATE_LEN);
    return amp_slice_equal(day, auth->date) ? AMP_OK : AMP_ERR_CLOCK_SKEW;
}
