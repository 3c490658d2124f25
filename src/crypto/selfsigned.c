#include "crypto/selfsigned.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { SERIAL_BITS = 127 }; /* RFC 5280 section 4.1.2.2: positive, at most 20 octets */

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool good = number != NULL && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return good;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool set_fields(X509 *cert, EVP_PKEY *key, int64_t now_s, int days)
{
    time_t from = (time_t)now_s - 3600; /* a client's clock may be a little behind */
    time_t until = (time_t)now_s + (time_t)days * 24 * 3600;
    X509_NAME *name = X509_get_subject_name(cert);
    static const unsigned char subject[] = "Ampoule development";
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           ASN1_TIME_set(X509_getm_notBefore(cert), from) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), until) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, subject, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_key_identifier, "hash") &&
           add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

/* Takes what was written to the BIO and wipes it there. */
static enum amp_err drain(BIO *bio, struct amp_secret_buf *out)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    if (len <= 0)
        return AMP_ERR_CRYPTO;
    enum amp_err err = amp_secret_buf_append(out, text, (size_t)len);
    amp_wipe(text, (size_t)len);
    return err;
}

enum amp_err amp_selfsigned_make(int64_t now_s, int days, struct amp_secret_buf *key_pem,
                                 struct amp_secret_buf *cert_pem)
{
    enum amp_err err = AMP_ERR_CRYPTO;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *key_bio = BIO_new(BIO_s_secmem());
    BIO *cert_bio = BIO_new(BIO_s_mem());
    if (key != NULL && cert != NULL && key_bio != NULL && cert_bio != NULL && set_fields(cert, key, now_s, days) &&
        PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_bio_X509(cert_bio, cert) == 1)
        err = drain(key_bio, key_pem);
    if (err == AMP_OK)
        err = drain(cert_bio, cert_pem);
    BIO_free(key_bio);
    BIO_free(cert_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return err;
}

static bool covers(const X509 *cert, int64_t now_s, int64_t until_s)
{
    time_t from = (time_t)now_s;
    time_t until = (time_t)until_s;
    return X509_cmp_time(X509_get0_notBefore(cert), &from) < 0 && X509_cmp_time(X509_get0_notAfter(cert), &until) > 0;
}

bool amp_selfsigned_serves(struct amp_slice key_pem, struct amp_slice cert_pem, int64_t now_s, int64_t until_s)
{
    if (key_pem.len == 0 || cert_pem.len == 0 || key_pem.len > INT_MAX || cert_pem.len > INT_MAX)
        return false;
    BIO *key_bio = BIO_new_mem_buf(key_pem.ptr, (int)key_pem.len);
    BIO *cert_bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
    EVP_PKEY *key = key_bio != NULL ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;
    X509 *cert = cert_bio != NULL ? PEM_read_bio_X509(cert_bio, NULL, NULL, NULL) : NULL;
    bool good = key != NULL && cert != NULL && X509_check_private_key(cert, key) == 1 && covers(cert, now_s, until_s);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return good;
}
