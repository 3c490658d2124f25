/* What one number leaves to others: of memory_max the shares of all that grows, of limits.max_connections those of who
 * may have them. */
#ifndef AMP_DAEMON_SHARES_H
#define AMP_DAEMON_SHARES_H

#include "base/config.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * How many connections a front that may have so many files open has room for (limits.connections_room), since one that
 * runs out of descriptors would hear nobody, while all its limits say that it may. False, and a sentence in `why`,
 * where that is less than limits.max_connections, or than any front needs.
 */
bool amp_shares_of_files(struct amp_config *config, uint64_t open_files, struct amp_out *why) AMP_MUST_USE;

/*
 * Fills what the configuration left at 0. What it names it gets; each of the others has the least that it works with,
 * and its part of what is left; but there are no more connections than limits.connections_room, which is known before.
 * Together they are never more than config->memory.cap. False, and a sentence in `why` that names the settings, where
 * that cannot be.
 */
bool amp_shares_of_memory(struct amp_config *config, struct amp_out *why) AMP_MUST_USE;

/* Those of limits.max_connections that the configuration left at 0: nobody new to us, no source and no principal is to
 * have all. */
void amp_shares_of_connections(struct amp_config_limits *limits);

#endif
