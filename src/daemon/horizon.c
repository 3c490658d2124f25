/*
 * Up to which date signatures may have been accepted before this front was. Its replay memory dies with it, so what was
 * captured would verify again: a new front refuses those dates.
 *
 * Where the KEK outlives the daemon the file `replay-horizon` does too: a number of seconds in decimal and a newline.
 * It need not follow the clock, which says as much by itself, but only dates ahead of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/supervisor.h"
#include "keys/keyring.h"

/* The end of the year 9999 (PROTOCOL's dates have four digits of it). */
static const int64_t last_second = 253402300799;
/* How far ahead of the clock a signature's date may be: the most that auth.clock_skew can be, and the second begun. */
enum { AHEAD_MAX_S = 15 * 60 + 1 };

static const char file_name[] = "replay-horizon";

static int64_t now_s(void)
{
    struct amp_clock clock = amp_clock_system();
    return amp_clock_unix_ms(&clock) / 1000;
}

static enum amp_err read_file(const struct amp_state *state, int64_t *second)
{
    uint8_t text[24];
    uint64_t value = 0;
    int fd = openat(state->dir_fd, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? AMP_ERR_NOT_FOUND : AMP_ERR_IO;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    if (n < 0)
        return AMP_ERR_IO;
    if (n == 0 || text[n - 1] != '\n' ||
        amp_u64_parse(&value, amp_slice(text, (size_t)n - 1), (uint64_t)last_second) != AMP_OK)
        return AMP_ERR_INVALID;
    *second = (int64_t)value;
    return AMP_OK;
}

static void keep(struct amp_supervisor *supervisor, int64_t second)
{
    char storage[24];
    struct amp_out text = amp_out(storage, sizeof(storage));
    amp_out_u64(&text, (uint64_t)second);
    amp_out_byte(&text, '\n');
    if (amp_state_write(&supervisor->state, file_name, amp_out_done(&text)) == AMP_OK)
        supervisor->horizon.kept_s = second;
}

enum amp_err amp_horizon_open(struct amp_supervisor *supervisor)
{
    struct amp_horizon *horizon = &supervisor->horizon;
    char sealed_by[AMP_KEY_PROVIDER_NAME_MAX];
    *horizon = (struct amp_horizon){.kept = supervisor->config.keys.provider != AMP_CONFIG_PROVIDER_EPHEMERAL};
    if (!horizon->kept)
        return AMP_OK; /* every principal of an earlier life is gone */
    int64_t now = now_s();
    enum amp_err err = read_file(&supervisor->state, &horizon->kept_s);
    if (err == AMP_ERR_NOT_FOUND && amp_keyring_provider(supervisor->state.keys_fd, sealed_by) == AMP_ERR_NOT_FOUND)
        return AMP_OK; /* nor was there one: nobody has signed anything yet */
    if (err != AMP_OK && err != AMP_ERR_NOT_FOUND) {
        amp_log_text(AMP_LOG_ERROR,
                     "the replay horizon cannot be read, or is no date: see its file in the state directory", "file",
                     file_name);
        return err;
    }
    horizon->closed_s = now > horizon->kept_s ? now : horizon->kept_s;
    if (horizon->kept_s > now)
        amp_log_num(AMP_LOG_WARN, "signatures are refused until the clock has passed what was accepted before",
                    "seconds", horizon->kept_s - now);
    return AMP_OK;
}

int64_t amp_horizon_next(struct amp_supervisor *supervisor)
{
    struct amp_horizon *horizon = &supervisor->horizon;
    int64_t now = now_s();
    if (horizon->fronted && now > horizon->closed_s)
        horizon->closed_s = now;
    if (horizon->accepted_s > horizon->closed_s)
        horizon->closed_s = horizon->accepted_s;
    horizon->fronted = true;
    return horizon->closed_s;
}

/* By the highest clock that was seen: one that is set back makes no liar of an honest front. */
bool amp_horizon_note(struct amp_supervisor *supervisor, uint64_t accepted_s)
{
    struct amp_horizon *horizon = &supervisor->horizon;
    int64_t now = now_s();
    if (now > horizon->clock_s)
        horizon->clock_s = now;
    if (accepted_s > (uint64_t)horizon->clock_s + AHEAD_MAX_S)
        return false;
    if ((int64_t)accepted_s > horizon->accepted_s)
        horizon->accepted_s = (int64_t)accepted_s;
    if (horizon->kept && horizon->accepted_s > horizon->kept_s && horizon->accepted_s > now + 1)
        keep(supervisor, horizon->accepted_s);
    return true;
}

void amp_horizon_close(struct amp_supervisor *supervisor)
{
    const struct amp_horizon *horizon = &supervisor->horizon;
    if (horizon->kept && horizon->accepted_s > horizon->kept_s)
        keep(supervisor, horizon->accepted_s);
}
