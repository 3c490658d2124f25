#include "client/key.h"

#include "base/text.h"
#include "crypto/crypto.h"

const char *amp_client_key_make(char key[AMP_CLIENT_KEY_LEN + 1])
{
    uint8_t bytes[16];
    char hex[32];
    size_t at = 0;
    if (amp_random(bytes, sizeof bytes) != AMP_OK)
        return NULL;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    amp_hex_encode(hex, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof hex; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            key[at++] = '-';
        key[at++] = hex[i];
    }
    key[at] = '\0';
    return key;
}
