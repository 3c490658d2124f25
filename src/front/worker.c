#include "front/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "front/internal.h"

#define TICK_MS 50
/* While draining: what is pushed may take so long. */
#define PUSH_DRAIN_MS 5000

enum mail_kind { MAIL_LINK, MAIL_RELOAD, MAIL_DRAIN };

/* What the main thread tells a worker. */
struct mail {
    enum mail_kind kind;
    enum amp_role peer;
    int fd;
    struct amp_tls *tls; /* a reference of its own */
    struct amp_front_settings settings;
};
_Static_assert(sizeof(struct mail) <= PIPE_BUF, "a pipe carries it whole");

static void send_mail(struct amp_worker *worker, const struct mail *mail)
{
    ssize_t sent;

    do
        sent = write(worker->mail_fds[1], mail, sizeof *mail);
    while (sent < 0 && errno == EINTR);
    if (sent != (ssize_t)sizeof *mail)
        amp_fatal("a worker's mailbox is broken");
}

void amp_worker_link(struct amp_worker *worker, enum amp_role peer, int fd)
{
    send_mail(worker, &(struct mail){.kind = MAIL_LINK, .peer = peer, .fd = fd});
}

void amp_worker_reload(struct amp_worker *worker, struct amp_tls *tls, const struct amp_front_settings *settings)
{
    send_mail(worker, &(struct mail){.kind = MAIL_RELOAD, .fd = -1, .tls = amp_tls_ref(tls), .settings = *settings});
}

void amp_worker_drain(struct amp_worker *worker)
{
    send_mail(worker, &(struct mail){.kind = MAIL_DRAIN, .fd = -1});
}

static enum amp_err make_api(struct amp_worker *worker)
{
    struct amp_front_shared *shared = worker->shared;
    struct amp_api_config config = {
        .clock = shared->clock,
        .vault = shared->vault,
        .queues = shared->queues,
        .subscribers = shared->subscribers,
        .epochs = shared->epochs,
        .token_keys = shared->token_keys,
        .idempotency = shared->idempotency,
        .ttl_ms = worker->settings.ttl_ms,
        .ttl_max_ms = worker->settings.ttl_max_ms,
        .mask_bin8 = worker->settings.mask_bin8,
        .ctx = worker,
        .record = amp_front_record,
        .readiness = amp_front_readiness,
        .ask = amp_front_ask,
        .counts = amp_front_counts,
    };
    return amp_api_new(&worker->api, &config);
}

/* Calls that wait are gone on with by the new one. */
static enum amp_err replace_api(struct amp_worker *worker)
{
    struct amp_api *old = worker->api;
    enum amp_err err = make_api(worker);

    if (err == AMP_OK)
        amp_api_free(old);
    else
        worker->api = old;
    return err;
}

static bool nobody_waits(const struct amp_worker *worker)
{
    return LIST_EMPTY(&worker->polls) && LIST_EMPTY(&worker->asking);
}

static void reload(struct amp_worker *worker, struct mail *mail)
{
    worker->settings = mail->settings;
    amp_net_reload(worker->net, mail->tls, &worker->settings.limits);
    if (replace_api(worker) != AMP_OK)
        amp_log(AMP_LOG_ERROR, "no memory for the new settings; the old ones stay");
    amp_tls_unref(mail->tls);
}

static void drain(struct amp_worker *worker)
{
    worker->draining = true;
    worker->push_until_mono_ms = amp_clock_mono_ms(&worker->shared->clock) + PUSH_DRAIN_MS;
    amp_front_end_polls(worker, NULL);
    amp_net_drain(worker->net);
}

static void on_mail(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_worker *worker = ctx;
    struct mail mail;

    (void)what;
    amp_net_work_for(worker->net, NULL);
    while (read(fd, &mail, sizeof mail) == (ssize_t)sizeof mail) {
        if (mail.kind == MAIL_DRAIN)
            drain(worker);
        else if (mail.kind == MAIL_RELOAD)
            reload(worker, &mail);
        else if (mail.peer == AMP_ROLE_KEEPER)
            amp_front_attach_keeper(worker, mail.fd);
        else if (mail.peer == AMP_ROLE_COURIER)
            amp_front_attach_courier(worker, mail.fd);
        else
            amp_recorder_attach(worker->recorder, AMP_ROLE_FRONT, mail.fd);
    }
}

/* The count is read before what it stands for: who leaves word behind that rings again. */
static void on_bell(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_worker *worker = ctx;
    uint64_t rung;

    (void)what;
    amp_net_work_for(worker->net, NULL);
    if (read(fd, &rung, sizeof rung) != (ssize_t)sizeof rung)
        return;
    amp_front_wake_up(worker);
    amp_front_read_mail(worker);
}

void amp_front_ring(struct amp_worker *worker)
{
    static const uint64_t once = 1;

    if (write(worker->bell_fd, &once, sizeof once) != (ssize_t)sizeof once)
        amp_fatal("a worker does not hear its bell");
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_worker *worker = ctx;

    (void)fd;
    (void)what;
    amp_net_work_for(worker->net, NULL);
    amp_front_tick(worker);
}

/* Worker 0 ends behind the others: what they sent last is pushed yet. */
static bool others_ended(const struct amp_worker *worker)
{
    return worker->number != 0 || atomic_load(&worker->shared->running) == 0;
}

static bool finished(struct amp_worker *worker)
{
    return worker->draining && amp_net_connections(worker->net) == 0 && STAILQ_EMPTY(&worker->gated) &&
           STAILQ_EMPTY(&worker->waiting) && nobody_waits(worker) && others_ended(worker) &&
           amp_front_pushed_out(worker) && amp_front_all_told(worker) && amp_recorder_idle(worker->recorder);
}

static void tell_main(struct amp_worker *worker, enum amp_role role)
{
    uint8_t byte = (uint8_t)role;

    if (write(worker->shared->report_fd, &byte, 1) != 1)
        amp_fatal("the main thread does not hear its workers");
}

/*
 * Once log, keeper, an epoch key and the list of subscriptions are at hand: nobody is told that we serve before
 * requests would be answered.
 */
static void tell_ready(struct amp_worker *worker)
{
    if (worker->told_ready || worker->keeper == NULL || !amp_recorder_ready(worker->recorder) ||
        amp_epochs_count(worker->shared->epochs) == 0 || !amp_subscribers_known(worker->shared->subscribers))
        return;
    worker->told_ready = true;
    tell_main(worker, AMP_ROLE_FRONT);
}

static void push(struct amp_worker *worker)
{
    if (worker->push == NULL)
        return;
    atomic_store(&worker->shared->pusher_rung, false);
    worker->push_more = amp_push_go(worker->push);
}

static void *run(void *ctx)
{
    struct amp_worker *worker = ctx;

    amp_crypto_work_in_turns();
    while (!finished(worker)) {
        bool more = worker->sweep_more || worker->push_more || worker->net_more;

        if (event_base_loop(worker->base, EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0)) < 0)
            amp_fatal("the event loop failed");
        if (worker->sweep_more)
            amp_front_sweep(worker);
        worker->net_more = amp_net_turn(worker->net);
        push(worker);
        /* Once per turn: all that this turn recorded leaves in one message. */
        amp_recorder_flush(worker->recorder);
        amp_crypto_rest();
        amp_wipe_stack_of_turn(); /* of TLS and of all that read or wrote for it */
        amp_front_tell_connections(worker);
        tell_ready(worker);
    }
    amp_front_detach_keeper(worker); /* and another may ask it for epoch keys */
    amp_crypto_thread_fini();
    amp_wipe_stack_of_turn(); /* it outlives the thread, for the next one */
    if (worker->number != 0)
        atomic_fetch_sub(&worker->shared->running, 1); /* last: worker 0 may end now, and be freed */
    return NULL;
}

static void close_all(const int *fds, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        (void)close(fds[i]);
}

static enum amp_err open_net(struct amp_worker *worker, const int *listen_fds, size_t count, struct amp_tls *tls)
{
    struct amp_net_handler handler = amp_front_handler(worker);
    enum amp_err err = amp_net_new(&worker->net, worker->shared->commons, worker->base, worker->shared->clock, tls,
                                   &worker->settings.limits, &handler);
    size_t taken = 0;

    while (err == AMP_OK && taken < count)
        err = amp_net_listen(worker->net, listen_fds[taken++]);
    close_all(listen_fds + taken, count - taken);
    return err;
}

void amp_front_report(struct amp_worker *worker, enum amp_role violator)
{
    amp_log_text(AMP_LOG_ERROR, "a role broke the table of messages; its link is cut", "role", amp_role_name(violator));
    tell_main(worker, violator);
}

static void on_scribe_violation(void *ctx)
{
    amp_front_report(ctx, AMP_ROLE_SCRIBE);
}

static enum amp_err open_events(struct amp_worker *worker)
{
    struct timeval tick = {.tv_usec = TICK_MS * 1000};
    struct event_config *config = event_config_new();

    if (config == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    if (pipe2(worker->mail_fds, O_CLOEXEC) != 0)
        return AMP_ERR_IO;
    if (fcntl(worker->mail_fds[0], F_SETFL, O_NONBLOCK) != 0)
        return AMP_ERR_IO;
    worker->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->bell_fd < 0)
        return AMP_ERR_IO;
    worker->bell_event = event_new(worker->base, worker->bell_fd, EV_READ | EV_PERSIST, on_bell, worker);
    worker->mail_event = event_new(worker->base, worker->mail_fds[0], EV_READ | EV_PERSIST, on_mail, worker);
    worker->tick_event = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
    if (worker->bell_event == NULL || worker->mail_event == NULL || worker->tick_event == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    if (event_add(worker->bell_event, NULL) != 0 || event_add(worker->mail_event, NULL) != 0 ||
        event_add(worker->tick_event, &tick) != 0)
        return AMP_ERR_IO;
    return AMP_OK;
}

static enum amp_err open_auth(struct amp_worker *worker)
{
    struct amp_auth_config config = {
        .clock = worker->shared->clock,
        .skew_s = worker->shared->skew_s,
        .replay = worker->shared->replay,
        .rate = worker->shared->rate,
        .ctx = worker,
        .ask = amp_front_ask_keeper,
    };
    return amp_auth_new(&worker->auth, &config);
}

static void worker_free(struct amp_worker *worker)
{
    if (worker == NULL)
        return;
    amp_api_response_fini(&worker->refusal);
    amp_net_free(worker->net);
    amp_link_free(worker->keeper);
    amp_recorder_free(worker->recorder);
    amp_discards_free(worker->discards);
    amp_auth_free(worker->auth);
    amp_push_free(worker->push);
    amp_front_burn_mail(worker);
    amp_api_free(worker->api);
    if (worker->bell_event != NULL)
        event_free(worker->bell_event);
    if (worker->bell_fd >= 0)
        (void)close(worker->bell_fd);
    if (worker->mail_event != NULL)
        event_free(worker->mail_event);
    if (worker->tick_event != NULL)
        event_free(worker->tick_event);
    if (worker->mail_fds[0] >= 0)
        (void)close(worker->mail_fds[0]);
    if (worker->mail_fds[1] >= 0)
        (void)close(worker->mail_fds[1]);
    if (worker->base != NULL)
        event_base_free(worker->base);
    free(worker);
}

/* All but the network. */
static enum amp_err open_parts(struct amp_worker *worker)
{
    enum amp_err err = open_events(worker);

    if (err == AMP_OK)
        err = amp_discards_new(&worker->discards, worker->shared->clock);
    if (err == AMP_OK)
        err = amp_recorder_new(&worker->recorder, worker->base, amp_front_durable, worker);
    if (err != AMP_OK)
        return err;
    amp_recorder_on_violation(worker->recorder, on_scribe_violation, worker);
    err = open_auth(worker);
    if (err == AMP_OK)
        err = make_api(worker);
    if (err == AMP_OK && worker->number == 0)
        err = amp_front_open_push(worker);
    return err;
}

static enum amp_err start_thread(struct amp_worker *worker)
{
    struct amp_front_shared *shared = worker->shared;

    if (worker->number == 0)
        atomic_store(&shared->pusher, worker);
    else
        atomic_fetch_add(&shared->running, 1);
    return pthread_create(&worker->thread, NULL, run, worker) == 0 ? AMP_OK : AMP_ERR_IO;
}

enum amp_err amp_worker_start(struct amp_worker **out, struct amp_front_shared *shared, unsigned number,
                              const int *listen_fds, size_t listen_count, struct amp_tls *tls,
                              const struct amp_front_settings *settings)
{
    struct amp_worker *worker = calloc(1, sizeof *worker);
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;

    *out = NULL;
    if (worker == NULL)
        goto out;
    worker->shared = shared;
    worker->number = number;
    worker->settings = *settings;
    worker->mail_fds[0] = worker->mail_fds[1] = worker->bell_fd = -1;
    STAILQ_INIT(&worker->waiting);
    STAILQ_INIT(&worker->gated);
    amp_wheel_init(&worker->due, amp_clock_mono_ms(&shared->clock));
    err = open_parts(worker);
    if (err != AMP_OK)
        goto out;
    err = open_net(worker, listen_fds, listen_count, tls);
    listen_count = 0; /* taken */
    if (err == AMP_OK)
        err = start_thread(worker);
    if (err == AMP_OK)
        *out = worker;
out:
    close_all(listen_fds, listen_count);
    if (err != AMP_OK)
        worker_free(worker);
    return err;
}

void amp_worker_join(struct amp_worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
    worker_free(worker);
}
