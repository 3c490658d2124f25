/* Problem documents (RFC 9457): {"type","title","status","code","detail","request_id"[,"reason"][,"retry_after"]}. */
#ifndef AMP_WIRE_PROBLEM_H
#define AMP_WIRE_PROBLEM_H

#include "base/err.h"
#include "base/slice.h"

/* `reason`: why a thing is gone ("used", "expired", "revoked"), or NULL. `request_id`: 16 hex characters. Nothing of
 * the request is ever repeated. */
void amp_problem_write(struct amp_out *out, enum amp_err err, const char *reason, uint32_t retry_after_s,
                       struct amp_slice request_id);

/* What Retry-After and `retry_after` say, in seconds; 0 where the error is not one of waiting. */
uint32_t amp_problem_retry_after_s(enum amp_err err);

#endif
