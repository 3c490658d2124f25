#include "sandbox/internal.h"

#include "base/log.h"

/* What c-ares reads at each lookup. */
static const char *const resolver_files[] = {"/etc/resolv.conf", "/etc/hosts",    "/etc/nsswitch.conf",
                                             "/etc/host.conf",   "/etc/svc.conf", NULL};
static const char *const no_files[] = {NULL};

static const struct amp_profile profiles[] = {
    {
        .role = AMP_ROLE_FRONT,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_THREADS | AMP_CALLS_SERVE,
        .own_network = true,
        .empty_root = true,
        .readable = no_files,
    },
    {
        .role = AMP_ROLE_KEEPER,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_FILES,
        .own_network = true,
        .empty_root = true,
        .readable = no_files,
    },
    {
        .role = AMP_ROLE_SCRIBE,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_FILES,
        .own_network = true,
        .empty_root = true,
        .readable = no_files,
    },
    {
        .role = AMP_ROLE_COURIER,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_CONNECT,
        .connects = true,
        .readable = resolver_files,
    },
};

const struct amp_profile *amp_profile_of(enum amp_role role)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (profiles[i].role == role)
            return &profiles[i];
    }
    amp_fatal("no sandbox for this role");
}
