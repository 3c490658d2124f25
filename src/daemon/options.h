/* The daemon's command line. */
#ifndef AMP_DAEMON_OPTIONS_H
#define AMP_DAEMON_OPTIONS_H

#include "base/config.h"

enum amp_options_wish {
    AMP_WISH_SERVE,
    AMP_WISH_CHECK,
    AMP_WISH_HELP,
    AMP_WISH_VERSION,
    AMP_WISH_ROLE,
    AMP_WISH_STARTER,
    AMP_WISH_ERROR
};

struct amp_options {
    enum amp_options_wish wish;
    const char *config; /* NULL in development mode */
    bool dev;
    const char *state;
    const char *listen; /* of development mode */
    uint32_t workers;   /* 0: as many as there are processors; of a role, where its configuration does not say */
    /* The directory of the sockets behind which roles are started, see starter.h; NULL: the supervisor starts them */
    const char *starters;
    const char *role;   /* of a starter; or the supervisor's own, for its children */
    const char *user;   /* the same: "UID:GID" that the role takes; NULL: none */
    const char *resume; /* the same: what an earlier life of the role left behind; NULL: nothing */
};

/* AMP_WISH_ERROR after having said on standard error what is wrong. Texts point into argv. */
void amp_options_parse(struct amp_options *out, int argc, char **argv);
void amp_options_print_help(void);

#endif
