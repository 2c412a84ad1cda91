/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Calls every function of the C API and prints a line for each check; `shutdown REASON CODE` ends the guest that way.
 * */
#include <paravirt/console.h>
#include <paravirt/cpu.h>
#include <paravirt/power.h>
#include <paravirt/start.h>

#include "check.h"

static const struct {
  const char *name;
  check *run;
} checks[] = {
    /* First: a timer that is started attaches the API's handler to the timer line. */
    {"own handler of the timer line", check_own_dispatch},
    {"clock", check_clock},
    {"wall clock", check_wall_clock},
    {"input", check_console_input},
    {"order of output", check_console_order},
    {"interrupt flag", check_interrupt_flag},
    {"idle", check_idle},
    {"thread-local storage", check_thread_local_storage},
    {"attach and detach", check_attach},
    {"mask and unmask", check_mask},
    {"pending and clear", check_pending},
    {"spurious interrupt", check_spurious},
    {"body of the upcall", check_upcall_body},
    {"no such line", check_no_such_line},
    {"timer, once", check_once},
    {"timer, periodic", check_periodic},
    {"timer, stopped", check_stop},
    {"no such timer", check_no_such_timer},
};

static void print(const char *text) {
  size_t length = 0;

  while (text[length] != '\0')
    ++length;
  paravirt_console_write(text, length);
}

/* Whether the text begins with the word; `*rest` is then what follows. */
static bool word(const char *text, const char *word, const char **rest) {
  while (*word != '\0' && *text == *word) {
    ++text;
    ++word;
  }
  *rest = *text == ' ' ? text + 1 : text;
  return *word == '\0' && (*text == ' ' || *text == '\0');
}

static uint32_t number(const char **text) {
  uint32_t value = 0;

  for (; **text >= '0' && **text <= '9'; ++*text)
    value = 10 * value + (uint32_t)(**text - '0');
  if (**text == ' ')
    ++*text;
  return value;
}

/* What the start code calls; the result is the guest's exit status. */
int32_t paravirt_main(void) {
  const struct pv_start_info *info = paravirt_start_info();
  const char *rest;
  int32_t failed = 0;

  if (info == NULL || info->magic != PV_START_MAGIC || info->version != PV_ABI_VERSION) {
    print("start info: FAILED\n");
    return 1;
  }
  if (word((const char *)(uintptr_t)info->command_line, "shutdown", &rest)) {
    uint32_t reason = number(&rest);

    print("shutdown\n");
    paravirt_power_shutdown(reason, (int32_t)number(&rest));
  }
  if (!word((const char *)(uintptr_t)info->command_line, "all", &rest) || info->command_line_length != 3) {
    print("start info: FAILED\n");
    return 1;
  }
  paravirt_cpu_enable_interrupts();
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; ++i) {
    const char *problem = checks[i].run();

    print(checks[i].name);
    if (problem == NULL) {
      print(": ok\n");
    } else {
      print(": FAILED: ");
      print(problem);
      print("\n");
      ++failed;
    }
  }
  return failed;
}
