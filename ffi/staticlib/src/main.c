/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From the layer's start-up to `main`, for a guest that has no `paravirt_main`. */
#include <stdbool.h>
#include <stddef.h>

#include <paravirt/cpu.h>
#include <paravirt/power.h>
#include <paravirt/printf.h>
#include <paravirt/start.h>

/* Bytes of a command line, with the NUL, and arguments, with the first and the last. */
#define TEXT 4096
#define ARGUMENTS 512

int main(int argc, char *argv[]);
int32_t paravirt_main(void);

static bool is_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Start-up's copy of the command line is nobody's to change, but `main` may change its arguments. */
int32_t paravirt_main(void) {
  static char text[TEXT];
  static char *argv[ARGUMENTS];
  const struct pv_start_info *info = paravirt_start_info();
  const char *line = (const char *)(uintptr_t)info->command_line;
  size_t length = line == NULL ? 0 : info->command_line_length;
  int argc = 0;

  paravirt_cpu_enable_interrupts();
  /* The name of the program, which nobody knows. */
  argv[argc++] = text + TEXT - 1;
  for (size_t i = 0; i < length; ++i) {
    bool begins = !is_space(line[i]) && (i == 0 || is_space(line[i - 1]));

    if (i >= TEXT - 1 || (begins && argc >= ARGUMENTS - 1)) {
      paravirt_printf("fatal: a command line of %zu bytes; main() gets at most %d bytes, %d arguments\n", length,
                      TEXT - 1, ARGUMENTS - 2);
      paravirt_power_shutdown(PV_SHUTDOWN_FATAL, 1);
    }
    if (is_space(line[i]))
      continue;
    text[i] = line[i];
    if (begins)
      argv[argc++] = text + i;
  }
  return main(argc, argv);
}
