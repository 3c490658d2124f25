#include "keys/principal.h"

#include "keys/pack.h"

enum { PACKED_FIXED = AMP_PRINCIPAL_KEY_ID_LEN + 1 + 1 + 8 + 8 + 4 + 4 + 1 };

static const struct {
    const char *word;
    uint32_t permissions;
} words[] = {
    {"tokenize", AMP_MAY_TOKENIZE}, {"claim", AMP_MAY_CLAIM}, {"inspect", AMP_MAY_INSPECT},
    {"revoke", AMP_MAY_REVOKE},     {"send", AMP_MAY_SEND},   {"receive", AMP_MAY_RECEIVE},
    {"manage", AMP_MAY_MANAGE},     {"all", AMP_MAY_ALL},
};

uint32_t amp_permission_parse(struct amp_slice word)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (amp_slice_is(word, words[i].word))
            return words[i].permissions;
    }
    return 0;
}

static bool is_name_char(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool name_is_good(const uint8_t *name, size_t len)
{
    if (len == 0 || len > AMP_PRINCIPAL_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(name[i]) && name[i] != '.')
            return false;
    }
    return true;
}

bool amp_queue_name_is_good(struct amp_slice name)
{
    static const char suffix[] = ".fifo";
    const size_t suffix_len = sizeof(suffix) - 1;
    if (name.len == 0 || name.len > AMP_GRANT_QUEUE_MAX)
        return false;
    if (name.len > suffix_len && amp_slice_is(amp_slice(name.ptr + name.len - suffix_len, suffix_len), suffix))
        name.len -= suffix_len;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_char(name.ptr[i]))
            return false;
    }
    return true;
}

/* Of a grant. */
static bool queue_is_good(struct amp_slice queue)
{
    return amp_slice_is(queue, "*") || amp_queue_name_is_good(queue);
}

bool amp_key_id_is_good(const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    /* lint: allow memcmp-secret, a key's public id */
    if (memcmp(key_id, "AMPK", 4) != 0)
        return false;
    for (size_t i = 4; i < AMP_PRINCIPAL_KEY_ID_LEN; i++) {
        if (!(key_id[i] >= 'A' && key_id[i] <= 'Z') && !(key_id[i] >= '2' && key_id[i] <= '7'))
            return false;
    }
    return true;
}

static bool grant_is_good(const struct amp_grant *grant)
{
    return grant->permissions != 0 && (grant->permissions & ~(uint32_t)AMP_MAY_ALL) == 0 &&
           queue_is_good(amp_slice(grant->queue, grant->queue_len));
}

enum amp_err amp_principal_check(const struct amp_principal *principal)
{
    bool good = amp_key_id_is_good(principal->key_id) && name_is_good(principal->name, principal->name_len) &&
                (unsigned)principal->state < AMP_PRINCIPAL_STATE_COUNT_ && principal->created_unix_ms >= 0 &&
                principal->expires_unix_ms >= 0 && principal->grant_count <= AMP_PRINCIPAL_GRANTS_MAX &&
                (principal->rate_per_second == 0 || principal->rate_burst != 0);
    for (uint32_t i = 0; good && i < principal->grant_count; i++)
        good = grant_is_good(&principal->grants[i]);
    return good ? AMP_OK : AMP_ERR_INVALID;
}

bool amp_principal_may(const struct amp_principal *principal, enum amp_permission permission, struct amp_slice queue)
{
    for (uint32_t i = 0; i < principal->grant_count; i++) {
        const struct amp_grant *grant = &principal->grants[i];
        struct amp_slice name = amp_slice(grant->queue, grant->queue_len);
        if ((grant->permissions & permission) != 0 && (amp_slice_is(name, "*") || amp_slice_equal(name, queue)))
            return true;
    }
    return false;
}

void amp_principal_pack(struct amp_out *out, const struct amp_principal *principal)
{
    amp_out_bytes(out, principal->key_id, sizeof(principal->key_id));
    amp_pack_uint(out, principal->state, 1);
    amp_pack_uint(out, (uint64_t)principal->created_unix_ms, 8);
    amp_pack_uint(out, (uint64_t)principal->expires_unix_ms, 8);
    amp_pack_uint(out, principal->rate_per_second, 4);
    amp_pack_uint(out, principal->rate_burst, 4);
    amp_pack_uint(out, principal->grant_count, 1);
    amp_pack_text(out, principal->name, principal->name_len, 1);
    for (uint32_t i = 0; i < principal->grant_count; i++) {
        amp_pack_uint(out, principal->grants[i].permissions, 4);
        amp_pack_text(out, principal->grants[i].queue, principal->grants[i].queue_len, 1);
    }
}

enum amp_err amp_principal_unpack(struct amp_principal *principal, struct amp_slice packed)
{
    struct amp_unpack in = {packed, packed.len < PACKED_FIXED};
    memset(principal, 0, sizeof(*principal));
    amp_unpack_bytes(&in, principal->key_id, sizeof(principal->key_id));
    uint64_t state = amp_unpack_uint(&in, 1);
    principal->created_unix_ms = (int64_t)amp_unpack_uint(&in, 8);
    principal->expires_unix_ms = (int64_t)amp_unpack_uint(&in, 8);
    principal->rate_per_second = (uint32_t)amp_unpack_uint(&in, 4);
    principal->rate_burst = (uint32_t)amp_unpack_uint(&in, 4);
    principal->grant_count = (uint32_t)amp_unpack_uint(&in, 1);
    principal->name_len = (uint8_t)amp_unpack_text(&in, principal->name, sizeof(principal->name), 1);
    for (uint32_t i = 0; !in.bad && i < principal->grant_count && i < AMP_PRINCIPAL_GRANTS_MAX; i++) {
        struct amp_grant *grant = &principal->grants[i];
        grant->permissions = (uint32_t)amp_unpack_uint(&in, 4);
        grant->queue_len = (uint8_t)amp_unpack_text(&in, grant->queue, AMP_GRANT_QUEUE_MAX, 1);
    }
    bool good = amp_unpack_end(&in) && state < AMP_PRINCIPAL_STATE_COUNT_;
    if (good) {
        principal->state = (enum amp_principal_state)state;
        good = amp_principal_check(principal) == AMP_OK;
    }
    if (!good)
        memset(principal, 0, sizeof(*principal));
    return good ? AMP_OK : AMP_ERR_INVALID;
}

static struct amp_slice until(struct amp_slice *text, uint8_t separator)
{
    size_t len = 0;
    while (len < text->len && text->ptr[len] != separator)
        len++;
    struct amp_slice part = amp_slice(text->ptr, len);
    size_t skip = len < text->len ? len + 1 : len;
    *text = amp_slice(text->ptr + skip, text->len - skip);
    return part;
}

enum amp_err amp_grant_parse(struct amp_grant *grant, struct amp_slice text)
{
    struct amp_grant read = {.queue_len = 1, .queue = "*"};
    struct amp_slice queue = text;
    struct amp_slice permissions = until(&queue, ':');
    bool named = permissions.len < text.len;
    if (named && !queue_is_good(queue))
        return AMP_ERR_INVALID;
    if (permissions.len == 0 || permissions.ptr[permissions.len - 1] == ',')
        return AMP_ERR_INVALID;
    while (permissions.len != 0) {
        uint32_t permission = amp_permission_parse(until(&permissions, ','));
        if (permission == 0)
            return AMP_ERR_INVALID;
        read.permissions |= permission;
    }
    if (named) {
        memcpy(read.queue, queue.ptr, queue.len);
        read.queue_len = (uint8_t)queue.len;
    }
    *grant = read;
    return AMP_OK;
}
