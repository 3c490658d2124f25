/*
 * Development mode: what production asks of its operator is made up here. The first principal comes into being the way
 * every other does, by the supervisor asking the keeper as an admin client.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "crypto/selfsigned.h"
#include "daemon/supervisor.h"

enum { CERT_DAYS = 30, DAY_S = 24 * 3600, PEM_MAX = 16384, RETRY_MS = 50 };

static const char env_file[] = "dev.env";

struct amp_dev {
    struct amp_supervisor *supervisor;
    struct amp_link *keeper; /* as an admin client */
    struct event *retry;
    bool done;
};

/* A small file of the state directory; an empty slice where it cannot be read. */
static struct amp_slice read_small(const struct amp_state *state, const char *name, uint8_t *storage)
{
    int fd = openat(state->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, storage, PEM_MAX) : -1;
    if (fd >= 0)
        close(fd);
    return amp_slice(storage, n > 0 ? (size_t)n : 0);
}

static bool kept_certificate_serves(const struct amp_state *state, int64_t now_s)
{
    uint8_t *key = amp_secret_alloc(PEM_MAX);
    uint8_t *cert = amp_secret_alloc(PEM_MAX);
    bool serves = key != NULL && cert != NULL &&
                  amp_selfsigned_serves(read_small(state, "tls.key", key), read_small(state, "tls.crt", cert), now_s,
                                        now_s + DAY_S);
    amp_secret_free(key);
    amp_secret_free(cert);
    return serves;
}

static enum amp_err make_certificate(const struct amp_state *state, int64_t now_s)
{
    struct amp_secret_buf key = {0};
    struct amp_secret_buf cert = {0};
    enum amp_err err = amp_selfsigned_make(now_s, CERT_DAYS, &key, &cert);
    if (err == AMP_OK)
        err = amp_state_write(state, "tls.key", amp_slice(key.ptr, key.len));
    if (err == AMP_OK)
        err = amp_state_write(state, "tls.crt", amp_slice(cert.ptr, cert.len));
    amp_secret_buf_free(&key);
    amp_secret_buf_free(&cert);
    return err;
}

enum amp_err amp_dev_prepare(const struct amp_state *state)
{
    struct amp_clock clock = amp_clock_system();
    int64_t now_s = amp_clock_unix_ms(&clock) / 1000;
    if (unlinkat(state->dir_fd, env_file, 0) != 0 && errno != ENOENT)
        return AMP_ERR_IO;
    return kept_certificate_serves(state, now_s) ? AMP_OK : make_certificate(state, now_s);
}

void amp_dev_banner(const char *address)
{
    static const char banner[] = "\n"
                                 "  ****************************************************************\n"
                                 "  *  DEVELOPMENT MODE - NOT FOR CARD DATA OF REAL PEOPLE         *\n"
                                 "  *  loopback only, self-signed certificate, keys die with it    *\n"
                                 "  ****************************************************************\n"
                                 "\n";
    if (write(STDERR_FILENO, banner, sizeof(banner) - 1) < 0)
        return;
    if (amp_secret_state() == AMP_SECRET_UNLOCKED)
        amp_log(AMP_LOG_WARN, "memory is NOT locked and may reach swap: only development mode goes on like this");
    amp_log_text(AMP_LOG_WARN, "development mode", "address", address);
}

/* NAME='value', for a shell to read. */
static enum amp_err put_line(struct amp_secret_buf *out, const char *name, struct amp_slice value)
{
    enum amp_err err = amp_secret_buf_append(out, name, strlen(name));
    if (err == AMP_OK)
        err = amp_secret_buf_append(out, "='", 2);
    for (size_t i = 0; err == AMP_OK && i < value.len; i++) {
        bool quote = value.ptr[i] == '\'';
        err = quote ? amp_secret_buf_append(out, "'\\''", 4) : amp_secret_buf_append(out, &value.ptr[i], 1);
    }
    return err == AMP_OK ? amp_secret_buf_append(out, "'\n", 2) : err;
}

static enum amp_err write_env(struct amp_dev *dev, struct amp_slice key_id, struct amp_slice secret)
{
    const struct amp_config *config = &dev->supervisor->config;
    struct amp_secret_buf text = {0};
    char url_text[AMP_CONFIG_ADDRESS_MAX + 16];
    struct amp_out url = amp_out(url_text, sizeof(url_text));
    amp_out_str(&url, "https://");
    amp_out_str(&url, config->listen.address[0]);
    enum amp_err err = put_line(&text, "AMPOULE_URL", amp_out_done(&url));
    if (err == AMP_OK)
        err = put_line(&text, "AMPOULE_CA", amp_slice_str(config->listen.cert));
    if (err == AMP_OK)
        err = put_line(&text, "AMPOULE_STATE", amp_slice_str(config->state));
    if (err == AMP_OK)
        err = put_line(&text, "AWS_ACCESS_KEY_ID", key_id);
    if (err == AMP_OK)
        err = put_line(&text, "AWS_SECRET_ACCESS_KEY", secret);
    if (err == AMP_OK)
        err = put_line(&text, "AWS_REGION", AMP_SLICE_LIT("us-east-1"));
    if (err == AMP_OK) /* by which the first version of the AWS CLI and botocore know it */
        err = put_line(&text, "AWS_DEFAULT_REGION", AMP_SLICE_LIT("us-east-1"));
    if (err == AMP_OK)
        err = amp_state_write(&dev->supervisor->state, env_file, amp_slice(text.ptr, text.len));
    amp_secret_buf_free(&text);
    return err;
}

static void ask_later(struct amp_dev *dev)
{
    static const struct timeval delay = {0, RETRY_MS * 1000};
    if (evtimer_add(dev->retry, &delay) != 0)
        amp_supervisor_stop(dev->supervisor, 1);
}

static bool on_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_dev *dev = ctx;
    struct amp_ipc_in in = {payload, false};
    if (type == AMP_IPC_KEY_SECRET && !dev->done) {
        const struct amp_slice secret =
            amp_slice(payload.ptr + AMP_PRINCIPAL_KEY_ID_LEN, payload.len - AMP_PRINCIPAL_KEY_ID_LEN);
        dev->done = true;
        if (write_env(dev, amp_slice(payload.ptr, AMP_PRINCIPAL_KEY_ID_LEN), secret) != AMP_OK)
            amp_supervisor_stop(dev->supervisor, 1);
        return true;
    }
    if (type != AMP_IPC_KEY_DONE)
        return false;
    enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
    amp_link_free(dev->keeper);
    dev->keeper = NULL;
    if (err == AMP_ERR_AUDIT_UNAVAILABLE) {
        ask_later(dev); /* the keeper has not heard from the scribe yet */
    } else if (err != AMP_OK) {
        amp_log_text(AMP_LOG_ERROR, "the first principal could not be made", "code", amp_err_code(err));
        amp_supervisor_stop(dev->supervisor, 1);
    }
    return true;
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct amp_dev *dev = ctx;
    amp_link_free(dev->keeper);
    dev->keeper = NULL;
    if (!dev->done)
        ask_later(dev);
}

static enum amp_err ask(struct amp_dev *dev)
{
    const struct amp_link_config config = {.base = dev->supervisor->base,
                                           .self = AMP_ROLE_ADMIN,
                                           .peer = AMP_ROLE_KEEPER,
                                           .ctx = dev,
                                           .message = on_message,
                                           .closed = on_closed};
    static const struct amp_grant everything = {.permissions = AMP_MAY_ALL, .queue_len = 1, .queue = "*"};
    static const uint8_t link[2] = {AMP_ROLE_ADMIN, 0};
    uint8_t storage[256];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    int fds[2];
    if (amp_link_pair(fds) != AMP_OK)
        return AMP_ERR_IO;
    amp_child_send(&dev->supervisor->children[AMP_CHILD_KEEPER], AMP_IPC_LINK, amp_slice(link, sizeof(link)), fds[1]);
    close(fds[1]);
    enum amp_err err = amp_link_new(&dev->keeper, &config, fds[0]);
    if (err != AMP_OK)
        return err;
    amp_admin_put_create(&payload, AMP_SLICE_LIT("dev"), 0, 0, &everything, 1);
    return amp_link_send(dev->keeper, AMP_IPC_KEY_CREATE, amp_out_done(&payload), -1);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_dev *dev = ctx;
    if (dev->keeper == NULL && ask(dev) != AMP_OK)
        amp_supervisor_stop(dev->supervisor, 1);
}

enum amp_err amp_dev_new(struct amp_dev **out, struct amp_supervisor *supervisor)
{
    *out = NULL;
    struct amp_dev *dev = calloc(1, sizeof(*dev));
    if (dev == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    dev->supervisor = supervisor;
    dev->retry = evtimer_new(supervisor->base, on_retry, dev);
    if (dev->retry == NULL) {
        free(dev);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    *out = dev;
    return AMP_OK;
}

void amp_dev_free(struct amp_dev *dev)
{
    if (dev == NULL)
        return;
    (void)unlinkat(dev->supervisor->state.dir_fd, env_file, 0); /* its key dies now */
    amp_link_free(dev->keeper);
    event_free(dev->retry);
    free(dev);
}

void amp_dev_served(struct amp_dev *dev)
{
    on_retry(-1, 0, dev);
}
