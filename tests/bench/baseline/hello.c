/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The line of the example `hello`, from a static C program. */
#include <unistd.h>

int main(void) {
  static const char line[] = "Hello from a paravirtualized guest\n";
  return write(1, line, sizeof line - 1) != sizeof line - 1;
}
