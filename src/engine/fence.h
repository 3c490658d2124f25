/* Tells AddressSanitizer, of memory that is no block of malloc's, that nobody may touch it, and that one may again. */
#ifndef AMP_ENGINE_FENCE_H
#define AMP_ENGINE_FENCE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AMP_WITH_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define AMP_WITH_ASAN
#endif

#ifdef AMP_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define AMP_FENCE(block, size)  ASAN_POISON_MEMORY_REGION(block, size)
#define AMP_UNLOCK(block, size) ASAN_UNPOISON_MEMORY_REGION(block, size)
#else
#define AMP_FENCE(block, size)  ((void)(block), (void)(size))
#define AMP_UNLOCK(block, size) ((void)(block), (void)(size))
#endif

#endif
