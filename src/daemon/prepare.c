/* What a role takes along that it cannot get any more once it is confined. */
#include "audit/names.h"
#include "base/clock.h"
#include "courier/resolver.h"
#include "daemon/role.h"
#include "keys/keyring.h"
#include "keys/subscription.h"

static enum amp_err prepare_keeper(struct amp_role_env *env)
{
    const struct amp_config *config = env->config;
    enum amp_err err = amp_keyring_pin();
    if (err == AMP_OK)
        err = amp_subscriptions_pin();
    if (err == AMP_OK && config->keys.provider == AMP_CONFIG_PROVIDER_FILE)
        err = amp_key_file_open(&env->kek_fd, config->keys.file);
    return err;
}

static enum amp_err prepare_scribe(struct amp_role_env *env)
{
    static struct amp_log_names names;
    const struct amp_clock clock = amp_clock_system();
    env->log_names = &names;
    return amp_log_names_pin(&names, env->state_fd, amp_clock_unix_ms(&clock) / 1000);
}

static enum amp_err prepare_courier(struct amp_role_env *env)
{
    return amp_resolver_new(&env->resolver, NULL);
}

enum amp_err amp_role_prepare(enum amp_role role, struct amp_role_env *env)
{
    if (role == AMP_ROLE_KEEPER)
        return prepare_keeper(env);
    if (role == AMP_ROLE_SCRIBE)
        return prepare_scribe(env);
    if (role == AMP_ROLE_COURIER)
        return prepare_courier(env);
    return AMP_OK;
}
