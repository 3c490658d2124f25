/*
 * The canonical request, assembled in one buffer and hashed at once. Its size is bounded by the head's: every
 * signed name and value stands in the head, and only the target grows, to three times its length.
 */
#include "wire/chars.h"
#include "wire/sigv4_names.h"
#include "wire/uri.h"

#define MAX_CANONICAL (AMP_HTTP1_MAX_HEAD + 2 * AMP_HTTP1_MAX_TARGET + 512)

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Bytes in front of the first white space. */
static size_t word_len(struct amp_slice value)
{
    size_t at = 0, words = AMP_BLOCK_LEN;
    while (words == AMP_BLOCK_LEN && value.len - at >= AMP_BLOCK_LEN) {
        const __m128i block = amp_block_at(value.ptr + at);
        words = amp_block_unmarked(amp_block_marks(amp_block_has(block, ' ') | amp_block_has(block, '\t')));
        at += words;
    }
    while (at < value.len && !is_space(value.ptr[at]))
        at++;
    return at;
}

/* White space around the value removed, each run inside folded to one space. */
static void write_folded(struct amp_out *out, struct amp_slice value)
{
    value = amp_slice_trim(value);
    while (value.len != 0) {
        size_t run = word_len(value);
        amp_out_bytes(out, value.ptr, run);
        if (run == value.len)
            return;
        amp_out_byte(out, ' ');
        value = amp_slice_trim(amp_slice(value.ptr + run, value.len - run));
    }
}

/* name ":" values of the fields it covers, in their order, joined by "," */
static void write_header(struct amp_out *out, const struct amp_sigv4_names *names, size_t name,
                         const struct amp_http1_head *head)
{
    char separator = ':';
    amp_out_slice(out, names->names[name]);
    for (size_t i = 0; i < head->field_count; i++) {
        if (names->name_of[i] != name)
            continue;
        amp_out_byte(out, (uint8_t)separator);
        write_folded(out, head->fields[i].value);
        separator = ',';
    }
    amp_out_byte(out, '\n');
}

static enum amp_err write_canonical(struct amp_out *out, const struct amp_sigv4 *auth,
                                    const struct amp_sigv4_names *names, const struct amp_http1_head *head,
                                    const uint8_t body_sha256[AMP_SHA256_LEN])
{
    enum amp_err err;
    amp_out_slice(out, head->method_text);
    amp_out_byte(out, '\n');
    amp_uri_write_path(out, head->path);
    amp_out_byte(out, '\n');
    if (head->query.len != 0 && (err = amp_uri_write_query(out, head->query)) != AMP_OK)
        return err;
    amp_out_byte(out, '\n');
    for (size_t i = 0; i < names->count; i++)
        write_header(out, names, i, head);
    amp_out_byte(out, '\n');
    amp_out_slice(out, auth->signed_headers);
    amp_out_byte(out, '\n');
    amp_out_hex(out, body_sha256, AMP_SHA256_LEN);
    return out->overflow ? AMP_ERR_TOO_LARGE : AMP_OK;
}

enum amp_err amp_sigv4_canonical_request(struct amp_out *out, const struct amp_sigv4 *auth,
                                         const struct amp_http1_head *head, const uint8_t body_sha256[AMP_SHA256_LEN])
{
    struct amp_sigv4_names names;
    enum amp_err err = amp_sigv4_names_of(&names, auth, head);
    return err != AMP_OK ? err : write_canonical(out, auth, &names, head, body_sha256);
}

enum amp_err amp_sigv4_canonical_hash_of(uint8_t out[AMP_SHA256_LEN], const struct amp_sigv4 *auth,
                                         const struct amp_sigv4_names *names, const struct amp_http1_head *head,
                                         const uint8_t body_sha256[AMP_SHA256_LEN])
{
    /* Written before it is read: zeroing 20 KiB first (-ftrivial-auto-var-init) would cost more than the work. */
    __attribute__((uninitialized)) uint8_t storage[MAX_CANONICAL];
    struct amp_out canonical = amp_out(storage, sizeof(storage));
    enum amp_err err = write_canonical(&canonical, auth, names, head, body_sha256);
    struct amp_slice whole = amp_out_done(&canonical);
    if (err == AMP_OK)
        err = amp_sha256(out, &whole, 1);
    amp_wipe(storage, whole.len); /* a careless client may have put anything into its URL */
    return err;
}

enum amp_err amp_sigv4_canonical_hash(uint8_t out[AMP_SHA256_LEN], const struct amp_sigv4 *auth,
                                      const struct amp_http1_head *head, const uint8_t body_sha256[AMP_SHA256_LEN])
{
    struct amp_sigv4_names names;
    enum amp_err err = amp_sigv4_names_of(&names, auth, head);
    return err != AMP_OK ? err : amp_sigv4_canonical_hash_of(out, auth, &names, head, body_sha256);
}
