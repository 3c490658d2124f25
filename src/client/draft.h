/* A JSON body being written, in secret memory. Texts are checked before anything is sent. */
#ifndef AMP_CLIENT_DRAFT_H
#define AMP_CLIENT_DRAFT_H

#include "secret/secret.h"

/* All zero at first. Failures stick: look once, at the end. */
struct amp_client_draft {
    struct amp_secret_buf buf;
    bool bad;       /* a text is not UTF-8, or not JSON where it has to be */
    bool no_memory; /* none was left */
};

/* Wipes and frees. */
void amp_client_draft_fini(struct amp_client_draft *draft);

/* `opening` and `closing`: one of the brackets of JSON. `name`: of the member that begins; NULL in an array, or for the
 * whole. A comma is put where something stands before. */
void amp_client_draft_open(struct amp_client_draft *draft, const char *name, char opening);
void amp_client_draft_close(struct amp_client_draft *draft, char closing);

void amp_client_draft_text(struct amp_client_draft *draft, const char *name, struct amp_slice text);
/* The same of a C string; nothing where it is NULL. */
void amp_client_draft_string(struct amp_client_draft *draft, const char *name, const char *text);
void amp_client_draft_number(struct amp_client_draft *draft, const char *name, uint64_t number);
void amp_client_draft_bool(struct amp_client_draft *draft, const char *name, bool value);
/* JSON as it is; nothing where it is NULL. It goes in only as one whole value, so that it cannot become two members. */
void amp_client_draft_json(struct amp_client_draft *draft, const char *name, const char *json);
/* A member whose name is not a constant: a tag, an attribute. */
void amp_client_draft_pair(struct amp_client_draft *draft, struct amp_slice name, struct amp_slice text);

#endif
