#include "daemon/users.h"

#include <unistd.h>

#include "base/log.h"

static enum amp_err find(struct amp_sandbox_user *out, const char *role, const char *text)
{
    if (amp_sandbox_user_find(out, text) == AMP_OK)
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR, "the user of a role does not exist, or is root: make it, or set sandbox.ROLE", role,
                 text);
    return AMP_ERR_INVALID;
}

/* Who shares a user with another can signal and trace him, and reads his files. */
static enum amp_err check_distinct(const struct amp_users *users)
{
    const uid_t uids[] = {geteuid(), users->front.uid, users->keeper.uid, users->scribe.uid, users->courier.uid};
    for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
        for (size_t j = 0; j < i; j++) {
            if (uids[i] != uids[j])
                continue;
            amp_log_num(AMP_LOG_ERROR, "sandbox: supervisor and roles must have five different users", "uid", uids[i]);
            return AMP_ERR_INVALID;
        }
    }
    return AMP_OK;
}

static enum amp_err find_separate(struct amp_users *out, const struct amp_config *config)
{
    enum amp_err err = find(&out->front, "front", config->sandbox.front);
    if (err == AMP_OK)
        err = find(&out->keeper, "keeper", config->sandbox.keeper);
    if (err == AMP_OK)
        err = find(&out->scribe, "scribe", config->sandbox.scribe);
    if (err == AMP_OK)
        err = find(&out->courier, "courier", config->sandbox.courier);
    return err == AMP_OK ? check_distinct(out) : err;
}

enum amp_err amp_users_find(struct amp_users *out, const struct amp_config *config, bool starts)
{
    *out = (struct amp_users){.separate = config->sandbox.separate};
    if (out->separate && starts && !amp_sandbox_may_change_users()) {
        amp_log(AMP_LOG_ERROR, "the roles cannot have users of their own: start the daemon as root (or with CAP_SETUID "
                               "and CAP_SETGID), or set sandbox.users: shared");
        return AMP_ERR_INVALID;
    }
    if (out->separate)
        return find_separate(out, config);
    if (!starts) {
        amp_log(AMP_LOG_ERROR, "sandbox.users is shared, but --starters gives each role a user of its own");
        return AMP_ERR_INVALID;
    }
    if (geteuid() == 0) {
        amp_log(AMP_LOG_ERROR, "sandbox.users is shared, but this is root: start the daemon as another user");
        return AMP_ERR_INVALID;
    }
    amp_log(AMP_LOG_WARN, "the roles have no users of their own: each can reach the files of the others");
    return AMP_OK;
}

enum amp_err amp_users_check(const struct amp_config *config)
{
    struct amp_users users;
    return config->sandbox.separate ? find_separate(&users, config) : AMP_OK;
}

const struct amp_sandbox_user *amp_users_of(const struct amp_users *users, enum amp_role role)
{
    if (!users->separate)
        return NULL;
    switch (role) {
    case AMP_ROLE_FRONT:
        return &users->front;
    case AMP_ROLE_KEEPER:
        return &users->keeper;
    case AMP_ROLE_SCRIBE:
        return &users->scribe;
    case AMP_ROLE_COURIER:
        return &users->courier;
    case AMP_ROLE_SUPERVISOR:
    case AMP_ROLE_ADMIN:
    case AMP_ROLE_COUNT_:
        break;
    }
    return NULL;
}
