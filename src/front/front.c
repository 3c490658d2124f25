#include "front/front.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "front/shared.h"
#include "front/worker.h"

#define SOURCE_BYTES_LEAST ((size_t)4 << 20) /* of unfinished requests: one of the largest */

struct front {
    const struct amp_role_env *env;
    struct amp_front_shared shared;
    struct amp_front_settings settings;
    struct amp_tls *tls;
    int tls_fds[AMP_TLS_FILE_COUNT_];
    struct amp_worker *workers[AMP_CONFIG_WORKERS_MAX];
    unsigned worker_count;
    unsigned ready_workers;
    struct event_base *base;
    struct event *report_event;
    struct event *status_event;
    uint64_t told_status[3]; /* see AMP_IPC_STATUS */
    int report_fds[2];       /* see struct amp_front_shared */
    struct amp_link *control;
    int status;
};

/*
 * Of what the pool has for bodies unfinished requests get half, of that one source a quarter, and answers that nobody
 * takes a quarter: there is room left to answer.
 */
static void share_bodies(struct amp_net_limits *limits, size_t bodies, uint32_t workers)
{
    limits->max_pending_bytes = bodies / 2 / workers;
    limits->max_untaken_bytes = bodies / 4 / workers;
    limits->max_pending_bytes_per_source = bodies / 8 > SOURCE_BYTES_LEAST ? bodies / 8 : SOURCE_BYTES_LEAST;
}

/* Their form was checked when the configuration was read. */
static void take_exempt(struct amp_net_limits *limits, const struct amp_config_limits *config)
{
    _Static_assert(AMP_CONFIG_EXEMPT_MAX <= AMP_NET_EXEMPT_MAX, "each exempt network has its place");
    for (uint32_t i = 0; i < config->exempt_count; i++) {
        if (amp_address_rule_parse(&limits->exempt[limits->exempt_count], amp_slice_str(config->exempt[i])) == AMP_OK)
            limits->exempt_count++;
    }
}

static struct amp_net_limits limits_of(const struct amp_config *whole)
{
    const struct amp_config_limits *config = &whole->limits;
    struct amp_net_limits limits = {
        .handshake_ms = config->handshake_ms,
        .head_ms = config->header_ms,
        .body_ms = config->body_ms,
        .request_ms = config->request_ms,
        .write_ms = config->body_ms,
        .idle_ms = config->idle_ms,
        .max_connections = config->max_connections,
        .max_connections_per_source = config->max_connections_per_source,
        .max_connections_per_principal = config->max_connections_per_principal,
        .max_requests_per_principal = config->max_requests_per_principal,
        .startups = {config->startups.start, config->startups.rate, config->startups.full},
        .max_secret_bytes_of_strangers = amp_secret_cap() / 3 * 2,
        .penalty_min_ms = config->penalty_min_ms,
        .penalty_max_ms = config->penalty_max_ms,
    };

    share_bodies(&limits, whole->memory.bodies, whole->workers);
    take_exempt(&limits, config);
    return limits;
}

static struct amp_front_settings settings_of(const struct amp_config *config)
{
    return (struct amp_front_settings){
        .limits = limits_of(config),
        .ttl_ms = config->vault.ttl_ms,
        .ttl_max_ms = config->vault.ttl_max_ms,
        .mask_bin8 = config->mask.bin8,
    };
}

static void close_tls_files(struct front *front)
{
    int i;

    for (i = 0; i < AMP_TLS_FILE_COUNT_; i++) {
        if (front->tls_fds[i] >= 0)
            (void)close(front->tls_fds[i]);
        front->tls_fds[i] = -1;
    }
}

/* Builds the TLS side from the files at hand, which are closed in any case. */
static enum amp_err open_tls(struct front *front, struct amp_tls **out)
{
    struct amp_tls_config config = {
        .cert_fd = front->tls_fds[AMP_TLS_FILE_CERT],
        .key_fd = front->tls_fds[AMP_TLS_FILE_KEY],
        .client_ca_fd = front->tls_fds[AMP_TLS_FILE_CLIENT_CA],
    };
    enum amp_err err = amp_tls_new(out, &config);

    close_tls_files(front);
    return err;
}

static enum amp_err start_workers(struct front *front)
{
    const struct amp_role_env *env = front->env;
    enum amp_err err;
    unsigned i;

    for (i = 0; i < front->shared.worker_count; i++) {
        err = amp_worker_start(&front->workers[i], &front->shared, i, env->listen_fds + i * env->listen_per_worker,
                               env->listen_per_worker, front->tls, &front->settings);
        if (err != AMP_OK)
            return err;
        front->worker_count++;
    }
    return AMP_OK;
}

/* What must outlive this process: how far signatures were accepted, and how much is lost where it dies. */
static void tell_status(struct front *front)
{
    uint8_t storage[24];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    const struct amp_queue_engine *queues = &front->shared.queues;
    struct amp_vault_stats vault;
    struct amp_engine_stats engine = {0};
    uint64_t status[3];

    amp_vault_get_stats(front->shared.vault, &vault);
    queues->ops->stats(queues->self, &engine);
    status[0] = (uint64_t)amp_replay_horizon(front->shared.replay);
    status[1] = vault.live;
    status[2] = engine.messages;
    if (memcmp(status, front->told_status, sizeof status) == 0)
        return;
    for (size_t i = 0; i < sizeof status / sizeof status[0]; i++)
        amp_ipc_put_u64(&payload, status[i]);
    if (amp_link_send(front->control, AMP_IPC_STATUS, amp_out_done(&payload), -1) == AMP_OK)
        memcpy(front->told_status, status, sizeof status); /* else told again in a second */
}

static void on_status(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    tell_status(ctx);
}

static void drain(struct front *front)
{
    unsigned i;

    atomic_store(&front->shared.draining, true);
    for (i = 0; i < front->worker_count; i++)
        amp_worker_drain(front->workers[i]);
    for (i = 0; i < front->worker_count; i++)
        amp_worker_join(front->workers[i]);
    front->worker_count = 0;
    tell_status(front);
    front->status = EXIT_SUCCESS;
    (void)event_base_loopbreak(front->base);
}

static void reload(struct front *front, int config_fd)
{
    struct amp_config config;
    struct amp_tls *tls = NULL;
    unsigned i;

    if (front->env->config_read(&config, config_fd) != AMP_OK || open_tls(front, &tls) != AMP_OK) {
        close_tls_files(front);
        amp_log(AMP_LOG_ERROR, "the new configuration or certificate is not usable; the old one stays");
        return;
    }
    amp_log_set_level(config.log_level);
    front->settings = settings_of(&config);
    for (i = 0; i < front->worker_count; i++)
        amp_worker_reload(front->workers[i], tls, &front->settings);
    amp_tls_unref(front->tls);
    front->tls = tls;
    amp_log(AMP_LOG_INFO, "configuration reloaded");
}

static bool take_link(struct front *front, struct amp_slice payload, int fd)
{
    struct amp_ipc_in in = {.left = payload};
    unsigned peer = amp_ipc_get_u8(&in);
    unsigned index = amp_ipc_get_u8(&in);

    bool known = peer == AMP_ROLE_KEEPER || peer == AMP_ROLE_SCRIBE || (peer == AMP_ROLE_COURIER && index == 0);

    if (!amp_ipc_end(&in) || !known || index >= front->worker_count) {
        (void)close(fd);
        return false;
    }
    amp_worker_link(front->workers[index], (enum amp_role)peer, fd);
    return true;
}

static bool take_tls_file(struct front *front, struct amp_slice payload, int fd)
{
    struct amp_ipc_in in = {.left = payload};
    unsigned which = amp_ipc_get_u8(&in);

    if (!amp_ipc_end(&in) || which >= AMP_TLS_FILE_COUNT_) {
        (void)close(fd);
        return false;
    }
    if (front->tls_fds[which] >= 0)
        (void)close(front->tls_fds[which]);
    front->tls_fds[which] = fd;
    return true;
}

static bool on_control(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct front *front = ctx;

    (void)link;
    if (type == AMP_IPC_LINK)
        return take_link(front, payload, fd);
    if (type == AMP_IPC_TLS_FILE)
        return take_tls_file(front, payload, fd);
    if (type == AMP_IPC_RELOAD) {
        reload(front, fd);
        (void)close(fd);
        return true;
    }
    if (type == AMP_IPC_DRAIN) {
        drain(front);
        return true;
    }
    return false;
}

/* Without a supervisor nobody would restart anybody: end, and the volatile content with it. */
static void on_control_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct front *front = ctx;

    (void)link;
    (void)violation;
    (void)event_base_loopbreak(front->base);
}

static enum amp_err note_ready_worker(struct front *front)
{
    if (++front->ready_workers != front->worker_count)
        return AMP_OK;
    atomic_store(&front->shared.served, true);
    return amp_link_send(front->control, AMP_IPC_READY, amp_slice(NULL, 0), -1);
}

/* The supervisor ends a violator and starts it anew; it is told that we serve when the last worker can. */
static void on_report(evutil_socket_t fd, short what, void *ctx)
{
    struct front *front = ctx;
    enum amp_err err = AMP_OK;
    uint8_t role;

    (void)what;
    if (read(fd, &role, 1) != 1)
        return;
    if (role != AMP_ROLE_FRONT)
        err = amp_link_send(front->control, AMP_IPC_VIOLATION, amp_slice(&role, 1), -1);
    else
        err = note_ready_worker(front);
    if (err != AMP_OK)
        amp_log(AMP_LOG_ERROR, "the supervisor could not be told");
}

static enum amp_err open_reports(struct front *front)
{
    if (pipe2(front->report_fds, O_CLOEXEC) != 0)
        return AMP_ERR_IO;
    front->shared.report_fd = front->report_fds[1];
    front->report_event = event_new(front->base, front->report_fds[0], EV_READ | EV_PERSIST, on_report, front);
    if (front->report_event == NULL || event_add(front->report_event, NULL) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    return AMP_OK;
}

static enum amp_err open_status(struct front *front)
{
    static const struct timeval second = {1, 0};

    front->status_event = event_new(front->base, -1, EV_PERSIST, on_status, front);
    if (front->status_event == NULL || event_add(front->status_event, &second) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    return AMP_OK;
}

static enum amp_err open_front(struct front *front)
{
    struct amp_link_config control = {
        .self = AMP_ROLE_FRONT,
        .peer = AMP_ROLE_SUPERVISOR,
        .ctx = front,
        .message = on_control,
        .closed = on_control_closed,
    };
    enum amp_err err;

    front->base = event_base_new();
    if (front->base == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    control.base = front->base;
    err = open_tls(front, &front->tls);
    if (err != AMP_OK) {
        amp_log(AMP_LOG_ERROR, "the TLS certificate or key cannot be used");
        return err;
    }
    err = amp_front_open_shared(&front->shared, front->env->config, amp_clock_system());
    if (err == AMP_OK) {
        amp_replay_close(front->shared.replay, front->env->replay_closed_s);
        err = open_reports(front);
    }
    if (err == AMP_OK)
        err = start_workers(front);
    if (err == AMP_OK)
        err = amp_link_new(&front->control, &control, front->env->control_fd);
    return err == AMP_OK ? open_status(front) : err;
}

int amp_front_main(const struct amp_role_env *env)
{
    struct front front = {.env = env, .settings = settings_of(env->config), .status = EXIT_FAILURE};
    enum amp_err err;
    int i;

    for (i = 0; i < AMP_TLS_FILE_COUNT_; i++)
        front.tls_fds[i] = env->tls_fds[i];
    err = open_front(&front);
    if (err != AMP_OK) {
        amp_log_text(AMP_LOG_ERROR, "front cannot start", "code", amp_err_code(err));
        return EXIT_FAILURE; /* the process ends here, and its memory with it */
    }
    amp_role_serve(front.base);
    if (front.status != EXIT_SUCCESS)
        return EXIT_FAILURE; /* workers still run: exit is what stops them */
    amp_link_free(front.control);
    event_free(front.report_event);
    event_free(front.status_event);
    (void)close(front.report_fds[0]);
    (void)close(front.report_fds[1]);
    amp_tls_unref(front.tls);
    amp_front_close_shared(&front.shared);
    event_base_free(front.base);
    return EXIT_SUCCESS;
}
