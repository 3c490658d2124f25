/* What other files of the room are about to define: each definition there takes the place of the one here. */
#include "api/internal.h"

#define PENDING(name)                                                                                                  \
    __attribute__((weak)) enum amp_err name(struct amp_api_call *call)                                                 \
    {                                                                                                                  \
        return AMP_ERR_SQS_UNSUPPORTED;                                                                                \
    }
PENDING(amp_handle_sqs)
