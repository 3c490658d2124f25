/* SIGHUP: the configuration and the files of TLS are read again. What is not good changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/config.h"
#include "daemon/supervisor.h"

static void on_complaint(void *ctx, const char *text)
{
    amp_log_text(AMP_LOG_ERROR, "the configuration was not taken over", "reason", text);
}

static bool is_same_memory(const struct amp_config *now, const struct amp_config *next)
{
    return now->memory.cap == next->memory.cap && now->vault.memory_max == next->vault.memory_max &&
           now->auth.replay_max == next->auth.replay_max && now->limits.max_connections == next->limits.max_connections;
}

static bool is_same_queue(const struct amp_config *now, const struct amp_config *next)
{
    bool same = now->queue.engine == next->queue.engine && now->queue.memory_max == next->queue.memory_max &&
                now->queue.max_queues == next->queue.max_queues && now->queue.name_count == next->queue.name_count;
    for (uint32_t i = 0; same && i < now->queue.name_count; i++)
        same = strcmp(now->queue.names[i], next->queue.names[i]) == 0;
    return same;
}

static bool is_same_push(const struct amp_config *now, const struct amp_config *next)
{
    bool same = strcmp(now->push.ca, next->push.ca) == 0 && now->push.connect_ms == next->push.connect_ms &&
                now->push.timeout_ms == next->push.timeout_ms &&
                now->push.disable_after_ms == next->push.disable_after_ms &&
                now->push.concurrency == next->push.concurrency && now->push.allow_count == next->push.allow_count;
    for (uint32_t i = 0; same && i < now->push.allow_count; i++)
        same = strcmp(now->push.allow[i], next->push.allow[i]) == 0;
    return same;
}

static bool is_same_sandbox(const struct amp_config *now, const struct amp_config *next)
{
    return now->sandbox.separate == next->sandbox.separate && now->sandbox.required == next->sandbox.required &&
           strcmp(now->sandbox.front, next->sandbox.front) == 0 &&
           strcmp(now->sandbox.keeper, next->sandbox.keeper) == 0 &&
           strcmp(now->sandbox.scribe, next->sandbox.scribe) == 0 &&
           strcmp(now->sandbox.courier, next->sandbox.courier) == 0;
}

/* What only a restart can change must be as it was. */
static bool is_compatible(const struct amp_config *now, const struct amp_config *next)
{
    bool same = now->workers == next->workers && strcmp(now->state, next->state) == 0 &&
                now->listen.backlog == next->listen.backlog && now->dev == next->dev &&
                now->listen.address_count == next->listen.address_count && now->keys.provider == next->keys.provider &&
                strcmp(now->keys.file, next->keys.file) == 0 && now->keys.forget_after_ms == next->keys.forget_after_ms;
    for (uint32_t i = 0; same && i < now->listen.address_count; i++)
        same = strcmp(now->listen.address[i], next->listen.address[i]) == 0;
    same = same && is_same_memory(now, next) && is_same_queue(now, next) && is_same_push(now, next) &&
           is_same_sandbox(now, next);
    if (!same)
        on_complaint(NULL,
                     "workers, state, keys, queue, push, sandbox, listen.addresses, listen.backlog, and the shares of "
                     "memory_max change by a restart alone");
    return same;
}

static enum amp_err read_file(const char *path, uint8_t *text, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        amp_log_errno(AMP_LOG_ERROR, "the configuration cannot be read", errno);
        return AMP_ERR_IO;
    }
    enum amp_err err = amp_config_load(fd, text, len);
    close(fd);
    return err;
}

static enum amp_err renew_tls_files(struct amp_supervisor *supervisor, const struct amp_config *config)
{
    struct amp_tls_files files;
    enum amp_err err = amp_tls_files_load(&files, config);
    if (err != AMP_OK)
        return err;
    amp_tls_files_close(&supervisor->tls);
    supervisor->tls = files;
    return AMP_OK;
}

/* In development mode the text is as it was: the files of TLS may have changed. */
static enum amp_err read_again(struct amp_supervisor *supervisor)
{
    static uint8_t text[AMP_CONFIG_TEXT_MAX];
    static struct amp_config next;
    static const struct amp_config_critic critic = {on_complaint, NULL};
    size_t len;
    if (supervisor->options->dev)
        return renew_tls_files(supervisor, &supervisor->config);
    enum amp_err err = read_file(supervisor->options->config, text, &len);
    if (err == AMP_OK)
        err = amp_config_parse(&next, amp_slice(text, len), &critic);
    if (err == AMP_OK && !is_compatible(&supervisor->config, &next))
        err = AMP_ERR_INVALID;
    if (err == AMP_OK)
        err = renew_tls_files(supervisor, &next);
    if (err != AMP_OK)
        return err;
    supervisor->config = next;
    memcpy(supervisor->text, text, len);
    supervisor->text_len = len;
    return AMP_OK;
}

static void send_tls_files(struct amp_supervisor *supervisor)
{
    amp_tls_files_rewind(&supervisor->tls);
    for (size_t i = 0; i < AMP_TLS_FILE_COUNT_; i++) {
        const uint8_t file = (uint8_t)i;
        if (supervisor->tls.fds[i] >= 0)
            amp_child_send(&supervisor->children[AMP_CHILD_FRONT], AMP_IPC_TLS_FILE, amp_slice(&file, 1),
                           supervisor->tls.fds[i]);
    }
}

static enum amp_err tell_roles(struct amp_supervisor *supervisor)
{
    send_tls_files(supervisor);
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        int fd = amp_memfd_sealed("ampoule-config", amp_slice(supervisor->text, supervisor->text_len));
        if (fd < 0)
            return AMP_ERR_IO;
        amp_child_send(&supervisor->children[i], AMP_IPC_RELOAD, amp_slice(NULL, 0), fd);
        close(fd);
    }
    return AMP_OK;
}

void amp_supervisor_reload(struct amp_supervisor *supervisor)
{
    enum amp_err err = read_again(supervisor);
    if (err == AMP_OK)
        err = tell_roles(supervisor);
    if (err == AMP_OK) {
        amp_log_set_level(supervisor->config.log_level);
        amp_log(AMP_LOG_INFO, "the configuration was read again");
    }
    amp_supervisor_record(supervisor, AMP_ACT_CONFIG_RELOAD, err == AMP_OK ? AMP_OUTCOME_SUCCESS : AMP_OUTCOME_REFUSED,
                          err, "supervisor", "");
}
