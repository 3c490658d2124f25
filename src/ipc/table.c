#include "ipc/table.h"

static const struct amp_ipc_row rows[AMP_IPC_COUNT_] = {
#define X(symbol, from, to, least, most, fds) [AMP_IPC_##symbol] = {#symbol, from, to, least, most, fds},
    AMP_IPC_MESSAGES(X)
#undef X
};

#define X(symbol, from, to, least, most, fds)                                                                          \
    _Static_assert((least) <= (most) && (most) <= AMP_IPC_MAX_PAYLOAD && (fds) <= 1, #symbol);
AMP_IPC_MESSAGES(X)
#undef X

const char *amp_role_name(enum amp_role role)
{
    static const char *const names[] = {"supervisor", "front", "keeper", "scribe", "courier", "admin"};
    return (size_t)role < AMP_ROLE_COUNT_ ? names[role] : "unknown";
}

static bool names_role(const char *letters, enum amp_role role)
{
    static const char letter[AMP_ROLE_COUNT_] = {'S', 'F', 'K', 'L', 'C', 'A'};
    return strchr(letters, letter[role]) != NULL;
}

const struct amp_ipc_row *amp_ipc_row(enum amp_ipc_type type)
{
    return &rows[type];
}

bool amp_ipc_permits(enum amp_ipc_type type, enum amp_role from, enum amp_role to)
{
    return names_role(rows[type].from, from) && names_role(rows[type].to, to);
}

bool amp_ipc_fits(enum amp_ipc_type type, size_t payload_len, size_t fds)
{
    return payload_len >= rows[type].least && payload_len <= rows[type].most && fds == rows[type].fds;
}

size_t amp_ipc_longest(enum amp_role from, enum amp_role to)
{
    size_t longest = 0;
    for (size_t type = 0; type < AMP_IPC_COUNT_; type++) {
        if (amp_ipc_permits((enum amp_ipc_type)type, from, to) && rows[type].most > longest)
            longest = rows[type].most;
    }
    return longest;
}
