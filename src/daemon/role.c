/*
 * A role finds its descriptors at fixed numbers: 3 control link, 4 configuration, 5 state directory, 6 to 8 the files
 * of TLS, 9 the roots for push, 10 an empty directory, from 11 on the listening sockets. What it is not given is
 * closed. Arguments and environment hold no secret.
 */
#include "daemon/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "courier/courier.h"
#include "crypto/crypto.h"
#include "daemon/config.h"
#include "front/front.h"
#include "keeper/keeper.h"
#include "scribe/scribe.h"

enum { FD_CONTROL = 3, FD_CONFIG, FD_STATE, FD_TLS, FD_PUSH_CA = FD_TLS + AMP_TLS_FILE_COUNT_, FD_EMPTY, FD_LISTEN };
enum { KEEPER_POOL = 48 << 20, SCRIBE_POOL = 16 << 20 };
enum { USER_TEXT_MAX = 48, WORKERS_TEXT_MAX = 12 }; /* "UID:GID", a number; each with its NUL */

static const struct role {
    enum amp_role role;
    const char *name;
    const char *title;
    const char *comm; /* at most 15 characters */
    int (*main)(const struct amp_role_env *env);
} roles[] = {
    {AMP_ROLE_FRONT, "front", "ampouled: front", "ampoule-front", amp_front_main},
    {AMP_ROLE_KEEPER, "keeper", "ampouled: keeper", "ampoule-keeper", amp_keeper_main},
    {AMP_ROLE_SCRIBE, "scribe", "ampouled: scribe", "ampoule-scribe", amp_scribe_main},
    {AMP_ROLE_COURIER, "courier", "ampouled: courier", "ampoule-courier", amp_courier_main},
};

static const struct role *find_role(enum amp_role role)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (roles[i].role == role)
            return &roles[i];
    }
    amp_fatal("no such role");
}

bool amp_role_parse(const char *name, enum amp_role *role)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(roles[i].name, name) == 0) {
            *role = roles[i].role;
            return true;
        }
    }
    return false;
}

/* In the child: puts each source at its number, by way of numbers that none of them has. */
static bool place_fds(const int *sources, size_t count)
{
    int high[FD_LISTEN + AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX];
    int above = FD_CONTROL + (int)count;
    for (size_t i = 0; i < count; i++) {
        high[i] = sources[i] >= 0 ? fcntl(sources[i], F_DUPFD_CLOEXEC, above) : -1;
        if (sources[i] >= 0 && high[i] < 0)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        int number = FD_CONTROL + (int)i;
        if (high[i] < 0)
            close(number);
        else if (dup2(high[i], number) < 0)
            return false;
    }
    return close_range((unsigned)above, ~0u, 0) == 0;
}

/*
 * Only what OpenSSL, the loader and the sanitizers read: nothing else that lies in the environment is passed on. A
 * library that binds its functions as they are first called saves the vector registers on the stack to do so, and with
 * them what memcpy of a key left there: all are bound before there is one (ld.so(8)).
 */
static char **role_environment(void)
{
    static char bind_now[] = "LD_BIND_NOW=1";
    static char *kept[16] = {bind_now};
    static const char *const names[] = {"OPENSSL_CONF=",  "OPENSSL_MODULES=", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
                                        "UBSAN_OPTIONS=", "LSAN_OPTIONS=",    "TSAN_OPTIONS=",    "LLVM_PROFILE_FILE="};
    size_t count = 1;
    for (char **variable = environ; *variable != NULL && count + 1 < sizeof(kept) / sizeof(kept[0]); variable++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strncmp(*variable, names[i], strlen(names[i])) == 0)
                kept[count++] = *variable;
        }
    }
    kept[count] = NULL;
    return kept;
}

static void no_stdio(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        _exit(1);
    close(null);
}

/* All are blocked, from the supervisor on (amp_secret_harden_process); these would do nothing even if they were not. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN); /* execve keeps it */
}

static void put_argument(char **arguments, size_t *count, const char *option, const char *value)
{
    arguments[(*count)++] = (char *)(uintptr_t)option;
    arguments[(*count)++] = (char *)(uintptr_t)value;
}

static const char *user_text(char text[USER_TEXT_MAX], const struct amp_sandbox_user *user)
{
    struct amp_out out = amp_out(text, USER_TEXT_MAX - 1);
    amp_out_u64(&out, user->uid);
    amp_out_byte(&out, ':');
    amp_out_u64(&out, user->gid);
    text[out.len] = '\0';
    return text;
}

static _Noreturn void become(const struct role *role, const struct amp_role_fds *fds, const int *sources, size_t count,
                             int binary, pid_t parent)
{
    char user[USER_TEXT_MAX], workers[WORKERS_TEXT_MAX] = "";
    struct amp_out workers_text = amp_out(workers, sizeof(workers) - 1);
    char *arguments[10] = {(char *)(uintptr_t)role->title};
    size_t argument_count = 1;
    amp_out_u64(&workers_text, fds->workers);
    put_argument(arguments, &argument_count, "--role", role->name);
    put_argument(arguments, &argument_count, "--workers", workers);
    if (fds->user != NULL)
        put_argument(arguments, &argument_count, "--user", user_text(user, fds->user));
    if (fds->resume != NULL)
        put_argument(arguments, &argument_count, "--resume", fds->resume);
    int high_binary = FD_CONTROL + (int)count;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent)
        _exit(1);
    ignore_signals();
    no_stdio();
    umask(077);
    /* The binary's descriptor takes the number behind the last, and closes as the new program starts. */
    int sources_and_binary[FD_LISTEN + AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX];
    memcpy(sources_and_binary, sources, count * sizeof(*sources));
    sources_and_binary[count] = binary;
    if (chdir("/") != 0 || !place_fds(sources_and_binary, count + 1) || fcntl(high_binary, F_SETFD, FD_CLOEXEC) != 0)
        _exit(1);
    execveat(high_binary, "", arguments, role_environment(), AT_EMPTY_PATH);
    _exit(1);
}

int amp_role_binary(void)
{
    static int fd = -1;
    if (fd < 0)
        fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    return fd;
}

enum amp_err amp_role_spawn(enum amp_role role, const struct amp_role_fds *fds, pid_t *pid)
{
    int sources[FD_LISTEN + AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX];
    size_t count = 0;
    const struct role *chosen = find_role(role);
    if (fds->binary < 0)
        return AMP_ERR_IO;
    sources[count++] = fds->control;
    sources[count++] = fds->config;
    sources[count++] = fds->state;
    for (size_t i = 0; i < AMP_TLS_FILE_COUNT_; i++)
        sources[count++] = fds->tls[i];
    sources[count++] = fds->push_ca;
    sources[count++] = fds->empty;
    for (size_t i = 0; fds->listen != NULL && i < fds->listen->count; i++)
        sources[count++] = fds->listen->fds[i];
    pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0)
        become(chosen, fds, sources, count, fds->binary, parent);
    return *pid > 0 ? AMP_OK : AMP_ERR_IO;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void close_on_exec(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* From the numbers to the environment of role.h. */
static void find_fds(const struct role *role, struct amp_role_env *env, int *listen_fds)
{
    bool front = role->role == AMP_ROLE_FRONT;
    env->control_fd = FD_CONTROL;
    env->state_fd = role->role == AMP_ROLE_KEEPER || role->role == AMP_ROLE_SCRIBE ? FD_STATE : -1;
    env->kek_fd = -1;
    env->push_ca_fd = role->role == AMP_ROLE_COURIER && is_open(FD_PUSH_CA) ? FD_PUSH_CA : -1;
    for (int i = 0; i < AMP_TLS_FILE_COUNT_; i++)
        env->tls_fds[i] = front && is_open(FD_TLS + i) ? FD_TLS + i : -1;
    env->listen_per_worker = front ? env->config->listen.address_count : 0;
    env->listen_fds = listen_fds;
    size_t count = env->listen_per_worker * env->config->workers;
    for (size_t i = 0; i < count; i++)
        listen_fds[i] = FD_LISTEN + (int)i;
    for (int fd = FD_CONTROL; fd < FD_LISTEN + (int)count; fd++)
        close_on_exec(fd);
}

/* The last that this process does with the rights that it was started with. */
static enum amp_err confine(const struct role *role, const struct amp_sandbox_user *user, struct amp_role_env *env)
{
    const struct amp_config *config = env->config;
    const struct amp_sandbox sandbox = {.role = role->role,
                                        .user = user,
                                        .dir_fd = env->state_fd,
                                        .empty_fd = is_open(FD_EMPTY) ? FD_EMPTY : -1,
                                        .required = config->sandbox.required && !config->dev,
                                        .dev = config->dev};
    enum amp_err err = amp_role_prepare(role->role, env);
    if (err == AMP_OK)
        err = amp_sandbox_enter(&sandbox);
    close(FD_EMPTY);
    return err;
}

/* Of secret memory, at most. */
static size_t pool_bytes(enum amp_role role, const struct amp_config *config)
{
    switch (role) {
    case AMP_ROLE_FRONT:
        return config->memory.front_pool;
    case AMP_ROLE_COURIER:
        return config->memory.courier_pool;
    case AMP_ROLE_KEEPER:
        return KEEPER_POOL;
    case AMP_ROLE_SCRIBE:
        return SCRIBE_POOL;
    case AMP_ROLE_SUPERVISOR:
    case AMP_ROLE_ADMIN:
    case AMP_ROLE_COUNT_:
        break;
    }
    return 0;
}

static enum amp_err begin(const struct role *role, const struct amp_sandbox_user *user, struct amp_role_env *env)
{
    const struct amp_config *config = env->config;
    enum amp_err err = amp_secret_harden_process(!config->dev);
    if (err == AMP_OK)
        err = amp_secret_init(pool_bytes(role->role, config), !config->dev);
    if (err == AMP_OK && !config->dev && amp_secret_state() != AMP_SECRET_MEMFD)
        amp_log_text(AMP_LOG_WARN, "the kernel gives no memory that it cannot read itself: memfd_secret(2)", "memory",
                     amp_secret_lock_name(amp_secret_state()));
    if (err == AMP_OK)
        err = amp_crypto_use_pool();
    if (err == AMP_OK)
        err = amp_crypto_init();
    if (err == AMP_OK)
        err = confine(role, user, env);
    if (err != AMP_OK)
        amp_log_text(AMP_LOG_ERROR, "the role cannot start", "code", amp_err_code(err));
    return err;
}

/* "901:901"; NULL leaves `user` NULL. */
static bool take_user(const char *text, struct amp_sandbox_user *storage, const struct amp_sandbox_user **user)
{
    uint64_t uid = 0;
    uint64_t gid = 0;
    const char *colon = text != NULL ? strchr(text, ':') : NULL;
    *user = colon != NULL ? storage : NULL;
    if (colon == NULL)
        return text == NULL;
    if (amp_u64_parse(&uid, amp_slice(text, (size_t)(colon - text)), INT32_MAX) != AMP_OK ||
        amp_u64_parse(&gid, amp_slice_str(colon + 1), INT32_MAX) != AMP_OK)
        return false;
    *storage = (struct amp_sandbox_user){(uid_t)uid, (gid_t)gid};
    return true;
}

/* "17:9b7e...": a record's number and its hash. */
static bool take_log_end(const char *resume, struct amp_role_env *env)
{
    const char *colon = strchr(resume, ':');
    return colon != NULL &&
           amp_u64_parse(&env->log_seq, amp_slice(resume, (size_t)(colon - resume)), UINT64_MAX - 1) == AMP_OK &&
           amp_hex_decode(env->log_hash, sizeof(env->log_hash), amp_slice_str(colon + 1)) == AMP_OK;
}

/* From --resume to the environment of role.h. */
static bool take_resume(enum amp_role role, const char *resume, struct amp_role_env *env)
{
    uint64_t second = 0;
    if (resume == NULL)
        return true;
    if (role == AMP_ROLE_SCRIBE)
        return take_log_end(resume, env);
    if (role != AMP_ROLE_FRONT || amp_u64_parse(&second, amp_slice_str(resume), INT64_MAX) != AMP_OK)
        return false;
    env->replay_closed_s = (int64_t)second;
    return true;
}

int amp_role_run(const char *name, uint32_t workers, const char *user_words, const char *resume)
{
    static struct amp_config config;
    static int listen_fds[AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX];
    struct amp_role_env env = {.config = &config, .config_read = amp_config_read};
    struct amp_sandbox_user storage;
    const struct amp_sandbox_user *user;
    enum amp_role which;
    if (!amp_role_parse(name, &which) || !take_user(user_words, &storage, &user) || !take_resume(which, resume, &env))
        return 2;
    const struct role *role = find_role(which);
    amp_log_init(role->name, AMP_LOG_INFO);
    prctl(PR_SET_NAME, role->comm, 0, 0, 0);
    amp_config_set_default_workers(workers);
    if (which == AMP_ROLE_FRONT)
        amp_config_mind_open_files();
    if (workers == 0 || amp_config_read(&config, FD_CONFIG) != AMP_OK) {
        amp_log(AMP_LOG_ERROR, "a role is started by the supervisor alone, and with limits like its own");
        return 1;
    }
    close(FD_CONFIG);
    amp_log_init(role->name, config.log_level);
    find_fds(role, &env, listen_fds);
    if (begin(role, user, &env) != AMP_OK)
        return 1;
    int status = role->main(&env);
    if (status != EXIT_SUCCESS)
        _exit(status); /* threads may run on: their memory goes with the process */
    amp_crypto_fini();
    amp_secret_fini();
    return status;
}
