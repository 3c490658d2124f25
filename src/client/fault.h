/* Why a call failed, in storage of its own, so that the public error can be borrowed from it. */
#ifndef AMP_CLIENT_FAULT_H
#define AMP_CLIENT_FAULT_H

#include "ampoule.h"
#include "base/slice.h"

struct amp_client_fault {
    struct amp_client_error error; /* its texts point to the arrays below */
    char code[64];
    char message[512];
    char reason[32];
    char request_id[64];
};

/* No error. */
void amp_client_fault_clear(struct amp_client_fault *fault);
/* `message`: parts, one behind the other, up to NULL. Returns `status`. */
enum amp_client_status amp_client_fault_set(struct amp_client_fault *fault, enum amp_client_status status,
                                            const char *code, const char *const *message);
#define AMP_CLIENT_FAULT(fault, status, code, ...)                                                                     \
    amp_client_fault_set(fault, status, code, (const char *const[]){__VA_ARGS__, NULL})

/* An answer that is not 2xx. What its head does not say is 0 or empty. */
struct amp_client_refusal {
    int http_status;
    uint32_t retry_after_s;
    struct amp_slice request_id;
    struct amp_slice body;
};
/* Takes what a problem document (RFC 9457), or an error of AWS JSON 1.0, says; a body that is neither still gives a
 * code and a sentence. Returns AMP_CLIENT_REFUSED. */
enum amp_client_status amp_client_fault_refused(struct amp_client_fault *fault,
                                                const struct amp_client_refusal *refusal);

#endif
