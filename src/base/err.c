#include "base/err.h"

#include <stddef.h>

struct err_row {
    const char *code;
    const char *sentence;
    int status;
};

static const struct err_row rows[AMP_ERR_COUNT_] = {[AMP_OK] = {"ok", "Done.", 200},
#define X(symbol, code_, status_, sentence_) [AMP_ERR_##symbol] = {code_, sentence_, status_},
                                                    AMP_ERRORS(X)
#undef X
};

/* A value that is no error code at all is a defect of ours, and answers as one. */
static const struct err_row *row_of(enum amp_err err)
{
    return &rows[(size_t)err < AMP_ERR_COUNT_ ? err : AMP_ERR_INTERNAL];
}

const char *amp_err_code(enum amp_err err)
{
    return row_of(err)->code;
}

int amp_err_status(enum amp_err err)
{
    return row_of(err)->status;
}

const char *amp_err_sentence(enum amp_err err)
{
    return row_of(err)->sentence;
}
