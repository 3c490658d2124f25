/* The names of SignedHeaders, and which field of a head each covers; private to the room's SigV4 files. */
#ifndef AMP_WIRE_SIGV4_NAMES_H
#define AMP_WIRE_SIGV4_NAMES_H

#include "wire/sigv4.h"

#define AMP_SIGV4_NOT_SIGNED UINT8_MAX

struct amp_sigv4_names {
    struct amp_slice names[AMP_SIGV4_MAX_SIGNED]; /* ascending */
    size_t count;
    uint8_t name_of[AMP_HTTP1_MAX_FIELDS]; /* index of the name that covers a field, or AMP_SIGV4_NOT_SIGNED */
};

/* AMP_ERR_MALFORMED_SIGNATURE where it is no ";"-separated list of lower-case field names, strictly
 * ascending. */
enum amp_err amp_sigv4_names_split(struct amp_sigv4_names *names, struct amp_slice signed_headers) AMP_MUST_USE;

/* Fills name_of. AMP_ERR_MALFORMED_SIGNATURE where a name covers no field. */
enum amp_err amp_sigv4_names_match(struct amp_sigv4_names *names, const struct amp_http1_head *head) AMP_MUST_USE;

/* Both, for a request. */
enum amp_err amp_sigv4_names_of(struct amp_sigv4_names *names, const struct amp_sigv4 *auth,
                                const struct amp_http1_head *head) AMP_MUST_USE;

/* amp_sigv4_canonical_hash, where the names are known already. */
enum amp_err amp_sigv4_canonical_hash_of(uint8_t out[AMP_SHA256_LEN], const struct amp_sigv4 *auth,
                                         const struct amp_sigv4_names *names, const struct amp_http1_head *head,
                                         const uint8_t body_sha256[AMP_SHA256_LEN]) AMP_MUST_USE;

/* True where `name`, in lower case, is in the list. */
bool amp_sigv4_names_has(const struct amp_sigv4_names *names, struct amp_slice name);

#endif
