#include "reader.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

static void hex(char out[65], const uint8_t bytes[32])
{
    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void hmac(uint8_t out[32], const uint8_t key[32], const void *bytes, size_t len)
{
    unsigned out_len = 32;
    HMAC(EVP_sha256(), key, 32, bytes, len, out, &out_len);
}

/* RFC 5869 with one block of output. */
static void evolve(uint8_t key[32])
{
    static const uint8_t no_salt[32];
    static const char info[] = "ampoule/log/evolve\x01";
    uint8_t pseudorandom[32];
    hmac(pseudorandom, no_salt, key, 32);
    hmac(key, pseudorandom, info, sizeof(info) - 1);
}

struct chain {
    uint8_t key[32];
    char prev[65];
    uint64_t seq;
    uint64_t epoch;
    size_t records;
    bool evolved;
};

static bool starts_with(const char *line, size_t len, const char *text)
{
    return len >= strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

static bool contains(const char *line, size_t len, const char *text)
{
    return line != NULL && memmem(line, len, text, strlen(text)) != NULL;
}

/* The line must be exactly what its parts say it is. `hash`: of all but its code. */
static bool check_line(struct chain *chain, const char *line, size_t len, uint8_t hash[32])
{
    char expected[256];
    uint8_t mac[32];
    char mac_text[65];
    if (len < 128)
        return false;
    int n =
        snprintf(expected, sizeof(expected), "{\"v\":1,\"seq\":%llu,\"time\":\"", (unsigned long long)chain->seq + 1);
    if (!starts_with(line, len, expected) || n <= 0)
        return false;
    size_t covered = len - (sizeof(",\"mac\":\"") - 1) - 64 - 2;
    SHA256((const uint8_t *)line, covered, hash);
    hmac(mac, chain->key, hash, 32);
    hex(mac_text, mac);
    n = snprintf(expected, sizeof(expected), ",\"prev\":\"%s\",\"epoch\":%llu,\"mac\":\"%s\"}", chain->prev,
                 (unsigned long long)chain->epoch, mac_text);
    return n > 0 && (size_t)n <= len && memcmp(line + len - (size_t)n, expected, (size_t)n) == 0;
}

static bool take_line(struct chain *chain, const char *line, size_t len, const uint8_t (*keys)[32], size_t key_count,
                      struct log_reading *reading)
{
    uint8_t hash[32];
    bool start = contains(line, len, "\"event\":\"log.start\"");
    bool seal = contains(line, len, "\"event\":\"log.epoch\"");
    if (start) {
        if (reading->starts == key_count)
            return false;
        memcpy(chain->key, keys[reading->starts++], 32);
        chain->epoch++;
        chain->records = 0;
    } else if (chain->evolved) {
        chain->epoch++;
        chain->records = 0;
    }
    chain->evolved = false;
    if (reading->starts == 0 || !check_line(chain, line, len, hash))
        return false;
    if (seal) {
        char count[48];
        snprintf(count, sizeof(count), ",\"count\":%zu,", chain->records);
        if (chain->records != 0 && !contains(line, len, count))
            return false;
        evolve(chain->key);
        chain->evolved = true;
        reading->epochs_sealed++;
    }
    chain->records++;
    chain->seq++;
    hex(chain->prev, hash);
    reading->sealed_end = seal;
    reading->lines++;
    return true;
}

bool log_verify_text(const char *text, size_t len, const uint8_t (*keys)[32], size_t key_count,
                     struct log_reading *reading)
{
    struct chain chain = {0};
    memset(chain.prev, '0', 64);
    *reading = (struct log_reading){0};
    while (len != 0) {
        const char *newline = memchr(text, '\n', len);
        if (newline == NULL)
            return false;
        size_t line_len = (size_t)(newline - text);
        if (!take_line(&chain, text, line_len, keys, key_count, reading))
            return false;
        text += line_len + 1;
        len -= line_len + 1;
    }
    return true;
}

static int only_events(const struct dirent *entry)
{
    return strncmp(entry->d_name, "events-", 7) == 0;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
    return strcmp(strrchr((*a)->d_name, '-'), strrchr((*b)->d_name, '-'));
}

char *log_read_all(const struct tempdir *dir, size_t *len, char newest[256])
{
    struct dirent **entries;
    int count = scandir(dir->path, &entries, only_events, by_number);
    assert_true(count >= 0);
    char *all = calloc(1, 64 << 20);
    assert_non_null(all);
    *len = 0;
    for (int i = 0; i < count; i++) {
        size_t here;
        char *bytes = tempdir_read(dir, entries[i]->d_name, &here);
        memcpy(all + *len, bytes, here);
        *len += here;
        if (newest != NULL)
            snprintf(newest, 256, "%s", entries[i]->d_name);
        free(bytes);
        free(entries[i]);
    }
    free(entries);
    return all;
}

bool log_verify(const struct tempdir *dir, const uint8_t (*keys)[32], size_t key_count, struct log_reading *reading)
{
    size_t len;
    struct dirent **entries;
    char *all = log_read_all(dir, &len, NULL);
    bool good = log_verify_text(all, len, keys, key_count, reading);
    free(all);
    int count = scandir(dir->path, &entries, only_events, by_number);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    reading->files = (size_t)count;
    return good;
}
