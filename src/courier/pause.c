#include "courier/pause.h"

#include "crypto/crypto.h"

int64_t amp_pause_behind_ms(uint32_t attempts)
{
    static const uint16_t pauses_ms[] = {200, 500, 1000, 2000, 5000, 10000};
    enum { LAST = sizeof(pauses_ms) / sizeof(pauses_ms[0]) - 1 };
    uint32_t pause_ms = pauses_ms[attempts - 1 < LAST ? attempts - 1 : LAST];
    uint32_t random = 0;
    if (amp_random(&random, sizeof(random)) != AMP_OK)
        return pause_ms;
    return pause_ms - pause_ms / 5 + random % (2 * (pause_ms / 5) + 1);
}
