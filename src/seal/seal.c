#include "seal/seal.h"

#include "base/size.h"
#include "seal/derive.h"
#include "seal/epochs.h"

#define VERSION   1
#define HEAD_LEN  (1 + 4) /* version, epoch */
#define CIPHER_AT (HEAD_LEN + AMP_GCM_NONCE_LEN)

/* One thing's key and what is authenticated beside it. */
struct binding {
    const struct amp_key256 *key; /* the epoch's own for the label, or `derived` */
    struct amp_key256 derived;
    struct amp_out aad;
    uint8_t aad_bytes[HEAD_LEN + AMP_SEAL_LABEL_MAX + 1 + AMP_SEAL_AAD_MAX];
};

/* `head` is authenticated as it stands in the sealed form; 0 ends the label. */
static enum amp_err binding_init(struct binding *binding, const struct amp_epoch *epoch, const char *label_text,
                                 struct amp_slice bind, const uint8_t head[HEAD_LEN], struct amp_slice aad)
{
    struct amp_slice label = amp_slice_str(label_text);
    binding->key = NULL;
    if (label.len > AMP_SEAL_LABEL_MAX || aad.len > AMP_SEAL_AAD_MAX)
        return AMP_ERR_TOO_LARGE;
    binding->aad = amp_out(binding->aad_bytes, sizeof binding->aad_bytes);
    amp_out_bytes(&binding->aad, head, HEAD_LEN);
    amp_out_slice(&binding->aad, label);
    amp_out_byte(&binding->aad, 0);
    amp_out_slice(&binding->aad, aad);
    binding->key = bind.len == 0 ? amp_epoch_label_key(epoch, label) : NULL;
    if (binding->key != NULL)
        return AMP_OK;
    binding->key = &binding->derived;
    return amp_seal_derive(&binding->derived, amp_epoch_key(epoch), label, bind);
}

static void binding_fini(struct binding *binding)
{
    if (binding->key == &binding->derived)
        amp_wipe(&binding->derived, sizeof binding->derived);
}

static void write_head(uint8_t head[HEAD_LEN], uint32_t epoch)
{
    head[0] = VERSION;
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(epoch >> (24 - 8 * i));
}

enum amp_err amp_sealed_epoch(struct amp_slice sealed, uint32_t *epoch)
{
    if (sealed.len < AMP_SEAL_OVERHEAD || sealed.ptr[0] != VERSION)
        return AMP_ERR_NOT_AUTHENTIC;
    *epoch = 0;
    for (unsigned i = 0; i < 4; i++)
        *epoch = *epoch << 8 | sealed.ptr[1 + i];
    return AMP_OK;
}

/* `to` has room for the plaintext and AMP_SEAL_OVERHEAD. */
static enum amp_err seal_under(const struct amp_epoch *epoch, const char *label, struct amp_slice bind,
                               struct amp_slice aad, struct amp_slice plain, uint8_t *to)
{
    struct binding binding;
    write_head(to, amp_epoch_id(epoch));
    enum amp_err err = binding_init(&binding, epoch, label, bind, to, aad);
    if (err == AMP_OK)
        err = amp_random(to + HEAD_LEN, AMP_GCM_NONCE_LEN);
    if (err == AMP_OK)
        err =
            amp_gcm_seal(to + CIPHER_AT, binding.key, to + HEAD_LEN, amp_out_done(&binding.aad), plain.ptr, plain.len);
    binding_fini(&binding);
    return err;
}

enum amp_err amp_seal(struct amp_epochs *epochs, const char *label, struct amp_slice bind, struct amp_slice aad,
                      struct amp_slice plain, struct amp_secret_buf *out, uint32_t *epoch)
{
    size_t sealed_len;
    if (!amp_size_add(plain.len, AMP_SEAL_OVERHEAD, &sealed_len))
        return AMP_ERR_TOO_LARGE;
    enum amp_err err = amp_secret_buf_reserve(out, sealed_len);
    if (err != AMP_OK)
        return err;
    struct amp_epoch *held;
    err = amp_epoch_hold_current(epochs, plain.len, &held);
    if (err != AMP_OK)
        return err;
    err = seal_under(held, label, bind, aad, plain, out->ptr + out->len);
    if (err != AMP_OK) {
        amp_wipe(out->ptr + out->len, sealed_len);
        amp_epoch_let_go(held);
        return err;
    }
    out->len += sealed_len;
    *epoch = amp_epoch_id(held);
    return AMP_OK;
}

static enum amp_err unseal_under(const struct amp_epoch *epoch, const char *label, struct amp_slice bind,
                                 struct amp_slice aad, struct amp_slice sealed, uint8_t *to)
{
    struct binding binding;
    enum amp_err err = binding_init(&binding, epoch, label, bind, sealed.ptr, aad);
    if (err == AMP_OK)
        err = amp_gcm_open(to, binding.key, sealed.ptr + HEAD_LEN, amp_out_done(&binding.aad), sealed.ptr + CIPHER_AT,
                           sealed.len - CIPHER_AT);
    binding_fini(&binding);
    return err;
}

enum amp_err amp_unseal(struct amp_epochs *epochs, const char *label, struct amp_slice bind, struct amp_slice aad,
                        struct amp_slice sealed, struct amp_secret_buf *out)
{
    uint32_t id;
    enum amp_err err = amp_sealed_epoch(sealed, &id);
    if (err != AMP_OK)
        return err;
    size_t plain_len = sealed.len - AMP_SEAL_OVERHEAD;
    err = amp_secret_buf_reserve(out, plain_len);
    if (err != AMP_OK)
        return err;
    struct amp_epoch *epoch = amp_epoch_hold(epochs, id);
    if (epoch == NULL)
        return AMP_ERR_NOT_AUTHENTIC;
    err = unseal_under(epoch, label, bind, aad, sealed, out->ptr + out->len);
    amp_epoch_let_go(epoch);
    if (err == AMP_OK)
        out->len += plain_len;
    return err;
}
