/* What one setting asks of another, and of the machine, once each has its value. Private to config.c. */
#ifndef AMP_DAEMON_CONFIG_CHECK_H
#define AMP_DAEMON_CONFIG_CHECK_H

#include "daemon/config.h"

/* One reading of a configuration's text. */
struct amp_config_reading {
    const struct amp_config_critic *critic; /* may be NULL */
    bool bad;                               /* it was complained of */
};

/* Tells the critic `NAME: "VALUE" WHY`, or `NAME WHY` where `value` is NULL. */
void amp_config_complain(struct amp_config_reading *reading, const char *name, const char *value, const char *why);
/* What is left out is filled in, and what is missing or contradicts itself is complained of. Memory and descriptors are
 * shared out only where nothing was bad before. */
void amp_config_check(struct amp_config_reading *reading, struct amp_config *config);

#endif
