/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/** In place of the C library's function, linked with `--wrap`: gives memory as often as the environment variable MEMORY
 * says. */
#include <stdlib.h>

int __real_posix_memalign(void **memory, size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
  static long left = -1;
  if (left < 0) {
    const char *text = getenv("MEMORY");
    left = text ? atol(text) : 0;
  }
  if (left == 0)
    return 12; /* ENOMEM */
  --left;
  return __real_posix_memalign(memory, alignment, size);
}
