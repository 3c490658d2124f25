/* The numbers of an RSA key made for the tests alone: nothing is secret about them. */
#ifndef AMP_TESTS_RSA_NUMBERS_H
#define AMP_TESTS_RSA_NUMBERS_H

#include <string.h>

#include "../support.h"
#include "base/text.h"
#include "crypto/pkey.h"

enum { BYTES_MAX = 1024 };

struct bytes {
    size_t len;
    uint8_t ptr[BYTES_MAX];
};

static const char n_hex[] =
    "ae60c8e4a9596d0a48c30824a4d90e9226153e5243d32c652ac7978557d5807163e640bedc2e44923a76f3c7f53cdf8a78dfe652"
    "6b6414581838468b81e5785cff180411ba8ba32559820c08ca4e2529896dcdc797b3672eca01f37979d37f68becf42a70aa75b76"
    "3084e5a4b33fa3cf648cbefcada3907e501f7e5140ca753e2c0de0ceda3b0c28f3fb9a935fed55ff027e2a3d80ed050eefd0b61c"
    "76c183cd086bd89ad4d61908ba98423e73900288678aeb8af2da96d761cd3a6b4b7fdb7a8c633b25b2096dd70426279e5f148bf0"
    "cd745065aeab8bff165900170eacf51b46d1d46be94d03a898bc0133e7a23606e4933a35cfd39a01170846259eeb4241";
static const char d_hex[] =
    "19d518adac8624e87b1da407d9abeb6eac8445213c0efd400220634aa1026deeb3aa9938d7b6baf876aa1c89d36e05d250ff1f9d"
    "b76f075c82ea034eb37037c3d469230bdaa373b31ac41b32f4d55d72a925ed1ad3ac58c2ce5b8fa2bff0c6ffd0bf34d3e378d0cc"
    "7ccf933d8798613f5e03ee5f26fcae1bd2e97775b8b01ac205feaabea4a92a6234b19bd2f9e2b7fc0a813001815bbb1fa04a270a"
    "a4b9de21aa8a72f3a70a6038cc2d00c9af3c6af722a9e981919200f1328163b0b185c399359dc418d173bbce25f0f56a80c504aa"
    "235e2b4d7bf8a189aef4592752d469cfc61d84ccc483e3b3af8ad3b33cb81a43abb9c12843c9f0a710cefa9f748a2e09";
static const char p_hex[] =
    "ef75a0367bbab481073a1c61435367d541985767e76a96643d1db91fb2590ef756cc27344df65361149e0348d4c7af70372e049d"
    "73166e1fa0829b97e0c4b70a4bf3c7a6806552a248af2c8a74e142a445569e921146b1a500470e9638511a7bb9621f36e84ffb5c"
    "137caf31c98c1ddc0828ba1850a211584f2596f4b4640d1f";
static const char q_hex[] =
    "ba6c522cb276740271de0b7a8b449234ba33f726c718086009ee5594c275fcadaab1d900ba6e958741fa1d7426db766c0caf7b96"
    "74a66ff7d825622443d5aca182b783a2e888aaf36f09c35981207def3d7c6439b24ac7694765361638ee17b8e2ad50a196ac0f0a"
    "f43571867e0c7cef5fe729df8633b83374e092823479649f";

static struct bytes own_n, own_d, own_p, own_q;
static const uint8_t own_e[] = {1, 0, 1};

static inline struct amp_slice unhex(struct bytes *bytes, const char *hex)
{
    bytes->len = strlen(hex) / 2;
    assert_true(bytes->len <= BYTES_MAX);
    assert_int_equal(amp_hex_decode(bytes->ptr, bytes->len, amp_slice_str(hex)), AMP_OK);
    return amp_slice(bytes->ptr, bytes->len);
}

static inline struct amp_rsa_numbers own_numbers(void)
{
    return (struct amp_rsa_numbers){unhex(&own_n, n_hex), amp_slice(own_e, sizeof own_e), unhex(&own_d, d_hex),
                                    unhex(&own_p, p_hex), unhex(&own_q, q_hex)};
}

#endif
