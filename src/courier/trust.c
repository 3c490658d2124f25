#include "courier/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <unistd.h>

enum { PEM_MAX = 8 << 20 }; /* the system's are a quarter of a MiB */

static enum amp_err read_file(BIO *into, int fd)
{
    char chunk[4096];
    ssize_t n;
    off_t at = 0;
    while ((n = pread(fd, chunk, sizeof(chunk), at)) > 0) {
        at += n;
        if (at > PEM_MAX)
            return AMP_ERR_TOO_LARGE;
        if (BIO_write(into, chunk, (int)n) != (int)n)
            return AMP_ERR_OUT_OF_MEMORY;
    }
    return n == 0 ? AMP_OK : AMP_ERR_IO;
}

/* Every certificate of the file; what is no certificate between them is skipped, as OpenSSL does. */
static enum amp_err add_all(X509_STORE *store, BIO *pem)
{
    X509 *certificate;
    size_t count = 0;
    while ((certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
        int added = X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
        if (added != 1)
            return AMP_ERR_INVALID;
        count++;
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return at_end && count != 0 ? AMP_OK : AMP_ERR_INVALID;
}

static enum amp_err add_from(X509_STORE *store, int fd)
{
    BIO *pem = BIO_new(BIO_s_mem());
    if (pem == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = read_file(pem, fd);
    if (err == AMP_OK)
        err = add_all(store, pem);
    BIO_free(pem);
    return err;
}

enum amp_err amp_trust_read(X509_STORE **out, int fd)
{
    enum amp_err err = AMP_OK;
    X509_STORE *store = X509_STORE_new();
    *out = NULL;
    if (store == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    /* What is listed is trusted, be it a root or a certificate on the way to one. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    if (fd >= 0)
        err = add_from(store, fd);
    if (err == AMP_OK)
        *out = store;
    else
        X509_STORE_free(store);
    return err;
}
