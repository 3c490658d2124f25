/*
 * SHA-256 and HMAC (RFC 2104).
 *
 * OpenSSL 3.0 makes and frees a context of its own each time a digest begins, 58 of the 106 ns that an empty one takes,
 * and tells nobody a chaining value. So where the algorithm that was fetched is its default provider's, the functions
 * that one is made of are called directly, over a state on the stack. Any other, such as a FIPS provider's, is
 * used through EVP: slower, and with the same results.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_*: deprecated since 3.0 for what EVP does, and no less there */
#include <openssl/sha.h>

#include <endian.h>

#include "crypto/context.h"

enum { BLOCK_LEN = SHA256_CBLOCK, INNER_PAD = 0x36, OUTER_PAD = 0x5c };

_Static_assert(sizeof(((SHA256_CTX *)NULL)->h) == sizeof(struct amp_sha256_words), "a chaining value fits");

/* With the default provider's own functions, which do not fail. Wipes the state. */
static void own_rest(uint8_t out[AMP_SHA256_LEN], SHA256_CTX *state, const struct amp_slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        SHA256_Update(state, parts[i].ptr, parts[i].len);
    SHA256_Final(out, state);
    amp_wipe(state, sizeof(*state));
}

static void own_hash(uint8_t out[AMP_SHA256_LEN], const struct amp_slice *parts, size_t count)
{
    SHA256_CTX state;
    SHA256_Init(&state);
    own_rest(out, &state, parts, count);
}

/* `behind`: what a first block has come to. */
static void own_hash_behind(uint8_t out[AMP_SHA256_LEN], const struct amp_sha256_words *behind,
                            const struct amp_slice *parts, size_t count)
{
    SHA256_CTX state;
    SHA256_Init(&state);
    memcpy(state.h, behind->words, sizeof(state.h));
    state.Nl = BLOCK_LEN * 8;
    own_rest(out, &state, parts, count);
}

/*
 * The hash of a block and a digest behind it: how each HMAC ends. The second block is always filled up alike (FIPS
 * 180-4 section 5.1.1), so it is put together here: what own_hash adds to a compression, 25 ns, becomes 16.
 */
static void own_hash_of_digest(uint8_t out[AMP_SHA256_LEN], const struct amp_sha256_words *behind,
                               const uint8_t digest[AMP_SHA256_LEN])
{
    static const uint8_t fill[BLOCK_LEN - AMP_SHA256_LEN] = {
        [0] = 0x80, [30] = (BLOCK_LEN + AMP_SHA256_LEN) * 8 / 256, [31] = (BLOCK_LEN + AMP_SHA256_LEN) * 8 % 256};
    struct {
        SHA256_CTX state;
        uint8_t block[BLOCK_LEN];
    } on = {.state = {.num = 0}};
    memcpy(on.state.h, behind->words, sizeof(on.state.h));
    memcpy(on.block, digest, AMP_SHA256_LEN);
    memcpy(on.block + AMP_SHA256_LEN, fill, sizeof(fill));
    SHA256_Transform(&on.state, on.block);
    for (size_t i = 0; i < AMP_SHA256_LEN / sizeof(uint32_t); i++) {
        const uint32_t word = htobe32(on.state.h[i]);
        memcpy(out + i * sizeof(word), &word, sizeof(word));
    }
    amp_wipe(&on, sizeof(on));
}

/* The same through EVP. */
static bool feed(EVP_MD_CTX *ctx, const struct amp_slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len != 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1)
            return false;
    }
    return true;
}

/* The second call overwrites the chaining value, and makes the context ready for the next digest. */
static bool finish(EVP_MD_CTX *ctx, uint8_t out[AMP_SHA256_LEN])
{
    return EVP_DigestFinal_ex(ctx, out, NULL) == 1 && EVP_DigestInit_ex2(ctx, NULL, NULL) == 1;
}

static enum amp_err library_hash(uint8_t out[AMP_SHA256_LEN], const struct amp_slice *parts, size_t count)
{
    EVP_MD_CTX *ctx = amp_context_digest();
    if (ctx != NULL && feed(ctx, parts, count) && finish(ctx, out))
        return AMP_OK;
    amp_context_drop_digest();
    amp_wipe(out, AMP_SHA256_LEN);
    return AMP_ERR_CRYPTO;
}

enum amp_err amp_sha256(uint8_t out[AMP_SHA256_LEN], const struct amp_slice *parts, size_t count)
{
    if (!amp_algorithms.sha256_is_default)
        return library_hash(out, parts, count);
    own_hash(out, parts, count);
    return AMP_OK;
}

/* RFC 2104 section 2: a key longer than a block is hashed first, a shorter one filled with zeros. */
static enum amp_err key_block(uint8_t block[BLOCK_LEN], struct amp_slice key)
{
    memset(block, 0, BLOCK_LEN);
    if (key.len > BLOCK_LEN)
        return amp_sha256(block, &key, 1);
    if (key.len != 0)
        memcpy(block, key.ptr, key.len);
    return AMP_OK;
}

static void mask(uint8_t block[BLOCK_LEN], uint8_t pad)
{
    for (size_t i = 0; i < BLOCK_LEN; i++)
        block[i] ^= pad;
}

static void own_block(struct amp_sha256_words *words, const uint8_t block[BLOCK_LEN])
{
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Transform(&state, block);
    memcpy(words->words, state.h, sizeof(words->words));
    amp_wipe(&state, sizeof(state));
}

static void own_key(struct amp_hmac_key *out, uint8_t block[BLOCK_LEN])
{
    mask(block, INNER_PAD);
    own_block(&out->inner, block);
    mask(block, INNER_PAD ^ OUTER_PAD);
    own_block(&out->outer, block);
}

static void own_hmac(uint8_t out[AMP_SHA256_LEN], const struct amp_hmac_key *key, const struct amp_slice *parts,
                     size_t count)
{
    uint8_t inner[AMP_SHA256_LEN];
    if (count == 1 && parts->len == AMP_SHA256_LEN)
        own_hash_of_digest(inner, &key->inner, parts->ptr);
    else
        own_hash_behind(inner, &key->inner, parts, count);
    own_hash_of_digest(out, &key->outer, inner);
    amp_wipe(inner, sizeof(inner));
}

static enum amp_err library_hmac(uint8_t out[AMP_SHA256_LEN], uint8_t block[BLOCK_LEN], const struct amp_slice *parts,
                                 size_t count)
{
    uint8_t inner[AMP_SHA256_LEN];
    enum amp_err err = AMP_ERR_CRYPTO;
    EVP_MD_CTX *ctx = amp_context_digest();
    if (ctx == NULL)
        goto out;
    mask(block, INNER_PAD);
    if (EVP_DigestUpdate(ctx, block, BLOCK_LEN) != 1 || !feed(ctx, parts, count) || !finish(ctx, inner))
        goto out;
    mask(block, INNER_PAD ^ OUTER_PAD);
    if (EVP_DigestUpdate(ctx, block, BLOCK_LEN) != 1 || EVP_DigestUpdate(ctx, inner, sizeof(inner)) != 1 ||
        !finish(ctx, out))
        goto out;
    err = AMP_OK;
out:
    if (err != AMP_OK)
        amp_context_drop_digest();
    amp_wipe(inner, sizeof(inner));
    return err;
}

enum amp_err amp_hmac_sha256(uint8_t out[AMP_SHA256_LEN], struct amp_slice key, const struct amp_slice *parts,
                             size_t count)
{
    uint8_t block[BLOCK_LEN];
    struct amp_hmac_key ready;
    enum amp_err err = key_block(block, key);
    if (err == AMP_OK && amp_algorithms.sha256_is_default) {
        own_key(&ready, block);
        own_hmac(out, &ready, parts, count);
        amp_wipe(&ready, sizeof(ready));
    } else if (err == AMP_OK) {
        err = library_hmac(out, block, parts, count);
    }
    if (err != AMP_OK)
        amp_wipe(out, AMP_SHA256_LEN);
    amp_wipe(block, sizeof(block));
    return err;
}

void amp_hmac_key_make(struct amp_hmac_key *out, const struct amp_key256 *key)
{
    uint8_t block[BLOCK_LEN] = {0};
    out->key = *key;
    if (!amp_algorithms.sha256_is_default)
        return;
    memcpy(block, key->bytes, sizeof(key->bytes));
    own_key(out, block);
    amp_wipe(block, sizeof(block));
}

enum amp_err amp_hmac_sha256_under(uint8_t out[AMP_SHA256_LEN], const struct amp_hmac_key *key,
                                   const struct amp_slice *parts, size_t count)
{
    if (!amp_algorithms.sha256_is_default)
        return amp_hmac_sha256(out, amp_slice(key->key.bytes, sizeof(key->key.bytes)), parts, count);
    own_hmac(out, key, parts, count);
    return AMP_OK;
}
