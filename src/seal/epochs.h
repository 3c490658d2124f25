/* What sealing needs of an epoch: a hold on it, during which its key stays. Private to the room. */
#ifndef AMP_SEAL_EPOCHS_H
#define AMP_SEAL_EPOCHS_H

#include "seal/seal.h"

struct amp_epoch;

/*
 * A hold on the current key, charged with one use and `bytes`, the next one taken where it is spent. The hold
 * passes to what is sealed. AMP_ERR_KEEPER_UNAVAILABLE where there is none.
 */
enum amp_err amp_epoch_hold_current(struct amp_epochs *epochs, size_t bytes, struct amp_epoch **out) AMP_MUST_USE;
/* A hold on a key that lives; NULL where none has this id. */
struct amp_epoch *amp_epoch_hold(struct amp_epochs *epochs, uint32_t id);
/* Lets go; the last one wipes a retired key. */
void amp_epoch_let_go(struct amp_epoch *epoch);

/* Of an epoch that is held. */
uint32_t amp_epoch_id(const struct amp_epoch *epoch);
const struct amp_hmac_key *amp_epoch_key(const struct amp_epoch *epoch);
/* Its key for what is sealed under `label` and bound to nothing; NULL where the epoch keeps none for this label. */
const struct amp_key256 *amp_epoch_label_key(const struct amp_epoch *epoch, struct amp_slice label);

#endif
