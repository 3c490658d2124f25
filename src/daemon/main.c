/* ampouled: what is wished, what is configured, and then the supervisor; or, under --role, one of its children. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/crypto.h"
#include "daemon/role.h"
#include "daemon/starter.h"
#include "daemon/supervisor.h"

enum { EXIT_USAGE = 2, POOL_BYTES = 16 << 20 };

static struct amp_supervisor supervisor = {.state = {-1, -1, -1, -1, -1}, .tls = AMP_TLS_FILES_NONE, .push_ca = -1};

static void on_complaint(void *ctx, const char *text)
{
    fprintf(stderr, "ampouled: %s: %s\n", (const char *)ctx, text);
}

/* The configuration file into supervisor.config; false after having said why not. */
static bool read_config(const char *path)
{
    const struct amp_config_critic critic = {on_complaint, (void *)(uintptr_t)path};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        fprintf(stderr, "ampouled: %s: %s\n", path, strerrordesc_np(errno));
        return false;
    }
    enum amp_err err = amp_config_load(fd, supervisor.text, &supervisor.text_len);
    close(fd);
    if (err != AMP_OK) {
        fprintf(stderr, "ampouled: %s: is no plain file, cannot be read, or is longer than 64 KiB\n", path);
        return false;
    }
    if (amp_config_parse(&supervisor.config, amp_slice(supervisor.text, supervisor.text_len), &critic) != AMP_OK)
        return false;
    if (supervisor.config.dev)
        on_complaint((void *)(uintptr_t)path, "dev: development mode is asked for by --dev alone");
    return !supervisor.config.dev;
}

static int check_config(const char *path)
{
    if (!read_config(path) || amp_secret_init(POOL_BYTES, false) != AMP_OK)
        return EXIT_USAGE;
    enum amp_err err = amp_tls_files_load(&supervisor.tls, &supervisor.config);
    if (err == AMP_OK)
        err = amp_push_roots_load(&supervisor.push_ca, &supervisor.config, &supervisor.tls);
    amp_tls_files_close(&supervisor.tls);
    amp_push_roots_close(&supervisor.push_ca);
    amp_secret_fini();
    if (err == AMP_OK)
        err = amp_users_check(&supervisor.config);
    if (err != AMP_OK)
        return EXIT_USAGE;
    printf("%s is good\n", path);
    return 0;
}

/* As many descriptors as may be: each connection takes one, and limits.max_connections counts on them. */
static enum amp_err raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
            return AMP_OK;
    }
    amp_log_errno(AMP_LOG_ERROR, "RLIMIT_NOFILE cannot be raised to its hard limit", errno);
    return AMP_ERR_IO;
}

static enum amp_err harden(bool dev)
{
    umask(077);
    enum amp_err err = raise_file_limit();
    if (err == AMP_OK)
        err = amp_secret_harden_process(!dev);
    if (err == AMP_OK)
        err = amp_secret_init(POOL_BYTES, !dev);
    if (err == AMP_ERR_LOCK_REFUSED)
        amp_log(AMP_LOG_ERROR, "memory cannot be locked: raise RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=infinity)");
    if (err == AMP_OK)
        err = amp_crypto_use_pool();
    if (err == AMP_OK)
        err = amp_crypto_init();
    return err;
}

static enum amp_err listen_on(struct amp_config *config)
{
    struct amp_config_address addresses[AMP_CONFIG_ADDRESSES_MAX];
    for (uint32_t i = 0; i < config->listen.address_count; i++) {
        enum amp_err err = amp_config_address_parse(&addresses[i], config->listen.address[i]);
        if (err != AMP_OK)
            return err;
    }
    return amp_listen_open(&supervisor.listen, addresses, config->listen.address_count, config->workers,
                           config->listen.backlog);
}

static enum amp_err make_kek(const struct amp_options *options)
{
    enum amp_err err = AMP_OK;
    if (options->starters == NULL) /* else the keeper's starter does */
        err = amp_state_ready_sealed(&supervisor.state, supervisor.config.keys.provider);
    if (err != AMP_OK || supervisor.config.keys.provider != AMP_CONFIG_PROVIDER_EPHEMERAL)
        return err;
    supervisor.kek = amp_secret_alloc(sizeof(*supervisor.kek));
    if (supervisor.kek == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    return amp_random(supervisor.kek->bytes, sizeof(supervisor.kek->bytes));
}

/* Development mode's port may be chosen only as it is bound, so the text of the configuration comes after that. */
static enum amp_err configure_dev(const struct amp_options *options)
{
    char chosen[AMP_CONFIG_ADDRESS_MAX];
    char state[PATH_MAX];
    struct amp_config_address address;
    struct amp_config_critic critic = {on_complaint, (void *)(uintptr_t) "--dev"};
    struct amp_out text = amp_out(supervisor.text, sizeof(supervisor.text));
    if (amp_config_address_parse(&address, options->listen) != AMP_OK || !amp_config_address_is_loopback(&address)) {
        fprintf(stderr, "ampouled: --listen takes a loopback address and a port in development mode, such as "
                        "127.0.0.1:8443\n");
        return AMP_ERR_INVALID;
    }
    if (realpath(options->state, state) == NULL)
        return AMP_ERR_IO;
    uint32_t workers = options->workers != 0 ? options->workers : amp_config_default_workers();
    enum amp_err err = amp_listen_open(&supervisor.listen, &address, 1, workers, 4096);
    if (err != AMP_OK)
        return err;
    amp_config_address_format(chosen, &address);
    amp_config_write_dev(&text, state, chosen, workers, amp_sandbox_may_change_users());
    supervisor.text_len = text.len;
    return amp_config_parse(&supervisor.config, amp_out_done(&text), &critic);
}

/* The directories of the roles, for who they will be. */
static enum amp_err make_room(const struct amp_options *options)
{
    bool suffices = amp_sandbox_kernel_suffices();
    if (!suffices && supervisor.config.sandbox.required && !supervisor.config.dev)
        return AMP_ERR_SANDBOX_REFUSED;
    bool starts = options->starters == NULL;
    enum amp_err err = amp_users_find(&supervisor.users, &supervisor.config, starts);
    if (err != AMP_OK)
        return err;
    return starts ? amp_state_open_roles(&supervisor.state, &supervisor.users)
                  : amp_state_without_roles(&supervisor.state, supervisor.config.state);
}

static enum amp_err prepare_dev(const struct amp_options *options)
{
    enum amp_err err = amp_state_open(&supervisor.state, options->state, true);
    if (err == AMP_OK)
        err = configure_dev(options);
    if (err == AMP_OK)
        err = make_room(options);
    if (err == AMP_OK)
        err = amp_dev_prepare(&supervisor.state);
    if (err == AMP_OK)
        amp_dev_banner(supervisor.config.listen.address[0]);
    return err;
}

static enum amp_err prepare(const struct amp_options *options)
{
    enum amp_err err = amp_state_open(&supervisor.state, supervisor.config.state, false);
    if (err == AMP_OK)
        err = make_room(options);
    return err == AMP_OK ? listen_on(&supervisor.config) : err;
}

/* THREATS.md says what that means for who has the disk. */
static void warn_of_provider(const struct amp_config *config)
{
    if (!config->dev && config->keys.provider == AMP_CONFIG_PROVIDER_FILE)
        amp_log_text(AMP_LOG_WARN,
                     "keys.provider is file: whoever reads the KEK file and the state directory reads every key",
                     "path", config->keys.file);
}

/* Memory would carry more connections than there are descriptors for. */
static void warn_of_files(const struct amp_config_limits *limits)
{
    if (limits->max_connections == limits->connections_room)
        amp_log_num(AMP_LOG_WARN, "RLIMIT_NOFILE leaves room for no more connections", "limits.max_connections",
                    limits->max_connections);
}

static int serve(const struct amp_options *options)
{
    supervisor.options = options;
    if (!options->dev && !read_config(options->config))
        return EXIT_USAGE;
    amp_log_init("supervisor", options->dev ? AMP_LOG_INFO : supervisor.config.log_level);
    int status = 1;
    enum amp_err err = harden(options->dev);
    if (err == AMP_OK)
        err = options->dev ? prepare_dev(options) : prepare(options);
    if (err == AMP_OK)
        err = amp_tls_files_load(&supervisor.tls, &supervisor.config);
    if (err == AMP_OK)
        err = amp_push_roots_load(&supervisor.push_ca, &supervisor.config, &supervisor.tls);
    if (err == AMP_OK)
        err = amp_horizon_open(&supervisor);
    if (err == AMP_OK)
        err = make_kek(options);
    if (err == AMP_OK) {
        warn_of_provider(&supervisor.config);
        warn_of_files(&supervisor.config.limits);
    }
    if (err == AMP_OK)
        status = amp_supervisor_run(&supervisor);
    else if (err == AMP_ERR_INVALID)
        status = EXIT_USAGE;
    amp_listen_close(&supervisor.listen);
    amp_tls_files_close(&supervisor.tls);
    amp_push_roots_close(&supervisor.push_ca);
    amp_state_close(&supervisor.state);
    amp_crypto_fini();
    amp_secret_fini();
    return status;
}

int main(int argc, char **argv)
{
    static struct amp_options options; /* the supervisor keeps it */
    amp_log_init("supervisor", AMP_LOG_INFO);
    amp_options_parse(&options, argc, argv);
    if (options.wish == AMP_WISH_SERVE || options.wish == AMP_WISH_CHECK)
        amp_config_mind_open_files();
    switch (options.wish) {
    case AMP_WISH_SERVE:
        return serve(&options);
    case AMP_WISH_CHECK:
        return check_config(options.config);
    case AMP_WISH_HELP:
        amp_options_print_help();
        return 0;
    case AMP_WISH_VERSION:
        puts("ampouled " AMP_VERSION);
        return 0;
    case AMP_WISH_ROLE:
        return amp_role_run(options.role, options.workers, options.user, options.resume);
    case AMP_WISH_STARTER:
        return amp_starter_run(options.role);
    case AMP_WISH_ERROR:
        break;
    }
    return EXIT_USAGE;
}
