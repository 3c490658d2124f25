/*
 * Who resolves names, as the courier read it before it was confined: another one has to read what changed. The files
 * are looked at rather than watched by inotify(7), which does not tell of mounts, nor of what a link on the way to them
 * points to now.
 */
#include <event2/event.h>
#include <sys/stat.h>

#include "base/log.h"
#include "daemon/supervisor.h"

enum { LOOK_S = 2, COURIER_AGE_MS = 15000 /* no death so soon that it counts towards giving up */ };

static const char *const files[AMP_NAMES_FILES] = {"/etc/resolv.conf", "/etc/hosts"};

static void look(struct stat about[AMP_NAMES_FILES])
{
    for (size_t i = 0; i < AMP_NAMES_FILES; i++) {
        about[i] = (struct stat){0};
        (void)stat(files[i], &about[i]); /* zeros: there is none */
    }
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct stat a[AMP_NAMES_FILES], const struct stat b[AMP_NAMES_FILES])
{
    for (size_t i = 0; i < AMP_NAMES_FILES; i++) {
        if (a[i].st_dev != b[i].st_dev || a[i].st_ino != b[i].st_ino || a[i].st_size != b[i].st_size ||
            !is_same_time(&a[i].st_mtim, &b[i].st_mtim) || !is_same_time(&a[i].st_ctim, &b[i].st_ctim))
            return false;
    }
    return true;
}

/* A file is taken for complete once two looks found it the same. */
static void on_look(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_supervisor *supervisor = ctx;
    struct amp_names *names = &supervisor->names;
    struct amp_child *courier = &supervisor->children[AMP_CHILD_COURIER];
    const int64_t age_ms = amp_clock_mono_ms(&supervisor->clock) - courier->started_mono_ms;
    struct stat now[AMP_NAMES_FILES];
    look(now);
    bool settled = is_same(now, names->seen);
    memcpy(names->seen, now, sizeof(now));
    if (!settled || is_same(now, names->taken) || !amp_child_runs(courier) || age_ms < COURIER_AGE_MS ||
        supervisor->stage != AMP_STAGE_SERVE)
        return;
    amp_log(AMP_LOG_WARN, "the file of hosts, or of name servers, was replaced: it takes a new courier to read it");
    memcpy(names->taken, now, sizeof(now));
    amp_child_kill(courier);
}

void amp_names_take(struct amp_supervisor *supervisor)
{
    look(supervisor->names.taken);
}

enum amp_err amp_names_watch(struct amp_supervisor *supervisor)
{
    static const struct timeval interval = {LOOK_S, 0};
    struct amp_names *names = &supervisor->names;
    names->look = event_new(supervisor->base, -1, EV_PERSIST, on_look, supervisor);
    return names->look != NULL && event_add(names->look, &interval) == 0 ? AMP_OK : AMP_ERR_OUT_OF_MEMORY;
}

void amp_names_close(struct amp_supervisor *supervisor)
{
    if (supervisor->names.look != NULL)
        event_free(supervisor->names.look);
    supervisor->names.look = NULL;
}
