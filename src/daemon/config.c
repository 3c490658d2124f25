/*
 * libcyaml reads the shape (sections, keys, a list of addresses), with every value as text; this file gives each value
 * its meaning by one table, so that every mistake is told in the same words and with the setting's full name.
 */
#include "daemon/config.h"

#include <cyaml/cyaml.h>
#include <stdio.h>

#include "base/address.h"
#include "base/text.h"
#include "daemon/config_check.h"
#include "daemon/quantity.h"
#include "keys/principal.h"

enum kind {
    KIND_BOOL,
    KIND_COUNT,
    KIND_DURATION,
    KIND_BYTES,
    KIND_PATH,
    KIND_LEVEL,
    KIND_PROVIDER,
    KIND_ENGINE,
    KIND_USERS,
    KIND_USER,
    KIND_STARTUPS
};

enum { MIB = 1 << 20, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

#define TIB (INT64_C(1) << 40) /* no enum constants: those are int */
#define DAY (INT64_C(24) * HOUR)

/* X(key, kind, field of struct amp_config, least, most, default) */
#define TOP_SETTINGS(X)                                                                                                \
    X(dev, BOOL, dev, 0, 0, "false")                                                                                   \
    X(workers, COUNT, workers, 1, AMP_CONFIG_WORKERS_MAX, NULL)                                                        \
    X(state, PATH, state, 0, 0, NULL)                                                                                  \
    X(memory_max, BYTES, memory.cap, 64 * MIB, 4 * TIB, "2GiB")
#define LISTEN_SETTINGS(X)                                                                                             \
    X(cert, PATH, listen.cert, 0, 0, NULL)                                                                             \
    X(key, PATH, listen.key, 0, 0, NULL)                                                                               \
    X(client_ca, PATH, listen.client_ca, 0, 0, NULL)                                                                   \
    X(backlog, COUNT, listen.backlog, 1, 65535, "4096")
#define LOG_SETTINGS(X) X(level, LEVEL, log_level, 0, 0, "info")
#define AUTH_SETTINGS(X)                                                                                               \
    X(clock_skew, DURATION, auth.clock_skew_ms, SECOND, 15 * MINUTE, "300s")                                           \
    X(replay_max, COUNT, auth.replay_max, 1000, 100000000, NULL)
#define VAULT_SETTINGS(X)                                                                                              \
    X(ttl, DURATION, vault.ttl_ms, 1, 15 * MINUTE, "10s")                                                              \
    X(ttl_max, DURATION, vault.ttl_max_ms, 1, 15 * MINUTE, "15m")                                                      \
    X(memory_max, BYTES, vault.memory_max, 4 * MIB, TIB, NULL)
#define MASK_SETTINGS(X) X(bin8, BOOL, mask.bin8, 0, 0, "false")
#define QUEUE_SETTINGS(X)                                                                                              \
    X(engine, ENGINE, queue.engine, 0, 0, "memory")                                                                    \
    X(memory_max, BYTES, queue.memory_max, 4 * MIB, TIB, NULL)                                                         \
    X(max_queues, COUNT, queue.max_queues, 1, 100000, "1000")
#define PUSH_SETTINGS(X)                                                                                               \
    X(ca, PATH, push.ca, 0, 0, NULL)                                                                                   \
    X(connect_timeout, DURATION, push.connect_ms, 100, MINUTE, "5s")                                                   \
    X(timeout, DURATION, push.timeout_ms, 100, 5 * MINUTE, "10s")                                                      \
    X(disable_after, DURATION, push.disable_after_ms, SECOND, 168 * HOUR, "1h")                                        \
    X(concurrency, COUNT, push.concurrency, 1, 256, "16")
#define KEYS_SETTINGS(X)                                                                                               \
    X(provider, PROVIDER, keys.provider, 0, 0, "ephemeral")                                                            \
    X(file, PATH, keys.file, 0, 0, NULL)                                                                               \
    X(forget_after, DURATION, keys.forget_after_ms, SECOND, 366 * DAY, "2160h")
#define LIMITS_SETTINGS(X)                                                                                             \
    X(handshake, DURATION, limits.handshake_ms, 100, HOUR, "10s")                                                      \
    X(header, DURATION, limits.header_ms, 100, HOUR, "10s")                                                            \
    X(body, DURATION, limits.body_ms, 100, HOUR, "30s")                                                                \
    X(request, DURATION, limits.request_ms, 100, HOUR, "60s")                                                          \
    X(idle, DURATION, limits.idle_ms, 100, HOUR, "75s")                                                                \
    X(max_connections, COUNT, limits.max_connections, 1, 1000000, NULL)                                                \
    X(max_connections_per_source, COUNT, limits.max_connections_per_source, 1, 1000000, NULL)                          \
    X(max_connections_per_principal, COUNT, limits.max_connections_per_principal, 1, 1000000, NULL)                    \
    X(max_requests_per_principal, COUNT, limits.max_requests_per_principal, 1, 1000000, NULL)                          \
    X(startups, STARTUPS, limits.startups, 0, 0, NULL)                                                                 \
    X(penalty_min, DURATION, limits.penalty_min_ms, 0, HOUR, "15s")                                                    \
    X(penalty_max, DURATION, limits.penalty_max_ms, 0, 24 * HOUR, "10m")
#define SANDBOX_SETTINGS(X)                                                                                            \
    X(users, USERS, sandbox.separate, 0, 0, "separate")                                                                \
    X(required, BOOL, sandbox.required, 0, 0, "true")                                                                  \
    X(front, USER, sandbox.front, 0, 0, "ampoule-front")                                                               \
    X(keeper, USER, sandbox.keeper, 0, 0, "ampoule-keeper")                                                            \
    X(scribe, USER, sandbox.scribe, 0, 0, "ampoule-scribe")                                                            \
    X(courier, USER, sandbox.courier, 0, 0, "ampoule-courier")

#define RAW(key, kind, field, least, most, fallback) char *key;
struct raw_listen {
    char **addresses;
    unsigned addresses_count;
    LISTEN_SETTINGS(RAW)
};
struct raw_log {
    LOG_SETTINGS(RAW)
};
struct raw_auth {
    AUTH_SETTINGS(RAW)
};
struct raw_vault {
    VAULT_SETTINGS(RAW)
};
struct raw_mask {
    MASK_SETTINGS(RAW)
};
struct raw_queue {
    char **names;
    unsigned names_count;
    QUEUE_SETTINGS(RAW)
};
struct raw_push {
    char **allow;
    unsigned allow_count;
    PUSH_SETTINGS(RAW)
};
struct raw_keys {
    KEYS_SETTINGS(RAW)
};
struct raw_limits {
    char **exempt;
    unsigned exempt_count;
    LIMITS_SETTINGS(RAW)
};
struct raw_sandbox {
    SANDBOX_SETTINGS(RAW)
};
struct raw {
    struct raw_listen listen;
    struct raw_log log;
    struct raw_auth auth;
    struct raw_vault vault;
    struct raw_mask mask;
    struct raw_queue queue;
    struct raw_push push;
    struct raw_keys keys;
    struct raw_limits limits;
    struct raw_sandbox sandbox;
    TOP_SETTINGS(RAW)
};
#undef RAW

#define FIELD_OF(type, name)                                                                                           \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, name, 0, 1023),
#define FIELDS(section, SETTINGS, EXTRA)                                                                               \
    static const cyaml_schema_field_t section##_fields[] = {EXTRA SETTINGS(FIELD_##section) CYAML_FIELD_END}
#define FIELD_listen(key, ...)  FIELD_OF(struct raw_listen, key)
#define FIELD_log(key, ...)     FIELD_OF(struct raw_log, key)
#define FIELD_auth(key, ...)    FIELD_OF(struct raw_auth, key)
#define FIELD_vault(key, ...)   FIELD_OF(struct raw_vault, key)
#define FIELD_mask(key, ...)    FIELD_OF(struct raw_mask, key)
#define FIELD_queue(key, ...)   FIELD_OF(struct raw_queue, key)
#define FIELD_push(key, ...)    FIELD_OF(struct raw_push, key)
#define FIELD_keys(key, ...)    FIELD_OF(struct raw_keys, key)
#define FIELD_limits(key, ...)  FIELD_OF(struct raw_limits, key)
#define FIELD_sandbox(key, ...) FIELD_OF(struct raw_sandbox, key)
#define FIELD_top(key, ...)     FIELD_OF(struct raw, key)
#define SECTION(name)           CYAML_FIELD_MAPPING(#name, CYAML_FLAG_OPTIONAL, struct raw, name, name##_fields),
#define SECTIONS                                                                                                       \
    SECTION(listen)                                                                                                    \
    SECTION(log)                                                                                                       \
    SECTION(auth)                                                                                                      \
    SECTION(vault) SECTION(mask) SECTION(queue) SECTION(push) SECTION(keys) SECTION(limits) SECTION(sandbox)
#define NOTHING
#define LIST(section, key, least, most)                                                                                \
    CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_##section, key, &entry_schema,     \
                         least, most),

static const cyaml_schema_value_t entry_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 255)};
FIELDS(listen, LISTEN_SETTINGS, LIST(listen, addresses, 1, AMP_CONFIG_ADDRESSES_MAX));
FIELDS(log, LOG_SETTINGS, NOTHING);
FIELDS(auth, AUTH_SETTINGS, NOTHING);
FIELDS(vault, VAULT_SETTINGS, NOTHING);
FIELDS(mask, MASK_SETTINGS, NOTHING);
FIELDS(queue, QUEUE_SETTINGS, LIST(queue, names, 0, AMP_CONFIG_QUEUES_MAX));
FIELDS(push, PUSH_SETTINGS, LIST(push, allow, 0, AMP_CONFIG_PUSH_ALLOW_MAX));
FIELDS(keys, KEYS_SETTINGS, NOTHING);
FIELDS(limits, LIMITS_SETTINGS, LIST(limits, exempt, 0, AMP_CONFIG_EXEMPT_MAX));
FIELDS(sandbox, SANDBOX_SETTINGS, NOTHING);
FIELDS(top, TOP_SETTINGS, SECTIONS);
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, top_fields)};

struct setting {
    const char *name;
    enum kind kind;
    size_t raw;    /* offset of its text in struct raw */
    size_t target; /* offset of its value in struct amp_config */
    int64_t least;
    int64_t most;
    const char *fallback; /* NULL: absent is told by the value's being empty or 0 */
};

#define SETTING_OF(name, path, kind, field, least, most, fallback)                                                     \
    {(name), KIND_##kind, offsetof(struct raw, path), offsetof(struct amp_config, field), least, most, fallback},
#define SETTING_top(key, ...)     SETTING_OF(#key, key, __VA_ARGS__)
#define SETTING_listen(key, ...)  SETTING_OF("listen." #key, listen.key, __VA_ARGS__)
#define SETTING_log(key, ...)     SETTING_OF("log." #key, log.key, __VA_ARGS__)
#define SETTING_auth(key, ...)    SETTING_OF("auth." #key, auth.key, __VA_ARGS__)
#define SETTING_vault(key, ...)   SETTING_OF("vault." #key, vault.key, __VA_ARGS__)
#define SETTING_mask(key, ...)    SETTING_OF("mask." #key, mask.key, __VA_ARGS__)
#define SETTING_queue(key, ...)   SETTING_OF("queue." #key, queue.key, __VA_ARGS__)
#define SETTING_push(key, ...)    SETTING_OF("push." #key, push.key, __VA_ARGS__)
#define SETTING_keys(key, ...)    SETTING_OF("keys." #key, keys.key, __VA_ARGS__)
#define SETTING_limits(key, ...)  SETTING_OF("limits." #key, limits.key, __VA_ARGS__)
#define SETTING_sandbox(key, ...) SETTING_OF("sandbox." #key, sandbox.key, __VA_ARGS__)

static const struct setting settings[] = {
    TOP_SETTINGS(SETTING_top) LISTEN_SETTINGS(SETTING_listen) LOG_SETTINGS(SETTING_log) AUTH_SETTINGS(SETTING_auth)
        VAULT_SETTINGS(SETTING_vault) MASK_SETTINGS(SETTING_mask) QUEUE_SETTINGS(SETTING_queue)
            PUSH_SETTINGS(SETTING_push) KEYS_SETTINGS(SETTING_keys) LIMITS_SETTINGS(SETTING_limits)
                SANDBOX_SETTINGS(SETTING_sandbox)};

/* What libcyaml says on its way out of a mistake: what, and in which line and column. */
static void on_cyaml(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    char text[512];
    struct amp_config_reading *reading = ctx;
    if (reading->critic == NULL || reading->critic->complain == NULL)
        return;
    int len = vsnprintf(text, sizeof(text), format, args);
    if (len <= 0)
        return;
    size_t end = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    while (end != 0 && text[end - 1] == '\n')
        text[--end] = '\0';
    const char *said = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
    if (strstr(said, "Backtrace") == NULL)
        reading->critic->complain(reading->critic->ctx, said);
}

/* What such settings are counted in; NULL for the rest. */
static const struct amp_unit *units_of(enum kind kind)
{
    if (kind == KIND_DURATION)
        return amp_unit_duration;
    if (kind == KIND_BYTES)
        return amp_unit_size;
    return kind == KIND_COUNT ? amp_unit_count : NULL;
}

static bool parse_word(const char *text, const char *const *words, int64_t *out)
{
    for (int64_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* The value as a number; words by their place in their list. */
static bool parse_value(enum kind kind, const char *text, int64_t *out, const char **expected)
{
    static const char *const booleans[] = {"false", "true", NULL};
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    static const char *const providers[] = {"ephemeral", "file", NULL};
    static const char *const engines[] = {"memory", NULL};
    static const char *const users[] = {"shared", "separate", NULL};
    switch (kind) {
    case KIND_BOOL:
        *expected = "is not true or false";
        return parse_word(text, booleans, out);
    case KIND_COUNT:
        *expected = "is not a whole number";
        return amp_quantity_parse(out, text, units_of(kind));
    case KIND_DURATION:
        *expected = "is not a duration such as 500ms, 30s or 10m";
        return amp_quantity_parse(out, text, units_of(kind));
    case KIND_BYTES:
        *expected = "is not a size such as 64MiB or 2GiB";
        return amp_quantity_parse(out, text, units_of(kind));
    case KIND_LEVEL:
        *expected = "is not error, warn, info or debug";
        return parse_word(text, levels, out);
    case KIND_PROVIDER:
        *expected = "is not ephemeral or file";
        return parse_word(text, providers, out);
    case KIND_ENGINE:
        *expected = "is not memory";
        return parse_word(text, engines, out);
    case KIND_USERS:
        *expected = "is not separate or shared";
        return parse_word(text, users, out);
    case KIND_PATH:
    case KIND_USER:
    case KIND_STARTUPS:
        break;
    }
    return false;
}

static void store(const struct setting *setting, struct amp_config *config, int64_t value)
{
    uint8_t *target = (uint8_t *)config + setting->target;
    switch (setting->kind) {
    case KIND_BOOL:
    case KIND_USERS:
        *(bool *)target = value != 0;
        break;
    case KIND_COUNT:
        *(uint32_t *)(void *)target = (uint32_t)value;
        break;
    case KIND_DURATION:
        *(int64_t *)(void *)target = value;
        break;
    case KIND_BYTES:
        *(uint64_t *)(void *)target = (uint64_t)value;
        break;
    case KIND_LEVEL:
        *(enum amp_log_level *)(void *)target = (enum amp_log_level)value;
        break;
    case KIND_PROVIDER:
        *(enum amp_config_provider *)(void *)target = (enum amp_config_provider)value;
        break;
    case KIND_ENGINE:
        *(enum amp_config_engine *)(void *)target = (enum amp_config_engine)value;
        break;
    case KIND_PATH:
    case KIND_USER:
    case KIND_STARTUPS:
        break;
    }
}

static void take_path(struct amp_config_reading *reading, const struct setting *setting, const char *text, char *target)
{
    if (text[0] != '/')
        amp_config_complain(reading, setting->name, text, "is not an absolute path");
    memcpy(target, text, strlen(text) + 1); /* the schema holds it below AMP_CONFIG_PATH_MAX */
}

static void take_user(struct amp_config_reading *reading, const struct setting *setting, const char *text, char *target)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(text);
    if (len == 0 || len >= AMP_CONFIG_USER_MAX || strspn(text, good) != len)
        amp_config_complain(reading, setting->name, text, "is not the name or number of a user");
    else
        memcpy(target, text, len + 1);
}

/* Three whole numbers and the colons between them. */
static bool parse_startups(struct amp_config_startups *out, const char *text)
{
    uint32_t *const numbers[] = {&out->start, &out->rate, &out->full};
    for (size_t i = 0; i < 3; i++) {
        size_t digits = strspn(text, "0123456789");
        uint64_t number;
        if (text[digits] != (i < 2 ? ':' : '\0') || amp_u64_parse(&number, amp_slice(text, digits), 1000000) != AMP_OK)
            return false;
        *numbers[i] = (uint32_t)number;
        text += digits + 1;
    }
    return out->start > 0 && out->start < out->full && out->rate <= 100;
}

static void take_startups(struct amp_config_reading *reading, const struct setting *setting, const char *text,
                          struct amp_config_startups *target)
{
    if (!parse_startups(target, text))
        amp_config_complain(reading, setting->name, text,
                            "is not START:RATE:FULL such as 2000:30:8000, START below FULL and RATE at most 100");
}

static void complain_of_bounds(struct amp_config_reading *reading, const struct setting *setting, const char *text)
{
    char least[AMP_QUANTITY_MAX];
    char most[AMP_QUANTITY_MAX];
    char why[2 * AMP_QUANTITY_MAX + 32];
    amp_quantity_format(least, setting->least, units_of(setting->kind));
    amp_quantity_format(most, setting->most, units_of(setting->kind));
    snprintf(why, sizeof(why), "is out of bounds: %s to %s", least, most);
    amp_config_complain(reading, setting->name, text, why);
}

static void take(struct amp_config_reading *reading, const struct setting *setting, const struct raw *raw,
                 struct amp_config *config)
{
    const char *text = *(char *const *)(const void *)((const uint8_t *)raw + setting->raw);
    const char *expected = NULL;
    int64_t value = 0;
    if (text == NULL)
        text = setting->fallback;
    if (text == NULL)
        return;
    if (setting->kind == KIND_PATH) {
        take_path(reading, setting, text, (char *)config + setting->target);
        return;
    }
    if (setting->kind == KIND_USER) {
        take_user(reading, setting, text, (char *)config + setting->target);
        return;
    }
    if (setting->kind == KIND_STARTUPS) {
        take_startups(reading, setting, text, &config->limits.startups);
        return;
    }
    if (!parse_value(setting->kind, text, &value, &expected))
        amp_config_complain(reading, setting->name, text, expected);
    else if (setting->most != 0 && (value < setting->least || value > setting->most))
        complain_of_bounds(reading, setting, text);
    else
        store(setting, config, value);
}

static void take_addresses(struct amp_config_reading *reading, const struct raw_listen *listen,
                           struct amp_config *config)
{
    for (unsigned i = 0; i < listen->addresses_count; i++) {
        struct amp_config_address address;
        if (amp_config_address_parse(&address, listen->addresses[i]) != AMP_OK)
            amp_config_complain(reading, "listen.addresses", listen->addresses[i],
                                "is not a numeric address with port such as 127.0.0.1:8443 or [::1]:8443");
        else if (amp_config_address_port(&address) == 0)
            amp_config_complain(reading, "listen.addresses", listen->addresses[i], "has no port");
        else if (config->dev && !amp_config_address_is_loopback(&address))
            amp_config_complain(reading, "listen.addresses", listen->addresses[i],
                                "is not loopback: development mode has nothing else");
        else
            amp_config_address_format(config->listen.address[config->listen.address_count++], &address);
    }
}

static bool is_named(const struct amp_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->queue.name_count; i++) {
        if (strcmp(config->queue.names[i], name) == 0)
            return true;
    }
    return false;
}

static void take_queues(struct amp_config_reading *reading, const struct raw_queue *queue, struct amp_config *config)
{
    for (unsigned i = 0; i < queue->names_count; i++) {
        const char *name = queue->names[i];
        if (!amp_queue_name_is_good(amp_slice_str(name)))
            amp_config_complain(reading, "queue.names", name,
                                "is not 1 to 80 letters, digits, - or _, with or without .fifo");
        else if (is_named(config, name))
            amp_config_complain(reading, "queue.names", name, "stands there twice");
        else
            memcpy(config->queue.names[config->queue.name_count++], name, strlen(name) + 1);
    }
}

struct networks {
    const char *name;
    bool ports; /* may be named with them */
    const char *form;
};

static void take_networks(struct amp_config_reading *reading, const struct networks *kind, char *const *texts,
                          unsigned count, char (*networks)[AMP_CONFIG_ADDRESS_MAX], uint32_t *network_count)
{
    for (unsigned i = 0; i < count; i++) {
        struct amp_address_rule rule;
        if (strlen(texts[i]) >= AMP_CONFIG_ADDRESS_MAX ||
            amp_address_rule_parse(&rule, amp_slice_str(texts[i])) != AMP_OK || (rule.port != 0 && !kind->ports))
            amp_config_complain(reading, kind->name, texts[i], kind->form);
        else
            memcpy(networks[(*network_count)++], texts[i], strlen(texts[i]) + 1);
    }
}

static void take_lists(struct amp_config_reading *reading, const struct raw *raw, struct amp_config *config)
{
    static const struct networks allow = {
        "push.allow", true, "is not an address or network such as 10.1.0.0/16, 127.0.0.1:9000 or [fd00::]/8"};
    static const struct networks exempt = {"limits.exempt", false,
                                           "is not an address or network such as 10.0.0.7, 10.1.0.0/16 or [fd00::]/8"};
    take_addresses(reading, &raw->listen, config);
    take_queues(reading, &raw->queue, config);
    take_networks(reading, &allow, raw->push.allow, raw->push.allow_count, config->push.allow,
                  &config->push.allow_count);
    take_networks(reading, &exempt, raw->limits.exempt, raw->limits.exempt_count, config->limits.exempt,
                  &config->limits.exempt_count);
}

/* "---" and "..." at the start of a line mark documents, wherever they stand (YAML 1.2.2, section 9.1.2). */
static bool is_marker(struct amp_slice line, const char *marker)
{
    return line.len >= 3 && memcmp(line.ptr, marker, 3) == 0 &&
           (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '\t' || line.ptr[3] == '\r');
}

/* libcyaml reads the first document and is silent about what follows. */
static bool is_one_document(struct amp_slice text)
{
    bool begun = false;
    while (text.len != 0) {
        const uint8_t *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline != NULL ? (size_t)(newline - text.ptr) : text.len;
        struct amp_slice line = amp_slice(text.ptr, len);
        if (is_marker(line, "...") || (is_marker(line, "---") && begun))
            return false;
        begun = begun || (len != 0 && line.ptr[0] != '#' && line.ptr[0] != '%' && line.ptr[0] != '\r');
        text = amp_slice(text.ptr + len, text.len - len);
        if (text.len != 0)
            text = amp_slice(text.ptr + 1, text.len - 1);
    }
    return true;
}

enum amp_err amp_config_parse(struct amp_config *out, struct amp_slice text, const struct amp_config_critic *critic)
{
    struct amp_config_reading reading = {.critic = critic};
    struct raw *raw = NULL;
    const cyaml_config_t how = {.log_fn = on_cyaml,
                                .log_ctx = &reading,
                                .mem_fn = cyaml_mem,
                                .log_level = CYAML_LOG_ERROR,
                                .flags = CYAML_CFG_NO_ALIAS};
    *out = (struct amp_config){0};
    cyaml_err_t err = cyaml_load_data(text.ptr, text.len, &how, &schema, (cyaml_data_t **)&raw, NULL);
    if (err != CYAML_OK || raw == NULL) {
        amp_config_complain(&reading, "configuration", NULL, err != CYAML_OK ? cyaml_strerror(err) : "is empty");
        return AMP_ERR_INVALID;
    }
    if (!is_one_document(text))
        amp_config_complain(&reading, "configuration", NULL,
                            "holds more than one YAML document, or a marker of its end");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        take(&reading, &settings[i], raw, out);
    take_lists(&reading, raw, out);
    amp_config_check(&reading, out);
    cyaml_free(&how, &schema, raw, 0);
    return reading.bad ? AMP_ERR_INVALID : AMP_OK;
}
