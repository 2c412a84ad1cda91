/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A guest in C. Its calls go through the same jump table as those of a guest in Rust. */
#include <paravirt/interface.h>

static const char greeting[] = "Hello from a paravirtualized guest in C\n";

/* What the start code calls; the result is the guest's exit status. */
int32_t paravirt_main(void) {
  const char *rest = greeting;
  size_t length = sizeof greeting - 1;
  uint64_t begin = pv_clock_now();

  while (length > 0) {
    pv_ssize taken = pv_console_write(rest, length);
    if (taken < 0)
      return 1;
    rest += taken;
    length -= (size_t)taken;
  }
  return pv_clock_now() < begin ? 2 : 0;
}
