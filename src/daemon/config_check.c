#include "daemon/config_check.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/shares.h"

void amp_config_complain(struct amp_config_reading *reading, const char *name, const char *value, const char *why)
{
    char text[AMP_CONFIG_PATH_MAX + 256];
    reading->bad = true;
    if (reading->critic == NULL || reading->critic->complain == NULL)
        return;
    if (value != NULL)
        snprintf(text, sizeof(text), "%s: \"%s\" %s", name, value, why);
    else
        snprintf(text, sizeof(text), "%s %s", name, why);
    reading->critic->complain(reading->critic->ctx, text);
}

static uint64_t open_files_max = UINT64_MAX;

void amp_config_mind_open_files(void)
{
    struct rlimit limit;
    open_files_max = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

/* What RLIMIT_NOFILE and memory_max leave, and limits.max_connections. */
static void share_out(struct amp_config_reading *reading, struct amp_config *config)
{
    char text[512];
    struct amp_out why = amp_out(text, sizeof(text) - 1);
    const char *short_of = NULL;
    if (!amp_shares_of_files(config, open_files_max, &why))
        short_of = "limits.max_connections";
    else if (!amp_shares_of_memory(config, &why))
        short_of = "memory_max";
    if (short_of != NULL) {
        text[why.len] = '\0';
        amp_config_complain(reading, short_of, NULL, text);
    }
    amp_shares_of_connections(&config->limits);
}

static uint32_t default_workers;

void amp_config_set_default_workers(uint32_t workers)
{
    default_workers = workers;
}

uint32_t amp_config_default_workers(void)
{
    if (default_workers == 0) {
        long count = sysconf(_SC_NPROCESSORS_ONLN);
        default_workers = count < 1 ? 1 : count > AMP_CONFIG_WORKERS_MAX ? AMP_CONFIG_WORKERS_MAX : (uint32_t)count;
    }
    return default_workers;
}

void amp_config_check(struct amp_config_reading *reading, struct amp_config *config)
{
    if (config->workers == 0)
        config->workers = amp_config_default_workers();
    if (!reading->bad)
        share_out(reading, config);
    if (config->state[0] == '\0')
        amp_config_complain(reading, "state", NULL,
                            "is missing: the directory for keyring, event log and admin socket");
    if (config->listen.address_count == 0)
        amp_config_complain(reading, "listen.addresses", NULL, "is missing, such as [\"0.0.0.0:8443\"]");
    if (config->listen.cert[0] == '\0')
        amp_config_complain(reading, "listen.cert", NULL, "is missing: the file of the TLS certificate chain (PEM)");
    if (config->listen.key[0] == '\0')
        amp_config_complain(reading, "listen.key", NULL, "is missing: the file of the TLS private key (PEM)");
    if (config->vault.ttl_ms > config->vault.ttl_max_ms)
        amp_config_complain(reading, "vault.ttl", NULL, "is longer than vault.ttl_max");
    if (config->queue.name_count > config->queue.max_queues)
        amp_config_complain(reading, "queue.names", NULL, "are more than queue.max_queues");
    if (config->limits.penalty_max_ms != 0 && config->limits.penalty_min_ms >= config->limits.penalty_max_ms)
        amp_config_complain(reading, "limits.penalty_min", NULL, "is not below limits.penalty_max");
    if (config->push.connect_ms > config->push.timeout_ms)
        amp_config_complain(reading, "push.connect_timeout", NULL, "is longer than push.timeout");
    bool wants_file = config->keys.provider == AMP_CONFIG_PROVIDER_FILE;
    if (wants_file && config->keys.file[0] == '\0')
        amp_config_complain(reading, "keys.file", NULL, "is missing: keys.provider file needs it");
    if (!wants_file && config->keys.file[0] != '\0')
        amp_config_complain(reading, "keys.file", NULL, "is set, but keys.provider is not file");
}
