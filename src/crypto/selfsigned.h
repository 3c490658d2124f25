/* A self-signed certificate for development: EC P-256, for localhost, 127.0.0.1 and ::1. */
#ifndef AMP_CRYPTO_SELFSIGNED_H
#define AMP_CRYPTO_SELFSIGNED_H

#include "secret/secret.h"

/* Appends the private key (PKCS#8) and the certificate, both PEM, valid for `days` from `now_s`. */
enum amp_err amp_selfsigned_make(int64_t now_s, int days, struct amp_secret_buf *key_pem,
                                 struct amp_secret_buf *cert_pem) AMP_MUST_USE;
/* Do these belong together, and is the certificate valid from `now_s` until `until_s`? */
bool amp_selfsigned_serves(struct amp_slice key_pem, struct amp_slice cert_pem, int64_t now_s, int64_t until_s);

#endif
