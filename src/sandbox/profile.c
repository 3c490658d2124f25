#include "sandbox/internal.h"

#include "base/log.h"

static const struct amp_profile profiles[] = {
    {
        .role = AMP_ROLE_FRONT,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_THREADS | AMP_CALLS_SERVE,
        .own_network = true,
    },
    {
        .role = AMP_ROLE_KEEPER,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_SEALED,
        .own_network = true,
    },
    {
        .role = AMP_ROLE_SCRIBE,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_LOG,
        .own_network = true,
    },
    {
        .role = AMP_ROLE_COURIER,
        .calls = AMP_CALLS_COMMON | AMP_CALLS_CONNECT,
        .connects = true,
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
