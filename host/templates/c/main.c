// SPDX-License-Identifier: MIT OR Apache-2.0
#include <paravirt/printf.h>

int main(int argc, char *argv[]) {
  paravirt_printf("Hello from @NAME@\n");
  for (int i = 1; i < argc; i++) {
    paravirt_printf("argument %d: %s\n", i, argv[i]);
  }
  return 0;
}
