/* AWS Signature Version 4, written apart from the product's. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attack.h"

#define REGION  "us-east-1"
#define SERVICE "ampoule"
#define SIGNED  "host;x-ampoule-nonce;x-amz-date"

static void to_hex(const uint8_t *bytes, size_t len, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * len] = '\0';
}

void hash_hex(const void *bytes, size_t len, char hex[65])
{
    uint8_t digest[32];
    if (EVP_Q_digest(NULL, "SHA256", NULL, bytes, len, digest, NULL) != 1)
        die("SHA256");
    to_hex(digest, sizeof digest, hex);
}

static void mac(const void *key, size_t key_len, const char *text, uint8_t out[32])
{
    unsigned len = 32;
    if (HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, &len) == NULL)
        die("HMAC");
}

/* Of this day; made anew when it turns. */
static const uint8_t *day_key(const char *secret, const char day[9])
{
    static char made_for[9];
    static uint8_t key[32];
    char first[4 + SECRET_MAX];
    if (strcmp(day, made_for) == 0)
        return key;
    (void)snprintf(first, sizeof first, "AWS4%s", secret);
    mac(first, strlen(first), day, key);
    mac(key, sizeof key, REGION, key);
    mac(key, sizeof key, SERVICE, key);
    mac(key, sizeof key, "aws4_request", key);
    (void)snprintf(made_for, sizeof made_for, "%s", day);
    return key;
}

/* A random start, then counting: no two requests of this process are alike, and none of another's. */
static void next_nonce(char hex[33])
{
    static struct {
        uint64_t random, count;
    } nonce;
    if (nonce.count == 0 && RAND_bytes((uint8_t *)&nonce.random, sizeof nonce.random) != 1)
        die("RAND_bytes");
    nonce.count++;
    to_hex((const uint8_t *)&nonce, sizeof nonce, hex);
}

size_t sign_fields(const struct attacker *attacker, const char *method, const char *path, const char *body_hash,
                   char *out, size_t cap)
{
    char date[17], day[9], nonce[33], canonical[512], hash[65], to_sign[256], hex[65];
    uint8_t signature[32];
    struct tm utc;
    const time_t now = time(NULL);
    (void)gmtime_r(&now, &utc);
    (void)strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &utc);
    (void)snprintf(day, sizeof day, "%.8s", date);
    next_nonce(nonce);
    const int len =
        snprintf(canonical, sizeof canonical, "%s\n%s\n\nhost:%s\nx-ampoule-nonce:%s\nx-amz-date:%s\n\n" SIGNED "\n%s",
                 method, path, attacker->host, nonce, date, body_hash);
    hash_hex(canonical, (size_t)len, hash);
    (void)snprintf(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256\n%s\n%s/" REGION "/" SERVICE "/aws4_request\n%s", date,
                   day, hash);
    mac(day_key(attacker->secret, day), 32, to_sign, signature);
    to_hex(signature, sizeof signature, hex);
    return (size_t)snprintf(
        out, cap,
        "x-amz-date: %s\r\nx-ampoule-nonce: %s\r\nauthorization: AWS4-HMAC-SHA256 Credential=%s/%s/" REGION "/" SERVICE
        "/aws4_request, SignedHeaders=" SIGNED ", Signature=%s\r\n",
        date, nonce, attacker->key_id, day, hex);
}
