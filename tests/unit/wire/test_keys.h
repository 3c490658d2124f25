/* JSON Web Keys made for the tests alone: nothing is secret about them. */
#ifndef AMP_TESTS_TEST_KEYS_H
#define AMP_TESTS_TEST_KEYS_H

#define RSA_N                                                                                                          \
    "rmDI5KlZbQpIwwgkpNkOkiYVPlJD0yxlKseXhVfVgHFj5kC-3C5Ekjp288f1PN-KeN_mUmtkFFgYOEaLgeV4XP8YBBG6i6MlWYIM"             \
    "CMpOJSmJbc3Hl7NnLsoB83l5039ovs9CpwqnW3YwhOWksz-jz2SMvvyto5B-UB9-UUDKdT4sDeDO2jsMKPP7mpNf7VX_An4qPYDt"             \
    "BQ7v0LYcdsGDzQhr2JrU1hkIuphCPnOQAohniuuK8tqW12HNOmtLf9t6jGM7JbIJbdcEJieeXxSL8M10UGWuq4v_FlkAFw6s9RtG"             \
    "0dRr6U0DqJi8ATPnojYG5JM6Nc_TmgEXCEYlnutCQQ"
#define RSA_D                                                                                                          \
    "GdUYrayGJOh7HaQH2avrbqyERSE8Dv1AAiBjSqECbe6zqpk417a6-HaqHInTbgXSUP8fnbdvB1yC6gNOs3A3w9RpIwvao3OzGsQb"             \
    "MvTVXXKpJe0a06xYws5bj6K_8Mb_0L800-N40Mx8z5M9h5hhP14D7l8m_K4b0ul3dbiwGsIF_qq-pKkqYjSxm9L54rf8CoEwAYFb"             \
    "ux-gSicKpLneIaqKcvOnCmA4zC0Aya88avciqemBkZIA8TKBY7CxhcOZNZ3EGNFzu84l8PVqgMUEqiNeK017-KGJrvRZJ1LUac_G"             \
    "HYTMxIPjs6-K07M8uBpDq7nBKEPJ8KcQzvqfdIouCQ"
#define RSA_P                                                                                                          \
    "73WgNnu6tIEHOhxhQ1Nn1UGYV2fnapZkPR25H7JZDvdWzCc0TfZTYRSeA0jUx69wNy4EnXMWbh-ggpuX4MS3Ckvzx6aAZVKiSK8s"             \
    "inThQqRFVp6SEUaxpQBHDpY4URp7uWIfNuhP-1wTfK8xyYwd3AgouhhQohFYTyWW9LRkDR8"
#define RSA_Q                                                                                                          \
    "umxSLLJ2dAJx3gt6i0SSNLoz9ybHGAhgCe5VlMJ1_K2qsdkAum6Vh0H6HXQm23ZsDK97lnSmb_fYJWIkQ9WsoYK3g6LoiKrzbwnD"             \
    "WYEgfe89fGQ5skrHaUdlNhY47he44q1QoZasDwr0NXGGfgx871_nKd-GM7gzdOCSgjR5ZJ8"
#define RSA_DP                                                                                                         \
    "54m7_ZKLyIdOfqD8ZwYZyzme3T0ppYV_rRy1aPGhbXg5pDNwPsYkfyVZWGGu5No9Tg2gBsJGePr5z_A03fA38KvaLz1Ovyo0osVG"             \
    "8yXqve5q4UN4h13s3Ve0XWVhVQKfiXRYLFZbJ_gzG4enQ3PJV31ILBDgvqS41-bH3Rsj9w8"
#define RSA_DQ                                                                                                         \
    "J_f_akvc76Ryi1vEq0VJX3qol429094_0QFDYgCLUWBen4DaEh6Reo1ftZ7okdcC9XlOMwTRhmIJ-oHfKpgOShZ_h_6Ogna8eIsM"             \
    "Ug1ITRfVA-1tHVfBB0ZiYcVD8XAumJL2HZ7zRspfb3HmlvHQe3YBVs3wtPgCOEXJw5bCjBs"
#define RSA_QI                                                                                                         \
    "pcp8nYMuN1tApDhOnJ7jbwfhpYiYSfNVK-YhO6XhIbkgczbP1N1H0Fc0o6ZiQyAfHwnJiCqn6cT6sAsUO7z1631HAyAWOs2SjxUw"             \
    "hidlDiyAgzQl5p7JONVkgVxMbRD2Kh402FBXZkw4xRD8WgWb8a4h8MvSm9PcMYFDOAQrQ7M"
#define RSA_PUBLIC "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define RSA_PRIVATE                                                                                                    \
    "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"d\":\"" RSA_D "\",\"p\":\"" RSA_P "\",\"q\":\"" RSA_Q       \
    "\",\"dp\":\"" RSA_DP "\",\"dq\":\"" RSA_DQ "\",\"qi\":\"" RSA_QI "\"}"

#define P256_X       "-EqUKO0N_LFKb8MyrnLGwmYOBEDKJtFTQbVI4QXScxk"
#define P256_Y       "WQ4WmNTvKViHFP2CicFuoz55VwVBihFf1S5LggB3mPI"
#define P256_D       "gGbhsBSyjUQead3NmX1QTRCvrKWkqH85t_8odhYjupA"
#define P256_PUBLIC  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"}"
#define P256_PRIVATE "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\",\"d\":\"" P256_D "\"}"

#define P384_X       "XzZ3QKAKviECWMc8hJR_Yx86OAzT86MG-h4Nz1f-J29Vr4hpr9x4NRivErT29B9R"
#define P384_Y       "VRMuOnZdXt0rM4HAfEvvkptMy8YXpq8ntG6KhmvIrCi5q4urTsWADxPFLcVUHGI4"
#define P384_D       "hvkhx9f0FrbR0g19D9n3SmEPORELQINj_AHj1jyoWh5vt9MlURIsedoke7nxqIUt"
#define P384_PUBLIC  "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" P384_X "\",\"y\":\"" P384_Y "\"}"
#define P384_PRIVATE "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" P384_X "\",\"y\":\"" P384_Y "\",\"d\":\"" P384_D "\"}"

#endif
