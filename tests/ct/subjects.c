/* The ways that secrets take: the compare, the verifier, derived keys, tokens, seals, claims, webhooks. */
#include "ct.h"

#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "base/text.h"
#include "seal/seal.h"
#include "store/vault.h"
#include "wire/webhook.h"

#define KEY_ID "AMPKAAAAAAAAAAAAAAAA"
#define NOW_S  1769904000 /* 2026-02-01T00:00:00Z */
#define BODY   "{\"token\":\"x\"}"

static struct amp_clock_fake hands = {.unix_ms = NOW_S * INT64_C(1000), .mono_ms = 5000};
static const struct amp_slice pre_shared = AMP_SLICE_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

static void compare_of(size_t len)
{
    uint8_t a[64] = {1, 2, 3}, b[64] = {1, 2, 3};
    ct_secret(a, len);
    ct_need(amp_secret_equal(a, b, len), "equal bytes are not");
    b[len - 1] ^= 1;
    ct_secret(b, len);
    ct_need(!amp_secret_equal(a, b, len), "other bytes are equal");
}

static void compare(void)
{
    for (size_t len = 1; len <= 64; len++)
        compare_of(len);
}

static enum amp_err derive_day_key(struct amp_key256 *key, const char *service)
{
    uint8_t secret[40];
    memcpy(secret, pre_shared.ptr, sizeof(secret));
    ct_secret(secret, sizeof(secret));
    return amp_sigv4_day_key(key, amp_slice(secret, sizeof(secret)), AMP_SLICE_LIT("20260201"), AMP_SLICE_LIT("eu-1"),
                             amp_slice_str(service));
}

static void day_key(void)
{
    struct amp_key256 key;
    ct_need(derive_day_key(&key, "ampoule") == AMP_OK, "no day key");
}

/* A request with this signature, as text, and its head. */
static void write_request(char text[1024], struct amp_http1_head *head, const char signature[65])
{
    size_t head_len = 0, scanned = 0;
    (void)snprintf(
        text, 1024,
        "POST /v1/redeem HTTP/1.1\r\nHost: localhost\r\nX-Amz-Date: 20260201T000000Z\r\nContent-Length: 13\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=" KEY_ID "/20260201/eu-1/ampoule/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=%s\r\n\r\n",
        signature);
    ct_need(amp_http1_parse_head(head, (const uint8_t *)text, strlen(text), &head_len, &scanned) == AMP_OK, "no head");
}

/* The signature that is right under the secret day key: the client sent it, so it is no secret. */
static void sign(char signature[65], const struct amp_http1_head *head, const struct amp_key256 *key)
{
    uint8_t body_hash[AMP_SHA256_LEN], canonical[AMP_SHA256_LEN], mac[AMP_SHA256_LEN];
    const struct amp_slice body = AMP_SLICE_LIT(BODY);
    struct amp_sigv4 sig;
    ct_need(amp_sigv4_parse(&sig, head) == AMP_OK && amp_sha256(body_hash, &body, 1) == AMP_OK &&
                amp_sigv4_canonical_hash(canonical, &sig, head, body_hash) == AMP_OK &&
                amp_sigv4_sign(mac, key, &sig, canonical) == AMP_OK,
            "no signature");
    ct_public(mac, sizeof(mac));
    amp_hex_encode(signature, mac, sizeof(mac));
}

static enum amp_err on_ask(void *ctx, uint64_t ask, const struct amp_sigv4 *scope)
{
    *(uint64_t *)ctx = ask;
    return AMP_OK;
}

static enum amp_err check(struct amp_auth *auth, const struct amp_http1_head *head)
{
    struct amp_auth_result result;
    const struct amp_auth_request request = {
        .head = head, .body = AMP_SLICE_LIT(BODY), .service = "ampoule", .connection_id = 1};
    return amp_auth_check(auth, &request, &result);
}

/* The whole of it: a signature that is right, then one that is wrong in its last bit. */
static void verifier(void)
{
    char text[1024], signature[65] = {0};
    struct amp_http1_head head;
    struct amp_key256 key;
    struct amp_replay *replay = NULL;
    struct amp_rate *rate = NULL;
    struct amp_auth *auth = NULL;
    uint64_t asked = 0;
    const struct amp_principal who = {.name_len = 4, .name = "shop", .key_id = KEY_ID};
    ct_need(derive_day_key(&key, "ampoule") == AMP_OK && amp_replay_new(&replay, 300, 1000) == AMP_OK &&
                amp_rate_new(&rate, amp_clock_fake(&hands), 10) == AMP_OK,
            "no memory");
    const struct amp_auth_config config = {
        .clock = amp_clock_fake(&hands), .skew_s = 300, .replay = replay, .rate = rate, .ctx = &asked, .ask = on_ask};
    ct_need(amp_auth_new(&auth, &config) == AMP_OK, "no verifier");
    memset(signature, '0', 64);
    write_request(text, &head, signature);
    sign(signature, &head, &key);
    write_request(text, &head, signature);
    ct_need(check(auth, &head) == AMP_ERR_AGAIN && amp_auth_answer(auth, asked, AMP_OK, &key, &who), "no question");
    ct_need(check(auth, &head) == AMP_OK, "a right signature is refused");
    signature[63] = signature[63] == '0' ? '1' : '0';
    write_request(text, &head, signature);
    ct_need(check(auth, &head) == AMP_ERR_SIGNATURE_MISMATCH, "a wrong signature is taken");
    amp_auth_free(auth);
    amp_rate_free(rate);
    amp_replay_free(replay);
}

static void secret_key(struct amp_key256 *key)
{
    memset(key, 0x5a, sizeof(*key));
    ct_secret(key, sizeof(*key));
}

static void mac_and_derivation(void)
{
    struct amp_key256 key;
    uint8_t out[80];
    const struct amp_slice text = AMP_SLICE_LIT("what is authenticated");
    secret_key(&key);
    ct_need(amp_hmac_sha256(out, amp_slice(key.bytes, sizeof(key.bytes)), &text, 1) == AMP_OK, "no MAC");
    ct_need(amp_hkdf_sha256(out, sizeof(out), amp_slice(key.bytes, sizeof(key.bytes)), AMP_SLICE_LIT("salt"), text) ==
                AMP_OK,
            "no derived key");
}

/* From a token's text to its name in the vault, which stands in the event log too. */
static void token_lookup(void)
{
    char text[AMP_TOKEN_TEXT_LEN];
    uint8_t token[AMP_TOKEN_LEN], index[AMP_VAULT_INDEX_LEN];
    struct amp_token_keys *keys = NULL;
    ct_need(amp_token_keys_new(&keys) == AMP_OK && amp_token_new(token) == AMP_OK, "no token");
    ct_secret(token, sizeof(token));
    amp_token_format(text, "tok_", token);
    ct_public(text, 4);
    ct_need(amp_token_parse(token, "tok_", amp_slice(text, sizeof(text))) == AMP_OK, "a token is none");
    ct_need(amp_token_hash(keys, token, index) == AMP_OK, "a token has no name");
    amp_token_keys_free(keys);
}

/* What handles of the SQS API are checked by. */
static void keyed_tag(void)
{
    uint8_t made[AMP_TOKEN_TAG_LEN], brought[AMP_TOKEN_TAG_LEN] = {0};
    struct amp_token_keys *keys = NULL;
    ct_need(amp_token_keys_new(&keys) == AMP_OK, "no keys");
    ct_secret(keys, 2 * sizeof(struct amp_key256));
    ct_need(amp_token_keys_tag(keys, "handle", AMP_SLICE_LIT("queue"), AMP_SLICE_LIT("id"), made) == AMP_OK, "no tag");
    ct_need(!amp_secret_equal(made, brought, sizeof(made)), "a tag of zeros is right");
    amp_token_keys_free(keys);
}

static enum amp_err open_again(struct amp_epochs *epochs, struct amp_slice token, const struct amp_secret_buf *sealed)
{
    struct amp_secret_buf plain = {NULL, 0, 0};
    enum amp_err err =
        amp_unseal(epochs, "token", token, AMP_SLICE_LIT("queue"), amp_slice(sealed->ptr, sealed->len), &plain);
    amp_secret_buf_free(&plain);
    return err;
}

/* Seal and open under an epoch key and a token, both secret; then with one bit of the sealed form changed. */
static void seal(void)
{
    const struct amp_epochs_config config = {
        .clock = amp_clock_fake(&hands), .max_age_ms = 600000, .max_uses = 1000, .max_bytes = 1 << 20};
    struct amp_epochs *epochs = NULL;
    struct amp_secret_buf sealed = {NULL, 0, 0};
    struct amp_key256 dek;
    uint8_t token[AMP_TOKEN_LEN] = {7}, plain[48] = "4111111111111111";
    uint32_t epoch = 0;
    secret_key(&dek);
    ct_secret(token, sizeof(token));
    ct_secret(plain, sizeof(plain));
    ct_need(amp_epochs_new(&epochs, &config) == AMP_OK && amp_epochs_add(epochs, 1, &dek) == AMP_OK, "no epoch");
    ct_need(amp_seal(epochs, "token", amp_slice(token, sizeof(token)), AMP_SLICE_LIT("queue"),
                     amp_slice(plain, sizeof(plain)), &sealed, &epoch) == AMP_OK,
            "nothing sealed");
    ct_public(sealed.ptr, sealed.len);
    ct_need(open_again(epochs, amp_slice(token, sizeof(token)), &sealed) == AMP_OK, "what was sealed does not open");
    sealed.ptr[sealed.len - 1] ^= 1;
    ct_need(open_again(epochs, amp_slice(token, sizeof(token)), &sealed) == AMP_ERR_NOT_AUTHENTIC, "a wrong tag opens");
    amp_secret_buf_free(&sealed);
    amp_epochs_release(epochs, epoch);
    amp_epochs_free(epochs);
}

/* A claim is its token's name, and a nonce that only who holds the lease knows. */
static void claim(void)
{
    struct amp_budget budget;
    struct amp_vault *vault = NULL;
    struct amp_vault_view view = {.queue_len = 0};
    uint8_t held[AMP_VAULT_CLAIM_LEN], guessed[AMP_VAULT_CLAIM_LEN], who[AMP_PRINCIPAL_ID_LEN + 1] = KEY_ID;
    const struct amp_vault_item item = {
        .index = {1}, .queue = AMP_SLICE_LIT("queue"), .sealed = AMP_SLICE_LIT("sealed"), .epoch = 1, .ttl_ms = 60000};
    amp_budget_init(&budget, 4 << 20);
    const struct amp_vault_config config = {
        .clock = amp_clock_fake(&hands), .budget = &budget, .max_tombstones = 64, .tombstone_ms = 600000};
    ct_need(amp_vault_new(&vault, &config) == AMP_OK && amp_vault_put(vault, &item) == AMP_OK &&
                amp_vault_claim(vault, item.index, NULL, who, 0, 1000, held, &view) == AMP_OK,
            "no claim");
    memcpy(guessed, held, sizeof(held));
    guessed[sizeof(guessed) - 1] ^= 1;
    ct_secret(held + AMP_VAULT_INDEX_LEN, sizeof(held) - AMP_VAULT_INDEX_LEN);
    ct_secret(guessed + AMP_VAULT_INDEX_LEN, sizeof(guessed) - AMP_VAULT_INDEX_LEN);
    ct_need(amp_vault_commit(vault, guessed, who, NULL, NULL) == AMP_ERR_CLAIM_UNKNOWN, "a guess commits");
    ct_need(amp_vault_commit(vault, held, who, NULL, NULL) == AMP_OK, "a claim does not commit");
    amp_secret_buf_free(&view.sealed);
    amp_vault_free(vault);
}

static void webhook(void)
{
    uint8_t storage[256], text[AMP_WEBHOOK_SECRET_TEXT_LEN + 1] = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    struct amp_webhook_secret secret;
    struct amp_out out = amp_out(storage, sizeof(storage));
    const struct amp_slice body = AMP_SLICE_LIT("{}");
    ct_secret(text + 6, 42); /* whether padding follows tells the length alone */
    ct_need(amp_webhook_secret_parse(&secret, amp_slice(text, AMP_WEBHOOK_SECRET_TEXT_LEN)) == AMP_OK, "no secret");
    ct_need(amp_webhook_sign(&out, &secret, 1, AMP_SLICE_LIT("msg_1"), NOW_S, body) == AMP_OK, "nothing signed");
    ct_public(storage, out.len);
    struct amp_webhook_fields fields = {AMP_SLICE_LIT("msg_1"), AMP_SLICE_LIT("1769904000"), amp_out_done(&out)};
    ct_need(amp_webhook_verify(&fields, &secret, NOW_S, body) == AMP_OK, "a right signature is refused");
    storage[10] = storage[10] == 'A' ? 'B' : 'A';
    ct_need(amp_webhook_verify(&fields, &secret, NOW_S, body) == AMP_ERR_WEBHOOK_MISMATCH, "a wrong one is taken");
}

const struct ct_subject ct_subjects[] = {
    {"compare", compare},
    {"day_key", day_key},
    {"verifier", verifier},
    {"mac_and_derivation", mac_and_derivation},
    {"token_lookup", token_lookup},
    {"keyed_tag", keyed_tag},
    {"seal", seal},
    {"claim", claim},
    {"webhook", webhook},
    {NULL, NULL},
};
