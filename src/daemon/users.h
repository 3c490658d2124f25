/* Whose processes the roles are. */
#ifndef AMP_DAEMON_USERS_H
#define AMP_DAEMON_USERS_H

#include "base/config.h"
#include "sandbox/sandbox.h"

struct amp_users {
    bool separate; /* else all roles keep the supervisor's */
    struct amp_sandbox_user front;
    struct amp_sandbox_user keeper;
    struct amp_sandbox_user scribe;
    struct amp_sandbox_user courier;
};

/*
 * As `config` says. `starts`: this process starts the roles, rather than starters that have the users already.
 * AMP_ERR_INVALID, after the log said why, where one of them does not exist, where two roles, or a role and the
 * supervisor, would share one though they must not, where this process may not change to others and has to, and where
 * the roles would be root's.
 */
enum amp_err amp_users_find(struct amp_users *out, const struct amp_config *config, bool starts) AMP_MUST_USE;
/* Whether the users that `config` names are there and differ, whoever asks. AMP_ERR_INVALID, after the log said why. */
enum amp_err amp_users_check(const struct amp_config *config) AMP_MUST_USE;
/* NULL: the supervisor's. */
const struct amp_sandbox_user *amp_users_of(const struct amp_users *users, enum amp_role role);

#endif
