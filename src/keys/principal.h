/* Who may sign requests, and what for (spec section 2: deny by default). */
#ifndef AMP_KEYS_PRINCIPAL_H
#define AMP_KEYS_PRINCIPAL_H

#include "base/err.h"
#include "base/slice.h"

#define AMP_PRINCIPAL_KEY_ID_LEN 20
#define AMP_PRINCIPAL_NAME_MAX   64
#define AMP_PRINCIPAL_GRANTS_MAX 32
#define AMP_GRANT_QUEUE_MAX      80

enum amp_permission {
    AMP_MAY_TOKENIZE = 1 << 0,
    AMP_MAY_CLAIM = 1 << 1,
    AMP_MAY_INSPECT = 1 << 2,
    AMP_MAY_REVOKE = 1 << 3,
    AMP_MAY_SEND = 1 << 4,
    AMP_MAY_RECEIVE = 1 << 5,
    AMP_MAY_MANAGE = 1 << 6,
};
#define AMP_MAY_ALL 0x7f

enum amp_principal_state {
    AMP_PRINCIPAL_ACTIVE,
    AMP_PRINCIPAL_EXPIRING,
    AMP_PRINCIPAL_DISABLED,
    AMP_PRINCIPAL_STATE_COUNT_
};

/* Permissions for one queue name, or for every queue where the name is "*". */
struct amp_grant {
    uint32_t permissions; /* of enum amp_permission */
    uint8_t queue_len;
    uint8_t queue[AMP_GRANT_QUEUE_MAX];
};

struct amp_principal {
    uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]; /* "AMPK" and 16 of A-Z2-7 */
    uint8_t name_len;
    uint8_t name[AMP_PRINCIPAL_NAME_MAX]; /* [A-Za-z0-9._-]; two keys of one name are one principal being rotated */
    enum amp_principal_state state;
    int64_t created_unix_ms;
    int64_t expires_unix_ms;  /* where expiring: when it ends; where disabled: when it ended */
    uint32_t rate_per_second; /* 0: no limit */
    uint32_t rate_burst;
    uint32_t grant_count;
    struct amp_grant grants[AMP_PRINCIPAL_GRANTS_MAX];
};

/* 1 to 80 letters, digits, - or _, which may end in .fifo (spec section 4). It may be a card number, for all that. */
bool amp_queue_name_is_good(struct amp_slice name);
/* "AMPK" and 16 of A-Z2-7. */
bool amp_key_id_is_good(const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]);
bool amp_principal_may(const struct amp_principal *principal, enum amp_permission permission, struct amp_slice queue);
/* Checks every field's form; AMP_ERR_INVALID. */
enum amp_err amp_principal_check(const struct amp_principal *principal) AMP_MUST_USE;
/* Packed form for the keyring and for the links; unpack consumes exactly and checks. */
void amp_principal_pack(struct amp_out *out, const struct amp_principal *principal);
enum amp_err amp_principal_unpack(struct amp_principal *principal, struct amp_slice packed) AMP_MUST_USE;
/* "tokenize", "claim", ... ; 0 for any other word. */
uint32_t amp_permission_parse(struct amp_slice word);
/* Reads "tokenize,claim:payments" style grants: WORD[,WORD...][:QUEUE], no queue meaning "*"; "all" for all. */
enum amp_err amp_grant_parse(struct amp_grant *grant, struct amp_slice text) AMP_MUST_USE;

#endif
