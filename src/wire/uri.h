/*
 * Paths and queries in the canonical form of AWS Signature Version 4, and the one reading of a query that goes
 * with it. "+" means itself, never a space (RFC 3986 section 3.4; so encode botocore and the AWS SDKs): what is
 * signed as %2B must not be read as something else behind the signature, so whoever needs a query's values
 * takes them from here.
 */
#ifndef AMP_WIRE_URI_H
#define AMP_WIRE_URI_H

#include "base/err.h"
#include "base/slice.h"

/* Most parameters a query may have. */
#define AMP_URI_MAX_PARAMS 128

/*
 * The next parameter of *rest, which starts as the whole query: name and value as sent, value empty where
 * there is no "="; false at the end. Nothing between two "&" is no parameter.
 */
bool amp_uri_next_param(struct amp_slice *rest, struct amp_slice *name, struct amp_slice *value);

/* Percent-decodes into `out`. AMP_ERR_MALFORMED_REQUEST where a "%" begins no two hex digits. */
enum amp_err amp_uri_decode(struct amp_out *out, struct amp_slice text) AMP_MUST_USE;

/*
 * The canonical path of a normalizing service: empty and dot segments removed (RFC 3986 section 5.2.4), then
 * each byte that is neither unreserved nor "/" encoded, "%" of an encoding already there included.
 */
void amp_uri_write_path(struct amp_out *out, struct amp_slice path);

/*
 * The canonical query: each name and value decoded, encoded anew, and sorted by encoded name, then value.
 * AMP_ERR_URI_TOO_LONG where it has more parameters or bytes than a request target may;
 * AMP_ERR_MALFORMED_REQUEST as amp_uri_decode.
 */
enum amp_err amp_uri_write_query(struct amp_out *out, struct amp_slice query) AMP_MUST_USE;

#endif
