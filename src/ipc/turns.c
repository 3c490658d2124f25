#include <event2/event.h>

#include "ipc/role.h"
#include "secret/secret.h"

void amp_role_serve(struct event_base *base)
{
    while (event_base_loop(base, EVLOOP_ONCE) == 0 && !event_base_got_break(base))
        amp_wipe_stack_of_turn();
}
